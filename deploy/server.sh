#!/usr/bin/env bash
# What a deploy does on the server. deploy.sh and rollback.sh send it there and start it; it needs bash,
# Docker, Compose and the usual GNU tools. Everything of its own is in DIR/.deploy:
#
#   upload/     what is being copied                 releases/   tree, image ids and origin of each release
#   current     the release that runs                underway/   of a deploy that has not ended, or was cut off
#   log/        one of each run                      edited/     files that were changed here, before they were replaced
#   lock        held by the run at work
#
# check DIR                                  see whether a deploy could work here
# list DIR                                   show the releases
# start DIR UPLOAD deploy COMMIT SUBJECT     start a run that outlives the connection, and show its log
# start DIR UPLOAD rollback [COMMIT]         the same
# run, converge                              parts of it
set -Eeuo pipefail
umask 022
trap 'unforeseen "$LINENO" "$BASH_COMMAND"' ERR

unforeseen() { # line, command
    trap - ERR
    say "server.sh, line $1: failed: ${2%%$'\n'*}"
}

ready_timeout=${DEPLOY_READY_TIMEOUT:-120}
drain_timeout=${DEPLOY_DRAIN_TIMEOUT:-300}
lock_wait=${DEPLOY_LOCK_WAIT:-600}
min_free=${DEPLOY_MIN_FREE_MB:-1000}
keep=${DEPLOY_KEEP:-5}

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }

# End this process with the reason, which the run tells again as its last line.
give_up() { # reason, way out
    say "FAILED: $1"
    say "  Way out: $2"
    # Another run's reason is not ours to write.
    if [ -n "${DEPLOY_HOLDS_LOCK:-}" ] && [ -d "${state:-}/underway" ]; then printf '%s\n' "$1" >"$state/underway/reason"; fi
    exit 1
}

# Run something long; its output goes to the details, whose end is shown when it fails.
timed() { # what, command ...
    local what=$1 begun=$SECONDS code=0
    shift
    say "$what ..."
    printf '\n== %s: %s\n' "$what" "$*" >>"$details"
    "$@" >"$details.now" 2>&1 </dev/null || code=$?
    cat "$details.now" >>"$details"
    if [ "$code" != 0 ]; then
        tail -n 15 "$details.now" | sed 's/^/            | /'
    elif [ $((SECONDS - begun)) -ge 2 ]; then
        say "  took $((SECONDS - begun)) s"
    fi
    rm -f "$details.now"
    return "$code"
}

enter() { # directory
    cd "$HOME"
    cd "$1"
    dir=$(pwd -P)
    state=$dir/.deploy
    details=$state/log/details
}

free_mb() { df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }'; }

# ---- what a server must have

check() { # directory
    local missing=0 tool root free where said
    need() { # what, way out
        printf '  missing: %s\n    Way out: %s\n' "$1" "$2" >&2
        missing=1
    }
    cd "$HOME"
    for tool in tar flock setsid sha256sum tail awk sed diff find xargs; do
        command -v "$tool" >/dev/null || need "the program $tool" "install it (Debian: coreutils, util-linux, findutils, diffutils, mawk)"
    done
    if ! command -v docker >/dev/null; then
        need "Docker" "install Docker Engine and its Compose plugin on the server"
    elif ! said=$(docker version --format '{{.Server.Version}}' 2>&1); then
        if grep -qi 'permission denied' <<<"$said"; then
            need "leave to use Docker: $(tail -n 1 <<<"$said")" "on the server, as root: usermod -aG docker $(id -un), then log in again"
        else
            need "a Docker Engine that answers: $(tail -n 1 <<<"$said")" "on the server, as root: systemctl start docker"
        fi
    elif ! docker compose version >/dev/null 2>&1; then
        need "Docker Compose: 'docker compose' does not work" "install the Compose plugin (Debian: docker-compose-plugin or docker-compose)"
    fi
    mkdir -p "$1/.deploy/upload" "$1/.deploy/log" "$1/.deploy/releases" 2>/dev/null ||
        need "leave to write to $1" "as root there: mkdir -p '$1' && chown $(id -un) '$1'; or choose another directory with --dir or DEPLOY_DIR; a full disk does this too"
    root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null || true)
    for where in "$1" "$root"; do
        if [ -n "$where" ] && free=$(free_mb "$where" 2>/dev/null) && [ -n "$free" ] && [ "$free" -lt "$min_free" ]; then
            need "space: $free MiB free at $where, $min_free needed" "make space there (docker image prune, docker builder prune), or lower DEPLOY_MIN_FREE_MB"
        fi
    done
    if [ "$missing" != 0 ]; then
        printf 'The server is not ready for a deploy; nothing was changed.\n' >&2
        exit 1
    fi
    chmod 700 "$1/.deploy"
}

