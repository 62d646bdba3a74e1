"""How many requests a second replicas answer through nginx, and what nginx costs."""

from __future__ import annotations

import contextlib
import http.client
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import docker

from bench import plots, sites, usage
from bench.baselines import scale_then_reload
from bench.benchmark import SHIPPED, Benchmark, Context
from bench.errors import BenchError
from bench.model import Compared, Figure, Outcome, median
from bench.sites import Site
from bench.stacks import settle
from bench.words import counted
from machine.shell import capture
from testkit.load import Load
from testkit.stack import Stack

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

_MOST: Final = 4
_LIMIT: Final = 0.2
"""Cores of a replica: four of them, nginx and the clients fit on two cores."""
_PATH: Final = "/work?ms=0"
_CLIENTS: Final = 16
_ALONE_EVERY: Final = 0.02
"""Seconds between two requests of a client alone, so that the CPU limit is not what it waits for."""
_APP_PORT: Final = 5000
_RATE: Final = "requests/s"


@dataclass(frozen=True, kw_only=True)
class Length:
    """How much is measured.

    Attributes:
        rounds: of everything, each in an order of its own.
        warm: seconds under load before each count begins.
        counted: seconds of each count.
        alone: seconds of a client alone.
    """

    rounds: int
    warm: float
    counted: float
    alone: float


_QUICK: Final = Length(rounds=1, warm=0.3, counted=0.7, alone=0.6)
_FULL: Final = Length(rounds=5, warm=0.7, counted=3.5, alone=2.0)


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round came to.

    Attributes:
        bare: requests a second of one replica that is asked directly.
        through: requests a second through nginx, by rising number of replicas, from one on.
        directly: milliseconds of an answer to a client alone, median, of a replica asked directly.
        by_nginx: the same through nginx, with one replica behind it.
        clients: percent of a core that the clients took with the most replicas.
    """

    bare: float
    through: tuple[float, ...]
    directly: float
    by_nginx: float
    clients: float


@dataclass(frozen=True, kw_only=True)
class _Door:
    """Where requests are sent, and how many replicas are behind it."""

    host: str
    port: int
    replicas: int


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What was seen at a door: requests a second, requests in all, percent of a core for the clients."""

    rate: float
    sent: int
    clients: float


def run(context: Context) -> Outcome:
    """Rounds of everything, each in random order, while four replicas run all the time."""
    length = _QUICK if context.quick else _FULL
    chance = random.Random(context.seed)  # noqa: S311 - an order that can be repeated, not a secret
    with _four(context) as addresses, contextlib.closing(docker.from_env(version="auto")) as engine:
        servers = [f"{address}:{_APP_PORT}" for address in addresses]
        behind = [Site(upstream=f"first-{n}", servers=tuple(servers[:n])) for n in range(1, _MOST + 1)]
        with sites.opened(context.stack, behind) as nginx:
            doors = [_Door(host=nginx, port=sites.port(n), replicas=n + 1) for n in range(_MOST)]
            return _rounds(context, length, engine, doors=doors, addresses=addresses, chance=chance)


@contextlib.contextmanager
def _four(context: Context) -> Iterator[list[str]]:
    """Four replicas of the small limit that no alert moves; yields their addresses. As it was at the end."""
    stack = context.stack
    context.progress.stage(f"Four replicas of {_LIMIT:g} cores")
    stack.pause("all")
    shipped = stack.containers()[0]["HostConfig"]["NanoCpus"] / 1e9
    try:
        # By Compose: without the cooldowns of steps, which are not what is measured.
        scale_then_reload.up(stack, _MOST, "--no-recreate")
        stack.await_replicas(_MOST, within=60)
        _limit(stack, _LIMIT)
        yield sorted(stack.addresses())
    finally:
        context.progress.stage("Back to one replica")
        _limit(stack, shipped)
        # By the scaler: a count that somebody else took back would be restored at the next alert.
        settle(stack)


def _limit(stack: Stack, cores: float) -> None:
    ids = [str(container["Id"]) for container in stack.containers()]
    done = capture("docker", "update", "--cpus", f"{cores:g}", *ids)
    if not done.ok:
        raise BenchError(f"cannot limit the replicas to {cores:g} cores: {done.stderr.strip()}")


