"""The sites that we ship and show are read, and nothing is found in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alertscale.check import check
from alertscale.check.sites import read_sites
from tests.unit.alertscale.check.good import SITE, Checkout

ROOT = Path(__file__).parents[4]
FENCE = re.compile(r"^(?P<margin> *)```nginx[^\n]*\n(?P<text>.*?)^ *```", re.MULTILINE | re.DOTALL)
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})
SHOWN = [
    pytest.param(found["text"], id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, found in enumerate(FENCE.finditer(page.read_text(encoding="utf-8")))
]


def as_site(text: str) -> str:
    """What a page shows, at its place in a site."""
    whole = re.search(r"^\s*server \{", text, re.MULTILINE)
    return text if whole else f"server {{ location / {{\n{text}}} }}"


@pytest.mark.parametrize("text", SHOWN)
def test_nothing_is_found_in_the_sites_that_our_pages_show(tmp_path: Path, text: str) -> None:
    for name in ("docker-compose.yml", "prometheus", "alertmanager"):
        (tmp_path / name).symlink_to(ROOT / name)
    shown = tmp_path / SITE
    shown.parent.mkdir(parents=True)
    shown.write_text(as_site(text), encoding="utf-8")

    report = check(tmp_path)

    assert report.sources[-1].files == (shown,)
    assert report.findings == ()


def test_the_pages_show_some_and_a_shipped_one_is_read() -> None:
    shipped = check(ROOT).sources[-1].files

    assert len(SHOWN) >= 2
    assert ROOT / SITE in shipped
    asked = read_sites({path: path.read_text(encoding="utf-8") for path in shipped}).asked
    assert {one.name for one in asked} == {"flask-app"}


def test_a_site_that_asks_for_several_names_each_at_its_line(checkout: Checkout) -> None:
    checkout.write(
        "nginx/conf.d/more.conf", "location /a {\n proxy_pass\n  http://wiki:1; }\ngrpc_pass grpc://b:2;\n"
    )

    assert [(f.rule, f.line) for f in checkout.check()] == [("fixed-host", 2), ("fixed-host", 4)]


def test_a_site_that_is_not_text_in_utf_8_is_read_all_the_same(checkout: Checkout) -> None:
    (checkout.directory / SITE).write_bytes(b"# f\xfcr alle\nproxy_pass http://wiki:3000;")

    assert (checkout.only().rule, checkout.only().line) == ("fixed-host", 2)


def test_what_lies_beside_the_sites_is_none_of_them(checkout: Checkout) -> None:
    for name in (".old.conf", "wiki.conf.bak", "more/wiki.conf"):
        checkout.write(f"nginx/conf.d/{name}", "proxy_pass http://wiki:3000;")

    assert checkout.check() == ()


def test_a_site_that_cannot_be_read_is_a_finding(checkout: Checkout) -> None:
    (checkout.directory / "nginx/conf.d/gone.conf").symlink_to("nowhere.conf")

    assert checkout.only().rule == "unreadable-file"


def test_what_stands_once_is_sought_in_all_files(checkout: Checkout) -> None:
    """Another address, another name and a name of its own again are not the same."""
    checkout.write("nginx/conf.d/a.conf", "server { listen [::]:80 default_server; server_name a a; }")
    checkout.write("nginx/conf.d/b.conf", "server { listen 80 default; listen 81; server_name b; }")
    assert checkout.check() == ()

    checkout.write("nginx/conf.d/c.conf", "server { listen [::]:80 default; listen *:81; server_name B c; }")
    assert [(f.rule, f.file.name) for f in checkout.check()] == [
        ("default-server-twice", "c.conf"),
        ("server-name-twice", "c.conf"),
    ]
