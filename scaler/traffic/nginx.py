"""nginx: the upstream of each service is exactly the replicas that it is told.

Render aside, have it accepted, swap, reload, and only on a change. The scaler and nginx share a directory::

    generation-7/flask-app.conf     one file per service
    generation-7/@generation.conf   a server that answers "generation-7", to nginx itself alone
    generation-7/sites              and what nginx/accept.sh adds, its head says what
    current -> generation-7         what nginx includes; replaced by rename, so never half a state
    next -> generation-8            what is being tested

A reload starts new workers and lets the old ones finish their requests, so a replica that left the
upstream is drained when the workers of that time are gone
(https://nginx.org/en/docs/control.html#reconfiguration). Its master first looks up the host names of
all sites, which takes as long as DNS does; so nginx itself is asked which generation it serves.
"""

import contextlib
import errno
import filecmp
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
from scaler.model.errors import BalancerError
from scaler.model.labels import Balance
from scaler.model.reasons import ErrorReason, ReloadOutcome
from scaler.policy import reloads
from scaler.traffic.contract import Kind, LeftOut, Upstream

_GENERATION: Final = re.compile(r"generation-(\d+)")
_FOLDER: Final = re.compile(r".*")
_MASTER: Final = "nginx: master process"
_WORKER: Final = "nginx: worker process"
_LEAVING: Final = "is shutting down"
_SHOWN: Final = 600
_STATE: Final = re.compile(r"^(SigBlk|ShdPnd):\s*([0-9a-f]+)$", re.MULTILINE)
_HANGUP: Final = 1 << 0
_ANSWER: Final = re.compile(r"^(generation-\d+)$", re.MULTILINE)
_CURL: Final = re.compile(r"^curl (\d+)$", re.MULTILINE)
_NO_CONNECTION: Final = 7
"""What curl ends with where nobody listens."""
_SERVER: Final = re.compile(r"^\s*server \[?([^\s\]]+)\]?:(\d+)\b", re.MULTILINE)
_EMERG: Final = re.compile(r"\[(?:emerg|alert|crit)\] (?:\d+#\d+: )?(.*)")
_LEFT_OUT: Final = re.compile(r"^alertscale\t(\w+)\t([^\t\n]+)\t(\w+)\t(.*)$", re.MULTILINE)

PLACEHOLDER: Final = ("127.0.0.1", 8082)
"""The server that answers 503, which nginx itself runs: see nginx/accept.sh."""

_GENERATION_PORT: Final = 8083
"""Of the server that says which generation answers, in nginx' own network alone."""

_METHODS: Final = {
    Balance.ROUND_ROBIN: "",
    Balance.LEAST_CONN: "    least_conn;\n",
    Balance.IP_HASH: "    ip_hash;\n",
    Balance.CONSISTENT_HASH: "    hash $remote_addr consistent;\n",
}

_LOOKS: Final = (0.03, 0.3)
"""Seconds between two looks at a reload: at first, and when it takes long."""

_SOON: Final = 30
"""So many looks are made before it takes long."""

_ASK_EVERY: Final = 10
"""One look in so many asks nginx itself, which is dear, although its processes are those of before."""

AGAIN: Final = 5.0
"""Seconds after which what was left out is tried again."""

_AGAIN_RARELY: Final = 30.0
"""The same while only placeholders stand in: each try asks Docker's DNS, and so the outside, for names."""

_AGAIN_TIMES: Final = 5
"""So many times as long as a test took is waited at least: a host that is gone may take it seconds."""


