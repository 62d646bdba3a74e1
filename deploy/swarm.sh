#!/usr/bin/env bash
# Deploys this checkout to the Swarm that this machine manages. docs/swarm.md explains it.
set -euo pipefail

usage() {
    cat <<'EOF'
Deploy the checkout to the Docker Swarm that this machine is a manager of, without a lost request and without
resetting what the load had scaled. New tasks are healthy before old ones leave; a version that does not
become healthy is taken back by Swarm, and this fails.

  deploy/swarm.sh                  build, push, deploy the commit that is checked out
  deploy/swarm.sh --commit COMMIT  the same where there is no git: what the images are called after
  deploy/swarm.sh --loaded TAG     deploy images of that tag, which every node has or can pull

Variables, from the environment or .env here:
  ALERTSCALE_IMAGES      where the images go, as registry/folder; needed with more than one node (alertscale)
  STACK_FILES            files to deploy; docker-stack.ports.yml publishes the pages (docker-stack.yml)
  STACK                  the stack's name (alertscale)
  DEPLOY_LOCK_WAIT       seconds to wait for another deploy (600)
  DEPLOY_READY_TIMEOUT   seconds in which all tasks must be new and healthy (300)
and every other one that the files name.

Exit codes: 0 deployed; 1 not deployed, and the reason is the last thing that it says; 2 an unknown option.
EOF
}

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }

die() { # what is wrong, way out
    printf 'swarm.sh: %s\n  Way out: %s\n' "$1" "$2" >&2
    exit 1
}

loaded=
commit=
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --commit) commit=${2:?--commit needs a commit}; shift 2 ;;
        --loaded) loaded=${2:?--loaded needs a tag}; shift 2 ;;
        *) usage >&2; echo "swarm.sh: unknown option $1" >&2; exit 2 ;;
    esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# `docker stack deploy` reads no .env; what is set already wins, as with Compose.
if [ -f .env ]; then
    while IFS='=' read -r name value; do
        case "$name" in '' | \#* | *[!A-Za-z0-9_]*) continue ;; esac
        value=${value%$'\r'}
        case "$value" in \"*\" | \'*\') value=${value:1:-1} ;; esac
        [ -n "${!name+set}" ] || export "$name=$value"
    done <.env
fi
stack=${STACK:-alertscale}
read -r -a files <<<"${STACK_FILES:-docker-stack.yml}"
wait_lock=${DEPLOY_LOCK_WAIT:-600}
timeout=${DEPLOY_READY_TIMEOUT:-300}

[ "$(docker info --format '{{.Swarm.ControlAvailable}}' 2>/dev/null)" = true ] ||
    die "this engine is no manager of a Swarm" "run this on a manager (docker node ls shows them), or begin with docker swarm init"
mkdir -p .deploy
exec 9>.deploy/swarm.lock
flock -w "$wait_lock" 9 ||
    die "another deploy is under way for more than $wait_lock s" "wait for it, or see what it does: fuser -v .deploy/swarm.lock"

images=${ALERTSCALE_IMAGES:-alertscale}
ALERTSCALE_VERSION=$loaded
auth=(--resolve-image never)
if [ -z "$loaded" ]; then
    if [ "$(docker node ls --quiet | wc -l)" -gt 1 ] && [ "$images" = alertscale ]; then
        die "ALERTSCALE_IMAGES is not set, and this Swarm has more than one node: the others could not pull the images" \
            "set it to a folder of your registry, in .env; or load the images on every node and give --loaded TAG"
    fi
    ALERTSCALE_VERSION=${commit:-$(git rev-parse HEAD)}
    ALERTSCALE_VERSION=${ALERTSCALE_VERSION:0:12}
    say "Building $images/…:$ALERTSCALE_VERSION ..."
    docker build --quiet --tag "$images/flask-app:$ALERTSCALE_VERSION" service >/dev/null
    docker build --quiet --tag "$images/exporter:$ALERTSCALE_VERSION" exporter >/dev/null
    docker build --quiet --tag "$images/scaler:$ALERTSCALE_VERSION" --file scaler/Dockerfile . >/dev/null
    if [ "$images" != alertscale ]; then
        for name in flask-app exporter scaler; do
            say "Pushing $name ..."
            docker push --quiet "$images/$name:$ALERTSCALE_VERSION" >/dev/null
        done
        auth=(--with-registry-auth)
    fi
