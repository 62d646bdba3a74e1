"""The load, for Locust: what is asked is in loadtest/mix.py, how much in loadtest/profiles.py."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
import gevent.pool
from complete_csv import mend
from loadtest.arrivals import Arrivals, OpenLoop
from loadtest.mix import REQUESTS, Request
from loadtest.plan import plan
from loadtest.settings import SettingsError, read_settings
from loadtest.verdict import Seen, Watch, broken, summary
from locust.exception import StopUser
from locust.runners import STATE_RUNNING, STATE_SPAWNING

from locust import FastHttpUser, LoadTestShape, between, events, task

if TYPE_CHECKING:
    from locust.env import Environment

HERE = Path(__file__).resolve().parent
REQUEST_SECONDS = 30.0
PAUSE_SECONDS = 0.01

try:
    SETTINGS = read_settings(os.environ, read=lambda path: (HERE / path).read_text(encoding="utf-8"))
except SettingsError as error:
    sys.exit("\n".join(f"load test: {fault}" for fault in error.faults))
# Without the web UI too: loadtest/command.py takes LOCUST_AUTOSTART away once it has added --headless.
PLAN = plan(SETTINGS)
KINDS = list(SETTINGS.mix)
WEIGHTS = list(SETTINGS.mix.values())
mend()
# Until a run without the web UI has ended, Locust would die of SIGTERM without its report; not so of Ctrl+C.
signal.signal(signal.SIGTERM, signal.default_int_handler)


class _User(FastHttpUser):
    abstract = True
    connection_timeout = REQUEST_SECONDS
    network_timeout = REQUEST_SECONDS

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # The web UI shows http://nginx:80/; a path is appended to it as it is.
        self.client.base_url = (self.client.base_url or "").rstrip("/")

    def ask(self, request: Request) -> None:
        """Make a request; what the service refuses as it should is no failure."""
        with self.client.request(
            request.method, request.path, name=request.name, data=request.body or None, catch_response=True
        ) as response:
            if (
                request.full
                and response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
                and request.full in (response.content or b"")
            ):
                response.success()

    def choose(self, dice: random.Random) -> Request:
        """One of the kinds, by weight."""
        return REQUESTS[dice.choices(KINDS, WEIGHTS)[0]]


class Visitor(_User):
    """The closed model: a user who waits for the answer, pauses, and asks again."""

    abstract = PLAN is not None and PLAN.arrivals
    wait_time = between(0.1, 0.5)

    @task
    def one(self) -> None:
        """Ask for something."""
        self.ask(self.choose(random))


class Visitors(_User):
    """The open model: one user that makes every arrival, each in a greenlet of its own."""

    abstract = PLAN is None or not PLAN.arrivals
    # A greenlet that waited for a connection would be a queue that nobody sees.
    concurrency = SETTINGS.max_in_flight

    @task
    def all(self) -> None:
        """Make the arrivals of the whole run."""
        # The same arrivals in each run.
        dice = random.Random(1)
        under_way = gevent.pool.Group()
        loop = OpenLoop(
            arrivals=Arrivals(rate=PLAN.load, draw=lambda: dice.expovariate(1)),
            send=lambda: self.ask(self.choose(dice)),
            spawn=under_way.spawn,
            drop=self.drop,
            most=SETTINGS.max_in_flight,
        )
        began = time.monotonic()
        while (now := time.monotonic() - began) < PLAN.seconds and self.wanted():
            loop.advance(now)
            gevent.sleep(PAUSE_SECONDS)
        under_way.join(timeout=REQUEST_SECONDS + 1)
        under_way.kill()
        raise StopUser

    def wanted(self) -> bool:
        """Whether the run goes on."""
        return self.environment.runner.state in {STATE_SPAWNING, STATE_RUNNING}

    def drop(self, reason: str) -> None:
        """Count an arrival that was not sent."""
        self.environment.events.request.fire(
            request_type="-",
            name="(dropped)",
            # None: it has no time, which would make the others look faster.
            response_time=None,
            response_length=0,
            exception=RuntimeError(reason),
            context={},
        )


if PLAN is not None:

    class Course(LoadTestShape):
        """The plan of the settings."""

        # Locust would warn of --users and --spawn-rate, which the plan has already taken.
        use_common_options = True

        def reset_time(self) -> None:
            """Begin a run, which the web UI may do more than once."""
            super().reset_time()
            self.watch = Watch(SETTINGS.limits)

        def tick(self) -> tuple[int, float] | None:
            """The number of users now, and how many may come or go in a second."""
            seconds = self.get_run_time()
            users = PLAN.users(seconds)
            if (
                PLAN.breaks_off
                and users is not None
                and (faults := self.watch.see(_now(self.runner.environment)))
            ):
                _say(
                    f"load test: broke off after {seconds:.0f} s at {PLAN.load(seconds):.1f} "
                    f"{'requests/s' if PLAN.arrivals else 'users'}: {'; '.join(faults)}"
                )
                return None
            return None if users is None else (users, max(1.0, SETTINGS.users))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _now(environment: Environment) -> Seen:
    """The p95 of the last ten seconds; requests and failures since the begin."""
    total = environment.stats.total
    p95 = total.get_current_response_time_percentile(0.95) or 0
    return Seen(requests=total.num_requests, failures=total.num_failures, p95_ms=p95)


@events.quitting.add_listener
def judge(environment: Environment, **_: object) -> None:
    """Say how it went, and give the exit code."""
    options = environment.parsed_options
    if not options.headless:
        return
    total = environment.stats.total
    seen = Seen(
        requests=total.num_requests,
        failures=total.num_failures,
        p95_ms=total.get_response_time_percentile(0.95) or 0,
    )
    said = summary(seen, SETTINGS.limits)
    environment.process_exit_code = 1 if broken(seen, SETTINGS.limits) else 0
    if options.html_file:
        folder = Path(options.html_file).parent
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.txt").write_text(f"{said}\n", encoding="utf-8")
        said += f"\nload test: report in {folder}"

    @events.quit.add_listener
    def last(**_: object) -> None:
        # After Locust's tables, where it is looked for.
        _say(said)
