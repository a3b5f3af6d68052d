# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A local release mirror with upstream's layout, filled with real bytes.

CODEX_VERSIONS=(0.142.5 0.169.0 0.171.0)
# another version, that scripts/qualify.py tests
[ -z "${OPTIO_CODEX_CANDIDATE:-}" ] || [[ " ${CODEX_VERSIONS[*]} " == *" $OPTIO_CODEX_CANDIDATE "* ]] || CODEX_VERSIONS+=("$OPTIO_CODEX_CANDIDATE")
TTYD_VERSION=1.7.7
TTYD_SUITE=trixie
MIRROR=$DEV_CACHE/artifacts/mirror
DIGESTS=$DEV_CACHE/artifacts/digests.json

# The platform suffix of codex's packages
codex_platform() { case $(machine) in x86_64) echo linux-x64 ;; *) echo linux-arm64 ;; esac; }

# known_digest PATH: what the collection itself knows of a file below a mirror
known_digest() { "$(find_python)" "$PROJECT_DIR/scripts/release_data.py" sums | awk -v path="$1" '$2 == path { print $1 }'; }

# fetch_without_npm PROGRAM ARGUMENT...: a program of the demo that downloads a package into this directory
fetch_without_npm() {
    local program=$1
    shift
    ANSIBLE_COLLECTIONS_PATH=$PROJECT_DIR/collections PYTHONPATH=$PROJECT_DIR/collections \
        "$DEV_CACHE/demo-venv/bin/python" "$ENVIRONMENT_DIR/demo/$program.py" "$@" .
}

# get_codex VERSION PLATFORM: the package, into this directory
get_codex() { if have npm; then npm pack --silent "@openai/codex@$1-$2"; else fetch_without_npm fetch_codex "$1" "$(machine)"; fi; }

# get_xterm NAME VERSION: likewise
get_xterm() { if have npm; then npm pack --silent "$1@$2"; else fetch_without_npm fetch_xterm "$1"; fi; }

# fetch_codex VERSION PLATFORM: by the user's own npm configuration, verified before it is published
fetch_codex() {
    local version=$1 platform=$2 scratch expected actual release registry file
    release=$MIRROR/codex/rust-v$version/codex-npm-$platform-$version.tgz
    registry=$MIRROR/npm/@openai/codex/-/codex-$version-$platform.tgz
    expected=$(known_digest "codex/rust-v$version/codex-npm-$platform-$version.tgz")
    [ -n "$expected" ] || die "no checksum is known for codex $version on $platform" \
        "add it with scripts/release_data.py add codex $version"
    if [ ! -e "$release" ]; then
        say "downloading codex $version ($platform, more than 100 MB)"
        scratch=$(mktemp -d "$DEV_CACHE/artifacts/scratch.XXXXXX")
        (
            cd -- "$scratch" || exit
            logged "$DEV_CACHE/logs/npm-$version.log" get_codex "$version" "$platform"
        )
        file=$(find "$scratch" -name '*.tgz' -print -quit)
        actual=$(sha256_of "$file")
        if [ "$actual" != "$expected" ]; then
            rm -rf -- "$scratch"
            die "codex $version from the npm registry has the checksum $actual, not $expected" \
                "check the registry that npm is configured for"
        fi
        mkdir -p "$(dirname -- "$release")"
        chmod 0644 "$file"
        mv -f -- "$file" "$release"
        rm -rf -- "$scratch"
    fi
    if [ ! "$registry" -ef "$release" ]; then
        mkdir -p "$(dirname -- "$registry")"
        ln -f -- "$release" "$registry"
    fi
}

