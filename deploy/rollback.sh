#!/usr/bin/env bash
# Takes a server back to the commit before, or to one that was deployed earlier. docs/deployment.md explains it.
set -euo pipefail

usage() {
    cat <<'EOF'
Take a server back to what was deployed before; as a deploy, without a lost request. It needs nothing but
what the server has kept: files and images of the last releases.

  deploy/rollback.sh user@host               to the commit before the one that runs
  deploy/rollback.sh --to 1a2b3c user@host   to a commit that was deployed earlier
  deploy/rollback.sh --list user@host        show what there is
  deploy/rollback.sh                         the server of the variables, as the pipeline's manual job does

  --to COMMIT    its first characters are enough
  --list         show the releases that the server keeps, and change nothing
  --dir DIR      the directory there (alertscale; DEPLOY_DIR)
  -h, --help

Variables as for deploy.sh. On a Swarm (--swarm, DEPLOY_SWARM, or a server that deploy.sh --swarm has deployed to) it
refuses: the way back there is to deploy the commit before (docs/swarm.md).

Exit codes: 0 done; 1 not done, and the reason is the last thing that it says; 2 an unknown option.
EOF
}

directory=${DEPLOY_DIR:-alertscale}
given=
to=
list=
swarm=${DEPLOY_SWARM:+DEPLOY_SWARM is set}
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --to) to=${2:?--to needs a commit}; shift 2 ;;
        --list) list=yes; shift ;;
        --swarm) swarm=--swarm; shift ;;
        --dir) directory=${2:?--dir needs a directory}; shift 2 ;;
        -*) usage >&2; echo "rollback.sh: unknown option $1" >&2; exit 2 ;;
        *) given=$1; shift ;;
    esac
done

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ -n "$swarm" ]; then
    die "$swarm: a Swarm keeps no releases to go back to" \
        "deploy the commit before: deploy/deploy.sh --swarm --commit COMMIT ${given:-user@manager}, or in GitLab run the deploy job of its pipeline again"
fi
choose_server "$given"
prepare_ssh
check_server
if [ -n "$list" ]; then
    server_script list "$directory"
else
    copy_to_server
    work_on_server rollback "$to"
fi
