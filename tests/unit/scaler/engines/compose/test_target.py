"""What is made of an engine's answers beside its list; the target itself is tested on a real engine."""

from pathlib import Path
from typing import Any

import docker.errors
import pytest

from scaler.engines.compose.target import ASK_AGAIN, ComposeTarget, last_lines, signal_number
from scaler.model.errors import TargetError
from tests.fakes import Clock
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
    """Lists a container each of two services; of one it shows no more than that, until it is mended.

    Attributes:
        error: what it says of that one; None once it shows it.
        ill: how that one is listed.
        asked: how often it was asked for it.
        told: what the stream of events tells.
    """

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.ill = container(service="ill")
        self.asked = 0
        self.told: list[dict[str, Any]] = []

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [self.ill, container(service="web")]

    def inspect_container(self, asked: str) -> dict[str, Any]:
        if "ill" in asked:
            self.asked += 1
            if self.error is not None:
                raise self.error
        check = {"Test": ["CMD", "true"], "StartPeriod": 90 * 10**9}
        return {"Config": {"Healthcheck": check, "StopTimeout": 300, "Labels": container()["Labels"]}}

    def events(self, **_: Any) -> list[dict[str, Any]]:
        return self.told


def target(engine: Engine, clock: Clock | None = None) -> ComposeTarget:
    client: Any = engine
    monotonic = (clock or Clock()).monotonic
    return ComposeTarget(client=client, events=client, own_project="shop", monotonic=monotonic)


CANNOT_SHOW = docker.errors.APIError("RWLayer of it is unexpectedly nil")


@pytest.mark.parametrize(
    "error", [CANNOT_SHOW, docker.errors.NotFound("No such container")], ids=["cannot be shown", "gone"]
)
def test_a_container_that_the_engine_cannot_show_keeps_no_other_from_being_seen(error: Exception) -> None:
    ill, web = target(Engine(error)).observe().services

    assert (ill.healthy, web.healthy > 90) == (0.0, True)


def test_without_an_engine_nothing_is_seen() -> None:
    with pytest.raises(TargetError):
        target(Engine(docker.errors.DockerException("away"))).observe()


class TestNotes:
    """A file is edited without the engine's knowing of it."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "compose.yml"

    @pytest.fixture
    def seen(self, file: Path) -> ComposeTarget:
        engine = Engine(None)
        named = {"com.docker.compose.project.config_files": str(file)}
        engine.ill["Labels"] = engine.ill["Labels"] | named
        return target(engine)

    def notes(self, seen: ComposeTarget) -> tuple[str, ...]:
        ill, _ = seen.observe().services
        return ill.notes

    def test_a_note_is_there_for_as_long_as_its_cause(self, seen: ComposeTarget, file: Path) -> None:
        whole, half = "services: { ill: { post_start: [ {command: [warm]} ] } }", "services: { ill: { post"
        for text, said in [(half, 1), (whole, 0), (half, 1), (whole, 0)]:
            file.write_text(text)
            assert len(self.notes(seen)) == said
        file.unlink()
        assert len(self.notes(seen)) == 1

    def test_a_file_is_read_once_for_each_state_of_it(
        self, seen: ComposeTarget, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text, read = [], Path.read_text

        def noted(path: Path, **how: Any) -> str:
            text.append(path)
            return read(path, **how)

        monkeypatch.setattr(Path, "read_text", noted)
        for state, written in enumerate(["services: {", "services: { ill: {} }"], start=1):
            file.write_text(written)
            for _ in range(10):
                self.notes(seen)
            assert text == [file] * state


class TestOneThatCannotBeShown:
    """It is asked for when it may have changed, not at each listing, of which a busy engine has many."""

    @pytest.fixture
    def engine(self) -> Engine:
        return Engine(CANNOT_SHOW)

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def seen(self, engine: Engine, clock: Clock) -> ComposeTarget:
        seen = target(engine, clock)
        for _ in range(50):
            seen.observe()
        assert engine.asked == 1
        return seen

    def mended(self, engine: Engine, seen: ComposeTarget) -> bool:
        engine.error = None
        ill, _ = seen.observe().services
        return ill.healthy > 90

    def test_after_a_minute_it_is_asked_for_once_more(
        self, engine: Engine, clock: Clock, seen: ComposeTarget
    ) -> None:
        for minute in (2, 3):
            clock.advance(ASK_AGAIN)
            for _ in range(50):
                seen.observe()
            assert engine.asked == minute
        clock.advance(ASK_AGAIN)
        assert self.mended(engine, seen)

    def test_an_event_of_it_has_it_asked_for(self, engine: Engine, seen: ComposeTarget) -> None:
        engine.told = [
            {"Type": "container", "Action": "start", "Actor": {"ID": container(service="web")["Id"]}}
        ]
        list(seen.changes())
        seen.observe()
        assert engine.asked == 1

        engine.told[0]["Actor"]["ID"] = engine.ill["Id"]
        list(seen.changes())
        assert self.mended(engine, seen)

    @pytest.mark.parametrize(
        "change", [{"State": "exited"}, {"Status": "Up 1 second (health: starting)"}, {"Id": "another-ill"}]
    )
    def test_so_has_another_state(self, engine: Engine, seen: ComposeTarget, change: dict[str, str]) -> None:
        engine.ill |= change
        assert self.mended(engine, seen)

    def test_time_that_goes_by_is_no_other_state(self, engine: Engine, seen: ComposeTarget) -> None:
        engine.ill["Status"] = "Up 4 minutes"
        seen.observe()
        assert engine.asked == 1

    def test_what_is_known_of_its_version_stays_known(self, engine: Engine, seen: ComposeTarget) -> None:
        engine.ill["State"] = "exited"
        assert self.mended(engine, seen)
        engine.error = CANNOT_SHOW
        engine.ill["State"] = "running"
        ill, _ = seen.observe().services
        assert (ill.healthy > 90, engine.asked) == (True, 2)
