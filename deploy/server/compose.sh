# shellcheck shell=bash
# What Compose and the scaler say of the project. Sourced by ../server.sh.

compose() { docker compose --progress plain "$@"; }

composed() { docker compose config 2>"$details.now" || { sed 's/^/            | /' "$details.now"; return 1; }; }

project_name() { composed | awk '/^name: / { print $2; exit }'; }

# Services with their images, one a line; what Compose builds and the file does not name is project-service.
service_images() {
    composed | awk -v project="$1" '
        /^[^ ]/ { inside = ($1 == "services:") }
        inside && /^  [^ ].*:$/ { if (name) print name, image; name = substr($1, 1, length($1) - 1); image = project "-" name }
        inside && /^    image: / { image = $2 }
        END { if (name) print name, image }'
}

# Host ports of the services that are to run, one "address port" a line.
published_ports() {
    composed | awk '
        function flush() { if (!none) printf "%s", ports; ports = ""; none = 0 }
        /^[^ ]/ { flush(); inside = ($1 == "services:") }
        inside && /^  [^ ].*:$/ { flush() }
        inside && /^      replicas: 0$/ { none = 1 }
        inside && /^        host_ip: / { address = $2 }
        inside && /^        published: / { gsub(/"/, "", $2); ports = ports (address ? address : "127.0.0.1") " " $2 "\n"; address = "" }
        END { flush() }'
}

of_project() { docker ps "$@" --filter "label=com.docker.compose.project=$project"; }

# Containers of the project by service: "service id".
containers() { of_project --all --format '{{.Label "com.docker.compose.service"}} {{.ID}}' | sort; }

check_ports() {
    local own address port taken=
    own=$(of_project --format '{{.Ports}}')
    while read -r address port; do
        case "$own" in *":$port->"*) continue ;; esac
        if [ "$address" = 0.0.0.0 ]; then address=127.0.0.1; fi
        if (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; then taken="$taken $port"; fi
    done < <(published_ports)
    if [ -n "$taken" ]; then
        give_up "taken on the server by another program: port$taken" \
            "end that program (ss -ltnp shows it), or move the port in $dir/.env (see .env.example)"
    fi
}

# For Python in the scaler's container: asks its API, as every release has it; on the way back the scaler is one whose
# command line may know less, and a command line a second is much of a small server's CPU. Where the scaler does
# not answer, or refuses, it prints why and fails.
ask='
import json, sys, urllib.request

def ask(path, body=None):
    headers = {"Content-Type": "application/json"}
    if body is not None:
        with open("/run/alertscale/token") as token:
            headers["Authorization"] = "Bearer " + token.read().strip()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request("http://127.0.0.1:8000/api/v1/services" + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except OSError as error:
        said = error.read(300).decode(errors="replace") if hasattr(error, "read") else ""
        print(error, said)
        sys.exit(1)
'

# The project's replicas as the scaler sees them: service, id, state, name and detail, parted by tabs, one a line.
replicas_seen() {
    compose exec -T scaler python -c "$ask"'
for service in ask("")["services"]:
    if service["project"] == sys.argv[1]:
        for one in service["replicas"]:
            why = one["detail"] or ("no answer yet" if one["state"] == "starting" else "")
            print(service["service"], one["id"], one["state"], one["name"], why, sep="\t")' "$project" 2>>"$details"
}

# Of certain replicas "id state name: detail", one a line; "id gone" of one that there is not.
states() { # service, ids
    local seen
    if ! seen=$(replicas_seen); then
        echo "? unknown: the scaler does not answer: $seen"
        return 0
    fi
    awk -F '\t' -v service="$1" -v ids="${2//$'\n'/ }" '
        $1 == service { told[$2] = $3 " " $4 ($5 == "" ? "" : ": " $5) }
        END { n = split(ids, id, " "); for (i = 1; i <= n; i++) print id[i], (id[i] in told ? told[id[i]] : "gone") }' <<<"$seen"
}

# For a message: the same without the ids, in one line.
in_one_line() { cut -d ' ' -f 2- <<<"$1" | paste -s -d ';'; }
