# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# $1 the gateway's directory, $2 the alternative names of a self-signed certificate
set -- "$1" "${2:-DNS:$(uname -n)}"
[ "$(cat "$1/self-signed" 2>/dev/null)" = "$2" ] && openssl x509 -noout -checkend 2592000 -in "$1/certificate.pem" >/dev/null
