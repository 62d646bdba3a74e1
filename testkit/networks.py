"""A fault of the engine's own: it keeps a network for containers that are not there."""

import subprocess
import warnings
from collections.abc import Callable

REFUSED = "has active endpoints"


class EngineFaultWarning(UserWarning):
    """The engine did wrong, not the stack: told at the end of the run."""


def remove(network: str) -> str:
    """Ask the engine to remove a network; return why it does not."""
    return subprocess.run(
        ["docker", "network", "rm", network], capture_output=True, text=True, check=False
    ).stderr


def kept_by(down: subprocess.CompletedProcess[str], *, project: str) -> list[str]:
    """Expect a ``docker compose down`` to have done all it should but for a fault of the engine.

    Returns:
        The networks that the engine kept by a miscount, by name (`kept_for_nothing`).

    Raises:
        AssertionError: It failed for another reason.
    """
    kept = kept_for_nothing(down.stderr, project=project) if down.returncode else []
    words = " ".join(down.args)
    assert kept or down.returncode == 0, f"{words}: exit {down.returncode}\n{down.stdout}{down.stderr}"
    return kept


def kept_for_nothing(told: str, *, project: str, remove: Callable[[str], str] = remove) -> list[str]:
    """The networks that the engine refused to remove though nothing is on them; each is told as a warning.

    Beside the endpoints of a network the engine keeps their number, and that becomes too high now and then
    when containers start and stop at the same moment (seen on 20.10; moby/moby, issue 42119). It counts anew
    at its start.

    Args:
        told: what ``docker compose down`` printed as it failed.
        project: the Compose project.
        remove: asks the engine once more, now that nothing is on them.

    Returns:
        Their names; none if anything else failed, or if one of them is in use, or was a moment ago.
    """
    errors = [line for line in told.splitlines() if "error" in line.casefold()]
    if not errors or not all(REFUSED in line for line in errors):
        return []
    of_project = ("--filter", f"label=com.docker.compose.project={project}")
    listed = _docker("network", "ls", "--format", "{{.Name}}", *of_project)
    networks = [network for network in listed if f"network {network} " in told]
    if any(_used(network) or REFUSED not in remove(network) for network in networks):
        return []
    for network in networks:
        warnings.warn(
            f"the engine keeps the network {network}, on which nothing is: it miscounted. Way out: start the"
            " engine anew, then docker network rm",
            EngineFaultWarning,
            stacklevel=2,
        )
    return networks


def _used(network: str) -> bool:
    on_it = "{{range .Containers}}{{.Name}} {{end}}"
    return bool(
        _docker("ps", "--all", "--quiet", "--filter", f"network={network}")
        or _docker("network", "inspect", "--format", on_it, network)
    )


def _docker(*words: str) -> list[str]:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout.split()
