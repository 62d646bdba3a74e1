"""The token stays where it belongs, whatever goes wrong."""

import json
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from scaler.__main__ import _configure_log
from scaler.loop.views import ServiceView
from scaler.model.reasons import Pause
from scaler.settings import read_settings
from scaler.state.metrics import Metrics
from scaler.web.app import create_app
from tests.recording import TOKEN, Recording


class Broken(Recording):
    """Meets a fault of its own with everything, the token among what it has at hand."""

    def pause(self, name: str, pause: Pause) -> ServiceView:  # noqa: ARG002
        secret = TOKEN
        raise ZeroDivisionError(len(secret))


def fails() -> str:
    secret = TOKEN
    raise OSError(len(secret), "the file cannot be read")


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("token", [lambda: TOKEN, fails])
def test_a_fault_is_logged_with_its_traceback_and_without_the_token(
    form: str, token: Callable[[], str], capfd: pytest.CaptureFixture[str]
) -> None:
    _configure_log(read_settings({"ALERTSCALE_LOG_FORMAT": form}))
    app = create_app(
        orders=Broken(),
        reading=Broken(),
        metrics=Metrics(CollectorRegistry()),
        token=token,
        wall=lambda: 0.0,
    )
    answer = app.test_client().post(
        "/api/v1/services/web/pause", json={"pause": "up"}, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    logged = capfd.readouterr().err
    assert answer.status_code in {500, 503}
    assert logged
    assert TOKEN not in logged
    assert TOKEN not in answer.text
    assert "Traceback" not in answer.text
    if form == "json" and answer.status_code == 500:
        assert json.loads(logged)["exception"][0]["exc_type"] == "ZeroDivisionError"