# ---- Compose

compose() { docker compose --progress plain "$@"; }

composed() { docker compose config 2>"$details.now" || { sed 's/^/            | /' "$details.now"; return 1; }; }

project_name() { composed | awk '/^name: / { print $2; exit }'; }

# Services with their images, one a line; what Compose builds and the file does not name is project-service.
service_images() {
    composed | awk -v project="$1" '
        /^[^ ]/ { inside = ($1 == "services:") }
        inside && /^  [^ ].*:$/ { if (name) print name, image; name = substr($1, 1, length($1) - 1); image = project "-" name }
        inside && /^    image: / { image = $2 }
        END { if (name) print name, image }'
}

# Host ports of the services that are to run, one "address port" a line.
published_ports() {
    composed | awk '
        function flush() { if (!none) printf "%s", ports; ports = ""; none = 0 }
        /^[^ ]/ { flush(); inside = ($1 == "services:") }
        inside && /^  [^ ].*:$/ { flush() }
        inside && /^      replicas: 0$/ { none = 1 }
        inside && /^        host_ip: / { address = $2 }
        inside && /^        published: / { gsub(/"/, "", $2); ports = ports (address ? address : "127.0.0.1") " " $2 "\n"; address = "" }
        END { flush() }'
}

of_project() { docker ps "$@" --filter "label=com.docker.compose.project=$project"; }

# Containers of the project by service: "service id".
containers() { of_project --all --format '{{.Label "com.docker.compose.service"}} {{.ID}}' | sort; }

check_ports() {
    local own address port taken=
    own=$(of_project --format '{{.Ports}}')
    while read -r address port; do
        case "$own" in *":$port->"*) continue ;; esac
        if [ "$address" = 0.0.0.0 ]; then address=127.0.0.1; fi
        if (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; then taken="$taken $port"; fi
    done < <(published_ports)
    if [ -n "$taken" ]; then
        give_up "taken on the server by another program: port$taken" \
            "end that program (ss -ltnp shows it), or move the port in $dir/.env (see .env.example)"
    fi
}

# ---- the scaler

# Ask the scaler; 10 when what it was asked for did not come about, another code when it does not answer.
scaler() { compose exec -T scaler python - "$@" <"$tools/replicas.py" 2>>"$details"; }

scaled_services() { scaler list "$project" | awk '{ print $1 }' | sort -u; }

# ---- files

# Put a release's files in place. Into the files that are there, not instead of them: a file that is mounted
# into a container by itself would not follow otherwise. What the release does not have and the last one
# had goes; what neither has (.env, secrets, your own sites) stays.
place_files() { # release, release before or nothing
    local tree=$state/releases/$1/tree list=$state/releases/$1/files path
    local before=${2:+$state/releases/$2/files}
    changed_here "$1" "${2:-}"
    while IFS= read -r path; do
        mkdir -p "$(dirname "$dir/$path")"
        if [ -L "$tree/$path" ] || [ -L "$dir/$path" ]; then
            rm -f "$dir/$path"
            cp -P "$tree/$path" "$dir/$path"
        else
            cat "$tree/$path" >"$dir/$path"
        fi
        printf '%s\n' "$path" >>"$state/underway/changed"
    done < <(differing "$list")
    (cd "$tree" && find . -type f -perm -u=x -printf '%P\0') | (cd "$dir" && xargs -0 -r chmod +x)
    if [ -n "$before" ]; then
        while IFS= read -r path; do
            rm -f "$dir/$path"
            rmdir -p --ignore-fail-on-non-empty "$(dirname "$dir/$path")" 2>/dev/null || true
            printf '%s\n' "$path" >>"$state/underway/changed"
        done < <(comm -13 <(paths "$list") <(paths "$before"))
    fi
}

paths() { cut -c 67- "$1" | LC_ALL=C sort; }

# Files of a list (as sha256sum writes it) that are not so here.
differing() {
    {
        cd "$dir"
        LC_ALL=C sha256sum --check --quiet "$1" 2>/dev/null || true
    } | sed -n "s/: FAILED.*\$//p"
}

# Keep what somebody has changed on the server since the last deploy, and say so.
changed_here() { # release, release before
    local path kept=$state/edited/$1
    if [ -z "$2" ] || [ -e "$state/underway/placed" ]; then return 0; fi
    while IFS= read -r path; do
        if [ -f "$dir/$path" ] && ! cmp -s "$dir/$path" "$state/releases/$1/tree/$path"; then
            mkdir -p "$(dirname "$kept/$path")"
            cp -p "$dir/$path" "$kept/$path"
            say "$path was changed on the server: replaced by the commit's, kept in $kept"
        fi
    done < <(differing "$state/releases/$2/files")
    touch "$state/underway/placed"
}

# Give the images of a release their names again, or build them anew where they are gone.
use_images() { # release
    local name id kept
    while read -r name id; do
        if [ "$(image_id "$name")" = "$id" ]; then continue; fi
        kept=$(release_tag "$name" "$1")
        if [ "$(image_id "$kept")" = "$id" ] || [ "$(image_id "$id")" = "$id" ]; then
            docker tag "$id" "$name"
        else
            cd "$state/releases/$1/tree"
            timed "The image $name of that release is gone: building it" docker compose -p "$project" build
            cd "$dir"
        fi
    done <"$state/releases/$1/images"
}

image_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true; }

release_tag() { printf '%s:deploy-%s' "$1" "$2"; }

built_here() { case "${1##*/}" in *[:@]*) return 1 ;; esac; }

