# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# $1 the directory, then the paths of the artifacts; one shell, so that a warm run costs one round trip. A path after sha512: is one of
# which only that digest is known
cd -- "$1" 2>/dev/null || exit 0
shift
[ ! -f SHA256SUMS ] || while read -r digest path; do echo "listed=$path $digest"; done <SHA256SUMS
for path; do
  case $path in
    sha512:*)
      path=${path#sha512:}
      [ ! -f "$path" ] || sha512sum -- "$path" | while read -r digest file; do echo "sha512=$file $digest"; done
      ;;
  esac
  [ ! -f "$path" ] || sha256sum -- "$path" | while read -r digest file; do echo "present=$file $digest"; done
done
