"""What the exporter says about itself."""

from prometheus_client.parser import text_string_to_metric_families

from exporter.errors import Reason
from exporter.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    text = metrics.render(by_source={"cgroup": 3, "stats": 0})
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_reason_is_there_from_the_start_so_that_a_rate_sees_the_first_error() -> None:
    found = samples(Metrics())
    assert {reason for name, reason in found if name == "alertscale_exporter_errors_total"} == {
        reason.value for reason in Reason
    }


def test_errors_scrapes_and_sources_are_counted() -> None:
    metrics = Metrics()
    metrics.count(Reason.CGROUP_UNREADABLE)
    metrics.scraped(0.25)
    metrics.scraped(0.5)
    found = samples(metrics)
    assert found["alertscale_exporter_errors_total", "cgroup_unreadable"] == 1
    assert found["alertscale_exporter_scrape_duration_seconds_count", ""] == 2
    assert found["alertscale_exporter_scrape_duration_seconds_sum", ""] == 0.75
    assert found["alertscale_exporter_containers", "cgroup"] == 3


def test_connected_means_that_the_engine_answers_and_streams() -> None:
    connected = {
        (streaming, answering): samples(Metrics(streaming=streaming, answering=answering))[
            "alertscale_exporter_engine_connected", ""
        ]
        for streaming in (False, True)
        for answering in (False, True)
    }
    assert [pair for pair, value in connected.items() if value] == [(True, True)]
