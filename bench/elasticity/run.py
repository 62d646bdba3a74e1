"""The trace on all five at once: the load, the two other autoscalers, and those who look."""

import asyncio
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import requests

from bench.baselines import cron_poller, hpa, scale_then_reload
from bench.benchmark import Progress
from bench.elasticity.load import PATIENCE, Door, Tally, play
from bench.elasticity.metrics import by_second
from bench.elasticity.supply import Replica
from bench.elasticity.trace import arrivals
from bench.elasticity.variants import CRON, HPA, MOST, VARIANTS, Beside, own_session
from bench.growth import Samples
from bench.sampling import Sampler
from testkit.stack import Stack

TARGET: Final = 0.70
"""Of the HPA: what HighCPU has as its threshold."""
_LEAD: Final = 2.0
"""Seconds before the first trace begins, in which supply is looked at."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """What became of one variant under the trace, all by the second of its own trace.

    Attributes:
        supply: replicas ready.
        running: replicas running, those that start or finish included.
        tally: of its requests.
    """

    supply: tuple[int, ...]
    running: tuple[int, ...]
    tally: Tally


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is played.

    Attributes:
        rates: requests a second, in each second of the trace.
        apart: seconds by which each variant's trace begins after that of the one before, so that their
            peaks do not coincide on one machine.
        look_every: seconds between two looks into the scaler.
        seed: of the arrivals and of the cron job's phase.
    """

    rates: tuple[float, ...]
    apart: float
    look_every: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Played:
    """What became of all five, and of those who looked.

    Attributes:
        followed: by service.
        looks: into the scaler, by time.
        missed: looks that were left out since nobody answered, by who looked and why.
    """

    followed: Mapping[str, Followed]
    looks: Samples
    missed: Mapping[str, int]


def play_all(beside: Beside, plan: Plan, *, progress: Progress) -> Played:
    """Play the trace on all five."""
    stop = threading.Event()
    first = time.monotonic() + _LEAD
    begins = {one.service: first + n * plan.apart for n, one in enumerate(VARIANTS)}
    tallies = {one.service: Tally() for one in VARIANTS}
    chance = random.Random(plan.seed)  # noqa: S311 - a load that can be repeated, not a secret
    moments = arrivals(plan.rates, chance=chance)
    looks: Samples = []
    beat = Beat(wait=stop.wait)
    with ThreadPoolExecutor(4) as pool:
        try:
            jobs = [
                pool.submit(_load, beside.doors, moments, begins=begins, tallies=tallies, stop=stop),
                pool.submit(_cron, beside, beat, phase=chance.uniform(0, cron_poller.EVERY)),
                pool.submit(_hpa, beside, beat),
                pool.submit(_look_inside, beside.stack, looks, beat, every=plan.look_every),
            ]
            end = max(begins.values()) + len(plan.rates) + PATIENCE
            counted = _watch(beside, jobs, end=end, progress=progress)
        finally:
            stop.set()
        for job in jobs:
            job.result()
    followed = {
        service: _followed(counted, service, begin=begins[service], plan=plan, tally=tallies[service])
        for service in begins
    }
    return Played(followed=followed, looks=looks, missed=beat.missed)


def _load(
    doors: Mapping[str, Door],
    moments: Sequence[float],
    *,
    begins: Mapping[str, float],
    tallies: Mapping[str, Tally],
    stop: threading.Event,
) -> None:
    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for name, door in doors.items():
                group.create_task(play(door, moments, begin=begins[name], tally=tallies[name], stop=stop))

    asyncio.run(all_of_them())


