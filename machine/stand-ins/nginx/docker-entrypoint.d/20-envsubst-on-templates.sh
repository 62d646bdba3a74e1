#!/bin/sh
# Every /etc/nginx/templates/<name>.template becomes /etc/nginx/conf.d/<name>, with the variables
# that the environment defines put in and all others ($host, $uri, ...) left as they are.
set -e

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
filter=${NGINX_ENVSUBST_FILTER:-}

[ -d "$templates" ] || exit 0

if [ ! -w "$output" ]; then
    echo "$0: ERROR: $templates exists, but $output is not writable"
    exit 0
fi

defined=$(awk -v filter="$filter" 'END {
    for (name in ENVIRON) if (name ~ filter) printf "${%s} ", name
}' < /dev/null)

find "$templates" -follow -type f -name "*$suffix" | while read -r template; do
    relative=${template#"$templates/"}
    target=$output/${relative%"$suffix"}
    mkdir -p "$(dirname "$target")"
    echo "$0: Running envsubst on $template to $target"
    envsubst "$defined" < "$template" > "$target"
done
