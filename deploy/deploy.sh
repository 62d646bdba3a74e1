#!/usr/bin/env bash
# Deploys a commit of this repository to a server, without a lost request. docs/deployment.md explains it.
set -euo pipefail

usage() {
    cat <<'EOF'
Deploy a commit to a server with Docker: new replicas of what changed come up beside the old ones, the old
ones finish their requests and leave. If anything fails, the old version goes on serving.

  deploy/deploy.sh user@host                 the commit that is checked out
  deploy/deploy.sh --commit v1.2 user@host   another one
  deploy/deploy.sh                           the server of the variables, as the pipeline does
  deploy/deploy.sh --swarm user@manager      to the Swarm of which that server is a manager (docs/swarm.md)

  --loaded TAG   with --swarm: build nothing, use images of that tag, which every node has or can pull
  --commit REV   a commit, tag or branch (HEAD)
  --dir DIR      the directory there: absolute, or in that user's home (alertscale; DEPLOY_DIR)
  -h, --help

Variables that are needed when no user@host is given. With user@host, ssh's own keys and known hosts serve.

  SSH_PRIVATE_KEY        the whole private key, without a passphrase, as it is or in base64, or the path of its file
  SERVER_HOST            the server's name or address
  SERVER_USER            the user there, in whose ~/.ssh/authorized_keys the public half is
  SSH_KNOWN_HOSTS        the server's host key, as ssh-keyscan prints it, or the path of a file with it; it is always checked
  SERVER_PORT            the port of ssh there (22)

Variables that may be set besides:

  DEPLOY_DIR             the directory there, absolute or in that user's home (alertscale)
  DEPLOY_SWARM           anything: as with --swarm, for the pipeline
  DEPLOY_READY_TIMEOUT   seconds in which new replicas must be ready; with --swarm 300 by default (120)
  DEPLOY_DRAIN_TIMEOUT   seconds in which old ones must be gone (300)
  DEPLOY_LOCK_WAIT       seconds to wait for another deploy (600)
  DEPLOY_MIN_FREE_MB     free space that the server must have (1000)
  DEPLOY_KEEP            releases that are kept there for a rollback (5)

Exit codes: 0 deployed; 1 not deployed, and the reason is the last thing that it says; 2 an unknown option.
EOF
}

commit=HEAD
directory=${DEPLOY_DIR:-alertscale}
given=
swarm=${DEPLOY_SWARM:-}
loaded=
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --commit) commit=${2:?--commit needs a commit}; shift 2 ;;
        --swarm) swarm=1; shift ;;
        --loaded) loaded=${2:?--loaded needs a tag}; shift 2 ;;
        --dir) directory=${2:?--dir needs a directory}; shift 2 ;;
        -*) usage >&2; echo "deploy.sh: unknown option $1" >&2; exit 2 ;;
        *) given=$1; shift ;;
    esac
done

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$here/.."

choose_server "$given"
wanted=$commit
commit=$(git rev-parse --verify --quiet "$wanted^{commit}") ||
    die "'$wanted' is no commit of this repository" "git log shows them; in a shallow clone, fetch it first"
# Bytes that end with a NUL: git quotes names outside ASCII on lines, and bytes that are no letters match nothing.
secrets=$(export LC_ALL=C && git ls-tree -r -z --name-only "$commit" | grep -azE '(^|/)\.env$|^secrets/|\.(key|pem)$' |
    grep -azvE '^tests/|/(README|\.git)[^/]*$|\.(md|example)$' | tr '[:cntrl:]' ' ' || true)
if [ -n "$secrets" ]; then
    die "the commit holds what looks like secrets: ${secrets% }" \
        "take them out of the repository (git rm --cached); a server keeps its own .env and secrets/"
fi
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
    say "What is not committed is not deployed: git status shows it."
fi
prepare_ssh
if [ -z "$swarm" ]; then check_server; fi

say "Copying ${commit:0:12} ($(git log -1 --format=%s "$commit")) ..."
# With the modes that a clone has: with any others no layer that was built from a clone is found again.
git -c tar.umask=0022 archive --format=tar.gz --output="$scratch/copy/archive.tar.gz" "$commit"
copy_to_server
if [ -n "$swarm" ]; then
    work_on_swarm "$commit" "$loaded"
else
    work_on_server deploy "$commit" "$(git log -1 --format=%s "$commit")"
fi
