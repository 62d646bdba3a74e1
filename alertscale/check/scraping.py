"""From ``prometheus.yml`` to how often each metric is scraped. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import promql_parser as promql

from alertscale.check.expressions import name_of
from alertscale.check.findings import Finding, Place
from alertscale.check.matching import Matcher, Operator, Verdict
from alertscale.check.reading import Duration, duration, tables
from alertscale.check.tree import Node

_DEFAULT: Final = 60.0
"""Prometheus' own default of both intervals, in seconds."""
_RELABELLED: Final = "alert_relabel_configs"
_PORTS: Final = {"http": 80, "https": 443}
"""Where Prometheus asks an Alertmanager without a port."""
_SOURCES: Final = (
    (("container_", "machine_"), frozenset({"exporter", "cadvisor"})),
    (("alertscale_",), frozenset({"scaler"})),
)
"""Which metrics come from which hosts, for selectors that name no job."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One scrape job.

    Attributes:
        name: its ``job_name``.
        interval: between two scrapes.
        hosts: of its static targets, without ports.
    """

    name: str
    interval: Duration
    hosts: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """An Alertmanager that Prometheus tells of alerts.

    Attributes:
        place: where it is written.
        host: its name or address.
        port: of it.
        scheme: ``http`` or ``https``.
        prefix: what the paths of its API begin with, without a slash at the end.
        version: of its API; empty for Prometheus' own default.
    """

    place: Place
    host: str
    port: int | None
    scheme: str
    prefix: str
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Scraping:
    """What Prometheus watches, how often, and whom it tells of alerts.

    Attributes:
        place: of its Alertmanagers; of the file if it names none.
        jobs: in the order of the file.
        targets: its Alertmanagers, as far as they are written there; None if it finds them in another way.
        evaluation_interval: seconds between two evaluations of a group without an interval of its own.
        external_labels: what Prometheus adds to every alert.
        relabelled: the entries of ``alert_relabel_configs``, for all Alertmanagers or one of them.
    """

    place: Place
    jobs: tuple[Job, ...]
    targets: tuple[Target, ...] | None = ()
    evaluation_interval: float = _DEFAULT
    external_labels: Mapping[str, str] = field(default_factory=dict)
    relabelled: tuple[Node, ...] = ()

    def quickest(self, selector: promql.VectorSelector) -> Job | None:
        """The most frequently scraped of the jobs that a selector can read from; None if there is none."""
        return min(self._jobs_of(selector), key=lambda job: job.interval.seconds, default=None)

    def _jobs_of(self, selector: promql.VectorSelector) -> list[Job]:
        demands = [
            Matcher(label="job", operator=Operator(_OPERATORS[str(m.op)]), value=m.value)
            for m in selector.matchers.matchers
            if m.name == "job" and str(m.op) in _OPERATORS
        ]
        jobs = [j for j in self.jobs if all(d.judge(frozenset({j.name})) is not Verdict.NO for d in demands)]
        name = name_of(selector) or ""
        for prefixes, hosts in _SOURCES:
            if not demands and name.startswith(prefixes):
                return [j for j in jobs if hosts & (j.hosts | {j.name})] or jobs
        return jobs


_OPERATORS: Final = {
    "MatchOp.Equal": "=",
    "MatchOp.NotEqual": "!=",
    "MatchOp.Re": "=~",
    "MatchOp.NotRe": "!~",
}


def read_scraping(document: Node, *, findings: list[Finding]) -> Scraping:
    """Read ``prometheus.yml``.

    Args:
        document: its tree.
        findings: what is not of the form of such a file is added here.

    Returns:
        The jobs that could be read.
    """
    everywhere = document.get("global") or Node(place=document.place)
    default = duration(everywhere, "scrape_interval", findings=findings)
    evaluation = duration(everywhere, "evaluation_interval", findings=findings)
    jobs = []
    for node in tables(document, "scrape_configs", findings=findings):
        own = duration(node, "scrape_interval", findings=findings)
        interval = own or default or Duration(seconds=_DEFAULT, place=node.place)
        jobs.append(Job(name=node.word("job_name") or "", interval=interval, hosts=_hosts(node)))
    labels = everywhere.get("external_labels")
    alerting = document.get("alerting", "alertmanagers")
    return Scraping(
        place=(alerting or document).place,
        jobs=tuple(jobs),
        targets=_targets(document.get("alerting"), findings=findings),
        evaluation_interval=evaluation.seconds if evaluation else _DEFAULT,
        external_labels={k: v.text or "" for k, v in labels.entries.items()} if labels else {},
        relabelled=tuple(_relabelled(document.get("alerting"))),
    )


def _relabelled(alerting: Node | None) -> Iterator[Node]:
    for node in (alerting, *alerting.listed("alertmanagers")) if alerting else ():
        yield from node.listed(_RELABELLED)


def _hosts(job: Node) -> frozenset[str]:
    targets = [item for config in job.listed("static_configs") for item in config.listed("targets")]
    texts = [item.text or "" for item in targets]
    return frozenset(text.rpartition("//")[2].partition(":")[0] for text in texts)


def _targets(alerting: Node | None, *, findings: list[Finding]) -> tuple[Target, ...] | None:
    found: list[Target] = []
    for node in tables(alerting, "alertmanagers", findings=findings) if alerting else ():
        if any(key.endswith("_sd_configs") for key in node.entries):
            return None
        scheme = node.word("scheme") or "http"
        for item in (item for config in node.listed("static_configs") for item in config.listed("targets")):
            host, colon, port = (item.text or "").rpartition(":")
            found.append(
                Target(
                    place=item.place,
                    host=host if colon else port,
                    port=int(port) if colon and port.isdecimal() else _PORTS.get(scheme),
                    scheme=scheme,
                    prefix=(node.word("path_prefix") or "").rstrip("/"),
                    version=node.word("api_version") or "",
                )
            )
    return tuple(found)
