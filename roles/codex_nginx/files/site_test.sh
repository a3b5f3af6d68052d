# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# $1 the new site, $2 its path: tests the whole configuration of nginx before the site is replaced
PATH=$PATH:/usr/sbin:/sbin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for entry in /etc/nginx/*; do
  case $entry in */conf.d | */nginx.conf) ;; *) ln -s "$entry" "$scratch/" ;; esac
done
mkdir "$scratch/conf.d"
for entry in /etc/nginx/conf.d/*; do
  [ ! -e "$entry" ] || [ "$entry" = "$2" ] || ln -s "$entry" "$scratch/conf.d/"
done
cp "$1" "$scratch/conf.d/${2##*/}"
sed "s#/etc/nginx/conf\.d/#$scratch/conf.d/#" /etc/nginx/nginx.conf >"$scratch/nginx.conf"
grep -q '^[^#]*include.*conf\.d/\*\.conf' "$scratch/nginx.conf" || {
  echo "/etc/nginx/nginx.conf does not include /etc/nginx/conf.d/*.conf" >&2
  exit 1
}
nginx -t -q -c "$scratch/nginx.conf"
