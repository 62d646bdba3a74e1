# shellcheck shell=bash
# A new release: unpacked, checked and built aside. Sourced by ../server.sh.

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
        sed "s#include /etc/nginx/upstreams/current/sites;#include /tmp/deploy/conf.d/*.conf;#; s#/etc/nginx/conf.d/#/tmp/deploy/conf.d/#" \
            /tmp/deploy/nginx.conf >/tmp/deploy/test.conf &&
        nginx -t -q -c /tmp/deploy/test.conf'
}
