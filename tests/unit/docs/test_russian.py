"""The Russian pages keep step with the English ones: the same commands, headings, figures, links and code.

Words can be compared by people only. All else that a page is made of is compared here, section by section,
so that a change of an English page that does not reach the Russian one is found, with its line.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pymdownx.slugs import slugify  # type: ignore[import-untyped]

from tools.blocks import Block, read
from tools.faults import Fault
from tools.markdown import anchor

ROOT = Path(__file__).parents[3]
NAMES = ("deployment.md", "monitoring.md", "scaling.md", "load-testing.md")
EDITIONS = {"README.md": "docs/ru/README.md", **{f"docs/{name}": f"docs/ru/{name}" for name in NAMES}}
ENGLISH = {russian: english for english, russian in EDITIONS.items()}
FIGURE = re.compile(r"<!--\s*fig\s+(\S+)")
CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)
SHAPES = {"tr_open": "row of a table", "list_item_open": "item of a list", "fence": "block"}
READER = MarkdownIt("gfm-like", {"linkify": False})
# As mkdocs.yml has it.
SITE = slugify(case="lower")


@dataclass(kw_only=True)
class Section:
    """A heading and what follows it, up to the next one.

    Attributes:
        line: of the heading, from 1 on.
        level: such as ``h2``.
        title: as a reader sees it.
        parts: all that is the same in every language, with how often it is there.
    """

    line: int
    level: str
    title: str
    parts: Counter[str] = field(default_factory=Counter)


def sections(text: str, *, file: str) -> list[Section]:
    """The sections of a page.

    Args:
        text: the page's Markdown.
        file: the page's, relative to the repository: what links are relative to.
    """
    found: list[Section] = []
    for token, after in itertools.pairwise([*READER.parse(text), Token("end", "", 0)]):
        if token.type == "heading_open":
            found.append(Section(line=line_of(token), level=token.tag, title=plain(after)))
        if found:
            found[-1].parts.update(parts(token, file=file))
    return found


def line_of(token: Token) -> int:
    return (token.map or (0, 0))[0] + 1


def plain(heading: Token) -> str:
    return "".join(child.content for child in heading.children or ())


def parts(token: Token, *, file: str) -> Iterator[str]:
    if token.type in SHAPES:
        yield SHAPES[token.type]
    for child in token.children or ():
        if child.type == "code_inline":
            yield f"`{child.content}`"
        link = child.attrGet("href") or child.attrGet("src")
        if link is not None and not is_other_edition(str(link), file=file):
            yield target(str(link), file=file)
        yield from (f"figure {path}" for path in FIGURE.findall(child.content) if child.type == "html_inline")


def target(link: str, *, file: str) -> str:
    """What a link leads to, relative to the repository; another site as it is."""
    path, _, fragment = READER.normalizeLinkText(link).partition("#")
    if "://" in path:
        return link
    page = posixpath.normpath(posixpath.join(posixpath.dirname(file), path)) if path else file
    return f"{page}#{fragment}" if fragment else page


def is_other_edition(link: str, *, file: str) -> bool:
    return target(link, file=file) == (EDITIONS | ENGLISH).get(file)


def page(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def translated(part: str) -> str:
    """What a part of an English page is in the Russian one: links lead to Russian pages where there are."""
    file, hash_, fragment = part.partition("#")
    if file not in EDITIONS:
        return part
    if not hash_:
        return EDITIONS[file]
    titles = zip(
        sections(page(file), file=file), sections(page(EDITIONS[file]), file=EDITIONS[file]), strict=False
    )
    there = {anchor(english.title): anchor(russian.title) for english, russian in titles}
    return f"{EDITIONS[file]}#{there.get(fragment, fragment)}"


def differences(english: str, russian: str, *, file: str) -> list[str]:
    """What the Russian text has otherwise than the English one.

    Args:
        english: a page's Markdown.
        russian: likewise.
        file: the Russian page's, relative to the repository.
    """
    page_faults = [*of_blocks(english, russian, file=file), *of_sections(english, russian, file=file)]
    return [str(Fault(file=Path(file), line=line, text=text)) for line, text in page_faults]


def of_blocks(english: str, russian: str, *, file: str) -> Iterator[tuple[int, str]]:
    pair = [read(text, file=Path(name)).blocks for text, name in ((english, ENGLISH[file]), (russian, file))]
    for one, other in itertools.zip_longest(*pair):
        if one is None:
            yield other.line, "the English page has no such block"
        elif other is None:
            yield (
                len(russian.splitlines()),
                f"{ENGLISH[file]}:{one.line}: this block is not in the Russian page",
            )
        elif not is_same(one, other):
            yield other.line, f"this block is not that of {ENGLISH[file]}:{one.line}:\n{one.text}"
        else:
            continue
        return


def is_same(english: Block, russian: Block) -> bool:
    """Whether a translation leaves as they are all of commands and files, and the code of other blocks."""
    kinds = [
        (one.language, one.title, bool(one.parse_only), one.directory, bool(one.varies))
        for one in (english, russian)
    ]
    if kinds[0] != kinds[1]:
        return False
    if english.is_commands or english.is_file:
        return english.text == russian.text
    # What is words through and through is translated as a whole.
    if english.language in {"mermaid", "text"} and CYRILLIC.search(russian.text):
        return True
    return uncommented(english) == uncommented(russian)


def uncommented(block: Block) -> list[str]:
    return [line for line in block.text.splitlines() if not line.startswith("#")]


def of_sections(english: str, russian: str, *, file: str) -> Iterator[tuple[int, str]]:
    there, here = sections(english, file=ENGLISH[file]), sections(russian, file=file)
    for one, other in itertools.zip_longest(there, here):
        if one is None:
            yield other.line, f"the English page has no such section: {other.title}"
        elif other is None:
            yield len(russian.splitlines()), f"{ENGLISH[file]}:{one.line}: no such section: {one.title}"
        elif one.level != other.level:
            yield other.line, f"{other.level}, but {one.level} in {ENGLISH[file]}:{one.line}: {one.title}"
        else:
            wanted = Counter({translated(part): count for part, count in one.parts.items()})
            where = f"than in {ENGLISH[file]}:{one.line}"
            yield from ((other.line, f"{what} {where}") for what in compared(wanted, other.parts))
            continue
        return


def compared(wanted: Counter[str], found: Counter[str]) -> Iterator[str]:
    """What there is more or less of; code may be repeated, or said once for twice."""
    for part in sorted({*wanted, *found}):
        more, less = found[part], wanted[part]
        if (bool(more) != bool(less)) if part.startswith("`") else (more != less):
            yield f"{part}: {more} here, otherwise ({less})"


@pytest.mark.parametrize("file", ENGLISH)
def test_a_russian_page_has_all_that_the_english_one_has_but_its_words(file: str) -> None:
    assert differences(page(ENGLISH[file]), page(file), file=file) == []


@pytest.mark.parametrize("file", ENGLISH)
def test_each_edition_leads_to_the_other_right_below_its_title(file: str) -> None:
    russian = posixpath.relpath(file, posixpath.dirname(ENGLISH[file]) or ".")
    english = posixpath.relpath(ENGLISH[file], posixpath.dirname(file))
    assert page(ENGLISH[file]).splitlines()[1:4] == ["", f"[Русский]({russian})", ""]
    assert page(file).splitlines()[1:4] == ["", f"[English]({english})", ""]


def test_there_is_no_russian_page_without_an_english_one() -> None:
    assert {str(found.relative_to(ROOT)) for found in (ROOT / "docs/ru").rglob("*.md")} == set(ENGLISH)


@pytest.mark.parametrize("file", ENGLISH)
def test_every_link_leads_to_a_file_and_a_heading(file: str) -> None:
    links = [part for section in sections(page(file), file=file) for part in section.parts if "/" in part]
    wrong = []
    for link in (link for link in links if "://" not in link and not link.startswith("`")):
        path, _, fragment = link.partition("#")
        there = (ROOT / path).exists()
        if there and fragment:
            there = fragment in {anchor(s.title) for s in sections(page(path), file=path)}
        if not there:
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("file", ENGLISH)
def test_a_heading_has_the_same_anchor_on_the_site_and_on_code_hosts(file: str) -> None:
    titles = [section.title for section in sections(page(file), file=file)]
    assert [anchor(title) for title in titles] == [SITE(title, "-") for title in titles]
    assert len({anchor(title) for title in titles}) == len(titles)


@pytest.mark.parametrize("file", ENGLISH)
def test_russian_text_has_russian_quotes_and_no_blank_before_a_dash_that_breaks(file: str) -> None:
    for token in READER.parse(page(file)):
        words = "".join(c.content for c in token.children or () if c.type in {"text", "softbreak"})
        assert not re.search(r'["“”]|(?<=\S) —', words), f"{file}:{line_of(token)}: {words}"


@pytest.mark.parametrize("file", ENGLISH)
def test_a_quantity_with_a_unit_has_a_decimal_comma(file: str) -> None:
    for token in READER.parse(page(file)):
        words = "".join(c.content for c in token.children or () if c.type in {"text", "softbreak"})
        assert not re.search(r"\d\.\d+\s?(с|мс|мин|ч|%|КиБ|МиБ|ГиБ|МБ|ГБ|ядра)(?!\w)", words), (
            f"{file}:{line_of(token)}: {words}"
        )


ONE = """# Scaling

