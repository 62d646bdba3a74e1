"""Whether a replica can serve: an HTTP path, Docker's health check, or a TCP connect.

A new replica is asked every tenth of a second, since every tenth counts; one that serves is asked
every few seconds and is taken out only after several failures in a row, since an overloaded replica
answers late and taking it out would overload the others.
"""

import functools
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, ParamSpec, TypeVar

from scaler.model.labels import PREFIX, READY, READY_HOST, READY_SCHEME, Limits, Scheme
from scaler.model.services import Health, Replica
from scaler.model.view import NOT_ASKED, Readiness

ASK_NEW_EVERY: Final = 0.1
ASK_READY_EVERY: Final = 5.0
TIMEOUT: Final = 2.0
FAILURES: Final = 3
"""So many failures in a row make a ready replica unready."""

_SHOWN: Final = 120
_WRONG_HOST: Final = frozenset(
    {http.client.BAD_REQUEST, http.client.FORBIDDEN, http.client.MISDIRECTED_REQUEST}
)
"""What Django, Rails, and a server of many sites over TLS answer to a host that they do not know."""

P = ParamSpec("P")
T = TypeVar("T")


class CheckKind(StrEnum):
    """The ways to ask."""

    HTTP = "http"
    HEALTH = "health"
    TCP = "tcp"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Check:
    """How one replica is asked.

    Attributes:
        kind: the way.
        address: of the replica; empty for ``health`` and ``none``.
        port: of the replica; 0 for ``health`` and ``none``.
        path: for ``http``.
        host: to ask for, for ``http``; None for the address.
        scheme: for ``http``.
        passed: for ``health``, what Docker says now.
        detail: why there is no answer, for ``health`` and ``none``.
    """

    kind: CheckKind
    address: str = ""
    port: int = 0
    path: str = ""
    host: str | None = None
    scheme: Scheme = Scheme.HTTP
    passed: bool = False
    detail: str = ""


def serving_port(replica: Replica, limits: Limits) -> int | None:
    """Where a replica serves: ``alertscale.port``, else the one port that it exposes, else None."""
    if limits.requests.port is not None:
        return limits.requests.port
    return replica.ports[0] if len(replica.ports) == 1 else None


def address_on(replica: Replica, networks: frozenset[str] | None) -> str | None:
    """Return a replica's address on one of these networks (any, for None); None if it has none there."""
    shared = sorted(n for n in replica.addresses if networks is None or n in networks)
    return replica.addresses[shared[0]] if shared else None


def plan_check(replica: Replica, limits: Limits, *, networks: frozenset[str] | None) -> Check:
    """Choose how to ask a replica.

    Args:
        replica: the replica.
        limits: what its own labels say.
        networks: those that we are on; None when we reach all of them (on the host itself).
    """
    if limits.probe.path is None and replica.health is not Health.NONE:
        return Check(
            kind=CheckKind.HEALTH,
            passed=replica.health is Health.HEALTHY,
            detail=f"Docker's health check says {replica.health}",
        )
    port = serving_port(replica, limits)
    if port is None:
        exposed = ", ".join(map(str, replica.ports)) or "none"
        return Check(
            kind=CheckKind.NONE,
            detail=f"it exposes {exposed}, not one port; give the service the label alertscale.port",
        )
    address = address_on(replica, networks)
    if address is None:
        return Check(
            kind=CheckKind.NONE,
            detail=f"it is on {', '.join(sorted(replica.addresses)) or 'no network'}, and the scaler is not;"
            " put the service on a network with alertscale's nginx, or give it a health check",
        )
    if limits.probe.path is None:
        return Check(kind=CheckKind.TCP, address=address, port=port)
    return Check(
        kind=CheckKind.HTTP,
        address=address,
        port=port,
        path=limits.probe.path,
        host=limits.probe.host,
        scheme=limits.probe.scheme,
    )


def ask(check: Check) -> Readiness:
    """Ask one replica over the network, for at most ``TIMEOUT`` seconds a read; never raises."""
    where = f"{check.address}:{check.port}"
    try:
        if check.kind is CheckKind.TCP:
            socket.create_connection((check.address, check.port), timeout=TIMEOUT).close()
            return Readiness(ready=True)
        answer = _get(check)
    except (OSError, http.client.HTTPException) as error:
        return Readiness(ready=False, detail=f"{where}{check.path}: {str(error)[:_SHOWN]}")
    if http.client.OK <= answer.status < http.client.MULTIPLE_CHOICES:
        return Readiness(ready=True)
    detail = f"{where}{check.path} answers {answer.status}, not 2xx{_way_out(check, answer)}"
    return Readiness(ready=False, detail=detail)


def _get(check: Check) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(check.address, check.port, timeout=TIMEOUT)
    headers = {"User-Agent": "alertscale", "Connection": "close"}
    if check.host:
        headers["Host"] = check.host
    if check.scheme is Scheme.FORWARDED_HTTPS:
        headers["X-Forwarded-Proto"] = "https"
    try:
        connection.connect()
        if check.scheme is Scheme.HTTPS:
            name = (check.host or "").partition(":")[0] or None
            connection.sock = _tls().wrap_socket(connection.sock, server_hostname=name)
        connection.request("GET", check.path, headers=headers)
        return connection.getresponse()
    finally:
        connection.close()


