# shellcheck shell=bash
# A release's files and images, put in place. Sourced by ../server.sh.

# Put a release's files in place. Into the files that are there, not instead of them: a file that is mounted
# into a container by itself would not follow otherwise. What the release does not have and the last one
# had goes; what neither has (.env, secrets, your own sites) stays.
place_files() { # release, release before or nothing
    local tree=$state/releases/$1/tree list=$state/releases/$1/files path
    local before=${2:+$state/releases/$2/files}
    changed_here "$1" "${2:-}"
    while IFS= read -r path; do
        mkdir -p "$(dirname "$dir/$path")"
        if [ -L "$tree/$path" ] || [ -L "$dir/$path" ]; then
            rm -f "$dir/$path"
            cp -P "$tree/$path" "$dir/$path"
        else
            cat "$tree/$path" >"$dir/$path"
        fi
        printf '%s\n' "$path" >>"$state/underway/changed"
    done < <(differing "$list")
    (cd "$tree" && find . -type f -perm -u=x -printf '%P\0') | (cd "$dir" && xargs -0 -r chmod +x)
    if [ -n "$before" ]; then
        while IFS= read -r path; do
            rm -f "$dir/$path"
            rmdir -p --ignore-fail-on-non-empty "$(dirname "$dir/$path")" 2>/dev/null || true
            printf '%s\n' "$path" >>"$state/underway/changed"
        done < <(comm -13 <(paths "$list") <(paths "$before"))
    fi
}

paths() { cut -c 67- "$1" | LC_ALL=C sort; }

# Files of a list (as sha256sum writes it) that are not so here.
differing() {
    {
        cd "$dir"
        LC_ALL=C sha256sum --check --quiet "$1" 2>/dev/null || true
    } | sed -n "s/: FAILED.*\$//p"
}

# Keep what somebody has changed on the server since the last deploy, and say so.
changed_here() { # release, release before
    local path kept=$state/edited/$1
    if [ -z "$2" ] || [ -e "$state/underway/placed" ]; then return 0; fi
    while IFS= read -r path; do
        if [ -f "$dir/$path" ] && ! cmp -s "$dir/$path" "$state/releases/$1/tree/$path"; then
            mkdir -p "$(dirname "$kept/$path")"
            cp -p "$dir/$path" "$kept/$path"
            say "$path was changed on the server: replaced by the commit's, kept in $kept"
        fi
    done < <(differing "$state/releases/$2/files")
    touch "$state/underway/placed"
}

# Give the images of a release their names again, or build them anew where they are gone.
use_images() { # release
    local name id kept
    while read -r name id; do
        if [ "$(image_id "$name")" = "$id" ]; then continue; fi
        kept=$(release_tag "$name" "$1")
        if [ "$(image_id "$kept")" = "$id" ] || [ "$(image_id "$id")" = "$id" ]; then
            docker tag "$id" "$name"
        else
            cd "$state/releases/$1/tree"
            timed "The image $name of that release is gone: building it" docker compose -p "$project" build
            cd "$dir"
        fi
    done <"$state/releases/$1/images"
}

image_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true; }

release_tag() { printf '%s:deploy-%s' "$1" "$2"; }

built_here() { case "${1##*/}" in *[:@]*) return 1 ;; esac; }