[Русский](ru/scaling.md)

It takes <!-- fig reaction.load-step-alert-fires -->2.68 s<!-- /fig -->, see [labels](labels.md).

<!-- parse only: it takes an hour -->
```sh
make test    # all of it
```

## How

- Ask `alertscale explain`.

```promql
# How busy?
service:cpu_utilization:ratio
```
"""
OTHER = """# Масштабирование

[English](../scaling.md)

Это <!-- fig reaction.load-step-alert-fires -->2.68 с<!-- /fig -->, см. [метки](../labels.md).

<!-- parse only: длится час -->
```sh
make test    # all of it
```

## Как

- Спросите `alertscale explain`.

```promql
# Насколько занято?
service:cpu_utilization:ratio
```
"""


def test_pages_that_differ_in_words_alone_are_the_same() -> None:
    assert differences(ONE, OTHER, file="docs/ru/scaling.md") == []


@pytest.mark.parametrize(
    ("change", "line", "what"),
    [
        (lambda t: t.replace("# all of it", "# всё"), 8, "this block is not that of docs/scaling.md:8"),
        (lambda t: t.replace("<!-- parse only: длится час -->\n", ""), 7, "this block is not that"),
        (lambda t: t.replace("```promql", "```text"), 16, "this block is not that of docs/scaling.md:16"),
        (lambda t: t.replace("\nservice:cpu", "\nservice:memory"), 16, "this block is not that"),
        (lambda t: t + "\n```sh\ntrue\n```\n", 21, "the English page has no such block"),
        (
            lambda t: t[: t.index("```promql")],
            15,
            "docs/scaling.md:16: this block is not in the Russian page",
        ),
        (lambda t: t.replace("## Как", "### Как"), 12, "h3, but h2 in docs/scaling.md:12: How"),
        (lambda t: t.replace("## Как\n", ""), 18, "docs/scaling.md:12: no such section: How"),
        (lambda t: t + "\n## Ещё\n", 21, "the English page has no such section: Ещё"),
        (
            lambda t: t.replace("fires -->", "fires.p95 -->"),
            1,
            "figure reaction.load-step-alert-fires: 0 here",
        ),
        (lambda t: t.replace("../labels.md", "../alerts.md"), 1, "docs/labels.md: 0 here, otherwise (1)"),
        (lambda t: t.replace("alertscale explain", "alertscale status"), 12, "`alertscale explain`: 0 here"),
        (lambda t: t.replace("- Спросите", "Спросите"), 12, "item of a list: 0 here, otherwise (1)"),
    ],
)
def test_what_differs_is_told_with_file_and_line(change: Callable[[str], str], line: int, what: str) -> None:
    found = differences(ONE, change(OTHER), file="docs/ru/scaling.md")
    assert any(fault.startswith(f"docs/ru/scaling.md:{line}: {what}") for fault in found), found


def test_a_link_to_a_heading_leads_to_the_russian_heading_in_its_place() -> None:
    english = "docs/monitoring.md#changing-a-threshold"
    assert translated(english) == "docs/ru/monitoring.md#как-изменить-порог"
    assert translated("docs/labels.md#on-an-alert-that-scales") == "docs/labels.md#on-an-alert-that-scales"
