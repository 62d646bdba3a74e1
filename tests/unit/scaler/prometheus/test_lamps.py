"""The lights: what each station is known by, and what is said of one that is silent."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from scaler.loop.views import Health
from scaler.model.errors import UnavailableError
from scaler.model.reasons import Light
from scaler.prometheus.lamps import QUERY, Pipeline, Station
from tests.fakes import AtOnce, Clock
from tests.page.recorded import answer

WELL = Health(passes_age=0.5, engine=True, watchdog_age=3.0, balancer_error="", journal_error="")
RECORDED = answer("query")
ASKED_AT = RECORDED["result"][0]["value"][0]


class Prometheus:
    """Answers as recorded, but for the stations that are silent; or not at all."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.dead = False

    def read(self, _path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        assert query["query"] == QUERY
        if self.dead:
            raise UnavailableError("Prometheus does not answer at prometheus:9090: timed out")
        return {"result": [s for s in RECORDED["result"] if s["metric"]["station"] not in self.silent]}


class Site:
    """A pipeline with its clock at the moment of the recording."""

    def __init__(self) -> None:
        self.prometheus = Prometheus()
        self.health = WELL
        self.clock = Clock()
        self.begun = time.monotonic()
        self.pipeline = Pipeline(
            source=self.prometheus,
            health=lambda: self.health,
            executor=AtOnce(),
            signal_ttl=15.0,
            wall=lambda: ASKED_AT + self.clock.ahead,
            monotonic=self.clock.monotonic,
        )

    def lights(self) -> dict[str, Station]:
        return {s.name: s for s in self.pipeline.stations(wait=True)}

    def dark(self) -> set[str]:
        return {name for name, s in self.lights().items() if s.light is not Light.OK}


@pytest.fixture
def site() -> Site:
    return Site()


def test_all_is_well(site: Site) -> None:
    lights = site.lights()
    assert list(lights) == ["Exporter", "Prometheus", "Alertmanager", "Scaler", "Engine", "nginx"]
    assert site.dark() == set()
    proofs = {name: ASKED_AT - (s.proof or 0) for name, s in lights.items()}
    assert {name: round(ago, 1) for name, ago in proofs.items() if name not in {"Exporter", "nginx"}} == {
        "Prometheus": 0.0,
        "Alertmanager": 3.0,
        "Scaler": 0.5,
        "Engine": 0.5,
    }
    # Scraped once a second when this was recorded.
    assert 0 <= proofs["Exporter"] <= 1.1
    assert 0 <= proofs["nginx"] <= 1.1


@pytest.mark.parametrize(
    ("change", "name", "text"),
    [
        ({"engine": False}, "Engine", "the engine does not answer"),
        ({"passes_age": 11.0}, "Scaler", "stands still"),
        ({"journal_error": "the disk is full"}, "Scaler", "the disk is full"),
        ({"balancer_error": "nginx refuses"}, "nginx", "nginx refuses"),
        ({"watchdog_age": 15.1}, "Alertmanager", "runs, but no alert arrives"),
        ({"watchdog_age": math.inf}, "Alertmanager", "runs, but no alert arrives"),
    ],
)
def test_what_the_scaler_knows_itself(site: Site, change: dict[str, Any], name: str, text: str) -> None:
    site.health = replace(WELL, **change)
    assert site.dark() == {name}
    assert text in site.lights()[name].text


@pytest.mark.parametrize(("station", "name"), [("exporter", "Exporter"), ("nginx", "nginx")])
def test_what_prometheus_cannot_scrape_is_down_with_the_proof_of_before(
    site: Site, station: str, name: str
) -> None:
    before = site.lights()[name].proof
    site.prometheus.silent = {station}
    site.clock.advance(20)
    light = site.lights()[name]
    assert (light.light, light.proof) == (Light.DOWN, before)


def test_an_alertmanager_that_does_not_run_is_told_from_one_that_does_not_deliver(site: Site) -> None:
    site.health = replace(WELL, watchdog_age=60.0)
    site.prometheus.silent = {"alertmanager"}
    assert site.lights()["Alertmanager"].text == "no alert arrives"


def test_a_dead_prometheus_is_down_and_what_only_it_knows_is_unknown(site: Site) -> None:
    before = site.lights()
    site.prometheus.dead = True
    site.clock.advance(30)
    lights = site.lights()
    assert {n: s.light for n, s in lights.items() if s.light is not Light.OK} == {
        "Exporter": Light.UNKNOWN,
        "Prometheus": Light.DOWN,
        "nginx": Light.UNKNOWN,
    }
    assert lights["Prometheus"].text == "Prometheus does not answer at prometheus:9090: timed out"
    assert lights["Prometheus"].proof == before["Prometheus"].proof


def test_a_page_does_not_wait_and_shows_what_was_said_last(site: Site) -> None:
    site.lights()
    site.prometheus.dead = True
    site.clock.advance(5)
    shown = {s.name: s.light for s in site.pipeline.stations(wait=False)}
    assert shown["Prometheus"] is Light.OK

    site.clock.advance(6)
    shown = {s.name: s.light for s in site.pipeline.stations(wait=False)}
    assert shown["Prometheus"] is Light.DOWN
