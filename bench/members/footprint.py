"""What scaler and exporter take, and how it grows with replicas and with alerts."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import repeat
from typing import Any, Final

import docker
import requests
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from bench import plots, usage
from bench.benchmark import SHIPPED, Benchmark, Context
from bench.errors import BenchError
from bench.model import Compared, Figure, Outcome, Target, at_least, at_most
from bench.sampling import ask
from bench.stacks import PROJECT, uninterrupted
from bench.stats import percentile, slope, spread
from bench.webhooks import latencies, notification
from bench.words import counted
from testkit.stack import Stack, wait_until

_MIB: Final = 1024**2
_KIB: Final = 1024
_CROWD: Final = "bench/docker-compose.crowd.yml"
_SETTLED: Final = 5.0
_MEMORY_EVERY: Final = 5.0
_TICK: Final = re.compile(r"^alertscale_tick_seconds_(sum|count) (\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Length:
    """How much is measured.

    Attributes:
        sizes: small replicas.
        window: seconds of steady state at each size.
        scrapes: that it should hold, at one a second.
        alerts: in a webhook.
        posts: of each of these.
        fresh: posts of alerts that were never sent before.
    """

    sizes: tuple[int, ...]
    window: float
    scrapes: int
    alerts: tuple[int, ...]
    posts: int
    fresh: int


_QUICK: Final = Length(sizes=(1, 10), window=12, scrapes=10, alerts=(1, 10, 100, 1000), posts=100, fresh=50)
_FULL: Final = Length(
    sizes=(1, 10, 50, 100), window=53, scrapes=50, alerts=(1, 10, 100, 1000), posts=200, fresh=50
)
_FRESH: Final = 100
"""Alerts in a post of new ones."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What was held and used at one number of replicas.

    Attributes:
        replicas: small ones, beside the stack itself.
        containers: in the exporter's answer.
        scaler_memory: greatest working set, MiB.
        exporter_memory: greatest working set, MiB.
        scaler_cpu: over the window, in percent of one core.
        exporter_cpu: over the window, in percent of one core.
        scrapes: milliseconds of each scrape of the exporter, as Prometheus timed it.
        scrape_size: KiB of the exporter's answer.
        tick: milliseconds of the loop's passes, mean over the window.
        ticks: passes a second.
    """

    replicas: int
    containers: int
    scaler_memory: float
    exporter_memory: float
    scaler_cpu: float
    exporter_cpu: float
    scrapes: tuple[float, ...]
    scrape_size: float
    tick: float
    ticks: float


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """How long the scaler took over webhooks of one size.

    Attributes:
        alerts: in each.
        fresh: whether they had never been sent before.
        took: milliseconds of each post.
    """

    alerts: int
    fresh: bool
    took: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A figure at every size: how it is shown, its column, and its target, at some sizes only if named."""

    shown: str
    column: str
    unit: str
    digits: int
    target: Target | None = None
    at: tuple[int, ...] = ()
    grows: bool = True


_ROWS: Final = (
    _Row(shown="scaler: memory", column="scaler_memory", unit="MiB", digits=1, target=at_most(64)),
    _Row(shown="exporter: memory", column="exporter_memory", unit="MiB", digits=1, target=at_most(48)),
    _Row(shown="scaler: CPU", column="scaler_cpu", unit="% of a core", digits=2),
    _Row(shown="exporter: CPU", column="exporter_cpu", unit="% of a core", digits=2),
    _Row(shown="both: CPU", column="cpu", unit="% of a core", digits=2, target=at_most(3), at=(10,)),
    _Row(shown="scrape, median", column="scrape_median", unit="ms", digits=1),
    _Row(
        shown="scrape, p95",
        column="scrape_p95",
        unit="ms",
        digits=1,
        target=at_most(150),
        at=(100,),
        # A single slow scrape is no trend.
        grows=False,
    ),
    _Row(shown="scrape, size", column="scrape_size", unit="KiB", digits=1),
    _Row(shown="a pass of the scaler's loop, mean", column="tick", unit="ms", digits=2),
)
_WEBHOOK_P99: Final = {100: at_most(25)}


def run(context: Context) -> Outcome:
    """Webhooks first, on the stack alone; then more and more replicas."""
    length = _QUICK if context.quick else _FULL
    stack = context.stack
    stack.pause("all")
    try:
        hooks = _hooks(context, length)
        with _crowd(stack) as crowd, contextlib.closing(docker.from_env(version="auto")) as engine:
            held = [_held(context, crowd, engine, size, length) for size in length.sizes]
            context.progress.stage("Removing the small replicas")
    finally:
        stack.pause("none")
    return outcome(held, hooks=hooks, scrapes=length.scrapes)


def _hooks(context: Context, length: Length) -> list[Webhook]:
    context.progress.stage("Webhooks", total=length.posts * len(length.alerts) + length.fresh)
    found = []
    done = 0
    for count in length.alerts:
        body = notification(count, series="again")
        found.append(_posted(context, repeat(body, length.posts), count, fresh=False, done=done))
        done += length.posts
    bodies = (notification(_FRESH, series=str(number)) for number in range(length.fresh))
    found.append(_posted(context, bodies, _FRESH, fresh=True, done=done))
    return found


