"""The command line: ``alertscale``, or ``python -m alertscale``. The only place that exits."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from alertscale import checking, history
from alertscale.access import DEFAULT_TOKEN_FILE, DEFAULT_URL, read_access
from alertscale.client import MOST_EVENTS, Client
from alertscale.errors import MEANINGS, CliError, Exit
from alertscale.explain import explain as explained
from alertscale.model import EVENT_KINDS, PAUSES, VERSION, Event, Service
from alertscale.sentences import pauses
from alertscale.views.explanation import explanation
from alertscale.views.findings import findings as findings_view
from alertscale.views.history import line
from alertscale.views.parts import console_on, foreign
from alertscale.views.progress import Progress
from alertscale.views.status import status as status_view
from alertscale.waiting import Outcome, Wait, Waited
from alertscale.wording import Times

_CODES: Final = "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())


_TOLD: Final = ("step", "fault")
"""Kinds of events that are shown without being asked for."""


class _Group(click.Group):
    """Turns our errors into a message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click declares it
        try:
            return super().invoke(ctx)
        except CliError as error:
            _fail(error, as_json=bool(ctx.meta.get("alertscale.json")))
        except KeyboardInterrupt:
            click.echo("alertscale: interrupted", err=True)
            sys.exit(Exit.INTERRUPTED)


def _fail(error: CliError, *, as_json: bool) -> NoReturn:
    if as_json:
        _print_json(error.as_json())
    else:
        console = console_on("stderr")
        console.print(foreign(f"alertscale: {error}", "bold red"), soft_wrap=True)
        console.print(foreign(f"  Way out: {error.way_out}"), soft_wrap=True)
    sys.exit(error.exit)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"\b\nExit codes:\n{_CODES}",
)
@click.version_option(VERSION, prog_name="alertscale", message="%(prog)s %(version)s")
def main() -> None:
    """Ask the autoscaler why, and tell it what to do.

    \b
    Beside the stack, nothing to install, no option needed:
      docker compose exec scaler alertscale status
      docker compose exec scaler alertscale explain flask-app
      docker compose exec scaler alertscale events --follow
    On your machine, after `pip install .`:
      alertscale status
      export ALERTSCALE_TOKEN=$(docker compose exec -T scaler cat /run/alertscale/token)
      alertscale scale flask-app 3
      alertscale pause flask-app down
    Before you deploy:
      alertscale check

    A SERVICE is called as in its Compose file, or project/service where several projects have one of
    that name. Every command takes --json; docs/cli.md has the shapes.
    """  # noqa: D301 - click reads \b as "do not rewrap"


@dataclass(frozen=True, kw_only=True)
class _Command:
    """What every command that asks the scaler is given."""

    client: Client
    as_json: bool

    @property
    def times(self) -> Times:
        return Times(now=self.client.now())


def _json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:  # noqa: FBT001 - click's call
        ctx.meta["alertscale.json"] = value
        return value

    return click.option(
        "--json", "as_json", is_flag=True, callback=remember, is_eager=True, help="JSON, for a program."
    )(function)


def _asks_the_scaler(function: Callable[..., None]) -> Callable[..., Any]:
    """Give a command a client, and the options that say where the scaler is."""

    def run(*, url: str | None, token_file: Path | None, as_json: bool, **values: Any) -> None:  # noqa: ANN401
        access = read_access(url=url, token_file=token_file, environment=os.environ)
        function(_Command(client=Client(access), as_json=as_json), **values)

    run = update_wrapper(run, function)
    run = click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"File of the token. [env: ALERTSCALE_TOKEN, ALERTSCALE_TOKEN_FILE; else {DEFAULT_TOKEN_FILE}]",
    )(run)
    run = click.option("--url", help=f"The scaler. [env: ALERTSCALE_URL; default: {DEFAULT_URL}]")(run)
    return _json_option(run)


@main.command()
@_asks_the_scaler
def status(command: _Command) -> None:
    """Show every service, and why it has its replicas.

    \b
    Examples:
      docker compose exec scaler alertscale status
      alertscale status --json | jq '.services[] | {service, count: (.replicas | length)}'
    """  # noqa: D301
    client = command.client
    health, services = client.health(), client.services()
    if command.as_json:
        _print_json({"health": health.raw, "services": [service.raw for service in services]})
    else:
        console_on("stdout").print(status_view(services, health, command.times, url=client.url))


@main.command()
@click.argument("service")
@_asks_the_scaler
def explain(command: _Command, *, service: str) -> None:
    """Say why SERVICE has its replicas.

    It shows the decision in force, what would change it and when, and all that it was taken on: the
    alerts that fire and when each was last heard of, bounds, cooldowns, pause, the count asked for by
    hand, replicas by state, faults.

    \b
    Examples:
      docker compose exec scaler alertscale explain flask-app
      alertscale explain shop/web --json | jq -r '.explanation.ways[].sentence'
    """  # noqa: D301
    client = command.client
    found, health = client.service(service), client.health()
    why = explained(found, health, command.times)
    if command.as_json:
        _print_json({"service": found.raw, "health": health.raw, "explanation": why.as_json()})
    else:
        console_on("stdout").print(explanation(why, found, health, command.times))


