# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The programs and the virtual environment that checks and tests need.

# program=package pairs; a program that is there is never installed again
CHECK_PROGRAMS=(git=git shellcheck=shellcheck dash=dash busybox=busybox strace=strace)
CONTAINER_PROGRAMS=(podman=podman ssh=openssh-client tmux=tmux)
DEMO_PROGRAMS=(git=git podman=podman ssh=openssh-client python-venv=python3-venv)
ROOTFUL_PROGRAMS=(runc=runc mmdebstrap=mmdebstrap netavark=netavark iptables=iptables)
# the release of the PyPI package whose ansible-core is the one in requirements.txt
ANSIBLE_PACKAGE=12.3.0
RUNNER_VERSION=2.4.3
BUILDER_VERSION=3.2.0
# the first and the newest release of the Python package that the sessions are held against
REFERENCE_VERSIONS=(0.1.0 0.4.8)
BROWSER_PROGRAMS=(chromium=chromium chromedriver=chromium-driver)

program_is_there() {
    case $1 in
        netavark) [ -x /usr/lib/podman/netavark ] || [ -x /usr/libexec/podman/netavark ] ;;
        iptables) have iptables || [ -x /usr/sbin/iptables ] ;;
        # Debian's own Python has no venv until ensurepip is installed
        python-venv) [ -n "$(find_python)" ] ;;
        *) have "$1" ;;
    esac
}

is_debian_like() { have apt-get && [ -r /etc/debian_version ]; }

# install_missing PROGRAM=PACKAGE...
install_missing() {
    local pair missing=()
    for pair in "$@"; do
        program_is_there "${pair%%=*}" || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! is_debian_like || ! is_root; then
        die "these programs are missing: ${missing[*]} (named as Debian packages)" \
            "install them with your package manager, then run this again"
    fi
    say "installing packages: ${missing[*]}"
    if [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mmin -720 -print -quit)" ]; then
        logged "$DEV_CACHE/logs/apt-update.log" apt-get update -q
    fi
    logged "$DEV_CACHE/logs/apt-install.log" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends -o Acquire::Retries=5 "${missing[@]}"
}

find_python() {
    local name path
    for name in python3 python3.13 python3.12 python3.11; do
        # itself, not a shim of pyenv or a virtual environment that happens to be first on PATH
        path=$("$name" -c 'import ensurepip, os, sys
if sys.version_info >= (3, 11): print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))' 2>/dev/null </dev/null) || continue
        [ -z "$path" ] || { echo "$path"; return; }
    done
}

venv_key() {
    local python=$1
    printf '%s\n' "$("$python" -c 'import sys; print(sys.executable, sys.version)')" |
        inputs_key "$TESTS_DIR/requirements.txt" "$TESTS_DIR/constraints.txt"
}

# A venv holds absolute paths, so it is built in place; the stamp makes it valid
# build_venv PYTHON DIRECTORY REQUIREMENT...; CONSTRAINTS names another file of versions
build_venv() {
    local python=$1 venv=$2
    shift 2
    [ ! -e "$venv/.complete" ] || return 0
    say "creating the virtual environment with $("$python" --version): $*"
    rm -rf -- "$venv"
    "$python" -m venv "$venv"
    logged "$DEV_CACHE/logs/pip-$(basename -- "$venv").log" "$venv/bin/python" -m pip install -q \
        "$@" -c "${CONSTRAINTS:-$TESTS_DIR/constraints.txt}"
    touch "$venv/.complete"
}

# link_venv NAME DIRECTORY: the rename makes the switch atomic
link_venv() {
    [ "$(readlink "$DEV_CACHE/$1" 2>/dev/null)" != "$2" ] || return 0
    ln -sfn -- "$2" "$DEV_CACHE/$1.$$"
    mv -fT -- "$DEV_CACHE/$1.$$" "$DEV_CACHE/$1"
}

require_python() {
    local python
    python=$(find_python)
    [ -n "$python" ] || die "no Python 3.11 or newer with venv was found" \
        "install python3 and python3-venv (3.11 or newer), then run this again"
    echo "$python"
}

# the Makefile puts `venv` on PATH
setup_venv() {
    local python venv
    python=$(require_python)
    venv=$DEV_CACHE/venvs/$(venv_key "$python")
    [ -e "$venv/.complete" ] || with_lock venv build_venv "$python" "$venv" -r "$TESTS_DIR/requirements.txt"
    link_venv venv "$venv"
}

# the tools of a release and of the site: `release-venv`
setup_release_venv() {
    local python venv
    python=$(require_python)
    venv=$DEV_CACHE/venvs/release-$("$python" --version | inputs_key "$TESTS_DIR"/{requirements,constraints}-release.txt)
    [ -e "$venv/.complete" ] || CONSTRAINTS=$TESTS_DIR/constraints-release.txt \
        with_lock release-venv build_venv "$python" "$venv" -r "$TESTS_DIR/requirements-release.txt"
    link_venv release-venv "$venv"
}

# what the demo runs is part of the whole environment: where that is complete, it serves the demo
setup_demo_venv() {
    local python key venv
    python=$(require_python)
    key=$(venv_key "$python")
    venv=$DEV_CACHE/venvs/$key
    if [ ! -e "$venv/.complete" ]; then
        venv=$DEV_CACHE/venvs/demo-$key
        [ -e "$venv/.complete" ] || with_lock demo-venv build_venv "$python" "$venv" ansible-core PyYAML
    fi
    link_venv demo-venv "$venv"
}

