"""Five services of one image side by side, each scaled by somebody else."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import docker
import requests

from bench import sites
from bench.benchmark import Progress
from bench.elasticity.load import Door
from bench.elasticity.supply import Supply, answers_ready, listed
from bench.stacks import PROJECT, settle, uninterrupted
from testkit.stack import Stack, wait_until

MOST: Final = 4
"""Replicas that each may have; as bench/docker-compose.elasticity.yml has it."""
BESIDE: Final = f"{PROJECT}-elasticity"
"""The Compose project of the five."""
_FILE: Final = "bench/docker-compose.elasticity.yml"
_SITE: Final = "bench/elasticity/site.conf"
_SITES: Final = "nginx/conf.d"
_GATE: Final = "gate"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One of the five.

    Attributes:
        service: in the Compose file; also the host by which an nginx knows it.
        shown: its name in the table.
        gate: the service whose nginx is in front of it.
    """

    service: str
    shown: str
    gate: str = _GATE


OURS: Final = Variant(service="followed", shown="alertscale", gate="nginx")
HPA: Final = Variant(service="hpa", shown="Kubernetes HPA")
CRON: Final = Variant(service="cron", shown="cron job")
ONE: Final = Variant(service="one", shown="fixed at 1")
FULL: Final = Variant(service="full", shown=f"fixed at {MOST}")
VARIANTS: Final = (OURS, HPA, CRON, ONE, FULL)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The five, up.

    Attributes:
        project: of the five.
        stack: whose scaler looks after one of them.
        supply: to be looked with.
        doors: where each variant's requests go, by service.
    """

    project: Stack
    stack: Stack
    supply: Supply
    doors: dict[str, Door]


def own_session(stack: Stack) -> Stack:
    """The same stack for another thread: sessions are not made to be shared."""
    return replace(stack, session=requests.Session())


@contextlib.contextmanager
def beside(stack: Stack, progress: Progress) -> Iterator[Beside]:
    """The five services beside a stack, each with the replicas that it begins with; gone at the end."""
    project = replace(own_session(stack), project=BESIDE, files=(_FILE,))
    network = f"{stack.project}_default"
    site = stack.directory / _SITES / "elasticity.conf"
    progress.stage("Starting five services of the same kind")
    with contextlib.closing(docker.from_env(version="auto")) as engine:
        supply = Supply(listed=lambda: listed(engine, project=BESIDE, network=network), ready=answers_ready)
        try:
            project.compose("up", "--detach", "--wait", "--wait-timeout", "180")
            wait_until(lambda: stack.service(OURS.service), within=60, what="the scaler to see its service")
            stack.pause("up", service=OURS.service)
            wait_until(lambda: _begun(supply), within=180, what="the first replicas of all five", every=0.5)
            # A replica that starts on a tenth of a core is as busy as can be, and asks for another.
            settle(stack, service=OURS.service)
            wait_until(lambda: _upstream(stack), within=60, what=f"nginx's upstream of {OURS.service}")
            shutil.copyfile(stack.directory / _SITE, site)
            sites.reload(stack)
            doors = {one.service: _door(stack, one) for one in VARIANTS}
            yield Beside(project=project, stack=stack, supply=supply, doors=doors)
        finally:
            progress.stage("Removing the five services")
            with uninterrupted():
                # First the site: nginx takes no configuration that names an upstream which is gone.
                site.unlink(missing_ok=True)
                # On the way out of a failure, which must stay what is told.
                sites.reload(stack, check=False)
                project.compose("down", "--timeout", "1", check=False)
                project.session.close()


def _begun(supply: Supply) -> bool:
    supply.look()
    return all(supply.ready(one.service) >= (MOST if one is FULL else 1) for one in VARIANTS)


def _upstream(stack: Stack) -> bool:
    return bool(stack.upstream(f"{BESIDE}.{OURS.service}"))


def _door(stack: Stack, variant: Variant) -> Door:
    # Past any port of the machine: its proxy would be a part of the figures.
    project = stack.project if variant.gate == "nginx" else BESIDE
    (address,) = stack.addresses(variant.gate, project=project)
    return Door(address=address, host=variant.service)
