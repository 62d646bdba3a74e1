"""All that the rules look at: the services, the alerts, the scrapes and the routes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alertscale.check.compose import Service, Stack, read_stack
from alertscale.check.findings import Finding
from alertscale.check.promrules import Alert, RuleSet, read_rules
from alertscale.check.routing import Routing, read_routing
from alertscale.check.scraping import Scraping, read_scraping
from alertscale.check.sites import Sites, read_sites
from alertscale.check.tree import Node


@dataclass(frozen=True, kw_only=True)
class Documents:
    """The files, read.

    Attributes:
        compose: one for each file, in the order of ``docker compose -f``.
        rules: one for each rule file.
        prometheus: ``prometheus.yml``; None if it was not given or could not be read.
        alertmanager: ``alertmanager.yml``; None if it was not given or could not be read.
        sites: of nginx, by file.
        variables: of the environment and of ``.env``; None if they are not at hand.
        compose_partial: a Compose file could not be read.
        rules_partial: a rule file could not be read.
    """

    compose: tuple[Node, ...] = ()
    rules: tuple[Node, ...] = ()
    prometheus: Node | None = None
    alertmanager: Node | None = None
    sites: Mapping[Path, str] = field(default_factory=dict)
    variables: Mapping[str, str] | None = field(default_factory=dict)
    compose_partial: bool = False
    rules_partial: bool = False


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What the files say; each part is None if there is no file for it."""

    stack: Stack | None
    rules: RuleSet | None
    scraping: Scraping | None
    routing: Routing | None
    sites: Sites | None

    @property
    def services(self) -> tuple[Service, ...]:
        """All services."""
        return tuple(self.stack.services.values()) if self.stack else ()

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """All alerts."""
        return self.rules.alerts if self.rules else ()

    @property
    def scaling(self) -> tuple[Alert, ...]:
        """The alerts that ask for steps."""
        return tuple(alert for alert in self.alerts if alert.scales)

    @property
    def for_the_scaler(self) -> tuple[Alert, ...]:
        """The alerts that the scaler must be told of without a break."""
        return tuple(alert for alert in self.alerts if alert.is_for_the_scaler)

    def may_concern(self, alert: Alert, service: Service) -> bool:
        """Whether an alert can be about a service."""
        if self.rules is None:
            return True
        names = self.rules.values(alert, "service")
        return self.is_ours(alert) and (names is None or service.name in names)

    def is_ours(self, alert: Alert) -> bool:
        """Whether an alert can be about a service of the project that the Compose files make."""
        projects = self.rules.values(alert, "project") if self.rules else None
        ours = self.stack.project if self.stack else None
        return projects is None or ours is None or not projects.isdisjoint({"", ours})

    def scaled_by(self, alert: Alert) -> tuple[Service, ...]:
        """The services that are surely scaled and that an alert can be about."""
        enabled = self.stack.enabled if self.stack else ()
        return tuple(service for service in enabled if self.may_concern(alert, service))


def read_setup(documents: Documents, *, findings: list[Finding]) -> Setup:
    """Read all documents.

    Args:
        documents: the files' trees.
        findings: what is not of the expected form is added here.

    Returns:
        What could be read.
    """
    scraping = read_scraping(documents.prometheus, findings=findings) if documents.prometheus else None
    return Setup(
        stack=read_stack(
            documents.compose,
            variables=documents.variables,
            partial=documents.compose_partial,
            findings=findings,
        ),
        rules=read_rules(
            documents.rules,
            external_labels=scraping.external_labels if scraping else {},
            partial=documents.rules_partial,
            findings=findings,
        ),
        scraping=scraping,
        routing=read_routing(documents.alertmanager, findings=findings) if documents.alertmanager else None,
        sites=read_sites(documents.sites) if documents.sites else None,
    )
