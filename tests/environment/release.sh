#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Checks the tree as a release; every stage runs, and the summary lists those that failed.
# Usage: release.sh [STAGE...]
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/environment/lib/common.sh
. "$HERE/lib/common.sh"
# shellcheck source=tests/environment/lib/cores.sh
. "$HERE/lib/cores.sh"
cd -- "$PROJECT_DIR"

STAGES=(repository changelog reuse workflows lint artifact importer install site sanity pythons)
OUT=$PROJECT_DIR/build/release
SOURCE=$OUT/ansible_collections/optio/codex
RELEASE_BIN=$DEV_CACHE/release-venv/bin

version() { sed -n 's/^version: //p' "$PROJECT_DIR/galaxy.yml"; }

tarball() { echo "$OUT/optio-codex-$(version).tar.gz"; }

# no_warnings LOG: a warning in the output fails the stage, but for one of ansible-core 2.20 and newer about a part of itself
no_warnings() {
    if grep -aE 'WARNING|DEPRECAT' -- "$1" | grep -v 'ansible/_protomatter' >&2; then die "there are warnings in $1" "correct their causes"; fi
}

# a copy of the project's files, with the name of the collection and without what lies around in a checkout
copy_source() {
    rm -rf -- "$SOURCE"
    mkdir -p "$SOURCE"
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\0' "$file"
    done | tar --null -T - -c | tar -C "$SOURCE" -x
}

stage_repository() { scripts/set_repository.py --check; }

# the fragments as they are, and what a release makes of them
stage_changelog() {
    antsibull-changelog lint
    copy_source
    (cd -- "$SOURCE" && antsibull-changelog release --version "$(version)" --date 2000-01-01 &&
        antsibull-changelog lint-changelog-yaml changelogs/changelog.yaml)
    grep -q "^v$(version)\$" "$SOURCE/CHANGELOG.rst"
}

stage_reuse() { "$RELEASE_BIN/reuse" lint --lines; }

stage_workflows() {
    "$RELEASE_BIN/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml
    "$RELEASE_BIN/zizmor" --offline --no-progress -q .github/workflows
    yamllint -s .github
}

stage_lint() { "$HERE/stages.sh" ruff words specs names mypy yamllint lint-all shellcheck; }

stage_artifact() {
    copy_source
    rm -f -- "$(tarball)"
    (cd -- "$SOURCE" && ansible-galaxy collection build --force --output-path "$OUT")
    OPTIO_CODEX_ARTIFACT=$(tarball) python -m pytest -q tests/scripts/test_artifact.py
}

# Galaxy's own import, without its containers; sanity is a stage of its own
stage_importer() {
    local log=$OUT/importer.log
    [ -e "$(tarball)" ] || stage_artifact
    printf '%s\n' '[galaxy-importer]' 'CHECK_CHANGELOG = True' 'CHECK_REQUIRED_TAGS = True' 'LOG_LEVEL_MAIN = INFO' \
        'OFFLINE_ANSIBLE_LINT = True' 'RUN_ANSIBLE_DOC = True' 'RUN_ANSIBLE_LINT = True' 'RUN_ANSIBLE_TEST = False' \
        'RUN_FLAKE8 = False' >"$OUT/galaxy-importer.cfg"
    (cd -- "$OUT" && env -u ANSIBLE_COLLECTIONS_PATH PATH="$RELEASE_BIN:$PATH" \
        GALAXY_IMPORTER_CONFIG="$OUT/galaxy-importer.cfg" python -m galaxy_importer.main "$(tarball)") 2>&1 | tee "$log"
    grep -q 'Importer processing completed successfully' "$log"
    if grep -E 'WARNING|ERROR' "$log" >&2; then die "galaxy-importer warns" "correct the causes"; fi
}

# in_empty_home BIN COMMAND...: with the installed collection alone, and without a network for ansible-galaxy
in_empty_home() {
    local bin=$1
    shift
    env -i HOME="$OUT/home" PATH="$bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C.UTF-8 \
        ANSIBLE_COLLECTIONS_PATH="$OUT/home/collections" ANSIBLE_NOCOLOR=1 "$@"
}

