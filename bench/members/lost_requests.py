"""No request is lost while replicas come and go; beside it, "scale, then reload"."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from bench import plots
from bench.baselines import scale_then_reload
from bench.benchmark import FAST, Benchmark, Context
from bench.model import Compared, Figure, Outcome, at_least, at_most, median
from testkit.drill import by_hand, counts
from testkit.load import Kind, Load
from testkit.stack import Stack

_LOWEST: Final = 1
_HIGHEST: Final = 4
_MANY: Final = 10

MIX: Final = (
    Kind(clients=8, method="GET", path="/work?ms=0"),
    Kind(clients=8, method="POST", path="/work?ms=1"),
    Kind(clients=6, method="POST", path="/sleep?seconds=0.05"),
    Kind(clients=3, method="POST", path="/sleep?seconds=8"),
    Kind(clients=2, method="GET", path="/blob?mb=5", chunk=512 * 1024, pause=0.3),
)
"""As in the end-to-end test, with more of the short requests."""


@dataclass(frozen=True, kw_only=True)
class Length:
    """How long a drill goes on: until all of these are reached.

    Attributes:
        steps: up and down together.
        downs: steps down.
        requests: sent.
    """

    steps: int
    downs: int
    requests: int

    def reached(self, steps: list[Step], sent: int) -> bool:
        """Whether that much has been done."""
        downs = sum(step.down for step in steps)
        return len(steps) >= self.steps and downs >= self.downs and sent >= self.requests


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a drill.

    Attributes:
        at: seconds since the load's start at which it was ordered.
        to: replicas that were ordered.
        down: whether it was a step down.
        seconds: until it was done.
        lost: requests that were lost from its order to the next one's.
    """

    at: float
    to: int
    down: bool
    seconds: float
    lost: int


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """What one drill came to.

    Attributes:
        who: was drilled, and on which service.
        steps: in the order in which they were taken.
        sent: requests begun.
        seconds: from the load's start to its end.
        lost: requests without a whole 200, by how they ended.
        answered: the others, by kind.
        sent_in: requests begun, by the second since the start.
        lost_in: requests lost, by the second since the start.
    """

    who: str
    steps: tuple[Step, ...]
    sent: int
    seconds: float
    lost: Mapping[str, int]
    answered: Mapping[str, int]
    sent_in: Mapping[int, int]
    lost_in: Mapping[int, int]

    @property
    def lost_total(self) -> int:
        """Requests without a whole 200."""
        return sum(self.lost.values())

    def steps_of(self, *, down: bool) -> list[Step]:
        """The steps of one direction."""
        return [step for step in self.steps if step.down == down]

    def lost_a_step(self, *, down: bool) -> float:
        """Requests lost in a step of one direction, on average."""
        steps = self.steps_of(down=down)
        return sum(step.lost for step in steps) / len(steps) if steps else 0.0


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Drills of alertscale and of the script, on the same service."""

    ours: Drilled
    theirs: Drilled


_QUICK: Final = (Length(steps=4, downs=1, requests=1000), Length(steps=2, downs=1, requests=0))
_FULL: Final = (Length(steps=20, downs=5, requests=50_000), Length(steps=5, downs=2, requests=0))
_OURS: Final = "alertscale"
_SCRIPT: Final = "scale, then reload"
_DEAF: Final = ", service deaf to SIGTERM"


def run(context: Context) -> Outcome:
    """Drill alertscale, then the script that scales and reloads, under the same load, on two services."""
    stack = context.stack
    length, short = _QUICK if context.quick else _FULL
    context.progress.stage("Keeping alerts away: only the drill orders steps")
    with by_hand(stack):
        shipped = _pair(context, stack, length, short)
        context.progress.stage("A service deaf to SIGTERM takes the place of the shipped one")
        with scale_then_reload.deaf(stack) as changed:
            stack.scale(_LOWEST)
            deaf = _pair(context, changed, short, short, on=_DEAF)
    return outcome(shipped, deaf=deaf, length=length, seed=context.seed)


def _pair(context: Context, stack: Stack, length: Length, short: Length, *, on: str = "") -> Pair:
    ours = _drill(context, f"{_OURS}{on}", length, stack.scale)
    context.progress.stage("Handing over to the script")
    with scale_then_reload.in_charge(stack):
        theirs = _drill(context, f"{_SCRIPT}{on}", short, lambda n: _script(stack, n))
        context.progress.stage("Handing back to alertscale")
    return Pair(ours=ours, theirs=theirs)


def _script(stack: Stack, count: int) -> None:
    scale_then_reload.scale(stack, count)
    # A script has no idea when a step is over; the drill does not hurry it.
    time.sleep(2)


def _drill(context: Context, who: str, length: Length, scale: Callable[[int], None]) -> Drilled:
    context.progress.stage(f"Drill of {who}", total=length.requests or length.steps)
    steps: list[Step] = []
    now = _LOWEST
    with Load(*MIX, port=context.stack.ports["NGINX_PORT"]) as drill:
        for count in counts(seed=context.seed, lowest=_LOWEST, highest=_HIGHEST):
            at, before = drill.seconds, sum(drill.lost.values())
            scale(count)
            lost = sum(drill.lost.values()) - before
            steps.append(
                Step(at=round(at, 2), to=count, down=count < now, seconds=drill.seconds - at, lost=lost)
            )
            now = count
            context.progress.at(
                drill.sent if length.requests else len(steps),
                f"{len(steps)} steps, {drill.sent} requests, lost {sum(drill.lost.values())}",
            )
            if length.reached(steps, drill.sent):
                break
    return Drilled(
        who=who,
        steps=tuple(steps),
        sent=drill.sent,
        seconds=drill.seconds,
        lost=_all_lost(drill),
        answered=dict(drill.answered),
        sent_in=dict(drill.sent_in),
        lost_in=dict(drill.lost_in),
    )


def _all_lost(drill: Load) -> dict[str, int]:
    """What was lost, by how; a request that has no end at all is lost too."""
    unanswered = drill.sent - sum(drill.answers.values())
    return drill.lost | ({"no answer": unanswered} if unanswered else {})


def outcome(shipped: Pair, *, deaf: Pair, length: Length, seed: int) -> Outcome:
    """The figures of all drills. Pure.

    Args:
        shipped: on the shipped service, which answers what it has before it stops.
        deaf: on a service that is killed with what it has.
        length: what our drill on the shipped service was to reach.
        seed: of the steps.
    """
    ours = shipped.ours
    down = ours.steps_of(down=True)
    figures = (
        _lost("lost requests", shipped),
        _lost(f"lost requests{_DEAF}", deaf),
        _lost_a_step("lost a step down", shipped),
        _lost_a_step(f"lost a step down{_DEAF}", deaf),
        Figure(name="requests counted", value=ours.sent, target=at_least(length.requests)),
        Figure(name="steps", value=len(ours.steps), target=at_least(length.steps)),
        Figure(name="of them down", value=len(down), target=at_least(length.downs)),
        median("a step up takes", [step.seconds for step in ours.steps_of(down=False)], unit="s"),
        median("a step down takes, draining included", [step.seconds for step in down], unit="s"),
    )
    drills = (ours, shipped.theirs, deaf.ours, deaf.theirs)
    return Outcome(
        figures=figures,
        raw={"drills": [_raw(drilled) for drilled in drills], "seed": seed},
        notes=(
            *(note for drilled in drills for note in _told(drilled)),
            *_teeth(shipped.theirs, deaf.theirs),
        ),
    )


def _lost(name: str, pair: Pair) -> Figure:
    theirs = pair.theirs
    return Figure(
        name=name,
        value=pair.ours.lost_total,
        target=at_most(0),
        gate=True,
        compared=Compared(what=f"{_SCRIPT}, in {theirs.sent:,} requests", value=theirs.lost_total),
    )


def _lost_a_step(name: str, pair: Pair) -> Figure:
    return Figure(
        name=name,
        value=pair.ours.lost_a_step(down=True),
        target=at_most(0),
        compared=Compared(what=_SCRIPT, value=pair.theirs.lost_a_step(down=True)),
    )


def _told(drilled: Drilled) -> tuple[str, ...]:
    shown = [
        f"{count} times {what}" for what, count in sorted(drilled.lost.items(), key=lambda item: -item[1])
    ]
    more = f" and {len(shown) - _MANY} other kinds" if len(shown) > _MANY else ""
    return (f"{drilled.who} lost: {'; '.join(shown[:_MANY])}{more}",) if shown else ()


def _teeth(*others: Drilled) -> tuple[str, ...]:
    if any(drilled.lost_total for drilled in others):
        return ()
    return ("The script lost nothing this time: this run does not show that the drill can fail.",)


def _raw(drilled: Drilled) -> dict[str, Any]:
    seconds = range(int(drilled.seconds) + 1)
    return {
        "name": drilled.who,
        "steps": [asdict(step) | {"seconds": round(step.seconds, 2)} for step in drilled.steps],
        "answered": dict(drilled.answered),
        "lost": dict(drilled.lost),
        "sent_per_second": [drilled.sent_in.get(second, 0) for second in seconds],
        "lost_per_second": [drilled.lost_in.get(second, 0) for second in seconds],
    }


def plot(drawing: Drawing, raw: Mapping[str, Any]) -> None:
    """Requests a second, replicas, and each second in which some were lost."""
    drawing.set_size_inches(9, 9)
    panels = drawing.subplots(len(raw["drills"]), 1)
    for axes, drilled in zip(panels, raw["drills"], strict=True):
        _panel(axes, drilled, color=plots.OURS if drilled["name"].startswith(_OURS) else plots.THEIRS)
    panels[-1].set_xlabel("seconds")


def _panel(axes: Axes, raw: Mapping[str, Any], *, color: str) -> None:
    sent, lost = raw["sent_per_second"], raw["lost_per_second"]
    axes.plot(range(len(sent)), sent, color=color, linewidth=1)
    at = [second for second, count in enumerate(lost) if count]
    if at:
        axes.vlines(at, 0, max(sent), color=plots.BAD, linewidth=1, label="lost some in this second")
        axes.legend(loc="upper right", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("requests a second")
    axes.set_title(f"{raw['name']}: {sum(lost)} of {sum(sent):,} lost", loc="left", fontsize=10)
    replicas = axes.twinx()
    times = [0.0, *(step["at"] + step["seconds"] for step in raw["steps"])]
    plots.staircase(
        replicas, times, [_LOWEST, *(s["to"] for s in raw["steps"])], label="replicas", color="black"
    )
    replicas.set_ylabel("replicas")
    replicas.set_yticks(range(_HIGHEST + 1))
    replicas.grid(visible=False)


BENCHMARK = Benchmark(
    name="lost-requests",
    purpose="No request is lost while replicas come and go",
    explained=(
        "Clients that never retry send GET and POST over keep-alive: short requests, 8-second ones, and a "
        "large answer that is read slowly. Meanwhile replicas are added and removed, one at a time, in "
        "random order between 1 and 4. Every request is counted, and every answer: anything but a whole "
        "200 is lost. Beside it the same load, while a script runs `docker compose up --scale` and then "
        "`nginx -s reload`."
    ),
    quick=90,
    full=480,
    files=FAST,
    run=run,
    plot=plot,
)
