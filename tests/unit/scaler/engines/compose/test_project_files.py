"""A service's definition from the files that its labels name: laid over as Compose does, or unread."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scaler.engines.compose.project_files import Definition, ProjectFiles

HOOK = "services: { web: { post_start: [{ command: [one] }], ipc: host } }"


def definition(
    directory: Path,
    *texts: str,
    names: tuple[str, ...] = (),
    project: str = "shop",
    stack: Path = Path("/none"),
) -> Definition:
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


def commands(found: Definition, *, unread: str = "") -> list[str]:
    assert found.unread.endswith(unread) if unread else not found.unread
    return [hook["command"][0] for hook in found.says["post_start"] or ()]


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
    ("text", "unread"),
    [
        ("services: { web: [", "0.yml"),
        ("services: { web: { extends: { file: gone.yml, service: web } } }", "gone.yml"),
        ("services: { web: { extends: web } }", "service web of "),
        ("services: { web: { extends: nobody } }", "service nobody of "),
        ("services: { other: {} }", ""),
        ("- a list", ""),
        ("services: { web: { build: !unknown x } }", "0.yml"),
    ],
)
def test_what_cannot_be_read_whole_is_not_known(tmp_path: Path, text: str, unread: str) -> None:
    found = definition(tmp_path, text)

    assert not found.says.keys() - {"extends"}
    assert unread in found.unread
    assert bool(unread) == bool(found.unread)


def test_what_can_be_read_beside_what_cannot_is_known_and_so_is_what_cannot(tmp_path: Path) -> None:
    gone = "/srv/gone/compose.yml"
    extending = HOOK.replace("ipc: host", "extends: { file: gone.yml, service: web }")

    assert commands(definition(tmp_path, HOOK, names=(gone,)), unread=gone) == ["one"]
    assert commands(definition(tmp_path, HOOK, names=(str(tmp_path),)), unread=str(tmp_path)) == ["one"]
    assert commands(definition(tmp_path, extending), unread="gone.yml") == ["one"]


def test_the_files_of_our_own_project_are_where_the_stack_is_mounted(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(HOOK)
    names = ("/srv/shop/compose.yml",)

    assert commands(definition(tmp_path, names=names, stack=tmp_path)) == ["one"]
    assert not definition(tmp_path, names=names, stack=tmp_path, project="other").says


def test_an_edit_is_seen(tmp_path: Path) -> None:
    assert commands(definition(tmp_path, HOOK)) == ["one"]
    assert commands(definition(tmp_path, HOOK.replace("one", "another"))) == ["another"]


def test_a_file_that_was_replaced_under_its_mount_counts_as_it_was_and_is_told_once(tmp_path: Path) -> None:
    """A mount holds the old file, which no directory has any more; as an open descriptor does."""
    with capture_logs() as told, (tmp_path / "compose.yml").open("w+") as held:
        held.write(HOOK)
        held.flush()
        mounted = f"/proc/self/fd/{held.fileno()}"
        (tmp_path / "compose.yml").unlink()

        assert commands(definition(tmp_path, names=(mounted,))) == ["one"]
        assert commands(definition(tmp_path, names=(mounted,))) == ["one"]

    assert [(line["file"], "--force-recreate scaler" in line["event"]) for line in told] == [(mounted, True)]
