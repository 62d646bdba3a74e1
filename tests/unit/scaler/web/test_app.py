"""HTTP: health, errors and headers; that each is put in place is shown by the tests of the parts."""

from dataclasses import replace

import pytest

from scaler.loop.views import Health
from scaler.model.errors import AlertscaleError
from scaler.web.app import STALLED_AFTER
from scaler.web.schema import VERSION
from tests.unit.scaler.web.site import SCALE, Site, notification


class TestHealth:
    @pytest.mark.parametrize(
        ("passes_age", "engine", "healthy", "ready"),
        [(0.5, True, 200, 200), (0.5, False, 200, 503), (STALLED_AFTER, True, 503, 503)],
    )
    def test_alive_while_the_loop_runs_and_ready_while_the_engine_answers(
        self, site: Site, passes_age: float, engine: bool, healthy: int, ready: int
    ) -> None:
        site.scaler.state = Health(
            passes_age=passes_age,
            engine=engine,
            watchdog_age=float("inf"),
            balancer_error="refused",
            journal_error="",
        )

        for path, status in (("/healthz", healthy), ("/readyz", ready)):
            answer = site.get(path)
            assert answer.status_code == status
            assert answer.get_json() == {
                "engine": engine,
                "seconds_since_pass": passes_age,
                "seconds_since_watchdog": None,
                "balancer_error": "refused",
                "journal_error": "",
                "version": VERSION,
                "host": "",
            }

    def test_not_ready_while_the_journal_cannot_be_written(self, site: Site) -> None:
        site.scaler.state = replace(site.scaler.state, journal_error="the journal's disk is full")

        assert site.get("/healthz").status_code == 200
        answer = site.get("/readyz")
        assert (answer.status_code, answer.get_json()["journal_error"]) == (503, "the journal's disk is full")
        assert "Nothing is scaled: the journal&#39;s disk is full" in site.get("/").text

    def test_metrics(self, site: Site) -> None:
        site.post("/alerts", notification())
        answer = site.get("/metrics")

        assert answer.content_type.startswith("text/plain; version=")
        assert 'alertscale_webhooks_total{code="202"} 1.0' in answer.text

    def test_only_alertmanagers_requests_are_counted_as_webhooks(self, site: Site) -> None:
        site.get("/healthz")
        site.post(SCALE, {"replicas": 3})
        site.get("/alerts")

        assert [site.webhooks(code) for code in (200, 202, 405)] == [0, 0, 0]


class TestErrors:
    @pytest.mark.parametrize("path", ["/", "/api/v1/services", "/api/v1/events"])
    def test_a_fault_of_our_own_shows_no_traceback(self, site: Site, path: str) -> None:
        site.scaler.error = ZeroDivisionError("a secret of the inside")
        answer = site.get(path)

        assert answer.status_code == 500
        assert answer.get_json() == {
            "error": "the scaler met a fault of its own; its log says more: docker compose logs scaler",
            "reason": "internal",
        }

    def test_one_of_our_errors_without_a_status_is_500(self, site: Site) -> None:
        site.scaler.error = AlertscaleError("it broke")
        answer = site.post("/alerts", notification())

        assert (answer.status_code, answer.get_json()["error"]) == (500, "it broke")
        assert site.webhooks(500) == 1

    @pytest.mark.parametrize("path", ["/nowhere", "/api/v2/services", "/static/x", "/../etc/passwd"])
    def test_an_unknown_path_is_404_in_json(self, site: Site, path: str) -> None:
        answer = site.get(path)

        assert answer.status_code == 404
        assert answer.get_json()["reason"] == "not_found"

    @pytest.mark.parametrize("path", ["/", "/nowhere", "/metrics", "/api/v1/services"])
    def test_every_answer_forbids_scripts_and_sniffing(self, site: Site, path: str) -> None:
        headers = site.get(path).headers

        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"
