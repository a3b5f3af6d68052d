#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The quick unit tests of what runs on workers, on each Python that workers may have: this machine's, or else a worker image's.
# Usage: pythons.sh [VERSION...]; without versions all of them, those between the oldest and the newest with fewer tests.
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/environment/lib/common.sh
. "$HERE/lib/common.sh"
# shellcheck source=tests/environment/lib/cores.sh
. "$HERE/lib/cores.sh"

VERSIONS=(3.9 3.10 3.11 3.12 3.13 3.14)
declare -A SUITES=([3.9]=bullseye [3.11]=bookworm [3.13]=trixie [3.14]=sid)
UNITS=tests/unit/plugins/module_utils
SELECTION=(-q -n2 -m "not slow and not extended" "$UNITS")
FEWER=(-q -n0 -m "not slow and not extended" "$UNITS/_core" "$UNITS/_archive" "$UNITS/_launch/test_plan.py")
PLACE=$DEV_CACHE/pythons
PYTHON=$DEV_CACHE/venv/bin/python

# ansible.module_utils alone: ansible-core itself does not run on the oldest of them
setup_ansible() {
    local target=$PLACE/ansible-$1 source
    source=$("$PYTHON" -c 'import ansible, os; print(os.path.dirname(ansible.__file__))')
    rm -rf -- "$target" "$target.partial"
    mkdir -p "$target.partial/ansible"
    cp -r -- "$source"/{__init__.py,release.py,_vendor,module_utils} "$target.partial/ansible/"
    mv -- "$target.partial" "$target"
}

# setup_packages VERSION DIRECTORY
setup_packages() {
    say "fetching pytest for Python $1"
    rm -rf -- "$2" "$2.partial"
    logged "$DEV_CACHE/logs/pythons-$1.log" "$PYTHON" -m pip install -q --only-binary :all: --python-version "$1" \
        --target "$2.partial" -r "$TESTS_DIR/unit/pythons.txt"
    mv -- "$2.partial" "$2"
}

# in_image VERSION PATHS: podman's layers remember the programs that the tests call, but for shellcheck,
# which finds other things in each release and nothing that depends on Python
in_image() {
    local suite=${SUITES[$1]} image
    image=localhost/optio-codex-dev/units:$suite
    logged "$DEV_CACHE/logs/pythons-$suite.log" podman build -t "$image" \
        --build-arg "BASE=localhost/optio-codex-dev/worker:$suite-bare" -f "$HERE/images/Containerfile.units" "$HERE/images"
    # bash is process 1, so that what loses its parent is reaped
    podman run --rm --network none -v "$PROJECT_DIR:$PROJECT_DIR:ro" -v "$PLACE:$PLACE:ro" -w "$PROJECT_DIR" \
        -e OPTIO_CODEX_NO_SHELLCHECK=1 -e "PYTHONPATH=$2" -e PYTHONPYCACHEPREFIX=/tmp/pycache "$image" \
        bash -c '"$@"; exit $?' bash "python$1" -m pytest -c tests/unit/pythons.ini -p no:cacheprovider "${SELECTION[@]}"
}

run_version() {
    local version=$1 program packages core paths
    core=$("$PYTHON" -c 'import ansible.release as release; print(release.__version__)')
    packages=$PLACE/$version-$(inputs_key "$TESTS_DIR/unit/pythons.txt" </dev/null)
    [ -d "$PLACE/ansible-$core" ] || with_lock pythons setup_ansible "$core"
    [ -d "$packages" ] || with_lock pythons setup_packages "$version" "$packages"
    paths=$packages:$PLACE/ansible-$core
    program=$(host_python "$version")
    if [ -n "$program" ]; then
        say "Python $version: $program"
        env -u ANSIBLE_COLLECTIONS_PATH "PYTHONPATH=$paths" "$program" -m pytest -c tests/unit/pythons.ini "${SELECTION[@]}"
    elif [ -n "${SUITES[$version]:-}" ] && podman image exists "localhost/optio-codex-dev/worker:${SUITES[$version]}-bare"; then
        say "Python $version: the image ${SUITES[$version]}-bare"
        in_image "$version" "$paths"
    else
        say "Python $version: neither this machine nor a worker image has it, so it was not tested"
        [ -z "${OPTIO_CODEX_ALL_PYTHONS:-}" ] || return 1
    fi
}

cd -- "$PROJECT_DIR"
mkdir -p "$PLACE"
if [ $# -gt 0 ]; then
    for version in "$@"; do run_version "$version"; done
    exit
fi
run_version "${VERSIONS[0]}"
run_version "${VERSIONS[-1]}"
SELECTION=("${FEWER[@]}")
for version in "${VERSIONS[@]:1:4}"; do run_version "$version"; done
