#!/bin/sh
# Runs at every start of nginx, before nginx: one that was killed leaves its socket behind, and none can
# listen where a file is. Only one nginx of a node has this volume at a time.
set -eu

rm -f /var/lib/nginx-status/nginx.sock
