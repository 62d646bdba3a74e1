"""What stands for the world outside is reached by containers, whatever state the engine is in."""

from __future__ import annotations

import socket

import pytest

from tests.engines.own import own_engine, why_not
from tests.integration import outside

WHY_NOT = why_not()
pytestmark = [pytest.mark.engine, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def test_the_address_is_known_at_an_engines_first_start_and_at_its_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with own_engine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        first = outside.address()
        # An empty one would be taken too, and mean every network of this machine.
        assert first
        socket.create_server((first, 0)).close()

        engine.stop()
        engine.start()

        assert outside.address() == first
