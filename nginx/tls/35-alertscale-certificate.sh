#!/bin/sh
# Runs at every start of nginx with docker-compose.tls.yml, before nginx, which would say less clearly that a
# certificate is missing.
#
#   ALERTSCALE_CERTIFICATES    the directory where TLS_FOLDER is mounted (/etc/nginx/certificates)
#
# Exit codes: 0 both files are there; 1 one is missing, empty or unreadable, so nginx does not start.
set -eu

dir="${ALERTSCALE_CERTIFICATES:-/etc/nginx/certificates}"
missing=

for file in fullchain.pem privkey.pem; do
    if ! [ -s "$dir/$file" ] || ! [ -r "$dir/$file" ]; then
        missing="$missing $file"
    fi
done

if [ -n "$missing" ]; then
    echo "$0: missing, empty or unreadable in TLS_FOLDER (./tls, unless .env says otherwise):$missing." \
        "Way out: put the certificate with its chain there as fullchain.pem and its key as privkey.pem" \
        "(docs/operations.md), then: docker compose restart nginx" >&2
    exit 1
fi
