"""The link to the engine: what breaks on it, and a socket that leads nowhere any more."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import urllib3.exceptions
from docker.errors import APIError, DockerException

from scaler.engines.connection import await_replaced, engine_errors, is_replaced
from scaler.model.errors import TargetError
from scaler.model.reasons import ErrorReason


@pytest.mark.parametrize(
    "broken",
    [
        DockerException("no server version"),
        requests.ConnectionError("connection refused"),
        requests.ReadTimeout("read timed out"),
        urllib3.exceptions.ProtocolError("connection broken: InvalidChunkLength"),
        BrokenPipeError(),
    ],
    ids=repr,
)
def test_every_way_to_break_off_is_an_engine_that_does_not_answer(broken: Exception) -> None:
    with pytest.raises(TargetError, match="no answer from the engine to") as told, engine_errors("list it"):
        raise broken

    assert told.value.reason is ErrorReason.ENGINE_UNAVAILABLE


def test_a_refusal_is_told_from_silence() -> None:
    with pytest.raises(TargetError, match="refused to start it: no net") as told, engine_errors("start it"):
        raise APIError("409", explanation="no net")

    assert told.value.reason is ErrorReason.ENGINE_REFUSED


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A file, and an address that holds the file itself, as a mount does."""
    file = tmp_path / "docker.sock"
    with file.open("w") as held:
        yield file, f"unix:///proc/{os.getpid()}/fd/{held.fileno()}"


class TestReplaced:
    def test_a_socket_that_is_there_is_not(self, mounted: tuple[Path, str]) -> None:
        assert not is_replaced(mounted[1])

    def test_one_that_was_deleted_is_though_it_can_be_seen(self, mounted: tuple[Path, str]) -> None:
        file, address = mounted
        file.unlink()

        assert Path(address.removeprefix("unix://")).exists()
        assert is_replaced(address)

    def test_one_in_whose_place_another_was_put_is(self, mounted: tuple[Path, str]) -> None:
        file, address = mounted
        file.unlink()
        file.touch()

        assert is_replaced(address)

    @pytest.mark.parametrize("address", ["unix:///no/such.sock", "tcp://127.0.0.1:2375", ""])
    def test_what_is_no_mounted_socket_is_not(self, address: str) -> None:
        assert not is_replaced(address)

    def test_it_is_waited_for(self, mounted: tuple[Path, str]) -> None:
        file, address = mounted
        threading.Timer(0.05, file.unlink).start()

        assert await_replaced(address, stopping=threading.Event(), every=0.01, grace=0)

    def test_the_end_of_the_scaler_ends_the_wait(self, mounted: tuple[Path, str]) -> None:
        stopping = threading.Event()
        threading.Timer(0.05, stopping.set).start()

        assert not await_replaced(mounted[1], stopping=stopping, every=60, grace=0)
