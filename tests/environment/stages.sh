#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the stages of `make check`, `make test` and `make docs`, each timed; stops at the first that fails.
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/environment/lib/common.sh
. "$HERE/lib/common.sh"
cd -- "$PROJECT_DIR"

FIRST_STAGES=(tools ruff words specs names)
LINT_STAGES=(mypy yamllint ansible-lint shellcheck)
# on one processor, beside the units
STATIC_STAGES=(sanity targets)
# molecule mostly waits for packages from the network
SETUP_STAGES=(environment mypy yamllint lint-all shellcheck molecule)
CONTAINER_STAGES=(containers)
SUMMARY=()
BESIDE=()
RESULTS=""

has_files() { [ -n "$(git ls-files --cached --others --exclude-standard -- "$@" | head -n 1)" ]; }

stage_tools() { "$HERE/bootstrap.sh" check-tools collection; }

# beside what the demo needs, the oldest and the newest platform
stage_environment() {
    OPTIO_CODEX_SUITES=${OPTIO_CODEX_SUITES:-bookworm trixie bullseye sid} \
        "$HERE/bootstrap.sh" all browser podman-connection reference
}

stage_ruff() { ruff check .; }

stage_words() { scripts/words.py check --targets; }

stage_specs() { scripts/role_specs.py check; }

stage_names() { scripts/public_names.py check; }

# From where the collection has its real name: by any other path mypy takes each file for a module of its own
stage_mypy() {
    (cd collections && mypy --config-file ../pyproject.toml ansible_collections/optio/codex/plugins)
    mypy tests scripts
}

stage_yamllint() { yamllint -s .; }

