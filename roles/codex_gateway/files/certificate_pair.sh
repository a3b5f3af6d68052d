# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# compares the certificate and the key that it reads as PEM from standard input
texts=$(cat)
certificate=$(printf '%s\n' "$texts" | openssl x509 -noout -pubkey) || exit 1
key=$(printf '%s\n' "$texts" | openssl pkey -passin pass: -pubout) || exit 1
[ "$certificate" = "$key" ] || { echo "the key does not belong to the certificate" >&2; exit 1; }
