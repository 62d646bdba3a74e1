# shellcheck shell=bash
# What a server must have. Sourced by ../server.sh.

check() { # directory
    local missing=0 tool root free where said
    need() { # what, way out
        printf '  missing: %s\n    Way out: %s\n' "$1" "$2" >&2
        missing=1
    }
    cd "$HOME"
    for tool in tar flock setsid sha256sum tail awk sed diff find xargs; do
        command -v "$tool" >/dev/null || need "the program $tool" "install it (Debian: coreutils, util-linux, findutils, diffutils, mawk)"
    done
    if ! command -v docker >/dev/null; then
        need "Docker" "install Docker Engine and its Compose plugin on the server"
    elif ! said=$(docker version --format '{{.Server.Version}}' 2>&1); then
        if grep -qi 'permission denied' <<<"$said"; then
            need "leave to use Docker: $(tail -n 1 <<<"$said")" "on the server, as root: usermod -aG docker $(id -un), then log in again"
        else
            need "a Docker Engine that answers: $(tail -n 1 <<<"$said")" "on the server, as root: systemctl start docker"
        fi
    elif ! docker compose version >/dev/null 2>&1; then
        need "Docker Compose: 'docker compose' does not work" "install the Compose plugin (Debian: docker-compose-plugin or docker-compose)"
    fi
    mkdir -p "$1/.deploy/upload" "$1/.deploy/log" "$1/.deploy/releases" 2>/dev/null ||
        need "leave to write to $1" "as root there: mkdir -p '$1' && chown $(id -un) '$1'; or choose another directory with --dir or DEPLOY_DIR; a full disk does this too"
    root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null || true)
    for where in "$1" "$root"; do
        if [ -n "$where" ] && free=$(free_mb "$where" 2>/dev/null) && [ -n "$free" ] && [ "$free" -lt "$min_free" ]; then
            need "space: $free MiB free at $where, $min_free needed" "make space there (docker image prune, docker builder prune), or lower DEPLOY_MIN_FREE_MB"
        fi
    done
    if [ "$missing" != 0 ]; then
        printf 'The server is not ready for a deploy; nothing was changed.\n' >&2
        exit 1
    fi
    chmod 700 "$1/.deploy"
}