# ---- the roll

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
    local deadline=$((SECONDS + ready_timeout)) code id ended said=
    say "  waiting until they are ready (at most $ready_timeout s)"
    while true; do
        code=0
        # shellcheck disable=SC2086 # ids are words
        said=$(scaler await "$project/$1" 3 $2) || code=$?
        if [ "$code" = 0 ]; then return 0; fi
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
            give_up "$1: new replicas are not ready after $ready_timeout s: ${said//$'\n'/; }" \
                "the last lines of one are above; put it right, or raise DEPLOY_READY_TIMEOUT"
        fi
    done
}

last_words() { # id
    say "  the last lines of $(docker inspect --format '{{.Name}}' "$1" 2>/dev/null | tr -d /):"
    docker logs --tail 12 "$1" 2>&1 | sed 's/^/            | /' || true
}

leave() { # service, ids
    local deadline=$((SECONDS + drain_timeout)) code said
    while true; do
        code=0
        # shellcheck disable=SC2086 # ids are words
        said=$(scaler retire "$project/$1" "$((deadline - SECONDS))" $2) || code=$?
        if [ "$code" = 0 ]; then return 0; fi
        if [ "$code" = 10 ] || [ "$SECONDS" -ge "$deadline" ]; then
            give_up "$1: replicas did not leave within $drain_timeout s: ${said//$'\n'/; }" \
                "docker compose logs scaler says why; then deploy again, which takes them away"
        fi
        sleep 1
    done
}

# ---- everything else

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

