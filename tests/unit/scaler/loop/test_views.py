"""What the API and the status page are given of a service."""

from dataclasses import replace

from scaler.loop.views import Inputs, ReplicaView, inputs_of, on_the_wall, service_view
from scaler.model.labels import Limits
from scaler.model.reasons import Direction, Pause, ReplicaState
from scaler.model.records import Hold
from scaler.model.services import Observation, Replica, Service
from scaler.model.view import Readiness, View
from scaler.policy.scaling import Demand, State
from scaler.policy.signals import Alert, Signal

WEB = ("shop", "web")
SERVICE = Service(
    key=WEB,
    replicas=(
        Replica(id="a" * 64, name="shop-web-1", number=1, status="running", addresses={"b": "2", "a": "1"}),
        Replica(id="b" * 64, name="shop-web-2", number=2, status="running"),
        Replica(id="c" * 64, name="shop-web-3", number=3, status="exited"),
    ),
)


def test_what_nginx_does_not_have_of_it_is_a_fault_beside_those_of_its_labels() -> None:
    view = View(faults={WEB: ("a label",)}, unserved={WEB: ("a name",), ("shop", "api"): ("another",)})
    shown = service_view(view, SERVICE, decided=(None, 0.0), hold=Hold(), signals=())

    assert shown.faults == ("a label", "a name")


def test_its_notes_are_the_engines() -> None:
    shown = service_view(
        View(), replace(SERVICE, notes=("a hook",)), decided=(None, 0.0), hold=Hold(), signals=()
    )

    assert shown.notes == ("a hook",)


def test_a_service_that_can_be_scaled() -> None:
    view = View(
        observation=Observation(services=(SERVICE,)),
        limits={WEB: Limits(maximum=4)},
        readiness={
            "a" * 64: Readiness(ready=True, detail="was slow"),
            "b" * 64: Readiness(ready=False, detail="answers 503"),
        },
    )
    shown = service_view(view, SERVICE, decided=(None, 0.0), hold=Hold(pause=Pause.UP, wanted=3), signals=())

    assert shown.limits == Limits(maximum=4)
    assert (shown.pause, shown.wanted, shown.faults) == (Pause.UP, 3, ())
    assert shown.replicas == (
        ReplicaView(
            number=1, name="shop-web-1", id="a" * 12, state=ReplicaState.READY, address="1", detail=""
        ),
        ReplicaView(
            number=2,
            name="shop-web-2",
            id="b" * 12,
            state=ReplicaState.STARTING,
            address="",
            detail="answers 503",
        ),
        ReplicaView(
            number=3,
            name="shop-web-3",
            id="c" * 12,
            state=ReplicaState.FAILED,
            address="",
            detail="not asked yet",
        ),
    )


def test_a_service_whose_labels_cannot_be_read() -> None:
    view = View(observation=Observation(services=(SERVICE,)), faults={WEB: ("alertscale.max: 'x' is not",)})
    shown = service_view(view, SERVICE, decided=(None, 0.0), hold=Hold(), signals=())

    assert (shown.limits, shown.decision) == (None, None)
    assert shown.faults == ("alertscale.max: 'x' is not",)


def wall(monotonic: float | None) -> float | None:
    return None if monotonic is None else monotonic + 1_000_000.0


def test_what_a_decision_was_taken_on_with_the_ends_of_both_cooldowns() -> None:
    state = State(replicas=2, versions=2, last_change=50.0, retry_at=70.0, former=4, stepping=True)
    demand = Demand(up=frozenset({"memory", "cpu"}), down=frozenset({"disk"}), watched=False)
    limits = Limits(cooldown_up=10.0, cooldown_down=60.0)

    assert inputs_of(state=state, demand=demand, limits=limits, signal_ttl=15.0, wall=wall) == Inputs(
        replicas=2,
        versions=2,
        stepping=True,
        last_change=1_000_050.0,
        cooldown_up_until=1_000_060.0,
        cooldown_down_until=1_000_110.0,
        retry_at=1_000_070.0,
        retry_down_at=None,
        former=4,
        writable=True,
        watched=False,
        signal_ttl=15.0,
        up=("cpu", "memory"),
        down=("disk",),
    )


def test_a_service_that_never_changed_has_no_cooldown() -> None:
    shown = inputs_of(state=State(replicas=1), demand=Demand(), limits=Limits(), signal_ttl=15.0, wall=wall)

    assert (shown.last_change, shown.cooldown_up_until, shown.cooldown_down_until) == (None, None, None)


def test_the_times_of_an_alert_are_shown_on_the_wall_clock() -> None:
    signal = Signal(
        alert=Alert(firing=True, labels={}),
        service=WEB,
        direction=Direction.UP,
        resource="cpu",
        first_heard=1.0,
        last_heard=2.0,
    )
    shown = on_the_wall(signal, wall)

    assert (shown.first_heard, shown.last_heard) == (1_000_001.0, 1_000_002.0)
    assert shown.alert is signal.alert