def _rounds(
    context: Context,
    length: Length,
    engine: docker.DockerClient,
    *,
    doors: Sequence[_Door],
    addresses: Sequence[str],
    chance: random.Random,
) -> Outcome:
    nginx = str(context.stack.containers("nginx")[0]["Id"])
    before = usage.look(engine, nginx).cpu
    context.progress.stage("Rounds", total=length.rounds)
    rounds: list[Round] = []
    proxied = 0
    while len(rounds) < length.rounds:
        # Whichever replica: one that is slower than the others shall not be all that is known of them.
        bare = _Door(host=chance.choice(addresses), port=_APP_PORT, replicas=1)
        found, sent = _round(length, bare=bare, doors=doors, chance=chance)
        rounds.append(found)
        proxied += sent
        context.progress.at(len(rounds), f"{_MOST} replicas: {found.through[-1]:.0f} {_RATE}")
    spent = usage.look(engine, nginx).cpu - before
    return outcome(rounds, proxy_ms=1000 * spent / proxied)


def _round(
    length: Length, *, bare: _Door, doors: Sequence[_Door], chance: random.Random
) -> tuple[Round, int]:
    """One round, and how many requests nginx passed on in it."""
    seen: dict[_Door, _Seen] = {}
    alone: dict[_Door, list[float]] = {}
    order = [*((door, False) for door in (bare, *doors)), (bare, True), (doors[0], True)]
    chance.shuffle(order)
    for door, single in order:
        if single:
            alone[door] = _alone(door, length.alone)
        else:
            seen[door] = _saturated(door, length)
    found = Round(
        bare=seen[bare].rate,
        through=tuple(seen[door].rate for door in doors),
        directly=round(statistics.median(alone[bare]), 3),
        by_nginx=round(statistics.median(alone[doors[0]]), 3),
        clients=seen[doors[-1]].clients,
    )
    return found, sum(seen[door].sent for door in doors) + len(alone[doors[0]])


def _saturated(door: _Door, length: Length) -> _Seen:
    with Load(host=door.host, port=door.port, clients=_CLIENTS, path=_PATH) as load:
        time.sleep(length.warm)
        first, busy, begun = load.answers["200"], time.process_time(), time.monotonic()
        time.sleep(length.counted)
        answered, busy, took = (
            load.answers["200"] - first,
            time.process_time() - busy,
            time.monotonic() - begun,
        )
    if load.failures:
        raise BenchError(f"{door.replicas} replicas did not answer every request: {load.failures}")
    if len(load.first_answer) != door.replicas:
        raise BenchError(f"{len(load.first_answer)} replicas answered, not {door.replicas}")
    return _Seen(
        rate=round(answered / took, 1),
        sent=load.answers.total(),
        clients=round(100 * busy / took, 1),
    )


def _alone(door: _Door, seconds: float) -> list[float]:
    """Milliseconds of each answer to one client that lets the replica rest in between."""
    connection = http.client.HTTPConnection(door.host, door.port, timeout=60)
    took = []
    try:
        due = end = time.monotonic()
        end += seconds
        while due < end:
            time.sleep(max(0.0, due - time.monotonic()))
            begun = time.perf_counter()
            connection.request("GET", _PATH)
            connection.getresponse().read()
            took.append(1000 * (time.perf_counter() - begun))
            due += _ALONE_EVERY
    finally:
        connection.close()
    return took


def outcome(rounds: Sequence[Round], *, proxy_ms: float) -> Outcome:
    """The figures of all rounds. Pure.

    Args:
        rounds: at least one.
        proxy_ms: milliseconds of CPU that nginx spent on a request, over all rounds.
    """
    bare = median("bare waitress, asked directly", [one.bare for one in rounds], unit=_RATE)
    whole = 1000 * _LIMIT / statistics.median(one.through[0] for one in rounds)
    directly = statistics.median(one.directly for one in rounds)
    figures = (
        bare,
        *(_through(rounds, n, bare=bare.value) for n in range(1, _MOST + 1)),
        *(_scaled(rounds, n) for n in range(2, _MOST + 1)),
        median(
            "fewer requests through nginx than of the bare waitress, 1 replica",
            [100 * (1 - one.through[0] / one.bare) for one in rounds],
            unit="%",
            digits=1,
        ),
        median(
            "an answer to a client alone, through nginx",
            [one.by_nginx for one in rounds],
            unit="ms",
            compared=Compared(what="bare waitress", value=directly),
        ),
        Figure(
            name="nginx: CPU a request",
            value=round(proxy_ms, 3),
            unit="ms",
            compared=Compared(what="a replica's whole limit", value=round(whole, 3)),
        ),
        median(f"the clients: CPU at {_MOST} replicas", [one.clients for one in rounds], unit="% of a core"),
    )
    return Outcome(figures=figures, raw={"rounds": [asdict(one) for one in rounds]})


