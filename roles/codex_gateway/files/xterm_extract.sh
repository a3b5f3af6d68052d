# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# $1 the directory, then the digests of the archives in the current directory as sha256sum prints them; the list is written last
set -eu
umask 022
directory=$1
shift
printf '%s\n' "$@" | sha256sum -c --quiet
mkdir -p "$directory"
rm -f "$directory/ARCHIVES"
extract() { tar -xzOf "$1"-[0-9]*.tgz "package/$2" >"$3.new" && mv -f "$3.new" "$3"; }
extract xterm lib/xterm.js "$directory/xterm.js"
extract xterm css/xterm.css "$directory/xterm.css"
extract xterm LICENSE "$directory/LICENSE"
extract addon-fit lib/addon-fit.js "$directory/addon-fit.js"
extract addon-fit LICENSE "$directory/LICENSE.addon-fit"
cd "$directory"
sha256sum xterm.js xterm.css addon-fit.js LICENSE LICENSE.addon-fit >SHA256SUMS
printf '%s\n' "$@" >ARCHIVES
