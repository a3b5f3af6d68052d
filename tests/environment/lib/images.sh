# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Worker images for podman: a Debian base of our own, or a pulled one, and the variants on top.

IMAGE_PREFIX=localhost/optio-codex-dev
# shellcheck disable=SC2034  # read by bootstrap.sh
DEFAULT_SUITES="bookworm trixie"
VARIANTS=(nopython bare ready systemd-bare systemd-ready)
# By suite, where not all variants are needed: the oldest and the newest platform are workers of the Molecule scenarios
# alone, which begin bare
declare -A WANTED=([bullseye]="nopython bare" [sid]="nopython bare")

# variants_of SUITE
variants_of() { echo "${WANTED[$1]:-${VARIANTS[*]}}"; }

# apt_facts: this machine's way to Debian, as lines of "main URI", "security URI" and "conf LINE".
# Asking apt costs seconds where it keeps no binary cache, so the answer is kept by its configuration's hash.
apt_facts() {
    local file
    [ -z "${APT_FACTS+x}" ] || { printf '%s' "$APT_FACTS"; return; }
    APT_FACTS=""
    have apt-get || return 0
    file=$DEV_CACHE/apt/$(find /etc/apt -type f -exec cat {} + 2>/dev/null | inputs_key /etc/os-release)
    if [ ! -s "$file" ]; then
        mkdir -p "$DEV_CACHE/apt"
        ask_apt >"$file.$$"
        # without package lists apt knows no archive: do not remember that
        if grep -q '^main ' "$file.$$"; then mv -f -- "$file.$$" "$file"; else rm -f -- "$file.$$"; fi
    fi
    [ ! -s "$file" ] || APT_FACTS=$(cat -- "$file")$'\n'
    printf '%s' "$APT_FACTS"
}

ask_apt() {
    # shellcheck disable=SC2016  # apt expands these
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -F'|' '$1 != "Debian" { next } { sub("/+$", "", $3) }
            $2 == "Debian" && !main { main = $3; print "main " $3 }
            $2 == "Debian-Security" && !security { security = $3; print "security " $3 }'
    apt-config dump | sed -nE '/^Acquire::(https?::Proxy|Check-Valid-Until|Check-Date) /s/^/conf /p'
}

apt_fact() { apt_facts | sed -n "s/^$1 //p"; }

# apt_sources SUITE: lines for sources.list; nothing when this machine has no Debian archive
apt_sources() {
    local suite=$1 main security
    main=$(apt_fact main)
    [ -n "$main" ] || return 0
    echo "deb $main $suite main"
    case $suite in sid | unstable) return 0 ;; esac
    echo "deb $main $suite-updates main"
    security=$(apt_fact security)
    [ -z "$security" ] || echo "deb $security $suite-security main"
}

uses_https() { apt_fact '\(main\|security\)' | grep -q '^https:'; }

# What a container's apt must know of this machine's way to its mirror
apt_host_conf() {
    apt_fact conf
    echo 'Acquire::Retries "5";'
    ! uses_https || echo 'Acquire::https::CAInfo "/etc/apt/host-ca.crt";'
}

host_ca() {
    local file
    uses_https || return 0
    for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt; do
        [ ! -s "$file" ] || { cat -- "$file"; return; }
    done
}

setup_ssh_keys() {
    local dir=$DEV_CACHE/ssh name
    mkdir -p "$dir" && chmod 0700 "$dir"
    for name in id_ed25519 host_ed25519; do
        [ ! -s "$dir/$name" ] || [ ! -s "$dir/$name.pub" ] || continue
        rm -f -- "$dir/$name" "$dir/$name.pub"
        ssh-keygen -q -t ed25519 -N '' -C optio-codex-dev -f "$dir/$name"
    done
}

can_bootstrap_debian() { is_root && have mmdebstrap && [ -n "$(apt_sources "$1")" ]; }

# make_base SUITE KEY
make_base() {
    local suite=$1 key=$2 image=$IMAGE_PREFIX/base:$1 pulled options=() option
    mkdir -p "$DEV_CACHE/logs"
    [ "$(image_key "$image")" != "$key" ] || return 0
    if ! can_bootstrap_debian "$suite"; then
        pulled=${OPTIO_CODEX_IMAGE_SOURCE:-docker.io/library/debian}:$suite
        say "$suite: pulling $pulled"
        podman pull -q "$pulled" >"$DEV_CACHE/logs/pull-$suite.log" 2>&1 || {
            tail -n 5 -- "$DEV_CACHE/logs/pull-$suite.log" >&2
            die "the base image $pulled could not be pulled" \
                "set OPTIO_CODEX_IMAGE_SOURCE to an image name your registry serves, or run as root on Debian"
        }
        printf 'FROM %s\nLABEL optio.codex.key=%s\n' "$pulled" "$key" |
            podman build -q -t "$image" - >/dev/null
        return
    fi
    say "$suite: building the base image (about 40 s)"
    while IFS= read -r option; do options+=("--aptopt=$option"); done < <(apt_host_conf | grep -v CAInfo)
    if ! apt_sources "$suite" |
        mmdebstrap --quiet --variant=minbase "${options[@]}" "$suite" - - 2>"$DEV_CACHE/logs/base-$suite.log" |
        podman import -q --change "LABEL optio.codex.key=$key" - "$image" >/dev/null; then
        tail -n 20 -- "$DEV_CACHE/logs/base-$suite.log" >&2
        die "the base image of $suite could not be built" "see $DEV_CACHE/logs/base-$suite.log"
    fi
}

