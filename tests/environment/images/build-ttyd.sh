#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs inside a Debian container: builds a static ttyd, shaped like the upstream asset, from Debian's
# source packages. Usage: build-ttyd.sh VERSION; writes /out/ttyd.
set -euo pipefail
version=$1
export DEBIAN_FRONTEND=noninteractive

apt-get update -q
# shellcheck disable=SC2016  # apt expands it
uri=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=""
[ ! -e "$keyring" ] || signed="[signed-by=$keyring] "
# only unstable carries ttyd; the library comes from this container's own suite, next to its static libraries
printf 'deb-src %s%s %s main\n' "$signed" "$uri" "$suite" "$signed" "$uri" sid >/etc/apt/sources.list.d/build.list
apt-get update -q
apt-get install -y -q --no-install-recommends build-essential cmake ninja-build pkgconf dpkg-dev \
    libuv1-dev libjson-c-dev libssl-dev zlib1g-dev libzstd-dev libcap-dev
available=$(apt-cache showsrc ttyd | awk '$1 == "Version:" { print $2 }' | grep -m 1 "^$version-") || {
    echo "error: the archive has no source package of ttyd $version" >&2
    exit 1
}
mkdir /build && cd /build
# upstream's tarballs, as upstream's own asset is built from: without Debian's patches
apt-get source -q --tar-only --download-only "ttyd=$available" "libwebsockets/$suite"
for tarball in *.orig.tar.*; do
    name=${tarball%%_*}
    mkdir "$name"
    tar -xf "$tarball" -C "$name" --strip-components=1
done

cmake -G Ninja -S libwebsockets -B lws -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/stage \
    -DLWS_WITH_STATIC=ON -DLWS_WITH_SHARED=OFF -DLWS_WITHOUT_TESTAPPS=ON -DLWS_WITH_LIBUV=ON \
    -DLWS_WITH_EVLIB_PLUGINS=OFF -DLWS_UNIX_SOCK=ON -DLWS_IPV6=ON -DLWS_WITH_ZLIB=OFF \
    -DLWS_WITHOUT_EXTENSIONS=ON -DLWS_WITH_MINIMAL_EXAMPLES=OFF -DDISABLE_WERROR=ON
ninja -C lws install
# the installed configuration names a shared target that was not built, and shared libraries
find /stage -name '*.cmake' -exec sed -i 's/ websockets_shared//g; s/\(lib[a-z-]*\)\.so\b/\1.a/g' {} +
for name in uv json-c ssl crypto z zstd cap; do rm -f /usr/lib/*/"lib$name.so"; done

# without its git history ttyd would call itself VERSION-unknown
sed -i "s/TTYD_VERSION=\"[^\"]*\"/TTYD_VERSION=\"$version\"/" ttyd/CMakeLists.txt
cmake -G Ninja -S ttyd -B out -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=/stage \
    -DCMAKE_EXE_LINKER_FLAGS="-static -no-pie -Wl,-s -Wl,--gc-sections" \
    -DCMAKE_C_STANDARD_LIBRARIES="-lzstd -lz -lcap"
ninja -C out

[ "$(out/ttyd --version)" = "ttyd version $version" ] || {
    echo "error: the built ttyd says: $(out/ttyd --version)" >&2
    exit 1
}
cp out/ttyd /out/ttyd
