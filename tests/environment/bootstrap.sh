#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Sets up what the checks, the tests and the demo need. Says nothing when there is nothing to do.
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/environment/lib/common.sh
. "$HERE/lib/common.sh"
# shellcheck source=tests/environment/lib/tools.sh
. "$HERE/lib/tools.sh"
# shellcheck source=tests/environment/lib/images.sh
. "$HERE/lib/images.sh"
# shellcheck source=tests/environment/lib/artifacts.sh
. "$HERE/lib/artifacts.sh"
# shellcheck source=tests/environment/lib/demo.sh
. "$HERE/lib/demo.sh"

usage() {
    cat <<USAGE
Usage: bootstrap.sh PART...

  check-tools   lint and unit tests: programs and the virtual environment (no containers)
  tools         check-tools, and podman with what it needs
  images        worker images (suites: OPTIO_CODEX_SUITES, default "$DEFAULT_SUITES")
  artifacts     the local release mirror: real codex packages and a ttyd built from Debian's sources
  browser       Chromium and its driver
  podman-connection  the connection plugin that one of the tests is about
  awx-modules   the collection awx.awx, whose modules one of the tests runs
  runner        ansible-runner, which runs jobs of AWX
  builder       ansible-builder, which builds execution environments of AWX
  reference     the Python package optio-codex, whose sessions and ours are to get on together
  demo          what the demo shows: its images, one codex, ttyd, and Ansible in a virtual environment of its own
  release       the tools of make release-check and make site, in a virtual environment of their own
  collection    the link by which Ansible finds this checkout as optio.codex
  all           everything but the browser, the two collections, the runner, the builder, the reference and the tools of a release

The virtual environment is then at \$DEV_CACHE/venv, the mirror at \$DEV_CACHE/artifacts/mirror;
DEV_CACHE is \$OPTIO_CODEX_DEV_CACHE, now: $DEV_CACHE
USAGE
}

setup_collection() {
    local link=$PROJECT_DIR/collections/ansible_collections/optio/codex
    [ "$(readlink "$link" 2>/dev/null)" != ../../.. ] || return 0
    mkdir -p "$(dirname -- "$link")"
    ln -sfn ../../.. "$link.$$"
    mv -fT -- "$link.$$" "$link"
}

run_part() {
    local suites
    case $1 in
        check-tools) setup_check_tools ;;
        tools)
            setup_check_tools
            setup_container_tools
            ;;
        images)
            read -ra suites <<<"${OPTIO_CODEX_SUITES:-$DEFAULT_SUITES}"
            setup_images "${suites[@]}"
            ;;
        artifacts)
            setup_venv
            setup_collection
            setup_artifacts
            ;;
        browser) setup_browser ;;
        podman-connection) setup_ansible_collection containers/podman ;;
        awx-modules) setup_ansible_collection awx/awx ;;
        runner) setup_runner ;;
        builder) setup_builder ;;
        reference) setup_reference ;;
        collection) setup_collection ;;
        demo) setup_demo ;;
        release) setup_release_venv ;;
        all) for part in tools collection images artifacts; do run_part "$part"; done ;;
        *)
            usage >&2
            die "bootstrap.sh has no part named '$1'" "use one of those above"
            ;;
    esac
}

case ${1:-} in
    "" | -h | --help) usage ;;
    *)
        umask 022
        mkdir -p "$DEV_CACHE"
        for part in "$@"; do run_part "$part"; done
        ;;
esac
