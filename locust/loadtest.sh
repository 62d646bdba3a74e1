#!/bin/sh
# `make loadtest`: a load test of the running stack, whose report is copied to locust/reports/.
# Exit codes: 0 the limits held; 1 one did not; 2 it could not be run; 130 ended with Ctrl+C, and what was measured
# until then is in the report.
set -u
cd "$(dirname "$0")/.." || exit 2

running=$(docker compose ps --quiet scaler) || exit 2
if [ -z "$running" ]; then
    echo "load test: the stack does not run, so nothing would scale. Way out: make up" >&2
    exit 2
fi

# As Compose resolves them: the environment, then .env.
settings=$(docker compose config --environment) || exit 2
profile=$(printf '%s\n' "$settings" | sed -n 's/^LOCUST_PROFILE=//p')
report=$(printf '%s\n' "$settings" | sed -n 's/^LOCUST_REPORT=//p')
[ -n "$report" ] || report=$(date -u +%Y-%m-%dT%H%M%SZ)-${profile:-steady}
container=alertscale-loadtest-$$
# Ctrl+C ends what follows the log, not this script: what was measured is still written and copied.
interrupted=
trap 'interrupted=yes' INT TERM
# --no-deps: Compose would otherwise put flask-app back to one replica.
docker compose run --detach --build --no-deps --name "$container" \
    --env LOCUST_AUTOSTART=1 --env LOCUST_REPORT="$report" locust >/dev/null || exit 2
docker logs --follow "$container"
# Longer than Locust waits for the requests under way.
docker stop --time 45 "$container" >/dev/null
code=$(docker wait "$container")
[ -z "$interrupted" ] || code=130

mkdir -p locust/reports
if docker cp "$container:/reports/$report" locust/reports/ >/dev/null 2>&1; then
    echo "load test: open locust/reports/$report/report.html"
fi
docker rm --force "$container" >/dev/null
exit "$code"
