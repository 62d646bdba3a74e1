"""Where the files are, and reading them: the one part of the check that touches the disk."""

import glob
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dotenv

from alertscale.check import tree
from alertscale.check.findings import Finding, Place, Rule, finding
from alertscale.check.setup import Documents
from alertscale.check.tree import DocumentError, Node

_COMPOSE: Final = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""In the order in which Compose looks."""
_IN_CONTAINER: Final = "/etc/prometheus/"
"""Where prometheus.yml and the rule files lie in Prometheus' image."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """What to check.

    Attributes:
        compose: in the order of ``docker compose -f``.
        rules: Prometheus' rule files.
        prometheus: ``prometheus.yml``.
        alertmanager: ``alertmanager.yml``.
        sites: of nginx.
    """

    compose: tuple[Path, ...] = ()
    rules: tuple[Path, ...] = ()
    prometheus: Path | None = None
    alertmanager: Path | None = None
    sites: tuple[Path, ...] = ()


def find_files(directory: Path) -> Files:
    """Find the files of a stack that is laid out as ours.

    Args:
        directory: that of the Compose file.

    Returns:
        The Compose file that Compose itself would take, with its override file, and with them the sites in
        ``nginx/conf.d``; ``prometheus.yml`` and
        ``alertmanager.yml``, each in a directory of its name or beside the Compose file; the files that
        ``rule_files`` names or, if that cannot be read, ``*.rules.yml`` beside ``prometheus.yml``. What
        is not there is left empty.
    """
    prometheus = _first(directory, ("prometheus/prometheus.yml", "prometheus.yml"))
    compose = _compose(directory)
    return Files(
        compose=compose,
        rules=_rule_files(prometheus) if prometheus else (),
        prometheus=prometheus,
        alertmanager=_first(directory, ("alertmanager/alertmanager.yml", "alertmanager.yml")),
        # As nginx does: without those whose names begin with a dot.
        sites=tuple(sorted((directory / "nginx/conf.d").glob("[!.]*.conf"))) if compose else (),
    )


def _first(directory: Path, names: tuple[str, ...]) -> Path | None:
    return next((directory / name for name in names if (directory / name).is_file()), None)


def _compose(directory: Path) -> tuple[Path, ...]:
    found = _first(directory, _COMPOSE)
    if found is None:
        return ()
    overrides = tuple(f"{Path(name).stem}.override{Path(name).suffix}" for name in _COMPOSE)
    override = _first(directory, overrides)
    return (found, override) if override else (found,)


def _rule_files(prometheus: Path) -> tuple[Path, ...]:
    document = _read(prometheus, findings=[])
    if document is None:
        return tuple(sorted(prometheus.parent.glob("*.rules.yml")))
    found = [path for node in _patterns(document) for path in _matching(node, prometheus.parent)]
    return tuple(dict.fromkeys(found))


def _patterns(prometheus: Node) -> tuple[Node, ...]:
    return tuple(node for node in prometheus.listed("rule_files") if node.text)


def _relative(pattern: Node) -> str:
    return (pattern.text or "").removeprefix(_IN_CONTAINER)


def _matching(pattern: Node, directory: Path) -> list[Path]:
    text = _relative(pattern)
    try:
        return [directory / name for name in sorted(glob.glob(text, root_dir=directory))]  # noqa: PTH207 - as Prometheus does, an absolute pattern may stand there
    except (OSError, ValueError):
        return []


def load(files: Files, *, environment: Mapping[str, str] | None, findings: list[Finding]) -> Documents:
    """Read the files.

    Args:
        files: which.
        environment: goes before the variables of ``.env`` beside the first Compose file; None for neither.
        findings: what cannot be read is added here.

    Returns:
        What could be read.
    """
    compose = _read_all(files.compose, findings=findings)
    variables = None if environment is None else {**_dot_env(files.compose, findings=findings), **environment}
    rules = _read_all(files.rules, findings=findings)
    prometheus = _read(files.prometheus, findings=findings) if files.prometheus else None
    if prometheus and files.prometheus:
        findings += _missing_rule_files(prometheus, files.prometheus.parent)
    return Documents(
        compose=compose,
        rules=rules,
        prometheus=prometheus,
        alertmanager=_read(files.alertmanager, findings=findings) if files.alertmanager else None,
        sites=_sites(files.sites, findings=findings),
        variables=variables,
        compose_partial=len(compose) < len(files.compose),
        rules_partial=len(rules) < len(files.rules),
    )


def _missing_rule_files(prometheus: Node, directory: Path) -> list[Finding]:
    return [
        finding(
            Rule.MISSING_RULE_FILE,
            node.place,
            f"rule_files names {node.text}, but there is no such file, and Prometheus does not complain",
            "put the file there, or take the name out",
        )
        for node in _patterns(prometheus)
        # Another absolute path is one in Prometheus' container, which is not known here.
        if not (_relative(node).startswith("/") or _matching(node, directory))
    ]


def _read_all(paths: tuple[Path, ...], *, findings: list[Finding]) -> tuple[Node, ...]:
    documents = (_read(path, findings=findings) for path in paths)
    return tuple(document for document in documents if document is not None)


def _read(path: Path, *, findings: list[Finding]) -> Node | None:
    text = _text(path, findings=findings)
    if text is None:
        return None
    try:
        return tree.read(text, file=path)
    except DocumentError as error:
        findings.append(
            finding(
                Rule.INVALID_YAML,
                Place(file=path, line=error.line),
                f"{path.name} is not one YAML document: {error}",
                "put the line right; nothing of this file is checked until then",
            )
        )
        return None


def _sites(paths: tuple[Path, ...], *, findings: list[Finding]) -> dict[Path, str]:
    # nginx takes any bytes.
    texts = {path: _text(path, findings=findings, errors="replace") for path in paths}
    return {path: text for path, text in texts.items() if text is not None}


def _text(path: Path, *, findings: list[Finding], errors: str = "strict") -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors=errors)
    except (OSError, ValueError) as error:
        findings.append(
            finding(
                Rule.UNREADABLE_FILE,
                Place(file=path, line=1),
                f"{path.name} cannot be read: {error}",
                "give the path of a text file in UTF-8 that you may read",
            )
        )
        return None


def _dot_env(compose: tuple[Path, ...], *, findings: list[Finding]) -> dict[str, str]:
    path = compose[0].parent / ".env" if compose else None
    try:
        if path is None or not path.is_file():
            return {}
    except ValueError:
        # No path at all; that the Compose file beside it cannot be read is told already.
        return {}
    text = _text(path, findings=findings) or ""
    read = dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value or "" for name, value in read.items()}
