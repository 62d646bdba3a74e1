"""Wires the parts and runs them; the only place that exits."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Final

import structlog
from docker import APIClient
from docker.errors import DockerException
from docker.utils import kwargs_from_env
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from structlog.tracebacks import ExceptionDictTransformer

from scaler.autoscaler import Autoscaler
from scaler.balancer import Balancer, DockerNginx
from scaler.engine import DEFAULT_ADDRESS, await_replaced
from scaler.errors import AlertscaleError, JournalError, SettingsError
from scaler.journal import Event, Journal
from scaler.labels import COMPOSE_PROJECT
from scaler.metrics import Metrics
from scaler.private import write_private
from scaler.readiness import Prober
from scaler.reasons import EventKind
from scaler.recorder import Recorder
from scaler.selfcheck import SelfCheck
from scaler.server import create_server
from scaler.settings import Settings, read_settings
from scaler.source import Prometheus
from scaler.steps import Stepper
from scaler.targets.compose import ComposeTarget
from scaler.traffic import Traffic
from scaler.web import create_app
from scaler.world import World

log = structlog.get_logger()

EXIT_SETTINGS: Final = 2
EXIT_FAILED: Final = 1
_ENGINE_TIMEOUT: Final = 15


def main() -> int:
    """Run until SIGTERM or SIGINT.

    Returns:
        The exit code: 0, 1 when it cannot start or its way to the engine is gone, 2 for settings that
        cannot be read.
    """
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        for fault in error.faults:
            sys.stderr.write(f"alertscale: {fault}\n")
        return EXIT_SETTINGS
    _configure_log(settings)
    try:
        return _run(settings)
    except (AlertscaleError, DockerException, OSError) as error:
        log.critical("cannot start", error=str(error), exc_info=True)
        return EXIT_FAILED


def _run(settings: Settings) -> int:
    for directory in (settings.data, settings.upstreams, settings.token_file.parent):
        directory.mkdir(parents=True, exist_ok=True)
    _make_token(settings.token_file)
    stopping = threading.Event()
    prometheus = Prometheus(settings.prometheus, password_file=settings.prometheus_password_file)
    autoscaler, metrics, journal, recorder = _wire(settings, stopping, prometheus)
    selfcheck = SelfCheck(directory=settings.stack, survived=recorder.survived)
    app = create_app(
        autoscaler=autoscaler,
        metrics=metrics,
        validator=_validator(),
        token=settings.token_file.read_text,
        clock=time.time,
        prometheus=prometheus,
        signal_ttl=settings.signal_ttl,
        findings=selfcheck.findings,
    )
    server = create_server(app, host=settings.host, port=settings.port)
    loop = threading.Thread(target=autoscaler.run, name="loop", daemon=True)
    replaced = threading.Event()

    def watch() -> None:
        address = os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS
        if await_replaced(address, stopping=stopping):
            log.critical(
                "the engine's socket was replaced; ending, so that Docker starts the scaler with the new one"
            )
            replaced.set()
            os.kill(os.getpid(), signal.SIGTERM)

    def stop(_number: int, _frame: object) -> None:
        stopping.set()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    event = Event(at=time.time(), kind=EventKind.STARTED, reason="started", text="the scaler started")
    try:
        journal.record(event)
    except JournalError as error:
        # nginx must follow the replicas where nothing can be scaled: on a full disk, for one.
        log.error("survived", where="history", reason=str(error.reason), error=str(error))  # noqa: TRY400 - one line, as the recorder's
    loop.start()
    threading.Thread(target=selfcheck.run, name="check", daemon=True).start()
    threading.Thread(target=watch, name="socket", daemon=True).start()
    log.info("listening", address=f"{settings.host}:{settings.port}")
    try:
        server.run()
    except SystemExit:
        log.info("stopping")
    finally:
        stopping.set()
        # A step in the middle is journalled: the next start finishes it.
        loop.join(timeout=2)
    return EXIT_FAILED if replaced.is_set() else 0


def _wire(
    settings: Settings, stopping: threading.Event, prometheus: Prometheus
) -> tuple[Autoscaler, Metrics, Journal, Recorder]:
    client = _engine()
    project, networks = _own_container(client, settings)
    log.info("alertscale", project=project, networks=sorted(networks) if networks is not None else "host")
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    metrics = Metrics(registry)
    journal = Journal(path=settings.data / "journal.sqlite", keep=settings.keep_events)
    world, wake = World(), threading.Event()
    target = ComposeTarget(
        client=client,
        events=_engine(),
        own_project=project,
        projects=settings.projects,
    )
    balancer = Balancer(
        directory=settings.upstreams,
        control=DockerNginx(client=client),
        pause=time.sleep,
        clock=time.monotonic,
    )
    stepper = Stepper(
        target=target,
        balancer=balancer,
        journal=journal,
        world=world,
        metrics=metrics,
        wake=wake.set,
        stopping=stopping,
    )
    prober = Prober(executor=ThreadPoolExecutor(max_workers=8, thread_name_prefix="ask"), wake=wake.set)
    recorder = Recorder(journal=journal, metrics=metrics, clock=time.time)
    autoscaler = Autoscaler(
        target=target,
        traffic=Traffic(
            balancer=balancer, world=world, recorder=recorder, metrics=metrics, own_project=project
        ),
        journal=journal,
        recorder=recorder,
        metrics=metrics,
        prober=prober,
        world=world,
        stepper=stepper,
        wake=wake,
        own_project=project,
        networks=networks,
        signal_ttl=settings.signal_ttl,
        tick=settings.tick,
        stopping=stopping,
        source_lives=prometheus.lives,
    )
    return autoscaler, metrics, journal, recorder


def _engine() -> APIClient:
    return APIClient(**kwargs_from_env(), timeout=_ENGINE_TIMEOUT)


def _own_container(client: APIClient, settings: Settings) -> tuple[str, frozenset[str] | None]:
    """Our Compose project and networks; on the host itself no networks, since all are reached."""
    if settings.project:
        return settings.project, None
    hostname = socket.gethostname()
    try:
        own = client.inspect_container(hostname)
    except DockerException as error:
        raise AlertscaleError(
            f"cannot find the scaler's own container {hostname!r} ({error});"
            " outside a container set ALERTSCALE_PROJECT to the Compose project that nginx belongs to"
        ) from error
    labels = own["Config"]["Labels"] or {}
    return labels.get(COMPOSE_PROJECT, ""), frozenset(own["NetworkSettings"]["Networks"])


def _make_token(path: Path) -> None:
    """Make the bearer token if there is none; Alertmanager, which runs as nobody, reads it too."""
    if path.exists() and path.stat().st_size:
        return
    write_private(path, secrets.token_urlsafe(32) + "\n")


def _validator() -> Validator:
    schema = json.loads(resources.files("scaler").joinpath("alert.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    checked: Validator = extend(Draft202012Validator, {"additionalProperties": _strings_at_once})(schema)  # type: ignore[no-untyped-call]
    return checked


def _strings_at_once(
    validator: Validator, wanted: Mapping[str, object], instance: object, schema: Mapping[str, object]
) -> Iterator[ValidationError]:
    """Check ``additionalProperties``; a map of strings, as labels are, in one go instead of one by one.

    That halves the time of checking a notification, which is most of the time of a webhook.
    """
    plain = wanted == {"type": "string"} and schema.keys() <= {"type", "additionalProperties", "description"}
    if plain and isinstance(instance, dict) and all(isinstance(v, str) for v in instance.values()):
        return
    yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, wanted, instance, schema)


def _configure_log(settings: Settings) -> None:
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            # Without the local variables: the token may be one.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
            if settings.log_format == "json"
            else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("waitress").setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
