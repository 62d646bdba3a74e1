"""mkdocs's hook: what docs/ links to elsewhere in the repository is published with the site.

A page may link to a file of the repository as it would on a code host (``../prometheus/alert.rules.yml``).
The site then has a page that shows this file; a file in Markdown is shown as a page, and may link on. A link
to a file that is not there is left as it is, so that mkdocs reports it as it reports every broken link.

A page with a diagram loads mermaid from the site itself, where the theme would fetch it from elsewhere.

The text of a page in ru/ says that it is Russian, so that programs that read aloud pronounce it.
"""

import posixpath
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from xml.etree.ElementTree import Element

from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

FOLDER: Final = "repository"
"""The folder of the site that holds the files from outside docs/."""

# A superset of the links of a page: what stands in a code block is found too, and does no harm.
_LINK: Final = re.compile(r"\]\(([^)\s]+)")
_MARK: Final = re.compile(r"(?:\d{1,2}\.|[-*]) (?=\S)")
_FENCE: Final = re.compile(r" *(`{3,}|~{3,})")
_LANGUAGES: Final = {
    ".conf": "nginx",
    ".json": "json",
    ".py": "python",
    ".sh": "sh",
    ".tmpl": "go-html-template",
    ".toml": "toml",
    ".yaml": "yaml",
    ".yml": "yaml",
}
_MERMAID: Final = "assets/mermaid.js"
_RUSSIAN: Final = "ru/"
_DIAGRAM: Final = '<pre class="mermaid">'
# Before mkdocs's own, which has priority 0 and turns paths of files into addresses.
_PRIORITY: Final = 3


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the pages come from.

    Attributes:
        root: The repository.
        docs: The folder of the pages, relative to the repository, with slashes.
        files: The files of the repository, relative to it, without those that git ignores: these may be
            secret, and a code host does not have them.
    """

    root: Path
    docs: str
    files: frozenset[str]

    def source(self, uri: str) -> str:
        """Return the file of the repository that a page of the site comes from.

        Args:
            uri: The page's path as mkdocs has it, relative to its docs_dir.
        """
        return uri.removeprefix(f"{FOLDER}/") if uri.startswith(f"{FOLDER}/") else f"{self.docs}/{uri}"

    def uri(self, path: str) -> str:
        """Return the page of the site that shows a file or folder of the repository."""
        if not self.outside(path):
            return path.removeprefix(f"{self.docs}/")
        return f"{FOLDER}/{path}" if path.endswith(".md") else f"{FOLDER}/{path}.md"

    def target(self, source: str, link: str) -> str | None:
        """Return the file or folder of the repository that a link leads to.

        Args:
            source: The file that holds the link, relative to the repository.
            link: The link as it is written.

        Returns:
            Its path, or None if the link leads out of the repository or nowhere.
        """
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
            return None
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), parts.path))
        return path if path in self.files or self.inside(path) else None

    def inside(self, folder: str) -> list[str]:
        """Return the names in a folder of the repository, folders with a slash; none if it is absent."""
        below = (path.removeprefix(f"{folder}/") for path in self.files if path.startswith(f"{folder}/"))
        return sorted({f"{first}{slash}" for first, slash, _ in (path.partition("/") for path in below)})

    def outside(self, path: str) -> bool:
        """Tell whether a file of the repository is not among the pages."""
        return not path.startswith(f"{self.docs}/")


def layout_of(config: MkDocsConfig) -> Layout:
    """Return the layout of a site whose mkdocs.yml is at the root of a git repository."""
    root = Path(config.config_file_path).parent
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git of the PATH
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    files = frozenset(path for path in listed.stdout.split("\0") if path and (root / path).is_file())
    return Layout(root=root, docs=Path(config.docs_dir).relative_to(root).as_posix(), files=files)


def linked(layout: Layout, sources: Iterable[str]) -> dict[str, str]:
    """Return the files outside docs/ that are linked to, directly or from one another.

    Args:
        layout: Where the pages come from.
        sources: The pages to begin with, as files of the repository.

    Returns:
        The text of each one's page by its path in the repository.
    """
    pages: dict[str, str] = {}
    pending = list(sources)
    while pending:
        source = pending.pop()
        text = (layout.root / source).read_text(encoding="utf-8")
        targets = (layout.target(source, link) for link in _LINK.findall(text))
        for target in targets:
            if target and target not in pages and layout.outside(target):
                pages[target] = page_of(layout, target)
                if target.endswith(".md"):
                    pending.append(target)
    return pages


def page_of(layout: Layout, path: str) -> str:
    """Return the Markdown of the page that shows a file or a folder of the repository."""
    if path not in layout.files:
        return _listing(f"{path}/", "text", "\n".join(layout.inside(path)))
    text = (layout.root / path).read_text(encoding="utf-8")
    return text if path.endswith(".md") else _listing(path, _LANGUAGES.get(Path(path).suffix, "text"), text)


def _listing(title: str, language: str, text: str) -> str:
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 3)
    hidden = "---\nsearch:\n  exclude: true\n---\n\n"
    return f"{hidden}# {title}\n\n{fence}{language}\n{text.rstrip()}\n{fence}\n"


def indented(markdown: str) -> str:
    """Return a page in which what belongs to an item of a list is indented by four spaces.

    A code host wants as many as the item's mark is wide (three for ``1. ``), the site's Markdown wants four.
    """
    lines, missing, wide, fence = [], 0, 0, ""
    for line in markdown.split("\n"):
        if not fence and (mark := _MARK.match(line)):
            wide, missing = len(mark[0]), 4 - len(mark[0])
        elif line.strip() and not line.startswith(" " * wide):
            missing = wide = 0
        inside = missing > 0 and line.startswith(" " * wide)
        lines.append(" " * missing + line if inside and line.strip() else line)
        if found := _FENCE.match(line):
            fence = "" if fence and found[1].startswith(fence) else fence or found[1]
    return "\n".join(lines)


class _RepositoryLinks(Extension):
    """Gives each link to the repository the path of the page that shows its file."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.page = ""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Markdown's own name
        md.treeprocessors.register(_Links(md, self), "repository_links", _PRIORITY)


