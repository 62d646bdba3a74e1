"""The routes, their bounds, and what is measured of them."""

import time

import pytest
from prometheus_client import CollectorRegistry
from werkzeug.test import Client, TestResponse

from service.app import burn_cpu, create_app
from service.memory import MIB, MemoryStore
from service.metrics import Metrics, measured


class Replica:
    """One application with everything it needs, without a server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.memory = MemoryStore(limit_mb=20, start=False)
        self.stopping = False
        metrics = Metrics(self.registry, memory_held=self.memory.held)
        app = create_app(
            replica="replica<1>",
            registry=self.registry,
            memory=self.memory,
            stopping=lambda: self.stopping,
        )
        self.client = Client(measured(app, metrics=metrics))

    def ask(self, path: str, *, method: str = "GET", data: bytes = b"") -> TestResponse:
        """Ask as a server does: take the whole body, then close it."""
        return self.client.open(path, method=method, data=data, buffered=True)

    def requests_seen(self, *, route: str, method: str, status: str) -> float | None:
        labels = {"route": route, "method": method, "status": status}
        return self.registry.get_sample_value("flask_http_request_duration_seconds_count", labels)

    def in_flight(self) -> float | None:
        return self.registry.get_sample_value("flask_http_requests_in_flight")


@pytest.fixture
def replica() -> Replica:
    return Replica()


def test_the_page_names_the_replica(replica: Replica) -> None:
    answer = replica.ask("/")
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert "replica&lt;1&gt;" in answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/work?ms=1", "/sleep?seconds=0"])
def test_work_and_sleep_name_the_replica_and_read_the_body(replica: Replica, method: str, path: str) -> None:
    answer = replica.ask(path, method=method, data=b"x" * 1000)
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["replica"] == "replica<1>"
    assert answer.json["received_bytes"] == 1000


def test_burning_takes_cpu_time_not_wall_time() -> None:
    before = time.thread_time()
    burn_cpu(0.05)
    assert 0.05 <= time.thread_time() - before < 0.1


def test_sleep_takes_wall_time(replica: Replica) -> None:
    begin = time.monotonic()
    replica.ask("/sleep?seconds=0.05")
    assert time.monotonic() - begin >= 0.05


def test_memory_answers_at_once_with_what_is_held_and_until_when(replica: Replica) -> None:
    answer = replica.ask("/memory?mb=3&seconds=600", method="POST")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["mb"] == 3
    assert answer.json["held_mb"] == 3
    assert answer.json["until"].endswith("+00:00")
    assert replica.memory.held() == 3 * MIB
    assert replica.registry.get_sample_value("flask_memory_held_bytes") == 3 * MIB


def test_memory_beyond_the_total_is_503_with_the_reason(replica: Replica) -> None:
    replica.ask("/memory?mb=15&seconds=600", method="POST")
    answer = replica.ask("/memory?mb=15&seconds=600", method="POST")
    assert answer.status_code == 503
    assert answer.json is not None
    assert "15 of 20 MiB held already" in answer.json["reason"]


@pytest.mark.parametrize(("mb", "size"), [("0", 0), ("0.1", 104857), ("2", 2 * MIB)])
def test_blob_is_exactly_as_large_as_it_says(replica: Replica, mb: str, size: int) -> None:
    answer = replica.ask(f"/blob?mb={mb}")
    assert answer.content_length == size
    assert len(answer.data) == size


@pytest.mark.parametrize(
    ("method", "path", "query", "allowed"),
    [
        ("GET", "/work", "ms=-1", "0 to 10000"),
        ("POST", "/work", "ms=10001", "0 to 10000"),
        ("GET", "/sleep", "seconds=nan", "0 to 60"),
        ("POST", "/sleep", "seconds=61", "0 to 60"),
        ("POST", "/memory", "mb=21", "1 to 20"),
        ("POST", "/memory", "mb=0", "1 to 20"),
        ("POST", "/memory", "seconds=601", "0 to 600"),
        ("GET", "/blob", "mb=101", "0 to 100"),
    ],
)
def test_a_bad_parameter_is_400_with_its_name_value_and_range(
    replica: Replica, method: str, path: str, query: str, allowed: str
) -> None:
    answer = replica.ask(f"{path}?{query}", method=method)
    name, _, value = query.partition("=")
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["error"] == "bad parameter"
    assert answer.json["parameter"] == name
    assert answer.json["value"] == value
    assert allowed in answer.json["allowed"]
    assert name in answer.json["reason"]
    assert replica.memory.held() == 0


@pytest.mark.parametrize(("method", "path"), [("GET", "/memory"), ("POST", "/"), ("POST", "/blob")])
def test_a_method_that_a_route_does_not_have_is_405(replica: Replica, method: str, path: str) -> None:
    assert replica.ask(path, method=method).status_code == 405


def test_ready_is_503_while_stopping_and_health_stays_200(replica: Replica) -> None:
    assert replica.ask("/ready").status_code == 200
    replica.stopping = True
    assert replica.ask("/ready").status_code == 503
    assert replica.ask("/health").status_code == 200


def test_metrics_show_the_registry(replica: Replica) -> None:
    replica.ask("/")
    answer = replica.ask("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    assert 'flask_http_request_duration_seconds_count{method="GET",route="/"' in answer.text


def test_latency_is_kept_by_route_template_method_and_status(replica: Replica) -> None:
    replica.ask("/work?ms=1")
    replica.ask("/work?ms=2")
    replica.ask("/work?ms=1", method="POST")
    replica.ask("/work?ms=x")
    assert replica.requests_seen(route="/work", method="GET", status="200") == 2
    assert replica.requests_seen(route="/work", method="POST", status="200") == 1
    assert replica.requests_seen(route="/work", method="GET", status="400") == 1


def test_what_clients_make_up_adds_no_label_values(replica: Replica) -> None:
    for number in range(3):
        replica.ask(f"/none/{number}")
        replica.ask("/", method=f"MADEUP{number}")
    assert replica.requests_seen(route="unmatched", method="GET", status="404") == 3
    assert replica.requests_seen(route="unmatched", method="other", status="405") == 3


def test_a_streamed_answer_is_in_flight_until_its_body_is_closed(replica: Replica) -> None:
    answer = replica.client.get("/blob?mb=1", buffered=False)
    assert next(iter(answer.iter_encoded()))
    assert replica.in_flight() == 1
    assert replica.requests_seen(route="/blob", method="GET", status="200") is None
    answer.close()
    assert replica.in_flight() == 0
    assert replica.requests_seen(route="/blob", method="GET", status="200") == 1


def test_an_application_that_fails_is_counted_as_500_and_not_in_flight() -> None:
    registry = CollectorRegistry()

    def broken(_environ: object, _start: object) -> list[bytes]:
        message = "no answer"
        raise RuntimeError(message)

    client = Client(measured(broken, metrics=Metrics(registry)))
    with pytest.raises(RuntimeError, match="no answer"):
        client.get("/")
    assert registry.get_sample_value("flask_http_requests_in_flight") == 0
    labels = {"route": "unmatched", "method": "GET", "status": "500"}
    assert registry.get_sample_value("flask_http_request_duration_seconds_count", labels) == 1
