"""The scaler is killed at random moments under load; afterwards all is as if it had not been."""

import contextlib
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import pytest
from matplotlib.figure import Figure as Drawing

from bench import plots
from bench.benchmark import FAST, Benchmark, Context
from bench.model import Figure, Outcome, at_least, at_most, median
from testkit.kills import assert_consistent, kill_scaler, start_again
from testkit.load import Kind, Load
from testkit.stack import Stack

_COUNTS: Final = (1, 2, 3)
_QUICK: Final = 6
_FULL: Final = 50
_LATEST: Final = 2.5
_NO_RESTART: Final = "tests/e2e/docker-compose.crash.yml"
# Waits instead of burning CPU: an alert of its own would move the count.
_LIGHT: Final = Kind(clients=8, method="POST", path="/sleep?seconds=0.1")


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill and what followed.

    Attributes:
        before: replicas before.
        ordered: replicas ordered just before the kill.
        after: seconds from the order to the kill.
        answered: seconds from the kill to the scaler's first answer.
        right: seconds from the kill until the ordered count was there and everything was consistent.
        fault: what was not as it should be; empty if nothing.
        lost: requests that failed until then.
    """

    before: int
    ordered: int
    after: float
    answered: float
    right: float
    fault: str
    lost: int


def run(context: Context) -> Outcome:
    """Order a count, kill at a random moment, start again, look; as often as asked."""
    context.progress.stage("Replacing the scaler by one that stays down when it is killed")
    with _startable(context.stack) as stack:
        found = _run(context, stack, wanted=_QUICK if context.quick else _FULL)
        context.progress.stage("Putting the scaler back")
        return found


@contextlib.contextmanager
def _startable(stack: Stack) -> Iterator[Stack]:
    """A scaler that stays down until it is started: Docker waits longer before each restart of its own."""
    changed = replace(stack, files=(*stack.files, _NO_RESTART))
    changed.compose("up", "--detach", "--wait", "--no-deps", "scaler")
    try:
        yield changed
    finally:
        stack.compose("up", "--detach", "--wait", "--no-deps", "scaler")


def _run(context: Context, stack: Stack, *, wanted: int) -> Outcome:
    chance = random.Random(context.seed)  # noqa: S311 - a drill that can be repeated, not a secret
    context.progress.stage("Killing the scaler", total=wanted)
    kills: list[Kill] = []
    now = 1
    with Load(_LIGHT, port=stack.ports["NGINX_PORT"]) as load:
        while len(kills) < wanted:
            ordered = chance.choice([n for n in _COUNTS if n != now])
            kills.append(_kill(stack, load, before=now, ordered=ordered, after=chance.uniform(0, _LATEST)))
            now = ordered
            faults = sum(bool(kill.fault) for kill in kills)
            context.progress.at(len(kills), f"{faults} faults, lost {sum(load.lost.values())}")
    return outcome(kills, sent=sum(load.answers.values()), lost=load.lost, wanted=wanted)


def _kill(stack: Stack, load: Load, *, before: int, ordered: int, after: float) -> Kill:
    lost = sum(load.lost.values())
    stack.change("/api/v1/services/flask-app/scale", {"replicas": ordered})
    time.sleep(after)
    kill_scaler(stack)
    begun = time.monotonic()
    start_again(stack, killed="at a random moment")
    answered = time.monotonic() - begun
    fault = ""
    try:
        assert_consistent(stack, ordered)
    except pytest.fail.Exception as failure:
        fault = str(failure)
    return Kill(
        before=before,
        ordered=ordered,
        after=round(after, 3),
        answered=round(answered, 3),
        right=round(time.monotonic() - begun, 3),
        fault=fault,
        lost=sum(load.lost.values()) - lost,
    )


def outcome(kills: list[Kill], *, sent: int, lost: Mapping[str, int], wanted: int) -> Outcome:
    """The figures of all kills. Pure."""
    faults = [f"kill {number}: {kill.fault}" for number, kill in enumerate(kills, 1) if kill.fault]
    figures = (
        Figure(name="kills", value=len(kills), target=at_least(wanted)),
        Figure(name="kills after which something was wrong", value=len(faults), target=at_most(0), gate=True),
        Figure(name="lost requests", value=sum(lost.values()), target=at_most(0), gate=True),
        Figure(name="requests counted", value=sent),
        median("kill → the scaler answers again", [kill.answered for kill in kills], unit="s"),
        median("kill → the ordered count, all consistent", [kill.right for kill in kills], unit="s"),
    )
    notes = (*faults, *(f"lost: {count} times {what}" for what, count in lost.items()))
    return Outcome(figures=figures, raw={"kills": [asdict(kill) for kill in kills]}, notes=notes)


def plot(drawing: Drawing, raw: Mapping[str, Any]) -> None:
    """Recovery against the moment of the kill."""
    axes = drawing.subplots()
    for up, label, color in ((True, "step up", plots.OURS), (False, "step down", plots.THEIRS)):
        chosen = [kill for kill in raw["kills"] if (kill["ordered"] > kill["before"]) == up]
        after = [kill["after"] for kill in chosen]
        axes.scatter(after, [k["right"] for k in chosen], color=color, label=f"{label}: count reached")
        axes.scatter(
            after, [k["answered"] for k in chosen], color=color, marker="x", label=f"{label}: scaler answers"
        )
    for kill in raw["kills"]:
        if kill["fault"] or kill["lost"]:
            axes.axvline(kill["after"], color=plots.BAD, linewidth=1)
    axes.set_xlabel("seconds from the order of a count to the kill")
    axes.set_ylabel("seconds from the kill")
    plots.legend(axes)


BENCHMARK = Benchmark(
    name="kills",
    purpose="The scaler may be killed at any moment under load",
    explained=(
        "A count is ordered, and at a random moment within the next 2.5 s the scaler is killed (SIGKILL) "
        "and started again. Afterwards the count is the ordered one, the engine, Compose and nginx agree "
        "on the replicas, no container is left created or exited, and none of the clients' requests has "
        "failed. The recovery time includes Docker's start of the container."
    ),
    quick=45,
    full=300,
    files=FAST,
    run=run,
    plot=plot,
)
