"""Each way in which the scaler answers or does not becomes a value or an error with its way out."""

import socket
from dataclasses import replace

import pytest

from alertscale.access import Access
from alertscale.client import Client
from alertscale.errors import (
    AnswerError,
    Exit,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from tests.unit.alertscale.foreign import answering
from tests.unit.alertscale.stage import NOW, TOKEN, Stage, faulty, view


def client(url: str, token: str = TOKEN) -> Client:
    return Client(Access(url=url, given=token, file=None))


def test_what_the_scaler_shows_is_read(stage: Stage) -> None:
    stage.script.views = [view(2), faulty()]
    web, bad = client(stage.url).services()
    assert (web.key, len(web.replicas), bad.limits) == ("shop/web", 2, None)
    assert web.inputs is not None
    assert web.inputs.cooldown_up_until == NOW - 50
    assert client(stage.url).health().seconds_since_watchdog == 2.0
    assert client(stage.url).events(limit=5) == ()


def test_a_scaler_that_is_not_well_still_shows_its_figures(stage: Stage) -> None:
    stage.script.figures = replace(stage.script.figures, passes_age=100.0, watchdog_age=float("inf"))
    shown = client(stage.url).health()
    assert (shown.seconds_since_pass, shown.seconds_since_watchdog) == (100.0, None)


def test_a_service_is_found_by_its_name_with_or_without_its_project(stage: Stage) -> None:
    for name in ("web", "shop/web"):
        assert client(stage.url).service(name).key == "shop/web"
        assert client(stage.url).scale(name, 3).wanted == 3
        assert client(stage.url).pause(name, "up").pause == "up"


def test_an_unknown_service_is_answered_with_those_that_are_known(stage: Stage) -> None:
    with pytest.raises(RefusedError, match="no service is called 'shop'") as caught:
        client(stage.url).service("shop")
    assert "shop/web" in caught.value.way_out


def test_one_name_in_two_projects_is_asked_for_with_its_project(stage: Stage) -> None:
    stage.script.views = [view(2), replace(view(1), key=("blog", "web"))]
    with pytest.raises(RefusedError, match="several services are called 'web'") as caught:
        client(stage.url).service("web")
    assert caught.value.way_out == "say which: shop/web, blog/web"
    assert client(stage.url).service("blog/web").project == "blog"


@pytest.mark.parametrize("token", ["wrong", "the-tokenx"])
def test_another_token_is_told_apart_and_never_shown(stage: Stage, token: str) -> None:
    with pytest.raises(UnauthorizedError, match="does not take this token") as caught:
        client(stage.url, token).scale("web", 3)
    assert token not in str(caught.value)
    assert "cat /run/alertscale/token" in caught.value.way_out
    assert stage.script.asked == []


def test_what_the_scaler_refuses_comes_with_its_words_and_a_way_out(stage: Stage) -> None:
    with pytest.raises(RefusedError, match=r"replicas: 9 is not within alertscale.min 1") as caught:
        client(stage.url).scale("web", 9)
    assert "within the bounds" in caught.value.way_out
    assert stage.url in str(caught.value)


def test_nobody_there_says_how_to_start_it_or_where_to_look() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="Connection refused") as caught:
            client(url).services()
    assert url in str(caught.value)
    assert "docker compose up -d scaler" in caught.value.way_out
    assert "ALERTSCALE_URL" in caught.value.way_out
    assert caught.value.exit is Exit.UNREACHABLE


def test_a_name_that_no_host_has_is_unreachable() -> None:
    with pytest.raises(UnreachableError):
        client("http://nobody.invalid").services()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, "<html>nginx</html>", AnswerError),
        (404, "<html>nginx</html>", AnswerError),
        (302, "", AnswerError),
        (200, "[]", AnswerError),
        (200, "{}", AnswerError),
        (404, '{"detail": "not found"}', AnswerError),
        (500, '{"error": "a fault of its own", "reason": "internal"}', UnavailableError),
        (503, '{"error": "the journal", "reason": "journal"}', UnavailableError),
    ],
)
def test_whatever_else_answers_is_named_with_its_address(
    status: int, body: str, error: type[Exception]
) -> None:
    with answering(status, body) as url, pytest.raises(error, match=url):
        client(url).services()


def test_a_proxy_of_the_environment_is_not_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert client(stage.url).services()


@pytest.mark.parametrize(("ahead", "shown"), [(1.0, 0.0), (-1.0, 0.0), (3600.0, 3600.0), (-90.0, -90.0)])
def test_times_are_counted_on_the_scalers_clock_where_it_differs(ahead: float, shown: float) -> None:
    date = "Mon, 23 Nov 2026 04:16:51 GMT"
    here = NOW - ahead
    with answering(200, '{"services": []}', Date=date) as url:
        asked = Client(Access(url=url, given="", file=None), wall=lambda: here)
        assert asked.services() == ()
    assert asked.now() == here + shown
