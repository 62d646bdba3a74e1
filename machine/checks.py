"""Configuration files, checked by the very programs that will read them, from the pinned images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from machine import images
from machine.errors import EngineError
from machine.images import Image
from machine.shell import announced, capture

OVERLAYS = ("docker-compose.cadvisor.yml", "docker-compose.tls.yml")
SOME_MAIL = (
    "SMTP_SMARTHOST=mail.example.org:587",
    "SMTP_FROM=alertscale@example.org",
    "SMTP_TO=you@example.org",
)
"""What the receiver for e-mail needs besides its secret."""
# nginx reads the certificate while it tests; no real one is at hand, and none is wanted here.
MAKE_CERTIFICATE = (
    "cd /etc/nginx/certificates && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    " -days 1 -subj /CN=localhost -keyout privkey.pem -out fullchain.pem 2>/dev/null"
)
# A start leaves out what nginx refuses, with a stand-in for a site, and here each is to be right.
STRICTLY = (
    "/docker-entrypoint.sh nginx -t"
    " && echo 'include /etc/nginx/conf.d/*.conf;' >/etc/nginx/upstreams/current/sites && exec nginx -t"
)


def all_checks(checkout: Path, pinned: Sequence[Image]) -> dict[str, tuple[str, ...]]:
    """Return every check of the checkout's configuration files: the command of each, by its title.

    Raises:
        ImageError: One of the programs' images is not pinned anywhere.
    """
    return {
        **_compose(checkout),
        **_prometheus(checkout / "prometheus", images.select(pinned, "prom/prometheus")),
        **_alertmanager(checkout / "alertmanager", images.select(pinned, "prom/alertmanager")),
        **_nginx(checkout / "nginx", images.select(pinned, "nginx")),
    }


def _compose(checkout: Path) -> dict[str, tuple[str, ...]]:
    files = [("docker-compose.yml",), *(("docker-compose.yml", overlay) for overlay in OVERLAYS)]
    return {
        f"docker compose config: {' + '.join(chosen)}": (
            *("docker", "compose"),
            *(word for name in chosen for word in ("--file", str(checkout / name))),
            *("config", "--quiet"),
        )
        for chosen in files
    }


def _container(
    image: Image, *words: str, mounts: Mapping[Path, str], options: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the command that runs an image with these words, with no network but itself.

    Args:
        image: What to run.
        *words: For its entrypoint.
        mounts: What of the checkout it can read, and where it finds that.
        options: Others of `docker run`.
    """
    volumes = [word for here, there in mounts.items() for word in ("--volume", f"{here}:{there}:ro")]
    return ("docker", "run", "--rm", "--network", "none", *volumes, *options, image.reference, *words)


def _prometheus(folder: Path, image: Image) -> dict[str, tuple[str, ...]]:
    inside = "/etc/prometheus"
    rules = sorted(f"{inside}/{file.name}" for file in folder.glob("*.rules.yml"))
    # Beside its rules, as in the container on Swarm.
    on_swarm = ("swarm/prometheus.yml", "recording.rules.yml", "alert.rules.yml")
    swarm = {folder / file: f"{inside}/{Path(file).name}" for file in on_swarm}

    def promtool(*words: str, mounts: Mapping[Path, str]) -> tuple[str, ...]:
        return _container(image, *words, mounts=mounts, options=("--entrypoint", "/bin/promtool"))

    whole = {folder: inside}
    config = ("check", "config", f"{inside}/prometheus.yml")
    return {
        "promtool check config": promtool(*config, mounts=whole),
        "promtool check config, on Swarm": promtool(*config, mounts=swarm),
        "promtool check rules": promtool("check", "rules", *rules, mounts=whole),
    }


def _alertmanager(folder: Path, image: Image) -> dict[str, tuple[str, ...]]:
    mail = [word for setting in SOME_MAIL for word in ("--env", setting)]
    # With none of the receivers, with each, with all.
    words = ("/etc/alertmanager/run.sh", "check")
    options = (*mail, "--entrypoint", "/bin/sh")
    return {
        "amtool check-config": _container(
            image, *words, mounts={folder: "/etc/alertmanager"}, options=options
        )
    }


def _nginx(folder: Path, image: Image) -> dict[str, tuple[str, ...]]:
    script = "40-alertscale-upstreams.sh"
    conf = "/etc/nginx/nginx.conf"
    swarm = {
        folder / "nginx.conf": conf,
        folder / "proxy.conf": "/etc/nginx/alertscale-proxy.conf",
        folder / "conf.d/default.conf": "/etc/nginx/conf.d/default.conf",
        folder / "swarm/status.conf": "/etc/nginx/conf.d/status.conf",
        folder / "swarm/flask-app.conf": "/etc/nginx/upstreams/current/flask-app.conf",
        folder / "swarm/sites": "/etc/nginx/upstreams/current/sites",
    }
    plain = {
        folder / "nginx.conf": conf,
        folder / "proxy.conf": "/etc/nginx/alertscale-proxy.conf",
        folder / "conf.d": "/etc/nginx/conf.d",
        folder / script: f"/docker-entrypoint.d/{script}",
        folder / "accept.sh": "/usr/local/bin/alertscale-accept",
    }
    tls = plain | {folder / "tls": "/etc/nginx/tls", folder / "acme": "/var/www/acme"}
    # The names that the networks give; nginx looks them up while it tests.
    at_swarm = ("--tmpfs", "/var/lib/nginx-status", "--add-host", "tasks.flask-app:127.0.0.1")
    at_plain = ("--tmpfs", "/etc/nginx/upstreams", "--entrypoint", "sh")
    at_tls = (
        *at_plain,
        *("--tmpfs", "/etc/nginx/certificates", "--tmpfs", "/run"),
        *("--env", "HTTPS_PORT=443", "--env", "NGINX_ENVSUBST_FILTER=^HTTPS_PORT$"),
        *("--env", "NGINX_ENVSUBST_TEMPLATE_DIR=/etc/nginx/tls/templates"),
        *("--env", "NGINX_ENVSUBST_OUTPUT_DIR=/run"),
    )
    return {
        "nginx -t, on Swarm": _container(image, "nginx", "-t", mounts=swarm, options=at_swarm),
        "nginx -t": _container(image, "-c", STRICTLY, mounts=plain, options=at_plain),
        "nginx -t, with TLS": _container(
            image, "-c", f"{MAKE_CERTIFICATE} && {STRICTLY}", mounts=tls, options=at_tls
        ),
    }


def run(checks: Mapping[str, Sequence[str]]) -> None:
    """Run every check, the failing ones included, then say which failed.

    Args:
        checks: Commands by their titles.

    Raises:
        EngineError: At least one failed; what its program printed is on the screen.
    """
    failed: list[str] = []
    for title, argv in checks.items():
        with announced(title):
            done = capture(*argv, timeout=120)
        if not done.ok:
            print(done.stdout + done.stderr, flush=True)
            failed.append(title)
    if failed:
        raise EngineError(f"failed: {', '.join(failed)}. Way out: put right what the lines above name.")
