"""The command line inside the scaler's container: no option, no installation, and no cost to the scaler."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def alertscale(stack: Stack, *words: str) -> str:
    return stack.compose("exec", "-T", "scaler", "alertscale", *words)


def test_status_and_explain_need_no_option(stack: Stack) -> None:
    busy = r"CPU \d+ % \(adds above 70, removes below 30\); memory \d+ %"
    wait_until(lambda: re.search(busy, alertscale(stack, "status")), within=20, what="how busy it is")
    shown = json.loads(alertscale(stack, "explain", "flask-app", "--json"))
    assert [way["direction"] for way in shown["explanation"]["ways"]] == ["up", "down"]
    assert "The scaler started" in alertscale(stack, "events", "--kind", "started")


def test_a_manual_step_is_waited_for_and_a_pause_is_told(one_replica: Stack) -> None:
    assert "flask-app has 2 replicas." in alertscale(one_replica, "scale", "flask-app", "2")
    assert "holds all steps" in alertscale(one_replica, "pause", "flask-app")
    assert one_replica.service()["pause"] == "all"
    assert "nothing is held" in alertscale(one_replica, "resume", "flask-app")


def test_it_works_from_whichever_directory(stack: Stack) -> None:
    assert "flask-app" in stack.compose("exec", "-T", "--workdir", "/tmp", "scaler", "alertscale", "status")


def test_the_scaler_carries_nothing_of_it(stack: Stack) -> None:
    """Structlog loads rich wherever it finds it: the command line's packages lie apart."""
    code = "import sys, scaler.__main__; print(sorted({'alertscale', 'rich', 'pygments'} & set(sys.modules)))"
    assert stack.compose("exec", "-T", "scaler", "python", "-c", code).strip() == "[]"


def test_its_image_checks_any_folder_and_says_what_it_has_read(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(
        "services: { web: { image: w, labels: { alertscale.enable: 'true' } } }"
    )
    image = stack.containers("scaler")[0]["Config"]["Image"]
    run = ("docker", "run", "--rm", "--network", "none", "--volume", f"{tmp_path}:/p:ro", image)

    shown = subprocess.run([*run, "alertscale", "check", "/p"], capture_output=True, text=True, check=False)

    assert shown.returncode == 1
    assert "/p/compose.yml:1: error: web is on no network of alertscale's" in shown.stdout
    assert "Compose files: /p/compose.yml\n" in shown.stdout
    assert "1 scaled service, 0 alerts, 0 routes read; not found: Prometheus' file" in shown.stdout
