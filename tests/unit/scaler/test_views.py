"""What the API and the status page are given of a service."""

from scaler.journal import Hold
from scaler.labels import Limits
from scaler.readiness import Readiness
from scaler.reasons import Pause, ReplicaState
from scaler.targets.base import Observation, Replica, Service
from scaler.views import ReplicaView, service_view
from scaler.world import View

WEB = ("shop", "web")
SERVICE = Service(
    key=WEB,
    replicas=(
        Replica(id="a" * 64, name="shop-web-1", number=1, status="running", addresses={"b": "2", "a": "1"}),
        Replica(id="b" * 64, name="shop-web-2", number=2, status="running"),
        Replica(id="c" * 64, name="shop-web-3", number=3, status="exited"),
    ),
)


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
