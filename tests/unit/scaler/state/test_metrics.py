"""The metrics that docs/metrics.md names, and that services which are gone leave none behind."""

from prometheus_client import CollectorRegistry, generate_latest

from scaler.model.reasons import ReplicaState
from scaler.state.metrics import Metrics

WEB, API = ("shop", "web"), ("shop", "api")


def text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def set_gauges(metrics: Metrics, key: tuple[str, str], *, limits: bool = True) -> None:
    for state in ReplicaState:
        metrics.replicas.labels(*key, state).set(1)
    metrics.faults.labels(*key).set(0)
    metrics.versions.labels(*key).set(1)
    if limits:
        metrics.set_bounds(key, minimum=1, maximum=5)


def test_the_names_and_labels_of_the_design() -> None:
    metrics = Metrics(CollectorRegistry())
    set_gauges(metrics, WEB)
    metrics.scale.labels(*WEB, "up", "done").inc()
    metrics.decisions.labels(*WEB, "steady").inc()
    metrics.duration.labels(*WEB, "up", "create").observe(0.2)
    metrics.signal_age.set(1)
    metrics.reloads.labels("reloaded").inc()
    metrics.webhooks.labels("202").inc()
    shown = text(metrics)

    for series in (
        'alertscale_replicas{project="shop",service="web",state="ready"} 1.0',
        'alertscale_replicas_min{project="shop",service="web"} 1.0',
        'alertscale_replicas_max{project="shop",service="web"} 5.0',
        'alertscale_scale_total{direction="up",outcome="done",project="shop",service="web"} 1.0',
        'alertscale_decisions_total{project="shop",reason="steady",service="web"} 1.0',
        'alertscale_scale_duration_seconds_bucket{direction="up",le="0.25",phase="create",project="shop",service="web"} 1.0',  # noqa: E501
        "alertscale_signal_age_seconds 1.0",
        'alertscale_reloads_total{outcome="reloaded"} 1.0',
        'alertscale_webhooks_total{code="202"} 1.0',
    ):
        assert series in shown


def test_every_metric_has_our_prefix_and_a_help_text() -> None:
    for family in Metrics(CollectorRegistry()).registry.collect():
        assert family.name.startswith("alertscale_")
        assert family.documentation


def test_two_sets_of_metrics_live_side_by_side() -> None:
    """Nothing is kept in a registry that all share."""
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.reloads.labels("reloaded").inc()

    assert "reloaded" not in text(other)


def test_a_service_that_is_gone_leaves_no_gauges() -> None:
    metrics = Metrics(CollectorRegistry())
    for present in ({WEB, API}, {API}, set[tuple[str, str]](), {API}):
        metrics.forget_all_but(frozenset(present))
        for key in present:
            set_gauges(metrics, key)
        shown = text(metrics)
        assert ('service="web"' in shown) == (WEB in present)
        assert ('service="api"' in shown) == (API in present)


def test_a_replica_that_is_gone_leaves_none() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.set_serving({(*WEB, "shop-web-1"): True, (*WEB, "shop-web-2"): False})
    for series in ('name="shop-web-1",project="shop",service="web"} 1.0', 'name="shop-web-2",'):
        assert f"alertscale_replica_serving{{{series}" in text(metrics)

    metrics.set_serving({(*WEB, "shop-web-1"): False})
    assert 'name="shop-web-1",project="shop",service="web"} 0.0' in text(metrics)
    assert "shop-web-2" not in text(metrics)


def test_nor_does_one_whose_labels_could_never_be_read() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.forget_all_but(frozenset({WEB}))
    set_gauges(metrics, WEB, limits=False)
    metrics.forget_all_but(frozenset())

    assert 'service="web"' not in text(metrics)
