#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A small fleet with a live codex session on each worker, shown in the browser.
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/environment/lib/common.sh
. "$HERE/lib/common.sh"

export PATH="$DEV_CACHE/demo-venv/bin:$PATH"
export ANSIBLE_COLLECTIONS_PATH="$PROJECT_DIR/collections"
export PYTHONPYCACHEPREFIX=$PROJECT_DIR/build/pycache
export PYTHONPATH="$HERE"

case ${1:-} in
    up)
        "$HERE/bootstrap.sh" demo
        # the time that it took counts
        export OPTIO_DEMO_PREPARED=$SECONDS
        exec python "$HERE/demo/run.py" up
        ;;
    down | status)
        # without the tools nothing can have been started
        [ -x "$DEV_CACHE/demo-venv/bin/python" ] || { echo "demo: nothing is up"; exit 0; }
        exec python "$HERE/demo/run.py" "$1"
        ;;
    *)
        echo "Usage: demo.sh up | down | status"
        [ "${1:-}" = --help ] || [ "${1:-}" = -h ] || exit 2
        ;;
esac
