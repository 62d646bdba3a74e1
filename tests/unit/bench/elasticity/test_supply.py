"""Which replicas count as ready, and since when."""

from __future__ import annotations

from collections.abc import Sequence

from bench.elasticity.supply import Replica, Supply


class Engine:
    """Containers that a test starts and stops, and a clock."""

    def __init__(self) -> None:
        self.running: list[Replica] = []
        self.ready: set[str] = set()
        self.asked: list[str] = []
        self.now = 100.0

    def start(self, identity: str, service: str = "hpa") -> None:
        self.running.append(
            Replica(identity=identity, name=f"n-{identity}", service=service, address=identity)
        )

    def stop(self, identity: str) -> None:
        self.running = [one for one in self.running if one.identity != identity]

    def listed(self) -> Sequence[Replica]:
        return list(self.running)

    def answers(self, address: str) -> bool:
        self.asked.append(address)
        return address in self.ready


def looking(engine: Engine) -> Supply:
    return Supply(listed=engine.listed, ready=engine.answers, monotonic=lambda: engine.now)


def test_a_replica_counts_once_it_has_answered_and_is_not_asked_again() -> None:
    engine = Engine()
    supply = looking(engine)
    engine.start("a")
    supply.look()
    assert (supply.ready("hpa"), len(supply.replicas("hpa"))) == (0, 1)
    engine.ready.add("a")
    engine.now = 103.0
    for _ in range(3):
        supply.look()
    assert [(one.name, one.ready_since) for one in supply.replicas("hpa")] == [("n-a", 103.0)]
    assert engine.asked == ["a", "a"]


def test_one_that_no_longer_runs_does_not_count_and_comes_back_as_a_new_one() -> None:
    engine = Engine()
    supply = looking(engine)
    engine.start("a")
    engine.ready.add("a")
    supply.look()
    engine.stop("a")
    supply.look()
    assert supply.replicas("hpa") == []
    engine.start("a")
    engine.now = 200.0
    supply.look()
    assert supply.replicas("hpa")[0].ready_since == 200.0


def test_services_are_told_apart() -> None:
    engine = Engine()
    supply = looking(engine)
    engine.start("a", "hpa")
    engine.start("b", "cron")
    engine.ready |= {"a", "b"}
    supply.look()
    assert (supply.ready("hpa"), supply.ready("cron"), supply.ready("one")) == (1, 1, 0)
