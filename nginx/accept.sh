#!/bin/sh
# The one place that accepts a configuration: tests the upstreams of a folder with nginx and, when nginx refuses
# them, leaves out or replaces what it names and tries again, so that the trouble of one service or site is its own.
# Used at the start of nginx (40-alertscale-upstreams.sh) and, through `docker exec`, by the scaler.
#
#   alertscale-accept FOLDER [start]    or a link to one, for instance of the directory shared with the scaler
#
# With `start` nginx does not run yet, so that anything is better than nothing. Else it runs, with what it has in
# memory: where none of the sites is to blame (a certificate that is just being renewed), the folder is refused.
#
# It completes the folder by what nginx.conf and the next start read of it:
#
#   @placeholder.conf    the server that answers for whoever has no replica (no service can be called so)
#   NAME.conf            also for a name that a site asks for and no service has
#   sites                the sites: all of conf.d, or, while one of them is refused, each by its name
#   accepted/            a copy of each site as nginx accepted it last
#   stand-in/            in the place of a site that has no such copy: 503 under its names
#
# Of sites that do not go together nginx names the later one. What it accepted before stays; what is new or changed is
# left out.
#
# Prints nginx' words at each try, and at the end a line for each thing that is not as it was asked for, its fields
# divided by tabs: `alertscale`, what it is (upstream, site, placeholder), its name, what became of it (out, copy,
# 503), nginx' words without clock and process id.
#
# What nginx 1.30.6 does (tests/integration/test_nginx_accepts.py): it stops at the first error; it names an upstream
# without its port, even where the port is what is asked for; it compares names of upstreams without regard to case;
# a zone that nobody declared, a certificate that is missing and an address that the machine has not are refused
# without file and line.
#
# Exit codes: 0 nginx accepts the folder as it is now; 1 nothing helps, with nginx' words as the last line.
set -eu

dir="${ALERTSCALE_UPSTREAMS:-/etc/nginx/upstreams}"
sites=/etc/nginx/conf.d
longest=10
new=$(readlink -f "$1")
start=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What is half written would be accepted as a part of what was asked for. Not left to `set -e`, which is off in
# all that is a condition.
cannot_write() {
    echo "nothing can be written to $new"
    exit 1
}

# Retry-After: the seconds that a service takes to be ready again, roughly. A text of its own, since a page of nginx'
# would go through an `error_page` of nginx.conf; no keep-alive, since a worker that ends would close such a
# connection under the next request. In a location: a `return` of the server itself is carried out before nginx
# looks at keepalive_timeout, so it would promise to keep the connection that it closes, and of the requests that
# nginx sent on it a POST would be answered 502. By `grpc_pass`, `uwsgi_pass` and `scgi_pass` the same; what
# `fastcgi_pass` and `memcached_pass` say no server of nginx' understands, so theirs is a 502.
placeholder_server() {
    cat <<'END'
# Made by alertscale. Answers for each service that has no ready replica. Do not edit.
server {
    listen 127.0.0.1:8082;
    http2 on;
    # What is no HTTP.
    error_page 400 = /;
    access_log off;
    keepalive_timeout 0;
    default_type text/plain;
    add_header Retry-After 5 always;
    location / {
        # A site's own was looked at before.
        client_max_body_size 0;
        return 503 "No replica is ready. Try again in a few seconds.\n";
    }
}
END
}

placeholder() { # name, why
    printf '# Made by alertscale: %s. Do not edit.\nupstream %s {\n    server 127.0.0.1:8082 max_fails=0;\n}\n' \
        "$2" "$1" >"$new/$1.conf" || cannot_write
    : >"$work/placeholder-$1"
}

is_name() { case $1 in '' | .* | *[!A-Za-z0-9._-]*) return 1 ;; esac }

