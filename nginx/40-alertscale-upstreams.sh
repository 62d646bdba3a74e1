#!/bin/sh
# Runs at every start of nginx, before nginx: addresses that the scaler wrote before may be stale by
# now, so each upstream starts as its DNS name, which Docker resolves to the service's replicas.
# The scaler puts the exact, ready replicas in their place as soon as it sees nginx run; without a
# scaler nginx goes on following DNS.
#
#   ALERTSCALE_UPSTREAMS    the directory that nginx shares with the scaler (/etc/nginx/upstreams)
#
# Exit codes: 0 nginx starts; 1 nothing can be written and nothing was there, so nginx does not start.
set -eu

dir="${ALERTSCALE_UPSTREAMS:-/etc/nginx/upstreams}"
boot="boot-$(date +%s)-$$"

write() { # name, host:port
    cat >"$dir/$boot/$1.conf" <<EOF
# Made at the start of nginx; the scaler replaces it. Do not edit.
# fallback $2
upstream $1 {
    zone $1 256k;
    resolver 127.0.0.11 valid=1s ipv6=off;
    server $2 resolve max_fails=0;
    keepalive 32;
}
EOF
}

begin_with_names() {
    mkdir -p "$dir/$boot" && write flask-app flask-app:5000 || return 1
    for file in "$dir"/current/*.conf; do
        [ -f "$file" ] || continue
        server=$(sed -n 's/^# fallback //p' "$file" | head -n 1)
        [ -z "$server" ] || write "$(basename "$file" .conf)" "$server" || return 1
    done
    ln -s "$boot" "$dir/$boot.link" && mv -T "$dir/$boot.link" "$dir/current"
}

if ! begin_with_names; then
    rm -rf "${dir:?}/$boot" "$dir/$boot.link"
    echo "$0: cannot write to $dir; is the disk of its volume full?" >&2
    # Stale addresses are better than no nginx; without any there is nothing to start with.
    [ -f "$dir/current/flask-app.conf" ]
fi