def render(upstream: Upstream) -> str:
    """Write one upstream as nginx reads it.

    ``max_fails=0``: the scaler alone decides who is in; nginx's own guess would take out every
    replica of an overloaded service. The zone's prefix keeps it from being a user's: the zone of a
    directive such as ``limit_req_zone`` ends at its first colon. ``keepalive`` comes after the method: it
    wraps that. Without it nginx keeps connections by a default of its own.
    """
    servers = "".join(
        f"    server {_bracketed(address)}:{port} max_fails=0;\n"
        for address, port in sorted(upstream.servers) or [PLACEHOLDER]
    )
    replicas = "".join(f"# replica {host}\n" for host in sorted(upstream.fallback))
    return (
        "# Made by alertscale; the scaler replaces it when replicas change. Do not edit.\n"
        f"{replicas}"
        f"upstream {upstream.name} {{\n"
        f"    zone alertscale:{upstream.name} 256k;\n"
        f"{_METHODS[upstream.balance]}"
        f"{_kept(upstream.keepalive)}"
        f"{servers}"
        "}\n"
    )


def _kept(seconds: float) -> str:
    if not seconds:
        return "    keepalive 0;\n"
    return f"    keepalive 32;\n    keepalive_timeout {seconds * 1000:.0f}ms;\n"


