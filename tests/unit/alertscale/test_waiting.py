"""An order is waited for until it is reached, cannot be, is replaced, or the time is over; each says why."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from alertscale.errors import CliError, RefusedError, UnreachableError
from alertscale.model import Event, Service
from alertscale.waiting import LOOK_EVERY, Outcome, Wait, Waited
from tests.unit.alertscale.builders import NOW, event, raw_service, service


@dataclass(kw_only=True)
class Scene:
    """A scaler that shows one state after another, one for each look, on a clock that only sleeping moves."""

    states: list[dict[str, Any] | CliError]
    history: list[Event] = field(default_factory=list)
    clock: float = 0.0
    told: list[str] = field(default_factory=list)

    def service(self, name: str) -> Service:
        assert name == "shop/web"
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, CliError):
            raise state
        return service(state)

    def events(self, *, limit: int, before: int | None = None) -> tuple[Event, ...]:
        return tuple(e for e in reversed(self.history) if before is None or e.id < before)[:limit]

    def now(self) -> float:
        return NOW

    def at(self, service: Service) -> None:
        self.told.append(f"{len(service.replicas)} replicas")

    def event(self, event: Event) -> None:
        self.told.append(event.text)

    def trouble(self, error: CliError) -> None:
        self.told.append(f"trouble: {error}")

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def wait(self, target: int = 3, timeout: float = 10.0, last_event: int = 0) -> Waited:
        return Wait(
            scaler=self,
            ordered=service(raw_service(replicas=1, wanted=target)),
            target=target,
            last_event=last_event,
            watcher=self,
            monotonic=lambda: self.clock,
            sleep=self.sleep,
        ).until(timeout=timeout)


def on_the_way(count: int, decided: float = -0.5, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as raw_service takes them
    fields: dict[str, Any] = {"replicas": count, "wanted": 3, "reason": "stepping", "decided": decided}
    return raw_service(**fields | more)


def test_it_ends_when_the_count_is_reached() -> None:
    scene = Scene(states=[on_the_way(1), on_the_way(2), on_the_way(3), raw_service(replicas=3, wanted=None)])
    ended = scene.wait()
    assert (ended.outcome, ended.why) == (Outcome.REACHED, "shop/web has 3 replicas.")
    assert scene.clock == 3 * LOOK_EVERY
    assert scene.told == ["1 replicas", "2 replicas", "3 replicas", "3 replicas"]


def test_it_tells_what_happens_to_the_service_from_the_order_on() -> None:
    scene = Scene(states=[on_the_way(2), raw_service(replicas=3, wanted=None)])
    scene.history = [event(1), event(2), event(3, name="api"), event(4, "step", reason="done")]
    scene.wait(last_event=1)
    assert scene.told == ["2 replicas", "event 2", "event 4", "3 replicas"]


def test_when_the_time_is_over_it_says_where_it_stands() -> None:
    ended = Scene(states=[on_the_way(2)]).wait(timeout=4)
    assert ended.outcome is Outcome.TIMEOUT
    assert ended.why == (
        "A step is under way at 2 replicas; a person asked for 3."
        " The order for 3 stands until it is reached or replaced."
    )


def test_a_failed_step_is_the_reason_until_one_succeeds() -> None:
    scene = Scene(states=[on_the_way(2, reason="backoff")], history=[event(1, "step", reason="failed")])
    assert "Last failure: event 1." in scene.wait().why
    scene.history.append(event(2, "step", reason="done"))
    assert "Last failure" not in scene.wait().why


@pytest.mark.parametrize(
    ("reason", "said"), [("paused", "a person holds all steps"), ("stopped", "no replica runs")]
)
def test_what_only_a_person_can_lift_is_not_waited_for(reason: str, said: str) -> None:
    held = [on_the_way(2, second, reason=reason, pause="all") for second in (-0.5, 0.5, 1.5)]
    scene = Scene(states=[*held])
    ended = scene.wait(timeout=1000)
    assert ended.outcome is Outcome.HELD
    assert said in ended.why
    assert scene.clock < 3


def test_a_decision_of_before_the_order_is_not_taken_for_one_on_it() -> None:
    states = [on_the_way(1, 0, reason="paused"), on_the_way(1, 0, reason="paused"), on_the_way(2, 1)]
    assert Scene(states=[*states, raw_service(replicas=3)]).wait().outcome is Outcome.REACHED


def test_another_order_ends_it() -> None:
    ended = Scene(states=[on_the_way(2), on_the_way(2, wanted=5)]).wait()
    assert (ended.outcome, ended.why) == (Outcome.REPLACED, "Somebody asked for 5 meanwhile, instead of 3.")


def test_a_scaler_that_starts_anew_is_waited_for() -> None:
    gone = UnreachableError("http://x: refused", way_out="start it")
    scene = Scene(states=[gone, gone, on_the_way(2), raw_service(replicas=3)])
    assert scene.wait().outcome is Outcome.REACHED
    assert scene.told[:2] == ["trouble: http://x: refused"] * 2


def test_one_that_does_not_come_back_is_the_reason() -> None:
    ended = Scene(states=[UnreachableError("http://x: refused", way_out="start it")]).wait(timeout=2)
    assert ended.outcome is Outcome.TIMEOUT
    assert "Last failure: http://x: refused; start it." in ended.why


def test_a_service_that_is_gone_ends_it() -> None:
    with pytest.raises(RefusedError):
        Scene(states=[RefusedError("no service", way_out="")]).wait()
