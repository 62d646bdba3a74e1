"""An engine of a test's own, of this machine's version, that may be hung, killed and restarted.

It has a network namespace in which there is nothing but loopback and its containers, and its own data,
sockets and process id below one folder. Nothing is pulled: images come from this machine's engine.

The namespace belongs to the thread that runs the test, and to what that thread starts from then on, other
threads included: to them 127.0.0.1 is the engine's own. Nothing names it, so it ends with the last process
in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

_PROGRAMS: Final = ("dockerd", "containerd", "iptables", "docker")
_NEW_NETWORK: Final = 0x40000000
_THIS_THREADS_NETWORK: Final = "/proc/thread-self/ns/net"
_SET_INTERFACE_FLAGS: Final = 0x8914
_IS_UP: Final = 0x1
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 90.0
"""A stopping engine waits for its containers, each for its own grace."""


def why_not() -> str:
    """Why this machine cannot have one, and the way out; empty when it can."""
    if os.geteuid() != 0:
        return "an engine of its own needs root; run as root, or leave this out"
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"no {', '.join(missing)} in PATH; on Debian: apt-get install docker.io iptables"
    asked = _run("docker", "info", "--format", "{{.DockerRootDir}}")
    if asked.returncode or not Path(asked.stdout.strip()).is_dir():
        return f"no engine of this machine's answers (make ready; unset DOCKER_HOST): {asked.stderr.strip()}"
    return ""


@dataclass(kw_only=True)
class OwnEngine:
    """A dockerd; its network namespace is that of whoever starts it.

    Attributes:
        folder: holds all of it.
        process: the running or the last one.
    """

    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def host(self) -> str:
        """For ``DOCKER_HOST``."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """Of the running one, or of the last one."""
        assert self.process is not None
        return self.process.pid

    def start(self, *flags: str) -> None:
        """Start it, and wait until it answers."""
        self.launch(*flags)
        _poll(self.answers, within=_START_SECONDS, what=f"the engine's answer; {self._log_end()}")

    def launch(self, *flags: str) -> None:
        """Start it, and do not wait."""
        names = f"alertscale-{self.folder.name}"
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *("dockerd", "--host", self.host, "--pidfile", str(self.folder / "pid")),
                    *("--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")),
                    # On a machine with a containerd for all, those of its other engines are left alone.
                    *("--containerd-namespace", names, "--containerd-plugins-namespace", f"{names}-plugins"),
                    *flags,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def answers(self) -> bool:
        """Whether it answers now; fails when it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, f"dockerd ended; {self._log_end()}"
        return _run("docker", "--host", self.host, "version").returncode == 0

    def stop(self) -> None:
        """Stop it as a service manager does; containers stop too, unless it was started with live restore."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it; containers go on."""
        self._end(signal.SIGKILL)
        # Its containerd dies with it. Until that is collected, which the machine's first process may do
        # late, the next dockerd would take it for alive.
        (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def _end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(timeout=_STOP_SECONDS)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it accept connections and answer nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def load(self, images: Sequence[str]) -> None:
        """Copy images from this machine's engine."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            loaded = subprocess.run(
                ["docker", "--host", self.host, "load"],
                stdin=saved.stdout,
                capture_output=True,
                text=True,
                check=False,
            )
        assert saved.returncode == 0, f"this machine's engine does not have all of {', '.join(images)}"
        assert loaded.returncode == 0, loaded.stderr

    def close(self) -> None:
        """Remove all of it, whatever state it is in."""
        if self.process is None or self.process.poll() is not None:
            # Containers that outlived their engine are known to none but it.
            self.start()
        listed = _run("docker", "--host", self.host, "ps", "--all", "--quiet").stdout.split()
        if listed:
            _run("docker", "--host", self.host, "rm", "--force", "--volumes", *listed)
        self.stop()

    def _log_end(self) -> str:
        text = (self.folder / "dockerd.log").read_text(errors="replace")
        return "the end of its log:\n" + "\n".join(text.splitlines()[-15:])


@contextlib.contextmanager
def own_engine(*flags: str) -> Iterator[OwnEngine]:
    """Run an engine; when the block ends nothing of it is left.

    Args:
        *flags: more for dockerd.
    """
    data = Path(_run("docker", "info", "--format", "{{.DockerRootDir}}").stdout.strip())
    # Beside the machine's own: a file system that carries one engine's data carries another's. A short
    # name, since the path of a socket holds 107 characters at most.
    folder = data.parent / f"as-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    engine = OwnEngine(folder=folder)
    try:
        with own_network():
            try:
                engine.start(*flags)
                yield engine
            finally:
                engine.close()
    finally:
        _unmount_below(folder)
        shutil.rmtree(folder)


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Put this thread, and what it starts, into a network namespace that has nothing but loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open(_THIS_THREADS_NETWORK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _succeed(libc.unshare(_NEW_NETWORK))
        try:
            _loopback_up()
            yield
        finally:
            _succeed(libc.setns(home, _NEW_NETWORK))
    finally:
        os.close(home)


def _succeed(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_INTERFACE_FLAGS, struct.pack("16sh14x", b"lo", _IS_UP))


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in reversed([m for m in mounts if m.startswith(f"{folder}/")]):
        _run("umount", "--lazy", mount)


def _poll(look: Callable[[], bool], *, within: float, what: str) -> None:
    deadline = time.monotonic() + within
    while not look():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within:g} s: {what}")
        time.sleep(0.1)


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
