"""Reading and replacing what is in the engine's volumes, through a container that can do nothing else.

Both ways go through a folder inside the volume, so that the programs that use it need to be away only while
names are changed: a backup reads a snapshot that was made in the meantime, a restore writes all of the new
data beside the old before the two change places.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from typing import IO

from machine.errors import BackupError
from machine.shell import capture

INSIDE = "/volumes"
SNAPSHOT = ".alertscale-backup"
STAGED = ".alertscale-restore"
REPLACED = ".alertscale-replaced"

_EACH = """
each() { # calls $1 with the name of everything in this folder, hidden files too, that is not ours
    for entry in * .[!.]* ..?*; do
        case $entry in .alertscale-*) continue ;; esac
        if [ -e "$entry" ] || [ -L "$entry" ]; then "$1" "$entry"; fi
    done
}
like() { # gives $2 the owner and the mode of $1
    chown "$(stat -c %u:%g "$1")" "$2"
    chmod "$(stat -c %a "$1")" "$2"
}
"""

TAKE_SNAPSHOT = f"""set -eu
{_EACH}
keep() {{
    # A block of Prometheus is never written to again, and may be large: a second name for it will do.
    how=-a
    if [ -f "$1/meta.json" ] && [ -f "$1/index" ]; then how=-al; fi
    cp $how "$1" {SNAPSHOT}/
}}
for volume in {INSIDE}/*; do
    cd "$volume"
    rm -rf {SNAPSHOT}
    mkdir -m 700 {SNAPSHOT}
    each keep
    like . {SNAPSHOT}
done
cd {INSIDE}
du -sk */{SNAPSHOT}
"""
READ_SNAPSHOT = f"cd {INSIDE} && exec tar -c -f - */{SNAPSHOT}"
DROP = f"cd {INSIDE} && rm -rf */{SNAPSHOT} */{STAGED}"
STAGE = f"""set -eu
for volume in {INSIDE}/*; do
    cd "$volume"
    rm -rf {STAGED} {REPLACED}
    mkdir -m 700 {STAGED}
done
cd {INSIDE}
exec tar -x -f -
"""
SWAP = f"""set -eu
{_EACH}
away() {{ mv "$1" {REPLACED}/; }}
here() {{ mv "$1" ..; }}
for volume in {INSIDE}/*; do
    cd "$volume"
    rm -rf {REPLACED}
    mkdir -m 700 {REPLACED}
    each away
    like {STAGED} .
    cd {STAGED}
    each here
done
cd {INSIDE}
rm -rf */{STAGED} */{REPLACED}
"""
ANYTHING = f"find {INSIDE} -mindepth 2 | head -n 1"
"""Prints something if there is any file in any of the volumes."""

# Enough to read and to give away every file of the volume, and no more.
_RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER")


def command(volumes: Mapping[str, str], script: str, *, image: str) -> list[str]:
    """Return the command that runs a script on volumes.

    Args:
        volumes: The engine's name of each volume, by the name of the folder where the script finds it.
        script: For the shell.
        image: Has a shell and tar.
    """
    rights = [part for name in _RIGHTS for part in ("--cap-add", name)]
    mounts = [part for name, volume in volumes.items() for part in ("--volume", f"{volume}:{INSIDE}/{name}")]
    return [
        *("docker", "run", "--rm", "--interactive", "--network", "none", "--user", "0:0", "--read-only"),
        *("--cap-drop", "ALL", *rights, "--security-opt", "no-new-privileges:true"),
        *(*mounts, "--entrypoint", "/bin/sh", image, "-c", script),
    ]


def run(volumes: Mapping[str, str], script: str, *, image: str) -> str:
    """Run a script on volumes; return what it printed.

    Raises:
        BackupError: It failed.
    """
    done = capture(*command(volumes, script, image=image), timeout=600)
    if not done.ok:
        raise _failed(done.stderr)
    return done.stdout.strip()


@contextlib.contextmanager
def reading(volumes: Mapping[str, str], *, image: str) -> Iterator[IO[bytes]]:
    """Open the snapshots of volumes as a tar stream, each under `<name>/SNAPSHOT`.

    Raises:
        BackupError: It could not be read to its end.
    """
    argv = command(volumes, READ_SNAPSHOT, image=image)
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            yield process.stdout
            # What pads a tar file after its end; a program that cannot write it would fail.
            process.stdout.read()
        except BaseException:
            process.terminate()
            raise
        _, says = process.communicate()
        if process.returncode != 0:
            raise _failed(says.decode(errors="replace"))


@contextlib.contextmanager
def staging(volumes: Mapping[str, str], *, image: str) -> Iterator[IO[bytes]]:
    """Open volumes for a tar stream of new data, each under `<name>/STAGED`, beside the old.

    Raises:
        BackupError: It could not be written.
    """
    argv = command(volumes, STAGE, image=image)
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        broken: BrokenPipeError | None = None
        try:
            yield process.stdin
        except BrokenPipeError as fault:  # it has ended, and says why below
            broken = fault
        except BaseException:
            process.terminate()
            raise
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdin = None
        _, says = process.communicate()
        if process.returncode != 0 or broken:
            raise _failed(says.decode(errors="replace"))


def present(volume: str) -> bool:
    """Whether the engine has this volume."""
    return capture("docker", "volume", "inspect", volume).ok


def create(volume: str, *, project: str, name: str) -> None:
    """Make a volume as Compose would, so that Compose takes it for its own.

    Raises:
        BackupError: The engine refused.
    """
    labels = {"com.docker.compose.project": project, "com.docker.compose.volume": name}
    words = [part for item in labels.items() for part in ("--label", "=".join(item))]
    done = capture("docker", "volume", "create", *words, volume)
    if not done.ok:
        raise _failed(done.stderr)


def _failed(says: str) -> BackupError:
    said = says.strip() or "no reason given"
    return BackupError(
        f"the volumes: {said}. Way out: see to what the engine names (`docker system df` and `df -h` "
        f"show whether a disk is full), then run it again."
    )
