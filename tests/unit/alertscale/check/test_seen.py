"""What a container sees under a path."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertscale.check.compose import Mount, Program
from alertscale.check.dockerfile import read_dockerfile
from alertscale.check.findings import Place
from alertscale.check.reading import Text
from alertscale.check.seen import Scope, View

PLACE = Place(file=Path("compose.yml"), line=1)


def view(folder: Path, *mounts: tuple[str, str | None], dockerfile: str = "") -> View:
    made = tuple(
        Mount(
            place=PLACE,
            target=target,
            source=folder / source if source else None,
            volume="" if source else "v",
        )
        for target, source in mounts
    )
    built = read_dockerfile(dockerfile) if dockerfile else None
    program = Program(mounts=made, build=folder, dockerfile=folder / "Dockerfile")
    return View(program, built)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("p/prometheus.yml", "p/rules/a.yml", "p/rules/b.yml", "more/c.yml", "one.yml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("mounts", "path", "source"),
    [
        ([("/e", "p")], "/e/prometheus.yml", "p/prometheus.yml"),
        ([("/e", "p")], "/e/gone.yml", "p/gone.yml"),
        ([("/e", "p")], "/elsewhere/prometheus.yml", None),
        ([("/e", "p"), ("/e/prometheus.yml", "one.yml")], "/e/prometheus.yml", "one.yml"),
        ([("/e/prometheus.yml", "one.yml"), ("/e", "p")], "/e/prometheus.yml", "one.yml"),
        ([("/e", "more"), ("/e", "p")], "/e/prometheus.yml", "p/prometheus.yml"),
        ([("/", "p")], "/prometheus.yml", "p/prometheus.yml"),
        ([("/e", "p"), ("/e/rules", None)], "/e/rules/a.yml", None),
    ],
)
def test_the_deepest_mount_hides_the_others(
    folder: Path, mounts: list[tuple[str, str | None]], path: str, source: str | None
) -> None:
    assert view(folder, *mounts).at(path).source == (folder / source if source else None)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/e/*.yml", ["/e/prometheus.yml", "/e/x.yml"]),
        ("/e/rules/[a-b].yml", ["/e/rules/a.yml", "/e/rules/b.yml"]),
        ("/e/rules/[^a].yml", ["/e/rules/b.yml"]),
        ("/e/*/?.yml", ["/e/rules/a.yml", "/e/rules/b.yml", "/e/two/c.yml"]),
        ("/e/two/c.yml", ["/e/two/c.yml"]),
        ("/e/gone.yml", []),
        ("/e/rules", []),
    ],
)
def test_a_pattern_finds_files_of_several_mounts(folder: Path, pattern: str, found: list[str]) -> None:
    seen = view(folder, ("/e", "p"), ("/e/two", "more"), ("/e/x.yml", "one.yml")).glob(pattern)

    assert [one.path for one in seen] == found


@pytest.mark.parametrize(
    ("line", "path", "source"),
    [
        ("COPY one.yml /e/", "/e/one.yml", "one.yml"),
        ("COPY one.yml /e/two.yml", "/e/two.yml", "one.yml"),
        ("COPY p /e", "/e/prometheus.yml", "p/prometheus.yml"),
        ("COPY p/ /e/", "/e/prometheus.yml", "p/prometheus.yml"),
        ("WORKDIR /w\nCOPY one.yml more/c.yml ./", "/w/c.yml", "more/c.yml"),
        ("COPY . .", "/one.yml", "one.yml"),
    ],
)
def test_what_an_image_is_built_with_is_below_all_mounts(
    folder: Path, line: str, path: str, source: str
) -> None:
    dockerfile = f"FROM x\n{line}\n"

    assert view(folder, dockerfile=dockerfile).at(path).source == folder / source
    assert view(folder, (path, "p"), dockerfile=dockerfile).at(path).source == folder / "p"


def test_what_compose_holds_is_a_file(folder: Path) -> None:
    held = Mount(place=PLACE, target="/e/a.yml", text=Text(value="x: 1", place=PLACE))

    seen = View(Program(mounts=(held,))).at("/e/a.yml")

    assert seen.is_file
    assert seen.text == held.text


def test_what_is_not_there_is_surely_absent_only_if_all_can_be_seen(folder: Path) -> None:
    whole, part = (Scope(directory=folder, whole=whole) for whole in (True, False))
    absent = view(folder, ("/e", "p")).at("/e/gone.yml")
    beyond = view(folder, ("/e", "../p")).at("/e/gone.yml")
    volume = view(folder, ("/e", None)).at("/e/gone.yml")
    nothing = view(folder).at("/e/gone.yml")

    assert whole.is_surely_absent(absent, official=False)
    assert not part.is_surely_absent(absent, official=True)
    assert not whole.is_surely_absent(beyond, official=True)
    assert not whole.is_surely_absent(volume, official=True)
    assert whole.is_surely_absent(nothing, official=True)
    assert not whole.is_surely_absent(nothing, official=False)
