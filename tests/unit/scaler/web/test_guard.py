"""Without the token nobody changes anything; a refused request leaves everything as it was."""

import pytest

from tests.unit.scaler.web.site import CHANGES, TOKEN, Site, notification


class TestToken:
    @pytest.mark.parametrize("path", CHANGES)
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": ""},
            {"Authorization": TOKEN},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer "},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer \xfc\xe9"},
        ],
    )
    def test_whatever_changes_something_needs_it(
        self, site: Site, path: str, headers: dict[str, str]
    ) -> None:
        answer = site.post(path, CHANGES[path], headers=headers)

        assert answer.status_code == 401
        assert answer.get_json()["reason"] == "unauthorized"
        assert "docker compose exec scaler cat /run/alertscale/token" in answer.get_json()["error"]
        assert TOKEN not in answer.text
        assert site.scaler.asked == []

    @pytest.mark.parametrize("path", CHANGES)
    @pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
    def test_with_it_the_request_is_done(self, site: Site, path: str, kind: str) -> None:
        headers = {"Authorization": f"{kind} {TOKEN}"}

        assert site.post(path, CHANGES[path], headers=headers).status_code in {200, 202}

    def test_every_route_that_takes_a_post_is_tried_above(self, site: Site) -> None:
        rules = {rule.rule for rule in site.app.url_map.iter_rules() if "POST" in (rule.methods or ())}

        assert rules == {path.replace("web", "<path:name>") for path in CHANGES}
        for rule in site.app.url_map.iter_rules():
            assert (rule.methods or set()) <= {"GET", "HEAD", "OPTIONS", "POST"}

    def test_it_can_be_replaced_while_we_run(self, site: Site) -> None:
        site.token = "another"

        assert site.post("/alerts", notification()).status_code == 401
        assert (
            site.post("/alerts", notification(), headers={"Authorization": "Bearer another"}).status_code
            == 202
        )

    def test_an_empty_token_lets_nobody_in(self, site: Site) -> None:
        site.token = ""

        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
            answer = site.post("/alerts", notification(), headers=headers)
            assert (answer.status_code, answer.get_json()["reason"]) == (503, "no_token")
        assert site.scaler.asked == []

    @pytest.mark.parametrize(
        "path", ["/", "/healthz", "/readyz", "/metrics", "/api/v1/services", "/api/v1/events"]
    )
    def test_reading_needs_none(self, site: Site, path: str) -> None:
        assert site.get(path).status_code == 200
