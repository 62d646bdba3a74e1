#!/bin/sh
# Starts Locust: its web UI on port 8089, with the host filled in.
#
# LOCUST_AUTOSTART=1 starts the load by itself as soon as nginx answers 200 from a replica; the web UI
# shows it. LOCUST_USERS, LOCUST_SPAWN_RATE (users a second) and LOCUST_RUN_TIME (such as 5m; for ever
# without) say how much. These, and all other LOCUST_* variables, are read by Locust itself.
set -eu

here=$(dirname "$0")
: "${LOCUST_HOST:=http://nginx:80/}"
: "${LOCUST_LOCUSTFILE:=$here/locustfile.py}"
: "${LOCUST_USERS:=20}"
: "${LOCUST_SPAWN_RATE:=2}"
export LOCUST_HOST LOCUST_LOCUSTFILE LOCUST_USERS LOCUST_SPAWN_RATE
# Locust takes an empty one for a fault.
[ -n "${LOCUST_RUN_TIME:-}" ] || unset LOCUST_RUN_TIME
[ -n "${LOCUST_AUTOSTART:-}" ] || unset LOCUST_AUTOSTART

if [ "${LOCUST_AUTOSTART:-0}" = 1 ]; then
    # As a container's first process a shell ignores signals that it has no trap for.
    trap 'kill "$waiting"; exit 143' TERM INT
    python "$here/wait_for.py" "$LOCUST_HOST" &
    waiting=$!
    wait "$waiting"
    trap - TERM INT
fi

# exec: signals are to reach Locust, which ends at once on them.
exec locust "$@"