def _says(generation: str) -> str:
    """Write the server that says which generation answers."""
    return (
        "# Made by alertscale. By this the scaler knows which upstreams nginx serves with. Do not edit.\n"
        "server {\n"
        f"    listen 127.0.0.1:{_GENERATION_PORT};\n"
        "    access_log off;\n"
        "    keepalive_timeout 0;\n"
        "    default_type text/plain;\n"
        f'    return 200 "{generation}\\n";\n'
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


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What nginx says of itself.

    Attributes:
        generation: that answered; empty when that is none of the scaler's; None when it is not known.
        busy: whether its master may still be at work on a reload.
    """

    generation: str | None
    busy: bool


class NginxControl(Protocol):
    """What the balancer does to a running nginx. Errors are TargetError, or BalancerError by name."""

    def processes(self, instance: str) -> Processes:
        """List its processes."""

    def serving(self, instance: str) -> Serving:
        """Ask it which generation it serves, and whether it is reading another one."""

    def test(self, instance: str) -> tuple[LeftOut, ...]:
        """Check the configuration with ``next`` in the place of ``current``; leave out there what is refused.

        Raises:
            BalancerError: nginx would refuse it all the same; with what it said.
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
        patient: one that waits for as long as a test may say nothing; None for the same.
        upstreams: where the container sees the shared directory.
        config: where the container has its configuration.
    """

    def __init__(
        self,
        *,
        client: APIClient,
        patient: APIClient | None = None,
        upstreams: str = "/etc/nginx/upstreams",
        config: str = "/etc/nginx/nginx.conf",
    ) -> None:
        self._client = client
        self._patient = patient or client
        # During a deploy to it, the container is one that was made before there was an accept.sh.
        self._test = (
            f"command -v alertscale-accept >/dev/null && exec alertscale-accept {upstreams}/next;"
            f" sed 's#{upstreams}/current/#{upstreams}/next/#' {config} >/tmp/alertscale-test.conf"
            " && exec nginx -t -q -c /tmp/alertscale-test.conf"
        )
        # In this order: a master that was done before the answer has told its workers before it.
        self._ask = (
            "grep -E '^(SigBlk|ShdPnd):' /proc/$(cat /run/nginx.pid)/status;"
            f' curl -s --max-time 2 http://127.0.0.1:{_GENERATION_PORT}/; echo "curl $?"'
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

    def serving(self, instance: str) -> Serving:
        """See :class:`NginxControl`."""
        _, said = self._run(instance, self._ask, "ask nginx which upstreams it serves with")
        return read_serving(said)

    def test(self, instance: str) -> tuple[LeftOut, ...]:
        """See :class:`NginxControl`."""
        code, said = self._run(instance, self._test, "test nginx's configuration", by=self._patient)
        if code != 0:
            raise BalancerError(
                f"nginx refuses the new upstreams and keeps the old ones: {words_of(said)}",
                reason=ErrorReason.CONFIG_TEST_FAILED,
            )
        return read_left_out(said)

    def reload(self, instance: str) -> None:
        """See :class:`NginxControl`.

        From inside, since a signal sent through the Engine API counts as a stop by hand for some
        engines (20.10), which would then not restart nginx after a crash.
        """
        code, said = self._run(instance, "kill -HUP $(cat /run/nginx.pid)", "reload nginx")
        if code != 0:
            raise BalancerError(
                f"nginx could not be reloaded: {said[-_SHOWN:]}", reason=ErrorReason.RELOAD_FAILED
            )

    def _run(
        self, instance: str, command: str, doing: str, *, by: APIClient | None = None
    ) -> tuple[int, str]:
        with engine_errors(doing):
            made = self._client.exec_create(instance, ["sh", "-c", command])
            said = (by or self._client).exec_start(made["Id"])
            code = int(self._client.exec_inspect(made["Id"])["ExitCode"])
        return code, said.decode(errors="replace").strip() or f"it ended with {code}"


def servers_of(text: str) -> frozenset[tuple[str, int]]:
    """Read host and port of each replica that a file of an upstream names."""
    return frozenset((host, int(port)) for host, port in _SERVER.findall(text)) - {PLACEHOLDER}


def words_of(said: str) -> str:
    """The reason of a refusal without nginx' clock and process id: the same one is the same text."""
    named = _EMERG.findall(said)
    # nginx/accept.sh ends with it; the lines before are of its tries to do without what was named.
    return str(named[-1] if named else said.splitlines()[-1])[:_SHOWN]


def read_left_out(said: str) -> tuple[LeftOut, ...]:
    """Read what ``nginx/accept.sh`` prints."""
    return tuple(
        LeftOut(kind=Kind(kind), name=name, became=became, why=why)
        for kind, name, became, why in _LEFT_OUT.findall(said)
    )


def read_serving(said: str) -> Serving:
    """Read the state of nginx' master and the answer of its worker.

    The master blocks its signals while it works and none while it waits for the next one (sigsuspend in
    ``ngx_master_process_cycle``), and ``SigBlk`` and ``ShdPnd`` show both: proc_pid_status(5). Where the
    kernel does not say, it may be at work.
    """
    masks = {name: int(mask, 16) for name, mask in _STATE.findall(said)}
    busy = masks.get("SigBlk") != 0 or bool(masks.get("ShdPnd", 0) & _HANGUP)
    answer, code = _ANSWER.search(said), _CURL.search(said)
    if answer is not None:
        return Serving(generation=answer[1], busy=busy)
    nobody = code is not None and int(code[1]) == _NO_CONNECTION
    return Serving(generation="" if nobody else None, busy=busy)


@dataclass(frozen=True, kw_only=True)
class _Reload:
    """A reload that nginx was asked for.

    Attributes:
        generation: that it is to serve.
        previous: that ``current`` was before; None when there was none.
        files: the upstreams of the generation.
        left_out: what the test left out of it.
        before: nginx' processes just before it was asked.
        begun: when it was asked, seconds, monotonic.
    """

    generation: str
    previous: str | None
    files: Mapping[str, str]
    left_out: tuple[LeftOut, ...]
    before: Processes
    begun: float


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    """What nginx' test accepts and its running master does not take.

    Attributes:
        master: which it was.
        files: what it was asked to serve with.
        times: so often without a pause.
        until: seconds, monotonic; it is not asked again before.
        error: what it was told as.
    """

    master: int | None
    files: Mapping[str, str]
    times: int
    until: float
    error: str


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
        timeout: seconds for which a reload may be under way before that is told; it goes on all the same.
    """

    directory: Path
    control: NginxControl
    pause: Callable[[float], object]
    monotonic: Callable[[], float]
    timeout: float = 60.0
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _loaded_by: int | None = field(default=None, init=False)
    _loaded: Mapping[str, str] = field(default_factory=dict, init=False)
    _loaded_at: float = field(default=0.0, init=False)
    _under_way: _Reload | None = field(default=None, init=False)
    _again_at: float = field(default=0.0, init=False)
    _refusal: _Refusal | None = field(default=None, init=False)
    _number: int = field(default=0, init=False)
    """Of the last generation: none has that of one before, which a test that was given up may still fill."""
    left_out: tuple[LeftOut, ...] = field(default=(), init=False)
    """See :class:`scaler.traffic.contract.Balancer`."""

    @property
    def settled(self) -> bool:
        """See :class:`scaler.traffic.contract.Balancer`."""
        return self._under_way is None

    def carried(self, name: str) -> frozenset[tuple[str, int]]:
        """See :class:`scaler.traffic.contract.Balancer`: of the file that nginx was given, or began with."""
        text = ""
        with contextlib.suppress(OSError):  # what cannot be read carries nobody; writing it will tell
            text = (self.directory / "current" / f"{name}.conf").read_text(errors="replace")
        return servers_of(text)

    def sync(
        self, upstreams: tuple[Upstream, ...], *, instance: str | None, urgent: bool = False
    ) -> ReloadOutcome | None:
        """See :class:`scaler.traffic.contract.Balancer`; without an instance it writes for the next start."""
        try:
            return self._sync(upstreams, instance, urgent=urgent)
        except OSError as error:
            raise BalancerError(
                f"cannot write nginx's upstreams in {self.directory}: {error};"
                " is the volume mounted, and is its disk full or read-only?",
                reason=ErrorReason.RELOAD_FAILED,
            ) from error

    def _sync(
        self, upstreams: tuple[Upstream, ...], instance: str | None, *, urgent: bool
    ) -> ReloadOutcome | None:
        with self._lock:
            found = self.control.processes(instance) if instance else None
            if found is not None and (found.master is None or not found.workers):
                return ReloadOutcome.STARTING
            wanted = {f"{u.name}.conf": render(u) for u in upstreams}
            if instance is None or found is None:
                return self._write_only(wanted)
            asked = self._under_way
            if asked is not None and asked.before.master == found.master:
                outcome = self._settle(instance, asked)
                if outcome is not None and (outcome is ReloadOutcome.STARTING or wanted == self._loaded):
                    return outcome
            # At its start nginx writes files of its own, so what is on disk proves nothing.
            same = found.master == self._loaded_by and wanted == self._loaded
            if same and not (self.left_out and self.monotonic() >= self._again_at):
                return None
            if found.master == self._loaded_by and not urgent and self._waits(wanted, found):
                return None if same else ReloadOutcome.HELD
            refused = self._refused(found.master, wanted)
            if refused is not None and self.monotonic() < refused.until:
                raise BalancerError(refused.error, reason=ErrorReason.RELOAD_FAILED)
            return self._swap(wanted, instance, same=same)

    def _waits(self, wanted: Mapping[str, str], found: Processes) -> bool:
        """Whether the old workers of earlier reloads are too many for one that is not urgent."""
        before, after = (
            {name: servers_of(text) for name, text in files.items()} for files in (self._loaded, wanted)
        )
        old = reloads.generations(leaving=len(found.leaving), workers=len(found.workers))
        since = self.monotonic() - self._loaded_at
        return since < reloads.pause_before(old) and not reloads.is_urgent(before=before, after=after)

    def draining(self, instance: str | None) -> OldWorkers:
        """See :class:`scaler.steps.drain.Drains`."""
        return OldWorkers(lambda: self.control.processes(instance).leaving if instance else frozenset())

    def _write_only(self, wanted: Mapping[str, str]) -> ReloadOutcome | None:
        self._under_way = None
        if wanted == self._read():
            return None
        previous = self._target("current")
        made = self._generation(wanted, link="current")
        # No folder of nginx' own: it may be at its start, between the test of that and the link to it.
        self._prune(_GENERATION, keep={made, previous})
        return ReloadOutcome.WRITTEN

    def _swap(self, wanted: Mapping[str, str], instance: str, *, same: bool) -> ReloadOutcome | None:
        begun = self.monotonic()
        made = self._generation(wanted, link="next")
        try:
            left_out = self.control.test(instance)
            # After the test, which may take long: whoever reloads nginx meanwhile makes other workers.
            before = self.control.processes(instance)
        except Exception:
            self._discard(made)
            raise
        if not before.workers:
            self._discard(made)
            return ReloadOutcome.STARTING
        rarely = all(one.kind is Kind.PLACEHOLDER for one in left_out)
        now = self.monotonic()
        self._again_at = now + max(_AGAIN_RARELY if rarely else AGAIN, _AGAIN_TIMES * (now - begun))
        previous = self._target("current")
        if same and left_out == self.left_out and self._sites(made) == self._sites(previous):
            self._discard(made)
            return None
        changed = self._changed_sites(made, previous)
        self._link("current", made)
        asked = _Reload(
            generation=made, previous=previous, files=wanted, left_out=left_out, before=before, begun=now
        )
        self._under_way = asked
        try:
            self.control.reload(instance)
        except BalancerError:  # it could not be asked
            self._undo(asked)
            raise
        outcome = self._settle(instance, asked)
        if outcome is None:
            raise BalancerError(self._refuse(asked, changed), reason=ErrorReason.RELOAD_FAILED)
        return outcome

    def _refused(self, master: int | None, files: Mapping[str, str]) -> _Refusal | None:
        """What became of the same files before, if the same master did not take them."""
        last = self._refusal
        return last if last is not None and (last.master, last.files) == (master, files) else None

    def _refuse(self, asked: _Reload, changed: list[str]) -> str:
        """Note that nginx has not taken a reload, and that it is asked more and more seldom; say so."""
        last = self._refused(asked.before.master, asked.files)
        times = last.times + 1 if last else 1
        sites = f" (changed since: {', '.join(changed)})" if changed else ""
        error = (
            f"nginx did not take the new upstreams, although its test accepts them{sites}, and keeps the old"
            " ones; its log says why: docker compose logs nginx. What only a new start takes, such as another"
            " key of a limit_req_zone, is taken by docker compose restart nginx"
        )
        self._refusal = _Refusal(
            master=asked.before.master,
            files=asked.files,
            times=times,
            until=self.monotonic() + reloads.pause_after_refusals(times),
            error=error,
        )
        return error

    def _sites(self, folder: str | None) -> str:
        """The sites that a generation has.

        While one of them is refused that is each by its name: a new one is not among them, and without one
        that is removed nginx refuses every reload.
        """
        text = ""
        with contextlib.suppress(OSError):
            text = (self.directory / (folder or "") / "sites").read_text(errors="replace")
        return text.replace(f"/{folder}/", "/")

    def _changed_sites(self, made: str, previous: str | None) -> list[str]:
        """Names of the sites that are other than when nginx was given something last."""
        new, old = (self.directory / folder / "accepted" for folder in (made, previous or made))
        changed: set[str] = set()
        with contextlib.suppress(OSError):  # it is a hint alone
            compared = filecmp.dircmp(new, old)
            changed = {*compared.left_only, *compared.right_only, *compared.diff_files}
        return sorted(changed)

    def _settle(self, instance: str, asked: _Reload) -> ReloadOutcome | None:
        """Wait until it is known what became of a reload; None when nginx has not taken it.

        Raises:
            BalancerError: it is under way for too long, and goes on.
            TargetError: the engine did not answer; it is not known.
        """
        old = asked.before.workers | asked.before.leaving
        over = looks = 0
        while True:
            now = self.control.processes(instance)
            if now.master != asked.before.master:
                return ReloadOutcome.STARTING
            # The master starts new workers first and retires the old ones a moment later.
            moved = bool(now.workers) and not now.workers & old
            overdue = self.monotonic() - asked.begun > self.timeout
            if moved or overdue or looks >= _SOON or looks % _ASK_EVERY == _ASK_EVERY - 1:
                serves = self.control.serving(instance)
                if moved and serves.generation == asked.generation:
                    return self._take(asked)
                # An overloaded worker does not answer: then new processes of a master that is done must do.
                is_old = serves.generation not in {None, asked.generation}
                ended = not serves.busy and (is_old or (moved and serves.generation is None))
                # Twice, as an old worker may take a last connection when the master is done already.
                over = over + 1 if ended else 0
                if over > 1 and not is_old:
                    return self._take(asked)
                if over > 1:
                    self._undo(asked)
                    return None
            if overdue and not over:
                raise self._too_slow()
            self.pause(_LOOKS[looks >= _SOON])
            looks += 1

    def _too_slow(self) -> BalancerError:
        return BalancerError(
            f"nginx is reading its new configuration for over {self.timeout:g} s; until it is done it"
            " serves with the old one, and nothing else can change. It looks up the hosts of your sites: one"
            " that DNS is slow to find belongs into a variable (resolver 127.0.0.11; set $there http://HOST:PORT;"
            " proxy_pass $there;); docker compose restart nginx ends it at once",
            reason=ErrorReason.RELOAD_FAILED,
        )

    def _take(self, asked: _Reload) -> ReloadOutcome:
        self._under_way = self._refusal = None
        self._loaded_by, self._loaded, self.left_out = asked.before.master, asked.files, asked.left_out
        self._loaded_at = self.monotonic()
        self._prune(_FOLDER, keep={asked.generation, asked.previous})
        return ReloadOutcome.RELOADED

    def _undo(self, asked: _Reload) -> None:
        """Let ``current`` be what nginx serves, and begins with, again."""
        self._under_way = None
        if asked.previous and self._is_there(asked.previous):
            self._link("current", asked.previous)
            self._discard(asked.generation)

    def _read(self) -> dict[str, str]:
        current = self.directory / "current"
        files = sorted(current.glob("[!@]*.conf")) if current.is_dir() else []
        return {p.name: p.read_text(errors="replace") for p in files}

    def _generation(self, files: Mapping[str, str], *, link: str) -> str:
        numbers = [int(m[1]) for p in self.directory.iterdir() if (m := _GENERATION.fullmatch(p.name))]
        self._number = max([self._number, *numbers]) + 1
        name = f"generation-{self._number}"
        made = self.directory / name
        try:
            made.mkdir()
            for file, text in files.items():
                (made / file).write_text(text)
            (made / "@generation.conf").write_text(_says(name))
            accepted = self.directory / "current" / "accepted"
            if accepted.is_dir():
                shutil.copytree(accepted, made / "accepted")
            self._link(link, name)
        except OSError:
            # Tried again every two seconds: halves must not fill a full disk further.
            shutil.rmtree(made, ignore_errors=True)
            raise
        return name

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

    def _target(self, link: str) -> str | None:
        path = self.directory / link
        # On a full disk nginx began with a folder of its own container's: then an absolute one.
        return str(path.readlink()) if path.is_symlink() else None

    def _discard(self, generation: str) -> None:
        (self.directory / "next").unlink(missing_ok=True)
        self._remove(generation)

    def _prune(self, called: re.Pattern[str], *, keep: set[str | None]) -> None:
        (self.directory / "next").unlink(missing_ok=True)
        for path in self.directory.iterdir():
            ours = path.is_dir() and not path.is_symlink() and called.fullmatch(path.name)
            if ours and path.name not in keep:
                self._remove(path.name)

    def _remove(self, folder: str) -> None:
        # A test that was given up may be writing there; what stays is removed after the next change.
        shutil.rmtree(self.directory / folder, ignore_errors=True)
