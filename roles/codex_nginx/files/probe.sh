# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# follows running.sh
# $1 the site, then the files of its certificate; a reload replaces the workers, so files newer than the newest worker are not in use
now=$(date +%s%3N)
# the words of the line
# shellcheck disable=SC2086
process_times() { { read -r line <"/proc/$1/stat"; } 2>/dev/null && set -- ${line##*) } && parent=$2 started=${20}; }
echo "uid=$(id -u)"
echo "nginx=$(command -v nginx)"
echo "version=$(nginx -v 2>&1 | sed -n 's,^nginx version: [^/]*/\([0-9.]*\).*,\1,p')"
echo "openssl=$(command -v openssl)"
[ ! -d /run/systemd/system ] || echo systemd=yes
! command -v apt-get >/dev/null || echo apt=yes
# the directive is "user name [group];"
user=$(sed -n 's/^[[:space:]]*user[[:space:]]\{1,\}\([^;]*\);.*/\1/p' /etc/nginx/nginx.conf 2>/dev/null)
case $user in '') ;; *' '*) echo "group=${user##* }" ;; *) echo "group=$(id -gn "$user")" ;; esac
running && process_times $$ || exit 0
own=$started newest=0
for process in /proc/[0-9]*; do
  # shellcheck disable=SC2154
  process_times "${process#/proc/}" && [ "$parent" = "$pid" ] && [ "$started" -gt "$newest" ] && newest=$started
done
[ "$newest" != 0 ] || exit 0
# a clock tick of /proc is 10 ms
loaded=$((now - (own - newest) * 10))
for path; do
  changed=$(stat -L -c %.3Z "$path" 2>/dev/null | tr -d .)
  [ "${changed:-0}" -le "$loaded" ] || echo outdated=yes
done
