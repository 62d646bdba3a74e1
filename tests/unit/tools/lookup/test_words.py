"""docs/errors.md has every word of every closed list, with what the code says that it means."""

from __future__ import annotations

import inspect
import re
from enum import StrEnum

import pytest

import exporter.errors
import scaler.model.reasons
from scaler.model.reasons import HTTP_STATUS, DecisionReason, ErrorReason
from tools.lookup.words import MAKERS, words
from tools.pages import REPOSITORY

PAGE = (REPOSITORY / "docs/errors.md").read_text(encoding="utf-8")
# The two words of an alert's label `scale`, told in docs/labels.md.
ELSEWHERE = {"Direction"}
LISTS = [
    enumeration
    for module in (scaler.model.reasons, exporter.errors)
    for name, enumeration in inspect.getmembers(module, inspect.isclass)
    if issubclass(enumeration, StrEnum) and enumeration is not StrEnum and name not in ELSEWHERE
]


def test_there_are_lists_to_look_at() -> None:
    assert len(LISTS) >= 11


@pytest.mark.parametrize("enumeration", LISTS, ids=lambda one: one.__name__)
def test_every_word_of_a_list_has_a_meaning_and_a_row_of_the_page(enumeration: type[StrEnum]) -> None:
    for word in words(enumeration):
        assert word.meaning.endswith("."), word
        assert any(f"| `{word.word}` |" in line and word.meaning in line for line in PAGE.splitlines()), word


def test_the_order_of_decisions_and_the_runbook_of_a_failed_step_name_reasons_that_there_are() -> None:
    order = (REPOSITORY / "docs/scaler.md").read_text(encoding="utf-8").split("\n## ")[1]
    rows = [line.rpartition(" | ")[2] for line in order.splitlines() if line.startswith("| ")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(DecisionReason)
    runbook = (REPOSITORY / "docs/monitoring.md").read_text(encoding="utf-8")
    section = runbook.partition("### ReplicaNotReady\n")[2].partition("\n### ")[0]
    cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    assert cells
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} <= set(ErrorReason)


def test_every_reason_of_an_error_says_who_can_mend_it_and_how() -> None:
    for word in words(ErrorReason):
        assert re.match(r"(The caller|The operator|It passes by itself)\b.+\.$", word.way_out), word


def test_a_reason_that_answers_a_request_is_shown_with_its_status() -> None:
    table = MAKERS["error-reasons"]()
    for reason, status in HTTP_STATUS.items():
        assert f"| `{reason}` | {status} |" in table


def test_a_word_that_nobody_explained_is_refused_by_name() -> None:
    class Unexplained(StrEnum):
        TOLD = "told"
        """It is told."""
        SILENT = "silent"

    with pytest.raises(ValueError, match=r"Unexplained: nothing says what SILENT means.*Way out"):
        words(Unexplained)
