#!/bin/sh
# Runs Alertmanager on alertmanager.yml with the receivers that are switched on, and keeps it up to date.
#
#   sh run.sh [alertmanager's options]   run it
#   sh run.sh check                      is it valid with no receiver, with each of them, with all?
#
# A file of receivers/ is in force while each file of secrets/ that it names is there: it is put in at the
# marker of alertmanager.yml, since Alertmanager itself knows no receiver that is sometimes there. Secrets
# are named there, never copied. Once a second it is looked whether anything has changed; Alertmanager
# then loads it, or refuses it, which AlertmanagerConfigReloadFailed tells of. What it took last is kept in
# its volume, and it starts with that when what there is now keeps it from starting.
# Explained in docs/notifications.md.
#
# Exit codes: 0 stopped as it was told to, or check found nothing; 1 check found a fault, or Alertmanager does not
# start, nor with what it took last; 143 stopped before it had started.
set -u

source=/etc/alertmanager
secrets=/run/secrets
running=/tmp/alertmanager
marker='# (receivers)'
data=/alertmanager
for word; do
    case $word in --storage.path=*) data=${word#*=} ;; esac
done
good=$data/last-good.tar

say() { # level, sentence
    printf 'time=%s level=%s source=run.sh msg="%s"\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$2" >&2
}

# --- what there is ---------------------------------------------------------------------------------------

secrets_of() { # file of receivers/
    sed -n "s|^[^#]*_file: *[\"']\{0,1\}$secrets/\([^ \"']*\).*|\1|p" "$1"
}

# Everything that the outcome depends on. A secret itself is read by Alertmanager each time it delivers.
fingerprint() {
    {
        # Sizes, owners and modes among it: one that was empty or could not be read has been put right.
        ls -lan "$secrets"
        echo "$source"/*/*
        cat "$source"/alertmanager.yml "$source"/receivers/*.yml "$source"/templates/*.tmpl
    } 2>/dev/null | md5sum
}

# --- putting it together ---------------------------------------------------------------------------------

# Puts the variables in; one that is written ${NAME:-default} may be empty. Ends with what is wrong, if so.
fill() { # file of receivers/
    awk '
        { line = $0; out = "" }
        line ~ /^ *#/ { next }
        {
            while (match(line, /\$\{[A-Z_]+(:-[^}]*)?\}/)) {
                name = substr(line, RSTART + 2, RLENGTH - 3)
                optional = index(name, ":-")
                value = optional ? substr(name, optional + 2) : ""
                if (optional) name = substr(name, 1, optional - 1)
                if (ENVIRON[name] != "") value = ENVIRON[name]
                if (value == "" && !optional) missing = missing " " name
                if (value ~ /[[:cntrl:]]/) { missing = missing " " name }
                if (value !~ /^(true|false)$/) { gsub(/\047/, "\047\047", value); value = "\047" value "\047" }
                out = out substr(line, 1, RSTART - 1) value
                line = substr(line, RSTART + RLENGTH)
            }
            print "    " out line
        }
        END { if (missing != "") { print missing >"/dev/stderr"; exit 1 } }
    ' "$1"
}

switched_on() { # file of receivers/; true if all its secrets are there
    present=no absent='' named=$(secrets_of "$1")
    [ -n "$named" ] || say ERROR "receivers/${1##*/}: names no file of $secrets, so it is never on. Way out: name one, or put it into alertmanager.yml"
    for secret in $named; do
        path=$secrets/$secret
        if [ -s "$path" ] && ! [ -r "$path" ]; then
            present=yes
            say ERROR "secrets/$secret: user $(id -u), as whom Alertmanager runs, may not read it, so nothing can be delivered with it. Way out: chgrp 65534 secrets/$secret && chmod 640 secrets/$secret"
        elif grep -q '[^[:space:]]' "$path" 2>/dev/null; then
            present=yes
        else
            absent="$absent secrets/$secret"
            [ ! -e "$path" ] || say ERROR "secrets/$secret: is empty, so receivers/${1##*/} is off. Way out: write the secret into it, or remove it"
        fi
    done
    if [ "$present" = yes ] && [ -n "$absent" ]; then
        say ERROR "receivers/${1##*/}: is off, since it needs$absent too. Way out: add what is missing, or remove the other"
    fi
    [ "$present" = yes ] && [ -z "$absent" ]
}

chosen() { # prints the files of receivers/ that are switched on
    if [ -d "$secrets" ] && ! { [ -r "$secrets" ] && [ -x "$secrets" ]; }; then
        say ERROR "secrets/: user $(id -u), as whom Alertmanager runs, may not look into it, so every receiver is off. Way out: chmod 755 secrets"
    fi
    for part in "$source"/receivers/*.yml; do
        if [ -e "$part" ] && switched_on "$part"; then echo "$part"; fi
    done
}

assemble() { # folder, files of receivers/
    folder=$1
    shift
    rm -rf "$folder" && mkdir -p "$folder/templates" || return 1
    cp "$source"/templates/*.tmpl "$folder/templates/"
    links >"$folder/templates/links.tmpl"
    : >"$folder/receivers"
    on=
    for file; do
        if fill "$file" >"$folder/part" 2>"$folder/missing"; then
            cat "$folder/part" >>"$folder/receivers"
            on="$on $(basename "$file" .yml)"
        else
            say ERROR "receivers/${file##*/}: its secret is there, but in .env there is no$(cat "$folder/missing"), so it is off. Way out: see .env.example, then docker compose up -d --no-deps alertmanager"
        fi
    done
    awk -v marker="$marker" -v parts="$folder/receivers" '
        { print }
        { line = $0; gsub(/^ +| +$/, "", line) }
        line == marker { while ((getline part <parts) > 0) print part; found = 1 }
        END { exit !found }
    ' "$source/alertmanager.yml" >"$folder/alertmanager.yml" ||
        [ -z "$on" ] || say ERROR "alertmanager.yml: the line '$marker' is gone, so these receivers are off:$on. Way out: put it back under the receiver operator"
    rm -f "$folder/receivers" "$folder/part" "$folder/missing"
}

