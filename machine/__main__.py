"""The commands behind the Makefile: `python3 -m machine up`, and those that `--help` lists.

Exit codes: 0 done; 1 not done, and the last lines say why and the way out; 2 an unknown command or option.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from machine import (
    addresses,
    backup,
    browser,
    checks,
    clean,
    compose,
    deploying,
    facts,
    images,
    lanes,
    ports,
    ready,
    swarm,
    venv,
)
from machine.errors import CommandFailedError, EngineError
from machine.shell import logged, streamed
from machine.state import Workplace

UP = ("docker", "compose", "up", "--detach", "--no-build", "--wait", "--wait-timeout", "300")


def make_ready(place: Workplace) -> int:
    """Bring the machine to where `docker compose up --build` works."""
    seen = ready.machine(place)
    ready.base_images(place, compose.config(place.checkout), may_install=seen.may_install)
    print("Ready.")
    return 0


def up(place: Workplace) -> int:
    """Make the machine ready, start the stack, wait until it is healthy, print its pages."""
    seen = ready.machine(place)
    config = compose.config(place.checkout)
    ports.require(config, checkout=place.checkout)
    ready.base_images(place, config, may_install=seen.may_install)
    log = place.logs / "up.log"
    logged("Building the images", ["docker", "compose", "build"], log=log, cwd=place.checkout)
    try:
        logged("Starting, until all of it is healthy", UP, log=log, cwd=place.checkout)
    except CommandFailedError:
        streamed(["docker", "compose", "ps", "--all"], cwd=place.checkout)
        print("Why one of these is not healthy: docker compose logs <service>")
        raise
    print(f"\nUp and healthy:\n{addresses.table(addresses.pages(config))}")
    return 0


def down(place: Workplace) -> int:
    """Stop the stack; volumes stay."""
    ready.revive_engine(place)
    answers, says = facts.engine_answers()
    if not answers:
        print(f"No engine answers ({says}), so nothing of the stack runs.")
        return 0
    stop = ("docker", "compose", "--profile", "*", "down")
    logged("Stopping", stop, log=place.logs / "down.log", cwd=place.checkout)
    return 0


def take_back(place: Workplace) -> int:
    """Remove everything that `up` made."""
    ready.revive_engine(place)
    swarm.down(place)
    state = place.store.load()
    answers, says = facts.engine_answers()
    if answers and facts.observe().compose:
        project = str(compose.config(place.checkout)["name"])
        clean.stack(place.checkout, project=project)
        others = clean.containers_of_others(project) if state.engine else ()
        if others:
            raise EngineError(
                f"the engine that make started still runs containers that are not alertscale's: "
                f"{', '.join(others)}. Way out: stop them, then run make clean again."
            )
    else:
        print(f"No engine with Compose answers ({says}): images and volumes, if any, stay.")
    clean.engine(state, logs=place.logs, save=place.store.save)
    print(clean.packages_note(state.packages))
    plugin = [Path(state.compose_plugin)] if state.compose_plugin else []
    clean.files([*plugin, place.checkout / ".venv", place.state])
    return 0


def make_venv(place: Workplace) -> int:
    """Make .venv for tests and lint."""
    seen = facts.observe()
    venv.make(place, ensurepip=seen.ensurepip, may_install=seen.may_install)
    return 0


def make_browser(place: Workplace) -> int:
    """Install Chromium for the tests of the status page, where that can be done."""
    browser.provide(place, may_install=facts.observe().may_install)
    return 0


def make_deploying(place: Workplace) -> int:
    """Fetch an SSH server and gitlab-ci-local for the tests of the deploy, where that can be done."""
    deploying.provide(place, may_install=facts.observe().may_install)
    return 0


def check(place: Workplace) -> int:
    """Check the configuration files with the programs that will read them."""
    pinned = images.pinned(compose.config(place.checkout))
    checks.run(checks.all_checks(place.checkout, pinned))
    return 0


def side_by_side(_place: Workplace, lane: list[str], *, made: list[str]) -> int:
    """Run targets of make in lanes side by side, each one's output whole, and sum up."""
    command = ["make", "--no-print-directory", *(word for one in made for word in ("-o", one))]
    return lanes.Lanes([targets.split() for targets in lane], command=command).run()


COMMANDS: dict[str, Callable[..., int]] = {
    "ready": make_ready,
    "up": up,
    "down": down,
    "clean": take_back,
    "venv": make_venv,
    "browser": make_browser,
    "deploying": make_deploying,
    "check": check,
    "lanes": side_by_side,
    "backup": backup.take,
    "restore": backup.restore,
    "swarm-up": swarm.up,
    "swarm-down": swarm.down,
    "swarm-possible": swarm.possible,
}


def main(argv: list[str]) -> int:
    """Run one command; return the exit code."""
    words = vars(_parser().parse_args(argv))
    chosen = COMMANDS[words.pop("command")]
    place = Workplace(checkout=Path(__file__).resolve().parent.parent)
    try:
        return chosen(place, **words)
    except EngineError as fault:
        print(f"\n{fault}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python3 -m machine", description=__doc__, formatter_class=plain)
    choices = parser.add_subparsers(dest="command", required=True)
    made = {name: choices.add_parser(name, help=run.__doc__) for name, run in COMMANDS.items()}
    made["backup"].add_argument(
        "file", nargs="?", default="", help="where to; default: backups/alertscale-<time in UTC>.tar.gz"
    )
    made["restore"].add_argument("file", nargs="?", default="", help="a file that backup wrote")
    made["lanes"].add_argument("lane", nargs="+", help="its targets, between blanks")
    made["lanes"].add_argument("--made", nargs="*", default=[], help="targets that are made already")
    made["restore"].add_argument("--yes", action="store_true", help="do not ask")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