def _posted(context: Context, bodies: Iterator[bytes], count: int, *, fresh: bool, done: int) -> Webhook:
    stack = context.stack
    took = []
    for one in latencies(bodies, port=stack.ports["SCALER_PORT"], token=stack.token()):
        took.append(round(one, 3))
        context.progress.at(done + len(took), f"of {count} alerts: {one:.0f} ms")
    return Webhook(alerts=count, fresh=fresh, took=tuple(took))


@contextlib.contextmanager
def _crowd(stack: Stack) -> Iterator[Stack]:
    """Another Compose project on the stack's network and under its scaler; gone at the end."""
    crowd = replace(stack, project=f"{PROJECT}-crowd", files=(_CROWD,))
    try:
        yield crowd
    finally:
        with uninterrupted():
            crowd.compose("down", "--timeout", "1", check=False)


def _held(context: Context, crowd: Stack, engine: docker.DockerClient, size: int, length: Length) -> Held:
    context.progress.stage(f"Growing to {counted(size)}")
    crowd.compose("up", "--detach", "--no-recreate", "--scale", f"small={size}", "small")
    wait_until(
        lambda: [r["state"] for r in crowd.service("small").get("replicas", [])] == ["ready"] * size,
        within=180,
        what=f"{counted(size)}, ready",
        every=1,
    )
    # Reloads and answers to the growth itself are not what is steady.
    time.sleep(_SETTLED)
    context.progress.stage(f"Looking at {counted(size)}", total=length.window)
    return _measured(context, engine, size, length.window)


def _measured(context: Context, engine: docker.DockerClient, size: int, window: float) -> Held:
    stack = context.stack
    ids = {name: str(stack.containers(name)[0]["Id"]) for name in ("scaler", "exporter")}
    ticks = ticked(_scaler_metrics(stack))
    seen = {name: [usage.look(engine, container)] for name, container in ids.items()}
    begun = time.monotonic()
    while (elapsed := time.monotonic() - begun) < window:
        context.progress.at(elapsed)
        time.sleep(max(0.0, min(_MEMORY_EVERY, window - elapsed)))
        for name, container in ids.items():
            seen[name].append(usage.look(engine, container))
    seconds = time.monotonic() - begun
    scrapes = _scrapes(stack, seconds)
    passes, spent = (
        after - before for after, before in zip(ticked(_scaler_metrics(stack)), ticks, strict=True)
    )
    answer = _exporter_metrics(stack)
    cpu = {name: usage.percent_of_core(looks[0], looks[-1]) for name, looks in seen.items()}
    memory = {name: max(look.memory for look in looks) / _MIB for name, looks in seen.items()}
    return Held(
        replicas=size,
        containers=answer.count("\ncontainer_last_seen{"),
        scaler_memory=round(memory["scaler"], 2),
        exporter_memory=round(memory["exporter"], 2),
        scaler_cpu=round(cpu["scaler"], 3),
        exporter_cpu=round(cpu["exporter"], 3),
        scrapes=scrapes,
        scrape_size=round(len(answer.encode()) / _KIB, 1),
        tick=round(1000 * spent / passes, 3),
        ticks=round(passes / seconds, 2),
    )


def _scrapes(stack: Stack, seconds: float) -> tuple[float, ...]:
    """Milliseconds of every scrape of the last seconds, by Prometheus' own clock."""
    rows = ask(stack, f'scrape_duration_seconds{{job="exporter"}}[{int(seconds)}s]')
    found = tuple(round(1000 * float(value), 2) for row in rows for _, value in row["values"])
    if not found:
        raise BenchError("Prometheus has not scraped the exporter")
    return found


def _scaler_metrics(stack: Stack) -> str:
    return stack.session.get(stack.url("SCALER_PORT", "/metrics"), timeout=10).text


def ticked(exposition: str) -> tuple[float, float]:
    """Passes of the scaler's loop since its start, and the seconds that they took. Pure."""
    found = dict(_TICK.findall(exposition))
    return float(found["count"]), float(found["sum"])


def _exporter_metrics(stack: Stack) -> str:
    # Past any port of the machine, since none is published.
    (address,) = stack.addresses("exporter")
    return requests.get(f"http://{address}:8080/metrics", timeout=10).text


def outcome(held: Sequence[Held], *, hooks: Sequence[Webhook], scrapes: int) -> Outcome:
    """The figures of all sizes. Pure.

    Args:
        held: by rising number of replicas.
        hooks: webhooks of each size.
        scrapes: that each window should hold.
    """
    table = [columns(one) for one in held]
    figures = (
        *(figure for row in _ROWS for figure in _at_each_size(row, table)),
        *(figure for row in _ROWS if row.grows for figure in _growth(row, table)),
        *(_webhook(hook) for hook in hooks),
        Figure(
            name="scrapes timed at each size, least",
            value=min(len(one.scrapes) for one in held),
            target=at_least(scrapes),
        ),
    )
    seen = ", ".join(f"{one.containers} of {one.replicas}" for one in held)
    return Outcome(
        figures=figures,
        raw={"held": table, "hooks": [asdict(hook) for hook in hooks]},
        notes=(f"Containers in the exporter's answer, the stack's own included: {seen} small replicas.",),
    )


