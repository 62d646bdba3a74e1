""".env.example names every variable of docker-compose.yml with the default that it has there."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


def test_every_variable_is_documented_with_its_default() -> None:
    compose = (CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{(\w+):-([^}]*)\}", compose))
    documented = set(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert documented == used


def test_every_variable_has_a_default_so_that_no_env_file_is_needed() -> None:
    compose = (CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")
    assert re.findall(r"(?<!\$)\$\{\w+\}", compose) == []