# Whether a site asks for an upstream by this name, which then has no port.
asked_for() { # name
    grep -qiE "(://|_pass[[:space:]]+)$(printf %s "$1" | sed 's/\./\\./g')([^A-Za-z0-9._:-]|\$)" "$sites"/*.conf 2>/dev/null
}

has_sites() {
    for site in "$sites"/*.conf; do
        if [ -e "$site" ]; then return; fi
    done
    return 1
}

# What stands in the place of a site: nothing if it is as its owner wrote it, else copy, 503 or out.
state() { cat "$work/state-$1" 2>/dev/null || true; }

# The file to include for a site; no line for one that is left out.
file_of() { # site
    case $(state "$1") in
    '') echo "$sites/$1" ;;
    copy) echo "$new/accepted/$1" ;;
    503) echo "$new/stand-in/$1" ;;
    esac
}

included() {
    if ! ls "$work"/state-* >/dev/null 2>&1; then
        # By the asterisk, so that a new site needs a reload and nothing else.
        echo "include $sites/*.conf;"
        return
    fi
    for turn in first last; do
        for site in "$sites"/*.conf; do
            file=$(file_of "${site##*/}")
            [ -z "$file" ] || [ "$(turn_of "$file")" != "$turn" ] || echo "include \"$file\";"
        done
    done
}

# The first server of an address is who answers for names that nobody has: not for a site that was never there.
turn_of() { # file
    case $1 in
    "$new"/stand-in/*)
        if [ ! -e "$new/accepted/${1##*/}" ] && ls "$new"/accepted/*.conf >/dev/null 2>&1; then echo last && return; fi
        ;;
    esac
    echo first
}

write_sites() { # text
    printf '%s\n' "$1" >"$new/sites" || cannot_write
}

# Whether another site has the word that may stand once for an address.
other_is_default() { # site
    for path in "$sites"/*.conf; do
        file=$(file_of "${path##*/}")
        if [ "${path##*/}" != "$1" ] && [ -f "$file" ] &&
            sed 's/#.*//' "$file" | tr '\n' ' ' | grep -qE 'listen[[:space:]][^;]*[[:space:]]default(_server)?[[:space:]]*[ ;]'; then
            return
        fi
    done
    return 1
}

# A server that answers 503 where a site listens and under its names, so that no other site answers its visitors;
# 1 if the site says neither.
stand_in() { # site
    mkdir -p "$new/stand-in" || cannot_write
    # What else stands behind `listen` may stand once for an address, and may be what nginx refuses.
    alone=1
    if other_is_default "$1"; then alone=0; fi
    sed 's/#.*//' "$sites/$1" | tr '\n{}' ' ;;' | tr ';' '\n' | sed -nE \
        's/^[[:space:]]*((listen|server_name|ssl_certificate|ssl_certificate_key|include +\/etc\/nginx\/tls\/)[^_].*)/\1/p' |
        awk -v alone="$alone" '
            $1 == "listen" {
                kept = $1 " " $2
                for (i = 3; i <= NF; i++) {
                    if ($i == "quic") next
                    if ($i ~ /^(ssl|proxy_protocol)$/ || alone && $i ~ /^default(_server)?$/) kept = kept " " $i
                }
                $0 = kept
            }
            { key = $1 ($1 ~ /server_name|include/ ? $0 : $2) } length > length(one[key]) { one[key] = $0 }
             END { for (key in one) print "    " one[key] ";" }' >"$work/asked"
    grep -qE 'listen|server_name' "$work/asked" || return 1
    {
        echo "# Made by alertscale in the place of $1, which nginx refuses. Do not edit."
        echo "server {"
        cat "$work/asked"
        echo "    default_type text/plain;"
        echo "    add_header Retry-After 5 always;"
        printf '    return 503 "This site is being put right. Try again in a few seconds.\\n";\n}\n'
    } >"$new/stand-in/$1" || cannot_write
}

# Put the next best in the place of a site: what was accepted last, then a stand-in, with TLS and without, then
# nothing.
replace_site() { # site
    [ -e "$work/words-$1" ] || echo "$words" >"$work/words-$1"
    next=out
    case $(state "$1") in
    '')
        if [ -f "$new/accepted/$1" ] && ! unchanged "$1"; then
            next=copy
        elif stand_in "$1"; then
            next=503
        fi
        ;;
    copy) if stand_in "$1"; then next=503; fi ;;
    503)
        if grep -q 'ssl\|tls' "$new/stand-in/$1"; then
            sed -i '/ssl\|tls/d' "$new/stand-in/$1" || cannot_write
            next=503
        fi
        ;;
    *) return 1 ;;
    esac
    echo "$next" >"$work/state-$1"
}

