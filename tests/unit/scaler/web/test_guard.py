"""Without the token nobody changes anything, and a refused request changes nothing; what a query holds."""

import pytest

from scaler.model.errors import RequestError
from scaler.web.guard import whole_argument, word_argument
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


class TestQuery:
    def test_what_is_not_given_is_the_default(self) -> None:
        assert whole_argument({}, "limit", default=7, lowest=1, highest=9) == 7
        assert word_argument({}, "range", default="1h", words=("15m", "1h")) == "1h"

    def test_what_is_given_is_read(self) -> None:
        assert whole_argument({"limit": "9"}, "limit", default=7, lowest=1, highest=9) == 9
        assert word_argument({"range": "15m"}, "range", default="1h", words=("15m", "1h")) == "15m"

    @pytest.mark.parametrize("text", ["", "0", "10", "-1", "1.5", "ten", "\u0663", "0" * 17])
    def test_another_number_is_refused_by_name(self, text: str) -> None:
        with pytest.raises(RequestError, match=r"^limit: .* is not a whole number from 1 to 9$"):
            whole_argument({"limit": text}, "limit", default=7, lowest=1, highest=9)

    def test_another_word_is_refused_with_those_that_are_known(self) -> None:
        with pytest.raises(RequestError, match=r"^range: '2h' is not one of 15m, 1h$"):
            word_argument({"range": "2h"}, "range", default="1h", words=("15m", "1h"))
