#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the stages of `make check`, `make test` and `make docs`, each timed; stops at the first that fails.
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/environment/lib/common.sh
. "$HERE/lib/common.sh"
cd -- "$PROJECT_DIR"

CHECK_STAGES=(tools ruff mypy yamllint ansible-lint shellcheck unit)
TEST_STAGES=(environment sanity integration e2e molecule)
SUMMARY=()

has_files() { [ -n "$(git ls-files --cached --others --exclude-standard -- "$@" | head -n 1)" ]; }

stage_tools() { "$HERE/bootstrap.sh" check-tools collection; }

stage_environment() { "$HERE/bootstrap.sh" all browser; }

stage_ruff() { ruff check .; }

# From where the collection has its real name: by any other path mypy takes each file for a module of its own
stage_mypy() {
    (cd collections && mypy --config-file ../pyproject.toml ansible_collections/optio/codex/plugins)
    mypy tests
}

stage_yamllint() { yamllint -s .; }

stage_ansible-lint() {
    if ! has_files galaxy.yml; then
        echo "there is no collection yet"
        return
    fi
    ansible-lint --offline -q
    if has_files changelogs/config.yaml; then antsibull-changelog lint; fi
}

stage_shellcheck() {
    local files
    mapfile -t files < <(
        git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
            case $file in
                *.sh) [ ! -f "$file" ] || echo "$file" ;;
                *.*) ;;
                *) if head -n 1 -- "$file" 2>/dev/null | grep -aqE '^#!.*\b(sh|bash|dash)\b'; then echo "$file"; fi ;;
            esac
        done
    )
    shellcheck -x "${files[@]}"
}

# pytest_in DIRECTORY...: in one run, those of them that hold tests
pytest_in() {
    local directory directories=()
    for directory in "$@"; do
        ! has_files "$directory/**test_*.py" || directories+=("$directory")
    done
    if [ ${#directories[@]} = 0 ]; then
        echo "no tests in $* yet"
        return
    fi
    python -m pytest "${directories[@]}"
}

stage_unit() { pytest_in tests/unit tests/environment; }

stage_sanity() { "$HERE/sanity.sh"; }

stage_integration() { pytest_in tests/integration; }

stage_e2e() { pytest_in tests/e2e; }

stage_molecule() {
    if ! has_files 'molecule/*/molecule.yml'; then
        echo "no molecule scenarios yet"
        return
    fi
    molecule test --all
}

stage_docs() {
    antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .
    rm -rf build/docs
    mkdir -p build/docs
    antsibull-docs collection --use-current --squash-hierarchy --dest-dir build/docs optio.codex
    echo "build/docs holds the pages (reStructuredText)"
}

# The line by which pytest or molecule sums up, for the table at the end
last_words() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | grep -E '^(=+ .* in [0-9.:]+|[0-9]+ (passed|failed|skipped).* in [0-9.]+)' | tail -n 1 | tr -d '=' || true
}

summary() {
    local line
    [ ${#SUMMARY[@]} -gt 0 ] || return 0
    printf '\n'
    for line in "${SUMMARY[@]}"; do printf '%s\n' "$line"; done
}

run_stage() {
    local name=$1 begin=$SECONDS log=$DEV_CACHE/logs/stage-$1.log status=0
    mkdir -p "$DEV_CACHE/logs"
    printf '\n=== %s\n' "$name"
    # a process of its own: errexit does not hold in a function whose status is tested
    "$HERE/stages.sh" --stage "$name" </dev/null 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
    if [ "$status" != 0 ]; then
        SUMMARY+=("$(printf 'FAILED  %-14s %4d s  %s' "$name" $((SECONDS - begin)) "$(last_words "$log")")")
        summary
        die "the stage '$name' failed (status $status)" \
            "its output is above and in $log; to repeat it alone: tests/environment/stages.sh $name"
    fi
    SUMMARY+=("$(printf 'ok      %-14s %4d s  %s' "$name" $((SECONDS - begin)) "$(last_words "$log")")")
}

run_stages() {
    local name begin=$SECONDS
    for name in "$@"; do run_stage "$name"; done
    summary
    printf 'all %d stages passed in %d s\n' $# $((SECONDS - begin))
}

# The Makefile sets these too; so a single stage can be run by hand
export PATH="$DEV_CACHE/venv/bin:$PATH"
export ANSIBLE_COLLECTIONS_PATH="$PROJECT_DIR/collections"
export PYTHONDONTWRITEBYTECODE=1

case ${1:-} in
    --stage) "stage_$2" ;;
    check) run_stages "${CHECK_STAGES[@]}" ;;
    test) run_stages "${CHECK_STAGES[@]}" "${TEST_STAGES[@]}" ;;
    docs) run_stages tools docs ;;
    "" | -h | --help)
        echo "Usage: stages.sh check | test | docs | STAGE..."
        echo "stages: ${CHECK_STAGES[*]} ${TEST_STAGES[*]} docs"
        ;;
    *) run_stages "$@" ;;
esac
