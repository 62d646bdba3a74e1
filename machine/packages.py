"""Debian packages, installed without questions."""

from collections.abc import Sequence

from machine.shell import capture, logged
from machine.state import Workplace

QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def install(names: Sequence[str], *, place: Workplace) -> None:
    """Install packages, and record those that were not there before.

    Raises:
        CommandFailedError: apt-get failed; the message holds the end of its log.
    """
    log = place.logs / "apt.log"
    logged("Reading Debian's package lists", ["apt-get", "update"], log=log, env=QUIET)
    # docker-cli is a package of its own from Debian 13 on; before, docker.io holds the client.
    wanted = [name for name in names if name != "docker-cli" or known("docker-cli")]
    fresh = tuple(name for name in wanted if not installed(name))
    logged(
        f"Installing {', '.join(wanted)}",
        ["apt-get", "install", "--yes", "--no-install-recommends", *wanted],
        log=log,
        env=QUIET,
    )
    place.store.save(place.store.load().with_packages(fresh))


def known(name: str) -> bool:
    """Whether Debian's lists have a package of this name."""
    return bool(capture("apt-cache", "--names-only", "search", f"^{name}$").stdout.strip())


def installed(name: str) -> bool:
    """Whether the package is installed on this machine."""
    asked = capture("dpkg-query", "--show", "--showformat", "${db:Status-Status}", name)
    return asked.ok and asked.stdout.strip() == "installed"
