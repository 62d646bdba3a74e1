"""Services, events and health figures as the API's own document shows them, with some fields changed."""

import copy
from datetime import UTC
from typing import Any

from alertscale.model import Event, Health, Service, answer_of, rfc3339
from alertscale.wording import Times
from scaler.web.openapi import document

OPENAPI = document()
NOW = 1_795_407_411.25
"""2026-11-23T04:16:51.250Z, when the document's example was decided."""


def example(path: str) -> dict[str, Any]:
    media = OPENAPI["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    return copy.deepcopy(dict(media["example"]))


def stamp(seconds: float) -> str:
    """A time that many seconds from NOW, as the API writes it."""
    return rfc3339(NOW + seconds)


def raw_alert(name: str, scale: str, resource: str) -> dict[str, Any]:
    return {
        "alertname": name,
        "scale": scale,
        "resource": resource,
        "since": stamp(-8),
        "first_heard": stamp(-7),
        "last_heard": stamp(-2),
        "summary": f"{resource} of flask-app",
        "url": "",
    }


HIGH_CPU = raw_alert("HighCPU", "up", "cpu")
HIGH_MEMORY = raw_alert("HighMemory", "up", "memory")
LOW_CPU = raw_alert("LowCPU", "down", "cpu")
LOW_MEMORY = raw_alert("LowMemory", "down", "memory")


def raw_replica(number: int, state: str = "ready") -> dict[str, Any]:
    return {
        "number": number,
        "name": f"shop-web-{number}",
        "id": "0f3c5a7be1d2",
        "state": state,
        "address": f"10.0.0.{number}",
        "detail": "" if state == "ready" else "answers 503",
        "cpu": 0.4 + number / 100 if state == "ready" else None,
        "memory": 0.11 if state == "ready" else None,
    }


def raw_service(
    *,
    replicas: int = 3,
    reason: str = "steady",
    direction: str | None = None,
    target: int | None = None,
    until: float | None = None,
    resources: tuple[str, ...] = (),
    memory: tuple[float, float] | None = None,
    decided: float = -0.5,
    alerts: tuple[dict[str, Any], ...] = (),
    limits: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
    **fields: object,
) -> dict[str, Any]:
    """A service ``shop/web`` that has settled at so many ready replicas, of 1 to 5; times count from NOW."""
    (made,) = example("/api/v1/services")["services"]
    made |= {"project": "shop", "service": "web", "alerts": list(alerts)}
    made["replicas"] = [raw_replica(n + 1) for n in range(replicas)]
    made["decision"] |= {
        "reason": reason,
        "direction": direction,
        "replicas": replicas,
        "target": replicas if target is None else target,
        "until": None if until is None else stamp(until),
        "resources": list(resources),
        "memory": None if memory is None else dict(zip(("before", "now"), memory, strict=True)),
        "at": stamp(decided),
    }
    made["limits"] |= limits or {}
    made["min"], made["max"] = made["limits"]["min"], made["limits"]["max"]
    made["inputs"] |= {"replicas": replicas, "stepping": False} | (inputs or {})
    return dict(made | fields)


def faulty_service() -> dict[str, Any]:
    fault = "compose.yml: service web: alertscale.max: 'x' is not a whole number"
    made = raw_service(faults=[fault])
    return made | {"min": None, "max": None, "limits": None, "decision": None, "inputs": None}


def service(raw: dict[str, Any]) -> Service:
    return answer_of(raw, Service, where="test")


def health(**changes: object) -> Health:
    return answer_of(example("/healthz") | changes, Health, where="test")


def event(
    number: int, kind: str = "decision", *, name: str = "web", project: str = "shop", reason: str = ""
) -> Event:
    (made,) = example("/api/v1/events")["events"]
    made |= {"id": number, "kind": kind, "service": name, "project": project, "text": f"event {number}"}
    return answer_of(made | {"reason": reason or kind}, Event, where="test")


def times(seconds: float = 0.0) -> Times:
    """Times at so many seconds after NOW, shown in UTC."""
    return Times(now=NOW + seconds, zone=UTC)