@dataclass(frozen=True, kw_only=True)
class Beat:
    """Those who look at a fixed beat, until they are told to stop.

    Attributes:
        wait: for so many seconds; true if told to stop meanwhile.
        missed: looks that were left out since nobody answered, by who looked and why.
        monotonic: in seconds.
    """

    wait: Callable[[float], bool]
    missed: Counter[str] = field(default_factory=Counter)
    monotonic: Callable[[], float] = time.monotonic

    def repeat(self, look: Callable[[], object], *, who: str, every: float, first: float = 0.0) -> None:
        """Look again and again; where nobody answers in time that is counted, and the next look comes anyway.

        Args:
            look: may take longer than a beat, and beats are then left out.
            who: looks.
            every: seconds from beat to beat.
            first: seconds until the first one.
        """
        due = self.monotonic() + first
        while not self.wait(max(0.0, due - self.monotonic())):
            try:
                look()
            except (requests.RequestException, subprocess.TimeoutExpired) as error:
                self.missed[f"{who}: {type(error).__name__}"] += 1
            late = self.monotonic() - due
            due += every * (1 + late // every)


def _cron(beside: Beside, beat: Beat, *, phase: float) -> None:
    """Once a minute, one replica more or fewer; scale, then reload."""
    stack = own_session(beside.stack)
    project = beside.project.project

    def look() -> None:
        now = len(beside.supply.replicas(CRON.service))
        busy = cron_poller.utilization(stack, service=CRON.service, project=project)
        if busy is not None:
            wanted = cron_poller.wanted(now, busy, most=MOST)
            if wanted != now:
                scale_then_reload.scale(beside.project, wanted, service=CRON.service, proxy=CRON.gate)

    beat.repeat(look, who=CRON.shown, every=cron_poller.EVERY, first=phase)


def _hpa(beside: Beside, beat: Beat) -> None:
    """Every 15 s, as many as the algorithm says; nginx follows by itself, as a Service of Kubernetes does."""
    stack = own_session(beside.stack)
    scaler = hpa.Hpa(most=MOST, target=TARGET)

    def sync() -> None:
        at = time.monotonic()
        used = cron_poller.by_replica(
            stack, service=HPA.service, project=beside.project.project, window=f"{hpa.WINDOW:.0f}s"
        )
        replicas = beside.supply.replicas(HPA.service)
        usage = measured(used, replicas, at=at)
        wanted = scaler.sync(at, usage=usage, unready=len(replicas) - len(usage))
        if wanted != len(replicas):
            scale_then_reload.up(beside.project, wanted, "--no-recreate", service=HPA.service)

    beat.repeat(sync, who=HPA.shown, every=hpa.SYNC)


def measured(used: Mapping[str, float], replicas: Sequence[Replica], *, at: float) -> dict[str, float]:
    """The usage of the replicas that have been ready for a whole window: the HPA sees no others. Pure."""
    return {
        one.name: used[one.name]
        for one in replicas
        if one.name in used and one.ready_since is not None and one.ready_since <= at - hpa.WINDOW
    }


def _look_inside(stack: Stack, looks: Samples, beat: Beat, *, every: float) -> None:
    begun = time.monotonic()
    sampler = Sampler(own_session(stack))

    def look() -> None:
        at = round(time.monotonic() - begun, 1)
        looks.append({"at": at, **sampler.sample()})

    beat.repeat(look, who="the look into the scaler", every=every)


_Counted = dict[str, list[tuple[float, int, int]]]
"""By service: time, replicas ready, replicas running."""


def _watch(beside: Beside, jobs: Sequence[Future[None]], *, end: float, progress: Progress) -> _Counted:
    """Look at the supply once a second until the end, or until one of the jobs has failed."""
    counted: _Counted = {one.service: [] for one in VARIANTS}
    begun = time.monotonic()
    progress.stage("The trace on all five", total=round(end - begun))
    while (now := time.monotonic()) < end and not any(_failed(job) for job in jobs):
        beside.supply.look()
        seen = time.monotonic()
        for service, samples in counted.items():
            samples.append((seen, beside.supply.ready(service), len(beside.supply.replicas(service))))
        progress.at(now - begun, _note(beside))
        time.sleep(max(0.0, 1 - (time.monotonic() - now)))
    return counted


def _failed(job: Future[None]) -> bool:
    return job.done() and job.exception() is not None


def _note(beside: Beside) -> str:
    counts = (str(beside.supply.ready(one.service)) for one in VARIANTS)
    return f"replicas {' '.join(counts)}"


def _followed(counted: _Counted, service: str, *, begin: float, plan: Plan, tally: Tally) -> Followed:
    samples = counted[service]
    seconds = len(plan.rates)
    ready = [(at, count) for at, count, _ in samples]
    running = [(at, count) for at, _, count in samples]
    return Followed(
        supply=tuple(by_second(ready, begin=begin, seconds=seconds)),
        running=tuple(by_second(running, begin=begin, seconds=seconds)),
        tally=tally,
    )
