"""`make backup` and `make restore`: what the stack remembers, in one file.

The three services that write it are away while a snapshot is made or put in place, a few seconds however
much there is; nginx and the services behind it go on, and no container is made anew. They are started again
whatever happens. (To copy them while they run: Prometheus has an API for it, by which anyone who reaches it
can delete everything too; Alertmanager has none, and writes silences down every 15 minutes and at its end.)
"""

import contextlib
import fcntl
import json
import os
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

from machine import archive, compose, facts, images, ready, registry, volumes
from machine.errors import BackupError
from machine.shell import Dots, announced, capture, tidy_end, uninterrupted
from machine.state import Workplace

FOLDER = "backups"
PARTIAL = ".partial"
WRITERS = ("scaler", "alertmanager", "prometheus")
"""Services that write to the volumes; the scaler goes first, so that it sees nobody else go."""
TOOLS = "prom/prometheus"
"""The image whose shell and tar are used: pinned, and there wherever the stack has run."""
HEALTHY_SECONDS = 90.0
STOP_SECONDS = 60
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Target:
    """The stack as Compose knows it.

    Attributes:
        project: Its name.
        volumes: The engine's name of each volume that is kept, by its name in the Compose file.
        image: Has a shell and tar.
        images: References that the stack is pinned to.
    """

    project: str
    volumes: dict[str, str]
    image: str
    images: tuple[str, ...]


def target(config: dict[str, Any]) -> Target:
    """Read what `docker compose config --format json` prints.

    Raises:
        BackupError: A volume that is to be kept is not in it.
        ImageError: The image with the tools is not.
    """
    pinned = images.pinned(config)
    known = config.get("volumes") or {}
    absent = [name for name in archive.VOLUMES if name not in known]
    if absent:
        raise BackupError(
            f"docker-compose.yml: no volume {', '.join(absent)}. Way out: restore the line under `volumes:`."
        )
    return Target(
        project=str(config["name"]),
        volumes={name: str(known[name]["name"]) for name in archive.VOLUMES},
        image=images.select(pinned, TOOLS).reference,
        images=tuple(image.reference for image in pinned),
    )


def take(place: Workplace, *, file: str = "") -> int:
    """Write metrics, silences, the scaling history, the token and the settings to one file."""
    answers, says = facts.engine_answers()
    if not answers:
        raise BackupError(f"no engine answers ({says}). Way out: start it, then run make backup again.")
    config = compose.config(place.checkout)
    stack = target(config)
    if not any(volumes.present(volume) for volume in stack.volumes.values()):
        raise BackupError(
            f"the project {stack.project} has no data: not one of its volumes is there. Way out: run this "
            f"where the stack runs; COMPOSE_PROJECT_NAME in .env chooses another project."
        )
    _provide_tools(place, config, stack)
    with tidy_end(), _alone(place.checkout):
        _write(place.checkout, stack, _named(place.checkout, file))
    return 0


