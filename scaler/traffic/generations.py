"""The directory that the scaler shares with nginx: each set of upstreams is a folder; one is current.

::

    generation-7/flask-app.conf     one file per service
    generation-7/@generation.conf   a server that answers "generation-7", to nginx itself alone
    generation-7/sites              and what nginx/accept.sh adds, its head says what
    current -> generation-7         what nginx includes; replaced by rename, so never half a state
    next -> generation-8            what is being tested
"""

import contextlib
import errno
import filecmp
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scaler.traffic.rendering import says

_GENERATION: Final = re.compile(r"generation-(\d+)")


@dataclass(kw_only=True, eq=False)
class Generations:
    """Makes them, and removes those that are over. Every method raises OSError for what cannot be written.

    Args:
        directory: shared with nginx.
    """

    directory: Path
    _number: int = field(default=0, init=False)
    """Of the last generation: none has that of one before, which a test that was given up may still fill."""

    @property
    def current(self) -> str | None:
        """The folder that nginx includes; None before there is one.

        On a full disk nginx began with a folder of its own container's: then an absolute path.
        """
        path = self.directory / "current"
        return str(path.readlink()) if path.is_symlink() else None

    def read(self) -> dict[str, str]:
        """The current upstreams: file name to text."""
        current = self.directory / "current"
        files = sorted(current.glob("[!@]*.conf")) if current.is_dir() else []
        return {p.name: p.read_text(errors="replace") for p in files}

    def text(self, upstream: str) -> str:
        """The current file of one upstream; empty if there is none, or none that can be read."""
        with contextlib.suppress(OSError):
            return (self.directory / "current" / f"{upstream}.conf").read_text(errors="replace")
        return ""

    def make(self, files: Mapping[str, str], *, link: str) -> str:
        """Make a new one, with the copies of sites that the current one has, and link to it; return its name.

        Args:
            files: file name to text.
            link: ``current`` or ``next``.
        """
        numbers = [int(m[1]) for p in self.directory.iterdir() if (m := _GENERATION.fullmatch(p.name))]
        self._number = max([self._number, *numbers]) + 1
        name = f"generation-{self._number}"
        made = self.directory / name
        try:
            made.mkdir()
            for file, text in files.items():
                (made / file).write_text(text)
            (made / "@generation.conf").write_text(says(name))
            accepted = self.directory / "current" / "accepted"
            if accepted.is_dir():
                shutil.copytree(accepted, made / "accepted")
            self._link(link, name)
        except OSError:
            # Tried again every two seconds: halves must not fill a full disk further.
            shutil.rmtree(made, ignore_errors=True)
            raise
        return name

    def swap(self, name: str) -> None:
        """Make one the current one."""
        self._link("current", name)

    def restore(self, previous: str | None, *, made: str) -> None:
        """Make the one before the current one again, if it is there, and remove the one that was made."""
        if previous and self._is_there(previous):
            self._link("current", previous)
            self.discard(made)

    def discard(self, name: str) -> None:
        """Remove one that is not to be tried, or was."""
        (self.directory / "next").unlink(missing_ok=True)
        self._remove(name)

    def prune(self, *, keep: set[str | None], starting: bool = False) -> None:
        """Remove all others.

        Args:
            keep: names.
            starting: nginx may be at its start, between the test of a folder of its own and the link to it:
                those are left alone.
        """
        (self.directory / "next").unlink(missing_ok=True)
        for path in self.directory.iterdir():
            ours = path.is_dir() and not path.is_symlink()
            if ours and path.name not in keep and (not starting or _GENERATION.fullmatch(path.name)):
                self._remove(path.name)

    def sites(self, name: str | None) -> str:
        """The sites that one has.

        While one of them is refused that is each by its name: a new one is not among them, and without one
        that is removed nginx refuses every reload.
        """
        text = ""
        with contextlib.suppress(OSError):
            text = (self.directory / (name or "") / "sites").read_text(errors="replace")
        return text.replace(f"/{name}/", "/")

    def changed_sites(self, made: str, previous: str | None) -> list[str]:
        """Names of the sites that are other than when nginx was given something last; a hint alone."""
        new, old = (self.directory / folder / "accepted" for folder in (made, previous or made))
        changed: set[str] = set()
        with contextlib.suppress(OSError):
            compared = filecmp.dircmp(new, old)
            changed = {*compared.left_only, *compared.right_only, *compared.diff_files}
        return sorted(changed)

    def _link(self, link: str, target: str) -> None:
        if not self._is_there(target):
            raise FileNotFoundError(errno.ENOENT, "somebody has removed it", target)
        aside = self.directory / f".{link}"
        aside.unlink(missing_ok=True)
        aside.symlink_to(target)
        aside.replace(self.directory / link)

    def _is_there(self, target: str) -> bool:
        # An absolute one is a folder of nginx' own container, which cannot be looked at from here.
        return Path(target).is_absolute() or (self.directory / target).is_dir()

    def _remove(self, folder: str) -> None:
        # A test that was given up may be writing there; what stays is removed after the next change.
        shutil.rmtree(self.directory / folder, ignore_errors=True)