@functools.cache
def _tls() -> ssl.SSLContext:
    # A certificate is for the service's name and from its own authority, neither of which a replica's address
    # has; and an answer is only whether it serves: who could give a false one is on its network already.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _way_out(check: Check, answer: http.client.HTTPResponse) -> str:
    """What answers of applications that check for whom and how they are asked mean."""
    to = answer.getheader("Location", "")
    if to.startswith("https:") and check.scheme is Scheme.HTTP:
        return (
            f" (it redirects to {to[:_SHOWN]}): if it insists on HTTPS, give the service the label"
            f" {PREFIX}{READY_SCHEME.name}: {Scheme.FORWARDED_HTTPS}, or {Scheme.HTTPS} if it speaks TLS"
        )
    if to.startswith("https:") and check.scheme is Scheme.FORWARDED_HTTPS:
        return (
            f" (it redirects to {to[:_SHOWN]}): it does not believe X-Forwarded-Proto; have it do so, or give"
            f" the service the label {PREFIX}{READY_SCHEME.name}: {Scheme.HTTPS} if it speaks TLS"
        )
    if to:
        return f" (it redirects to {to[:_SHOWN]}): let {PREFIX}{READY.name} be a path that answers by itself"
    if answer.status in _WRONG_HOST:
        asked = check.host or check.address
        return (
            f": if it takes only hosts that it knows, and {asked} is none, give the service the label"
            f" {PREFIX}{READY_HOST.name} with one that is"
        )
    return ""


class OwnThread(Executor):
    """Runs each call in a thread of its own, so that none waits for the end of another.

    A pool has a queue: a hundred replicas that fall silent at once, for ``TIMEOUT`` seconds each, would keep
    eight threads busy for 25 s, and the one new replica that is ready would stand behind them.

    Args:
        name: of each thread.
    """

    def __init__(self, *, name: str) -> None:
        self._name = name

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See :class:`concurrent.futures.Executor`."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=run, name=self._name, daemon=True).start()
        return future


@dataclass(kw_only=True)
class _Record:
    check: Check
    readiness: Readiness = NOT_ASKED
    failures: int = 0
    due: float = 0.0
    pending: Future[Readiness] | None = None


@dataclass(kw_only=True, eq=False)
class Prober:
    """Asks all replicas, each in its own rhythm, without holding up the caller.

    Used by one thread; :meth:`forget` may be called from another.

    Args:
        executor: runs the questions; :class:`OwnThread`, or another in tests.
        asker: asks one replica; :func:`ask`, or another in tests.
        wake: called, from a thread of the executor, when an answer is there.
    """

    executor: Executor
    wake: Callable[[], object]
    asker: Callable[[Check], Readiness] = ask
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _records: dict[str, _Record] = field(default_factory=dict, init=False)

    def forget(self, replica: str) -> None:
        """Start anew with a replica: it died or was started."""
        with self._lock:
            self._records.pop(replica, None)

    def update(self, checks: Mapping[str, Check], *, now: float) -> Mapping[str, Readiness]:
        """Take in the answers that are there and ask whoever is due.

        Args:
            checks: replica id to how it is asked; all others are forgotten.
            now: seconds, monotonic.

        Returns:
            What is known now, for each of ``checks``.
        """
        with self._lock:
            for gone in self._records.keys() - checks.keys():
                del self._records[gone]
            return {replica: self._turn(replica, check, now) for replica, check in checks.items()}

    def next_due(self) -> float | None:
        """When the next question is due, seconds, monotonic; None when nobody is asked."""
        with self._lock:
            waiting = [r.due for r in self._records.values() if r.pending is None and _asks(r.check)]
        return min(waiting, default=None)

    def _turn(self, replica: str, check: Check, now: float) -> Readiness:
        record = self._records.get(replica)
        if record is None or (record.check != check and _asks(check)):
            record = self._records[replica] = _Record(check=check)
        record.check = check
        if not _asks(check):
            record.readiness = Readiness(ready=check.passed, detail="" if check.passed else check.detail)
            return record.readiness
        if record.pending is not None and record.pending.done():
            self._take(record, _answer(record.pending), now)
        if record.pending is None and now >= record.due:
            record.pending = self.executor.submit(self.asker, check)
            record.pending.add_done_callback(lambda _future: self.wake())
        return record.readiness

    def _take(self, record: _Record, answer: Readiness, now: float) -> None:
        record.pending = None
        record.failures = 0 if answer.ready else record.failures + 1
        if answer.ready or not record.readiness.ready or record.failures >= FAILURES:
            record.readiness = answer
        record.due = now + (ASK_READY_EVERY if answer.ready else _pause_after(record))


def _answer(asked: Future[Readiness]) -> Readiness:
    """What came of a question; one that could not be asked is no reason to ask nobody else."""
    error = asked.exception()
    if error is None:
        return asked.result()
    return Readiness(ready=False, detail=f"it could not be asked: {error!r}"[:_SHOWN])


def _pause_after(record: _Record) -> float:
    # A replica that serves and failed once is asked again soon, but not ten times a second.
    return 1.0 if record.readiness.ready else ASK_NEW_EVERY


def _asks(check: Check) -> bool:
    return check.kind in {CheckKind.HTTP, CheckKind.TCP}
