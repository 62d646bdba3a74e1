"""What a check has looked at, and what it found there. Pure."""

from dataclasses import dataclass
from pathlib import Path

from alertscale.check.findings import Finding
from alertscale.check.layers import Layers
from alertscale.check.setup import Config, Setup
from alertscale.check.tree import Node


@dataclass(frozen=True, kw_only=True)
class Source:
    """One kind of files that was looked for.

    Attributes:
        name: what they are.
        files: that were read; none if there are none.
        note: how they were found, or why there are none.
    """

    name: str
    files: tuple[Path, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a check says.

    Attributes:
        findings: by file and line.
        sources: all kinds of files, whether there are any or not.
        services: of the Compose files.
        scaled: of these, those that are surely scaled.
        alerts: of the rule files.
        routes: of Alertmanager.
        others: projects that the scaler is told to look after beside its own.
        unfollowed: what the Compose files take from where nothing is read; labels may stand there.
    """

    findings: tuple[Finding, ...]
    sources: tuple[Source, ...]
    services: int
    scaled: int
    alerts: int
    routes: int
    unfollowed: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def absent(self) -> tuple[str, ...]:
        """What of the loop was not found."""
        return tuple(source.name for source in self.sources if not source.files)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be checked at all."""
        return not self.findings and not any(source.files for source in self.sources)


def report(layers: Layers, setup: Setup, findings: tuple[Finding, ...]) -> Report:
    """Put a report together.

    Args:
        layers: the Compose files.
        setup: what all files say.
        findings: in order.
    """
    documents, stack = setup.documents, setup.stack
    return Report(
        findings=findings,
        sources=(
            Source(name="Compose files", files=layers.files, note=_of_compose(layers, setup)),
            _program("Prometheus' file", documents.prometheus),
            Source(name="rule files", files=_files(documents.rules or ()), note=_of_rules(setup)),
            _program("Alertmanager's file", documents.alertmanager),
            *([Source(name="nginx' sites", files=tuple(documents.sites))] if stack and stack.nginx else []),
        ),
        services=len(setup.services),
        scaled=len(stack.enabled) if stack else 0,
        alerts=len(setup.alerts),
        routes=sum(1 for _ in setup.routing.root.all()) if setup.routing else 0,
        others=(stack.looked_after if stack else None) or (),
        unfollowed=(*_unfollowed(layers, setup), *map(str, layers.unseen)),
    )


def _unfollowed(layers: Layers, setup: Setup) -> tuple[str, ...]:
    keys = [f"{key} of {service.name}" for service in setup.services for key in service.unfollowed]
    return (*(f"include of {name}" for name in layers.unfollowed), *keys)


def _of_compose(layers: Layers, setup: Setup) -> str:
    unfollowed = ", ".join(_unfollowed(layers, setup))
    project = f"project {layers.project}" if layers.project else ""
    unseen = f"not to be seen from here: {', '.join(map(str, layers.unseen))}" if layers.unseen else ""
    return "; ".join(part for part in (project, unseen, unfollowed and f"not followed: {unfollowed}") if part)


def _program(name: str, config: Config) -> Source:
    running, others = config.running, ", ".join(config.others)
    how = (
        f"{config.seen} of the service {running.service.name}"
        if running
        else "by its name: no service runs it"
    )
    absent = config.document is None or config.file is None
    note = "; ".join(
        part for part in (config.absent if absent else how, others and f"not that of {others}") if part
    )
    return Source(name=name, files=() if absent or config.file is None else (config.file,), note=note)


def _of_rules(setup: Setup) -> str:
    if setup.documents.rules is None:
        return "Prometheus' file names them"
    if not setup.documents.rules:
        return "Prometheus' file names none" + (" that is there" if setup.documents.rules_partial else "")
    return "there are more, which could not be read" if setup.documents.rules_partial else ""


def _files(documents: tuple[Node, ...]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(document.place.file for document in documents))
