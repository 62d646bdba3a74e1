"""One machine of a cluster on this machine: an engine with a network, a host name and a /run of its own.

Its containerd is its own too, and its data are below one folder, so that it can be killed and removed without
a look at any other. With /run, /var/run/docker.sock is the node's own engine to its containers, and whatever
the engine mounts ends with its processes. What a node is made of has names that follow from its place in the
cluster: nothing is recorded, and what a half-failed start has left is found just the same.
"""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from machine import daemon
from machine.errors import DaemonError, EngineError
from machine.shell import Completed, capture

NAMESPACES = Path("/run/netns")
CGROUPS = Path("/sys/fs/cgroup")
CGROUP_NAMES = ("docker/{}", "system.slice/docker-{}.scope")
GONE_SECONDS = 20.0
ANSWER_SECONDS = 10.0
# containerd is started by the same shell, and dockerd waits for its socket: by itself it would take the
# containerd of the whole machine where there is one.
# What other engines have mounted at this moment is let go: it would be kept from ending with them.
LAUNCH = """\
set -e
hostname "$1"
awk '$5 ~ "/(overlay2|containers|netns)/" { print $5 }' /proc/self/mountinfo | xargs -r umount --lazy || true
mount -t tmpfs -o mode=755 tmpfs /run
containerd --config "$2/containerd.toml" >>"$2/containerd.log" 2>&1 &
shift 2
exec dockerd "$@"
"""
# The paths below /run name the node, so that the shims of a container can be told from those of others.
CONTAINERD = """\
version = 2
root = "{node.folder}/containerd"
state = "{node.run}/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]

[grpc]
address = "{node.run}/containerd.sock"
"""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node; the names of all it is made of.

    Attributes:
        name: Its host name, by which Swarm knows it.
        namespace: Its network namespace.
        bridge: The bridge that all nodes are connected to.
        link: This machine's end of its cable.
        address: Its address.
        prefix: The length of its network's prefix.
        folder: Holds its data, its logs and its socket.
    """

    name: str
    namespace: str
    bridge: str
    link: str
    address: str
    prefix: int
    folder: Path

    @property
    def socket(self) -> Path:
        """Where its engine answers."""
        return self.folder / "docker.sock"

    @property
    def run(self) -> str:
        """What only its own processes see below their /run."""
        return f"/run/{self.namespace}"

    @property
    def host(self) -> str:
        """The same for `docker --host` and DOCKER_HOST."""
        return f"unix://{self.socket}"


def docker(node: Node, *words: str, timeout: float = 60.0, stdin: str = "") -> Completed:
    """Run the docker client on a node's engine."""
    return capture("docker", "--host", node.host, *words, timeout=timeout, stdin=stdin)


def must(*argv: str, timeout: float = 60.0) -> str:
    """Run a program that has to succeed; return what it printed, without blanks around it.

    Raises:
        EngineError: It failed.
    """
    done = capture(*argv, timeout=timeout)
    if not done.ok:
        raise EngineError(
            f"{' '.join(argv)}: {done.stderr.strip()}. Way out: put right what it names, then run "
            f"`make swarm-down`."
        )
    return done.stdout.strip()


def answers(node: Node) -> bool:
    """Whether its engine answers."""
    return docker(node, "version", "--format", "{{.Server.Version}}", timeout=ANSWER_SECONDS).ok


def start(node: Node) -> None:
    """Connect a node to its bridge and start its engine; one that was killed comes back with its data.

    Raises:
        EngineError: It cannot be connected, or its engine does not answer.
    """
    node.folder.mkdir(parents=True, exist_ok=True)
    connect(node)
    (node.folder / "containerd.toml").write_text(CONTAINERD.format(node=node), encoding="utf-8")
    daemon.launch(
        command(node),
        answers=lambda: answers(node),
        log=node.folder / "dockerd.log",
        who=f"the engine of {node.name}",
        then="run `make swarm-down`",
    )


def copy_images(source: Node, to: Node) -> None:
    """Give a node that has never run the images of one that runs no container yet.

    Files of layers, which no engine changes, are the same on the disk for both.

    Raises:
        EngineError: They cannot be copied.
    """
    data = to.folder / "data"
    data.mkdir(parents=True)
    must("cp", "--archive", "--link", str(source.folder / "data" / "overlay2"), str(data))
    must("cp", "--archive", str(source.folder / "data" / "image"), str(data))