# Where messages point to. A template cannot read the environment.
links() {
    for pair in "status_page ${STATUS_URL:-http://localhost:${SCALER_PORT:-8000}/}" "runbooks ${RUNBOOK_URL:-}"; do
        value=${pair#* }
        case $value in
            *[!A-Za-z0-9:/._~%?=\&\#@+,-]*)
                say ERROR "STATUS_URL or RUNBOOK_URL: '$value' has a character that no URL has; it is left out. Way out: put it right in .env"
                value=
                ;;
        esac
        printf '{{ define "alertscale.%s" }}%s{{ end }}\n' "${pair%% *}" "$value"
    done
}

# --- asking Alertmanager ---------------------------------------------------------------------------------

# Prints its answer, the status first. Through a pipe, since arguments can be read by everybody.
ask() { # method, path
    key=$(printf 'alertscale:%s' "$(cat /run/monitoring/password 2>/dev/null)" | base64 | tr -d '\n')
    printf '%s %s HTTP/1.0\r\nAuthorization: Basic %s\r\nContent-Length: 0\r\n\r\n' "$1" "$2" "$key" |
        timeout 10 nc 127.0.0.1 9093 2>/dev/null | tr -d '\r'
}

keep_good() {
    if ! tar -cf "$good.new" -C "$running" . || ! mv "$good.new" "$good"; then
        say ERROR "$good: cannot be written, so a broken edit could keep Alertmanager from starting again. Is the disk full?"
    fi
}

# Not assembled anew when there is nothing to be loaded: whoever answers 200 has taken it.
load() {
    # shellcheck disable=SC2046 # a word for each file
    assemble "$running" $(chosen)
    answer=$(ask POST /-/reload)
    case $answer in
        *' 200 '*)
            keep_good
            say INFO "loaded; receivers beside the status page:${on:- none}"
            ;;
        '') return 1 ;;
        *) say ERROR "refused, what was loaded before goes on: $(echo "$answer" | sed 1,/^$/d | tr '"\n' "' ")" ;;
    esac
}

