"""What is read off the stack."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.inside import fill, journal, program
from bench.sampling import column, steps_done
from scaler.model.records import EventQuery
from scaler.state.journal import Journal

EXPOSITION = """# TYPE alertscale_scale_total counter
alertscale_scale_total{direction="up",outcome="done",project="p",service="flask-app"} 7.0
alertscale_scale_total{direction="up",outcome="failed",project="p",service="flask-app"} 2.0
alertscale_scale_total{direction="down",outcome="done",project="p",service="flask-app"} 5.0
alertscale_scale_total{direction="up",outcome="done",project="p",service="other"} 1.0
alertscale_scale_created{direction="up",outcome="done",project="p",service="other"} 1.7e9
"""


def test_steps_that_were_done_are_counted_over_all_services() -> None:
    assert steps_done(EXPOSITION) == {"up": 8, "down": 5}


def test_before_the_first_step_there_are_none() -> None:
    assert steps_done("") == {"up": 0, "down": 0}


def test_a_column_leaves_out_what_was_not_seen() -> None:
    assert column([{"at": 0, "a": 1}, {"at": 2}, {"at": 4, "a": 3}], "a") == [(0, 1), (4, 3)]


def test_a_history_is_filled_to_so_many_rows_and_counted(tmp_path: Path) -> None:

    path = tmp_path / "journal.sqlite"
    opened = Journal(path=path)
    fill(path, 300)
    seen = journal(path)
    assert (seen["events"], seen["steps"]) == (300, 0)
    assert seen["journal"] == sum(file.stat().st_size for file in tmp_path.iterdir())
    # Written as the scaler would: it can read them.
    assert len(opened.events(EventQuery(limit=1000))) == 300
    opened.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT COUNT(*) FROM event").fetchone() == (300,)


@pytest.mark.parametrize(("first", "found"), [("python", "1"), ("docker-init", "7")])
def test_the_program_is_the_first_process_or_what_dockers_init_started(
    tmp_path: Path, first: str, found: str
) -> None:
    (tmp_path / "1/task/1").mkdir(parents=True)
    (tmp_path / "1/comm").write_text(f"{first}\n")
    (tmp_path / "1/task/1/children").write_text("7 19 ")

    assert program(tmp_path) == tmp_path / found
