"""What is made of an engine's answers beside its list; the target itself is tested on a real engine."""

from typing import Any

import docker.errors
import pytest

from scaler.engines.compose.target import ComposeTarget, last_lines, signal_number
from scaler.model.errors import TargetError
from tests.unit.scaler.engines.compose.test_listing import container

# ruff: noqa: ANN401 - keywords stand for the fields of a listing


@pytest.mark.parametrize(
    ("named", "number"),
    [("SIGQUIT", "3"), ("quit", "3"), ("3", "3"), ("SIGRTMIN+3", "37"), ("SIGNONE", ""), ("", "")],
)
def test_stop_signals_are_read_in_every_way_that_images_name_them(named: str, number: str) -> None:
    assert signal_number(named) == number


class TestLastLines:
    def test_those_at_the_end_that_say_something(self) -> None:
        assert last_lines(b"one\r\n\ntwo\n  \nthree\n", 2) == ("two", "three")
        assert last_lines(b"", 2) == ()

    def test_each_is_short_and_nothing_in_it_commands_a_terminal_or_breaks_a_page(self) -> None:
        said = b"\x1b[31mred\x1b[0m\x00 \xff\n" + b"x" * 40_000 + "\n\u202eabc".encode()

        assert last_lines(said, 3) == ("red \ufffd", "x" * 299 + "…", "abc")


class Engine:
    """Lists a container each of two services; of one it shows no more than that."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [container(service="ill"), container(service="web")]

    def inspect_container(self, asked: str) -> dict[str, Any]:
        if "ill" in asked:
            raise self.error
        return {"Config": {"Healthcheck": {"Test": ["CMD", "true"], "StartPeriod": 90 * 10**9}}}


def target(error: Exception) -> ComposeTarget:
    client: Any = Engine(error)
    return ComposeTarget(client=client, events=client, own_project="shop")


@pytest.mark.parametrize(
    "error",
    [
        docker.errors.APIError("RWLayer of it is unexpectedly nil"),
        docker.errors.NotFound("No such container"),
    ],
    ids=["cannot be shown", "gone"],
)
def test_a_container_that_the_engine_cannot_show_keeps_no_other_from_being_seen(error: Exception) -> None:
    ill, web = target(error).observe().services

    assert (ill.healthy, web.healthy > 90) == (0.0, True)


def test_without_an_engine_nothing_is_seen() -> None:
    with pytest.raises(TargetError):
        target(docker.errors.DockerException("away")).observe()
