# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Prepares what the demo shows and nothing else: side by side where a part waits for the network, and each part timed.

DEMO_WORKERS=$ENVIRONMENT_DIR/demo/workers.txt
# one line for each part: seconds, name
DEMO_PARTS=$DEV_CACHE/logs/demo-parts
declare -A BESIDE=()

# timed PART COMMAND...
timed() {
    local name=$1 begin=$SECONDS
    shift
    "$@"
    printf '%s\t%s\n' $((SECONDS - begin)) "$name" >>"$DEMO_PARTS"
}

# beside NAME COMMAND...: in the background, in a process group of its own, so that all of it can be ended
beside() {
    local name=$1
    shift
    set -m
    "$@" </dev/null &
    # shellcheck disable=SC2004  # an associative array
    BESIDE[$name]=$!
    set +m
}

end_beside() {
    local pid
    for pid in "${BESIDE[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
}

# join_beside NAME...
join_beside() {
    local name
    for name in "$@"; do
        wait "${BESIDE[$name]}" || die "the demo's part '$name' could not be prepared" "see the messages above, and repeat: make demo"
        unset "BESIDE[$name]"
    done
}

# want_images VARIANT...: of each suite of the demo's workers and of ttyd's; DEMO_SUITES is these suites
want_images() {
    local suite
    mapfile -t DEMO_SUITES < <({ echo "$TTYD_SUITE"; sed -E 's/^[^ ]+ ([^-]+)-.*/\1/' "$DEMO_WORKERS"; } | sort -u)
    # shellcheck disable=SC2004  # an associative array
    for suite in "${DEMO_SUITES[@]}"; do WANTED[$suite]="$*"; done
}

# the variants of the workers, and those that they are built on
want_demo_variants() {
    local suite variant
    want_images nopython bare
    while IFS=' -' read -r _ suite variant; do
        # shellcheck disable=SC2004
        [[ " ${WANTED[$suite]} " == *" $variant "* ]] || WANTED[$suite]+=" $variant"
    done <"$DEMO_WORKERS"
}

# what downloads codex needs Ansible
setup_demo_codex() {
    timed Ansible setup_demo_venv
    # the newest alone
    CODEX_VERSIONS=("${CODEX_VERSIONS[-1]}")
    codex_is_there || timed codex with_lock artifacts publish_codex
    xterm_is_there || timed xterm.js with_lock artifacts fetch_xterm
}

# the compiler needs one image, so it starts as soon as that is there
setup_demo_images() {
    want_images nopython
    timed "images, first stage" setup_images "${DEMO_SUITES[@]}"
    beside ttyd timed ttyd with_lock artifacts publish_ttyd
    want_demo_variants
    timed "images, later stages" setup_images "${DEMO_SUITES[@]}"
}

setup_demo() {
    mkdir -p "$DEV_CACHE/logs" "$DEV_CACHE/artifacts"
    : >"$DEMO_PARTS"
    trap end_beside EXIT
    timed programs setup_demo_tools
    setup_collection
    beside codex setup_demo_codex
    setup_demo_images
    join_beside codex ttyd
    if [ ! -s "$DIGESTS" ] || [ -n "$(find "$MIRROR" -type f -newer "$DIGESTS" -print -quit)" ]; then write_digests; fi
}
