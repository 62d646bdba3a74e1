"""`make docs`: the site of docs/ is built, and whatever leads nowhere in it fails the build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[3]
PAGES = sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))
SHAPES = {"h1", "h2", "h3", "h4", "ol", "ul", "li", "table", "tr", "th", "td", "pre", "code", "blockquote"}
SHAPES |= {"img", "em", "strong", "del"}
NAV = "nav: [index.md, page.md]"
# As `make docs` has them: with --quiet, mkdocs counts no warning, and `strict` lets everything pass.
(OPTIONS,) = re.findall(r"/mkdocs build(.*)", (ROOT / "Makefile").read_text(encoding="utf-8"))


class Site:
    """A repository with two pages, the real mkdocs.yml but for its nav, and the real hook."""

    def __init__(self, root: Path) -> None:
        self.root = root
        config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
        before, _, after = config.partition("\nnav:\n")
        rest = after.partition("\n\n")[2]
        self.write("mkdocs.yml", f"{before}\n{NAV}\n\n{rest}")
        self.write("docs/index.md", "# Home\n\n[page](page.md#a-title)\n")
        self.write("docs/page.md", "# Page\n\n## A title\n")
        (root / "tools").mkdir()
        shutil.copy(ROOT / "tools/docs_site.py", root / "tools")
        subprocess.run(["git", "init", "--quiet", root], check=True)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def nav(self, pages: str) -> None:
        config = self.root / "mkdocs.yml"
        config.write_text(
            config.read_text(encoding="utf-8").replace(NAV, f"nav: [{pages}]"), encoding="utf-8"
        )

    def build(self) -> subprocess.CompletedProcess[str]:
        return build(self.root, into=self.root / "build/docs")

    def page(self, path: str) -> str:
        return (self.root / "build/docs" / path / "index.html").read_text(encoding="utf-8")


def build(root: Path, *, into: Path) -> subprocess.CompletedProcess[str]:
    where: list[str | Path] = ["--config-file", root / "mkdocs.yml", "--site-dir", into]
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", *OPTIONS.split(), *where],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "repository")


def test_a_site_in_which_all_leads_somewhere_is_built(site: Site) -> None:
    built = site.build()
    assert built.returncode == 0, built.stderr
    assert 'href="page/#a-title"' in site.page(".")


def test_what_leads_nowhere_fails_the_build_and_is_named(site: Site) -> None:
    nowhere = {
        "a page": "[x](absent.md)",
        "a folder": "[x](absent/)",
        "an anchor of another page": "[x](page.md#absent)",
        "an anchor of the same page": "[x](#absent)",
        "a picture": "![x](images/absent.png)",
        "a file of the repository": "[x](../absent/rules.yml)",
        "a folder of the repository": "[x](../absent/)",
        "an absolute link": "[x](/page/)",
    }
    site.write("docs/index.md", "\n\n".join(["# Home", *nowhere.values()]))
    built = site.build()
    assert built.returncode != 0
    warnings = [
        line for line in built.stderr.splitlines() if line.startswith("WARNING") and "index.md" in line
    ]
    for what, written in nowhere.items():
        link = written.partition("](")[2].rstrip(")")
        assert any(f"'{link}'" in line for line in warnings), f"{what} is taken: {built.stderr}"


def test_one_broken_anchor_is_enough(site: Site) -> None:
    site.write("docs/index.md", "# Home\n\n[x](page.md#absent)\n")
    assert site.build().returncode != 0


def test_a_page_that_is_not_in_the_nav_fails_the_build(site: Site) -> None:
    site.write("docs/forgotten.md", "# Forgotten\n")
    built = site.build()
    assert built.returncode != 0
    assert "forgotten.md" in built.stderr


def test_a_page_of_the_nav_that_is_absent_fails_the_build(site: Site) -> None:
    (site.root / "docs/page.md").unlink()
    site.write("docs/index.md", "# Home\n")
    built = site.build()
    assert built.returncode != 0
    assert "page.md" in built.stderr


def test_a_file_of_the_repository_that_a_page_links_to_is_shown(site: Site) -> None:
    site.write("prometheus/alert.rules.yml", "groups: []  # ``` <b>\n")
    site.write("docs/index.md", "# Home\n\n[the rules](../prometheus/alert.rules.yml)\n")
    built = site.build()
    assert built.returncode == 0, built.stderr
    assert 'href="repository/prometheus/alert.rules.yml/"' in site.page(".")
    shown = text_of(site.page("repository/prometheus/alert.rules.yml"))
    assert "groups: []  # ``` <b>" in shown


def test_a_folder_of_the_repository_is_shown_with_the_names_in_it(site: Site) -> None:
    site.write("nginx/conf.d/shop.conf", "server {}\n")
    site.write("nginx/conf.d/more/other.conf", "server {}\n")
    site.write("docs/index.md", "# Home\n\n[sites](../nginx/conf.d/)\n")
    built = site.build()
    assert built.returncode == 0, built.stderr
    assert "more/\nshop.conf" in text_of(site.page("repository/nginx/conf.d"))


def test_a_page_outside_docs_is_shown_with_its_own_links(site: Site) -> None:
    site.write("LICENSE", "Free.\n")
    site.write(
        "deploy/README.md",
        "# Deploy\n\n[home](../docs/index.md), [title](../docs/page.md#a-title), [l](../LICENSE)\n",
    )
    site.write("docs/index.md", "# Home\n\n[deploy](../deploy/README.md)\n")
    built = site.build()
    assert built.returncode == 0, built.stderr
    page = site.page("repository/deploy")
    assert 'href="../../page/#a-title"' in page
    assert 'href="../LICENSE/"' in page


def test_a_picture_of_a_page_outside_docs_is_shown(site: Site) -> None:
    site.write("README.md", "# Read me\n\n![x](docs/images/x.svg)\n")
    site.write("docs/images/x.svg", '<svg xmlns="http://www.w3.org/2000/svg"/>')
    site.write("docs/index.md", "# Home\n\n[readme](../README.md)\n")
    built = site.build()
    assert built.returncode == 0, built.stderr
    assert 'src="../images/x.svg"' in site.page("repository")


def test_a_broken_link_of_a_page_outside_docs_fails_the_build(site: Site) -> None:
    site.write("deploy/README.md", "# Deploy\n\n[x](../docs/absent.md)\n")
    site.write("docs/index.md", "# Home\n\n[deploy](../deploy/README.md)\n")
    built = site.build()
    assert built.returncode != 0
    assert "../docs/absent.md" in built.stderr


def test_a_file_that_git_ignores_is_not_published(site: Site) -> None:
    site.write(".gitignore", "secrets/*\n")
    site.write("secrets/smtp-password", "hunter2\n")
    site.write("docs/index.md", "# Home\n\n[x](../secrets/smtp-password)\n")
    built = site.build()
    assert built.returncode != 0
    assert "../secrets/smtp-password" in built.stderr


class Page(HTMLParser):
    """What a reader sees of a page, and what a browser fetches for it from elsewhere.

    Attributes:
        fetched: addresses on other servers.
        shape: how many there are of each element that Markdown makes, within the article.
        text: all of it.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.shape: Counter[str] = Counter()
        self.text: list[str] = []
        self._articles = 0 if "<article" in html else 1
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        link = values.get("href") if tag == "link" and values.get("rel") != "canonical" else None
        source = values.get("src") or link or ""
        if source.startswith(("http:", "https:", "//")):
            self.fetched.append(source)
        self._articles += tag == "article"
        if self._articles and tag in SHAPES:
            self.shape[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        self._articles -= tag == "article"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def text_of(html: str) -> str:
    return "".join(Page(html).text)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    """The pages of the real site by their paths."""
    into = tmp_path_factory.mktemp("site")
    built = build(ROOT, into=into)
    assert built.returncode == 0, built.stderr
    return {
        str(file.relative_to(into)): Page(file.read_text(encoding="utf-8")) for file in into.rglob("*.html")
    }


def test_the_real_site_is_built(real: dict[str, Page]) -> None:
    assert {"index.html", "labels/index.html", "repository/prometheus/alert.rules.yml/index.html"} <= set(
        real
    )


def test_no_page_asks_another_server_for_anything(real: dict[str, Page]) -> None:
    assert {path: page.fetched for path, page in real.items() if page.fetched} == {}


def test_the_text_of_a_russian_page_says_that_it_is_russian(site: Site) -> None:
    site.write("docs/page.md", "# Page\n\n## A title\n\n[page](ru/page.md#ещё-раз)\n")
    site.write("docs/ru/page.md", "# Страница\n\n## Ещё раз\n")
    site.nav("index.md, page.md, ru/page.md")
    built = site.build()
    assert built.returncode == 0, built.stderr
    assert '<article lang="ru" ' in site.page("ru/page")
    assert 'lang="ru"' not in site.page("page")


@pytest.mark.parametrize("page", PAGES)
def test_the_site_reads_a_page_as_a_code_host_does(real: dict[str, Page], page: str) -> None:
    """Lists, tables, blocks and emphasis are the same ones.

    Where this fails, put an empty line before the list, or indent by four spaces what belongs to its item.
    """
    path = Path(page)
    folder = path.parent if path.stem in {"index", "README"} else path.with_suffix("")
    hosts = MarkdownIt("gfm-like", {"linkify": False}).render(
        (ROOT / "docs" / page).read_text(encoding="utf-8")
    )
    assert real[str(folder / "index.html")].shape == Page(hosts).shape


def test_a_list_may_be_written_as_for_a_code_host(site: Site) -> None:
    texts = [
        "1. one\n\n   ```sh\n   ls\n   ```\n\n2. two\n",
        "- one\n\n  ```text\n  1. no mark\n\n     none\n  ```\n\n  more\n\n- two\n",
        "10. ten\n\n    more\n\n11. eleven\n\nafter\n",
        "```text\n- no mark\n\n  none\n```\n\n- one\n",
    ]
    reader = MarkdownIt("gfm-like", {"linkify": False})
    text = "# Page\n\n## A title\n\n" + "\n\nwords\n\n".join(texts)
    site.write("docs/page.md", text)
    assert site.build().returncode == 0
    shown = Page(site.page("page"))
    assert shown.shape == Page(reader.render(text)).shape
    for block in reader.parse(text):
        assert block.type != "fence" or block.content in "".join(shown.text)


def test_a_page_that_the_site_reads_otherwise_is_found(site: Site) -> None:
    text = "# Page\n\n## A title\n\nwords\n- one\n- two\n"
    site.write("docs/page.md", text)
    assert site.build().returncode == 0
    hosts = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    assert Page(site.page("page")).shape != Page(hosts).shape
