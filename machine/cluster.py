"""A cluster of three Swarm managers on this one machine, each an engine in namespaces of its own.

For `make swarm-up` and for the tests, which use other names, addresses and folders and so run beside it.
"""

import ipaddress
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from machine import daemon, node
from machine.errors import EngineError, Missing, NotReadyError
from machine.node import Node, docker, must
from machine.shell import capture

NAME = "alertscale"
BRIDGE = "alertscale-sw"
NETWORK = "10.98.1.0/24"
SIZE = 3
# The kernel's 15, less a digit for the link of each node.
LONGEST_BRIDGE = 14
# The kernel's 107 bytes for a socket's path, less those of /node-1/docker.sock.
LONGEST_FOLDER = 87
LOAD_SECONDS = 300.0
JOIN_SECONDS = 60.0
PROGRAMS = {
    "docker": "docker.io",
    "dockerd": "docker.io",
    "containerd": "containerd",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "hostname": "hostname",
}
"""What a cluster is made with, each with Debian's package."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The nodes and what connects them.

    Attributes:
        bridge: The bridge that they are connected to.
        gateway: This machine's own address in their network.
        network: Their network.
        folder: Holds everything of all of them.
        nodes: The nodes, all of them managers.
    """

    bridge: str
    gateway: str
    network: ipaddress.IPv4Network
    folder: Path
    nodes: tuple[Node, ...]

    def named(self, name: str) -> Node:
        """Return the node of a host name, such as `node-2`."""
        return next(one for one in self.nodes if one.name == name)


def layout(folder: Path, *, name: str = NAME, bridge: str = BRIDGE, network: str = NETWORK) -> Cluster:
    """Name everything that a cluster is made of; makes nothing.

    Args:
        folder: Holds everything of it.
        name: What the names of its network namespaces begin with.
        bridge: Its bridge.
        network: Its network, a /24 that nothing else uses.

    Raises:
        EngineError: A name or the folder is longer than the kernel allows.
    """
    if len(bridge) > LONGEST_BRIDGE:
        raise EngineError(
            f"{bridge}: longer than {LONGEST_BRIDGE} characters. Way out: a shorter bridge name."
        )
    if len(str(folder)) > LONGEST_FOLDER:
        raise EngineError(
            f"{folder}: longer than {LONGEST_FOLDER} characters, all that the path of a socket "
            f"leaves. Way out: a checkout in a folder with a shorter path."
        )
    net = ipaddress.IPv4Network(network)
    nodes = tuple(
        Node(
            name=f"node-{index}",
            namespace=f"{name}-node-{index}",
            bridge=bridge,
            link=f"{bridge}{index}",
            address=str(net[index]),
            prefix=net.prefixlen,
            folder=folder / f"node-{index}",
        )
        for index in range(1, SIZE + 1)
    )
    return Cluster(bridge=bridge, gateway=str(net[-2]), network=net, folder=folder, nodes=nodes)


def require() -> None:
    """See that this machine can have a cluster.

    Raises:
        NotReadyError: It cannot. It lists all that is missing.
    """
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    packages = " ".join(dict.fromkeys(PROGRAMS[program] for program in absent))
    found = []
    if os.geteuid() != 0:
        found.append(Missing(what="a cluster on one machine needs root", way_out="run make as root"))
    if absent:
        found.append(
            Missing(what=f"no {', '.join(absent)} in PATH", way_out=f"on Debian: apt-get install {packages}")
        )
    if not found and not (tried := capture("unshare", "--net", "--mount", "true")).ok:
        found.append(
            Missing(
                what=f"no namespaces can be made here ({tried.stderr.strip()})",
                way_out="run make on a machine of its own, or in a container with --privileged",
            )
        )
    if found:
        raise NotReadyError(found)


def start(cluster: Cluster, *, images: Sequence[str]) -> None:
    """Start the nodes, each with images of this machine's engine, and make a swarm of them.

    Raises:
        NotReadyError: This machine cannot have a cluster.
        EngineError: It does not start, or this machine does not have one of the images. What there is of it
            is left, for a look; `remove` takes it away.
    """
    require()
    _make_bridge(cluster)
    first, *others = cluster.nodes
    node.start(first)
    _load(first, images)
    for other in others:
        node.copy_images(first, other)
    each(others, node.start)
    must("docker", "--host", first.host, "swarm", "init", "--advertise-addr", first.address)
    token = must("docker", "--host", first.host, "swarm", "join-token", "--quiet", "manager")
    for other in others:
        join = ("swarm", "join", "--advertise-addr", other.address, "--token", token)
        must("docker", "--host", other.host, *join, f"{first.address}:2377", timeout=JOIN_SECONDS)


