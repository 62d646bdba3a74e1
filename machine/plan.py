"""What has to be there before the stack can start; facts in, packages out, no effects."""

from collections.abc import Iterator

from machine.errors import Missing, NotReadyError
from machine.facts import PERMISSION_DENIED, Facts

INSTALL_BY_HAND = "install Docker Engine for your system, start it, then run make again"


def packages_for(facts: Facts) -> list[str]:
    """Return Debian's packages without which neither an engine can be started here nor Compose be fetched.

    Raises:
        NotReadyError: Something is missing that cannot be provided here. It lists all of it.
    """
    missing = (*_missing_engine(facts), *_missing_compose(facts))
    if missing:
        raise NotReadyError(missing)
    packages = [] if facts.engine_answers else _engine_packages(facts)
    return packages + ([] if facts.compose or facts.pip else ["python3-pip"])


def _engine_packages(facts: Facts) -> list[str]:
    if not facts.may_install:
        return []
    packages = [] if facts.daemon else ["docker.io"]
    packages += [] if facts.client else ["docker-cli"]
    return packages + ([] if facts.iptables else ["iptables"])


def _missing_engine(facts: Facts) -> Iterator[Missing]:
    if facts.engine_answers:
        return
    if facts.docker_host:
        yield Missing(
            what=f"DOCKER_HOST={facts.docker_host}: no engine answers there ({facts.engine_says})",
            way_out="start that engine, or unset DOCKER_HOST to use this machine's own",
        )
    elif PERMISSION_DENIED in facts.engine_says.lower():
        yield Missing(
            what=f"this user may not use the engine ({facts.engine_says})",
            way_out="add the user to the group docker and log in again, or run make as root",
        )
    elif not facts.may_install:
        yield from _missing_own_engine(facts)


def _missing_own_engine(facts: Facts) -> Iterator[Missing]:
    if not facts.daemon and facts.system == "debian":
        yield Missing(what="no Docker Engine", way_out="run make as root, which installs it")
    elif not facts.daemon:
        system = facts.system or "unknown"
        yield Missing(
            what=f"no Docker Engine, and make installs it on Debian only (this system is {system})",
            way_out=INSTALL_BY_HAND,
        )
    elif not facts.root:
        yield Missing(
            what="Docker Engine is installed but does not run, and starting it needs root",
            way_out="sudo systemctl start docker, or run make as root",
        )
    else:
        for name, there in (("docker", facts.client), ("iptables", facts.iptables)):
            if not there:
                yield Missing(what=f"no program {name}, which the engine needs", way_out=f"install {name}")


def _missing_compose(facts: Facts) -> Iterator[Missing]:
    if not (facts.compose or facts.pip or facts.may_install):
        yield Missing(
            what="`docker compose` does not work, and this Python has no pip to fetch it with",
            way_out="install Docker Compose, or pip for python3",
        )
