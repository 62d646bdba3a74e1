"""The page's files, and uPlot as its author released it."""

import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from scaler.model.errors import AlertscaleError
from scaler.web import assets
from scaler.web.assets import OWN, UPLOT, load_uplot, make_assets

STATIC = Path(assets.__file__).parent / "static"
URL = re.compile(r"(?:https?:)?//[\w.-]+\.\w+")


def test_the_installed_uplot_is_the_one_that_is_meant() -> None:
    files = load_uplot()
    assert set(files) == set(UPLOT)
    assert b"uPlot (v1.6.31)" in files["uplot.js"]


def test_another_content_is_refused_with_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "UPLOT", {"uplot.js": (UPLOT["uplot.js"][0], "0" * 64)})
    with pytest.raises(AlertscaleError, match=rf"SHA-256 {UPLOT['uplot.js'][1]}, not 0000"):
        load_uplot()


def test_a_package_without_the_file_is_refused_with_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "UPLOT", {"uplot.js": ("youplot/elsewhere.js", "0" * 64)})
    with pytest.raises(AlertscaleError, match=r"elsewhere\.js: No such file"):
        load_uplot()


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(assets, "distribution", missing)
    with pytest.raises(AlertscaleError, match="youplot is not installed: pip install"):
        load_uplot()


def test_every_file_of_the_directory_is_served() -> None:
    assert {f.name for f in STATIC.iterdir()} == set(OWN)


def test_the_version_changes_with_any_content() -> None:
    before = make_assets(STATIC, {"uplot.js": b"a"}).version
    assert make_assets(STATIC, {"uplot.js": b"a"}).version == before
    assert make_assets(STATIC, {"uplot.js": b"b"}).version != before


@pytest.mark.parametrize("name", OWN)
def test_our_own_files_name_no_other_host_and_are_small(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    assert URL.findall(text.replace("http://www.w3.org/2000/svg", "")) == []
    assert len(text) < 16 * 1024
