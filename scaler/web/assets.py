"""The page's plain files, and uPlot's out of the package that carries them; no code of that one is run."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from scaler.model.errors import AlertscaleError

PACKAGE: Final = "youplot"
UPLOT: Final[Mapping[str, tuple[str, str]]] = {
    "uplot.js": (
        "youplot/vendor/uplot.iife.min.js",
        "2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2",
    ),
    "uplot.css": (
        "youplot/vendor/uplot.min.css",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
}
"""uPlot 1.6.31: name here, place in the package, SHA-256 of the file that uPlot's author released."""

OWN: Final = ("app.css", "app.js", "actions.js", "chart.js", "icon.svg")


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file that is served."""

    content: bytes
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Assets:
    """Every file.

    Attributes:
        files: by name.
        version: changes with any of them; part of their address, so that browsers may keep them for good.
    """

    files: Mapping[str, Asset]
    version: str


def make_assets(directory: Path, uplot: Mapping[str, bytes]) -> Assets:
    """Put our own files and uPlot's together.

    Args:
        directory: of our own.
        uplot: see :func:`load_uplot`; empty when it cannot be had, and the page shows tables instead.
    """
    contents = {name: (directory / name).read_bytes() for name in OWN} | dict(uplot)
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    files = {n: Asset(content=c, content_type=_type(n)) for n, c in contents.items()}
    return Assets(files=files, version=digest.hexdigest()[:16])


def load_uplot() -> dict[str, bytes]:
    """Read uPlot's files out of the installed package.

    Raises:
        AlertscaleError: it is not installed, or a file is not the one that is meant.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError as error:
        raise AlertscaleError(
            f"{PACKAGE} is not installed: pip install -r scaler/requirements.txt"
        ) from error
    found = {}
    for name, (place, wanted) in UPLOT.items():
        path = Path(str(package.locate_file(place)))
        try:
            content = path.read_bytes()
        except OSError as error:
            raise AlertscaleError(f"{PACKAGE} {package.version}: {path}: {error.strerror}") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != wanted:
            raise AlertscaleError(
                f"{PACKAGE} {package.version}: {path} has the SHA-256 {digest}, not {wanted};"
                " hold the new file against uPlot's own release before changing scaler/web/assets.py"
            )
        found[name] = content
    return found


def _type(name: str) -> str:
    kind = mimetypes.guess_type(name, strict=True)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
