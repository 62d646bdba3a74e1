"""Running other programs: quietly with a log, in the open, or for their output."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine.errors import CommandFailedError

NOT_FOUND = 127
TIMED_OUT = 124
TAIL_LINES = 25
DOT_EVERY_SECONDS = 5.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals by which a person, a system that shuts down, or a connection that was cut ends a program."""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a program ended.

    Attributes:
        code: Its exit code; 127 when there is no such program, 124 when it ran out of time.
        stdout: What it wrote to standard output.
        stderr: What it wrote to standard error.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether the program reported success."""
        return self.code == 0


def capture(
    *argv: str,
    timeout: float = 60.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
) -> Completed:
    """Run a short program for what it prints; never raises for how it ends.

    Args:
        *argv: The program and its arguments.
        timeout: Seconds after which it is killed.
        env: Variables added to this process's environment.
        cwd: Where to run it.
        stdin: What it reads: the place of secrets, since arguments can be read by everybody.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=merged(env),
            cwd=cwd,
        )
    except FileNotFoundError:
        return Completed(code=NOT_FOUND, stdout="", stderr=f"{argv[0]}: no such program")
    except subprocess.TimeoutExpired:
        late = f"{argv[0]} gave no answer within {timeout:g} s"
        return Completed(code=TIMED_OUT, stdout="", stderr=late)
    return Completed(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def merged(env: Mapping[str, str] | None) -> dict[str, str]:
    """Return this process's environment with `env` laid over it."""
    return {**os.environ, **(env or {})}


@contextlib.contextmanager
def announced(title: str) -> Iterator[None]:
    """Print what is being done, and the seconds it took once it is done or has failed."""
    started = time.monotonic()
    print(f"{title} ...", end="", flush=True)
    try:
        yield
    except BaseException:
        print(f" failed after {time.monotonic() - started:.1f} s", flush=True)
        raise
    print(f" {time.monotonic() - started:.1f} s", flush=True)


class Dots:
    """Shows that something goes on: a dot each few seconds, whenever it is called."""

    def __init__(self) -> None:
        self._next = time.monotonic() + DOT_EVERY_SECONDS

    def __call__(self) -> None:
        """Print a dot if it is time for one."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + DOT_EVERY_SECONDS
            print(".", end="", flush=True)


@contextlib.contextmanager
def tidy_end() -> Iterator[None]:
    """Let every signal that ends this program end it as an exception, so that `finally` is honoured."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    former = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back the signals that end this program, and those that it starts, until this is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def logged(
    title: str,
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a long program with its output in a file, a line and a growing row of dots on the screen.

    Raises:
        CommandFailedError: It failed; the message holds the end of the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with announced(title), log.open("ab") as sink:
        start = sink.tell()
        sink.write(f"$ {' '.join(argv)}\n".encode())
        sink.flush()
        code = _wait_with_dots(argv, sink=sink.fileno(), env=merged(env), cwd=cwd)
        if code != 0:
            raise CommandFailedError(title=title, code=code, tail=tail(log, start=start), log=log)


def _wait_with_dots(argv: Sequence[str], *, sink: int, env: Mapping[str, str], cwd: Path | None) -> int:
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=env, cwd=cwd)
    except FileNotFoundError:
        os.write(sink, f"{argv[0]}: no such program\n".encode())
        return NOT_FOUND
    with process:
        while True:
            try:
                return process.wait(timeout=DOT_EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                print(".", end="", flush=True)


def streamed(argv: Sequence[str], *, cwd: Path | None = None) -> int:
    """Run a program whose own output is the progress; return its exit code."""
    print(f"$ {' '.join(argv)}", flush=True)
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, check=False, cwd=cwd).returncode
    except FileNotFoundError:
        print(f"{argv[0]}: no such program", flush=True)
        return NOT_FOUND


def tail(log: Path, *, start: int = 0, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, none from before byte `start`."""
    with log.open("rb") as source:
        source.seek(start)
        return "\n".join(source.read().decode(errors="replace").splitlines()[-lines:])
