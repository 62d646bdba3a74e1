"""docs/errors.md has the exit codes of every program that can be started."""

from __future__ import annotations

import re
import subprocess

import pytest

from tools.lookup.programs import PROGRAMS, exit_codes
from tools.pages import REPOSITORY

# Nobody looks at how these end, but for what only tells 0 from the rest.
LEFT_OUT = {
    "alertscale/__main__.py",  # docs/cli.md
    "bench/inside.py",  # runs within a container of a benchmark
    "locust/plots.py",
    "locust/complete_csv.py",
    "locust/run_locust.sh",
    "nginx/swarm/30-remove-socket.sh",
}

# A code that nobody sees: it then runs itself anew.
INSIDE = {"scaler/__main__.py": {"75"}}


def programs() -> set[str]:
    """Files of git that can be started: with a first line for the shell, or a main of Python's."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    files = [
        name
        for name in listed.stdout.split("\0")
        if not name.startswith(("tests/", ".ci/", "findings/", "machine/stand-ins/"))
        and "healthcheck" not in name
    ]
    return {name for name in files if name.endswith((".py", ".sh")) and _starts(name)}


def _starts(name: str) -> bool:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    return text.startswith("#!") or 'if __name__ == "__main__":' in text


def test_every_program_is_on_the_page() -> None:
    assert programs() - LEFT_OUT == set(PROGRAMS.values())


@pytest.mark.parametrize("file", PROGRAMS.values())
def test_every_code_with_which_a_program_ends_in_so_many_words_is_told(file: str) -> None:
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    told = {code for code, _ in exit_codes(text, file=file)}
    ends = r"\bexit (\d+)\b" if text.startswith("#!") else r"(?:sys\.exit\(|EXIT_\w+: Final = )(\d+)\b"
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = {code for line in lines for code in re.findall(ends, line)}
    assert found - told == INSIDE.get(file, set())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# Nothing.\n", "nothing says how it ends"),
        ("# Exit codes: 0 done; else not.\n", "does not begin with an exit code"),
    ],
)
def test_a_program_that_does_not_say_how_it_ends_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        list(exit_codes(text, file="x.sh"))


def test_the_sentence_may_go_over_lines_of_a_comment() -> None:
    text = "#!/bin/sh\n# Exit codes: 0 all\n# done; 10 not in time.\nset -eu\n"
    assert list(exit_codes(text, file="x.sh")) == [("0", "all done"), ("10", "not in time")]