reload_prometheus() { # seconds since the epoch, of before the files were changed
    local answer tries=0
    if ! changed_under '^prometheus/[^/]*$' || ! runs prometheus; then return 0; fi
    say "Prometheus: waiting until it has read its changed files"
    while [ "$tries" -lt 30 ]; do
        answer=$(monitoring prometheus 9090 "GET /metrics" | tr -d '\r' || true)
        if awk -v since="$1" '
            $1 == "prometheus_config_last_reload_successful" { good = $2 }
            $1 == "prometheus_config_last_reload_success_timestamp_seconds" { at = $2 }
            END { exit !(good == 1 && at + 0 >= since) }' <<<"$answer"; then return 0; fi
        tries=$((tries + 1))
        sleep 1
    done
    give_up "Prometheus has not taken its changed files within 30 s" "docker compose logs prometheus says why"
}

# It sees changed files by itself (alertmanager/run.sh); a script that has changed takes a start, though.
reload_alertmanager() { # seconds since the epoch, of before the files were changed
    local answer tries=0
    if ! changed_under '^alertmanager/' || ! runs alertmanager; then return 0; fi
    if changed_under '^alertmanager/run\.sh$'; then
        timed "Alertmanager: starting anew, since alertmanager/run.sh changed" \
            docker compose --progress plain up --detach --no-deps --no-build --force-recreate --wait --wait-timeout 120 alertmanager ||
            { unwell; give_up "Alertmanager does not become healthy" "its last lines are above"; }
        return 0
    fi
    say "Alertmanager: waiting until it has read its changed files"
    while [ "$tries" -lt 30 ]; do
        answer=$(monitoring alertmanager 9093 "GET /metrics" | tr -d '\r' || true)
        if awk -v since="$1" '
            $1 == "alertmanager_config_last_reload_successful" { good = $2 }
            $1 == "alertmanager_config_last_reload_success_timestamp_seconds" { at = $2 }
            END { exit !(good == 1 && at + 0 >= since) }' <<<"$answer"; then return 0; fi
        tries=$((tries + 1))
        sleep 1
    done
    give_up "Alertmanager has not taken its changed files within 30 s" "docker compose logs alertmanager says why"
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
        listed=$(scaler list "$project") || code=$?
        if [ "$code" = 0 ] && { [ -n "$listed" ] || [ "$tries" -gt 5 ]; }; then break; fi
        tries=$((tries + 1))
        sleep 0.5
    done
    if [ "$code" != 0 ]; then
        give_up "the scaler does not answer: $listed" "docker compose logs scaler says why; docker compose up -d scaler starts it"
    fi
    comm -12 <(awk '$3 != "failed" { print $1 }' <<<"$listed" | sort -u) <(docker compose config --services | sort)
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

# ---- a new release

# Unpack, validate and build aside; nothing that serves is touched.
prepare() { # commit, subject
    local folder=$state/releases/$release tree=$state/releases/$release/tree entry service image
    say "Unpacking and checking ${1:0:12}"
    mkdir -p "$tree"
    tar -xzpf "$tools/archive.tar.gz" -C "$tree"
    (cd "$tree" && find . -xtype f -printf '%P\0' | xargs -0 sha256sum) >"$folder/files"
    entry=$(cd "$tree" && find . -type l ! -xtype f -printf '%P ')
    if [ -n "$entry" ]; then give_up "links that lead to no file cannot be deployed: $entry" "replace them by what they lead to"; fi
    printf '%s\n' "$1" >"$folder/commit"
    printf '%s\n' "$2" >"$folder/subject"
    # What is the server's own (.env, secrets) is seen by the checks too.
    for entry in "$dir"/* "$dir"/.[!.]*; do
        case "$(basename "$entry")" in .deploy | .git) continue ;; esac
        if [ -e "$entry" ] && [ ! -e "$tree/$(basename "$entry")" ]; then ln -s "$entry" "$tree/"; fi
    done
    cd "$tree"
    project=$(project_name) || give_up "docker-compose.yml or .env cannot be used" "put right what Compose names above (.env is in $dir)"
    check_ports
    # One after another: two services that are built from the same files side by side get two images, of which the
    # next build takes one for both, and a service that has not changed would be replaced.
    timed "Building images" env COMPOSE_PARALLEL_LIMIT=1 docker compose --progress plain -p "$project" build || give_up "an image cannot be built" "put right what the build names above"
    : >"$folder/images"
    while read -r service image; do
        if [ -z "$(image_id "$image")" ]; then
            timed "Pulling $image for $service" docker pull "$image" || give_up "the image $image cannot be pulled" "see to its name and to the server's network"
        fi
        printf '%s %s\n' "$image" "$(image_id "$image")" >>"$folder/images"
        # A name of its own keeps it from `docker image prune`, for the way back.
        if built_here "$image"; then docker tag "$image" "$(release_tag "$image" "$release")"; fi
    done < <(service_images "$project")
    validate "$tree"
    cd "$dir"
}

image_of() { service_images "$project" | awk -v name="$1" '$1 == name { print $2 }'; }

# The new configuration, read by the programs that will read it.
validate() { # tree
    local image
    image=$(image_of prometheus)
    if [ -n "$image" ]; then
        timed "Prometheus: checking its configuration" docker run --rm --network none \
            --volume "$1/prometheus:/etc/prometheus:ro" --entrypoint /bin/promtool "$image" check config /etc/prometheus/prometheus.yml ||
            give_up "prometheus/: promtool refuses it" "put right what it names above"
    fi
    image=$(image_of alertmanager)
    if [ -n "$image" ]; then
        # With none of the receivers, with each, with all; what one of them needs from .env stands for itself.
        timed "Alertmanager: checking its configuration" docker run --rm --network none \
            --env SMTP_SMARTHOST=mail.invalid:587 --env SMTP_FROM=from@mail.invalid --env SMTP_TO=to@mail.invalid \
            --volume "$1/alertmanager:/etc/alertmanager:ro" --entrypoint /bin/sh "$image" /etc/alertmanager/run.sh check ||
            give_up "alertmanager/: amtool refuses it" "put right what it names above"
    fi
    # In the nginx that runs: it has the upstreams, the certificates and your own sites, and resolves every name.
    # One whose definition changes may lack what the new configuration names; its health check decides then.
    if runs nginx && [ "$(definition "$dir" nginx)" != "$(definition "$1" nginx)" ]; then
        say "nginx: it is replaced, since its definition changes, and so its configuration is tested when it starts"
    elif runs nginx; then
        timed "nginx: checking its configuration" test_nginx "$1" ||
            give_up "nginx/: nginx refuses it" "put right what it names above"
    fi
}

# What Compose makes of a service in a directory, with the paths that it has in its place.
definition() { # directory, service
    (cd "$1" && docker compose config 2>/dev/null) | sed "s#$1/#$dir/#g" |
        awk -v name="$2:" '/^[^ ]/ { inside = ($1 == "services:") } inside && /^  [^ ].*:$/ { on = ($1 == name) } inside && on'
}

test_nginx() { # tree
    # shellcheck disable=SC2016 # expanded there
    tar -C "$1/nginx" -c . | docker compose exec -T nginx sh -c '
        rm -rf /tmp/deploy && mkdir /tmp/deploy && trap "rm -rf /tmp/deploy" EXIT && tar -C /tmp/deploy -o -x &&
        for site in /etc/nginx/conf.d/*; do [ -e "/tmp/deploy/conf.d/${site##*/}" ] || cp "$site" /tmp/deploy/conf.d/; done &&
        sed "s#/etc/nginx/conf.d/#/tmp/deploy/conf.d/#" /tmp/deploy/nginx.conf >/tmp/deploy/test.conf &&
        nginx -t -q -c /tmp/deploy/test.conf'
}

