"""From a load step to the first answer of a new replica, stage by stage, as shipped."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from matplotlib.figure import Figure as Drawing

from bench import plots
from bench.baselines import bare, cron_poller
from bench.baselines.bare import Floor
from bench.benchmark import SHIPPED, Benchmark, Context
from bench.errors import BenchError
from bench.model import Compared, Figure, Outcome, at_least, at_most, median
from bench.sampling import ask
from bench.stacks import settle
from bench.stats import spread
from testkit.load import Load
from testkit.stack import Stack, wait_until

_PHASES: Final = 5.0
"""Seconds: the longest period on the way, Alertmanager's group_interval."""
_COOLDOWN: Final = 10.5
"""Seconds after a step: alertscale.cooldown.up as shipped, and a little."""
_IDLE: Final = 61.0
"""Seconds in which the cron job's window empties."""
_CRON: Final = "cron job, once a minute"
_ALERT: Final = "HighCPU"
_FIRING: Final = f'ALERTS{{alertname="{_ALERT}",alertstate="firing",service="flask-app"}}'


@dataclass(frozen=True, kw_only=True)
class Length:
    """How many runs of each, and whether cron jobs run too."""

    runs: int
    floors: int
    crons: bool


_QUICK: Final = Length(runs=2, floors=2, crons=False)
_FULL: Final = Length(runs=10, floors=5, crons=True)


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """When each stage of one run was over, in seconds since the load step.

    Attributes:
        fired: Prometheus evaluated the alert as firing (the first sample of ``ALERTS``).
        accepted: the scaler took the webhook (its event ``alert``).
        decided: the scaler decided on a step up (its event ``decision``).
        created: the engine made the container; this and the next from the phases of the step's event,
            counted back from its end.
        started: the engine started it.
        ready: it answered the scaler (event ``replica``).
        reloaded: nginx's new workers were there (event ``reload``).
        answered: a client had its first answer of the new replica through nginx, on its own clock.
    """

    fired: float
    accepted: float
    decided: float
    created: float
    started: float
    ready: float
    reloaded: float
    answered: float

    @property
    def acted(self) -> float:
        """Seconds from the webhook to the first answer."""
        return self.answered - self.accepted


STAGES: Final = {
    "fired": "load step → alert fires",
    "accepted": "→ webhook accepted",
    "decided": "→ step begins",
    "created": "→ created",
    "started": "→ started",
    "ready": "→ ready",
    "reloaded": "→ nginx reloaded",
    "answered": "→ first answer",
}
"""The stages in their order, by Reaction's names, as they are shown."""

_FLOOR_STAGES: Final = [field.name for field in fields(Floor)]
_STAGE_NOTE: Final = (
    "Each stage stands next to the median of the same stage of the floor. The floor's reload ends when nginx "
    "was asked for it, alertscale's when nginx's new workers are there: add the last two up."
)


def run(context: Context) -> Outcome:
    """Steps of load on one settled replica; then the bare stages; then the cron job."""
    length = _QUICK if context.quick else _FULL
    chance = random.Random(context.seed)  # noqa: S311 - a drill that can be repeated, not a secret
    reactions = _reactions(context, length.runs, chance)
    floors = _floors(context, length.floors)
    crons = _crons(context, chance) if length.crons else []
    context.progress.stage("Back to the scaler and one replica")
    settle(context.stack, until=lambda: _calm(context.stack))
    return outcome(reactions, floors=floors, crons=crons, wanted=length.runs)


def _reactions(context: Context, wanted: int, chance: random.Random) -> list[Reaction]:
    stack = context.stack
    context.progress.stage("Steps of load", total=wanted)
    found: list[Reaction] = []
    while len(found) < wanted:
        settle(stack, until=lambda: _calm(stack))
        # Where it falls between scrapes, evaluations, ticks and notifications is left to chance.
        time.sleep(chance.uniform(0, _PHASES))
        found.append(_react(stack))
        context.progress.at(len(found), f"last {found[-1].answered:.1f} s")
    stack.scale(1)
    return found


def _calm(stack: Stack) -> bool:
    """Nothing left of the run before, and its cooldown over."""
    ended = [_at(event) for event in stack.events() if event["kind"] == "step"]
    measured = ask(stack, 'service:cpu_utilization:ratio{service="flask-app"} < 0.3')
    return bool(measured) and time.time() > max(ended, default=0.0) + _COOLDOWN


