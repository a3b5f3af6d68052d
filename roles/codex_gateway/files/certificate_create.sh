# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# $1 the gateway's directory, $2 the alternative names of the certificate
set -eu
umask 077
set -- "$1" "${2:-DNS:$(uname -n)}"
scratch=$(mktemp -d "$1/.new-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
first=${2%%,*}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 365 -subj "/CN=$(printf %.64s "${first#*:}")" \
  -addext "subjectAltName=$2" -addext extendedKeyUsage=serverAuth -keyout "$scratch/key.pem" -out "$scratch/certificate.pem"
chmod 0644 "$scratch/certificate.pem"
printf '%s\n' "$2" >"$scratch/self-signed"
mv -f "$scratch/key.pem" "$scratch/certificate.pem" "$scratch/self-signed" "$1/"
