#!/usr/bin/env bash
# What a deploy does on the server. deploy.sh and rollback.sh send it there and start it; it needs bash,
# Docker, Compose and the usual GNU tools. Everything of its own is in DIR/.deploy:
#
#   upload/     what is being copied                 releases/   tree, image ids and origin of each release
#   current     the release that runs                underway/   of a deploy that has not ended, or was cut off
#   log/        one of each run                      edited/     files that were changed here, before they were replaced
#   lock        held by the run at work              at-work     what that is, and since when
#   swarm/      lock and releases of deploy.sh --swarm, which this script only tells of (lib.sh)
#
# check DIR                                  see whether a deploy could work here
# list DIR                                   show the releases
# start DIR UPLOAD deploy COMMIT SUBJECT     start a run that outlives the connection, and show its log
# start DIR UPLOAD rollback [COMMIT]         the same
# run, prepare, converge                     parts of it
#
# Exit codes: 0 done; 1 not done, and the last line says what holds now; 2 an unknown command.
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

# The parts. Through a pipe, as for `check`, they come before this.
if ! declare -F converge >/dev/null; then
    parts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/server
    # shellcheck source=deploy/server/check.sh
    . "$parts/check.sh"
    # shellcheck source=deploy/server/compose.sh
    . "$parts/compose.sh"
    # shellcheck source=deploy/server/files.sh
    . "$parts/files.sh"
    # shellcheck source=deploy/server/roll.sh
    . "$parts/roll.sh"
    # shellcheck source=deploy/server/converge.sh
    . "$parts/converge.sh"
    # shellcheck source=deploy/server/release.sh
    . "$parts/release.sh"
    # shellcheck source=deploy/server/run.sh
    . "$parts/run.sh"
fi

command=$1
shift
case "$command" in
    check) check "$1" ;;
    list) enter "$1" && not_on_swarm && list ;;
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
