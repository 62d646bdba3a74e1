"""The routes and the message text, by the amtool of the pinned image."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "alertmanager" / "alertmanager.yml").read_text())
IMAGE: str = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["alertmanager"]["image"]
ALERTS: dict[str, dict[str, str]] = {
    rule["alert"]: rule.get("labels", {})
    for group in yaml.safe_load((ROOT / "prometheus" / "alert.rules.yml").read_text())["groups"]
    for rule in group["rules"]
}
FROM_SERIES = {"project": "shop", "service": "web", "instance": "web:80", "job": "web"}
"""Labels that an alert may take over from its series."""


def amtool(
    *arguments: str, config: Path = ROOT / "alertmanager", data: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run amtool in the pinned image, with the directory `config` as /etc/alertmanager."""
    mounts = ["-v", f"{config}:/etc/alertmanager:ro"]
    if data is not None:
        mounts += ["-v", f"{data}:/data:ro"]
    user = f"{os.getuid()}:{os.getgid()}"
    command = ["docker", "run", "--rm", "--network=none", "--user", user, *mounts]
    command += ["--entrypoint=amtool", IMAGE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def receiver_of(labels: dict[str, str]) -> str:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    done = amtool("config", "routes", "test", "--config.file=/etc/alertmanager/alertmanager.yml", *pairs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def webhooks_of(receiver: str) -> list[str]:
    return [
        webhook["url"]
        for found in CONFIG["receivers"]
        if found["name"] == receiver
        for webhook in found["webhook_configs"]
    ]


def test_the_configuration_is_valid() -> None:
    done = amtool("check-config", "/etc/alertmanager/alertmanager.yml")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 templates" in done.stdout


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_of_the_rules_reaches_the_receiver_that_is_meant_for_it(alert: str) -> None:
    plain = {k: v for k, v in ALERTS[alert].items() if "{{" not in v}
    meant = "scaler" if "scale" in plain or alert == "Watchdog" else "operator"

    receiver = receiver_of({**FROM_SERIES, **plain, "alertname": alert})

    assert receiver == meant
    assert webhooks_of(receiver) == ["http://scaler:8000/alerts"]


@pytest.mark.parametrize(
    "labels",
    [
        {"alertname": "NobodyForesawThis"},
        {"severity": "page", "team": "elsewhere"},
        {"alertname": "Misspelt", "scale": "sideways"},
        {},
    ],
    ids=["unknown name", "no name", "unknown direction", "no labels"],
)
def test_an_alert_that_nobody_foresaw_is_delivered(labels: dict[str, str]) -> None:
    receiver = receiver_of(labels)

    assert receiver == "operator"
    assert webhooks_of(receiver) == ["http://scaler:8000/alerts"]


def test_the_e_mail_example_is_valid_once_it_is_uncommented(tmp_path: Path) -> None:
    text = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
    begin = text.index("    # email_configs:")
    uncommented = re.sub(r"(?m)^    # ", "    ", text[begin:])
    (tmp_path / "templates").mkdir()
    template = ROOT / "alertmanager" / "templates" / "alertscale.tmpl"
    (tmp_path / "templates" / template.name).write_text(template.read_text())
    (tmp_path / "alertmanager.yml").write_text(text[:begin] + uncommented)

    done = amtool("check-config", "/etc/alertmanager/alertmanager.yml", config=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "email_configs" in yaml.safe_load(text[:begin] + uncommented)["receivers"][1]


FIRING = {
    "status": "firing",
    "labels": {
        "alertname": "AtMaxReplicas",
        "project": "shop",
        "service": "web",
        "severity": "warning",
    },
    "annotations": {
        "summary": "web has all 5 replicas and is still busy",
        "description": "An alert has asked shop/web for one more replica.",
        "runbook": "docs/monitoring.md#atmaxreplicas",
    },
    "startsAt": "2026-01-02T03:04:05Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://localhost:10090/graph?g0.expr=x",
}
RESOLVED = {
    "status": "resolved",
    "labels": {"alertname": "NobodyForesawThis"},
    "annotations": {},
    "startsAt": "2026-01-02T03:04:05Z",
    "endsAt": "2026-01-02T03:05:06Z",
    "generatorURL": "",
}


def render(template: str, tmp_path: Path, **data: object) -> str:
    whole = {
        "receiver": "operator",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://localhost:9093",
        **data,
    }
    (tmp_path / "data.json").write_text(json.dumps(whole))
    done = amtool(
        "template",
        "render",
        "--template.glob=/etc/alertmanager/templates/*.tmpl",
        "--template.data=/data/data.json",
        f'--template.text={{{{ template "{template}" . }}}}',
        data=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_title_says_what_and_where(tmp_path: Path) -> None:
    title = render(
        "alertscale.title",
        tmp_path,
        status="firing",
        alerts=[FIRING],
        commonLabels=FIRING["labels"],
    )

    assert title.strip() == "[FIRING 1] warning: AtMaxReplicas (shop/web)"


def test_the_title_of_an_alert_without_labels_still_says_something(tmp_path: Path) -> None:
    title = render("alertscale.title", tmp_path, status="resolved", alerts=[RESOLVED])

    assert title.strip() == "[RESOLVED] 1 alerts"


def test_the_text_says_what_where_since_when_and_what_to_do(tmp_path: Path) -> None:
    text = render("alertscale.text", tmp_path, status="firing", alerts=[FIRING, RESOLVED])

    assert text.splitlines()[0] == "web has all 5 replicas and is still busy"
    for line in (
        "  An alert has asked shop/web for one more replica.",
        "  Alert:   AtMaxReplicas (warning)",
        "  Service: shop/web",
        "  Since:   2026-01-02 03:04:05 UTC",
        "  What to do: docs/monitoring.md#atmaxreplicas",
        "  The rule now: http://localhost:10090/graph?g0.expr=x",
        "Resolved:",
        "NobodyForesawThis",
        "  Until:   2026-01-02 03:05:06 UTC",
        "Silence it: http://localhost:9093/#/alerts?receiver=operator",
    ):
        assert line in text.splitlines()
    assert "<no value>" not in text
