#!/bin/sh
# Starts Locust: its web UI on port 8089 with the host filled in, or, with LOCUST_AUTOSTART=1, a load test that
# waits until the service answers, runs a profile, writes a report and ends. docs/load-testing.md has both.
set -eu
cd "$(dirname "$0")"
exec python -m loadtest "$@"
