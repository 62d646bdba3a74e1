#!/bin/sh
# A second Docker Engine beside this machine's own: the newest that Debian has.
#
#   newest.sh start [IMAGE ...]   build it, start it, load IMAGE ... from this machine's engine into it,
#                                 and print its address for DOCKER_HOST
#   newest.sh stop                stop it and remove all of it
#   newest.sh run 'IMAGE ...' COMMAND   start it with IMAGE ..., run COMMAND with DOCKER_HOST set, stop it, and end
#                                 as COMMAND did
#
# It runs in a root of its own (Debian forky) and in namespaces of its own: its mounts and processes end
# with the first of them, and it has no network but its containers' own, for nothing is pulled. /tmp
# and this repository are where they are outside, since Compose names bind mounts by the paths of
# the machine it runs on.
set -eu

RELEASE=forky
NAME=alertscale-newest
HOME_DIR=/var/lib/$NAME
ROOT=$HOME_DIR/root
SOCKET=$ROOT/run/docker.sock
LOG=$HOME_DIR/dockerd.log
REPOSITORY=$(cd "$(dirname "$0")/../.." && pwd)
START_SECONDS=60
STOP_SECONDS=60

fail() {
    echo "newest.sh: $*" >&2
    exit 1
}

check() {
    if [ "$(id -u)" != 0 ] || ! grep -qs '^ID=debian$' /etc/os-release; then
        fail "needs root on Debian; run it as root there, or leave the newest engine out"
    fi
    for pair in mmdebstrap=mmdebstrap ip=iproute2 nsenter=util-linux unshare=util-linux docker=docker.io; do
        command -v "${pair%%=*}" > /dev/null || fail "no ${pair%%=*} here; apt-get install ${pair#*=}"
    done
}

# Runs as the first process of the new mount and process namespaces.
inside() {
    mount --bind "$ROOT" "$ROOT"
    mount -t proc proc "$ROOT/proc"
    mount --rbind /sys "$ROOT/sys"
    mount --rbind /dev "$ROOT/dev"
    for shown in /tmp "$REPOSITORY"; do
        mkdir -p "$ROOT$shown"
        mount --bind "$shown" "$ROOT$shown"
    done
    # Not chroot: with the old root still under it, `docker exec` would land in this machine's own files.
    cd "$ROOT"
    pivot_root . mnt
    # docker-init: the shims of removed containers are orphans that their first process must collect.
    exec chroot . sh -c 'umount -l /mnt && exec docker-init -- dockerd "$@"' dockerd \
        --host unix:///run/docker.sock --cgroup-parent "/$NAME" --storage-driver overlay2
}

start() {
    [ ! -e "$HOME_DIR" ] || fail "$HOME_DIR exists already; run \`$0 stop\` first"
    trap stop EXIT
    trap 'exit 1' HUP INT TERM
    mkdir -p "$HOME_DIR"
    echo "Fetching Debian $RELEASE's docker.io ..." >&2
    # A mirror may be a frozen copy, older than its lists say they stay good.
    mmdebstrap --quiet --variant=minbase --include=docker.io,iptables,procps \
        '--aptopt=Acquire::Check-Valid-Until "false"' "$RELEASE" "$ROOT" >&2
    ip netns add "$NAME"
    ip -n "$NAME" link set lo up
    # `ip netns exec` would lay a new /sys over the old one, without the cgroups in it.
    setsid nsenter --net="/run/netns/$NAME" unshare --mount --pid --fork --kill-child \
        "$REPOSITORY/tests/engines/newest.sh" inside < /dev/null > "$LOG" 2>&1 &
    echo $! > "$HOME_DIR/pid"
    await "$START_SECONDS" answers || fail "dockerd does not answer; the end of its log: $(tail -n 15 "$LOG")"
    for image in "$@"; do
        echo "Loading $image ..." >&2
        docker image inspect "$image" > /dev/null || fail "this machine's engine has no $image to load"
        docker save "$image" | docker --host "unix://$SOCKET" load > /dev/null
    done
    trap - EXIT
    echo "unix://$SOCKET"
}

run() {
    [ $# -ge 2 ] || fail "usage: newest.sh run 'IMAGE ...' COMMAND [ARGUMENT ...]"
    # shellcheck disable=SC2086 # several images
    start $1 > /dev/null
    trap stop EXIT
    shift
    DOCKER_HOST=unix://$SOCKET "$@"
}

answers() {
    docker --host "unix://$SOCKET" version > /dev/null 2>&1
}

gone() {
    [ ! -e "/proc/$1" ]
}

# await SECONDS COMMAND ...: polls until the command succeeds; fails when it has not in time.
await() {
    deadline=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

end() {
    outer=$(cat "$HOME_DIR/pid")
    # A process id is used again one day: only ours entered that namespace.
    grep -qs newest.sh "/proc/$outer/cmdline" || return 0
    read -r first _ < "/proc/$outer/task/$outer/children" || first=
    [ -z "$first" ] || kill -TERM "$first"
    await "$STOP_SECONDS" gone "$outer" || kill -KILL "$outer"
    await 10 gone "$outer" || fail "process $outer does not end; its log is $LOG"
}

stop() {
    [ ! -e "$HOME_DIR/pid" ] || end
    [ ! -e "/run/netns/$NAME" ] || ip netns del "$NAME"
    # Those of containers are gone with them; a control group with anything in it stays and is shown.
    find /sys/fs/cgroup -depth -type d -path "*/$NAME*" -exec rmdir {} +
    rm -rf --one-file-system "$HOME_DIR"
}

command=${1:-}
[ $# = 0 ] || shift
case $command in
    start | stop | run) check && "$command" "$@" ;;
    inside) inside ;;
    *) fail "usage: newest.sh start [IMAGE ...] | stop | run 'IMAGE ...' COMMAND [ARGUMENT ...]" ;;
esac
