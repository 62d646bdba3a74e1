# shellcheck shell=bash
# What deploy.sh and rollback.sh share: the variables, the key, the connection. Sourced, never run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/copy"

die() { # what is wrong, way out
    printf '%s: %s\n  Way out: %s\n' "$(basename "$0")" "$1" "$2" >&2
    exit 1
}

say() { printf '%s\n' "$*"; }

# Take user@host if it was given, else the variables of the pipeline; name every one that is missing.
choose_server() { # user@host or nothing
    local missing=() name
    if [ -n "${1:-}" ]; then
        case "$1" in
            -* | *[[:space:]]*) die "'$1' is not user@host" "give the server as user@host, see --help" ;;
        esac
        server=$1
    else
        for name in SSH_PRIVATE_KEY SERVER_HOST SERVER_USER SSH_KNOWN_HOSTS; do
            [ -n "${!name:-}" ] || missing+=("$name")
        done
        if [ "${#missing[@]}" -gt 0 ]; then
            die "not set: ${missing[*]}" \
                "in GitLab, Settings > CI/CD > Variables (docs/deployment.md says what each holds); by hand, give user@host"
        fi
        server=$SERVER_USER@$SERVER_HOST
    fi
    port=${SERVER_PORT:-}
    case "$port" in *[!0-9]*) die "SERVER_PORT: '$port' is not a port" "give a number, or leave it out for 22" ;; esac
}

# A variable's value goes to a file; GitLab's variables of the type File already name one. What GitLab is to mask must be
# one line without blanks, and so may be a key in base64.
to_file() { # name, file
    local value=${!1} decoded
    if [ -f "$value" ]; then value=$(cat "$value"); fi
    decoded=$(printf '%s' "$value" | base64 --decode 2>/dev/null | tr -d '\0') || true
    case "$decoded" in -----BEGIN*) value=$decoded ;; esac
    (umask 077 && printf '%s\n' "${value//$'\r'/}" >"$2")
}

# Never asks, never trusts a host key that it has not been given.
prepare_ssh() {
    ssh=(ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=15
        -o ServerAliveInterval=10 -o ServerAliveCountMax=3 -o LogLevel=ERROR)
    if [ -n "$port" ]; then ssh+=(-p "$port"); fi
    if [ -n "${SSH_PRIVATE_KEY:-}" ]; then
        # The file has no name any more when the key is put into it: whatever ends this, kill -9 too, the key is gone.
        (umask 077 && : >"$scratch/key")
        exec {held}<>"$scratch/key"
        rm "$scratch/key"
        key=/proc/$$/fd/$held
        to_file SSH_PRIVATE_KEY "$key"
        ssh-keygen -y -P '' -f "$key" >/dev/null 2>"$scratch/said" ||
            die "SSH_PRIVATE_KEY: not a private key without a passphrase ($(head -n 1 "$scratch/said"))" \
                "give the whole file, from -----BEGIN to -----END, of a key made with: ssh-keygen -t ed25519 -N ''"
        ssh+=(-F /dev/null -i "$key" -o IdentitiesOnly=yes -o IdentityAgent=none)
    fi
    if [ -n "${SSH_KNOWN_HOSTS:-}" ]; then
        to_file SSH_KNOWN_HOSTS "$scratch/known_hosts"
        ssh+=(-o UserKnownHostsFile="$scratch/known_hosts" -o GlobalKnownHostsFile=/dev/null)
    fi
}

# Run a command on the server, each word quoted for the shell there, whichever it is.
remote() {
    local word words=
    for word in "$@"; do
        words+="'${word//\'/\'\\\'\'}' "
    done
    "${ssh[@]}" "$server" "$words"
}

