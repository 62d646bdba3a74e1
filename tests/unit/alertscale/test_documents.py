"""docs/cli.md says what the command line does."""

import re
from pathlib import Path

from alertscale.__main__ import main
from alertscale.access import DEFAULT_TOKEN_FILE, DEFAULT_URL
from alertscale.errors import MEANINGS, Exit
from alertscale.explain import explain
from alertscale.waiting import Outcome
from tests.unit.alertscale.builders import HIGH_CPU, health, raw_service, service, stamp, times

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_exit_codes_are_all_there_and_no_other() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", section("Exit codes"), re.MULTILINE)
    assert rows == [(str(code.value), code.name.lower(), MEANINGS[code]) for code in Exit]


def test_every_command_is_there() -> None:
    named = set(re.findall(r"^\| `alertscale (\w+)", PAGE, re.MULTILINE))
    assert named == set(main.commands)


def test_every_outcome_is_there() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| \d \|$", section("JSON"), re.MULTILINE)
    assert rows == [str(outcome) for outcome in Outcome]


def test_the_defaults_of_address_and_token_are_those_of_the_code() -> None:
    text = section("Where the scaler is, and the token")
    assert DEFAULT_URL in text
    assert str(DEFAULT_TOKEN_FILE) in text


def test_the_example_of_explain_is_what_it_prints() -> None:
    cooling = {"cooldown_up_until": stamp(4)}
    raw = raw_service(reason="up_cooldown", until=4, alerts=(HIGH_CPU,), inputs=cooling)
    found = service(raw)
    why = explain(found, health(), times())
    assert f"\n{found.load.sentence}.\n{why.headline}\n\n{why.ways[0].sentence}\n" in PAGE


def test_links_to_the_api_lead_to_its_headings() -> None:
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    headings = {
        heading.lower().replace(" /", "-") for heading in re.findall(r"^### (.+)$", page, re.MULTILINE)
    }
    anchors = set(re.findall(r"\(api\.md#([^)]+)\)", PAGE))
    assert anchors
    assert anchors <= headings
