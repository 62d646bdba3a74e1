# shellcheck shell=bash
# A run from its lock to its end, and the way back. Sourced by ../server.sh.

take_lock() {
    exec 9>>"$state/lock"
    if ! flock -n 9; then
        say "Another deploy is at work: $(cat "$state/at-work" 2>/dev/null || echo 'just begun'). Waiting for it, at most $lock_wait s"
        flock -w "$lock_wait" 9 || give_up "another deploy is still at work after $lock_wait s" "see $state/log; when it has ended, run this again"
    fi
    export DEPLOY_HOLDS_LOCK=1
    printf '%s, since %s\n' "$1" "$(date '+%F %T')" >"$state/at-work"
}

# In a process of its own, so that its first failure ends it, whoever asks what became of it. It holds the lock too.
converged() { "$BASH" "$tools/server.sh" converge "$dir" "$tools" "$@"; }

current() { cat "$state/current" 2>/dev/null || true; }

# Back to the release that ran before this one; without one, nothing was there before.
undo() { # release that failed
    local before kept=$state/edited/$1 path
    before=$(current)
    touch "$state/underway/placed"
    if [ -z "$before" ]; then
        say "Nothing ran here before: taking down what was started; volumes stay"
        (cd "$dir" && timed "Stopping" docker compose --progress plain down --remove-orphans) || return 1
        paths "$state/releases/$1/files" | (cd "$dir" && tr '\n' '\0' | xargs -0 rm -f)
        return 0
    fi
    say "Going back to $(describe "$before")"
    if ! converged "$before" "$1"; then return 1; fi
    if [ -d "$kept" ]; then
        # What was changed here by hand is as it was.
        (cd "$kept" && find . -type f -printf '%P\n') | while IFS= read -r path; do cat "$kept/$path" >"$dir/$path"; done
        rm -rf "$kept"
    fi
}

describe() { printf '%s (%s)' "$(cut -c 1-12 "$state/releases/$1/commit")" "$(cat "$state/releases/$1/subject")"; }

