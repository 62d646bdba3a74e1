"""How busy services are now, from what a real Prometheus answered."""

from collections.abc import Mapping
from typing import Any

import promql_parser
import pytest

from scaler.model.errors import UnavailableError
from scaler.model.services import ServiceKey
from scaler.prometheus.load import Load, Loads, Use, query
from scaler.prometheus.thresholds import Threshold, read_thresholds
from tests.fakes import AtOnce, Clock
from tests.page.recorded import answer

SHOP: ServiceKey = ("alertscale", "flask-app")
BOTH = ("cpu", "memory")
AT = 1_796_000_000.0


class Prometheus:
    """Answers as recorded, or as the test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.error: Exception | None = None
        self.rules: Any = answer("rules")
        self.now: Any = answer("load")

    def read(self, path: str, query: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        self.asked.append((path, query))
        if self.error is not None:
            raise self.error
        return self.rules if path == "/api/v1/rules" else self.now

    def measures(self, series: str, value: float, **labels: str) -> None:
        sample = {"metric": {"alertscale_series": series, **labels}, "value": [AT, str(value)]}
        self.now = {"result": [*self.now["result"], sample]}

    def alerts(self, *rules: tuple[str, str, str]) -> None:
        """Rules with a query, the resource and a service: empty for all."""
        self.rules = {
            "groups": [{"rules": [_rule(query, resource, service)]} for query, resource, service in rules]
        }


def _rule(query: str, resource: str, service: str) -> dict[str, Any]:
    labels = {"scale": "up" if ">" in query else "down", "resource": resource}
    return {
        "type": "alerting",
        "name": "A",
        "query": query,
        "labels": labels | ({"service": service} if service else {}),
    }


@pytest.fixture
def prometheus() -> Prometheus:
    return Prometheus()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loads(prometheus: Prometheus, clock: Clock) -> Loads:
    return Loads(source=prometheus, executor=AtOnce(), wall=lambda: AT, monotonic=clock.monotonic)


def of(loads: Loads, *resources: str, service: ServiceKey = SHOP) -> Load:
    return loads.now(wait=True).of(service, resources or BOTH)


def limits(use: Use) -> list[tuple[str, str, float | None]]:
    return [(t.alertname, t.operator, t.value) for t in use.thresholds]


class TestService:
    def test_each_resource_has_its_figure_and_the_thresholds_of_its_alerts(self, loads: Loads) -> None:
        load = of(loads)
        cpu, memory = load.uses

        assert (load.at, load.error) == (AT, "")
        assert (cpu.resource, cpu.ratio) == ("cpu", True)
        assert cpu.value == pytest.approx(0.41, abs=0.001)
        assert limits(cpu) == [("HighCPU", ">", 0.7), ("LowCPU", "<", 0.3)]
        assert (memory.resource, memory.value) == ("memory", 0.11328125)
        assert limits(memory) == [("HighMemory", ">", 0.8), ("LowMemory", "<", 0.35)]

    def test_those_that_the_labels_name_are_said_in_their_order(self, loads: Loads) -> None:
        assert [use.resource for use in of(loads, "memory").uses] == ["memory"]
        assert [use.resource for use in of(loads, "memory", "cpu").uses] == ["memory", "cpu"]

    def test_one_that_nothing_measures_has_none(self, loads: Loads) -> None:
        load = of(loads, service=("shop", "web"))

        assert [use.value for use in load.uses] == [None, None]
        assert [len(use.thresholds) for use in load.uses] == [2, 2]
        assert load.replicas == {}

    @pytest.mark.parametrize("value", ["NaN", "+Inf"])
    def test_what_is_no_number_is_none(self, prometheus: Prometheus, loads: Loads, value: str) -> None:
        prometheus.now["result"][0]["value"][1] = value

        assert of(loads).uses[0].value is None


class TestReplicas:
    def test_each_has_its_shares_by_the_name_of_its_container(self, loads: Loads) -> None:
        replicas = of(loads).replicas

        assert replicas["alertscale-flask-app-1"] == {
            "cpu": pytest.approx(0.42, abs=0.001),
            "memory": 0.1171875,
        }
        assert replicas["alertscale-flask-app-3"]["cpu"] == pytest.approx(0.08, abs=0.001)
        assert len(replicas) == 3


class TestOwnSignal:
    """A resource of one's own has a figure as well, where its alert compares a series with a number."""

    def test_the_series_that_its_alert_compares_is_asked_for(
        self, prometheus: Prometheus, loads: Loads
    ) -> None:
        prometheus.alerts(
            ('jobs:waiting:mean{queue="a"} > 10', "queue", ""), ("jobs:waiting:mean < 2", "queue", "")
        )
        series = 'jobs:waiting:mean{queue="a"}'
        prometheus.measures(series, 12.5, project=SHOP[0], service=SHOP[1])
        (queue,) = of(loads, "queue").uses

        assert (queue.value, queue.ratio) == (12.5, False)
        # The other compares another series: held against this one it would be wrong.
        assert limits(queue) == [("A", ">", 10.0)]

    def test_a_series_of_one_service_alone_need_not_name_it(
        self, prometheus: Prometheus, loads: Loads
    ) -> None:
        prometheus.alerts(("jobs_waiting > 10", "queue", "flask-app"))
        prometheus.measures("jobs_waiting", 3)

        assert of(loads, "queue").uses[0].value == 3
        (other,) = of(loads, "queue", service=("shop", "web")).uses
        assert (other.value, other.thresholds) == (None, ())

    def test_one_that_compares_no_plain_series_has_no_figure(
        self, prometheus: Prometheus, loads: Loads
    ) -> None:
        prometheus.alerts(("jobs / on (service) workers > 10", "queue", ""))

        assert of(loads, "queue").uses == (Use(resource="queue", value=None, ratio=False, thresholds=()),)

    def test_a_rule_for_cpu_may_compare_a_series_of_its_own(
        self, prometheus: Prometheus, loads: Loads
    ) -> None:
        prometheus.alerts(("mine:cpu:ratio > 0.5", "cpu", ""))
        prometheus.measures("mine:cpu:ratio", 0.9, project=SHOP[0], service=SHOP[1])

        assert of(loads, "cpu").uses[0].value == 0.9