leave_out() { # upstream
    rm "$new/$1.conf"
    echo "$words" >"$work/upstream-$1"
}

# Whether a site is new or changed and defines what nginx has as the upstream of a service, for sites that ask for it.
takes_from_others() { # site, upstream
    ! established "$1" && [ -e "$dir/current/sites" ] && [ -e "$dir/current/$2.conf" ] &&
        ! grep -q '^# Made by alertscale: ' "$dir/current/$2.conf"
}

# The file of an upstream, by the name that nginx knows it by, whatever the case.
our_file() { # name
    for file in "$new"/*.conf; do
        found=${file##*/}
        found=${found%.conf}
        [ "$(printf %s "$found" | tr '[:upper:]' '[:lower:]')" != "$(printf %s "$1" | tr '[:upper:]' '[:lower:]')" ] ||
            { echo "$found" && return; }
    done
}

accepts() {
    write_sites "$(included)"
    trial
}

# Whether a site is as nginx accepted it last.
unchanged() { cmp -s "$new/accepted/$1" "$sites/$1"; } # site

# Whether nginx, which runs, has a site as its owner wrote it: after a start it may have a stand-in for it.
served() { # site
    grep -qxF -e "include $sites/*.conf;" -e "include \"$sites/$1\";" "$dir/current/sites" 2>/dev/null
}

untouched() { unchanged "$1" && served "$1"; } # site

all_untouched() {
    for each in "$sites"/*.conf; do untouched "${each##*/}" || return 1; done
}

# Whether nginx had accepted a site before, and has it: not the one to blame while there is one that is new or changed.
established() { # site
    case $(state "$1") in
    copy) ;;
    '') unchanged "$1" && { [ ! -e "$dir/current/sites" ] || served "$1"; } ;;
    *) return 1 ;;
    esac
}

# What nginx says of the folder as it is, in `said`, and its exit code, in `code`. Not for as long as DNS may take over
# the name of a host. The scaler waits for 15 s for a word of this, so there is one at least every ten.
test_for() { # seconds
    code=0
    timeout "$1" nginx -t -q -c "$work/nginx/nginx.conf" >"$work/said" 2>&1 &
    if [ "$1" -gt "$longest" ]; then
        while kill -0 $! 2>/dev/null; do sleep 2 && echo "nginx -t is not done yet"; done
    fi
    wait $! || code=$?
    said=$(cat "$work/said")
    case $code in
    0) echo "nginx accepts this" ;;
    # That of coreutils, that of busybox.
    124 | 143) said="[emerg] nginx -t takes over $1 s: a host has a name that cannot be looked up" code=124 ;;
    esac
}

# Have nginx test the folder as it is; what it says, if it refuses, is in `words`.
trial() {
    sed "s#$dir/current/#$new/#" /etc/nginx/nginx.conf >"$work/nginx/nginx.conf" || cannot_write
    test_for "$longest"
    if [ "$code" = 124 ] && [ "$start" != start ] && all_untouched; then
        # DNS is slow, and none of the sites is to blame.
        test_for $((longest * 3))
        if [ "$code" = 124 ]; then
            echo "${said#* }; no site has changed, so nginx keeps what it has"
            exit 1
        fi
    fi
    [ "$code" != 0 ] || return 0
    # The line with the clock is the one that is always there.
    words=$(printf '%s\n' "$said" | sed -nE 's/^(nginx: )?([0-9/]+ [0-9:]+ )?\[(emerg|alert|crit)\] ([0-9#]+: )?//p' |
        head -n 1 | sed "s#$new/##g; s#$work/nginx/#/etc/nginx/#g")
    [ -n "$words" ] || words="nginx -t ended with $code: $(printf '%s\n' "$said" | tail -n 1)"
    echo "$words"
    return 1
}

