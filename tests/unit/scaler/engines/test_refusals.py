"""What the engine's own words mean, as engines have been heard to say them."""

import pytest

from scaler.engines.refusals import refusal
from scaler.model.reasons import ErrorReason

ENDPOINT = "driver failed programming external connectivity on endpoint shop-web-2 (4f98)"


@pytest.mark.parametrize(
    ("said", "reason", "way_out"),
    [
        (
            f"{ENDPOINT}: Error starting userland proxy: listen tcp4 [::1]:81: bind: address already in use",
            ErrorReason.PORT_TAKEN,
            "widen the range",
        ),
        (f"{ENDPOINT}: all ports are allocated", ErrorReason.PORT_TAKEN, "widen the range"),
        (
            f"{ENDPOINT}: Bind for 127.0.0.1:18100 failed: port is already allocated",
            ErrorReason.PORT_TAKEN,
            "free a host port",
        ),
        ("network shop_back not found", ErrorReason.NETWORK_GONE, "docker compose up -d --force-recreate"),
        ("No such image: sha256:0000", ErrorReason.IMAGE_GONE, "docker compose pull"),
        (
            "OCI runtime create failed: container init was OOM-killed (memory limit too low?): unknown",
            ErrorReason.OUT_OF_MEMORY,
            "raise the service's memory limit",
        ),
        *(
            (f"rpc error: {said}", ErrorReason.ENGINE_UNAVAILABLE, "elect a leader by themselves")
            for said in (
                "code = Unknown desc = The swarm does not have a leader. It's possible that too few managers",
                "code = Unknown desc = raft: failed to process the request: node lost leader status",
                "code = Unavailable desc = connection error: desc = transport: Error while dialing",
                "code = DeadlineExceeded desc = context deadline exceeded",
            )
        ),
    ],
)
def test_a_known_refusal_has_a_reason_of_its_own_and_names_the_way_out(
    said: str, reason: ErrorReason, way_out: str
) -> None:
    error = refusal(f"the engine refused to start web-2: {said}")

    assert error.reason is reason
    assert said in str(error)
    assert way_out in str(error)


def test_any_other_refusal_is_handed_on_as_it_was_said() -> None:
    error = refusal("the engine refused to start web-2: no such container")

    assert (error.reason, str(error)) == (
        ErrorReason.ENGINE_REFUSED,
        "the engine refused to start web-2: no such container",
    )