class TestAsking:
    def test_a_hundred_that_want_to_know_put_two_questions_in_two_seconds(
        self, prometheus: Prometheus, loads: Loads, clock: Clock
    ) -> None:
        for _ in range(100):
            loads.now(wait=True)
            loads.now(wait=False)
        assert [path for path, _ in prometheus.asked] == ["/api/v1/rules", "/api/v1/query"]

        clock.advance(1.9)
        loads.now(wait=True)
        assert len(prometheus.asked) == 2

    def test_where_prometheus_is_silent_it_says_so_and_has_no_old_figures(
        self, prometheus: Prometheus, loads: Loads, clock: Clock
    ) -> None:
        assert of(loads).uses[0].value is not None
        prometheus.error = UnavailableError("Prometheus does not answer")
        clock.advance(2)
        load = of(loads)

        assert (load.at, load.error) == (None, "Prometheus does not answer")
        assert [use.value for use in load.uses] == [None, None]
        assert load.replicas == {}

    @pytest.mark.parametrize(
        "data", [None, {}, {"result": [1]}, {"result": [{"metric": {}, "value": [1, "1"]}]}]
    )
    def test_an_answer_of_another_form_is_an_error_and_no_fault(
        self, prometheus: Prometheus, loads: Loads, data: object
    ) -> None:
        prometheus.now = data

        assert "what its API does not say" in loads.now(wait=True).error


@pytest.mark.parametrize(
    "expression", ["service:cpu_utilization:ratio > 0.7", r'm{a="$1 \"b\"",c=~"x.*$"} >= 3', "sum(m) > 1"]
)
def test_the_question_is_promql_whatever_the_rules_compare(expression: str) -> None:
    thresholds: tuple[Threshold, ...] = read_thresholds({"groups": [{"rules": [_rule(expression, "x", "")]}]})

    promql_parser.parse(query(thresholds))
    promql_parser.parse(query(()))
