"""nginx: the upstream of each service is exactly its ready replicas.

Render aside, test, swap, reload, and only on a change. The scaler and nginx share a directory::

    generation-7/flask-app.conf     one file per service
    current -> generation-7         what nginx includes; replaced by rename, so never half a state
    next -> generation-8            what is being tested

A reload starts new workers and lets the old ones finish their requests, so a replica that left the
upstream is drained when the workers of that time are gone
(https://nginx.org/en/docs/control.html#reconfiguration).
"""

import re
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol

import docker.errors
from docker import APIClient

from scaler.engines.connection import engine_errors
from scaler.model.errors import AlertscaleError, BalancerError
from scaler.model.reasons import ErrorReason, ReloadOutcome
from scaler.traffic.contract import Upstream

_GENERATION: Final = re.compile(r"generation-(\d+)")
_MASTER: Final = "nginx: master process"
_WORKER: Final = "nginx: worker process"
_LEAVING: Final = "is shutting down"
_SHOWN: Final = 600


def render(upstream: Upstream) -> str:
    """Write one upstream as nginx reads it.

    ``max_fails=0``: the scaler alone decides who is in; nginx's own guess would take out every
    replica of an overloaded service.
    """
    servers = "".join(
        f"    server {_bracketed(address)}:{port} max_fails=0;\n"
        for address, port in sorted(upstream.servers)
    )
    return (
        "# Made by alertscale; the scaler replaces it when replicas change. Do not edit.\n"
        f"# fallback {upstream.fallback}\n"
        f"upstream {upstream.name} {{\n"
        f"    zone {upstream.name} 256k;\n"
        f"{servers}"
        "    keepalive 32;\n"
        "}\n"
    )


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@dataclass(frozen=True, kw_only=True)
class Processes:
    """nginx's processes, as process ids on the host.

    Attributes:
        master: None while nginx is not up.
        workers: those that take new connections.
        leaving: those of an earlier configuration, which finish their requests.
    """

    master: int | None
    workers: frozenset[int]
    leaving: frozenset[int]


class NginxControl(Protocol):
    """What the balancer does to a running nginx. Errors are TargetError, or BalancerError by name."""

    def processes(self, instance: str) -> Processes:
        """List its processes."""

    def test(self, instance: str) -> None:
        """Check the configuration with ``next`` in the place of ``current``.

        Raises:
            BalancerError: nginx would refuse it; with what it said.
        """

    def reload(self, instance: str) -> None:
        """Ask the master to read its configuration anew.

        Raises:
            BalancerError: it could not be asked.
        """


class DockerNginx:
    """nginx in a container, reached through the Engine API.

    Args:
        client: of the Engine API.
        upstreams: where the container sees the shared directory.
        config: where the container has its configuration.
    """

    def __init__(
        self,
        *,
        client: APIClient,
        upstreams: str = "/etc/nginx/upstreams",
        config: str = "/etc/nginx/nginx.conf",
    ) -> None:
        self._client = client
        self._test = (
            f"sed 's#{upstreams}/current/#{upstreams}/next/#' {config} >/tmp/alertscale-test.conf"
            " && exec nginx -t -q -c /tmp/alertscale-test.conf"
        )

    def processes(self, instance: str) -> Processes:
        """See :class:`NginxControl`; a container that has just stopped or gone has none."""
        with engine_errors("list nginx's processes"):
            try:
                listed = self._client.top(instance, ps_args="-eo pid,args")
            except docker.errors.APIError as error:
                if error.status_code not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                    raise
                return Processes(master=None, workers=frozenset(), leaving=frozenset())
        titles = {int(row[0]): " ".join(row[1:]) for row in listed["Processes"] or ()}
        masters = [pid for pid, title in titles.items() if title.startswith(_MASTER)]
        workers = {pid for pid, title in titles.items() if title.startswith(_WORKER)}
        leaving = frozenset(pid for pid in workers if _LEAVING in titles[pid])
        return Processes(
            master=min(masters, default=None), workers=frozenset(workers - leaving), leaving=leaving
        )

    def test(self, instance: str) -> None:
        """See :class:`NginxControl`."""
        code, said = self._run(instance, self._test, "test nginx's configuration")
        if code != 0:
            raise BalancerError(
                f"nginx refuses the new upstreams and keeps the old ones: {said}",
                reason=ErrorReason.CONFIG_TEST_FAILED,
            )

    def reload(self, instance: str) -> None:
        """See :class:`NginxControl`.

        From inside, since a signal sent through the Engine API counts as a stop by hand for some
        engines (20.10), which would then not restart nginx after a crash.
        """
        code, said = self._run(instance, "kill -HUP $(cat /run/nginx.pid)", "reload nginx")
        if code != 0:
            raise BalancerError(f"nginx could not be reloaded: {said}", reason=ErrorReason.RELOAD_FAILED)

    def _run(self, instance: str, command: str, doing: str) -> tuple[int, str]:
        with engine_errors(doing):
            made = self._client.exec_create(instance, ["sh", "-c", command])
            said = self._client.exec_start(made["Id"])
            code = int(self._client.exec_inspect(made["Id"])["ExitCode"])
        return code, said.decode(errors="replace").strip()[-_SHOWN:]