# --- running it ------------------------------------------------------------------------------------------

# Alertmanager writes a Telegram token into its log when it cannot deliver. No secret gets through here.
without_secrets() {
    exec awk -v folder="$secrets" '
        {
            list = "ls " folder " 2>/dev/null"
            while ((list | getline name) > 0) {
                file = folder "/" name
                secret = ""
                if (name != "README.md" && (getline secret <file) > 0) {
                    gsub(/^[ \t]+|[ \t\r]+$/, "", secret)
                    out = ""
                    while (length(secret) > 5 && (at = index($0, secret))) {
                        out = out substr($0, 1, at - 1) "<secrets/" name ">"
                        $0 = substr($0, at + length(secret))
                    }
                    $0 = out $0
                }
                close(file)
            }
            close(list)
            print
            fflush()
        }'
}

start() { # alertmanager's options
    rm -f "$running.log"
    mkfifo "$running.log" || exit 1
    without_secrets <"$running.log" >&2 &
    filter=$!
    alertmanager --config.file="$running/alertmanager.yml" "$@" >"$running.log" 2>&1 &
    child=$!
    answered=no
}

# At the stop of the container, and when Alertmanager ends by itself.
finish() {
    wait "$child"
    code=$?
    wait "$filter"
    exit "$code"
}

fall_back() { # alertmanager's options; true if it starts with what it took last
    [ "$answered" = no ] && [ "$fallen" = no ] && [ -s "$good" ] || return 1
    wait "$child"
    code=$?
    wait "$filter"
    say ERROR "Alertmanager does not start with what there is (exit code $code, see above): it starts with what it took last"
    rm -rf "$running" && mkdir -p "$running" && tar -xf "$good" -C "$running" || exit "$code"
    fallen=yes
    start "$@"
}

run() { # alertmanager's options
    # Before there is an Alertmanager that could be told.
    trap 'exit 143' TERM INT
    fallen=no
    loaded=$(fingerprint) seen=$loaded
    # shellcheck disable=SC2046 # a word for each file
    assemble "$running" $(chosen)
    say INFO "receivers beside the status page:${on:- none}"
    start "$@"
    trap 'kill -TERM "$child" 2>/dev/null; finish' TERM INT
    while :; do
        sleep 1 &
        wait $!
        if ! kill -0 "$child" 2>/dev/null; then
            fall_back "$@" || finish
            # So that it is tried while it runs: its refusal raises the alert.
            loaded=none
        elif [ "$answered" = no ]; then
            [ -n "$(ask GET /-/ready)" ] || continue
            answered=yes
            [ "$fallen" = yes ] || keep_good
        else
            now=$(fingerprint)
            # Not while it is being written: only what was the same a second ago.
            if [ "$now" != "$seen" ]; then
                seen=$now
            elif [ "$now" != "$loaded" ]; then
                load && loaded=$now
            fi
        fi
    done
}

check() {
    failed=0
    scratch=$(mktemp -d) || exit 1
    for kind in none "$source"/receivers/*.yml all; do
        case $kind in
            none) assemble "$scratch" ;;
            all) assemble "$scratch" "$source"/receivers/*.yml ;;
            *) assemble "$scratch" "$kind" ;;
        esac
        echo "--- receivers: $(basename "$kind" .yml) ->${on:- none}"
        amtool check-config "$scratch/alertmanager.yml" || failed=1
    done
    rm -rf "$scratch"
    exit "$failed"
}

case ${1:-} in
    check) check ;;
    *) run "$@" ;;
esac
