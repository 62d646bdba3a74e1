"""Where the pages of the stack are."""

from collections.abc import Mapping
from typing import Any

TITLES = {
    "nginx": "flask-app, through nginx",
    "scaler": "scaler: services and what was decided",
    "prometheus": "Prometheus: metrics and alert rules",
    "alertmanager": "Alertmanager: alerts that fire now",
    "locust": "Locust: load by hand",
}
HTTPS = 443
EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


def pages(config: dict[str, Any]) -> dict[str, str]:
    """Return the pages, URL to what it shows: of published ports, the known services first and in order.

    Args:
        config: What `docker compose config --format json` prints; its ports are those of .env and
            the environment.
    """
    services = config["services"]
    order = [name for name in TITLES if name in services]
    order += sorted(name for name in services if name not in TITLES)
    return {
        _url(port): TITLES.get(name, name)
        for name in order
        for port in services[name].get("ports", ())
        if port.get("published")
    }


def _url(port: dict[str, Any]) -> str:
    host = port.get("host_ip", "")
    shown = "localhost" if host in EVERY_INTERFACE or host.startswith("127.") else host
    scheme = "https" if port.get("target") == HTTPS else "http"
    return f"{scheme}://{shown}:{port['published']}/"


def table(found: Mapping[str, str]) -> str:
    """Return titles with their URLs as lines of text, one below the other."""
    width = max(map(len, found.values()), default=0)
    return "\n".join(f"  {title:<{width}}  {url}" for url, title in found.items())
