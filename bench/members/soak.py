"""Up and down all the time, through the real path of an alert, and nothing grows."""

import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from matplotlib.figure import Figure as Drawing

from bench import growth, plots
from bench.benchmark import FAST, Benchmark, Context
from bench.model import Figure, Outcome, at_least, at_most
from bench.sampling import Sampler, column
from bench.stacks import edited
from bench.words import duration
from testkit.load import Kind, Load

_LOW_FOR: Final = "3s"
_BUSY: Final = 20.0
_CYCLE: Final = 40.0
_FULL_MINUTES: Final = 10.0
_QUICK_MINUTES: Final = 1.0
_LEAST_BETWEEN: Final = 2.0
_MOST_BETWEEN: Final = 10.0
_SAMPLES: Final = 200


def shorten_low_alerts(rules: dict[str, Any]) -> None:
    """Let the Low alerts fire after three seconds instead of thirty, in what a file of rules holds."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            if rule.get("labels", {}).get("scale") == "down":
                rule["for"] = _LOW_FOR


def run(context: Context) -> Outcome:
    """Load and quiet in turns, looking every few seconds."""
    minutes = context.minutes or (_QUICK_MINUTES if context.quick else _FULL_MINUTES)
    sampler = Sampler(context.stack)
    sampler.fill_history(growth.KEPT)
    before = sampler.steps()
    # Prometheus reads its files anew.
    with edited(context.stack.directory / "prometheus" / "alert.rules.yml", shorten_low_alerts):
        samples, answers = _soak(context, sampler, seconds=minutes * 60)
    after = sampler.steps()
    return outcome(
        samples,
        steps={direction: after[direction] - before[direction] for direction in after},
        answers=answers,
        restarts=sampler.restarts(),
        minutes=minutes,
    )


def _soak(
    context: Context, sampler: Sampler, *, seconds: float
) -> tuple[list[Mapping[str, float]], Counter[str]]:
    """Returns the samples, each with the seconds since the start as ``at``, and how requests ended."""
    port = context.stack.ports["NGINX_PORT"]
    every = min(_MOST_BETWEEN, max(_LEAST_BETWEEN, seconds / _SAMPLES))
    samples: list[Mapping[str, float]] = []
    answers: Counter[str] = Counter()
    context.progress.stage("Load and quiet in turns", total=seconds)
    begun = time.monotonic()
    # A trickle all the time, so that each step down has requests that it could lose.
    trickle = Load(Kind(clients=2, method="POST", path="/sleep?seconds=0.1"), port=port)
    with trickle, contextlib.ExitStack() as busy:
        load: Load | None = None
        while (at := time.monotonic() - begun) < seconds:
            if load is None and at % _CYCLE < _BUSY:
                load = busy.enter_context(Load(Kind(clients=6), port=port))
            elif load is not None and at % _CYCLE >= _BUSY:
                busy.close()
                answers += load.answers
                load = None
            samples.append({"at": round(at, 1), **sampler.sample()})
            context.progress.at(at, _note(samples[-1]))
            time.sleep(max(0.0, every - (time.monotonic() - begun - at)))
    return samples, answers + trickle.answers + (load.answers if load else Counter())


def _note(sample: Mapping[str, float]) -> str:
    return f"{sample['replicas']:.0f} replicas, scaler {sample['scaler resident'] / growth.MIB:.0f} MiB"


def outcome(
    samples: list[Mapping[str, float]],
    *,
    steps: Mapping[str, int],
    answers: Mapping[str, int],
    restarts: int,
    minutes: float,
) -> Outcome:
    """The figures of a soak. Pure."""
    lost = {answer: count for answer, count in answers.items() if answer != "200"}
    cycles = int(minutes * 60 // _CYCLE)
    figures = (
        *growth.grown(samples, gate=True),
        *growth.greatest(samples),
        Figure(name="steps kept in the journal, at the end", value=column(samples, "steps")[-1][1]),
        *(Figure(name=f"steps {way}", value=n, target=at_least(cycles)) for way, n in steps.items()),
        Figure(name="lost requests", value=sum(lost.values()), target=at_most(0), gate=True),
        Figure(name="requests counted", value=sum(answers.values())),
        Figure(name="containers that were started again", value=restarts, target=at_most(0), gate=True),
    )
    notes = (
        f"Growth is the trend over the last two thirds of {duration(minutes * 60)}, times their length.",
        f"The history was first filled to its limit of {growth.KEPT:,} events, so that it is pruned.",
        *(f"lost: {count} times {what}" for what, count in lost.items()),
    )
    return Outcome(figures=figures, raw=growth.columns(samples), notes=notes)


def plot(drawing: Drawing, raw: Mapping[str, Any]) -> None:
    """Replicas, memory, open files and threads, the journal, over time."""
    (replicas, memory), (counts, journal) = drawing.subplots(2, 2, sharex=True)
    minutes = [at / 60 for at in raw["at"]]
    plots.staircase(replicas, minutes, raw["replicas"], label="ready replicas", color=plots.OURS)
    for service, color in (("scaler", plots.OURS), ("exporter", plots.THEIRS)):
        memory.plot(minutes, [v / growth.MIB for v in raw[f"{service} resident"]], label=service, color=color)
        counts.plot(minutes, raw[f"{service} files"], label=f"{service}: open files", color=color)
        counts.plot(
            minutes, raw[f"{service} threads"], label=f"{service}: threads", color=color, linestyle=":"
        )
    journal.plot(minutes, [v / growth.MIB for v in raw["journal"]], label="journal, MiB", color=plots.OURS)
    journal.plot(minutes, [v / 1000 for v in raw["events"]], label="events, thousands", color=plots.THEIRS)
    replicas.set_yticks(range(int(max(raw["replicas"])) + 1))
    memory.set_ylabel("resident memory, MiB")
    for axes in (replicas, memory, counts, journal):
        plots.legend(axes)
    for axes in (counts, journal):
        axes.set_xlabel("minutes")


BENCHMARK = Benchmark(
    name="soak",
    purpose="Up and down all the time, and nothing grows",
    explained=(
        "Twenty seconds of load and twenty of quiet, in turns, so that the alerts make replicas come and "
        "go all the time: Prometheus, Alertmanager, scaler, nginx, as shipped but for short cooldowns and "
        "Low alerts that fire after three seconds. Memory, open files and threads of scaler and exporter "
        "and the size of the journal are sampled; whatever grows by more than its bound over the last two "
        "thirds fails the run."
    ),
    quick=_QUICK_MINUTES * 60 + 5,
    full=_FULL_MINUTES * 60 + 5,
    files=FAST,
    run=run,
    plot=plot,
    timed=True,
    alone=True,
)
