"""Where the files of Prometheus, Alertmanager and nginx are, as their containers see them; reading them."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from alertscale.check.compose import Mount, Program, Stack
from alertscale.check.disk import Disk, is_file, is_folder
from alertscale.check.dockerfile import Dockerfile, read_dockerfile
from alertscale.check.findings import Place, Rule, finding
from alertscale.check.programs import ALERTMANAGER, PROMETHEUS, Kind, Running, find_running
from alertscale.check.rulefiles import YAML, find_rules, first_document
from alertscale.check.seen import Scope, Seen, View
from alertscale.check.setup import Config, Documents

_BY_NAME: Final = {
    PROMETHEUS: (
        "prometheus/prometheus.yml",
        "prometheus.yml",
        "prometheus/prometheus.yaml",
        "prometheus.yaml",
    ),
    ALERTMANAGER: (
        *("alertmanager/alertmanager.yml", "alertmanager.yml", "alertmanager/config.yml"),
        *("alertmanager/alertmanager.yaml", "alertmanager.yaml"),
    ),
}
"""Where to look if no service of the Compose files runs the program."""
_SITES: Final = "/etc/nginx/conf.d"


@dataclass(frozen=True, kw_only=True)
class Finder:
    """Finds and reads what the services of a folder's Compose files read.

    Args:
        stack: the services; None if there is no Compose file.
        scope: what can be looked at.
        disk: reads.
    """

    stack: Stack | None
    scope: Scope
    disk: Disk
    _built: dict[str, Dockerfile] = field(default_factory=dict)

    def documents(self) -> Documents:
        """Find and read all."""
        self._read_dockerfiles()
        prometheus, view = self._config(PROMETHEUS)
        alertmanager, _ = self._config(ALERTMANAGER)
        rules, partial = find_rules(prometheus, view, scope=self.scope, disk=self.disk)
        return Documents(
            prometheus=prometheus,
            alertmanager=alertmanager,
            rules=rules,
            rules_partial=partial,
            sites=self._sites(),
            built=self._built,
        )

    def _read_dockerfiles(self) -> None:
        for name, service in self.stack.services.items() if self.stack else ():
            path = service.program.dockerfile
            text = self.disk.text(path, errors="replace") if path and is_file(path) else None
            if text is not None:
                self._built[name] = read_dockerfile(text, target=service.program.target)

    # The file of a program

    def _config(self, kind: Kind) -> tuple[Config, View]:
        both = {k: find_running(self.stack, k, built=self._built) if self.stack else () for k in _BY_NAME}
        running = both[kind]
        if not running:
            return self._by_name(kind, unless=any(both.values()))
        views = [(one, View(one.service.program, one.built)) for one in running]
        best = next(((o, v) for o, v in views if o.config and v.at(o.config).is_file), views[0])
        others = tuple(one.service.name for one in running if one is not best[0])
        return replace(self._of(*best), others=others), best[1]

    def _by_name(self, kind: Kind, *, unless: bool) -> tuple[Config, View]:
        """Take a file that nobody is known to read, unless the other program is known to run here."""
        names = _BY_NAME[kind]
        path = next((p for name in names if is_file(p := self.scope.directory / name)), None)
        nobody = "no service of the Compose files runs it, and " if self.stack else ""
        if path is None:
            return Config(absent=f"{nobody}there is no {names[0]}"), View(Program())
        if unless:
            return Config(absent=f"{nobody}{path} is read by nobody here"), View(Program())
        home = posixpath.dirname(kind.config)
        mount = Mount(place=Place(file=path, line=1), target=home, source=path.parent)
        seen = Seen(path=posixpath.join(home, path.name), source=path, mount=mount)
        return self._read(kind, seen, running=None), View(Program(mounts=(mount,)))

    def _of(self, running: Running, view: View) -> Config:
        name = running.service.name
        if running.config is None:
            return Config(running=running, absent=f"what the service {name} is started with cannot be known")
        seen = view.at(running.config)
        if seen.is_file:
            return self._read(running.kind, seen, running=running)
        if running.guessed:
            return Config(running=running, absent=f"the service {name} is started by a script of its own")
        absent = f"the service {name} reads {running.config}, {_whence(seen)}"
        surely = self.scope.is_surely_absent(seen, official=running.official)
        if running.sure and view.is_whole and surely:
            at = seen.mount.place if seen.mount else running.service.place
            self.disk.findings.append(
                finding(Rule.CONFIG_NOT_FOUND, at, f"{absent}", self._way_out(running, seen, view))
            )
        return Config(running=running, absent=absent)

    def _read(self, kind: Kind, seen: Seen, *, running: Running | None) -> Config:
        file, document = first_document(seen, reader=kind.title, disk=self.disk)
        absent = "" if document else f"{file.name} cannot be read"
        return Config(document=document, file=file, seen=seen.path, running=running, absent=absent)

    def _way_out(self, running: Running, seen: Seen, view: View) -> str:
        folder, name = posixpath.split(running.config or "")
        near = [one for one in view.names_in(folder) if one.endswith(YAML) and one != name]
        if near:
            return f"call it {name}, or start it with --config.file={posixpath.join(folder, near[0])}"
        if seen.source is not None:
            return (
                f"put the file there: {running.kind.title} does not start with the folder that Docker makes"
            )
        return (
            f"mount your file there, as in volumes: [./{running.kind.name}.yml:{running.config}:ro]"
            if running.config == running.kind.config
            else f"start it with --config.file={running.kind.config}, and mount your file there"
        )

    # Sites

    def _sites(self) -> Mapping[Path, str]:
        nginx = self.stack.nginx if self.stack else None
        if nginx is None:
            return {}
        found = View(nginx.program, self._built.get(nginx.name)).glob(f"{_SITES}/*.conf")
        # As nginx does: without those whose names begin with a dot. It takes any bytes.
        paths = [s.source for s in found if s.source and not s.source.name.startswith(".")]
        texts = {path: self.disk.text(path, errors="replace") for path in paths}
        return {path: text for path, text in texts.items() if text is not None}


def _whence(seen: Seen) -> str:
    """Why there is nothing to be read."""
    if seen.mount is None:
        return "which no mount brings: it has what its image has there, if anything"
    if seen.mount.volume and seen.source is None:
        return f"which is in the volume {seen.mount.volume}"
    if seen.source is None:
        return "which a variable says"
    what = "a folder" if is_folder(seen.source) else "not there"
    return f"which is {seen.source} here, and that is {what}"
