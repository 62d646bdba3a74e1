"""What people run from cron: once a minute look at CPU, scale by Compose, reload nginx.

CPU is what such a job has: samples 15 s apart, averaged over a minute. (They are taken out of those that
Prometheus scrapes each second.) It looks at the same thresholds as the alerts HighCPU and LowCPU as shipped.

A run takes minutes, nearly all of them spent waiting, so several jobs run side by side: each looks after a
service of its own, which nobody else scales and no other job's load reaches, and all of them fit on the
machine at once (six replicas of a fifth of a core at the end). Beside that they share Prometheus, which is
asked once a minute by each, and nginx: a reload for one job loads the names of the others too, which
changes nothing for a service that was not scaled a moment ago, and two jobs never look at the same moment.
How long a job takes is decided by where its load step falls between two samples and between two looks.
Both are spread evenly over their whole range (see :func:`plan`), the range itself begins by chance, so a
few jobs show all of the spread, which as many runs one after the other at random moments need not.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench import sites
from bench.baselines import scale_then_reload
from bench.errors import BenchError
from bench.sampling import ask
from testkit.load import Load
from testkit.stack import Stack, wait_until

EVERY: Final = 60.0
"""Seconds between two looks."""
SERVICES: Final = ("cron-1", "cron-2", "cron-3")
"""Of the Compose file below."""
_COMPOSE: Final = "bench/baselines/docker-compose.crons.yml"
_SAMPLES: Final = 15.0
_WINDOW: Final = f"1m:{_SAMPLES:g}s"
_THRESHOLD: Final = 0.70
_LOW: Final = 0.30
_LONGEST: Final = 3 * EVERY

_USED: Final = "sum by (name) (rate(container_cpu_usage_seconds_total{%s}[%s]))"
_LIMIT: Final = "max by (name) (container_spec_cpu_quota{%s} / container_spec_cpu_period{%s})"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A cron job and when it meets its load.

    Attributes:
        service: that it looks after.
        load: seconds from the common start to the step of load.
        look: seconds from the step of load to the job's first look.
    """

    service: str
    load: float
    look: float


def plan(services: Sequence[str], chance: random.Random) -> tuple[Job, ...]:
    """Spread load steps over the time between two samples, and first looks over that between two looks."""
    first = chance.uniform(0, EVERY)
    share = 1 / len(services)
    looks = [(first + n * share * EVERY) % EVERY for n in range(len(services))]
    chance.shuffle(looks)
    return tuple(
        Job(service=service, load=n * share * _SAMPLES, look=look)
        for n, (service, look) in enumerate(zip(services, looks, strict=True))
    )


@dataclass(frozen=True, kw_only=True)
class Served:
    """The services of the cron jobs, one replica each.

    Attributes:
        stack: with their Compose file.
        nginx: its address.
    """

    stack: Stack
    nginx: str

    def load(self, service: str) -> Load:
        """The load for one of them, not begun."""
        return Load(host=self.nginx, port=sites.port(SERVICES.index(service)))


@contextlib.contextmanager
def served(stack: Stack) -> Iterator[Served]:
    """Start the services of the cron jobs, each behind a site of its own; gone at the end."""
    more = replace(stack, files=(*stack.files, _COMPOSE))
    try:
        more.compose("up", "--detach", "--no-deps", "--no-recreate", *SERVICES)
        with sites.opened(stack, SERVICES) as nginx:
            yield Served(stack=more, nginx=nginx)
    finally:
        more.compose("rm", "--stop", "--force", *SERVICES)


def run(on: Served, jobs: Sequence[Job], *, told: Callable[[float, str], None]) -> list[float]:
    """Load each service at its moment, let each job look once a minute, and scale as it finds.

    Args:
        on: services with one replica each, idle for a minute.
        jobs: one for each service at most.
        told: how many have scaled, and what was seen last.

    Returns:
        Of each job, seconds from its load's start to the first answer of its new replica through nginx.

    Raises:
        BenchError: CPU does not become high.
    """
    loads = {job.service: on.load(job.service) for job in jobs}
    with contextlib.ExitStack() as running:
        _take_turns(on, jobs, loads, begin=running.enter_context, told=told)
        wait_until(
            lambda: all(len(load.first_answer) > 1 for load in loads.values()),
            within=60,
            what="an answer of each new replica",
        )
    return [max(load.first_answer.values()) for load in loads.values()]


def _take_turns(
    on: Served,
    jobs: Sequence[Job],
    loads: dict[str, Load],
    *,
    begin: Callable[[Load], Load],
    told: Callable[[float, str], None],
) -> None:
    """Begin loads and let jobs look, each at its moment, until all jobs have scaled."""
    start = time.monotonic()
    due = [(job.load, job, False) for job in jobs]
    scaled = 0
    while due:
        due.sort(key=lambda turn: turn[0])
        at, job, looks = due.pop(0)
        time.sleep(max(0.0, start + at - time.monotonic()))
        if not looks:
            begin(loads[job.service])
            due.append((at + job.look, job, True))
            continue
        busy = utilization(on.stack, service=job.service, project=on.stack.project) or 0.0
        if busy > _THRESHOLD:
            scale_then_reload.scale(on.stack, 2, service=job.service)
            scaled += 1
        elif at + EVERY > job.load + _LONGEST:
            raise BenchError(
                f"after {_LONGEST:g} s of load the cron job sees {busy:.0%} of the CPU limit in use, not over"
                f" {_THRESHOLD:.0%}. Way out: leave the machine alone meanwhile, and run it again"
            )
        else:
            due.append((at + EVERY, job, True))
        told(scaled, f"{job.service} at {busy:.0%} after {at - job.load:.0f} s")


def wanted(replicas: int, busy: float, *, most: int) -> int:
    """Replicas that the job sets: one more where CPU is high, one fewer where it is low. Pure.

    Args:
        replicas: that there are.
        busy: CPU over its limit, mean over them.
        most: replicas that there can be.
    """
    change = (busy > _THRESHOLD) - (busy < _LOW)
    return min(max(replicas + change, 1), most)


def utilization(stack: Stack, *, service: str, project: str) -> float | None:
    """CPU over its limit, mean over the replicas and the last minute; None where there are no samples."""
    found = by_replica(stack, service=service, project=project, window=_WINDOW)
    return sum(found.values()) / len(found) if found else None


def by_replica(stack: Stack, *, service: str, project: str, window: str) -> dict[str, float]:
    """CPU over its limit by a replica's name, of those that have samples.

    Args:
        stack: whose Prometheus is asked.
        service: of whose replicas.
        project: the Compose project of the service.
        window: of the mean, as PromQL has it between brackets.
    """
    chosen = (
        f'container_label_com_docker_compose_project="{project}",'
        f'container_label_com_docker_compose_service="{service}"'
    )
    found = ask(stack, f"{_USED % (chosen, window)} / {_LIMIT % (chosen, chosen)}")
    return {str(row["metric"]["name"]): float(row["value"][1]) for row in found}
