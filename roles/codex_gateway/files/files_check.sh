# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# each argument is the digest of a file, or the word directory, and a path; prints the paths of what is not there as root's with its mode
for expected; do
    path=${expected#* }
    kind=$(stat -c '%f %u %g' -- "$path" 2>/dev/null)
    case $expected in
        directory\ *) [ "$kind" = '41ed 0 0' ] ;;
        *) [ "$kind" = '81a4 0 0' ] && [ "$(sha256sum <"$path")" = "${expected%% *}  -" ] ;;
    esac || printf '%s\n' "$path"
done