# Without CAP_SYS_RESOURCE podman's default limits cannot be set, and on hybrid cgroups crun fails.
configure_podman() {
    local conf=/etc/containers/containers.conf bounding lines=""
    is_root || return 0
    [ ! -e "$conf" ] || return 0
    bounding=$(awk '/^CapBnd/ {print $2}' /proc/self/status)
    if [ $(((0x$bounding >> 24) & 1)) = 0 ]; then
        lines+=$'[containers]\ndefault_ulimits = ["nofile=1024:20000", "nproc=1000:1000"]\n'
    fi
    if [ ! -e /sys/fs/cgroup/cgroup.controllers ] && have runc; then
        lines+=$'[engine]\nruntime = "runc"\n'
    fi
    [ -n "$lines" ] || return 0
    say "writing $conf for this kind of machine"
    mkdir -p /etc/containers
    printf '%s' "$lines" >"$conf.$$"
    mv -f -- "$conf.$$" "$conf"
}

setup_check_tools() {
    install_missing "${CHECK_PROGRAMS[@]}" python-venv=python3-venv
    setup_venv
}

setup_container_tools() {
    local programs=("${CONTAINER_PROGRAMS[@]}")
    ! is_root || ! is_debian_like || programs+=("${ROOTFUL_PROGRAMS[@]}")
    install_missing "${programs[@]}"
    configure_podman
}

setup_demo_tools() {
    local programs=("${DEMO_PROGRAMS[@]}")
    ! is_root || ! is_debian_like || programs+=("${ROOTFUL_PROGRAMS[@]}")
    install_missing "${programs[@]}"
    configure_podman
}

# The PyPI package `ansible` carries collections: the connection plugin of containers.podman, and the modules of awx.awx
unpack_ansible_collection() {
    local name=$1 target=$2 scratch
    scratch=$(mktemp -d "$DEV_CACHE/scratch.XXXXXX")
    say "fetching the collection $name"
    logged "$DEV_CACHE/logs/${name/\//-}.log" "$DEV_CACHE/venv/bin/python" -m pip download -q --no-deps --only-binary :all: \
        -d "$scratch" "ansible==$ANSIBLE_PACKAGE"
    "$DEV_CACHE/venv/bin/python" -c '
import sys, zipfile
from pathlib import Path
scratch, prefix = Path(sys.argv[1]), f"ansible_collections/{sys.argv[2]}/"
with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
    wheel.extractall(scratch, [name for name in wheel.namelist() if name.startswith(prefix)])
' "$scratch" "$name"
    mkdir -p "$(dirname -- "$target")"
    rm -rf -- "$target"
    mv -- "$scratch/ansible_collections/$name" "$target"
    rm -rf -- "$scratch"
}

# setup_ansible_collection NAMESPACE/NAME
setup_ansible_collection() {
    local target=$DEV_CACHE/collections/ansible_collections/$1
    [ -d "$target" ] || with_lock "${1/\//-}" unpack_ansible_collection "$1" "$target"
}

# A directory of its own for each: they need different releases of the same packages
install_reference() {
    local version=$1 target=$2
    say "fetching optio-codex $version"
    rm -rf -- "$target" "$target.partial"
    logged "$DEV_CACHE/logs/reference-$version.log" "$DEV_CACHE/venv/bin/python" -m pip install -q --only-binary :all: \
        --target "$target.partial" "optio-codex==$version"
    mv -- "$target.partial" "$target"
}

setup_reference() {
    local version tag target
    tag=$("$DEV_CACHE/venv/bin/python" -c 'import sys; print(sys.implementation.cache_tag)')
    mkdir -p "$DEV_CACHE/reference/$tag"
    for version in "${REFERENCE_VERSIONS[@]}"; do
        target=$DEV_CACHE/reference/$tag/$version
        [ -d "$target" ] || with_lock "reference-$version" install_reference "$version" "$target"
    done
}

# setup_packages NAME PACKAGE...: packages for the venv's Python, in a directory of their own for each version of it
setup_packages() {
    local name=$1 target
    shift
    target="$DEV_CACHE/$name/$("$DEV_CACHE/venv/bin/python" -c 'import sys; print(sys.implementation.cache_tag)')"
    mkdir -p "$DEV_CACHE/$name"
    [ -d "$target" ] || with_lock "$name" install_packages "$name" "$target" "$@"
}

install_packages() {
    local name=$1 target=$2
    shift 2
    say "fetching the packages of $name"
    rm -rf -- "$target" "$target.partial"
    logged "$DEV_CACHE/logs/$name.log" "$DEV_CACHE/venv/bin/python" -m pip install -q \
        --target "$target.partial" -c "$TESTS_DIR/constraints.txt" "$@"
    mv -- "$target.partial" "$target"
}

# for the container of a job, whose Python is that of Debian 12
setup_runner() { setup_packages runner --only-binary :all: "ansible-runner==$RUNNER_VERSION" ansible-core; }

# ansible-builder alone: it runs podman, and the images that it builds have Pythons of their own
setup_builder() { setup_packages builder "ansible-builder==$BUILDER_VERSION"; }

setup_browser() { install_missing "${BROWSER_PROGRAMS[@]}"; }
