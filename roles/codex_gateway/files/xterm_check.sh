# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# $1 the directory, then the digests of the archives as sha256sum prints them
cd -- "$1" && shift && [ "$(cat ARCHIVES)" = "$(printf '%s\n' "$@")" ] && sha256sum -c --status SHA256SUMS
