"""A service's definition from the files that its labels name: laid over as Compose does, or not known."""

from pathlib import Path

import pytest

from scaler.engines.project_files import ProjectFiles

HOOK = "services: { web: { post_start: [{ command: [one] }], ipc: host } }"


def definition(
    directory: Path,
    *texts: str,
    names: tuple[str, ...] = (),
    project: str = "shop",
    stack: Path = Path("/none"),
) -> object:
    files = [directory / f"{number}.yml" for number, _ in enumerate(texts)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    labels = {
        "com.docker.compose.project": project,
        "com.docker.compose.service": "web",
        "com.docker.compose.project.config_files": ",".join([*map(str, files), *names]),
        "com.docker.compose.project.working_dir": "/srv/shop",
    }
    return ProjectFiles(own_project="shop", stack=stack).definition(labels)


def commands(found: object) -> list[str]:
    assert isinstance(found, dict)
    return [hook["command"][0] for hook in found["post_start"] or ()]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ("services: { web: { post_start: [{ command: [two] }] } }", ["one", "two"]),
        ("services: { web: { post_start: !override [{ command: [two] }] } }", ["two"]),
        ("services: { web: { post_start: !reset null } }", []),
        ("services: { other: { post_start: [{ command: [two] }] } }", ["one"]),
        ("", ["one"]),
    ],
    ids=["goes on", "replaced", "taken away", "another's", "nothing"],
)
def test_a_later_file_is_laid_over_an_earlier_one(tmp_path: Path, over: str, expected: list[str]) -> None:
    assert commands(definition(tmp_path, HOOK, over)) == expected


def test_a_service_that_extends_another_has_its_hooks_first(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text(HOOK.replace("web", "base"))
    extending = "extends: { file: base.yml, service: base }"
    text = f"services: {{ web: {{ {extending}, post_start: [{{ command: [two] }}] }} }}"

    assert commands(definition(tmp_path, text)) == ["one", "two"]


@pytest.mark.parametrize(
    "text",
    [
        "services: { web: [",
        "services: { web: { extends: { file: gone.yml, service: web } } }",
        "services: { web: { extends: web } }",
        "services: { web: { extends: nobody } }",
        "services: { other: {} }",
        "- a list",
        "services: { web: { build: !unknown x } }",
    ],
)
def test_what_cannot_be_read_whole_is_not_known(tmp_path: Path, text: str) -> None:
    assert definition(tmp_path, text) is None


def test_a_file_that_is_not_here_makes_all_of_it_not_known(tmp_path: Path) -> None:
    assert definition(tmp_path, HOOK, names=("/srv/gone/compose.yml",)) is None
    assert definition(tmp_path, HOOK, names=(str(tmp_path),)) is None


def test_the_files_of_our_own_project_are_where_the_stack_is_mounted(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(HOOK)
    names = ("/srv/shop/compose.yml",)

    assert commands(definition(tmp_path, names=names, stack=tmp_path)) == ["one"]
    assert definition(tmp_path, names=names, stack=tmp_path, project="other") is None


def test_an_edit_is_seen(tmp_path: Path) -> None:
    assert commands(definition(tmp_path, HOOK)) == ["one"]
    assert commands(definition(tmp_path, HOOK.replace("one", "another"))) == ["another"]
