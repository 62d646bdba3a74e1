#!/bin/sh
# Before nginx starts, what lies in /docker-entrypoint.d prepares the container: *.envsh is read
# into this shell, *.sh is run, both in version order; what is not executable is named and left out.
set -e

say() {
    if [ -z "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ]; then
        echo "$0: $*"
    fi
}

prepare() {
    find /docker-entrypoint.d/ -follow -type f | sort -V | while read -r script; do
        case "$script" in
            *.envsh | *.sh)
                if [ ! -x "$script" ]; then
                    say "Ignoring $script, not executable"
                elif [ "${script%.envsh}" != "$script" ]; then
                    say "Sourcing $script"
                    # shellcheck source=/dev/null
                    . "$script"
                else
                    say "Launching $script"
                    "$script"
                fi
                ;;
            *) say "Ignoring $script" ;;
        esac
    done
}

if [ "$1" = nginx ] || [ "$1" = nginx-debug ]; then
    if [ -n "$(find /docker-entrypoint.d/ -mindepth 1 -maxdepth 1 -type f -print -quit 2>/dev/null)" ]; then
        prepare
        say "Configuration complete; ready for start up"
    else
        say "No files found in /docker-entrypoint.d/, skipping configuration"
    fi
fi

exec "$@"
