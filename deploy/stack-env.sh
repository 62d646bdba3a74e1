#!/bin/sh
# Prints what docker-stack.yml wants to know before `docker stack deploy`, as assignments for a shell:
#
#   eval "$(sh deploy/stack-env.sh)"
#   docker stack deploy --compose-file docker-stack.yml alertscale
#
# A config of Swarm never changes: new content needs a new name, which is what makes Swarm start the tasks that
# use it anew. So each service's configs are named after a digest of all that they hold.
#
# Exit codes: 0 printed; 1 a file cannot be read.
set -eu

cd "$(dirname "$0")/.."

digest() { # variable, files
    variable=$1
    shift
    for file; do
        [ -r "$file" ] || {
            echo "stack-env.sh: $PWD/$file cannot be read. Way out: restore it (git checkout -- $file)" >&2
            exit 1
        }
    done
    # The names too, since two files could swap their content.
    sum=$({ echo "$@" && cat "$@"; } | sha256sum)
    printf 'export %s=%.12s\n' "$variable" "$sum"
}

digest NGINX_CONFIG nginx/nginx.conf nginx/proxy.conf nginx/conf.d/default.conf \
    nginx/swarm/flask-app.conf nginx/swarm/sites nginx/swarm/status.conf nginx/swarm/30-remove-socket.sh
digest PROMETHEUS_CONFIG prometheus/swarm/prometheus.yml prometheus/recording.rules.yml prometheus/alert.rules.yml
digest ALERTMANAGER_CONFIG alertmanager/alertmanager.yml alertmanager/run.sh \
    alertmanager/receivers/email.yml alertmanager/receivers/slack.yml \
    alertmanager/receivers/telegram.yml alertmanager/receivers/webhook.yml \
    alertmanager/templates/alertscale.tmpl alertmanager/templates/email.tmpl alertmanager/templates/links.tmpl \
    alertmanager/templates/slack.tmpl alertmanager/templates/telegram.tmpl