@contextlib.contextmanager
def _alone(checkout: Path) -> Iterator[None]:
    """Keep a second backup or restore away; clear away what one that was killed has left."""
    _make_folder(checkout / FOLDER)
    with (checkout / FOLDER / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise BackupError(
                "another backup or restore of this stack is under way. Way out: wait until it has ended."
            ) from fault
        for left in (checkout / FOLDER).glob(f".*{PARTIAL}"):
            left.unlink()
        yield


def _named(checkout: Path, file: str, *, prefix: str = "alertscale") -> Path:
    if file:
        return Path(file).absolute()
    return checkout / FOLDER / f"{prefix}-{datetime.now(tz=UTC):%Y%m%dT%H%M%SZ}.tar.gz"


def _provide_tools(place: Workplace, config: dict[str, Any], stack: Target) -> None:
    if not registry.present(images.parse(stack.image, where="docker-compose.yml")):
        seen = ready.machine(place)
        ready.base_images(place, config, may_install=seen.may_install)


def _write(checkout: Path, stack: Target, path: Path) -> None:
    if path.exists():
        raise BackupError(f"{path}: is there already. Way out: give another name with FILE=, or remove it.")
    _make_folder(path.parent)
    there = {name: volume for name, volume in stack.volumes.items() if volumes.present(volume)}
    partial = path.with_name(f".{path.name}{PARTIAL}")
    try:
        with _snapshots(stack, there), _private(partial) as sink:
            writer = archive.Writer(sink, tick=Dots())
            _fill(writer, checkout, stack, there)
            sink.flush()
            os.fsync(sink.fileno())
        partial.replace(path)
    except OSError as fault:
        raise BackupError(
            f"{fault.filename or path}: {fault.strerror}. No backup was made. Way out: make room or give "
            f"yourself the right to it, or choose another place with FILE=."
        ) from fault
    finally:
        partial.unlink(missing_ok=True)
    print(
        f"{path}: {path.stat().st_size / MEGABYTE:.1f} MB. It holds the token and your passwords: keep a "
        f"copy on another machine, where only you can read it."
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise BackupError(f"{folder}: {fault.strerror}. Way out: choose another place with FILE=.") from fault


def _private(path: Path) -> IO[bytes]:
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


@contextlib.contextmanager
def _snapshots(stack: Target, there: dict[str, str]) -> Iterator[None]:
    try:
        with away(stack.project):
            with announced("Making snapshots"):
                sizes = volumes.run(there, volumes.TAKE_SNAPSHOT, image=stack.image)
            print(told(sizes))
        yield
    finally:
        _drop(there, image=stack.image)


def _drop(there: dict[str, str], *, image: str) -> None:
    # Should it fail: what is left lies beside the data, and goes at the next run.
    with uninterrupted(), contextlib.suppress(BackupError):
        volumes.run(there, volumes.DROP, image=image)


def told(sizes: str) -> str:
    """Say what `du -sk` says, in megabytes by volume."""
    pairs = [line.split() for line in sizes.splitlines()]
    return "\n".join(f"  {path.partition('/')[0]}: {int(size) / 1024:.1f} MB" for size, path in pairs)


def _fill(writer: archive.Writer, checkout: Path, stack: Target, there: dict[str, str]) -> None:
    with announced("Packing"), volumes.reading(there, image=stack.image) as stream:
        writer.volumes(stream)
    for file in settings(checkout):
        writer.file(checkout / file, name=file)
    writer.finish(
        archive.Manifest(
            project=stack.project,
            made=f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}",
            commit=capture("git", "rev-parse", "HEAD", cwd=checkout).stdout.strip(),
            images=stack.images,
            volumes=tuple(there),
        )
    )


def settings(checkout: Path) -> tuple[str, ...]:
    """Return the files of the checkout that a backup takes along, as paths in it; links are left out."""
    found: list[Path] = []
    for name in archive.FILES:
        root = checkout / name
        found += sorted(root.rglob("*")) if root.is_dir() else [root]
    return tuple(
        str(path.relative_to(checkout)) for path in found if path.is_file() and not path.is_symlink()
    )


@contextlib.contextmanager
def away(project: str) -> Iterator[None]:
    """Stop the services that write, and start again those that ran, whatever happens in between.

    Containers are stopped and started, not made anew, so that neither a changed file nor an overlay matters.

    Raises:
        BackupError: They could not be stopped, or not be started again.
    """
    running = _running(project)
    if not running:
        print(f"Nothing of {project} that writes is running.")
        yield
        return
    since = time.monotonic()
    try:
        with uninterrupted(), announced(f"Stopping {', '.join(running)}"):
            stopped = capture("docker", "stop", *running.values(), timeout=STOP_SECONDS)
        if not stopped.ok:
            raise BackupError(f"docker stop: {stopped.stderr.strip()}. Way out: see to the engine.")
        yield
    finally:
        with uninterrupted(), announced(f"Starting {', '.join(running)}"):
            _start(running)
        print(f"  They were away for {time.monotonic() - since:.1f} s.")


def _start(running: dict[str, str]) -> None:
    started = capture("docker", "start", *running.values(), timeout=STOP_SECONDS)
    if not started.ok:
        raise BackupError(
            f"docker start: {started.stderr.strip()}. Way out: `docker compose start {' '.join(running)}`; "
            f"until then nothing scales."
        )


def _running(project: str) -> dict[str, str]:
    """Return the running containers of the services that write, by service."""
    found: dict[str, str] = {}
    for service in WRITERS:
        labels = (f"com.docker.compose.project={project}", f"com.docker.compose.service={service}")
        filters = [part for label in labels for part in ("--filter", f"label={label}")]
        shown = capture("docker", "ps", "--quiet", "--no-trunc", *filters)
        if not shown.ok:
            raise BackupError(f"docker ps: {shown.stderr.strip()}. Way out: see to the engine.")
        if shown.stdout.strip():
            found[service] = shown.stdout.split()[0]
    return found


def restore(place: Workplace, *, file: str = "", yes: bool = False) -> int:
    """Put back what a backup holds; what is there now is backed up before."""
    path = _chosen(place.checkout, file)
    with path.open("rb") as source, tidy_end(), _alone(place.checkout):
        with announced(f"Reading {path.name}"):
            manifest = archive.verify(source, name=str(path), tick=Dots())
        seen = ready.machine(place)
        config = compose.config(place.checkout)
        print(explained(manifest, target(config), checkout=place.checkout))
        if not yes:
            _ask()
        _put_files(source, place.checkout, name=str(path))
        config = compose.config(place.checkout)
        ready.base_images(place, config, may_install=seen.may_install)
        stack = target(config)
        _keep_what_is_there(place.checkout, stack)
        _put_volumes(source, manifest, stack, name=str(path))
        _await_healthy(_running(stack.project))
    print("Restored. If the stack does not run yet: make up, or docker compose up --build --detach.")
    return 0


def _chosen(checkout: Path, file: str) -> Path:
    path = Path(file).absolute()
    if file and path.is_file():
        return path
    known = sorted((checkout / FOLDER).glob("*.tar.gz"))[-5:]
    listed = "".join(f"\n  make restore FILE={FOLDER}/{found.name}" for found in known) or " none."
    asked = f"{path}: there is no such file" if file else "no file is named"
    raise BackupError(f"{asked}. Way out: make restore FILE=<backup>. Those in {FOLDER}/ are:{listed}")


def explained(manifest: archive.Manifest, stack: Target, *, checkout: Path) -> str:
    """Say what a backup is, and what will become of what is there now."""
    replaced = [v for n, v in stack.volumes.items() if n in manifest.volumes and volumes.present(v)]
    there = [name for name in manifest.files if (checkout / name).exists()]
    lines = [
        f"Backup of {manifest.project}, made {manifest.made}"
        + (f" at commit {manifest.commit[:12]}." if manifest.commit else "."),
        f"  replaced, after a backup of what is in them: {', '.join(replaced) or 'nothing'}",
        f"  put in place: {', '.join(n for n in manifest.files if n not in there) or 'no file'}",
        f"  kept; the backup's goes beside as *{BESIDE} if it differs: {', '.join(there) or 'no file'}",
        "  not touched: the services that scale, and how many replicas they have.",
    ]
    return "\n".join(lines)


BESIDE = ".from-backup"


def _ask() -> None:
    if not sys.stdin.isatty():
        raise BackupError("nobody is there to say yes. Way out: add YES=1, if this is what you want.")
    if input("Type yes to go on: ").strip().lower() != "yes":
        raise BackupError("not restored, as you wish. Nothing was changed.")


def _keep_what_is_there(checkout: Path, stack: Target) -> None:
    there = {name: volume for name, volume in stack.volumes.items() if volumes.present(volume)}
    if there and volumes.run(there, volumes.ANYTHING, image=stack.image):
        print(
            "What is there now is backed up first. (Where there is no room for that, and no need:\n"
            "`docker compose down --volumes` throws it away.)"
        )
        _write(checkout, stack, _named(checkout, "", prefix="before-restore"))


def _put_files(source: IO[bytes], checkout: Path, *, name: str) -> None:
    for member, content in archive.members(source, name=name):
        kind, _, inside = member.name.partition("/")
        if kind != "files" or content is None:
            continue
        put_file(checkout / PurePosixPath(inside), content.read(), member)


def put_file(path: Path, content: bytes, member: tarfile.TarInfo) -> None:
    """Write a settings file, or beside the one that is there if that has other content.

    Raises:
        BackupError: It cannot be written.
    """
    try:
        if path.is_file() and path.read_bytes() == content:
            return
        if path.exists() or path.is_symlink():
            path = path.with_name(path.name + BESIDE)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        with _private(aside) as sink:
            sink.write(content)
        if os.geteuid() == 0:
            os.chown(aside, member.uid, member.gid)
        aside.chmod(member.mode & 0o777)
        aside.replace(path)
    except OSError as fault:
        raise BackupError(
            f"{fault.filename or path}: {fault.strerror}. The data is as it was. Way out: give yourself the "
            f"right to it, then run make restore again."
        ) from fault
    print(f"  {path.name} is in place")


def _put_volumes(source: IO[bytes], manifest: archive.Manifest, stack: Target, *, name: str) -> None:
    chosen = {key: volume for key, volume in stack.volumes.items() if key in manifest.volumes}
    for key, volume in chosen.items():
        if not volumes.present(volume):
            volumes.create(volume, project=stack.project, name=key)
    try:
        with announced("Unpacking beside what is there"):
            _stage(source, chosen, image=stack.image, name=name)
        # Half of it old and half of it new would be worse than a moment's patience.
        with away(stack.project), uninterrupted(), announced("Putting it in place"):
            volumes.run(chosen, volumes.SWAP, image=stack.image)
    finally:
        _drop(chosen, image=stack.image)


def _stage(source: IO[bytes], chosen: dict[str, str], *, image: str, name: str) -> None:
    dots = Dots()
    with (
        volumes.staging(chosen, image=image) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as sink,
    ):
        for member, content in archive.members(source, name=name):
            kind, *inside = PurePosixPath(member.name).parts
            if kind == "volumes" and inside[0] in chosen:
                member.name = "/".join((inside[0], volumes.STAGED, *inside[1:]))
                sink.addfile(member, content)
                dots()


def _await_healthy(running: dict[str, str]) -> None:
    if not running:
        return
    deadline = time.monotonic() + HEALTHY_SECONDS
    with announced("Waiting until they are healthy"):
        while missing := [name for name, container in running.items() if not _healthy(container)]:
            if time.monotonic() > deadline:
                raise BackupError(
                    f"not healthy within {HEALTHY_SECONDS:g} s: {', '.join(missing)}. Way out: docker "
                    f"compose logs {' '.join(missing)}; the data of before is in {FOLDER}."
                )
            time.sleep(0.5)


def _healthy(container: str) -> bool:
    shown = capture("docker", "inspect", "--format", "{{json .State}}", container)
    state: dict[str, Any] = json.loads(shown.stdout) if shown.ok else {}
    return bool(state.get("Running")) and state.get("Health", {"Status": "healthy"})["Status"] == "healthy"
