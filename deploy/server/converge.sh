# shellcheck shell=bash
# Whatever is there, brought to a release. Sourced by ../server.sh.

# Ask Prometheus or Alertmanager from inside, with the stack's own login.
monitoring() { # service, port, request line
    # shellcheck disable=SC2016 # expanded there
    docker compose exec -T "$1" sh -c '
        key=$(printf "alertscale:%s" "$(cat /run/monitoring/password)" | base64 | tr -d "\n")
        printf "%s HTTP/1.0\r\nAuthorization: Basic %s\r\nContent-Length: 0\r\n\r\n" "$2" "$key" | timeout 5 nc 127.0.0.1 "$1"' \
        - "$2" "$3" 2>>"$details"
}

changed_under() { grep -qE "$1" "$state/underway/changed" 2>/dev/null; }

runs() { [ -n "$(of_project --quiet --filter "label=com.docker.compose.service=$1" --filter status=running)" ]; }

reload_nginx() {
    if ! runs nginx; then return 0; fi
    # Replaced by something other than a deploy (git pull, an editor), a mounted file is an old one in there.
    if [ -n "$(stale_mounts nginx)" ]; then
        timed "nginx: its mounted configuration is not this file any more; starting it anew (nothing is served meanwhile)" \
            docker compose --progress plain up --detach --no-deps --no-build --force-recreate --wait nginx
    elif changed_under '^nginx/'; then
        timed "nginx: testing the configuration" docker compose exec -T nginx nginx -t ||
            give_up "nginx refuses the new configuration" "put right what it names above"
        timed "nginx: reloading" docker compose exec -T nginx nginx -s reload
    fi
}

# Files that are mounted into a service by themselves, and are not the ones that lie here any more.
stale_mounts() { # service
    local id source inside
    id=$(of_project --quiet --filter "label=com.docker.compose.service=$1" | head -n 1)
    while read -r source inside; do
        if [ ! -f "$source" ]; then continue; fi
        docker exec "$id" cat "$inside" </dev/null 2>>"$details" | cmp -s - "$source" || printf '%s\n' "$source"
    done < <(docker inspect --format '{{range .Mounts}}{{if eq .Type "bind"}}{{.Source}} {{.Destination}}{{println}}{{end}}{{end}}' "$id")
}

# Both load changed files by themselves; a script of Alertmanager's that has changed takes a start, though.
reload_prometheus() { # seconds since the epoch, of before the files were changed
    if ! changed_under '^prometheus/[^/]*$' || ! runs prometheus; then return 0; fi
    await_loaded prometheus 9090 "$1"
}

reload_alertmanager() { # seconds since the epoch, of before the files were changed
    if ! changed_under '^alertmanager/' || ! runs alertmanager; then return 0; fi
    if changed_under '^alertmanager/run\.sh$'; then
        timed "Alertmanager: starting anew, since alertmanager/run.sh changed" \
            docker compose --progress plain up --detach --no-deps --no-build --force-recreate --wait --wait-timeout 120 alertmanager ||
            { unwell; give_up "Alertmanager does not become healthy" "its last lines are above"; }
        return 0
    fi
    await_loaded alertmanager 9093 "$1"
}

await_loaded() { # service, port, seconds since the epoch
    local answer tries=0
    say "$1: waiting until it has read its changed files"
    while [ "$tries" -lt 30 ]; do
        answer=$(monitoring "$1" "$2" "GET /metrics" | tr -d '\r' || true)
        if awk -v since="$3" -v metric="$1_config_last_reload_success" '
            $1 == metric "ful" { good = $2 }
            $1 == metric "_timestamp_seconds" { at = $2 }
            END { exit !(good == 1 && at + 0 >= since) }' <<<"$answer"; then return 0; fi
        tries=$((tries + 1))
        sleep 1
    done
    give_up "$1 has not taken its changed files within 30 s" "docker compose logs $1 says why"
}

# Bring server and release together: whatever is there, a deploy forwards, back, or cut off before.
converge() { # release, release whose files lie here or nothing
    local since scaled others before service
    since=$(date +%s)
    place_files "$1" "${2:-}"
    project=$(project_name)
    use_images "$1"
    if [ -z "$(of_project --quiet)" ]; then
        timed "Starting everything" docker compose --progress plain up --detach --no-build --remove-orphans --wait --wait-timeout 300 ||
            { unwell; give_up "the stack does not become healthy" "the lines above say which service; docker compose logs <service>"; }
        return 0
    fi
    # The scaler first: the roll needs one that knows how, and its absence for a second harms nobody. nginx goes
    # on without it.
    before=$(containers)
    timed "scaler: seeing to it that it is the release's and well" \
        docker compose --progress plain up --detach --no-deps --no-build --wait --wait-timeout 120 scaler ||
        { unwell; give_up "the scaler does not become healthy" "its last lines are above; without it no replica can leave without losing requests"; }
    scaled=$(settled_services)
    for service in $scaled; do roll "$service"; done
    others=$(comm -23 <(docker compose config --services | sort) <(printf '%s\n' "$scaled" | sort) | grep . || true)
    # shellcheck disable=SC2086 # services are words
    timed "Everything else" docker compose --progress plain up --detach --no-deps --no-build --remove-orphans --wait --wait-timeout 300 $others ||
        { unwell; give_up "a service does not become healthy" "the lines above say which; docker compose logs <service>"; }
    reload_nginx
    reload_prometheus "$since"
    reload_alertmanager "$since"
    tell_changes "$before"
}

# Scaled services that run here and that the release still has. The scaler answers a moment after its start.
settled_services() {
    local tries=0 code=0 listed=
    while [ "$tries" -lt 20 ]; do
        code=0
        listed=$(replicas_seen) || code=$?
        if [ "$code" = 0 ] && { [ -n "$listed" ] || [ "$tries" -gt 5 ]; }; then break; fi
        tries=$((tries + 1))
        sleep 0.5
    done
    if [ "$code" != 0 ]; then
        give_up "the scaler does not answer: $listed" "docker compose logs scaler says why; docker compose up -d scaler starts it"
    fi
    comm -12 <(awk -F '\t' '$3 != "failed" { print $1 }' <<<"$listed" | sort -u) <(docker compose config --services | sort)
}

# The last lines of whatever is not well.
unwell() {
    local id ids
    ids=$({ of_project --all --quiet --filter health=unhealthy; of_project --all --quiet --filter status=restarting; } | sort -u)
    # None that has given up: then one that has not begun.
    if [ -z "$ids" ]; then ids=$(of_project --all --quiet --filter health=starting); fi
    for id in $ids; do last_words "$id"; done
}

tell_changes() { # containers before
    local now kept
    now=$(containers)
    kept=$(comm -12 <(printf '%s\n' "$1") <(printf '%s\n' "$now") | awk '{ print $1 }' | sort -u | tr '\n' ' ')
    say "Not touched: ${kept:-nothing}"
    say "Started anew: $(comm -13 <(printf '%s\n' "$1") <(printf '%s\n' "$now") | awk '{ print $1 }' | sort -u | tr '\n' ' ')"
}