# ---- a run

take_lock() {
    exec 9>>"$state/lock"
    if ! flock -n 9; then
        say "Another deploy is at work: $(cat "$state/at-work" 2>/dev/null || echo 'just begun'). Waiting for it, at most $lock_wait s"
        flock -w "$lock_wait" 9 || give_up "another deploy is still at work after $lock_wait s" "see $state/log; when it has ended, run this again"
    fi
    export DEPLOY_HOLDS_LOCK=1
    printf '%s, since %s\n' "$1" "$(date '+%F %T')" >"$state/at-work"
}

# In a process of its own, so that its first failure ends it, whoever asks what became of it. It holds the lock too.
converged() { "$BASH" "$tools/server.sh" converge "$dir" "$tools" "$@"; }

current() { cat "$state/current" 2>/dev/null || true; }

# Back to the release that ran before this one; without one, nothing was there before.
undo() { # release that failed
    local before kept=$state/edited/$1 path
    before=$(current)
    touch "$state/underway/placed"
    if [ -z "$before" ]; then
        say "Nothing ran here before: taking down what was started; volumes stay"
        (cd "$dir" && timed "Stopping" docker compose --progress plain down --remove-orphans) || return 1
        paths "$state/releases/$1/files" | (cd "$dir" && tr '\n' '\0' | xargs -0 rm -f)
        return 0
    fi
    say "Going back to $(describe "$before")"
    if ! converged "$before" "$1"; then return 1; fi
    if [ -d "$kept" ]; then
        # What was changed here by hand is as it was.
        (cd "$kept" && find . -type f -printf '%P\n') | while IFS= read -r path; do cat "$kept/$path" >"$dir/$path"; done
        rm -rf "$kept"
    fi
}

