"""Targets of make side by side, in lanes: within a lane one after another.

The first lane goes first: the others have what CPU it leaves, since what is tested there answers to seconds.

What a target prints is kept and shown whole once it has ended, so that nothing is mixed; meanwhile a line
each half minute says where it is. After a failure no other target is begun, and those under way go on to
their end, as with `make -j`. A signal that ends this interrupts those under way, and waits: tests take down
what they have up.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO

from machine.shell import ENDING

LOOK_EVERY_SECONDS = 0.1
TELL_EVERY_SECONDS = 30.0
TOLD_CHARACTERS = 90
TOLD_BYTES = 2000
GIVING_WAY = ("sh", "-c", '{ echo 10 >/proc/self/autogroup; } 2>/dev/null; exec "$@"', "sh")
"""Before a command that is to have little CPU while others want it.

Linux weighs one session against another by the nice value of its autogroup, and nothing else: sched(7). Ten
is a tenth of the weight; with less, a timeout in it might run out.
"""


@dataclass(kw_only=True)
class Part:
    """One target that was begun.

    Attributes:
        target: Its name.
        process: make, with a process group of its own: it gets no Ctrl+C but ours.
        log: What it prints.
        began: By the monotonic clock, in seconds.
    """

    target: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    began: float = field(default_factory=time.monotonic)

    def printed(self, *, at_most: int | None = None) -> bytes:
        """Return the end of what it has printed; without a limit in bytes all of it."""
        size = os.fstat(self.log.fileno()).st_size
        length = size if at_most is None else min(size, at_most)
        return os.pread(self.log.fileno(), length, size - length)

    def last_line(self) -> str:
        """Return the last line that it has printed, shortened in the middle."""
        lines = self.printed(at_most=TOLD_BYTES).decode(errors="replace").split("\n")
        line = next((line.strip() for line in reversed(lines) if line.strip()), "")
        half = TOLD_CHARACTERS // 2
        return line if len(line) <= TOLD_CHARACTERS else f"{line[:half]} … {line[-half:]}"


class Lanes:
    """Runs lanes of targets.

    Args:
        lanes: Each with its targets, in their order.
        command: What runs a target, whose name is put behind it.
    """

    def __init__(self, lanes: Iterable[Sequence[str]], *, command: Sequence[str]) -> None:
        self._waiting = [deque(lane) for lane in lanes]
        self._command = command
        self._running: dict[int, Part] = {}
        self._signals: deque[int] = deque()
        self._began = self._told = time.monotonic()
        self._passed: list[str] = []
        self._failed: list[str] = []
        self._code = 0

    def run(self) -> int:
        """Run them; return the exit code of the first that failed, or 128 and the signal that ended this."""
        former = {number: signal.signal(number, self._note) for number in ENDING}
        try:
            while self._begin():
                time.sleep(LOOK_EVERY_SECONDS)
                self._look()
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
        self._sum_up()
        return self._code

    def _note(self, number: int, _frame: object) -> None:
        self._signals.append(number)

    def _begin(self) -> bool:
        """Begin what may begin; return whether anything is under way."""
        for number, targets in enumerate(self._waiting):
            if targets and number not in self._running and not self._code:
                self._running[number] = self._start(targets.popleft(), gives_way=number > 0)
        return bool(self._running)

    def _start(self, target: str, *, gives_way: bool) -> Part:
        print(f"--- {target}: begun", flush=True)
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the part has ended
        process = subprocess.Popen(
            [*(GIVING_WAY if gives_way else ()), *self._command, target],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return Part(target=target, process=process, log=log)

    def _look(self) -> None:
        while self._signals:
            self._fail(128 + self._signals.popleft())
            for part in self._running.values():
                os.killpg(part.process.pid, signal.SIGINT)
        for number, part in list(self._running.items()):
            if part.process.poll() is not None:
                self._end(self._running.pop(number))
        if time.monotonic() - self._told >= TELL_EVERY_SECONDS:
            self._tell()

    def _fail(self, code: int) -> None:
        self._code = self._code or code

    def _end(self, part: Part) -> None:
        sys.stdout.buffer.write(part.printed())
        sys.stdout.flush()
        part.log.close()
        code, took = part.process.returncode, time.monotonic() - part.began
        if code == 0:
            self._passed.append(f"{part.target} ({took:.0f} s)")
        else:
            self._failed.append(f"{part.target} (exit code {code}, {took:.0f} s)")
            self._fail(code if code > 0 else 128 - code)

    def _tell(self) -> None:
        self._told = time.monotonic()
        parts = "".join(f"\n    {part.target}: {part.last_line()}" for part in self._running.values())
        print(f"--- {self._told - self._began:.0f} s{parts}", flush=True)

    def _sum_up(self) -> None:
        left_out = [target for targets in self._waiting for target in targets]
        told = (("passed", self._passed), ("FAILED", self._failed), ("left out", left_out))
        parts = "; ".join(f"{how}: {', '.join(targets)}" for how, targets in told if targets)
        took = time.monotonic() - self._began
        print(f"\n=== make test: exit code {self._code} after {took:.0f} s; {parts}", flush=True)
