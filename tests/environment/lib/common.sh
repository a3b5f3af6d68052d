# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Shared by the scripts of the development environment; source it, do not run it.

DEV_CACHE=${OPTIO_CODEX_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/optio-codex-dev}
ENVIRONMENT_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
PROJECT_DIR=$(cd -- "$ENVIRONMENT_DIR/../.." && pwd)
# shellcheck disable=SC2034  # read by the scripts that source this file
TESTS_DIR=$PROJECT_DIR/tests

say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }

# die OBJECT-AND-CAUSE REMEDY
die() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'remedy: %s\n' "$2" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" = 0 ]; }

# inputs_key FILE...: one short key for the bytes of the files and of standard input
inputs_key() { { cat -- "$@"; cat; } | sha256sum | cut -c1-16; }

sha256_of() { sha256sum -- "$1" | cut -d' ' -f1; }

# with_lock NAME COMMAND...: two bootstraps at once do the work once
with_lock() {
    local name=$1
    shift
    mkdir -p "$DEV_CACHE/locks"
    exec 9>"$DEV_CACHE/locks/$name"
    if ! flock -n 9; then
        say "waiting for another run ($name)"
        flock 9
    fi
    # closed for the command's children: one that lives on in the background would keep the lock
    "$@" 9>&-
    exec 9>&-
}

# logged LOG COMMAND...: keeps the output in LOG, shows its end only when the command fails
logged() {
    local log=$1
    shift
    mkdir -p "$(dirname -- "$log")"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 30 -- "$log" >&2
        die "this command failed: $*" "the whole output is in $log"
    fi
}

machine() {
    case $(uname -m) in
        x86_64) echo x86_64 ;;
        aarch64 | arm64) echo aarch64 ;;
        *) die "this machine is a $(uname -m); the test environment knows x86_64 and aarch64" \
            "run it on one of these" ;;
    esac
}
