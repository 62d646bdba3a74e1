"""Every metric, from what the programs register and render."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from exporter.cgroup import Reading
from exporter.containers import sample_labels
from exporter.engine import Container
from exporter.exposition import (
    MACHINE_CORES,
    MACHINE_MEMORY,
    Row,
    render_containers,
    render_labels,
    render_samples,
)
from exporter.metrics import Metrics as ExporterMetrics
from exporter.settings import DEFAULT_LABELS
from scaler.state.metrics import Metrics as ScalerMetrics
from service.metrics import Metrics as ServiceMetrics
from tools.lookup.filling import Makers
from tools.lookup.rules import records
from tools.markdown import code, table

_HEAD: Final = ("metric", "type", "labels", "meaning")

_CONTAINER: Final = Container(
    id="0f3c",
    name="shop-web-1",
    image="shop-web",
    labels={},
    started_at=1,
    cgroup_parent="",
    cpu_quota=1,
    cpu_period=1,
    memory_limit=1,
)
_READING: Final = Reading(**{field.name: 1 for field in fields(Reading)})

Metric = tuple[str, str, tuple[str, ...], str]
"""Name, type, labels, help."""

OTHERS: Final[Mapping[str, tuple[str, str]]] = {
    "up": ("Prometheus", "1 while a target answers, by `job` and `instance`."),
    "ALERTS": ("Prometheus", "The alerts that wait or fire, by `alertname`, `alertstate` and their labels."),
    "nginx_up": ("nginx-prometheus-exporter", "1 while nginx answers on `stub_status`."),
    "prometheus_config_last_reload_successful": ("Prometheus", "1 while its configuration was taken last."),
    "prometheus_rule_evaluation_failures_total": (
        "Prometheus",
        "Rules that could not be evaluated, by group.",
    ),
    "alertmanager_config_last_reload_successful": (
        "Alertmanager",
        "1 while its configuration was taken last.",
    ),
    "alertmanager_notifications_failed_total": (
        "Alertmanager",
        "What could not be delivered, by `integration`.",
    ),
}
"""What the rules and the status page read of others' programs: whose it is, and what it says."""


def registered(program: Callable[[CollectorRegistry], object]) -> Iterator[Metric]:
    """Yield what a program registers, such as the scaler's Metrics."""
    registry = CollectorRegistry()
    program(registry)
    # A metric without a sample is in no exposition, and only its object knows its labels.
    for collector in registry._collector_to_names:  # noqa: SLF001
        assert isinstance(collector, MetricWrapperBase)  # noqa: S101 - all of ours are
        (family,) = collector.describe()
        name = f"{family.name}_total" if isinstance(collector, Counter) else family.name
        yield name, family.type, tuple(collector._labelnames), family.documentation  # noqa: SLF001


def of_exporter() -> tuple[Metric, ...]:
    """What the exporter renders of a container, of the machine and of itself."""
    return tuple(
        (
            f"{family.name}_total" if family.type == "counter" else family.name,
            family.type,
            tuple(dict.fromkeys(label for sample in family.samples for label in sample.labels)),
            family.documentation,
        )
        for family in text_string_to_metric_families(_rendered())
    )


def _rendered() -> str:
    labels = sample_labels(_CONTAINER, path="/docker/x", container_labels=DEFAULT_LABELS)
    row = Row(
        labels=render_labels(labels),
        cpu_labels=render_labels({"cpu": "total"} | labels),
        started_at=1,
        seen_at=1,
        reading=_READING,
    )
    machine = render_samples(MACHINE_CORES, [("", 1)]) + render_samples(MACHINE_MEMORY, [("", 1)])
    return render_containers([row]) + machine + ExporterMetrics().render(by_source={"cgroup": 1, "stats": 0})


def _table(program: Callable[[CollectorRegistry], object]) -> str:
    found = registered(program)
    return table(
        _HEAD, [(code(name), kind, ", ".join(map(code, labels)), text) for name, kind, labels, text in found]
    )


def exporter_table() -> str:
    """The table of the exporter's metrics, with the labels that all of a container's have told once."""
    everyone = sample_labels(_CONTAINER, path="", container_labels=DEFAULT_LABELS).keys()

    def told(labels: tuple[str, ...]) -> str:
        own = [code(label) for label in labels if label not in everyone]
        return ", ".join(["of a container", *own] if everyone <= set(labels) else own)

    rows = [(code(name), kind, told(labels), text) for name, kind, labels, text in of_exporter()]
    return f"{table(_HEAD, rows)}\nThe labels of a container: {', '.join(map(code, everyone))}.\n"


def of_others() -> str:
    """The table of what is read of others' programs."""
    return table(("metric", "of", "meaning"), [(code(name), *told) for name, told in OTHERS.items()])


MAKERS: Final[Makers] = {
    "metrics-of-the-scaler": lambda: _table(ScalerMetrics),
    "metrics-of-the-exporter": exporter_table,
    "metrics-of-flask-app": lambda: _table(ServiceMetrics),
    "metrics-of-others": of_others,
    "records": records,
}
"""Each block of docs/metrics.md."""
