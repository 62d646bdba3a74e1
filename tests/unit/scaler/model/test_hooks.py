"""Hooks: every form in which Compose has them, and what is none."""

import json

import pytest

from scaler.model.hooks import Hook, hooks_of, read_hooks, written

WHOLE = Hook(
    command=("sh", "-c", "echo $HOME"),
    user="root",
    privileged=True,
    working_dir="/srv",
    environment=("A=1", "B"),
)


@pytest.mark.parametrize(
    ("value", "hook"),
    [
        ({"command": ["/warm", "all"]}, Hook(command=("/warm", "all"))),
        ({"command": "sh -c 'a b' c"}, Hook(command=("sh", "-c", "a b", "c"))),
        ({"command": ["x"], "user": None, "environment": None}, Hook(command=("x",))),
        (
            {"command": ["x"], "environment": {"N": None, "B": True, "A": 1}},
            Hook(command=("x",), environment=("A=1", "B=true", "N")),
        ),
        ({"command": ["x"], "environment": ["B=2", "A"]}, Hook(command=("x",), environment=("A", "B=2"))),
    ],
    ids=["words", "one text", "nothing given", "a mapping", "a list"],
)
def test_every_form_of_composes_is_read(value: object, hook: Hook) -> None:
    assert hooks_of([value]) == (hook,)
    assert read_hooks(json.dumps([value])) == (hook,)


def test_what_is_written_into_a_label_is_read_back() -> None:
    assert read_hooks(json.dumps([written(WHOLE)])) == (WHOLE,)
    assert written(Hook(command=("x",))) == {"command": ["x"]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/warm",
        "{}",
        '["/warm"]',
        "[{}]",
        '[{"command": []}]',
        '[{"command": [1]}]',
        '[{"command": "a \'b"}]',
        '[{"command": ["x"], "usr": "root"}]',
        '[{"command": ["x"], "user": 0}]',
        '[{"command": ["x"], "privileged": "yes"}]',
        '[{"command": ["x"], "environment": "A=1"}]',
        '[{"command": ["x"], "environment": {"A": []}}]',
        "[" * 100_000,
    ],
)
def test_what_is_no_list_of_hooks_is_refused_with_the_form_that_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a JSON list of hooks as Compose has them, such as"):
        read_hooks(text)