# fetch_xterm: the packages from which a gateway serves its page, as the collection itself lists them
fetch_xterm() {
    local name version sha256 path scratch
    while read -r name version sha256 path; do
        [ ! -e "$MIRROR/$path" ] || continue
        say "downloading $name $version from the npm registry"
        scratch=$(mktemp -d "$DEV_CACHE/artifacts/scratch.XXXXXX")
        (
            cd -- "$scratch" || exit
            logged "$DEV_CACHE/logs/npm-xterm.log" get_xterm "$name" "$version"
        )
        [ "$(sha256_of "$scratch"/*.tgz)" = "$sha256" ] || die "$name $version from the npm registry has another checksum" \
            "check the registry that npm is configured for"
        mkdir -p "$(dirname -- "$MIRROR/$path")"
        chmod 0644 "$scratch"/*.tgz
        mv -f -- "$scratch"/*.tgz "$MIRROR/$path"
        rm -rf -- "$scratch"
    done < <(xterm_packages)
}

# xterm_packages: name, version, digest and path below a mirror of each package
xterm_packages() {
    "$(find_python)" -c '
import runpy, sys
for package in runpy.run_path(sys.argv[1])["PACKAGES"]:
    print(package.name, package.version, package.sha256, package.path)' "$PROJECT_DIR/plugins/module_utils/_release/xterm.py"
}

xterm_is_there() {
    local _name _version _sha256 path
    while read -r _name _version _sha256 path; do [ -e "$MIRROR/$path" ] || return 1; done < <(xterm_packages)
}

ttyd_key() { echo "$TTYD_VERSION $TTYD_SUITE $(machine)" | inputs_key "$ENVIRONMENT_DIR/images/build-ttyd.sh"; }

# build_ttyd ASSET: in a container, so that this machine needs no compiler
build_ttyd() {
    local asset=$1 scratch
    say "building ttyd $TTYD_VERSION from Debian's source packages (about a minute)"
    scratch=$(mktemp -d "$DEV_CACHE/artifacts/scratch.XXXXXX")
    logged "$DEV_CACHE/logs/ttyd.log" podman run --rm --name "optio-codex-ttyd-build-$$" \
        -v "$ENVIRONMENT_DIR/images/build-ttyd.sh:/build-ttyd.sh:ro" -v "$scratch:/out" \
        "$IMAGE_PREFIX/worker:$TTYD_SUITE-nopython" bash /build-ttyd.sh "$TTYD_VERSION"
    mkdir -p "$(dirname -- "$asset")"
    chmod 0755 "$scratch/ttyd"
    mv -f -- "$scratch/ttyd" "$asset"
    (cd -- "$(dirname -- "$asset")" && sha256sum ttyd.* >"$scratch/sums" && mv -f -- "$scratch/sums" SHA256SUMS)
    rm -rf -- "$scratch"
    ttyd_key >"$asset.key.$$"
    mv -f -- "$asset.key.$$" "$DEV_CACHE/artifacts/ttyd.key"
}

# digests.json: what the inventory of a fleet tells the tests about the mirror's files
write_digests() {
    local path
    {
        echo '{'
        (
            cd -- "$MIRROR" || exit
            find . -type f ! -name SHA256SUMS | sort | while IFS= read -r path; do
                printf '  "%s": "%s",\n' "${path#./}" "$(sha256_of "$path")"
            done
        ) | sed '$s/,$//'
        echo '}'
    } >"$DIGESTS.$$"
    mv -f -- "$DIGESTS.$$" "$DIGESTS"
}

ttyd_is_current() {
    [ -x "$1" ] && [ "$(cat "$DEV_CACHE/artifacts/ttyd.key" 2>/dev/null)" = "$(ttyd_key)" ]
}

codex_is_there() {
    local version platform
    platform=$(codex_platform)
    for version in "${CODEX_VERSIONS[@]}"; do
        [ "$MIRROR/codex/rust-v$version/codex-npm-$platform-$version.tgz" -ef \
            "$MIRROR/npm/@openai/codex/-/codex-$version-$platform.tgz" ] || return 1
    done
}

# publish_codex: the packages of CODEX_VERSIONS
publish_codex() {
    local version platform
    platform=$(codex_platform)
    mkdir -p "$MIRROR"
    for version in "${CODEX_VERSIONS[@]}"; do fetch_codex "$version" "$platform"; done
}

# publish_ttyd: built in an image of TTYD_SUITE, which has to be there
publish_ttyd() {
    local asset
    asset=$MIRROR/ttyd/$TTYD_VERSION/ttyd.$(machine)
    ttyd_is_current "$asset" || build_ttyd "$asset"
}

make_artifacts() {
    local asset
    asset=$MIRROR/ttyd/$TTYD_VERSION/ttyd.$(machine)
    rm -rf -- "$DEV_CACHE"/artifacts/scratch.*
    if ! codex_is_there || ! xterm_is_there; then install_missing npm=npm; fi
    publish_codex
    fetch_xterm
    ttyd_is_current "$asset" || setup_images "$TTYD_SUITE"
    publish_ttyd
    write_digests
}

setup_artifacts() {
    local asset
    asset=$MIRROR/ttyd/$TTYD_VERSION/ttyd.$(machine)
    if codex_is_there && xterm_is_there && ttyd_is_current "$asset" && [ -s "$DIGESTS" ]; then return 0; fi
    mkdir -p "$DEV_CACHE/artifacts"
    with_lock artifacts make_artifacts
}
