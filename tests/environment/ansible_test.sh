#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test on a copy of the project's files: sanity without an ignore file, the targets of integration, or units.
# Usage: ansible_test.sh sanity | integration | units [OPTION...]; options go to ansible-test. OPTIO_CODEX_CORE is a supported
# ansible-core to use instead of the development environment's.
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/environment/lib/common.sh
. "$HERE/lib/common.sh"
# shellcheck source=tests/environment/lib/cores.sh
. "$HERE/lib/cores.sh"

OLDEST_PYTHON=3.9
KIND=${1:?sanity, integration or units}
shift
ROOT=$DEV_CACHE/sanity${OPTIO_CODEX_CORE:+-$OPTIO_CODEX_CORE}
COPY=$ROOT/$KIND/ansible_collections/optio/codex
TEST_HOME=$ROOT/home

# ansible-test resolves links away, so it needs a real directory of the collection's name.
# Fixtures are recordings of other programs' output: their characters are not ours to choose, so sanity does not get them.
copy_project() {
    # the link to the checkout is for AWX only
    local left_out=(':!playbooks/collections')
    [ "$KIND" != sanity ] || left_out+=(':!tests/unit/fixtures')
    mkdir -p "$COPY/tests"
    # all but ansible-test's own virtual environment
    find "$COPY" -mindepth 1 -maxdepth 1 ! -name tests -exec rm -rf -- {} +
    find "$COPY/tests" -mindepth 1 -maxdepth 1 ! -name output -exec rm -rf -- {} +
    git -C "$PROJECT_DIR" ls-files -z --cached --others --exclude-standard -- . "${left_out[@]}" |
        while IFS= read -r -d '' file; do
            [ ! -e "$PROJECT_DIR/$file" ] || printf '%s\0' "$file"
        done |
        tar -C "$PROJECT_DIR" --null -T - -c | tar -C "$COPY" -x
    git -C "$COPY" init -q
    git -C "$COPY" add -A
    if [ -n "$(git -C "$COPY" ls-files 'tests/sanity/ignore*')" ]; then
        die "the tree has a sanity ignore file" "correct the findings instead of listing them"
    fi
}

# ansible-test downloads pip's installer from a host of its own; a wheel from the configured index does as well
seed_pip() {
    local cache=$TEST_HOME/.ansible/test/cache version wheel
    # the version that this ansible-test puts into its virtual environments
    version=$(python -c '
import ansible_test, pathlib, re
source = pathlib.Path(ansible_test.__path__[0], "_internal", "python_requirements.py").read_text()
print(re.findall(r"\bpip=.([0-9.]+)", source)[-1])')
    [ ! -s "$cache/get_pip_${version//./_}.py" ] || return 0
    mkdir -p "$cache"
    logged "$DEV_CACHE/logs/pip-wheel.log" python -m pip download -q --no-deps -d "$cache" "pip==$version"
    wheel=$(basename -- "$cache"/pip-"$version"-*.whl)
    cat >"$cache/get_pip.new" <<PYTHON
import os
import sys

wheel = os.path.join(os.path.dirname(os.environ["GET_PIP"]), "$wheel")
sys.path.insert(0, wheel)
from pip._internal.cli.main import main

sys.exit(main(["install", "--no-index", "--no-deps", "--quiet", wheel]))
PYTHON
    mv -f -- "$cache/get_pip.new" "$cache/get_pip_${version//./_}.py"
}

# A home of its own keeps the user's untouched; what pip and proxies are told there still counts
prepare_home() {
    local file
    mkdir -p "$TEST_HOME/.config"
    for file in .config/pip .pip .netrc; do
        if [ -e "$HOME/$file" ] && [ ! -e "$TEST_HOME/$file" ]; then ln -sfn "$HOME/$file" "$TEST_HOME/$file"; fi
    done
}

# pyenv's shims answer for every Python and fail when run: put the real ones first
path_without_shims() {
    local entry result="" version
    local -a entries
    IFS=: read -ra entries <<<"$PATH"
    for entry in "${entries[@]}"; do
        case $entry in */shims | */shims/ | */.pyenv/bin) continue ;; esac
        result+=${result:+:}$entry
    done
    if [ -d "${PYENV_ROOT:-$HOME/.pyenv}/versions" ]; then
        for version in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin; do
            [ ! -d "$version" ] || result+=:$version
        done
    fi
    echo "$result"
}

# run_test PATH OPTION...
run_test() {
    local path=$1
    shift
    env -u ANSIBLE_COLLECTIONS_PATH HOME="$TEST_HOME" PATH="$path" PYENV_VERSION= \
        ansible-test "$KIND" --venv --color no "$@" </dev/null
}

# with_oldest PATH OPTION...: what runs on workers must do so on the oldest Python that they may have
with_oldest() {
    if [ -n "$(PATH=$1 command -v "python$OLDEST_PYTHON" || true)" ]; then
        run_test "$1" --python "$OLDEST_PYTHON" "${@:2}"
    else
        say "there is no python$OLDEST_PYTHON here: ansible-test $KIND did not run with it"
    fi
}

main() {
    local path options=("$@")
    have ansible-test || die "ansible-test is not on PATH" \
        "run tests/environment/bootstrap.sh check-tools and put $DEV_CACHE/venv/bin on PATH"
    [ ${#options[@]} -gt 0 ] ||
        options=(--python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')")
    path=$(path_without_shims)
    copy_project
    prepare_home
    seed_pip
    cd -- "$COPY"
    [ "$KIND" = units ] || run_test "$path" "${options[@]}"
    case $KIND in
        sanity) with_oldest "$path" --test compile --test import ;;
        units) with_oldest "$path" ;;
    esac
}

if [ -n "${OPTIO_CODEX_CORE:-}" ]; then
    setup_core "$OPTIO_CODEX_CORE"
    PATH=$(core_place "$OPTIO_CODEX_CORE")/bin:$PATH
fi
with_lock "$KIND${OPTIO_CODEX_CORE:-}" main "$@"
