"""Volumes on a real engine: what a snapshot and a restore leave behind, also when they fail half way."""

from __future__ import annotations

import io
import subprocess
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from machine import compose, images, volumes
from machine.backup import TOOLS, away
from machine.errors import BackupError

pytestmark = [pytest.mark.engine, pytest.mark.untimed, pytest.mark.timeout(120)]

CHECKOUT = Path(__file__).resolve().parents[2]


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image() -> str:
    return images.select(images.pinned(compose.config(CHECKOUT)), TOOLS).reference


@pytest.fixture
def name() -> Iterator[str]:
    """A name for a volume, or a project, and all that has it goes again."""
    chosen = f"backup-test-{uuid.uuid4().hex[:8]}"
    yield chosen
    for container in docker("ps", "--all", "--quiet", "--filter", f"name={chosen}").split():
        docker("rm", "--force", "--volumes", container)
    for volume in docker("volume", "ls", "--quiet", "--filter", f"name={chosen}").split():
        docker("volume", "rm", volume)


def content(volume: str, image: str) -> list[str]:
    """Everything in a volume and the volume itself: mode, owner, path."""
    listed = "cd /volumes && find data | sort | xargs stat -c '%a %u:%g %n'"
    return volumes.run({"data": volume}, listed, image=image).splitlines()


FILL = """cd /volumes/data
mkdir 01BLOCK wal && touch 01BLOCK/meta.json 01BLOCK/index && echo old > wal/0 && echo x > .hidden
chmod 640 wal/0 && chown 65534:65534 . wal wal/0 && chmod 770 .
"""


def test_a_snapshot_is_read_with_all_there_is_and_nothing_of_it_stays(name: str, image: str) -> None:
    there = {"data": name}
    volumes.run(there, FILL, image=image)
    before = content(name, image)
    volumes.run(there, volumes.TAKE_SNAPSHOT, image=image)
    links = f"cd /volumes/data/{volumes.SNAPSHOT} && stat -c %h 01BLOCK/index wal/0"
    assert volumes.run(there, links, image=image).split() == ["2", "1"], "a block is linked, the rest copied"
    with volumes.reading(there, image=image) as stream, tarfile.open(fileobj=stream, mode="r|") as read:
        found = {member.name: (oct(member.mode), member.uid) for member in read}
    root = f"data/{volumes.SNAPSHOT}"
    assert found[root] == ("0o770", 65534)
    assert found[f"{root}/wal/0"] == ("0o640", 65534)
    assert f"{root}/.hidden" in found
    volumes.run(there, volumes.DROP, image=image)
    assert content(name, image) == before


def put(there: dict[str, str], image: str, files: Sequence[tuple[str, bytes]]) -> None:
    """Stage files, below a root of mode 750 that belongs to 1234."""
    with volumes.staging(there, image=image) as stream, tarfile.open(fileobj=stream, mode="w|") as sink:
        root = tarfile.TarInfo(f"data/{volumes.STAGED}")
        root.type, root.mode, root.uid, root.gid = tarfile.DIRTYPE, 0o750, 1234, 1234
        sink.addfile(root)
        for path, data in files:
            member = tarfile.TarInfo(f"data/{volumes.STAGED}/{path}")
            member.size, member.mode, member.uid, member.gid = len(data), 0o400, 1234, 1234
            sink.addfile(member, io.BytesIO(data))


def test_a_restore_puts_the_new_in_the_place_of_all_of_the_old(name: str, image: str) -> None:
    there = {"data": name}
    volumes.run(there, FILL, image=image)
    before = content(name, image)
    put(there, image, [("one", b"1"), (".two", b"2")])
    assert [line for line in content(name, image) if volumes.STAGED not in line] == before
    volumes.run(there, volumes.SWAP, image=image)
    assert content(name, image) == ["750 1234:1234 data", "400 1234:1234 data/.two", "400 1234:1234 data/one"]


def test_a_restore_for_which_there_is_no_room_leaves_the_old(name: str, image: str) -> None:
    small = ("--driver", "local", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m")
    docker("volume", "create", *small, name)
    # What is in memory is there for as long as somebody uses it.
    sleep = ("--entrypoint", "sleep", image, "100")
    docker("run", "--detach", "--rm", "--init", "--name", name, "--volume", f"{name}:/kept", *sleep)
    there = {"data": name}
    volumes.run(there, FILL, image=image)
    before = content(name, image)
    with pytest.raises(BackupError, match="No space left on device"):
        put(there, image, [("large", b"x" * 5_000_000)])
    volumes.run(there, volumes.DROP, image=image)
    assert content(name, image) == before


def test_what_ran_runs_again_whatever_happens_in_between(
    name: str, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"com.docker.compose.project": name, "com.docker.compose.service": "scaler"}
    words = [part for item in labels.items() for part in ("--label", "=".join(item))]
    sleep = ("--entrypoint", "sleep", image, "100")
    docker("run", "--detach", "--init", "--name", name, *words, *sleep)
    state = ("inspect", "--format", "{{.State.Running}}", name)

    def cut_off() -> None:
        with away(name):
            assert docker(*state) == "false"
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        cut_off()
    assert docker(*state) == "true"
    shown = capsys.readouterr().out
    assert "Stopping scaler ..." in shown
    assert "They were away for" in shown