# Whether a host that nginx does not find may be back in a moment: that of a site with which, as it is now, nginx runs.
# To be asked for twice more, and not at a start, which waits for nobody.
is_blip() { # site
    case $words in 'host not found'*) ;; *) return 1 ;; esac
    [ "$start" != start ] && [ -z "$(state "$1")" ] && untouched "$1" && [ ! -e "$dir/current/$name.conf" ] || return 1
    echo "$words" >>"$work/again-$1"
    [ "$(wc -l <"$work/again-$1")" -le 2 ] || return 1
    sleep 1
}

# nginx names the later of two that do not go together. Replace the newcomer without which it would not say this: best
# one without which it says nothing, since what depends on a newcomer would be refused without it, too. 1 if it is none.
blame_newcomer() {
    case $words in 'host not found'*) return 1 ;; esac
    refused=$words
    blamed=
    for path in "$sites"/*.conf; do
        newcomer=${path##*/}
        before=$(state "$newcomer")
        if [ "$before" = out ] || established "$newcomer"; then continue; fi
        instead=out
        if [ -f "$new/accepted/$newcomer" ] && [ -z "$before" ] && ! unchanged "$newcomer"; then instead=copy; fi
        echo "$instead" >"$work/state-$newcomer"
        words=
        if accepts; then blamed=$newcomer; fi
        [ -n "$blamed" ] || [ "$words" = "$refused" ] || blamed=$newcomer words=$refused
        if [ -n "$before" ]; then echo "$before" >"$work/state-$newcomer"; else rm "$work/state-$newcomer"; fi
        [ -n "$words" ] || break
    done
    words=$refused
    [ -n "$blamed" ] && replace_site "$blamed"
}

# Mend what nginx names: 1 if it names nothing that could be left out.
mend_named() {
    place=${words##* in }
    file=${place%:*}
    line=${place##*:}
    case $words in *'"'*'"'*) name=${words#*\"} name=${name%%\"*} ;; *) name= ;; esac
    case $file in
    "$sites"/*/*) return 1 ;;
    "$sites"/*.conf | accepted/*.conf | stand-in/*.conf) site=${file##*/} ;;
    *) site= ;;
    esac
    if [ -n "$site" ] && is_blip "$site"; then return 0; fi
    case $words in
    'host not found in upstream '* | 'no port in upstream '*)
        # A name alone is that of a service which is gone or not there yet, one with a port that of another host.
        if [ -n "$site" ] && is_name "$name" && [ -z "$(our_file "$name")" ] &&
            ! sed -n "${line}p" "$(file_of "$site")" | grep -qF "$name:"; then
            placeholder "$name" "no service has this name"
            echo "$words" >"$work/placeholder-$name"
            return 0
        fi
        ;;
    'duplicate upstream '*)
        ours=$(our_file "$name")
        if [ -n "$site" ] && [ -n "$ours" ] && ! takes_from_others "$site" "$ours"; then
            leave_out "$ours"
            return 0
        fi
        ;;
    'upstream '*' may not have port '*)
        # Others may ask for the service as they should: then this site is at fault, else it was there first.
        ours=$(our_file "$name")
        if [ -n "$ours" ] && [ ! -e "$work/placeholder-$ours" ] && ! asked_for "$name"; then
            leave_out "$ours"
            return 0
        fi
        ;;
    esac
    if [ -n "$site" ]; then
        { established "$site" && blame_newcomer; } || replace_site "$site"
        return
    fi
    case $file in
    @* | */*) return 1 ;;
    *.conf) [ -f "$new/$file" ] && leave_out "${file%.conf}" ;;
    *) return 1 ;;
    esac
}

# The sites as nginx accepted them last, but for those that it does not have as they were.
had() {
    for copy in "$new"/accepted/*.conf; do
        if served "${copy##*/}" || grep -qF "/accepted/${copy##*/}\";" "$dir/current/sites" 2>/dev/null; then
            echo "include \"$copy\";"
        fi
    done
}

