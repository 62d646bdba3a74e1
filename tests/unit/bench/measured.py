"""What the benchmarks of reaction, footprint and service might have measured."""

from __future__ import annotations

from collections.abc import Sequence

from bench.baselines.bare import Floor
from bench.members import footprint, reaction, service
from bench.members.footprint import Held, Webhook
from bench.members.reaction import Reaction
from bench.members.service import Round
from bench.model import Outcome

FLOOR = Floor(created=0.05, started=0.4, ready=0.8, reloaded=0.9, answered=1.0)


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


def a_round(*, bare: float = 400.0, through: Sequence[float] = (380.0, 750.0, 1100.0, 1400.0)) -> Round:
    return Round(bare=bare, through=tuple(through), directly=1.0, by_nginx=1.4, clients=40.0)


def served(*rounds: Round, proxy_ms: float = 0.15) -> Outcome:
    return service.outcome(rounds or (a_round(), a_round(bare=420), a_round()), proxy_ms=proxy_ms)