class _Links(Treeprocessor):
    def __init__(self, md: Markdown, extension: _RepositoryLinks) -> None:
        super().__init__(md)
        self.extension = extension

    def run(self, root: Element) -> None:
        for element in root.iter("a"):
            element.set("href", self._moved(element.get("href", "")))
        for element in root.iter("img"):
            element.set("src", self._moved(element.get("src", "")))

    def _moved(self, link: str) -> str:
        layout, page = self.extension.layout, self.extension.page
        source = layout.source(page)
        target = layout.target(source, link)
        if target is None or not (layout.outside(source) or layout.outside(target)):
            return link
        parts = urlsplit(link)
        path = posixpath.relpath(layout.uri(target), posixpath.dirname(page) or ".")
        return urlunsplit(("", "", path, parts.query, parts.fragment))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Read links with our extension too."""
    extensions: list[Any] = config.markdown_extensions  # mkdocs hands on what is not a name as it is
    extensions.append(_RepositoryLinks(layout_of(config)))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file outside docs/ that is linked to."""
    layout = _extension(config).layout
    sources = [layout.source(file.src_uri) for file in files.documentation_pages()]
    for path, text in linked(layout, sources).items():
        page = File.generated(config, layout.uri(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV)
        files.append(page)
    program = resources.files("mermaidx") / "assets" / "mermaid.js"
    files.append(File.generated(config, _MERMAID, content=program.read_bytes()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Tell our extension which page is read next; indent its lists as the site's Markdown wants it."""
    del files
    _extension(config).page = page.file.src_uri
    return indented(markdown)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Load mermaid where there is a diagram, before the theme looks for it; say which text is Russian."""
    del config
    if page.file.src_uri.startswith(_RUSSIAN):
        output = output.replace("<article ", '<article lang="ru" ', 1)
    if _DIAGRAM not in output:
        return output
    address = posixpath.relpath(_MERMAID, page.url or ".")
    return output.replace("</head>", f'<script src="{address}"></script></head>', 1)


def _extension(config: MkDocsConfig) -> _RepositoryLinks:
    return next(one for one in config.markdown_extensions if isinstance(one, _RepositoryLinks))
