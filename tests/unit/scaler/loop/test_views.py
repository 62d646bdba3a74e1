"""What the API and the status page are given of a service."""

from dataclasses import replace

from scaler.loop.views import ReplicaView, on_the_wall, service_view
from scaler.model.labels import Limits
from scaler.model.reasons import Direction, Pause, ReplicaState
from scaler.model.records import Hold
from scaler.model.services import Observation, Replica, Service
from scaler.model.view import Readiness, View
from scaler.policy.signals import Alert, Signal

WEB = ("shop", "web")
SERVICE = Service(
    key=WEB,
    replicas=(
        Replica(id="a" * 64, name="shop-web-1", number=1, status="running", addresses={"b": "2", "a": "1"}),
        Replica(id="b" * 64, name="shop-web-2", number=2, status="running", container="shop-web-2.x1y2"),
        Replica(id="c" * 64, name="shop-web-3", number=3, status="exited"),
    ),
)


def test_what_nginx_does_not_have_of_it_is_a_fault_beside_those_of_its_labels() -> None:
    view = View(faults={WEB: ("a label",)}, unserved={WEB: ("a name",), ("shop", "api"): ("another",)})
    shown = service_view(view, SERVICE, decided=None, hold=Hold(), signals=())

    assert shown.faults == ("a label", "a name")


def test_its_notes_are_the_engines() -> None:
    shown = service_view(View(), replace(SERVICE, notes=("a hook",)), decided=None, hold=Hold(), signals=())

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
    shown = service_view(view, SERVICE, decided=None, hold=Hold(pause=Pause.UP, wanted=3), signals=())

    assert shown.limits == Limits(maximum=4)
    assert (shown.hold, shown.faults) == (Hold(pause=Pause.UP, wanted=3), ())
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
            container="shop-web-2.x1y2",
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
    shown = service_view(view, SERVICE, decided=None, hold=Hold(), signals=())

    assert (shown.limits, shown.decided) == (None, None)
    assert shown.faults == ("alertscale.max: 'x' is not",)


def wall(monotonic: float | None) -> float | None:
    return None if monotonic is None else monotonic + 1_000_000.0


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