fi
export ALERTSCALE_VERSION
eval "$(sh deploy/stack-env.sh)"
docker secret inspect alertscale_token >/dev/null 2>&1 ||
    head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' | docker secret create alertscale_token - >/dev/null

in_stack=(--filter "label=com.docker.stack.namespace=$stack")
scaled() { # services that alertscale scales
    docker service ls "${in_stack[@]}" --filter label=alertscale.enable=true --format '{{.Name}}'
}
label() { docker service inspect --format "{{index .Spec.Labels \"$2\"}}" "$1"; }

# Held from here on: a step that was decided before this label names an older version, and Swarm refuses it.
# The deploy puts the file's labels back.
declare -A pause=()
let_go() {
    local name
    rm -f "${live:-}"
    for name in "${!pause[@]}"; do
        if [ -n "${pause[$name]}" ]; then
            docker service update --detach --label-add "alertscale.pause=${pause[$name]}" "$name" >/dev/null || true
        else
            docker service update --detach --label-rm alertscale.pause "$name" >/dev/null || true
        fi
    done
}
trap let_go EXIT
live=$(mktemp)
printf 'version: "3.9"\nservices:\n' >"$live"
for name in $(scaled); do
    pause[$name]=$(label "$name" alertscale.pause)
    docker service update --detach --label-add alertscale.pause=all "$name" >/dev/null
    count=$(docker service inspect --format '{{.Spec.Mode.Replicated.Replicas}}' "$name")
    say "$name has $count replicas, and keeps them"
    printf '  %s: { deploy: { replicas: %d } }\n' "${name#"${stack}_"}" "$count" >>"$live"
done
[ "${#pause[@]}" -gt 0 ] || printf '  flask-app: {}\n' >>"$live"

say "Deploying ${files[*]} as $stack ..."
chosen=()
for file in "${files[@]}" "$live"; do chosen+=(--compose-file "$file"); done
docker stack deploy --prune "${auth[@]}" "${chosen[@]}" "$stack" >/dev/null
declare -A held=()
for name in "${!pause[@]}"; do held[$name]=${pause[$name]}; done
pause=()

state() { # of each service: name, running/wanted, what Swarm says of its update
    local tallies names
    tallies=$(docker service ls "${in_stack[@]}" --format '{{.Name}} {{.Replicas}}')
    read -r -a names <<<"$(awk '{ print $1 }' <<<"$tallies" | tr '\n' ' ')"
    docker service inspect --format '{{.Spec.Name}} {{with .UpdateStatus}}{{.State}}{{end}}' "${names[@]}" |
        awk 'NR == FNR { tally[$1] = $2; next } { print $1, tally[$1], $2 }' <(printf '%s\n' "$tallies") -
}
deadline=$((SECONDS + timeout))
shown=
while true; do
    now=$(state)
    back=$(awk '$3 ~ /^rollback|paused/ { print $1 }' <<<"$now")
    if [ -n "$back" ]; then
        # What Swarm takes back to is the definition as it was held.
        for name in $back; do
            [ -z "${held[$name]+set}" ] || pause[$name]=${held[$name]}
        done
        reason=$(docker service ps --no-trunc --format '{{.Error}}' "$(head -n 1 <<<"$back")" | awk 'NF' | head -n 1)
        die "${back//$'\n'/, }: the new version did not become healthy (${reason:-no reason given}); Swarm takes it back" \
            "docker service ps --no-trunc ${back%%$'\n'*} shows its tasks; the old version serves"
    fi
    lacking=$(awk '{ split($2, n, "/") } n[1] + 0 < n[2] + 0 || $3 == "updating" { print $1 }' <<<"$now" | tr '\n' ' ')
    [ -n "$lacking" ] || break
    if [ "$lacking" != "$shown" ]; then say "  waiting for $lacking"; shown=$lacking; fi
    [ "$SECONDS" -lt "$deadline" ] ||
        die "not all new and healthy after $timeout s: $lacking" "docker service ps --no-trunc ${lacking%% *} shows why"
    sleep 1
done

# Those of earlier deploys; one that is still in use is refused.
docker config ls "${in_stack[@]}" --quiet | xargs -r -n 1 docker config rm >/dev/null 2>&1 || true
say "Deployed $ALERTSCALE_VERSION"
