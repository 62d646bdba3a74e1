from __future__ import annotations

from pathlib import Path

import pytest

from alertscale.check.tree import DocumentError, Node, read

FILE = Path("some.yml")


def tree(text: str) -> Node:
    (only,) = read(text, file=FILE)
    return only


def at(text: str, *keys: str) -> Node:
    node = tree(text).get(*keys)
    assert node is not None
    return node


def test_a_value_knows_the_line_of_its_key() -> None:
    node = at("a:\n  b:\n    c: 1\n", "a", "b")

    assert (node.place.file, node.place.line) == (FILE, 2)


def test_an_entry_of_a_list_knows_its_own_line() -> None:
    assert [item.place.line for item in at("a:\n  - x\n\n  - y\n", "a").items] == [2, 4]


def test_a_scalar_stays_as_it_is_written() -> None:
    assert at("a: 22:22", "a").text == "22:22"
    assert at("a: yes", "a").text == "yes"
    assert at("a: 010", "a").text == "010"


def test_nothing_is_none() -> None:
    assert tree("a:\nb: ~\n").get("a") is None
    assert tree("---\n").form == "nothing"
    assert read("", file=FILE) == ()


def test_a_merge_brings_what_the_mapping_itself_does_not_say() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  c: 3\n"
    node = at(text, "z")

    assert {key: value.text for key, value in node.entries.items()} == {"a": "1", "b": "1", "c": "3"}
    assert node.entries["a"].place.line == 1


def test_an_alias_has_the_line_of_the_key_before_it() -> None:
    assert at("a: &a [1]\n\nb: *a\n", "b").place.line == 3


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [", 2, "did not find expected"),
        ("a: 1\na: 2\n", 2, "twice"),
        ("a: &a\n  - *a\n", 1, "contains itself"),
        ("a: 1\n? [x]\n: 2\n", 2, "key"),
        ("a:\n  <<: 3\n", 2, "<<"),
        ("a: \x00", 1, "not allowed"),
        ("[" * 3000, 1, "nested too deeply"),
        ('a: "\\UFFFFFFFF"', 1, "invalid Unicode"),
    ],
)
def test_what_is_no_document_is_an_error_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        tree(text)

    assert caught.value.line == line


def test_aliases_that_stand_for_billions_are_refused_at_once() -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 10))

    with pytest.raises(DocumentError, match="aliases stand for over"):
        tree(f"l0: &l0 [x]\n{levels}")


def test_an_anchor_may_stand_twice_and_counts_in_the_documents_after_its_own() -> None:
    first, second = read("a: &x 1\nb: &x 2\n---\nc: *x\n", file=FILE)

    entries = {**first.entries, **second.entries}
    assert {key: node.text for key, node in entries.items()} == {"a": "1", "b": "2", "c": "2"}
    assert second.entries["c"].place.line == 4
