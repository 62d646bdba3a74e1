"""Reading and replacing what is in the engine's volumes, through a container that can do nothing else.

Both ways go through a folder inside the volume, so that the programs that use it need to be away only while
names are changed: a backup reads a snapshot that was made in the meantime, a restore writes all of the new
data beside the old before the two change places.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import IO, TYPE_CHECKING

from engine.errors import BackupError
from engine.shell import capture

if TYPE_CHECKING:
    from collections.abc import Iterator

INSIDE = "/volume"
SNAPSHOT = ".alertscale-backup"
STAGED = ".alertscale-restore"
REPLACED = ".alertscale-replaced"

_EACH = """
each() { # calls $1 with the name of everything in the volume, its hidden files too, that is not ours
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
cd {INSIDE}
{_EACH}
keep() {{
    # A block of Prometheus is never written to again, and may be large: a second name for it will do.
    how=-a
    if [ -f "$1/meta.json" ] && [ -f "$1/index" ]; then how=-al; fi
    cp $how "$1" {SNAPSHOT}/
}}
rm -rf {SNAPSHOT}
mkdir -m 700 {SNAPSHOT}
each keep
like . {SNAPSHOT}
du -sk {SNAPSHOT} | cut -f 1
"""
READ_SNAPSHOT = f"exec tar -c -f - -C {INSIDE}/{SNAPSHOT} ."
DROP = f"cd {INSIDE} && rm -rf {SNAPSHOT} {STAGED}"
STAGE = f"""set -eu
cd {INSIDE}
rm -rf {STAGED} {REPLACED}
mkdir -m 700 {STAGED}
exec tar -x -f - -C {STAGED}
"""
SWAP = f"""set -eu
cd {INSIDE}
{_EACH}
away() {{ mv "$1" {REPLACED}/; }}
here() {{ mv "$1" ..; }}
rm -rf {REPLACED}
mkdir -m 700 {REPLACED}
each away
like {STAGED} .
cd {STAGED}
each here
cd ..
rm -rf {STAGED} {REPLACED}
"""
COUNT = f"cd {INSIDE} && ls -A | wc -l"

# Enough to read and to give away every file of the volume, and no more.
_RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER")


def command(volume: str, script: str, *, image: str) -> list[str]:
    """Return the command that runs a script on a volume in an image that has a shell and tar."""
    rights = [part for name in _RIGHTS for part in ("--cap-add", name)]
    return [
        *("docker", "run", "--rm", "--interactive", "--network", "none", "--user", "0:0", "--read-only"),
        *("--cap-drop", "ALL", *rights, "--security-opt", "no-new-privileges:true"),
        *("--volume", f"{volume}:{INSIDE}", "--entrypoint", "/bin/sh", image, "-c", script),
    ]


def run(volume: str, script: str, *, image: str) -> str:
    """Run a script on a volume; return what it printed.

    Raises:
        BackupError: It failed.
    """
    done = capture(*command(volume, script, image=image), timeout=600)
    if not done.ok:
        raise _failed(volume, done.stderr)
    return done.stdout.strip()


@contextlib.contextmanager
def reading(volume: str, *, image: str) -> Iterator[IO[bytes]]:
    """Open the snapshot of a volume as a tar stream.

    Raises:
        BackupError: It could not be read to its end.
    """
    argv = command(volume, READ_SNAPSHOT, image=image)
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
            raise _failed(volume, says.decode(errors="replace"))


@contextlib.contextmanager
def staging(volume: str, *, image: str) -> Iterator[IO[bytes]]:
    """Open a volume for a tar stream of new data, which is put beside the old.

    Raises:
        BackupError: It could not be written.
    """
    argv = command(volume, STAGE, image=image)
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
            raise _failed(volume, says.decode(errors="replace"))


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
        raise _failed(volume, done.stderr)


def _failed(volume: str, says: str) -> BackupError:
    said = says.strip() or "no reason given"
    return BackupError(
        f"the volume {volume}: {said}. Way out: see to what the engine names (`docker system df` and `df -h` "
        f"show whether a disk is full), then run it again."
    )
