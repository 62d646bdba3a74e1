"""docs/messages.md has what the code can say, and nothing else."""

from __future__ import annotations

import pytest

from tools.lookup.messages import (
    PASSED,
    UnreadableError,
    classes,
    everything,
    messages,
    of_script,
    page,
    python_sources,
)
from tools.pages import REPOSITORY

OWN = frozenset({"OurError"})


def texts(source: str) -> list[str]:
    return [one.text for one in messages(source, file="a/b.py", own=OWN)]


def test_a_raise_is_found_with_placeholders() -> None:
    assert texts('raise OurError(f"{self._directory}: no " f"{len(names)} of them")') == [
        "<directory>: no <names> of them"
    ]


def test_a_conditional_text_is_each_of_its_texts() -> None:
    assert texts('raise OurError("no " + ("door" if a else "wall"))') == ["no door", "no wall"]


def test_a_text_with_a_name_is_followed_to_where_it_is_set() -> None:
    assert texts('def f():\n    why = "it is shut"\n    raise OurError(f"no: {why}")') == ["no: it is shut"]


def test_a_text_in_an_attribute_is_followed_to_where_it_is_set() -> None:
    assert texts('def f(self):\n    self.why = "it is shut"\n    raise OurError(self.why)') == ["it is shut"]


def test_what_a_helper_puts_into_a_text_is_read_where_it_is_called() -> None:
    helper = 'def no(self, why, *, at="x"):\n    return OurError(f"{at}: {why}. Nothing was changed.")\n'
    first = 'def f(self):\n    raise self.no("it is shut", at=str(door))\n'
    second = 'def g(self):\n    raise self.no("gone", at=file)'
    assert texts(helper + first + second) == [
        "<door>: it is shut. Nothing was changed.",
        "<file>: gone. Nothing was changed.",
    ]


def test_a_class_that_makes_its_own_text_is_found_and_so_is_one_of_another_module() -> None:
    source = 'class OurError(E):\n    def __init__(self, n):\n        super().__init__(f"{n} is too many")\n'
    assert texts(source + 'raise errors.OurError("quite full")') == ["<n> is too many", "quite full"]


def test_a_text_that_cannot_be_read_is_told_with_file_and_line() -> None:
    with pytest.raises(UnreadableError, match=r"^a/b\.py:2: <error> has no fixed word"):
        texts("\nraise OurError(str(error))")


def test_what_a_script_dies_with_is_found() -> None:
    (one,) = of_script('die "$name: no port" \\\n    "give one"', file="x.sh")
    assert (one.text, one.way_out) == ("<name>: no port", "give one")


def test_what_a_script_echoes_to_the_standard_error_is_found_and_what_it_tells_is_not() -> None:
    found = of_script('echo "$0: $file is gone" \\\n    "entirely" >&2\necho "all is well"\n', file="a/x.sh")
    assert [one.text for one in found] == ["x.sh: <file> is gone entirely"]


@pytest.mark.parametrize("exemption", PASSED)
def test_every_exemption_is_needed(exemption: str) -> None:
    sources = python_sources()
    file = exemption.partition(":")[0]
    passed = frozenset(PASSED) - {exemption}
    with pytest.raises(UnreadableError, match=f"^{file}:"):
        tuple(messages(sources[file], file=file, own=classes(sources), passed=passed))


def test_the_page_is_current_and_a_new_message_makes_it_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    current = (REPOSITORY / "docs/messages.md").read_text(encoding="utf-8")
    assert page() == current, "make it anew: make pages"
    found = dict(everything())
    new = tuple(messages('raise OurError("quite new")', file="scaler/new.py", own=OWN))
    monkeypatch.setattr("tools.lookup.messages.everything", lambda: found | {"scaler": found["scaler"] + new})
    assert page() != current
