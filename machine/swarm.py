"""`make swarm-up` and `make swarm-down`: docker-stack.yml on a cluster of three engines on this machine."""

import http
import os
import secrets
import time
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import addresses, built, cluster, compose, images, node, ready
from machine.cluster import Cluster
from machine.errors import EngineError
from machine.shell import announced, capture, logged
from machine.state import Workplace

FOLDER = ".alertscale/swarm"
STACK = "alertscale"
FILES = ("docker-stack.yml", "docker-stack.ports.yml")
TOKEN = "alertscale_token"  # noqa: S105 - the name of a secret
TAG = "swarm"
OWN = {
    "flask-app": ("service",),
    "exporter": ("exporter",),
    "scaler": ("--file", "scaler/Dockerfile", "."),
}
"""Our own images, each with what `docker build` is told in the checkout."""
BASES = ("nginx", "nginx/nginx-prometheus-exporter", "prom/prometheus", "prom/alertmanager")
UP_SECONDS = 180.0
POLL_SECONDS = 1.0
PORTS = {
    "nginx": ("NGINX_PORT", "8080"),
    "scaler": ("SCALER_PORT", "8000"),
    "prometheus": ("PROMETHEUS_PORT", "10090"),
    "alertmanager": ("ALERTMANAGER_PORT", "9093"),
}
"""Of each page, the variable of its port and the default: as in the two files."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many tasks of a service run, and how many are wanted."""

    running: int
    wanted: int

    @property
    def complete(self) -> bool:
        """Whether all run; a service that Swarm has not begun with wants none yet.

        There may be more: Swarm goes on counting what ran on a node that is lost.
        """
        return self.running >= self.wanted > 0


# --- the two commands ------------------------------------------------------------------------------------


def up(place: Workplace) -> int:
    """Start three engines, a swarm and the stack on this machine; print how to reach them."""
    cluster.require()
    here = cluster.layout(place.checkout / FOLDER)
    seen = ready.machine(place)
    config = compose.config(place.checkout)
    ready.base_images(place, config, may_install=seen.may_install)
    wanted = [*build(place.checkout, logs=place.logs), *bases(images.pinned(config))]
    if cluster.traces(here):
        with announced("Removing what an earlier swarm-up left"):
            cluster.remove(here)
    with announced("Starting three engines with the images and making a swarm of them"):
        cluster.start(here, images=wanted)
    with announced("Deploying the stack"):
        deploy(here, checkout=place.checkout)
    wait_up(here)
    print(f"\nUp and healthy:\n{directions(here)}")
    return 0


def possible(_place: Workplace) -> int:
    """Say what keeps this machine from having a Swarm of three engines; nothing when it can."""
    cluster.require()
    return 0


def down(place: Workplace) -> int:
    """Remove every trace of `swarm-up`: stack, engines, network, data, images."""
    here = cluster.layout(place.checkout / FOLDER)
    left = cluster.traces(here)
    if left and os.geteuid() != 0:
        raise EngineError(f"{', '.join(left)}: only root can remove these. Way out: run make as root.")
    if left:
        with announced("Removing the cluster"):
            cluster.remove(here)
    if stay := built.remove(tags(TAG)):
        raise EngineError(
            f"still there: image {', '.join(stay)}. Way out: remove what uses it (`docker ps --all`), then "
            f"run `make swarm-down` again."
        )
    print("Nothing of the cluster is left.")
    return 0


# --- images ----------------------------------------------------------------------------------------------


def tags(tag: str) -> list[str]:
    """Return the names of our own images, as docker-stack.yml has them without ALERTSCALE_IMAGES."""
    return [f"alertscale/{name}:{tag}" for name in OWN]


def build(checkout: Path, *, logs: Path, tag: str = TAG) -> list[str]:
    """Build our own images on this machine's engine, as docker-compose.yml has them; return their names.

    Raises:
        CommandFailedError: One cannot be built.
    """
    for (name, how), image in zip(OWN.items(), tags(tag), strict=True):
        logged(
            f"Building {name}",
            ["docker", "build", "--tag", image, *how],
            log=logs / f"swarm-build-{name}.log",
            cwd=checkout,
        )
    return tags(tag)


def bases(pinned: Iterable[images.Image]) -> list[str]:
    """Return the other images of docker-stack.yml: those that docker-compose.yml pins.

    Raises:
        ImageError: One of them is not pinned.
    """
    every = tuple(pinned)
    return [images.select(every, repository).reference for repository in BASES]


# --- the stack -------------------------------------------------------------------------------------------