@main.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl+C.")
@click.option("--all", "-a", "every", is_flag=True, help="Of every kind; without it, steps and faults.")
@click.option("--service", default="", help="Of this service alone.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(EVENT_KINDS), help="Of this kind; repeatable."
)
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(1, MOST_EVENTS),
    default=50,
    show_default=True,
    help="How many at most.",
)
@_asks_the_scaler
def events(
    command: _Command, *, follow: bool, every: bool, service: str, kinds: tuple[str, ...], limit: int
) -> None:
    """Show what happened, oldest first.

    Steps and faults; with --all also alerts, decisions, reloads, replicas and what people did. With
    --follow and --json it prints one object a line.

    \b
    Examples:
      docker compose exec scaler alertscale events --follow
      alertscale events --service flask-app --all --limit 10
      alertscale events --kind manual --kind alert
      alertscale events --follow --json | jq -r 'select(.kind == "step") | .text'
    """  # noqa: D301
    shown_kinds = frozenset() if every else frozenset(kinds or _TOLD)
    client, wanted = command.client, history.Filter(service=service, kinds=shown_kinds)
    last = history.newest_id(client)
    shown = [e for e in history.latest(client, wanted, limit=limit) if e.id <= last]
    if command.as_json and not follow:
        _print_json({"events": [event.raw for event in shown]})
        return
    for event in shown:
        _print_event(event, as_json=command.as_json)
    if follow:
        for event in history.follow(client, wanted, last=last, sleep=time.sleep, trouble=_trouble):
            _print_event(event, as_json=command.as_json)


@main.command()
@click.argument("service")
@click.argument("replicas", type=click.IntRange(min=1), metavar="N")
@click.option("--no-wait", is_flag=True, help="Return once it is ordered.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="How long to wait, seconds. The order stands afterwards too.",
)
@_asks_the_scaler
def scale(command: _Command, *, service: str, replicas: int, no_wait: bool, timeout: float) -> None:
    """Order N replicas of SERVICE, and wait until they are there.

    The scaler goes there step by step and without cooldowns; each new replica gets traffic once it is
    ready, each leaving one finishes its requests. Alerts go on to count: to hold the count, pause too.

    \b
    Examples:
      docker compose exec scaler alertscale scale flask-app 3
      alertscale scale flask-app 1 --timeout 300
      alertscale scale flask-app 3 --no-wait --json
    """  # noqa: D301
    client = command.client
    last = history.newest_id(client)
    ordered = client.scale(service, replicas)
    if no_wait:
        why = f"Ordered {replicas} of {ordered.key}; alertscale explain {ordered.key} tells how far it is."
        ended = Waited(outcome=Outcome.ORDERED, service=ordered, why=why)
    else:
        ended = _wait(command, ordered, replicas, last=last, timeout=timeout)
    if command.as_json:
        _print_json({"outcome": ended.outcome, "why": ended.why, "service": ended.service.raw})
    else:
        _say(ended.why)
    if ended.outcome not in {Outcome.REACHED, Outcome.ORDERED}:
        sys.exit(Exit.NOT_REACHED)


def _wait(command: _Command, ordered: Service, target: int, *, last: int, timeout: float) -> Waited:
    with Progress(console_on("stderr", quiet=command.as_json), target=target) as progress:
        return Wait(
            scaler=command.client,
            ordered=ordered,
            target=target,
            last_event=last,
            watcher=progress,
            monotonic=time.monotonic,
            sleep=time.sleep,
        ).until(timeout=timeout)


@main.command()
@click.argument("service")
@click.argument("steps", type=click.Choice(PAUSES), default="all")
@_asks_the_scaler
def pause(command: _Command, *, service: str, steps: str) -> None:
    """Hold steps of SERVICE.

    Which: up, down or all (the default); none lets them go. It holds until it is changed, restarts
    included. What the label alertscale.pause holds stays held.

    \b
    Examples:
      docker compose exec scaler alertscale pause flask-app
      alertscale pause flask-app down
    """  # noqa: D301
    _pause(command, service, steps)


@main.command()
@click.argument("service")
@_asks_the_scaler
def resume(command: _Command, *, service: str) -> None:
    """Let all steps of SERVICE go again.

    \b
    Example:
      docker compose exec scaler alertscale resume flask-app
    """  # noqa: D301
    _pause(command, service, "none")


def _pause(command: _Command, name: str, steps: str) -> None:
    service = command.client.pause(name, steps)
    if command.as_json:
        _print_json({"service": service.raw})
    else:
        held = pauses(service)
        _say(f"{service.key}: {held}." if held else f"{service.key}: nothing is held.")


@main.command()
@click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path(), required=False
)
@click.option(
    "--without-variables",
    is_flag=True,
    help="Leave out what needs a variable, and call no file missing: for where .env and the environment are "
    "not those of Compose, and not all of the project is there.",
)
@_json_option
def check(*, directory: Path, without_variables: bool, as_json: bool) -> None:
    """Find what would make the loop fail or flap.

    In the configuration files of DIRECTORY (default: here). It reads the Compose files and what
    Prometheus, Alertmanager and nginx read in their containers, asks nobody, and names file, line and
    way out of each finding; then what was read, and what was not found.
    Warnings alone end with 0, errors with 1.

    \b
    Examples:
      alertscale check
      alertscale check /srv/shop --json | jq -r '.findings[] | "\\(.file):\\(.line) \\(.text)"'
    """  # noqa: D301
    environment = None if without_variables else os.environ
    report = checking.report_on(directory, environment=environment)
    document = checking.as_json(report)
    if as_json:
        _print_json(document)
    else:
        console_on("stdout").print(findings_view(report), soft_wrap=True)
    if document["errors"]:
        sys.exit(Exit.REFUSED)


def _print_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _print_event(event: Event, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(event.raw, ensure_ascii=False))
    else:
        console_on("stdout").print(line(event, Times(now=event.at)), soft_wrap=True)


def _trouble(error: CliError | None) -> None:
    text = "the scaler answers again" if error is None else f"{error}; trying again"
    console_on("stderr").print(foreign(f"alertscale: {text}", "yellow"), soft_wrap=True)


def _say(text: str) -> None:
    console_on("stdout").print(foreign(text), soft_wrap=True)


if __name__ == "__main__":
    main(prog_name="alertscale")
