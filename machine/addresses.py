"""Where the pages of the stack are."""

from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page that a browser can open.

    Attributes:
        title: What it shows.
        url: Where.
    """

    title: str
    url: str


def pages(config: dict[str, Any]) -> tuple[Page, ...]:
    """Return the pages of all services with a published port, the known ones first and in order.

    Args:
        config: What `docker compose config --format json` prints; its ports are those of .env and
            the environment.
    """
    services = config["services"]
    order = [name for name in TITLES if name in services]
    order += sorted(name for name in services if name not in TITLES)
    return tuple(
        Page(title=TITLES.get(name, name), url=_url(port))
        for name in order
        for port in services[name].get("ports", ())
        if port.get("published")
    )


def _url(port: dict[str, Any]) -> str:
    host = port.get("host_ip", "")
    shown = "localhost" if host in EVERY_INTERFACE or host.startswith("127.") else host
    scheme = "https" if port.get("target") == HTTPS else "http"
    return f"{scheme}://{shown}:{port['published']}/"


def table(found: tuple[Page, ...]) -> str:
    """Return the pages as lines of text, one below the other."""
    width = max((len(page.title) for page in found), default=0)
    return "\n".join(f"  {page.title:<{width}}  {page.url}" for page in found)
