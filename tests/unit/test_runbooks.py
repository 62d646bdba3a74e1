"""What docs/monitoring.md says of each alert: where to look, the causes, the way out, in real commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
SERVICES = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"])
ALERTS = [
    rule["alert"]
    for group in yaml.safe_load((ROOT / "prometheus/alert.rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
# Its text is LowCPU's, but for one sentence.
SHORT = {"LowMemory"}
# The words of `docker compose` that take services, after options of which some take a value.
TAKES_SERVICES = re.compile(r"docker compose (logs|ps|start|restart|exec|up) ([^`|\n]*)")
WITH_VALUE = re.compile(r"--(tail|since|scale|wait-timeout)[ =]\S+")


def section(alert: str) -> str:
    found = re.search(rf"^### {alert}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/monitoring.md has no section {alert}"
    return found[1]


@pytest.mark.parametrize("alert", sorted(set(ALERTS) - SHORT))
def test_a_runbook_says_where_to_look_what_causes_it_and_the_way_out(alert: str) -> None:
    text = section(alert)
    for part in ("**Look**", "**Causes**", "**Way out**" if "reason |" not in text else "**way out**"):
        assert part in text, f"{alert}: no {part}"
    look = text.partition("**Look**")[2].partition("**Causes**")[0]
    assert re.search(r"`(docker|alertscale|curl) ", look), f"{alert}: no command to look with"


@pytest.mark.parametrize("alert", ALERTS)
def test_commands_of_a_runbook_name_services_of_the_stack(alert: str) -> None:
    for word, rest in TAKES_SERVICES.findall(section(alert)):
        names = [part for part in WITH_VALUE.sub("", rest).split() if not part.startswith("-")]
        wanted = names[:1] if word == "exec" else names
        assert set(wanted) <= SERVICES, f"{alert}: docker compose {word} {rest}"


@pytest.mark.parametrize("alert", ALERTS)
def test_links_of_a_runbook_lead_somewhere(alert: str) -> None:
    for file, anchor in re.findall(r"\]\(([\w./-]*)#?([\w-]*)\)", section(alert)):
        target = ROOT / "docs" / (file or "monitoring.md")
        assert target.is_file(), f"{alert}: {file}"
        titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors, f"{alert}: {file}#{anchor}"
