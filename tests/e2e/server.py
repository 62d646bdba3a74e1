"""A server to deploy to: a real sshd on loopback, with a user, a key and a port of its own."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from machine import deploying, facts
from testkit.stack import REPOSITORY, free_port, wait_until

USER = "alertscale-deploy-test"
UID = 47113
"""One that no image uses: containers' processes show among the machine's, and are not the user's."""
KEYS = ("key", "other_key", "host_key", "other_host_key")
SOCKET = Path("/var/run/docker.sock")
PRIVILEGE_SEPARATION = Path("/run/sshd")


def why_not() -> str | None:
    """Why no such server can be had here; None if one can."""
    if os.geteuid() != 0 or facts.observe().system != "debian":
        return "a server for the deploy takes a user of its own, which takes root on Debian"
    if deploying.sshd(REPOSITORY / ".alertscale") is None:
        return "no SSH server; way out: make deploying"
    missing = [name for name in (*deploying.CLIENTS, "ssh-keygen", "useradd") if shutil.which(name) is None]
    return f"missing programs: {', '.join(missing)}; way out: make deploying" if missing else None


@dataclass(kw_only=True)
class Server:
    """The server, and what its operator has.

    Attributes:
        home: of the user there.
        scratch: a folder of the operator's, with his keys.
        port: of sshd.
        process: sshd itself.
    """

    home: Path
    scratch: Path
    port: int
    process: subprocess.Popen[bytes]
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """Where it is deployed to."""
        return self.home / "alertscale"

    @property
    def temporary(self) -> Path:
        """Where the operator's programs put what they need for a while."""
        return self.scratch / "tmp"

    def keys_left(self) -> list[str]:
        """Files there that hold a private key."""
        files = [file for file in self.temporary.rglob("*") if file.is_file()]
        return [str(file) for file in files if b"PRIVATE KEY" in file.read_bytes()]

    @property
    def variables(self) -> dict[str, str]:
        """What the pipeline's variables would be."""
        return {
            "SSH_PRIVATE_KEY": (self.scratch / "key").read_text(),
            "SSH_KNOWN_HOSTS": self.known_hosts("host_key"),
            "SERVER_HOST": "127.0.0.1",
            "SERVER_USER": USER,
            "SERVER_PORT": str(self.port),
        }

    def known_hosts(self, key: str) -> str:
        """A line of known_hosts with one of the operator's public keys."""
        return f"[127.0.0.1]:{self.port} {(self.scratch / f'{key}.pub').read_text()}"

    def start(self, clone: Path, script: str, *words: str, **more: str) -> subprocess.Popen[str]:
        """Start deploy.sh or rollback.sh of a clone, with the pipeline's variables."""
        return subprocess.Popen(
            [f"deploy/{script}", *words],
            cwd=clone,
            env={**os.environ, "TMPDIR": str(self.temporary), **self.variables, **self.settings, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(
        self, clone: Path, script: str, *words: str, code: int = 0, settings: Mapping[str, str] | None = None
    ) -> str:
        """Run it to its end, which must be with this exit code; return what it said."""
        process = self.start(clone, script, *words, **(settings or {}))
        said, _ = process.communicate(timeout=240)
        assert process.returncode == code, f"exit {process.returncode}, not {code}:\n{said}"
        return said

    def idle(self) -> bool:
        """Whether no run holds the lock."""
        lock = self.directory / ".deploy/lock"
        done = subprocess.run(["flock", "--nonblock", str(lock), "true"], check=False)
        return done.returncode == 0


def groups_of(word: str) -> list[int]:
    """Process groups of the user's processes whose command line holds a word."""
    found = subprocess.run(["pgrep", "-u", str(UID), "-f", word], capture_output=True, text=True, check=False)
    groups = set()
    for pid in found.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            groups.add(os.getpgid(int(pid)))
    return sorted(groups)


@contextlib.contextmanager
def serving(scratch: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    """Make the user, start sshd; take both away.

    Args:
        scratch: an empty folder.
        settings: variables of deploy.sh, for every run.
    """
    with _user() as home, _run_directory(), _privilege_user():
        (scratch / "tmp").mkdir()
        for name in KEYS:
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(scratch / name)],
                check=True,
            )
        authorized = home / "authorized_keys"
        shutil.copy(scratch / "key.pub", authorized)
        shutil.chown(authorized, USER)
        port = free_port()
        process = _sshd(scratch, port=port, authorized=authorized)
        server = Server(home=home, scratch=scratch, port=port, process=process, settings=dict(settings))
        try:
            wait_until(lambda: _answers(server), within=20, what="sshd")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=10)
            # pytest keeps the folder, for a look.
            for name in KEYS:
                (scratch / name).unlink()


