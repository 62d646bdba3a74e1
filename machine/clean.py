"""Taking back everything that `make up` made on this machine."""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from machine import built, compose, daemon, stand_ins
from machine.errors import EngineError
from machine.shell import announced, capture, streamed
from machine.state import State

DRILLS = ("e2e", "docs", "bench")
"""Projects of tests and benchmarks, after ours; a run that was cut off may have left their images."""


def containers_of_others(project: str) -> tuple[str, ...]:
    """Return the names of running containers that are not the project's."""
    every = _lines("docker", "ps", "--format", "{{.Names}}")
    label = f"label=com.docker.compose.project={project}"
    own = set(_lines("docker", "ps", "--filter", label, "--format", "{{.Names}}"))
    return tuple(name for name in every if name not in own)


def stack(checkout: Path, *, project: str) -> None:
    """Remove the project's containers, networks, volumes and images, and the stand-ins.

    Raises:
        EngineError: Compose failed, or something is left.
    """
    images = built.names(compose.config(checkout))
    down = ["docker", "compose", "--profile", "*", "down"]
    code = streamed([*down, "--volumes", "--remove-orphans"], cwd=checkout)
    if code != 0:
        raise EngineError(
            f"docker compose down: ended with exit code {code}. Way out: put right what it names "
            f"above, then run make clean again."
        )
    with announced("Removing the images that were built and made here"):
        left = [f"image {name}" for name in built.remove(images)]
        _remove_images(project)
        left += leftovers(project)
    if left:
        raise EngineError(
            f"still there after make clean: {', '.join(left)}. Way out: remove what uses them, then "
            f"run make clean again."
        )


def _remove_images(project: str) -> None:
    built = _lines(
        *("docker", "image", "ls", "--quiet", "--no-trunc"),
        *("--filter", f"label=com.docker.compose.project={project}"),
    )
    # By name: one image may have several, and the classic builder writes no project into it.
    drills = [f"reference={project}-{drill}-*" for drill in DRILLS]
    filters = [part for reference in drills for part in ("--filter", reference)]
    built += _lines("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", *filters)
    base = _layers(stand_ins.BASE)
    dangling = _lines("docker", "image", "ls", "--quiet", "--no-trunc", "--filter", "dangling=true")
    stages = [image for image in dangling if rests_on(_layers(image), base)]
    made = list(stand_ins.local())
    # The base goes last: the others rest on its layers.
    made.sort(key=lambda tag: tag == stand_ins.BASE)
    for image in dict.fromkeys([*built, *stages, *made]):
        capture("docker", "image", "rm", image)


def rests_on(layers: Sequence[str], base: Sequence[str]) -> bool:
    """Whether an image's layers begin with all of a base's."""
    return bool(base) and list(layers[: len(base)]) == list(base)


def _layers(image: str) -> list[str]:
    asked = capture("docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
    layers: list[str] | None = json.loads(asked.stdout) if asked.ok else None
    return layers or []


def leftovers(project: str) -> tuple[str, ...]:
    """Return what of the project the engine still has, and the stand-ins."""
    label = ("--filter", f"label=com.docker.compose.project={project}")
    left = [
        ("container", _lines("docker", "ps", "--all", *label, "--format", "{{.Names}}")),
        ("volume", _lines("docker", "volume", "ls", *label, "--format", "{{.Name}}")),
        ("network", _lines("docker", "network", "ls", *label, "--format", "{{.Name}}")),
        ("image", _lines("docker", "image", "ls", *label, "--format", "{{.ID}}")),
        ("stand-in", list(stand_ins.local())),
    ]
    return tuple(f"{kind} {name}" for kind, names in left for name in names)


def _lines(*argv: str) -> list[str]:
    asked = capture(*argv)
    if not asked.ok:
        raise EngineError(f"{' '.join(argv)}: {asked.stderr.strip()}. Way out: see to the engine.")
    return asked.stdout.split()


def engine(state: State, *, logs: Path, save: Callable[[State], None]) -> None:
    """Stop the engine if we started it.

    Raises:
        DaemonError, CommandFailedError: It does not stop.
    """
    if state.engine is None:
        return
    if not daemon.stop(state.engine, logs=logs):
        print("The engine that make started is gone already.")
    save(replace(state, engine=None))


def files(paths: Iterable[Path]) -> None:
    """Delete files and folders that are there."""
    for path in paths:
        if path.is_dir():
            with announced(f"Deleting {path}"):
                shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def packages_note(packages: Sequence[str]) -> str:
    """Say which packages stay and how to be rid of them."""
    if not packages:
        return "No Debian package was installed from this checkout."
    note = (
        f"Debian's packages stay: {', '.join(packages)}. To be rid of them: "
        f"apt-get purge --autoremove {' '.join(packages)}"
    )
    if "docker.io" in packages:
        note += ", then rm -r /var/lib/docker"
    return note