# use_installed BIN: what a user does first
use_installed() {
    local bin=$1 kind
    rm -rf -- "${OUT:?}/home"
    mkdir -p "$OUT/home"
    cd -- "$OUT/home"
    in_empty_home "$bin" ansible-galaxy collection install --offline -p "$OUT/home/collections" "$(tarball)"
    in_empty_home "$bin" ansible-galaxy collection verify --offline optio.codex
    for kind in module role filter lookup callback; do in_empty_home "$bin" ansible-doc -t "$kind" -l optio.codex; done
    in_empty_home "$bin" ansible-doc optio.codex.session | sed -n 1,3p
    in_empty_home "$bin" ansible-doc -t role optio.codex.codex_session | sed -n 1,3p
    in_empty_home "$bin" ansible-playbook -i "$HERE/release/inventory.yml" "$HERE/release/smoke.yml"
    in_empty_home "$bin" ansible-playbook -i "$HERE/release/inventory.yml" optio.codex.status
    in_empty_home "$bin" ansible-playbook -i "$HERE/release/inventory.yml" optio.codex.artifacts -e "codex_artifacts_dir=$OUT/home/artifacts"
    test -s "$OUT/home/artifacts/SHA256SUMS"
}

stage_install() {
    local core log missing=""
    [ -e "$(tarball)" ] || stage_artifact
    for core in "${CORE_VERSIONS[@]}"; do
        if [ -z "$(core_python "$core")" ]; then
            say "ansible-core $core: this machine has no Python for it"
            missing+=" $core"
            continue
        fi
        setup_core "$core"
        log=$OUT/install-$core.log
        say "ansible-core $core: installing the artifact and using it"
        # a process of its own: errexit does not hold in a function whose status is tested
        if ! "$HERE/release.sh" --use "$(core_place "$core")/bin" </dev/null >"$log" 2>&1; then
            tail -n 40 -- "$log" >&2
            die "the artifact fails with ansible-core $core" "see $log"
        fi
        no_warnings "$log"
    done
    [ -z "$missing" ] || [ -n "${OPTIO_CODEX_ALLOW_MISSING:-}" ] || die "there is no Python for ansible-core$missing" "install one, or set ALLOW_MISSING=1"
}

stage_site() { "$HERE/site.sh"; }

# everything with the development environment's core, the compilers of every Python, and everything with the newest core
stage_sanity() {
    local version
    "$HERE/ansible_test.sh" sanity
    for version in 3.9 3.10 3.11 3.12 3.13; do
        if [ -n "$(host_python "$version")" ]; then
            "$HERE/ansible_test.sh" sanity --python "$version" --test compile --test import
        else
            say "Python $version: this machine does not have it, so sanity did not run with it"
            [ -n "${OPTIO_CODEX_ALLOW_MISSING:-}" ] || return 1
        fi
    done
    OPTIO_CODEX_CORE=${CORE_VERSIONS[-1]} "$HERE/ansible_test.sh" sanity
}

# on every Python of workers; a Python that is missing fails, unless ALLOW_MISSING is set
stage_pythons() {
    local all=all
    [ -z "${OPTIO_CODEX_ALLOW_MISSING:-}" ] || all=""
    OPTIO_CODEX_ALL_PYTHONS=$all "$HERE/pythons.sh"
}

run_stage() {
    local name=$1 begin=$SECONDS status=0 log=$DEV_CACHE/logs/release-$1.log
    printf '\n=== %s\n' "$name"
    "$HERE/release.sh" --stage "$name" </dev/null 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
    if [ "$status" = 0 ]; then
        SUMMARY+=("$(printf 'ok      %-12s %4d s' "$name" $((SECONDS - begin)))")
    else
        SUMMARY+=("$(printf 'FAILED  %-12s %4d s  %s' "$name" $((SECONDS - begin)) "$log")")
        FAILED+=("$name")
    fi
}

export PATH="$DEV_CACHE/venv/bin:$PATH"
export ANSIBLE_COLLECTIONS_PATH="$PROJECT_DIR/collections"
export PYTHONPYCACHEPREFIX=$PROJECT_DIR/build/pycache
SUMMARY=() FAILED=()
case ${1:-} in
    --stage) "stage_$2" ;;
    --use) use_installed "$2" ;;
    -h | --help) echo "Usage: release.sh [STAGE...]; stages: ${STAGES[*]}" ;;
    *)
        [ $# -gt 0 ] || set -- "${STAGES[@]}"
        mkdir -p "$DEV_CACHE/logs" "$OUT"
        "$HERE/bootstrap.sh" check-tools release collection
        for stage in "$@"; do run_stage "$stage"; done
        printf '\n'
        printf '%s\n' "${SUMMARY[@]}"
        [ ${#FAILED[@]} = 0 ] || die "not ready for a release: ${FAILED[*]}" "see the output above; one stage alone: tests/environment/release.sh ${FAILED[0]}"
        echo "all ${#SUMMARY[@]} stages passed: $(version)"
        ;;
esac