def _react(stack: Stack) -> Reaction:
    with Load(port=stack.ports["NGINX_PORT"]) as load:
        begun = time.time() - (time.monotonic() - load.started)
        wait_until(lambda: len(load.first_answer) > 1, within=60, what="an answer of a new replica")
    wait_until(lambda: _steps_since(stack, begun), within=10, what="the end of the step")
    samples = ask(stack, f"{_FIRING}[2m]")
    fired = [float(at) for row in samples for at, _ in row["values"] if float(at) >= begun]
    if not fired:
        raise BenchError(f"Prometheus has no sample of {_FIRING}")
    answered = sorted(load.first_answer.values())[1]
    return reaction(stack.events(), begun=begun, fired=min(fired), answered=answered)


def _steps_since(stack: Stack, begun: float) -> bool:
    return any(e["kind"] == "step" and _at(e) >= begun for e in stack.events())


def _at(event: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def reaction(events: Sequence[Mapping[str, Any]], *, begun: float, fired: float, answered: float) -> Reaction:
    """The stages of one run. Pure.

    Args:
        events: of the scaler, oldest first, as its API shows them.
        begun: the load step, seconds since the epoch.
        fired: when Prometheus had the alert firing, seconds since the epoch.
        answered: seconds from the load step to the first answer.

    Raises:
        BenchError: a stage is not among the events.
    """
    since = [event for event in events if _at(event) >= begun]
    accepted = _first(since, "alert", "accepted", after=begun, text=_ALERT)
    decided = _first(since, "decision", "alert_up", after=accepted)
    ready = _first(since, "replica", "ready", after=decided)
    reloaded = _first(since, "reload", "reloaded", after=ready)
    ended = _first(since, "step", "done", after=decided)
    phases = next(e["detail"]["phases"] for e in since if e["kind"] == "step" and _at(e) == ended)
    started = ended - phases["ready"]
    moments = {
        "fired": fired,
        "accepted": accepted,
        "decided": decided,
        "created": started - phases["start"],
        "started": started,
        "ready": ready,
        "reloaded": reloaded,
    }
    return Reaction(
        answered=round(answered, 3), **{name: round(at - begun, 3) for name, at in moments.items()}
    )


def _first(
    events: Sequence[Mapping[str, Any]], kind: str, reason: str, *, after: float, text: str = ""
) -> float:
    for event in events:
        fits = (event["kind"], event["reason"]) == (kind, reason) and event["text"].startswith(text)
        if fits and _at(event) >= after:
            return _at(event)
    raise BenchError(f"the scaler's history has no {kind} {reason!r} after the load step")


def _floors(context: Context, wanted: int) -> list[Floor]:
    stack = context.stack
    context.progress.stage("The same stages bare, without the scaler", total=wanted)
    found: list[Floor] = []
    # The load's alert is still there when the scaler comes back.
    stack.pause("all")
    with bare.without_scaler(stack) as steps, Load(port=stack.ports["NGINX_PORT"]) as load:
        while len(found) < wanted:
            found.append(steps.step(load))
            context.progress.at(len(found), f"last {found[-1].answered:.1f} s")
    return found


def _crons(context: Context, chance: random.Random) -> list[float]:
    services = cron_poller.SERVICES
    context.progress.stage("Cron jobs side by side, on services of their own", total=len(services))
    with cron_poller.served(context.stack) as on:
        context.progress.at(0, "waiting for their window of one minute to be idle")
        time.sleep(_IDLE)
        return cron_poller.run(on, cron_poller.plan(services, chance), told=context.progress.at)


def durations(moments: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """How long each stage took, from when each was over. Pure."""
    ends = [0.0, *(moments[name] for name in names)]
    return {name: end - before for name, before, end in zip(names, ends, ends[1:], strict=False)}


def outcome(
    reactions: Sequence[Reaction], *, floors: Sequence[Floor], crons: Sequence[float], wanted: int
) -> Outcome:
    """The figures of all runs. Pure."""
    whole = spread([one.answered for one in reactions])
    floor = spread([one.answered for one in floors]).median
    polled = spread(crons) if crons else None
    ratio = spread([one.acted for one in reactions]).median / floor
    figures = (
        Figure(
            name="load step → first answer of the new replica, median",
            value=whole.median,
            unit="s",
            target=at_most(6),
            compared=Compared(what=_CRON, value=polled.median) if polled else None,
            spread=whole,
        ),
        Figure(
            name="load step → first answer of the new replica, p95",
            value=whole.p95,
            unit="s",
            target=at_most(9),
            compared=Compared(what=_CRON, value=polled.p95) if polled else None,
        ),
        Figure(name="alert accepted → first answer, times the floor", value=ratio, target=at_most(1.3)),
        median(
            "alert accepted → first answer",
            [one.acted for one in reactions],
            unit="s",
            compared=Compared(what="floor: bare", value=floor),
        ),
        Figure(name="runs", value=len(reactions), target=at_least(wanted)),
        *_stages(reactions, floors),
        *((median(f"{_CRON}: load step → first answer", crons, unit="s"),) if crons else ()),
    )
    notes = (_STAGE_NOTE, *_notes(crons))
    raw = {
        "reactions": [asdict(one) for one in reactions],
        "floors": [asdict(one) for one in floors],
        "crons": list(crons),
    }
    return Outcome(figures=figures, raw=raw, notes=notes)


def _stages(reactions: Sequence[Reaction], floors: Sequence[Floor]) -> list[Figure]:
    taken = [durations(asdict(one), list(STAGES)) for one in reactions]
    bares = [durations(asdict(one), _FLOOR_STAGES) for one in floors]
    figures = []
    for name, shown in STAGES.items():
        floor = spread([one[name] for one in bares]).median if name in _FLOOR_STAGES else None
        beside = None if floor is None else Compared(what="floor", value=floor)
        figures.append(median(shown, [one[name] for one in taken], unit="s", compared=beside))
    return figures


def _notes(crons: Sequence[float]) -> tuple[str, ...]:
    if crons:
        return (f"{_CRON}: {', '.join(f'{seconds:.0f} s' for seconds in crons)}.",)
    return (f"{_CRON}: not measured in the quick form.",)


def plot(drawing: Drawing, raw: Mapping[str, Any]) -> None:
    """The stages of each run and of the floor, as bars; beside them the whole next to the cron job."""
    stages, whole = drawing.subplots(1, 2, width_ratios=(3, 1))
    rows = [(f"run {n}", one, 0.0) for n, one in enumerate(raw["reactions"], 1)]
    accepted = spread([one["accepted"] for one in raw["reactions"]]).median
    # Where the webhook is accepted, so that the same stages stand below each other.
    rows += [(f"floor {n}", one, accepted) for n, one in enumerate(raw["floors"], 1)]
    for row, (_name, moments, offset) in enumerate(rows):
        taken = durations(moments, [name for name in STAGES if name in moments])
        left = offset
        for name, seconds in taken.items():
            color = f"C{list(STAGES).index(name)}"
            label = STAGES[name] if row == 0 else None
            stages.barh(row, seconds, left=left, color=color, label=label)
            left += seconds
    stages.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    stages.invert_yaxis()
    stages.set_xlabel("seconds since the load step (floor: from the median of the webhook on)")
    stages.legend(fontsize=7, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for column, values, color in (
        (0, [one["answered"] for one in raw["reactions"]], plots.OURS),
        (1, raw["crons"], plots.THEIRS),
    ):
        whole.scatter([column] * len(values), values, color=color)
    whole.set_xticks([0, 1], ["alertscale", "cron job" if raw["crons"] else "cron job:\nnot measured"])
    whole.set_xlim(-0.5, 1.5)
    whole.set_ylim(bottom=0)
    whole.set_ylabel("seconds from the load step to the first answer")


BENCHMARK = Benchmark(
    name="reaction",
    purpose="A new replica answers within seconds of a load step",
    explained=(
        "Twelve clients begin at once, at a random moment, on one settled replica of the stack as shipped; "
        "they stop when the second replica has answered one of them. The load step and the first answer "
        "are on the clients' clock, the alert is the first sample of Prometheus' `ALERTS`, the rest is the "
        "scaler's history, all on this machine's clock. The floor is what the engine, the service and nginx "
        "need by themselves under the same load: create, start, first answer of `/ready`, reload, first "
        "answer through nginx, over the Engine API with the scaler stopped. The cron job is one that runs: "
        "once a minute it asks Prometheus for the mean CPU of the last minute, of samples 15 s apart, "
        "and above 70 % runs `docker compose up --scale` and reloads nginx. Three of them run side by side, "
        "each on a service of its own with a fifth of a core, idle for a minute before, under the same "
        "twelve clients. What decides how long one takes is spread evenly: the load steps a third of the "
        "time between two samples apart, the first looks a third of a minute apart, from a random one on."
    ),
    quick=60,
    full=470,
    files=SHIPPED,
    run=run,
    plot=plot,
)
