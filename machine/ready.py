"""A machine made ready: an engine, Compose and the base images."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from machine import compose, daemon, facts, images, packages, registry, stand_ins
from machine.facts import Facts
from machine.images import Image
from machine.plan import packages_for
from machine.shell import announced
from machine.state import Workplace


def machine(place: Workplace) -> Facts:
    """Bring this machine to an engine and a Compose that answer; return what was seen at first.

    Raises:
        NotReadyError: Something is missing that cannot be provided here.
        EngineError: A step failed.
    """
    with announced("Looking at this machine"):
        seen = facts.observe()
    if lacking := packages_for(seen):
        packages.install(lacking, place=place)
    if not seen.engine_answers:
        start_engine(place, systemd=seen.systemd)
    if not seen.compose:
        program = compose.install(folder=compose.plugin_folder(root=seen.root), logs=place.logs)
        place.store.save(replace(place.store.load(), compose_plugin=str(program)))
    return seen


def start_engine(place: Workplace, *, systemd: bool) -> None:
    """Start this machine's engine and record it.

    Raises:
        DaemonError, CommandFailedError: It does not start, or does not answer.
    """
    started = daemon.start(systemd=systemd, answers=lambda: facts.engine_answers()[0], logs=place.logs)
    place.store.save(replace(place.store.load(), engine=started))


def revive_engine(place: Workplace) -> None:
    """Start the engine that we once started, if it has died: what it ran can be removed through it alone.

    Raises:
        DaemonError, CommandFailedError: It does not start, or does not answer.
    """
    if place.store.load().engine is None or facts.engine_answers()[0]:
        return
    seen = facts.observe()
    if seen.daemon and not seen.docker_host:
        print("The engine that make started does not answer. It is started again, for what is left on it.")
        start_engine(place, systemd=seen.systemd)


def base_images(place: Workplace, config: dict[str, Any], *, may_install: bool) -> None:
    """See to it that every pinned image of a composed stack is here: present, pulled, or made.

    Raises:
        EngineError: One can be neither pulled nor made.
    """
    pinned = images.pinned(config)
    absent = [image for image in pinned if not registry.present(image)]
    refused, why = registry.pull(absent)
    if refused:
        _stand_in(refused, why, may_install=may_install, place=place)
    made = stand_ins.local()
    standing_in = [image.reference for image in pinned if image.reference in made]
    if standing_in:
        print(
            f"These base images are stand-ins made from Debian's packages, not the official ones: "
            f"{', '.join(standing_in)} (machine/stand-ins/README.md says what differs)."
        )


def _stand_in(refused: Sequence[Image], why: str, *, may_install: bool, place: Workplace) -> None:
    names = ", ".join(image.reference for image in refused)
    print(f"Cannot be pulled: {names} ({why}).\nMaking stand-ins from Debian's packages.")
    if stand_ins.lacks_mmdebstrap(refused, may_install=may_install):
        packages.install(["mmdebstrap"], place=place)
    stand_ins.make(refused, logs=place.logs)