def _through(rounds: Sequence[Round], replicas: int, *, bare: float) -> Figure:
    times = "" if replicas == 1 else f"{replicas} times the "
    return median(
        f"through nginx, {counted(replicas)}",
        [one.through[replicas - 1] for one in rounds],
        unit=_RATE,
        compared=Compared(what=f"{times}bare waitress", value=round(replicas * bare, 1)),
    )


def _scaled(rounds: Sequence[Round], replicas: int) -> Figure:
    # Of the same round each, so that what slows the machine down for a while slows both.
    return median(
        f"{replicas} replicas, times one replica through nginx",
        [one.through[replicas - 1] / one.through[0] for one in rounds],
        digits=3,
        compared=Compared(what="linear", value=replicas),
    )


def plot(drawing: Drawing, raw: Mapping[str, Any]) -> None:
    """Requests a second against replicas, beside the straight line; and what a client alone waits."""
    rates, waits = drawing.subplots(1, 2, width_ratios=(3, 1))
    rounds = raw["rounds"]
    replicas = range(1, _MOST + 1)
    medians = [statistics.median(one["through"][n - 1] for one in rounds) for n in replicas]
    for one in rounds:
        rates.scatter(replicas, one["through"], color=plots.OURS, alpha=0.35, s=14)
    rates.plot(replicas, medians, color=plots.OURS, marker="o", label="through nginx, median")
    rates.plot(
        replicas,
        [n * medians[0] for n in replicas],
        "--",
        color=plots.THEIRS,
        label="linear: N times one replica",
    )
    bare = [one["bare"] for one in rounds]
    rates.scatter([1] * len(bare), bare, color="black", marker="x", zorder=3, label="bare waitress")
    rates.set_xticks(list(replicas))
    rates.set_xlabel(f"replicas of {_LIMIT:g} cores each")
    rates.set_ylabel("requests a second")
    plots.legend(rates)
    for column, name, color in ((0, "directly", "black"), (1, "by_nginx", plots.OURS)):
        values = [one[name] for one in rounds]
        waits.scatter([column] * len(values), values, color=color)
    waits.set_xticks([0, 1], ["bare\nwaitress", "through\nnginx"])
    waits.set_xlim(-0.5, 1.5)
    waits.set_ylim(0, 1.15 * max(max(one["directly"], one["by_nginx"]) for one in rounds))
    waits.set_ylabel("ms to an answer, one client alone")


BENCHMARK = Benchmark(
    name="service",
    purpose="What nginx in front of the replicas costs, and how near to linear replicas add up",
    explained=(
        f"Four replicas of flask-app, each limited to {_LIMIT:g} cores so that all of them, nginx and the "
        f"clients fit on two cores, run all the time; nginx has a site for the first one, two, three and "
        f"four of them, with an upstream as the scaler writes it, and {_CLIENTS} keep-alive clients ask one "
        f"of the sites, or one replica past nginx, for `{_PATH}`, the lightest request, which shows the cost "
        "of nginx the most. All go to addresses on the stack's network, past published ports. Short counts "
        "in random order, again and again; every request must be answered, and by as many replicas as are "
        "meant. A count that is divided by another is divided by the one of its own round. A client alone "
        "sends fifty requests a second, so that the CPU limit is not what it waits for. nginx's CPU is the "
        "engine's reading of its cgroup over all rounds, health checks included. Where the clients come "
        "near a whole core, they are what is measured."
    ),
    quick=25,
    full=170,
    needs=SHIPPED,
    run=run,
    plots={"": plot},
)
