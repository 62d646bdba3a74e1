# shellcheck shell=bash
# New replicas beside the old ones, which then leave. Sourced by ../server.sh.

outdated_or_current() { # service: prints "current id" or "outdated id" of each container
    local hash image id its_hash its_image running
    hash=$(docker compose config --hash "$1" | awk '{ print $2 }')
    image=$(image_id "$(service_images "$project" | awk -v name="$1" '$1 == name { print $2 }')")
    for id in $(of_project --all --quiet --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False); do
        read -r its_hash its_image running < <(docker inspect --format \
            '{{index .Config.Labels "com.docker.compose.config-hash"}} {{.Image}} {{.State.Status}}' "$id" 2>/dev/null) || continue
        if [ "$running" = exited ] || [ "$running" = dead ]; then
            printf 'gone %s\n' "$id"
        elif [ "$its_hash" = "$hash" ] && [ "$its_image" = "$image" ]; then
            printf 'current %s\n' "$id"
        else
            printf 'outdated %s\n' "$id"
        fi
    done
}

pick() { awk -v kind="$1" '$1 == kind { print $2 }' <<<"$2"; }
replicas() { if [ "$1" = 1 ]; then echo "1 replica"; else echo "$1 replicas"; fi; }
count() { printf '%s' "$1" | grep -c . || true; }

# Replace the replicas of a scaled service: as many new ones beside the old, then the old ones leave.
roll() { # service
    local seen current outdated want tries=0 begun=$SECONDS
    seen=$(outdated_or_current "$1")
    outdated=$(pick outdated "$seen")
    current=$(pick current "$seen")
    if [ -z "$outdated" ]; then
        say "$1: unchanged, $(replicas "$(count "$current")")"
        return 0
    fi
    # Written down: whoever repairs a roll that was cut off must not count old and new ones together.
    mkdir -p "$state/underway/count"
    if [ ! -s "$state/underway/count/$1" ]; then
        count "$outdated"$'\n'"$current" >"$state/underway/count/$1"
    fi
    want=$(cat "$state/underway/count/$1")
    say "$1: rolling $(replicas "$want")"
    pick gone "$seen" | xargs -r docker rm >/dev/null
    # The scaler may have ended a step of its own meanwhile, so this is looked at anew until it fits.
    while [ "$(count "$current")" -lt "$want" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 4 ]; then
            give_up "$1: $want new replicas could not be started" "see what Docker says above; $details has all of it"
        fi
        timed "  starting $((want - $(count "$current"))) beside the old ones" \
            docker compose --progress plain up --detach --no-deps --no-build --no-recreate \
            --scale "$1=$(($(count "$outdated") + want))" "$1" || sleep 1
        seen=$(outdated_or_current "$1")
        outdated=$(pick outdated "$seen")
        current=$(pick current "$seen")
    done
    await_ready "$1" "$current"
    say "  all new ones are ready; $(replicas "$(count "$outdated")") of another version will finish what they have, and leave"
    leave "$1" "$outdated"
    say "  $1: $(replicas "$want") before, $(count "$current") after, in $((SECONDS - begun)) s"
}

await_ready() { # service, ids
    local deadline=$((SECONDS + ready_timeout)) id ended late
    say "  waiting until they are ready (at most $ready_timeout s)"
    while true; do
        late=$(states "$1" "$2" | awk '$2 != "ready"')
        if [ -z "$late" ]; then return 0; fi
        for id in $2; do
            ended=$(docker inspect --format '{{if or (ge .RestartCount 2) (eq .State.Status "exited")}}{{.RestartCount}} {{.State.ExitCode}}{{end}}' "$id" 2>/dev/null || echo "gone")
            if [ -n "$ended" ]; then
                last_words "$id"
                give_up "$1: a new replica ends right after its start (restarts and exit code: $ended)" \
                    "its last lines are above; put it right and deploy again"
            fi
        done
        if [ "$SECONDS" -ge "$deadline" ]; then
            for id in $2; do last_words "$id"; break; done
            give_up "$1: new replicas are not ready after $ready_timeout s: $(in_one_line "$late")" \
                "the last lines of one are above; put it right, or raise DEPLOY_READY_TIMEOUT"
        fi
        sleep 1
    done
}

last_words() { # id
    say "  the last lines of $(docker inspect --format '{{.Name}}' "$1" 2>/dev/null | tr -d /):"
    docker logs --tail 12 "$1" 2>&1 | sed 's/^/            | /' || true
}

retire() { # service, ids; prints why not
    # shellcheck disable=SC2086 # ids are words
    compose exec -T scaler python -c "$ask"'
name, *ids = sys.argv[1:]
ask(f"/{name}/retire", {"replicas": ids})' "$project/$1" $2 2>>"$details"
}

leave() { # service, ids
    local deadline=$((SECONDS + drain_timeout)) ask_at=$SECONDS left serving refused=''
    while true; do
        left=$(states "$1" "$2" | awk '$2 != "gone"')
        if [ -z "$left" ]; then return 0; fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            give_up "$1: replicas did not leave within $drain_timeout s: $(in_one_line "$left")${refused:+; the scaler: $refused}" \
                "docker compose logs scaler says why; then deploy again, which takes them away"
        fi
        # Now and then again: a scaler that was started anew has forgotten what it was asked.
        serving=$(awk '$2 == "ready" || $2 == "starting" { print $1 }' <<<"$left")
        if [ -n "$serving" ] && [ "$SECONDS" -ge "$ask_at" ]; then
            if refused=$(retire "$1" "$serving"); then
                refused='' ask_at=$((SECONDS + 20))
            fi
        fi
        sleep 1
    done
}
