"""nginx: the upstream of each service is exactly the replicas that it is told.

Render aside, have it accepted, swap, reload, and only on a change. What is written is in ``rendering.py``,
where in ``generations.py``; what nginx is asked goes through ``NginxControl`` of ``engines/contract.py``.

A reload starts new workers and lets the old ones finish their requests, so a replica that left the
upstream is drained when the workers of that time are gone
(https://nginx.org/en/docs/control.html#reconfiguration). Its master first looks up the host names of
all sites, which takes as long as DNS does; so nginx itself is asked which generation it serves.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scaler.engines.contract import LeftOut, LeftOutKind, NginxControl, Processes
from scaler.model.errors import BalancerError
from scaler.model.reasons import ErrorReason, ReloadOutcome
from scaler.policy import reloads
from scaler.traffic.contract import Upstream
from scaler.traffic.generations import Generations
from scaler.traffic.rendering import owner_of, render, servers_of

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
    _loaded_as: str | None = field(default=None, init=False)
    _under_way: _Reload | None = field(default=None, init=False)
    _again_at: float = field(default=0.0, init=False)
    _refusal: _Refusal | None = field(default=None, init=False)
    left_out: tuple[LeftOut, ...] = field(default=(), init=False)
    """See :class:`scaler.traffic.contract.Balancer`."""

    def __post_init__(self) -> None:
        """Look at the directory."""
        self._folders = Generations(directory=self.directory)

    @property
    def settled(self) -> bool:
        """See :class:`scaler.traffic.contract.Balancer`."""
        return self._under_way is None

    def carried(self, name: str) -> frozenset[tuple[str, int]]:
        """See :class:`scaler.traffic.contract.Balancer`: of the file that nginx was given, or began with."""
        return servers_of(self._folders.text(name))

    def owner(self, name: str) -> str:
        """See :class:`scaler.traffic.contract.Balancer`: of the file that nginx was given, or began with."""
        return owner_of(self._folders.text(name))

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
            # At its start nginx writes files of its own, so what is on disk proves nothing. What was written
            # while it was paused lacks all that a test adds, and whoever reloads it has it read just that.
            unchanged = wanted == self._loaded and self._folders.current == self._loaded_as
            same = found.master == self._loaded_by and unchanged
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
        if wanted == self._folders.read():
            return None
        previous = self._folders.current
        made = self._folders.make(wanted, link="current")
        self._folders.prune(keep={made, previous}, starting=True)
        return ReloadOutcome.WRITTEN

    def _swap(self, wanted: Mapping[str, str], instance: str, *, same: bool) -> ReloadOutcome | None:
        begun = self.monotonic()
        made = self._folders.make(wanted, link="next")
        try:
            left_out = self.control.test(instance)
            # After the test, which may take long: whoever reloads nginx meanwhile makes other workers.
            before = self.control.processes(instance)
        except Exception:
            self._folders.discard(made)
            raise
        if not before.workers:
            self._folders.discard(made)
            return ReloadOutcome.STARTING
        rarely = all(one.kind is LeftOutKind.PLACEHOLDER for one in left_out)
        now = self.monotonic()
        self._again_at = now + max(_AGAIN_RARELY if rarely else AGAIN, _AGAIN_TIMES * (now - begun))
        previous = self._folders.current
        if same and left_out == self.left_out and self._folders.sites(made) == self._folders.sites(previous):
            self._folders.discard(made)
            return None
        changed = self._folders.changed_sites(made, previous)
        self._folders.swap(made)
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
        self._loaded_at, self._loaded_as = self.monotonic(), asked.generation
        self._folders.prune(keep={asked.generation, asked.previous})
        return ReloadOutcome.RELOADED

    def _undo(self, asked: _Reload) -> None:
        """Let ``current`` be what nginx serves, and begins with, again."""
        self._under_way = None
        self._folders.restore(asked.previous, made=asked.generation)