def deploy(
    here: Cluster,
    *,
    checkout: Path,
    files: Sequence[str] = FILES,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Deploy the stack, anew or over what runs; does not wait for it.

    Args:
        here: The cluster.
        checkout: Where the files are.
        files: Stack files, each laid over those before it; absolute, or below the checkout.
        variables: What the files are to see beside this program's environment.

    Raises:
        EngineError: Swarm refuses it.
    """
    at = cluster.manager(here)
    make_token(at)
    env = {"ALERTSCALE_VERSION": TAG, **digests(checkout), **(variables or {})}
    chosen = [word for name in files for word in ("--compose-file", str(checkout / name))]
    done = capture(
        *("docker", "--host", at.host, "stack", "deploy", "--resolve-image", "never", *chosen, STACK),
        env=env,
        cwd=checkout,
    )
    if not done.ok:
        raise EngineError(
            f"docker stack deploy: {done.stderr.strip()}. Way out: put right what it names, then run "
            f"`make swarm-up` again."
        )


def digests(checkout: Path) -> dict[str, str]:
    """Return what deploy/stack-env.sh says.

    Raises:
        EngineError: It fails.
    """
    said = node.must("sh", str(checkout / "deploy" / "stack-env.sh"))
    pairs = (line.removeprefix("export ").partition("=") for line in said.splitlines())
    return {name: value for name, _, value in pairs}


def make_token(at: node.Node) -> None:
    """Make the token that scaler and Alertmanager share, if the swarm has none.

    Raises:
        EngineError: Swarm does not take it.
    """
    if node.docker(at, "secret", "inspect", TOKEN).ok:
        return
    made = node.docker(at, "secret", "create", TOKEN, "-", stdin=secrets.token_urlsafe(32))
    if not made.ok:
        raise EngineError(
            f"docker secret create {TOKEN}: {made.stderr.strip()}. Way out: see to the swarm, or start "
            f"afresh with `make swarm-up`."
        )


def counts(here: Cluster) -> dict[str, Count]:
    """Return the stack's services without its name, each with how many of its tasks run."""
    asked = node.docker(
        cluster.manager(here),
        *("service", "ls", "--filter", f"label=com.docker.stack.namespace={STACK}"),
        *("--format", "{{.Name}} {{.Replicas}}"),
    )
    return parse_counts(asked.stdout)


def parse_counts(text: str) -> dict[str, Count]:
    """Read lines such as `alertscale_nginx 2/3`, where more words may follow."""
    found = {}
    for line in text.splitlines():
        name, tally, *_ = line.split()
        running, _, wanted = tally.partition("/")
        found[name.removeprefix(f"{STACK}_")] = Count(running=int(running), wanted=int(wanted))
    return found


def wait_up(here: Cluster) -> None:
    """Wait until every task runs and nginx answers on every node; print what comes up.

    Raises:
        EngineError: Something does not come up in time; names it, with what Swarm says of it.
    """
    deadline = time.monotonic() + UP_SECONDS
    shown: tuple[str, ...] | None = None
    while True:
        now = counts(here)
        lacking = tuple(name for name, count in now.items() if not count.complete)
        if now and lacking != shown:
            shown = lacking
            print(f"  {len(now) - len(lacking)} of {len(now)} services are up{_still(lacking)}", flush=True)
        if now and not lacking:
            break
        if time.monotonic() > deadline:
            raise EngineError(_why_not_up(here, lacking))
        time.sleep(POLL_SECONDS)
    with announced("Waiting for answers through nginx on every node"):
        _wait_for_answers(here, deadline=deadline)


def _still(lacking: Sequence[str]) -> str:
    return f"; waiting for {', '.join(lacking)}" if lacking else ""


def _why_not_up(here: Cluster, lacking: Sequence[str]) -> str:
    at = cluster.manager(here)
    form = "{{.Name}} on {{.Node}}: {{.CurrentState}} {{.Error}}"
    said = [
        node.docker(at, "service", "ps", "--no-trunc", "--format", form, f"{STACK}_{name}").stdout
        for name in lacking
    ]
    return (
        f"not up after {UP_SECONDS:g} s: {', '.join(lacking)}.\n{''.join(said)}Way out: read `docker --host "
        f"{at.host} service logs {STACK}_{lacking[0] if lacking else '...'}`, put it right, then run "
        f"`make swarm-up` again."
    )


def _wait_for_answers(here: Cluster, *, deadline: float) -> None:
    for one in here.nodes:
        url = f"http://{one.address}:{port('nginx', os.environ)}/"
        while not answers(url):
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{url}: nginx runs on {one.name}, but no flask-app answers through it. Way out: read "
                    f"`docker --host {one.host} service logs {STACK}_nginx`."
                )
            time.sleep(POLL_SECONDS)


def answers(url: str) -> bool:
    """Whether an address answers with success."""
    # Not by way of a proxy that this machine may use for the world outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == http.HTTPStatus.OK)
    except OSError:
        return False


# --- what is printed -------------------------------------------------------------------------------------


def port(service: str, environment: Mapping[str, str]) -> str:
    """Return the port on which a service's page is published."""
    variable, default = PORTS[service]
    return environment.get(variable) or default


def directions(here: Cluster) -> str:
    """Return where the pages are, and how to talk to each engine."""
    first = here.nodes[0]
    where = {"nginx": first, "scaler": first}
    for service in ("prometheus", "alertmanager"):
        where[service] = node_of(here, service) or first
    pages = {
        f"http://{where[service].address}:{port(service, os.environ)}/": addresses.TITLES[service]
        for service in PORTS
    }
    engines = "\n".join(f"  docker --host {one.host} node ls" for one in here.nodes)
    others = ", ".join(one.address for one in here.nodes[1:])
    return (
        f"{addresses.table(pages)}\n  (nginx and the scaler on {others} as well)\n\n"
        f"The engines, all of them managers, such as:\n{engines}\n\nTo be rid of it all: make swarm-down"
    )


def node_of(here: Cluster, service: str) -> node.Node | None:
    """Return the node on which a service's one task is to run; None while there is none."""
    asked = node.docker(
        cluster.manager(here),
        *("service", "ps", "--filter", "desired-state=running"),
        *("--format", "{{.Node}}", f"{STACK}_{service}"),
    )
    names = asked.stdout.split()
    return here.named(names[0]) if names else None
