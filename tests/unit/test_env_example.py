""".env.example names every variable of the Compose files with the default that it has there."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def compose_files() -> str:
    """docker-compose.yml and its overlays."""
    return "".join(file.read_text(encoding="utf-8") for file in CHECKOUT.glob("docker-compose*.yml"))


def test_every_variable_is_documented_with_its_default() -> None:
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{(\w+):-([^}]*)\}", compose_files()))
    documented = set(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert documented == used


def test_every_variable_has_a_default_so_that_no_env_file_is_needed() -> None:
    assert re.findall(r"(?<!\$)\$\{\w+\}", compose_files()) == []
