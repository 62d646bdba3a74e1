#!/bin/sh
# Runs at every start of nginx, before nginx: addresses that the scaler wrote before may be somebody else's by
# now. So each upstream starts as the names of the replicas that it had, which no other container of the machine
# has, or, if it had none, as a server that answers 503. What nginx does not accept of that is left out
# (accept.sh), and it starts with the rest. The scaler puts the exact, ready replicas in their place as soon as it
# sees nginx run; without a scaler nginx goes on following Docker's DNS.
#
#   ALERTSCALE_UPSTREAMS    the directory that nginx shares with the scaler (/etc/nginx/upstreams)
#
# Exit codes: 0 nginx starts; 1 nothing can be written, or nginx accepts nothing, and so does not start.
set -eu

dir="${ALERTSCALE_UPSTREAMS:-/etc/nginx/upstreams}"
# The stack's own service has an alias of its own in docker-compose.yml: it is there before any scaler was, and
# names replicas that were added while there is none.
own=flask-app.alertscale:5000

# Whatever a start that failed or a scaler that was killed has left, but for what is in use or being tested, for what
# the scaler may just be making, and for the last good one while what is in use is in memory.
remove_stale() {
    current=$(readlink "$dir/current" || true)
    next=$(readlink "$dir/next" || true)
    case $current in /*) return ;; esac
    for folder in "$dir"/boot-* "$dir"/generation-*; do
        case ${folder##*/} in
        "$current" | "$next") ;;
        generation-*) find "$folder" -maxdepth 0 -mmin +1 -exec rm -rf {} + 2>/dev/null || true ;;
        *) rm -rf "$folder" ;;
        esac
    done
}

write() { # upstream, the container name and port of each replica
    made=$boot/$1.conf
    upstream=$1
    # As its labels said. The one that was never there has the defaults.
    how=$(sed -nE '/^    (least_conn|ip_hash|hash|keepalive)/p' "$last/$1.conf" 2>/dev/null) ||
        how="    keepalive 32;
    keepalive_timeout 1000ms;"
    shift
    {
        echo "# Made at the start of nginx; the scaler replaces it. Do not edit."
        # Whose it is: of two services of one name the scaler lets it have the one that had it.
        sed -n '/^# service /p' "$last/$upstream.conf" 2>/dev/null || true
        for replica; do echo "# replica $replica"; done
        # KiB: a name takes up to 1.24 (nginx 1.30.6), and what it leads to 0.92; one that does not fit is refused.
        zone=$(($# * 3 > 256 ? $# * 3 : 256))
        if [ "$upstream" = flask-app ]; then set -- "$own"; fi
        echo "upstream $upstream {"
        echo "    zone alertscale:$upstream ${zone}k;"
        [ -z "$how" ] || echo "$how"
        # A name that is not there yet, or not any more, is no error with `resolve`.
        echo "    resolver 127.0.0.11 valid=1s ipv6=off;"
        for replica; do echo "    server $replica resolve max_fails=0;"; done
        [ $# -gt 0 ] || echo "    server 127.0.0.1:8082 max_fails=0;"
        echo "}"
    } >"$made"
}

# What nginx had last: `current`, or, where that was in memory and is lost with it, what is left on the disk.
last_good() {
    last=$dir/current
    if [ ! -e "$last" ]; then
        for folder in "$dir"/generation-* "$dir"/boot-*; do
            case ${folder##*/} in "$next") continue ;; esac
            if [ -s "$folder/sites" ]; then last=$folder; fi
        done
    fi
}

# Fill a folder with what nginx is to start from, and have nginx accept it.
begin_in() { # folder
    boot=$1 said="nothing can be written"
    mkdir -p "$boot" || return 1
    [ -e "$last/flask-app.conf" ] || write flask-app || return 1
    for file in "$last"/*.conf; do
        case ${file##*/} in '*.conf' | @*) continue ;; esac
        # A placeholder for a host that may be there by now.
        if grep -q 'no service has this name' "$file"; then continue; fi
        # shellcheck disable=SC2046 # each is a word
        write "$(basename "$file" .conf)" $(sed -n 's/^# replica //p' "$file") || return 1
    done
    if [ -d "$last/accepted" ]; then cp -R "$last/accepted" "$boot/" || return 1; fi
    said=$(accept "$boot")
}

# A container that was made before there was an accept.sh, and starts again with the files of a newer release: it
# begins as it did then, with all sites and without a test. nginx' own words follow if it refuses one of them.
accept() { # folder
    if command -v alertscale-accept >/dev/null; then
        alertscale-accept "$1" start
        return
    fi
    echo "$0: this container is older than its files and starts without alertscale-accept: what nginx refuses is not" \
        "left out. Way out: docker compose up -d, for all services, which makes them anew" >&2
    {
        echo "# Made at the start of nginx. Answers for each service that has no ready replica. Do not edit."
        echo 'server { listen 127.0.0.1:8082; keepalive_timeout 0; location / { return 503; } }'
    } >"$1/@placeholder.conf" || return 1
    echo "include /etc/nginx/conf.d/*.conf;" >"$1/sites"
}

remove_stale
last_good
name="boot-$(date +%s)-$$"
# On a disk that is full in memory, where it lasts as long as this nginx.
if begin_in "$dir/$name"; then
    target=$name
elif rm -rf "${dir:?}/$name" && begin_in "/run/$name"; then
    target=$boot
    echo "$0: cannot write to $dir; is the disk of its volume full?" >&2
else
    echo "$0: nginx does not start: $(echo "$said" | tail -n 1)" >&2
    exit 1
fi
printf '%s\n' "$said" |
    sed -nE "s#^alertscale\t(.*)\t(.*)\t(.*)\t(.*)#$0: \1 \2 is not as it should be (\3): \4#p" >&2
ln -s "$target" "$dir/$name.link"
mv -T "$dir/$name.link" "$dir/current"
remove_stale
