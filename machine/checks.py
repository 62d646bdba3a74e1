"""Configuration files, checked by the very programs that will read them, from the pinned images."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    " && exec /docker-entrypoint.sh nginx -t"
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One program run over one or more files.

    Attributes:
        title: What is checked.
        argv: The whole command.
    """

    title: str
    argv: tuple[str, ...]


def all_checks(checkout: Path, pinned: Sequence[Image]) -> tuple[Check, ...]:
    """Return every check of the checkout's configuration files.

    Raises:
        ImageError: One of the programs' images is not pinned anywhere.
    """
    return (
        *_compose(checkout),
        *_prometheus(checkout, images.select(pinned, "prom/prometheus")),
        *_alertmanager(checkout, images.select(pinned, "prom/alertmanager")),
        *_nginx(checkout, images.select(pinned, "nginx")),
    )


def _compose(checkout: Path) -> tuple[Check, ...]:
    files = [("docker-compose.yml",), *(("docker-compose.yml", overlay) for overlay in OVERLAYS)]
    return tuple(
        Check(
            title=f"docker compose config: {' + '.join(chosen)}",
            argv=(
                *("docker", "compose"),
                *(word for name in chosen for word in ("--file", str(checkout / name))),
                *("config", "--quiet"),
            ),
        )
        for chosen in files
    )


def _prometheus(checkout: Path, image: Image) -> tuple[Check, ...]:
    folder = checkout / "prometheus"
    inside = "/etc/prometheus"
    rules = sorted(f"{inside}/{file.name}" for file in folder.glob("*.rules.yml"))
    tests = sorted(f"{inside}/tests/{file.name}" for file in folder.glob("tests/*.yml"))

    def promtool(title: str, *words: str) -> Check:
        return Check(
            title=f"promtool {title}",
            argv=(
                *("docker", "run", "--rm", "--network", "none"),
                *("--volume", f"{folder}:{inside}:ro", "--entrypoint", "/bin/promtool"),
                *(image.reference, *words),
            ),
        )

    return (
        promtool("check config", "check", "config", f"{inside}/prometheus.yml"),
        # Beside its rules, as in the container on Swarm.
        Check(
            title="promtool check config, on Swarm",
            argv=(
                *("docker", "run", "--rm", "--network", "none"),
                *(
                    word
                    for file in ("swarm/prometheus.yml", "recording.rules.yml", "alert.rules.yml")
                    for word in ("--volume", f"{folder / file}:{inside}/{Path(file).name}:ro")
                ),
                *("--entrypoint", "/bin/promtool", image.reference),
                *("check", "config", f"{inside}/prometheus.yml"),
            ),
        ),
        promtool("check rules", "check", "rules", *rules),
        promtool("test rules", "test", "rules", *tests),
    )


def _alertmanager(checkout: Path, image: Image) -> tuple[Check, ...]:
    return (
        Check(
            # With none of the receivers, with each, with all.
            title="amtool check-config",
            argv=(
                *("docker", "run", "--rm", "--network", "none"),
                *(word for setting in SOME_MAIL for word in ("--env", setting)),
                *("--volume", f"{checkout / 'alertmanager'}:/etc/alertmanager:ro"),
                *("--entrypoint", "/bin/sh", image.reference),
                *("/etc/alertmanager/run.sh", "check"),
            ),
        ),
    )


def _nginx(checkout: Path, image: Image) -> tuple[Check, ...]:
    folder = checkout / "nginx"
    script = "40-alertscale-upstreams.sh"
    plain = (
        *("docker", "run", "--rm", "--network", "none"),
        *("--volume", f"{folder / 'nginx.conf'}:/etc/nginx/nginx.conf:ro"),
        *("--volume", f"{folder / 'conf.d'}:/etc/nginx/conf.d:ro"),
        *("--volume", f"{folder / script}:/docker-entrypoint.d/{script}:ro"),
        *("--tmpfs", "/etc/nginx/upstreams"),
        # The name that Compose's network gives; nginx looks names up while it tests.
        *("--add-host", "flask-app:127.0.0.1"),
    )
    tls = (
        *("--volume", f"{folder / 'tls'}:/etc/nginx/tls:ro"),
        *("--volume", f"{folder / 'acme'}:/var/www/acme:ro"),
        *("--tmpfs", "/etc/nginx/certificates", "--tmpfs", "/run"),
        *("--env", "HTTPS_PORT=443", "--env", "NGINX_ENVSUBST_FILTER=^HTTPS_PORT$"),
        *("--env", "NGINX_ENVSUBST_TEMPLATE_DIR=/etc/nginx/tls/templates"),
        *("--env", "NGINX_ENVSUBST_OUTPUT_DIR=/run", "--entrypoint", "sh"),
    )
    swarm = (
        *("docker", "run", "--rm", "--network", "none"),
        *("--volume", f"{folder / 'nginx.conf'}:/etc/nginx/nginx.conf:ro"),
        *("--volume", f"{folder / 'conf.d/default.conf'}:/etc/nginx/conf.d/default.conf:ro"),
        *("--volume", f"{folder / 'swarm/status.conf'}:/etc/nginx/conf.d/status.conf:ro"),
        *("--volume", f"{folder / 'swarm/flask-app.conf'}:/etc/nginx/upstreams/current/flask-app.conf:ro"),
        *("--tmpfs", "/var/lib/nginx-status", "--add-host", "tasks.flask-app:127.0.0.1"),
    )
    return (
        Check(title="nginx -t, on Swarm", argv=(*swarm, image.reference, "nginx", "-t")),
        Check(title="nginx -t", argv=(*plain, image.reference, "nginx", "-t")),
        Check(
            title="nginx -t, with TLS",
            argv=(*plain, *tls, image.reference, "-c", MAKE_CERTIFICATE),
        ),
    )


def run(checks: Sequence[Check]) -> None:
    """Run every check, the failing ones included, then say which failed.

    Raises:
        EngineError: At least one failed; what its program printed is on the screen.
    """
    failed: list[str] = []
    for check in checks:
        with announced(check.title):
            done = capture(*check.argv, timeout=120)
        if not done.ok:
            print(done.stdout + done.stderr, flush=True)
            failed.append(check.title)
    if failed:
        raise EngineError(f"failed: {', '.join(failed)}. Way out: put right what the lines above name.")