image_key() {
    podman image inspect --format '{{index .Labels "optio.codex.key"}}' "$1" 2>/dev/null || true
}

base_key() { { echo "$1"; apt_sources "$1"; apt_host_conf; can_bootstrap_debian "$1" && echo own; true; } | inputs_key; }

worker_key() {
    { base_key "$1"; host_ca; } |
        inputs_key "$ENVIRONMENT_DIR/images/Containerfile" "$DEV_CACHE"/ssh/{id,host}_ed25519.pub
}

# build_suite SUITE
build_suite() {
    local suite=$1 key context variants variant image previous
    read -ra variants <<<"$(variants_of "$suite")"
    key=$(worker_key "$suite")
    ! suite_is_built "$suite" "$key" || return 0
    make_base "$suite" "$(base_key "$suite")"
    context=$(mktemp -d "$DEV_CACHE/context.XXXXXX")
    apt_host_conf >"$context/apt-host.conf"
    host_ca >"$context/host-ca.crt"
    cp -- "$DEV_CACHE"/ssh/{id_ed25519.pub,host_ed25519,host_ed25519.pub} "$context/"
    for variant in "${variants[@]}"; do
        image=$IMAGE_PREFIX/worker:$suite-$variant
        [ "$(image_key "$image")" != "$key" ] || continue
        previous=$(podman image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
        say "$suite: building the image $suite-$variant"
        logged "$DEV_CACHE/logs/image-$suite-$variant.log" podman build --target "$variant" \
            --build-arg "BASE=$IMAGE_PREFIX/base:$suite" --label "optio.codex.key=$key" \
            -t "$image" -f "$ENVIRONMENT_DIR/images/Containerfile" "$context"
        # the image of other inputs would stay behind without a name
        [ -z "$previous" ] || podman rmi "$previous" >/dev/null 2>&1 || true
    done
    rm -rf -- "$context"
}

# suite_is_built SUITE KEY: one call to podman, because this is the warm path
suite_is_built() {
    local suite=$1 key=$2 found variant
    found=$'\n'$(podman images --filter "label=optio.codex.key=$key" --format '{{.Repository}}:{{.Tag}}')$'\n'
    for variant in $(variants_of "$suite"); do
        [[ $found == *$'\n'"$IMAGE_PREFIX/worker:$suite-$variant"$'\n'* ]] || return 1
    done
}

build_suites() {
    local suite
    if is_root && have mmdebstrap && [ -z "$(apt_fact main)" ] && grep -qx 'ID=debian' /etc/os-release; then
        logged "$DEV_CACHE/logs/apt-update.log" apt-get update -q
        unset APT_FACTS
    fi
    build_side_by_side "$@"
    [ ${#UNBUILT[@]} -gt 0 ] || return 0
    say "once more, because a download may have failed: ${UNBUILT[*]}"
    build_side_by_side "${UNBUILT[@]}"
    [ ${#UNBUILT[@]} = 0 ] || die "not all worker images could be built" "see the messages above"
}

# build_side_by_side SUITE...: UNBUILT is those that failed
build_side_by_side() {
    local suite
    local -A jobs=()
    UNBUILT=()
    for suite in "$@"; do
        build_suite "$suite" &
        jobs[$suite]=$!
    done
    for suite in "$@"; do wait "${jobs[$suite]}" || UNBUILT+=("$suite"); done
}

# setup_images SUITE...
setup_images() {
    local suite missing=""
    # once, here: the functions below ask from subshells
    apt_facts >/dev/null
    if [ ! -s "$DEV_CACHE/ssh/id_ed25519.pub" ] || [ ! -s "$DEV_CACHE/ssh/host_ed25519.pub" ]; then
        with_lock ssh setup_ssh_keys
    fi
    for suite in "$@"; do
        suite_is_built "$suite" "$(worker_key "$suite")" || missing=1
    done
    [ -z "$missing" ] || with_lock images build_suites "$@"
}