describe() { printf '%s (%s)' "$(cut -c 1-12 "$state/releases/$1/commit")" "$(cat "$state/releases/$1/subject")"; }

# What an earlier run left behind when it was killed.
repair() {
    local left
    left=$(cat "$state/underway/release" 2>/dev/null || true)
    if [ -n "$left" ]; then
        say "An earlier deploy was cut off: $(describe "$left"). Undoing it first"
        rm -f "$state/underway/reason"
        undo "$left" || give_up "the earlier deploy cannot be undone" "see above; put that right and deploy again"
    elif [ -d "$state/underway" ]; then
        put_names_back "$(current)"
    fi
    rm -rf "$state/underway"
    find "$state/upload" -mindepth 1 -maxdepth 1 ! -path "$tools" -mmin +60 -exec rm -rf {} +
    for left in "$state"/releases/*/; do
        left=$(basename "$left")
        if [ ! -f "$state/releases/$left/done" ] && [ "$left" != "$(current)" ]; then forget "$left"; fi
    done
}

# By age, the oldest first; with -r the newest.
release_names() { find "$state/releases" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort "$@"; }

forget() { # release
    local name
    if [ -f "$state/releases/$1/images" ]; then
        while read -r name _; do
            docker image rm "$(release_tag "$name" "$1")" >/dev/null 2>&1 || true
        done <"$state/releases/$1/images"
    fi
    rm -rf "${state:?}/releases/$1"
}

# The last few releases stay, for a rollback.
forget_old() {
    local old
    for old in $(release_names -r | tail -n "+$((keep + 1))"); do
        if [ "$old" != "$(current)" ] && [ "$old" != "$(cat "$state/releases/$(current)/before" 2>/dev/null)" ]; then forget "$old"; fi
    done
    find "$state/log" -type f -mtime +30 -delete
}

run() { # deploy COMMIT SUBJECT | rollback [COMMIT]
    local what=$1 begun reason last
    shift
    take_lock "$what ${1:0:12}"
    begun=$SECONDS
    repair
    last=$(current)
    if [ "$what" = deploy ]; then
        release=$(date +%Y%m%d-%H%M%S)-${1:0:12}
        "$BASH" "$tools/server.sh" prepare "$dir" "$tools" "$release" "$1" "$2" ||
            { put_names_back "$last"; forget "$release"; rm -rf "$state/underway"; end_badly "nothing was changed on the server"; }
        origin "$last" "${1}" >"$state/releases/$release/before"
    else
        choose_release "${1:-}"
    fi
    mkdir -p "$state/underway"
    printf '%s\n' "$release" >"$state/underway/release"
    if ! converged "$release" "$last"; then
        reason=$(cat "$state/underway/reason" 2>/dev/null || echo "see above")
        if undo "$release"; then
            rm -rf "$state/underway"
            if [ "$what" = deploy ]; then forget "$release"; fi
            say "FAILED: $reason"
            if [ -n "$last" ]; then end_badly "the version before serves as it did"; fi
            end_badly "nothing runs"
        fi
        say "FAILED: $reason"
        end_badly "and going back failed too (above); what is there goes on serving, and the next deploy or rollback repairs it"
    fi
    printf '%s\n' "$release" >"$state/current.new"
    mv "$state/current.new" "$state/current"
    touch "$state/releases/$release/done"
    rm -rf "$state/underway"
    forget_old
    rm -rf "$tools"
    say "Done: $(describe "$release") runs, $what in $((SECONDS - begun)) s"
}

end_badly() { # what holds now
    say "Not deployed: $1. The whole log: $log"
    rm -rf "$tools"
    exit 1
}

# After a failed build the names of the images mean the running release's again.
put_names_back() { # release or nothing
    local name id
    if [ -z "$1" ]; then return 0; fi
    while read -r name id; do
        if [ -n "$(image_id "$id")" ] && [ "$(image_id "$name")" != "$id" ]; then docker tag "$id" "$name"; fi
    done <"$state/releases/$1/images"
}

# The release that a rollback from a new one goes to: the last of another commit.
origin() { # release that runs or nothing, commit
    if [ -n "$1" ] && [ "$(cat "$state/releases/$1/commit")" = "$2" ]; then
        cat "$state/releases/$1/before"
    else
        printf '%s\n' "$1"
    fi
}

choose_release() { # beginning of a commit, or nothing for the one before
    local one
    release=
    if [ -z "$(current)" ]; then give_up "nothing was deployed here by deploy.sh" "deploy first"; fi
    if [ -z "$1" ]; then
        release=$(cat "$state/releases/$(current)/before")
    else
        for one in $(release_names); do
            case "$(cat "$state/releases/$one/commit")" in "$1"*) release=$one ;; esac
        done
    fi
    if [ -z "$release" ] || [ ! -d "$state/releases/$release" ]; then
        list
        give_up "there is no release ${1:-before this one} on the server" "choose one of those above with --to, or deploy a commit with deploy.sh --commit"
    fi
}

list() {
    local one mark
    for one in $(release_names -r); do
        mark=' '
        if [ "$one" = "$(current)" ]; then mark='*'; fi
        printf '%s %s  %s\n' "$mark" "${one%-*}" "$(describe "$one")"
    done
}

# Start a run that outlives the connection, and show its log until it has ended.
start() { # directory, upload, words of run
    local pid
    enter "$1"
    tools=$state/upload/$2
    shift 2
    log=$state/log/$(date +%Y%m%d-%H%M%S)-$1-$$.log
    : >"$log"
    # shellcheck disable=SC2094 # the log is named, not read
    setsid "$BASH" "$tools/server.sh" run "$dir" "$tools" "$log" "$@" </dev/null >>"$log" 2>&1 &
    pid=$!
    tail -n +1 -s 0.2 --pid="$pid" -f "$log"
    wait "$pid"
}

command=$1
shift
case "$command" in
    check) check "$1" ;;
    list) enter "$1" && list ;;
    start) start "$@" || { trap - ERR; exit 1; } ;;
    run)
        enter "$1"
        tools=$2 log=$3 details=${3%.log}.details
        export DEPLOY_DETAILS=$details
        shift 3
        run "$@"
        ;;
    prepare)
        enter "$1"
        tools=$2 release=$3 details=$DEPLOY_DETAILS
        mkdir -p "$state/underway"
        prepare "$4" "$5"
        ;;
    converge)
        enter "$1"
        tools=$2 details=$DEPLOY_DETAILS
        shift 2
        converge "$@"
        ;;
    *) echo "server.sh: unknown command $command" >&2; exit 2 ;;
esac