class OldWorkers:
    """Those that may still carry requests to replicas that left an upstream: of an earlier configuration.

    Args:
        leaving: tells which there are now.
    """

    def __init__(self, leaving: Callable[[], frozenset[int]]) -> None:
        self._leaving = leaving
        self._waiting: frozenset[int] | None = None

    def over(self) -> bool:
        """Whether all that were there at the first look have ended; later ones carry no such request."""
        now = self._leaving()
        self._waiting = now if self._waiting is None else self._waiting & now
        return not self._waiting


@dataclass(kw_only=True, eq=False)
class Nginx:
    """Keeps nginx's upstreams equal to what it is told; safe for several threads.

    Args:
        directory: shared with nginx.
        control: of the running nginx.
        pause: waits that many seconds; between two looks at nginx.
        monotonic: seconds, monotonic.
        timeout: seconds after which a reload that shows no new workers has failed.
    """

    directory: Path
    control: NginxControl
    pause: Callable[[float], object]
    monotonic: Callable[[], float]
    timeout: float = 10.0
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _loaded_by: int | None = field(default=None, init=False)
    _loaded: dict[str, str] = field(default_factory=dict, init=False)

    def sync(self, upstreams: tuple[Upstream, ...], *, instance: str | None) -> ReloadOutcome | None:
        """See :class:`scaler.traffic.contract.Balancer`.

        The file of a service that has no ready replica now stays as it is, since an empty upstream is an
        error in nginx. Without an instance files are written for its start.
        """
        try:
            return self._sync(upstreams, instance)
        except OSError as error:
            raise BalancerError(
                f"cannot write nginx's upstreams in {self.directory}: {error};"
                " is the volume mounted, and is its disk full or read-only?",
                reason=ErrorReason.RELOAD_FAILED,
            ) from error

    def _sync(self, upstreams: tuple[Upstream, ...], instance: str | None) -> ReloadOutcome | None:
        with self._lock:
            found = self.control.processes(instance) if instance else None
            if found is not None and (found.master is None or not found.workers):
                return ReloadOutcome.STARTING
            wanted = self._read() | {f"{u.name}.conf": render(u) for u in upstreams}
            if found is None:
                return self._write_only(wanted)
            # At its start nginx writes files of its own, so what is on disk proves nothing.
            if found.master == self._loaded_by and wanted == self._loaded:
                return None
            return self._swap(wanted, instance or "", found)

    def draining(self, instance: str | None) -> OldWorkers:
        """See :class:`scaler.steps.drain.Drains`."""
        return OldWorkers(lambda: self.control.processes(instance).leaving if instance else frozenset())

    def _write_only(self, wanted: Mapping[str, str]) -> ReloadOutcome | None:
        if wanted == self._read():
            return None
        self._generation(wanted, link="current")
        return ReloadOutcome.WRITTEN

    def _swap(self, wanted: dict[str, str], instance: str, before: Processes) -> ReloadOutcome:
        made = self._generation(wanted, link="next")
        try:
            self.control.test(instance)
        except AlertscaleError:
            self._discard(made)
            raise
        previous = self._target("current")
        self._link("current", made)
        try:
            self.control.reload(instance)
            self._await_reload(instance, before)
        except BalancerError:
            if previous:
                self._link("current", previous)
                self._discard(made)
            raise
        self._loaded_by, self._loaded = before.master, wanted
        self._prune(keep={made, previous})
        return ReloadOutcome.RELOADED

    def _await_reload(self, instance: str, before: Processes) -> None:
        deadline = self.monotonic() + self.timeout
        old = before.workers | before.leaving
        while self.monotonic() < deadline:
            now = self.control.processes(instance)
            # The master starts new workers first and retires the old ones a moment later.
            if now.workers - old and not now.workers & old:
                return
            self.pause(0.03)
        raise BalancerError(
            f"nginx did not take the new upstreams within {self.timeout:g} s and keeps the old ones;"
            " its log says why: docker compose logs nginx",
            reason=ErrorReason.RELOAD_FAILED,
        )

    def _read(self) -> dict[str, str]:
        current = self.directory / "current"
        return {p.name: p.read_text() for p in sorted(current.glob("*.conf"))} if current.is_dir() else {}

    def _generation(self, files: Mapping[str, str], *, link: str) -> str:
        numbers = [int(m[1]) for p in self.directory.iterdir() if (m := _GENERATION.fullmatch(p.name))]
        name = f"generation-{max(numbers, default=0) + 1}"
        made = self.directory / name
        try:
            made.mkdir()
            for file, text in files.items():
                (made / file).write_text(text)
            self._link(link, name)
        except OSError:
            # Tried again every two seconds: halves must not fill a full disk further.
            shutil.rmtree(made, ignore_errors=True)
            raise
        return name

    def _link(self, link: str, target: str) -> None:
        aside = self.directory / f".{link}"
        aside.unlink(missing_ok=True)
        aside.symlink_to(target)
        aside.replace(self.directory / link)

    def _target(self, link: str) -> str | None:
        path = self.directory / link
        return path.readlink().name if path.is_symlink() else None

    def _discard(self, generation: str) -> None:
        (self.directory / "next").unlink(missing_ok=True)
        shutil.rmtree(self.directory / generation)

    def _prune(self, *, keep: set[str | None]) -> None:
        (self.directory / "next").unlink(missing_ok=True)
        for path in self.directory.iterdir():
            if path.is_dir() and not path.is_symlink() and path.name not in keep:
                shutil.rmtree(path)
