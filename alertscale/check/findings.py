"""What a check finds: a closed list of rules, each with its severity."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple


class Severity(StrEnum):
    """How bad it is: an error stops scaling or a site, or makes it flap; a warning makes it worse."""

    ERROR = "error"
    WARNING = "warning"


class Rule(StrEnum):
    """Every rule; docs/check.md explains each."""

    UNREADABLE_FILE = "unreadable-file"
    INVALID_YAML = "invalid-yaml"
    UNEXPECTED_FORM = "unexpected-form"
    UNREADABLE_EXPRESSION = "unreadable-expression"
    CONFIG_NOT_FOUND = "config-not-found"
    IGNORED_DOCUMENT = "ignored-document"
    MISSING_RULE_FILE = "missing-rule-file"
    RULE_FILE_NOT_READ = "rule-file-not-read"
    UNREADABLE_LABEL = "unreadable-label"
    MIN_ABOVE_MAX = "min-above-max"
    UNKNOWN_LABEL = "unknown-label"
    NEARLY_OUR_LABEL = "nearly-our-label"
    LABEL_FOR_SWARM = "label-for-swarm"
    FIXED_HOST_PORT = "fixed-host-port"
    CONTAINER_NAME = "container-name"
    STATIC_ADDRESS = "static-address"
    HOST_NETWORK = "host-network"
    NOTHING_ENABLED = "nothing-enabled"
    SCALER_WITHOUT_SERVICE = "scaler-without-service"
    INCLUDE_SAME_NAME = "include-same-name"
    NAME_OF_OURS = "name-of-ours"
    NOT_ON_OUR_NETWORK = "not-on-our-network"
    STATEFUL_SERVICE = "stateful-service"
    NO_LIMITS = "no-limits"
    NO_PORT = "no-port"
    SEVERAL_PORTS = "several-ports"
    NO_READINESS = "no-readiness"
    SHORT_STOP_GRACE = "short-stop-grace"
    HOOK_WITHOUT_LABEL = "hook-without-label"
    READY_TIMEOUT_TOO_SHORT = "ready-timeout-too-short"
    FIXED_HOST = "fixed-host"
    UNKNOWN_UPSTREAM = "unknown-upstream"
    HEADER_TWICE = "header-twice"
    HEADERS_LEFT_OUT = "headers-left-out"
    DEFAULT_SERVER_TWICE = "default-server-twice"
    UPSTREAM_TWICE = "upstream-twice"
    SERVER_NAME_TWICE = "server-name-twice"
    BAD_SCALE = "bad-scale"
    SCALE_WITHOUT_SERVICE = "scale-without-service"
    SCALE_WITHOUT_RESOURCE = "scale-without-resource"
    UNKNOWN_SERVICE = "unknown-service"
    SERVICE_NOT_ENABLED = "service-not-enabled"
    UP_WITHOUT_DOWN = "up-without-down"
    RESOURCE_NOT_NAMED = "resource-not-named"
    RESOURCE_WITHOUT_RULE = "resource-without-rule"
    NOTHING_ADDS = "nothing-adds"
    WATCHDOG_MISSING = "watchdog-missing"
    FLAPPING_THRESHOLDS = "flapping-thresholds"
    SUM_NOT_AVERAGE = "sum-not-average"
    DOWN_PER_REPLICA = "down-per-replica"
    SHORT_RATE_WINDOW = "short-rate-window"
    FOR_EXCEEDS_COOLDOWN = "for-exceeds-cooldown"
    KEEP_FIRING_EXCEEDS_COOLDOWN = "keep-firing-exceeds-cooldown"
    ALERTMANAGER_NOT_REACHED = "alertmanager-not-reached"
    ALERT_RELABELLED = "alert-relabelled"
    ALERTMANAGER_REFUSES = "alertmanager-refuses"
    UNDEFINED_RECEIVER = "undefined-receiver"
    UNDELIVERED_ALERT = "undelivered-alert"
    SCALER_NOT_REACHED = "scaler-not-reached"
    OWN_SCALER_NOT_TOLD = "own-scaler-not-told"
    WEBHOOK_MISSES_SCALER = "webhook-misses-scaler"
    WEBHOOK_WITHOUT_TOKEN = "webhook-without-token"  # noqa: S105 - a rule, not a secret
    REPEAT_NOT_BELOW_GROUP = "repeat-not-below-group"
    TTL_BELOW_REPETITION = "ttl-below-repetition"


WARNINGS: Final = frozenset(
    {
        Rule.UNREADABLE_EXPRESSION,
        Rule.IGNORED_DOCUMENT,
        Rule.MISSING_RULE_FILE,
        Rule.NEARLY_OUR_LABEL,
        Rule.LABEL_FOR_SWARM,
        Rule.SCALER_WITHOUT_SERVICE,
        Rule.NO_LIMITS,
        Rule.NO_PORT,
        Rule.NO_READINESS,
        Rule.SHORT_STOP_GRACE,
        Rule.READY_TIMEOUT_TOO_SHORT,
        Rule.FIXED_HOST,
        Rule.HEADER_TWICE,
        Rule.HEADERS_LEFT_OUT,
        Rule.SERVER_NAME_TWICE,
        Rule.SUM_NOT_AVERAGE,
        Rule.SHORT_RATE_WINDOW,
        Rule.FOR_EXCEEDS_COOLDOWN,
        Rule.KEEP_FIRING_EXCEEDS_COOLDOWN,
        Rule.OWN_SCALER_NOT_TOLD,
        Rule.REPEAT_NOT_BELOW_GROUP,
    }
)
"""The rules that warn; the others are errors."""


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """Where something is written.

    Attributes:
        file: as it was given.
        line: from 1; 1 for a file as a whole.
    """

    file: Path
    line: int


class Found(NamedTuple):
    """What a rule finds; ``text`` and ``way_out`` are those of a ``Finding``."""

    place: Place
    text: str
    way_out: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that would make the loop fail or flap.

    Attributes:
        rule: which rule found it.
        severity: how bad it is.
        file: where; as it was given.
        line: from 1.
        text: one sentence with the value.
        way_out: one sentence: what to do.
    """

    rule: Rule
    severity: Severity
    file: Path
    line: int
    text: str
    way_out: str


def severity_of(rule: Rule) -> Severity:
    """The severity that all findings of a rule have."""
    return Severity.WARNING if rule in WARNINGS else Severity.ERROR


def finding(rule: Rule, place: Place, text: str, way_out: str) -> Finding:
    """Put a finding together."""
    return Finding(
        rule=rule,
        severity=severity_of(rule),
        file=place.file,
        line=place.line,
        text=text,
        way_out=way_out,
    )


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, by file, line and rule."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda f: (str(f.file), f.line, f.rule, f.text)))


def nearest(word: str, words: Iterable[str] | Mapping[str, object], *, cutoff: float = 0.6) -> str | None:
    """The word that was probably meant; None if none is as like as ``cutoff`` (1 is the same)."""
    near = difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=cutoff)
    return near[0] if near else None