# Run server.sh there, from standard input: nothing need be there yet.
server_script() { # words of server.sh
    cat "$here"/server/*.sh "$here/server.sh" | remote env "${settings[@]}" bash -s -- "$@"
}

# Settings that are set here go along.
settings=(DEPLOY=1)
for name in DEPLOY_LOCK_WAIT DEPLOY_READY_TIMEOUT DEPLOY_DRAIN_TIMEOUT DEPLOY_MIN_FREE_MB DEPLOY_KEEP; do
    if [ -n "${!name:-}" ]; then
        case "${!name}" in
            *[!0-9]*) die "$name: '${!name}' is not a whole number" "give one, or leave it out" ;;
        esac
        settings+=("$name=${!name}")
    fi
done

# Copy files of $scratch/copy into a new directory there, and see that they arrived whole.
copy_to_server() {
    local code=0 sums
    upload=$(date +%s)-$$
    cp -R "$here/server.sh" "$here/server" "$scratch/copy/"
    sums=$(cd "$scratch/copy" && find . -type f -exec sha256sum {} + | LC_ALL=C sort)
    # shellcheck disable=SC2016 # expanded there
    tar -C "$scratch/copy" -c . | remote bash -c \
        'set -e; cd "$HOME"; mkdir -p "$1/.deploy/upload/$2"; cd "$1/.deploy/upload/$2"
        tar -x || { echo "free space there: $(df -Pk . | awk "NR == 2 { print \$4 }") KiB" >&2; exit 1; }
        find . -type f -exec sha256sum {} + | LC_ALL=C sort' - \
        "$directory" "$upload" >"$scratch/sums" 2>"$scratch/said" || code=$?
    if [ "$code" != 0 ] || [ "$(cat "$scratch/sums")" != "$sums" ]; then
        remote rm -rf "$directory/.deploy/upload/$upload" 2>/dev/null || true
        die "the copy did not arrive whole: $(tr '\n' ' ' <"$scratch/said")" \
            "nothing was changed on the server; make space there or see to the network, then run this again"
    fi
}

# Say what ssh's own failures mean; it ends with 255 and its reason on the standard error.
explain_ssh() { # file of what it said
    local said
    said=$(cat "$1")
    case "$said" in
        *"Host key verification failed"* | *"host key is known"*)
            die "$server: its host key is not the one that is known: ${said//$'\n'/ }" \
                "compare the server's key (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, there) and put it into SSH_KNOWN_HOSTS or ~/.ssh/known_hosts; if you did not replace the server, somebody may sit between" ;;
        *"Permission denied"*)
            die "$server: the server does not take this key: ${said//$'\n'/ }" \
                "put the public half into ~/.ssh/authorized_keys of that user there, or give the right SSH_PRIVATE_KEY" ;;
        *)
            die "$server: cannot be reached: ${said//$'\n'/ }" \
                "see that SERVER_HOST and SERVER_PORT are right, that the server runs and lets you in: ${ssh[*]:0:1} ${port:+-p $port }$server true" ;;
    esac
}

check_server() {
    local code=0
    say "Looking at $server ..."
    server_script check "$directory" 2>"$scratch/said" || code=$?
    if [ "$code" = 255 ]; then explain_ssh "$scratch/said"; fi
    if [ "$code" != 0 ]; then
        cat "$scratch/said" >&2
        exit "$code"
    fi
}

# Start the work there and show what it says. It goes on by itself when the connection breaks.
work_on_server() { # words of server.sh's run
    local code=0
    # shellcheck disable=SC2016 # expanded there
    remote env "${settings[@]}" bash -c 'cd "$HOME" && exec bash "$1/.deploy/upload/$2/server.sh" start "$@"' - \
        "$directory" "$upload" "$@" </dev/null 2>"$scratch/said" || code=$?
    if [ "$code" = 255 ]; then
        die "the connection to $server broke: $(tr '\n' ' ' <"$scratch/said")" \
            "the server finishes it, or undoes it, by itself. Run this again: it waits for that one. Its log is there, in $directory/.deploy/log"
    fi
    cat "$scratch/said" >&2
    return "$code"
}

# The same on a manager of a Swarm: the tree of the commit beside those before it, with the server's .env, and
# its deploy/swarm.sh, which goes on by itself when the connection breaks.
work_on_swarm() { # commit, tag of images that are there
    local code=0
    # shellcheck disable=SC2016 # expanded there
    remote env "${settings[@]}" bash -c '
        set -e
        cd "$HOME/$1" 2>/dev/null || cd "$1"
        top=$(pwd -P) release=.deploy/swarm/$3
        rm -rf "$release"
        mkdir -p "$release/.deploy"
        tar -xzf ".deploy/upload/$2/archive.tar.gz" -C "$release"
        rm -rf ".deploy/upload/$2"
        ln -sfn "$top/.deploy/swarm/lock" "$release/.deploy/swarm.lock"
        [ ! -f .env ] || ln -sfn "$top/.env" "$release/.env"
        cd "$release"
        words=(--commit "$3")
        [ -z "$4" ] || words+=(--loaded "$4")
        : >log
        setsid nohup bash -c '\''code=0; bash deploy/swarm.sh "$@" || code=$?; echo "$code" >code'\'' - "${words[@]}" >log 2>&1 &
        tail -n +1 -f --pid=$! log
        # Those before the last five.
        cd .. && ls -1dt -- */ | tail -n +6 | xargs -r rm -rf --
        exit "$(cat "$3/code")"' - \
        "$directory" "$upload" "$@" </dev/null 2>"$scratch/said" || code=$?
    if [ "$code" = 255 ]; then explain_ssh "$scratch/said"; fi
    cat "$scratch/said" >&2
    return "$code"
}
