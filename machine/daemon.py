"""Starting the engine and stopping the one that we started, and no other."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine.errors import DaemonError
from machine.shell import announced, capture, logged, tail
from machine.state import Started

PROC = Path("/proc")
PID_FILE = Path("/var/run/docker.pid")
UNITS = ("containerd.service", "docker.socket", "docker.service")
START_SECONDS = 60.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process as /proc shows it.

    Attributes:
        pid: Its id.
        parent: Its parent's id.
        birth: Its start time in clock ticks since boot.
        program: The file name of what it runs.
    """

    pid: int
    parent: int
    birth: int
    program: str


def process(pid: int) -> Process | None:
    """Look a process up; None when it is gone or only waits for its parent to collect it."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in brackets may hold blanks and brackets; the fields after it do not.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    program = Path(command.split(b"\0")[0].decode(errors="replace")).name
    return Process(pid=pid, parent=int(fields[1]), birth=int(fields[19]), program=program)


def children(pid: int) -> list[Process]:
    """Return the processes whose parent is `pid`."""
    alive = (process(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())
    return [child for child in alive if child is not None and child.parent == pid]


def wait_until(met: Callable[[], bool], *, seconds: float) -> bool:
    """Poll until the condition is met; False when `seconds` have passed without that."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def start(*, systemd: bool, answers: Callable[[], bool], logs: Path) -> Started:
    """Start this machine's engine and wait until it answers.

    An engine that the package's installation has started already is taken over.

    Raises:
        DaemonError, CommandFailedError: It does not start, or does not answer.
    """
    if systemd:
        return _start_units(answers=answers, logs=logs)
    if wait_until(answers, seconds=2.0):
        return running(PID_FILE)
    return start_by_hand(["dockerd"], answers=answers, log=logs / "dockerd.log")


def _start_units(*, answers: Callable[[], bool], logs: Path) -> Started:
    idle = tuple(unit for unit in UNITS if not capture("systemctl", "is-active", unit).ok)
    logged(
        "Starting Docker Engine (systemd)",
        ["systemctl", "start", "docker.service"],
        log=logs / "systemctl.log",
    )
    if not wait_until(answers, seconds=START_SECONDS):
        raise DaemonError(
            f"docker.service runs, but no engine answers within {START_SECONDS:g} s. Way out: read "
            f"`journalctl --unit docker.service`."
        )
    return Started(units=idle or ("docker.service",))


def running(pid_file: Path) -> Started:
    """Return the dockerd that a pid file names.

    Raises:
        DaemonError: The file names no running dockerd.
    """
    try:
        found = process(int(pid_file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as fault:
        raise DaemonError(
            f"{pid_file}: an engine answers, but its process cannot be found ({fault}). Way out: "
            f"stop that engine, then run make again."
        ) from fault
    if found is None or found.program != "dockerd":
        raise DaemonError(
            f"{pid_file}: names no running dockerd. Way out: stop the engine that answers, then run "
            f"make again."
        )
    return Started(pid=found.pid, birth=found.birth)


def start_by_hand(argv: Sequence[str], *, answers: Callable[[], bool], log: Path) -> Started:
    """Start dockerd in a session of its own, so that it outlives this program.

    Args:
        argv: dockerd and its arguments.
        answers: Whether the engine answers yet.
        log: Where its output goes.

    Raises:
        DaemonError: It ends, or does not answer in time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with announced("Starting Docker Engine (dockerd, no systemd here)"):
        found = launch(argv, answers=answers, log=log, who="dockerd", then="run make again")
    return Started(pid=found.pid, birth=found.birth)


def launch(argv: Sequence[str], *, answers: Callable[[], bool], log: Path, who: str, then: str) -> Process:
    """Start an engine in a session of its own and wait for its answer.

    Args:
        argv: The program and its arguments.
        answers: Whether the engine answers yet.
        log: Where its output goes.
        who: What to call it in a message.
        then: What to do once it is put right.

    Raises:
        DaemonError: It ends, or does not answer in time.
    """
    pid = spawn(argv, log=log)
    settled = wait_until(lambda: process(pid) is None or answers(), seconds=START_SECONDS)
    found = process(pid)
    if found is None or not settled:
        how = "ended" if found is None else f"gave no answer within {START_SECONDS:g} s"
        raise DaemonError(
            f"{who} {how}. The end of {log}:\n{tail(log)}\n"
            f"Way out: put right what the last lines name, then {then}."
        )
    return found


def spawn(argv: Sequence[str], *, log: Path) -> int:
    """Start a program in a session of its own, its output added to a log; return its process id."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawnp(
        argv[0],
        list(argv),
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def stop(started: Started, *, logs: Path) -> bool:
    """Stop the engine that we started, its containerd included.

    Returns:
        False when it was gone already.

    Raises:
        DaemonError, CommandFailedError: It does not stop.
    """
    if started.units:
        # In the reverse order of their start: the socket would wake the service again.
        units = [unit for unit in UNITS[::-1] if unit in started.units]
        logged(
            "Stopping Docker Engine (systemd)",
            ["systemctl", "stop", *units],
            log=logs / "systemctl.log",
        )
        return True
    found = process(started.pid)
    if found is None or found.birth != started.birth or found.program != "dockerd":
        return False
    family = [found, *children(found.pid)]
    with announced(f"Stopping Docker Engine (dockerd, process {found.pid})"):
        os.kill(found.pid, signal.SIGTERM)
        wait_until(lambda: not _alive(family), seconds=STOP_SECONDS)
        left = _alive(family)
        if left:
            names = ", ".join(f"{member.program} (process {member.pid})" for member in left)
            raise DaemonError(
                f"still running {STOP_SECONDS:g} s after SIGTERM: {names}. Way out: read "
                f"{logs / 'dockerd.log'}, then kill these processes."
            )
    return True


def _alive(family: Sequence[Process]) -> list[Process]:
    return [member for member in family if _same(member, process(member.pid))]


def _same(known: Process, now: Process | None) -> bool:
    return now is not None and now.birth == known.birth