def _make_bridge(cluster: Cluster) -> None:
    taken = capture("ip", "route", "show", str(cluster.network)).stdout.strip()
    if taken and f"dev {cluster.bridge}" not in taken:
        raise EngineError(
            f"{cluster.network}: this machine has a route to it already ({taken}). Way out: remove it, or "
            f"what made it."
        )
    if not capture("ip", "link", "show", cluster.bridge).ok:
        must("ip", "link", "add", cluster.bridge, "type", "bridge")
        must("ip", "address", "add", f"{cluster.gateway}/{cluster.network.prefixlen}", "dev", cluster.bridge)
    must("ip", "link", "set", cluster.bridge, "up")
    # Docker drops what this machine forwards, and on most machines that holds for bridges too.
    if not capture("iptables", "--wait", "-C", *_rule(cluster)).ok:
        must("iptables", "--wait", "-I", *_rule(cluster))


def _rule(cluster: Cluster) -> tuple[str, ...]:
    return ("FORWARD", "-i", cluster.bridge, "-o", cluster.bridge, "-j", "ACCEPT")


def each(nodes: Sequence[Node], do: Callable[[Node], None]) -> None:
    """Do something with several nodes at the same time; raises the first failure when all are done."""
    with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
        tasks = [pool.submit(do, one) for one in nodes]
    for task in tasks:
        task.result()


def _load(one: Node, images: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=one.folder, prefix="images-") as scratch:
        archive = str(Path(scratch) / "images.tar")
        must("docker", "save", "--output", archive, *images, timeout=LOAD_SECONDS)
        must("docker", "--host", one.host, "load", "--quiet", "--input", archive, timeout=LOAD_SECONDS)


def manager(cluster: Cluster) -> Node:
    """Return a node whose engine can change the swarm: the first that has a leader.

    Raises:
        EngineError: There is none: the swarm has lost more than half of its managers.
    """
    for one in cluster.nodes:
        if docker(one, "node", "ls", "--quiet", timeout=20).ok:
            return one
    raise EngineError("no manager of the cluster answers. Way out: `make swarm-down`, then `make swarm-up`.")


def leader(cluster: Cluster) -> Node:
    """Return the node that leads the swarm.

    Raises:
        EngineError: No manager answers, or none leads at this moment.
    """
    asked = docker(manager(cluster), "node", "ls", "--format", "{{.ManagerStatus}} {{.Hostname}}")
    for line in asked.stdout.splitlines():
        status, _, name = line.partition(" ")
        if status == "Leader":
            return cluster.named(name)
    raise EngineError("the swarm has no leader at this moment. Way out: ask again in a second.")


def traces(cluster: Cluster) -> list[str]:
    """Return everything of a cluster that this machine still has, as a person would name it."""
    found = [
        f"namespace {one.namespace}" for one in cluster.nodes if (node.NAMESPACES / one.namespace).exists()
    ]
    links = [cluster.bridge, *(one.link for one in cluster.nodes)]
    found += [f"network interface {link}" for link in links if Path("/sys/class/net", link).exists()]
    if os.geteuid() == 0 and capture("iptables", "--wait", "-C", *_rule(cluster)).ok:
        found.append(f"iptables rule for {cluster.bridge}")
    for one in cluster.nodes:
        found += [f"process {pid} of {one.name}" for pid in sorted(node.processes(one, ()))]
    if cluster.folder.exists():
        found.append(f"folder {cluster.folder}")
    return found


def remove(cluster: Cluster) -> None:
    """Remove every trace of a cluster, whatever state it is in; none at all is well too.

    Raises:
        EngineError: Something is left.
    """
    each(cluster.nodes, node.remove)
    capture("ip", "link", "delete", cluster.bridge)
    while capture("iptables", "--wait", "-D", *_rule(cluster)).ok:
        pass
    shutil.rmtree(cluster.folder, ignore_errors=True)
    # The kernel takes its time with interfaces.
    daemon.wait_until(lambda: not traces(cluster), seconds=node.GONE_SECONDS)
    if left := traces(cluster):
        raise EngineError(
            f"still there: {', '.join(left)}. Way out: run `make swarm-down` again; what it cannot remove, "
            f"by hand."
        )