def command(node: Node) -> list[str]:
    """Return the command that starts a node's engine."""
    return [
        *("nsenter", f"--net={NAMESPACES / node.namespace}"),
        *("unshare", "--uts", "--mount", "sh", "-c", LAUNCH, "sh", node.name, str(node.folder)),
        *("--host", node.host, "--host", "unix:///var/run/docker.sock"),
        *("--data-root", str(node.folder / "data"), "--containerd", f"{node.run}/containerd.sock"),
    ]


def connect(node: Node) -> None:
    """Make a node's namespace and cable, if they are not there.

    It has no way out of its network on purpose: Swarm asks the registry of each image that it uses, which
    must fail at once.

    Raises:
        EngineError: They cannot be made.
    """
    if (NAMESPACES / node.namespace).exists():
        return
    inside = ("ip", "-netns", node.namespace)
    must("ip", "netns", "add", node.namespace)
    must(
        *("ip", "link", "add", node.link, "type", "veth"),
        *("peer", "name", "eth0", "netns", node.namespace),
    )
    must("ip", "link", "set", node.link, "master", node.bridge, "up")
    must(*inside, "link", "set", "lo", "up")
    must(*inside, "address", "add", f"{node.address}/{node.prefix}", "dev", "eth0")
    must(*inside, "link", "set", "eth0", "up")


def kill(node: Node) -> None:
    """Take a node's power away: nothing of it says good-bye, and only what is on its disk stays.

    Raises:
        EngineError: Something of it cannot be killed or removed.
    """
    # Before anything dies, or the kernel would close its connections for it.
    capture("ip", "link", "set", node.link, "down")
    containers = [entry.name for entry in (node.folder / "data" / "containers").glob("*")]
    _kill_processes(node, containers)
    for container in containers:
        _remove_cgroup(container)
    node.socket.unlink(missing_ok=True)
    if (NAMESPACES / node.namespace).exists():
        must("ip", "netns", "delete", node.namespace)
    # The kernel removes a namespace's cables some time after the namespace.
    capture("ip", "link", "delete", node.link)


def remove(node: Node) -> None:
    """Kill a node and remove all that it left.

    Raises:
        EngineError: Something cannot be killed or removed.
    """
    kill(node)
    if node.folder.exists():
        shutil.rmtree(node.folder)


def _kill_processes(node: Node, containers: Iterable[str]) -> None:
    def gone() -> bool:
        left = processes(node, containers)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    if not daemon.wait_until(gone, seconds=GONE_SECONDS):
        left = ", ".join(str(pid) for pid in sorted(processes(node, containers)))
        raise DaemonError(
            f"{node.name}: still running {GONE_SECONDS:g} s after SIGKILL: process {left}. Way out: see "
            f"what holds them (`cat /proc/<pid>/stack`), then run `make swarm-down`."
        )


def processes(node: Node, containers: Iterable[str]) -> set[int]:
    """Return the processes of a node: its engine, its shims and all that runs in its containers."""
    home = _inode(NAMESPACES / node.namespace)
    alive = [
        found
        for entry in daemon.PROC.iterdir()
        if entry.name.isdigit() and (found := daemon.process(int(entry.name)))
    ]
    own = {
        found.pid
        for found in alive
        if (home and _inode(daemon.PROC / str(found.pid) / "ns" / "net") == home)
        or _is_engine_of(node, found)
        or _is_contained(found.pid, containers)
    }
    return with_descendants(own, {found.pid: found.parent for found in alive}) - {os.getpid()}


def _is_engine_of(node: Node, found: daemon.Process) -> bool:
    """Also where the namespace has lost its name; never a program that only reads the node's files."""
    known = found.program in {"dockerd", "containerd"} or found.program.startswith("containerd-shim")
    words = _text(daemon.PROC / str(found.pid) / "cmdline")
    return known and (f"{node.folder}/" in words or f"{node.run}/" in words)


def _is_contained(pid: int, containers: Iterable[str]) -> bool:
    groups = _text(daemon.PROC / str(pid) / "cgroup")
    return any(container in groups for container in containers)


def with_descendants(pids: set[int], parents: Mapping[int, int]) -> set[int]:
    """Return processes with all that they have started, and what those have.

    Args:
        pids: The processes.
        parents: Each living process's parent.
    """
    family = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _remove_cgroup(container: str) -> None:
    """Remove a container's cgroups, of one hierarchy or of several."""
    for root in (CGROUPS, *CGROUPS.glob("*")):
        for name in CGROUP_NAMES:
            top = root / name.format(container)
            inner = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
            for path in (*inner, top):
                with contextlib.suppress(OSError):
                    path.rmdir()


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
