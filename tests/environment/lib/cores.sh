# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Each ansible-core that the collection supports, in a virtual environment that is kept; tests/containers uses them too.

# the oldest and the newest minor version of Python that each runs on
declare -A CORES=([2.17]="10 12" [2.18]="11 13" [2.19]="11 13" [2.20]="12 14" [2.21]="12 14")
# shellcheck disable=SC2034  # read by release.sh
CORE_VERSIONS=(2.17 2.18 2.19 2.20 2.21)

core_place() { echo "$DEV_CACHE/ansible-core/$1"; }

# host_python VERSION: itself, not a shim of pyenv
host_python() {
    local directory
    for directory in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin /usr/local/bin /usr/bin; do
        [ ! -x "$directory/python$1" ] || { echo "$directory/python$1"; return; }
    done
}

# core_python CORE: the oldest Python of this machine that it runs on; nothing without one
core_python() {
    local minor range python
    read -ra range <<<"${CORES[$1]:-}"
    [ ${#range[@]} = 2 ] || die "ansible-core $1 is not supported" "set one of ${CORE_VERSIONS[*]}"
    for ((minor = range[0]; minor <= range[1]; minor++)); do
        python=$(host_python "3.$minor")
        if [ -n "$python" ] && "$python" -c 'import ensurepip' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
}

# build_core CORE PYTHON
build_core() {
    local place
    place=$(core_place "$1")
    [ ! -x "$place/bin/ansible-playbook" ] || return 0
    say "creating the virtual environment of ansible-core $1 with $("$2" --version)"
    "$2" -m venv --clear "$place"
    logged "$DEV_CACHE/logs/core-$1.log" "$place/bin/python" -m pip install -q "ansible-core==$1.*"
}

# setup_core CORE
setup_core() {
    local python
    [ ! -x "$(core_place "$1")/bin/ansible-playbook" ] || return 0
    python=$(core_python "$1")
    [ -n "$python" ] || die "this machine has no Python for ansible-core $1" "install Python 3.${CORES[$1]% *}"
    with_lock "core-$1" build_core "$1" "$python"
}