def _sshd(scratch: Path, *, port: int, authorized: Path) -> subprocess.Popen[bytes]:
    program = deploying.sshd(REPOSITORY / ".alertscale")
    assert program is not None
    root = program.parents[2]
    config = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {scratch / 'host_key'}",
        f"AuthorizedKeysFile {authorized}",
        f"AllowUsers {USER}",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "StrictModes no",
        "PidFile none",
    ]
    # Unpacked, its parts are not where it was built to find them (they became programs of their own in 9.8).
    for keyword, name in (("SshdSessionPath", "sshd-session"), ("SshdAuthPath", "sshd-auth")):
        part = root / "usr/lib/openssh" / name
        if root != Path("/") and part.is_file():
            config.append(f"{keyword} {part}")
    (scratch / "sshd_config").write_text("\n".join(config) + "\n")
    libraries = ":".join(str(p) for p in (root / "usr/lib").glob("*-linux-gnu*"))
    environment = os.environ | ({"LD_LIBRARY_PATH": libraries} if root != Path("/") else {})
    with (scratch / "sshd.log").open("wb") as log:
        return subprocess.Popen(
            [str(program), "-D", "-e", "-f", str(scratch / "sshd_config")],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _answers(server: Server) -> bool:
    assert server.process.poll() is None, (server.scratch / "sshd.log").read_text()
    known = server.scratch / "known_hosts"
    known.write_text(server.known_hosts("host_key"))
    options = (
        *("-F", "/dev/null", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}"),
        *("-i", str(server.scratch / "key"), "-o", "IdentitiesOnly=yes", "-p", str(server.port)),
    )
    done = subprocess.run(["ssh", *options, f"{USER}@127.0.0.1", "true"], capture_output=True, check=False)
    return done.returncode == 0


@contextlib.contextmanager
def _user() -> Iterator[Path]:
    _remove_user()
    groups = grp.getgrgid(SOCKET.stat().st_gid).gr_name
    subprocess.run(
        ["useradd", "--create-home", "--uid", str(UID), "--password", "*", "--groups", groups, USER],
        check=True,
        capture_output=True,
    )
    try:
        yield Path(pwd.getpwnam(USER).pw_dir)
    finally:
        _remove_user()


def _remove_user() -> None:
    try:
        home = Path(pwd.getpwnam(USER).pw_dir)
    except KeyError:
        return
    for group in groups_of(""):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, 9)
    wait_until(lambda: not groups_of(""), within=10, what="the end of the user's processes")
    subprocess.run(["userdel", USER], check=True, capture_output=True)
    shutil.rmtree(home)


@contextlib.contextmanager
def _run_directory() -> Iterator[None]:
    made = not PRIVILEGE_SEPARATION.exists()
    if made:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755)
    try:
        yield
    finally:
        if made:
            PRIVILEGE_SEPARATION.rmdir()


@contextlib.contextmanager
def _privilege_user() -> Iterator[None]:
    """The user that sshd gives up its rights to; Debian's package makes it."""
    try:
        pwd.getpwnam("sshd")
        made = False
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--home-dir", "/run/sshd", "sshd"],
            check=True,
            capture_output=True,
        )
        made = True
    try:
        yield
    finally:
        if made:
            subprocess.run(["userdel", "sshd"], check=True, capture_output=True)