stage_ansible-lint() {
    if ! has_files galaxy.yml; then
        echo "there is no collection yet"
        return
    fi
    ansible-lint --offline --nocolor -q
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

# pytest_in OPTION... DIRECTORY...: in one run, those of them that hold tests; an option is one word
pytest_in() {
    local directory directories=() options=()
    while [ "${1#-}" != "$1" ]; do
        options+=("$1")
        shift
    done
    for directory in "$@"; do
        ! has_files "$directory/**test_*.py" || directories+=("$directory")
    done
    if [ ${#directories[@]} = 0 ]; then
        echo "no tests in $* yet"
        return
    fi
    python -m pytest "${options[@]}" "${directories[@]}"
}

stage_unit() { pytest_in -n4 "-mnot extended" tests/unit tests/scripts tests/environment tests/benchmark; }

# all but those that try one point of a run after the other
stage_quick-unit() { pytest_in -n4 "-mnot slow and not extended" tests/unit tests/scripts tests/environment tests/benchmark; }

stage_lint-all() {
    ansible-lint --offline -q
    antsibull-changelog lint
    antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .
}

stage_sanity() { "$HERE/ansible_test.sh" sanity; }

# targets that need no container, on this machine
stage_targets() { "$HERE/ansible_test.sh" integration; }

# on the oldest Python of workers, all of them
stage_units() { "$HERE/ansible_test.sh" units; }

# on every Python of workers, the quick ones
stage_pythons() { "$HERE/pythons.sh"; }

stage_all-pythons() { "$HERE/pythons.sh" 3.10 3.12 3.13; }

# each process has fleets of its own; the longest modules go first, by tests/e2e/conftest.py
stage_containers() { pytest_in -n2 --dist=loadscope --no-loadscope-reorder "-mnot battery and not extended" tests/containers tests/e2e; }

stage_batteries() { pytest_in -n2 --dist=loadscope --no-loadscope-reorder "-mbattery and not extended" tests/containers tests/e2e; }

# the repetitions that make test leaves out
stage_extended() {
    "$HERE/bootstrap.sh" awx-modules runner builder
    pytest_in -n2 --dist=loadscope --no-loadscope-reorder -mextended tests/unit tests/containers tests/e2e
}

stage_container() { pytest_in tests/containers; }

stage_e2e() { pytest_in tests/e2e; }

stage_molecule() {
    if ! has_files 'molecule/*/molecule.yml'; then
        echo "no molecule scenarios yet"
        return
    fi
    # all at once: each waits longest for packages from the network
    molecule test --all --workers 4
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

# record NAME SECONDS STATUS LOG: a line for the summary; ends the run when the stage failed
record() {
    local name=$1 seconds=$2 status=$3 log=$4 verdict=ok
    [ "$status" = 0 ] || verdict=FAILED
    SUMMARY+=("$(printf '%-7s %-14s %4d s  %s' "$verdict" "$name" "$seconds" "$(last_words "$log")")")
    [ "$status" != 0 ] || return 0
    summary
    die "the stage '$name' failed (status $status)" \
        "its output is above and in $log; to repeat it alone: tests/environment/stages.sh $name"
}

log_of() { echo "$DEV_CACHE/logs/stage-$1.log"; }

run_stage() {
    local name=$1 begin=$SECONDS log status=0
    log=$(log_of "$name")
    printf '\n=== %s\n' "$name"
    # a process of its own: errexit does not hold in a function whose status is tested
    "$HERE/stages.sh" --stage "$name" </dev/null 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
    record "$name" $((SECONDS - begin)) "$status" "$log"
}

# run_quietly STAGE...: each one's output to its log, its seconds and status to RESULTS
run_quietly() {
    local name begin status
    for name in "$@"; do
        begin=$SECONDS status=0
        "$HERE/stages.sh" --stage "$name" </dev/null >"$(log_of "$name")" 2>&1 || status=$?
        echo "$((SECONDS - begin)) $status" >"$RESULTS/$name"
    done
}

end_beside() {
    local group
    for group in "${BESIDE[@]}"; do kill -- "-$group" 2>/dev/null || true; done
    rm -rf -- "$RESULTS"
}

# start_beside STAGE...: one after the other in the background; join_beside waits for all and shows what they printed
start_beside() {
    [ -n "$RESULTS" ] || RESULTS=$(mktemp -d)
    trap end_beside EXIT
    # a process group of its own, so that all of it can be ended
    set -m
    run_quietly "$@" &
    BESIDE+=("$!")
    set +m
}

join_beside() {
    local name seconds status
    wait "${BESIDE[@]}"
    BESIDE=()
    for name in "$@"; do
        read -r seconds status <"$RESULTS/$name"
        printf '\n=== %s\n' "$name"
        cat -- "$(log_of "$name")"
        record "$name" "$seconds" "$status" "$(log_of "$name")"
    done
}

run_first() {
    local name
    for name in "${FIRST_STAGES[@]}"; do run_stage "$name"; done
}

finish() {
    summary
    printf 'all %d stages passed in %d s\n' ${#SUMMARY[@]} "$SECONDS"
}

# The Makefile sets these too; so a single stage can be run by hand
export PATH="$DEV_CACHE/venv/bin:$PATH"
export ANSIBLE_COLLECTIONS_PATH="$PROJECT_DIR/collections"
export PYTHONPYCACHEPREFIX=$PROJECT_DIR/build/pycache
mkdir -p "$DEV_CACHE/logs"

case ${1:-} in
    --stage) "stage_$2" ;;
    check)
        run_first
        start_beside "${LINT_STAGES[@]}"
        run_stage quick-unit
        join_beside "${LINT_STAGES[@]}"
        finish
        ;;
    test)
        # images and downloads mostly wait for the network
        run_first
        start_beside "${SETUP_STAGES[@]}"
        start_beside "${STATIC_STAGES[@]}"
        run_stage unit
        join_beside "${STATIC_STAGES[@]}" "${SETUP_STAGES[@]}"
        for stage in "${CONTAINER_STAGES[@]}"; do run_stage "$stage"; done
        finish
        ;;
    docs) exec "$HERE/stages.sh" tools docs ;;
    "" | -h | --help)
        echo "Usage: stages.sh check | test | docs | STAGE..."
        echo "stages: ${FIRST_STAGES[*]} quick-unit unit ${STATIC_STAGES[*]} ${LINT_STAGES[*]} environment lint-all ${CONTAINER_STAGES[*]} pythons all-pythons units e2e docs"
        ;;
    *)
        for stage in "$@"; do run_stage "$stage"; done
        finish
        ;;
esac