# Whether nginx, which runs, would refuse in the same words what it has: then it is none of the sites, but what they
# read and nginx has in memory. To leave out who reads it would take them all from the air.
nobody_is_to_blame() {
    [ "$start" != start ] && ls "$new"/accepted/*.conf >/dev/null 2>&1 || return 1
    write_sites "$(had)"
    ! trial && [ "$words" = "$first" ]
}

# nginx names nobody: put in the sites one after the other, newcomers last, and see which it is.
one_by_one() {
    set --
    for path in "$sites"/*.conf; do ! established "${path##*/}" || set -- "$@" "${path##*/}"; done
    for path in "$sites"/*.conf; do established "${path##*/}" || set -- "$@" "${path##*/}"; done
    first=$words
    if nobody_is_to_blame; then return 1; fi
    words=$first
    mkdir "$work/aside" 2>/dev/null || return 1
    for site in "$sites"/*.conf; do
        site=${site##*/}
        [ ! -e "$work/state-$site" ] || cp "$work/state-$site" "$work/aside/$site"
        echo out >"$work/state-$site"
    done
    accepts || { words=$first && return 1; }
    for added in "$@"; do
        if [ -e "$work/aside/$added" ]; then mv "$work/aside/$added" "$work/state-$added"; else rm "$work/state-$added"; fi
        until accepts; do mend_named || replace_site "$added" || return 1; done
    done
}

report() {
    for path in "$work"/upstream-* "$work"/words-* "$work"/placeholder-*; do
        [ -s "$path" ] || continue
        name=${path##*/}
        kind=${name%%-*} name=${name#*-}
        became=out
        case $kind in
        words) kind=site became=$(state "$name") ;;
        placeholder) became=503 ;;
        esac
        printf 'alertscale\t%s\t%s\t%s\t%s\n' "$kind" "$name" "$became" "$(cat "$path")"
    done
}

# Copies of what is there now and was accepted; of a site that is replaced, the copy that there was.
keep_copies() {
    mkdir -p "$new/accepted" || cannot_write
    for copy in "$new/accepted"/*.conf; do [ -e "$sites/${copy##*/}" ] || rm -f "$copy"; done
    for site in "$sites"/*.conf; do
        copy=$new/accepted/${site##*/}
        if [ -f "$site" ] && [ -z "$(state "${site##*/}")" ] && ! unchanged "${site##*/}"; then
            # Aside and moved: what is there may be read-only, and root has not the capability to overwrite it.
            cat "$site" >"$new/accepted/.new" || cannot_write
            mv -f "$new/accepted/.new" "$copy"
        fi
    done
}

# What a site names by a relative path is looked for beside the file that is tested.
mkdir "$work/nginx"
for path in /etc/nginx/* /etc/nginx/.[!.]*; do
    case $path in */nginx.conf | */'.[!.]*') ;; *) ln -s "$path" "$work/nginx/" ;; esac
done
placeholder_server >"$new/@placeholder.conf" || cannot_write
# Of services that are gone: without a question to DNS, which Docker hands on to the outside. What was never known as
# a service may be a host that was not there yet, and is asked for anew.
for gone in "$dir"/current/[!@]*.conf; do
    name=${gone##*/} name=${name%.conf}
    if [ -e "$gone" ] && [ ! -e "$new/$name.conf" ] && ! grep -q 'no service has this name' "$gone" && asked_for "$name"; then
        placeholder "$name" "the service is gone"
    fi
done
words=
# Each try does without one thing that stands in a file, so there is an end; as many as that may take.
left=$(cat "$sites"/*.conf "$new"/*.conf 2>/dev/null | wc -w)
until accepts; do
    left=$((left - 1))
    if [ "$left" -lt 0 ] || ! { mend_named || one_by_one; }; then
        echo "$words"
        exit 1
    fi
done
if [ -z "$(included)" ] && has_sites; then
    # nginx would listen nowhere but for itself.
    echo "none of the sites would be left: $words"
    exit 1
fi
keep_copies
report
