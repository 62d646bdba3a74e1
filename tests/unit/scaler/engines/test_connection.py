"""The link to the engine: what breaks on it, and a socket that leads nowhere any more."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3.exceptions
from docker import APIClient
from docker.errors import APIError, DockerException

from scaler.engines.compose.hooks import _Output
from scaler.engines.connection import await_replaced, came_early, engine_errors, exec_output, is_replaced
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


class TestOutput:
    """What an exec prints, by the SDK itself over a real connection."""

    HEAD = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    FRAMES = b"\x02\x00\x00\x00\x00\x00\x00\x08[emerg] " + b"\x01\x00\x00\x00\x00\x00\x00\x03why"

    @pytest.fixture
    def answers(self) -> Iterator[Callable[..., APIClient]]:
        """Let an engine send these, each in a packet of its own; an event is waited for."""
        with contextlib.ExitStack() as over:

            def answering(*packets: bytes | threading.Event) -> APIClient:
                engine = over.enter_context(socket.create_server(("127.0.0.1", 0)))

                def answer() -> None:
                    connection, _ = engine.accept()
                    with connection:
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        asked = b""
                        while b'"Detach": false' not in asked:
                            asked += connection.recv(4096)
                        for packet in packets:
                            if isinstance(packet, threading.Event):
                                packet.wait(5)
                                continue
                            connection.sendall(packet)
                            time.sleep(0.02)

                thread = threading.Thread(target=answer, daemon=True)
                thread.start()
                over.callback(thread.join)
                client = APIClient(f"tcp://127.0.0.1:{engine.getsockname()[1]}", version="1.44", timeout=5)
                over.callback(client.close)
                return client

            yield answering

    @pytest.mark.parametrize("cut", [len(HEAD), len(HEAD) + 5, len(HEAD + FRAMES) - 1, len(HEAD + FRAMES)])
    def test_all_of_it_is_read_though_some_comes_with_the_head_of_the_answer(
        self, answers: Callable[..., APIClient], cut: int
    ) -> None:
        whole = self.HEAD + self.FRAMES

        assert exec_output(answers(whole[:cut], whole[cut:]), "made") == b"[emerg] why"

    def test_so_it_is_of_a_hook(self, answers: Callable[..., APIClient]) -> None:
        stream = answers(self.HEAD + self.FRAMES[:5], self.FRAMES[5:]).exec_start("made", socket=True)
        with contextlib.closing(_Output(stream)) as output:
            output.read(5)

            assert output.text == "[emerg] why"

    def test_where_nothing_has_come_it_is_not_waited_for(self, answers: Callable[..., APIClient]) -> None:
        goes_on = threading.Event()
        stream: Any = answers(self.HEAD, goes_on, self.FRAMES).exec_start("made", socket=True)

        assert came_early(stream) == b""
        goes_on.set()
        assert stream.read(8) == self.FRAMES[:8]
        stream._response.close()


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
