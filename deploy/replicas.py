"""The replicas of a service, as the scaler sees them; run inside the scaler's container by server.sh.

``list PROJECT`` prints ``service id state detail`` of each replica, one a line.
``await PROJECT/SERVICE SECONDS ID ...`` waits until these are ready.
``retire PROJECT/SERVICE SECONDS ID ...`` has the scaler take these away, and waits until they are gone.
Exit codes: 0 done; 3 the scaler does not answer, or refuses; 10 not in that time.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SCALER = "http://127.0.0.1:8000"
TOKEN = Path("/run/alertscale/token")
NOT_IN_TIME = 10
NO_ANSWER = 3
AGAIN = 20.0
"""Seconds after which the scaler is asked again to take away what still serves."""

Replicas = dict[str, dict[str, str]]


def call(path: str, body: object = None) -> dict[str, Any]:
    """GET, or POST a body."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN.read_text().strip()}"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(SCALER + path, data=data, headers=headers)  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return dict(json.load(answer))


def services(project: str) -> dict[str, Replicas]:
    """Replicas by id, of each service of a project."""
    found = [s for s in call("/api/v1/services")["services"] if s["project"] == project]
    return {s["service"]: {r["id"]: r for r in s["replicas"]} for s in found}


def replicas(name: str) -> Replicas:
    """The replicas of ``project/service``, by id."""
    project, _, service = name.partition("/")
    return services(project).get(service, {})


def await_ready(name: str, seconds: float, wanted: list[str]) -> int:
    """Wait until replicas are ready; print what keeps them from it."""
    deadline = time.monotonic() + seconds
    while True:
        seen = replicas(name)
        late = [one for one in wanted if seen.get(one, {}).get("state") != "ready"]
        if not late:
            return 0
        if time.monotonic() > deadline:
            for one in late:
                replica = seen.get(one, {"name": one, "state": "gone", "detail": ""})
                print(f"{replica['name']} is {replica['state']}: {replica['detail'] or 'no answer yet'}")
            return NOT_IN_TIME
        time.sleep(0.3)


def retire(name: str, seconds: float, leaving: list[str]) -> int:
    """Have the scaler take replicas away, and wait until they are gone."""
    deadline, ask_at = time.monotonic() + seconds, 0.0
    while True:
        seen = replicas(name)
        left = [one for one in leaving if one in seen]
        if not left:
            return 0
        if time.monotonic() > deadline:
            print("still there: " + ", ".join(f"{seen[one]['name']} ({seen[one]['state']})" for one in left))
            return NOT_IN_TIME
        serving = [one for one in left if seen[one]["state"] in {"ready", "starting"}]
        if serving and time.monotonic() > ask_at:
            call(f"/api/v1/services/{name}/retire", {"replicas": serving})
            ask_at = time.monotonic() + AGAIN
        time.sleep(0.3)


def main(words: list[str]) -> int:
    """Run one command; return the exit code."""
    command, name, *more = words
    try:
        if command == "list":
            for service, found in services(name).items():
                for one in found.values():
                    print(service, one["id"], one["state"], one["detail"])
            return 0
        work = {"await": await_ready, "retire": retire}[command]
        return work(name, float(more[0]), more[1:])
    except urllib.error.HTTPError as error:
        print(f"the scaler answers {error.code}: {error.read().decode(errors='replace')[:300]}")
    except OSError as error:
        print(f"the scaler does not answer: {error}")
    return NO_ANSWER


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