def columns(held: Held) -> dict[str, Any]:
    """What is shown of one size, by the column's name. Pure."""
    return asdict(held) | {
        "cpu": held.scaler_cpu + held.exporter_cpu,
        "scrape_median": percentile(held.scrapes, 50),
        "scrape_p95": percentile(held.scrapes, 95),
    }


def _at_each_size(row: _Row, table: Sequence[Mapping[str, float]]) -> list[Figure]:
    least = table[0]
    beside = Compared(what=f"at {counted(least['replicas'])}", value=round(least[row.column], row.digits))
    return [
        Figure(
            name=f"{row.shown}, {counted(one['replicas'])}",
            value=round(one[row.column], row.digits),
            unit=row.unit,
            target=row.target if not row.at or one["replicas"] in row.at else None,
            compared=None if one is least else beside,
        )
        for one in table
    ]


def _growth(row: _Row, table: Sequence[Mapping[str, float]]) -> list[Figure]:
    if len(table) == 1:
        return []
    grows = slope([(one["replicas"], one[row.column]) for one in table])
    return [Figure(name=f"{row.shown}: growth for ten replicas", value=round(10 * grows, 3), unit=row.unit)]


def _webhook(hook: Webhook) -> Figure:
    again = " never sent before" if hook.fresh else ""
    lie = spread(hook.took)
    return Figure(
        name=f"webhook of {hook.alerts:,} alert{'s' if hook.alerts > 1 else ''}{again}, p99",
        value=round(percentile(hook.took, 99), 2),
        unit="ms",
        target=None if hook.fresh else _WEBHOOK_P99.get(hook.alerts),
        spread=lie,
    )


def plot(drawing: Drawing, raw: Mapping[str, Any]) -> None:
    """Memory, CPU, scrape and pass against replicas; webhooks against alerts."""
    (memory, cpu, size), (scrape, tick, hook) = drawing.subplots(2, 3)
    ours, theirs = ("scaler", plots.OURS), ("exporter", plots.THEIRS)
    for name, color in (ours, theirs):
        _line(memory, raw, f"{name}_memory", name, color)
        _line(cpu, raw, f"{name}_cpu", name, color)
    _line(size, raw, "scrape_size", "exporter", plots.THEIRS)
    _line(scrape, raw, "scrape_p95", "p95", plots.THEIRS)
    _line(scrape, raw, "scrape_median", "median", plots.OURS)
    _line(tick, raw, "tick", "scaler", plots.OURS)
    memory.set_ylabel("memory, MiB")
    cpu.set_ylabel("CPU, % of a core")
    size.set_ylabel("scrape, KiB")
    scrape.set_ylabel("scrape, ms")
    tick.set_ylabel("a pass of the loop, ms")
    for axes in (memory, cpu, size, scrape, tick):
        plots.legend(axes)
        axes.set_xlabel("small replicas")
    _hook_lines(hook, raw)


def _line(axes: Axes, raw: Mapping[str, Any], column: str, label: str, color: str) -> None:
    replicas = [one["replicas"] for one in raw["held"]]
    axes.plot(replicas, [one[column] for one in raw["held"]], marker="o", label=label, color=color)


def _hook_lines(axes: Axes, raw: Mapping[str, Any]) -> None:
    again = [hook for hook in raw["hooks"] if not hook["fresh"]]
    for percent, color in ((50, plots.OURS), (95, plots.THEIRS), (99, plots.BAD)):
        values = [percentile(hook["took"], percent) for hook in again]
        axes.plot([hook["alerts"] for hook in again], values, marker="o", label=f"p{percent}", color=color)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("alerts in a webhook")
    axes.set_ylabel("webhook, ms")
    axes.legend(fontsize=8)


BENCHMARK = Benchmark(
    name="footprint",
    purpose="Scaler and exporter are small, and stay small with a hundred replicas",
    explained=(
        "A second Compose project of small replicas (a Python that accepts connections) stands beside the "
        "stack as shipped and is scaled by Compose; the scaler looks after it like any other, but is paused. "
        "Memory and CPU are the engine's reading of each container's cgroup, so health checks, which start "
        "a Python every five seconds, are included; memory is the greatest working set (usage without "
        "inactive file pages) over a steady window, in which Prometheus scrapes both once a second and "
        "nobody else asks anything. The time of a scrape is Prometheus' own `scrape_duration_seconds`, from "
        "its request to the last sample stored. Webhooks go over one connection that is kept; their alerts "
        "name services that nobody knows, so nothing changes. The same alerts are sent again and again, as "
        "Alertmanager does; alerts that were never sent before cost a row of the history each. Growth is "
        "the median of the slopes between all sizes."
    ),
    quick=65,
    full=355,
    files=SHIPPED,
    run=run,
    plot=plot,
)
