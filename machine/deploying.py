"""What the tests of deploy, pipeline and pages need beyond the engine; skipped where it cannot be had.

OpenSSH's server is unpacked into a folder of the checkout, not installed: Debian's package would start one
for everybody on port 22 of the machine. The tests start their own on loopback.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from machine import packages
from machine.errors import CommandFailedError
from machine.shell import capture, logged
from machine.state import Workplace

INSTALLED_SSHD = Path("/usr/sbin/sshd")
SSHD_PACKAGES = ("openssh-server", "libwrap0")
CLIENTS = {"ssh": "openssh-client", "rsync": "rsync", "git": "git", "curl": "curl"}
"""Programs that the tests run, with the Debian packages that hold them."""

PIPELINE = Path("tests/pipeline")
"""The folder of the lock file that pins gitlab-ci-local."""


def sshd(state: Path) -> Path | None:
    """Return where an SSH server is: the machine's own, or the unpacked one; None if there is neither."""
    return next(filter(Path.is_file, (INSTALLED_SSHD, state / "sshd/usr/sbin/sshd")), None)


def runner(state: Path) -> Path | None:
    """Return where gitlab-ci-local is; None if it has not been fetched."""
    program = state / "pipeline/node_modules/.bin/gitlab-ci-local"
    return program if program.exists() else None


def provide(place: Workplace, *, may_install: bool) -> None:
    """Fetch what is missing; where that cannot be done, say so and go on.

    Args:
        place: Everything unpacked goes to its state.
        may_install: Whether Debian's packages may be installed and fetched.
    """
    absent = [package for program, package in CLIENTS.items() if shutil.which(program) is None]
    if absent and may_install:
        _or_say(lambda: packages.install(absent, place=place), what="tests of the deploy")
    if sshd(place.state) is None:
        if may_install:
            _or_say(lambda: _unpack_sshd(place), what="tests of the deploy")
        else:
            print("No SSH server, so the tests of the deploy are skipped: not root on Debian.")
    if runner(place.state) is None:
        if shutil.which("npm") is None:
            print("No npm, so the test of the pipeline is skipped; way out: install Node.js with npm.")
        else:
            _or_say(lambda: _fetch_runner(place), what="test of the pipeline")


def _or_say(work: Callable[[], None], *, what: str) -> None:
    try:
        work()
    except CommandFailedError as error:
        print(f"The {what} will be skipped: {error}")


def _unpack_sshd(place: Workplace) -> None:
    folder = place.state / "sshd"
    folder.mkdir(parents=True, exist_ok=True)
    log = place.logs / "sshd.log"
    logged("Reading Debian's package lists", ["apt-get", "update"], log=log, env=packages.QUIET)
    for name in SSHD_PACKAGES:
        if packages.known(name):  # libwrap0 is not needed, and not there, in every release
            logged(f"Fetching {name}", ["apt-get", "download", name], log=log, cwd=folder)
    for archive in folder.glob("*.deb"):
        capture("dpkg-deb", "--extract", str(archive), str(folder))
        archive.unlink()


def _fetch_runner(place: Workplace) -> None:
    folder = place.state / "pipeline"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(place.checkout / PIPELINE / name, folder / name)
    logged(
        "Fetching gitlab-ci-local",
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional"],
        log=place.logs / "npm.log",
        cwd=folder,
    )