# What an earlier run left behind when it was killed.
repair() {
    local left
    left=$(cat "$state/underway/release" 2>/dev/null || true)
    if [ -n "$left" ]; then
        say "An earlier deploy was cut off: $(describe "$left"). Undoing it first"
        rm -f "$state/underway/reason"
        undo "$left" || give_up "the earlier deploy cannot be undone" "see above; put that right and deploy again"
    elif [ -d "$state/underway" ]; then
        put_names_back "$(current)"
    fi
    rm -rf "$state/underway"
    find "$state/upload" -mindepth 1 -maxdepth 1 ! -path "$tools" -mmin +60 -exec rm -rf {} +
    for left in "$state"/releases/*/; do
        left=$(basename "$left")
        if [ ! -f "$state/releases/$left/done" ] && [ "$left" != "$(current)" ]; then forget "$left"; fi
    done
}

# By age, the oldest first; with -r the newest.
release_names() { find "$state/releases" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort "$@"; }

forget() { # release
    local name
    if [ -f "$state/releases/$1/images" ]; then
        while read -r name _; do
            docker image rm "$(release_tag "$name" "$1")" >/dev/null 2>&1 || true
        done <"$state/releases/$1/images"
    fi
    rm -rf "${state:?}/releases/$1"
}

# The last few releases stay, for a rollback.
forget_old() {
    local old
    for old in $(release_names -r | tail -n "+$((keep + 1))"); do
        if [ "$old" != "$(current)" ] && [ "$old" != "$(cat "$state/releases/$(current)/before" 2>/dev/null)" ]; then forget "$old"; fi
    done
    find "$state/log" -type f -mtime +30 -delete
}

run() { # deploy COMMIT SUBJECT | rollback [COMMIT]
    local what=$1 begun reason last
    shift
    take_lock "$what ${1:0:12}"
    begun=$SECONDS
    repair
    last=$(current)
    if [ "$what" = deploy ]; then
        release=$(date +%Y%m%d-%H%M%S)-${1:0:12}
        "$BASH" "$tools/server.sh" prepare "$dir" "$tools" "$release" "$1" "$2" ||
            { put_names_back "$last"; forget "$release"; rm -rf "$state/underway"; end_badly "nothing was changed on the server"; }
        origin "$last" "${1}" >"$state/releases/$release/before"
    else
        choose_release "${1:-}"
    fi
    mkdir -p "$state/underway"
    printf '%s\n' "$release" >"$state/underway/release"
    if ! converged "$release" "$last"; then
        reason=$(cat "$state/underway/reason" 2>/dev/null || echo "see above")
        if undo "$release"; then
            rm -rf "$state/underway"
            if [ "$what" = deploy ]; then forget "$release"; fi
            say "FAILED: $reason"
            if [ -n "$last" ]; then end_badly "the version before serves as it did"; fi
            end_badly "nothing runs"
        fi
        say "FAILED: $reason"
        end_badly "and going back failed too (above); what is there goes on serving, and the next deploy or rollback repairs it"
    fi
    printf '%s\n' "$release" >"$state/current.new"
    mv "$state/current.new" "$state/current"
    touch "$state/releases/$release/done"
    rm -rf "$state/underway"
    forget_old
    rm -rf "$tools"
    say "Done: $(describe "$release") runs, $what in $((SECONDS - begun)) s"
}

end_badly() { # what holds now
    say "Not deployed: $1. The whole log: $log"
    rm -rf "$tools"
    exit 1
}

# After a failed build the names of the images mean the running release's again.
put_names_back() { # release or nothing
    local name id
    if [ -z "$1" ]; then return 0; fi
    while read -r name id; do
        if [ -n "$(image_id "$id")" ] && [ "$(image_id "$name")" != "$id" ]; then docker tag "$id" "$name"; fi
    done <"$state/releases/$1/images"
}

# The release that a rollback from a new one goes to: the last of another commit.
origin() { # release that runs or nothing, commit
    if [ -n "$1" ] && [ "$(cat "$state/releases/$1/commit")" = "$2" ]; then
        cat "$state/releases/$1/before"
    else
        printf '%s\n' "$1"
    fi
}

# Where nothing but deploy.sh --swarm has deployed there is nothing to go back to in this way.
not_on_swarm() {
    local deployed
    if [ -n "$(current)" ] || [ ! -d "$state/swarm" ]; then return 0; fi
    deployed=$(cd "$state/swarm" && { grep -lx 0 ./*/code 2>/dev/null || true; } | xargs -r ls -1t | cut -c 3-14 | paste -s -d ' ')
    give_up "what runs here was deployed by deploy.sh --swarm: a Swarm keeps no releases to go back to" \
        "deploy the commit before: deploy/deploy.sh --swarm --commit COMMIT user@manager; deployed from here, the last one first: ${deployed:-none}"
}

choose_release() { # beginning of a commit, or nothing for the one before
    local one
    release=
    not_on_swarm
    if [ -z "$(current)" ]; then give_up "nothing was deployed here by deploy.sh" "deploy first"; fi
    if [ -z "$1" ]; then
        release=$(cat "$state/releases/$(current)/before")
    else
        for one in $(release_names); do
            case "$(cat "$state/releases/$one/commit")" in "$1"*) release=$one ;; esac
        done
    fi
    if [ -z "$release" ] || [ ! -d "$state/releases/$release" ]; then
        list
        give_up "there is no release ${1:-before this one} on the server" "choose one of those above with --to, or deploy a commit with deploy.sh --commit"
    fi
}

list() {
    local one mark
    for one in $(release_names -r); do
        mark=' '
        if [ "$one" = "$(current)" ]; then mark='*'; fi
        printf '%s %s  %s\n' "$mark" "${one%-*}" "$(describe "$one")"
    done
}

# Start a run that outlives the connection, and show its log until it has ended.
start() { # directory, upload, words of run
    local pid
    enter "$1"
    tools=$state/upload/$2
    shift 2
    log=$state/log/$(date +%Y%m%d-%H%M%S)-$1-$$.log
    : >"$log"
    # shellcheck disable=SC2094 # the log is named, not read
    setsid "$BASH" "$tools/server.sh" run "$dir" "$tools" "$log" "$@" </dev/null >>"$log" 2>&1 &
    pid=$!
    tail -n +1 -s 0.2 --pid="$pid" -f "$log"
    wait "$pid"
}
