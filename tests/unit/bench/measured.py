"""What the benchmarks might have measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.baselines.bare import Floor
from bench.members import footprint, kills, lost_requests, reaction, soak
from bench.members.footprint import Held, Webhook
from bench.members.reaction import Reaction
from bench.model import Figure, Outcome

LENGTH = lost_requests.Length(steps=20, downs=5, requests=50_000)
FLOOR = Floor(created=0.05, started=0.4, ready=0.8, reloaded=0.9, answered=1.0)


def named(outcome: Outcome) -> dict[str, Figure]:
    """Its figures by their names."""
    return {figure.name: figure for figure in outcome.figures}


def a_reaction(*, fired: float = 3.0, acted: float = 1.2) -> Reaction:
    return Reaction(
        fired=fired,
        accepted=fired + 0.1,
        decided=fired + 0.11,
        created=fired + 0.15,
        started=fired + 0.5,
        ready=fired + 0.9,
        reloaded=fired + 1.1,
        answered=fired + 0.1 + acted,
    )


def reacted(*reactions: Reaction, crons: Sequence[float] = (80.0, 103.0, 109.0)) -> Outcome:
    return reaction.outcome(
        reactions or (a_reaction(), a_reaction(fired=2)), floors=(FLOOR,), crons=crons, wanted=2
    )


def held(replicas: int, *, cpu: float = 1.0, scrapes: Sequence[float] = (8.0,) * 50) -> Held:
    return Held(
        replicas=replicas,
        containers=replicas + 8,
        scaler_memory=40.0 + replicas / 10,
        exporter_memory=25.0,
        scaler_cpu=cpu,
        exporter_cpu=cpu,
        scrapes=tuple(scrapes),
        scrape_size=20.0 + 2 * replicas,
        tick=1.5,
        ticks=1.2,
    )


def hook(alerts: int, *, fresh: bool = False, took: float = 5.0) -> Webhook:
    return Webhook(alerts=alerts, fresh=fresh, took=(took,) * 200)


def footprint_of(
    *sizes: Held, hooks: Sequence[Webhook] = (hook(1), hook(100), hook(100, fresh=True))
) -> Outcome:
    return footprint.outcome(sizes or (held(1), held(10), held(100)), hooks=hooks, scrapes=50)


def drilled(*, lost: int, sent: int = 60_000) -> lost_requests.Drilled:
    up = lost_requests.Step(at=1.0, to=2, down=False, seconds=1.5, lost=0)
    down = lost_requests.Step(at=4.0, to=1, down=True, seconds=9.0, lost=lost)
    return lost_requests.Drilled(
        who="alertscale",
        steps=(up, down) * 10,
        sent=sent,
        seconds=20.0,
        lost={"POST /work?ms=1: 502": 10 * lost} if lost else {},
        answered={"GET /work?ms=0": sent - lost},
        sent_in={0: sent},
        lost_in={9: 10 * lost} if lost else {},
    )


def drill(ours: lost_requests.Drilled, theirs: lost_requests.Drilled) -> Outcome:
    pair = lost_requests.Pair(ours=ours, theirs=theirs)
    return lost_requests.outcome(pair, deaf=pair, length=LENGTH, seed=1)


def a_kill(*, fault: str = "", before: int = 1) -> kills.Kill:
    return kills.Kill(before=before, ordered=2, after=0.5, answered=1.0, right=3.0, fault=fault, lost=0)


def samples(*, minutes: float = 10, **grows: float) -> list[Mapping[str, float]]:
    """Every five seconds; what is named grows by so much a minute."""
    flat = {
        "scaler resident": 40e6, "exporter resident": 30e6, "scaler files": 20, "exporter files": 12,
        "scaler threads": 12, "exporter threads": 5, "journal": 8e6, "events": 10_000, "steps": 5,
        "replicas": 2, "scaler working set": 50e6, "exporter working set": 30e6,
    }  # fmt: skip
    changes = {name.replace("_", " "): each for name, each in grows.items()}
    return [
        {"at": at, **{name: value + changes.get(name, 0) * at / 60 for name, value in flat.items()}}
        for at in range(0, int(minutes * 60), 5)
    ]


def soaked(taken: list[Mapping[str, float]], *, lost: int = 0, restarts: int = 0) -> Outcome:
    return soak.outcome(
        taken,
        steps={"up": 20, "down": 20},
        answers={"200": 1000} | ({"502": lost} if lost else {}),
        restarts=restarts,
        minutes=10,
    )
