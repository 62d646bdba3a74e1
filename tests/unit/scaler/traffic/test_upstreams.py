"""From ready replicas to nginx, and from nginx back to ``serving``."""

# ruff: noqa: ANN401 - keywords stand for the fields of a Replica

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from scaler.model.errors import BalancerError, TargetError
from scaler.model.labels import Limits
from scaler.model.reasons import ErrorReason, EventKind
from scaler.model.services import Instance, Observation, Replica, Service
from scaler.model.view import Readiness
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.traffic.nginx import Nginx
from scaler.traffic.upstreams import Traffic
from tests.fakes import NETWORK, NGINX, Clock, FakeNginx

WEB, API, BLOG = ("shop", "web"), ("shop", "api"), ("blog", "web")
NGINX_RUNS = Instance(id=NGINX, networks=frozenset({NETWORK}), running=True)
NGINX_DOWN = Instance(id=NGINX, networks=frozenset({NETWORK}), running=False)


def replica(name: str, status: str = "running", **fields: Any) -> Replica:
    """A replica called by one letter, with an address of its own."""
    base: dict[str, Any] = {"addresses": {NETWORK: f"10.0.0.{ord(name)}"}, "ports": (80,)}
    return Replica(id=name, name=name, number=ord(name), status=status, **(base | fields))


def server(name: str) -> str:
    return f"10.0.0.{ord(name)}:80"


class Loop:
    """What the loop does around :meth:`Traffic.sync`."""

    def __init__(self, home: Path) -> None:
        (home / "upstreams").mkdir()
        self.nginx = FakeNginx(directory=home / "upstreams")
        self.journal = Journal(path=home / "journal.sqlite")
        self.metrics = Metrics(CollectorRegistry())
        self.world, clock = World(), Clock()
        self.traffic = Traffic(
            balancer=Nginx(
                directory=home / "upstreams",
                control=self.nginx,
                pause=clock.advance,
                monotonic=clock.monotonic,
            ),
            world=self.world,
            recorder=Recorder(journal=self.journal, metrics=self.metrics, wall=lambda: 1.0),
            metrics=self.metrics,
            own_project="shop",
        )
        self.services: dict[tuple[str, str], tuple[Replica, ...]] = {}
        self.balancer: Instance | None = NGINX_RUNS
        self.limits = Limits()
        self.draining = ""

    def sync(self, ready: str, now: float = 0.0, *, relisted: bool = True) -> str:
        """Make a pass in which these replicas are ready; return who serves, in order."""
        every = [r for replicas in self.services.values() for r in replicas]
        view = self.world.update(
            observation=Observation(
                services=tuple(Service(key=k, replicas=r) for k, r in sorted(self.services.items())),
                balancer=self.balancer,
            ),
            limits=dict.fromkeys(self.services, self.limits),
            readiness={r.id: Readiness(ready=r.id in ready) for r in every},
            draining=frozenset(self.draining),
        )
        self.traffic.sync(view, now, relisted=relisted)
        return "".join(sorted(self.world.view.serving))

    def reloads(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("alertscale_reloads_total", {"outcome": outcome}) or 0.0


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(tmp_path)
    yield made
    made.journal.close()


def test_ready_replicas_serve_and_nginx_has_exactly_them(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"), replica("b"), replica("c", "exited"))}

    assert loop.sync("a") == "a"
    assert loop.sync("ab") == "ab"
    assert loop.nginx.servers("web") == [server("a"), server("b")]
    assert loop.sync("b") == "b"
    assert loop.nginx.servers("web") == [server("b")]


def test_nginx_is_left_alone_while_nothing_changes(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"),)}
    loop.sync("a")
    asked = loop.nginx.asked
    for _ in range(5):
        loop.sync("a", relisted=False)

    assert loop.nginx.asked == asked
    assert loop.traffic.next_due() == math.inf


def test_after_each_new_list_nginx_is_looked_at(loop: Loop) -> None:
    """It may be another one than before, which has files of its own."""
    loop.services = {WEB: (replica("a"),)}
    loop.sync("a")
    loop.nginx.restart(master=300)
    loop.sync("a", relisted=True)

    assert loop.nginx.servers("web") == [server("a")]
    assert loop.nginx.reloads == 2


def test_a_pass_that_did_not_know_of_it_lets_go_of_nobody(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"), replica("b"))}
    loop.sync("ab")
    before = loop.world.view
    loop.world.mark_draining("b")
    loop.traffic.sync(before, 0.0, relisted=True)
    assert not loop.world.view.has_let_go("b")

    loop.draining = "b"
    assert loop.sync("ab") == "a"
    assert loop.world.view.has_let_go("b")


def test_one_that_leaves_again_must_be_let_go_again(loop: Loop) -> None:
    loop.services, loop.draining = {WEB: (replica("a"), replica("b"))}, "b"
    loop.sync("ab")
    loop.world.unmark_draining("b")
    loop.world.mark_draining("b")

    assert not loop.world.view.has_let_go("b")


def test_nobody_is_let_go_while_it_is_not_known_what_nginx_has(loop: Loop) -> None:
    """The scaler before this one may have put it in."""
    loop.services, loop.draining = {WEB: (replica("a"), replica("b"))}, "b"
    loop.nginx.refuses = BalancerError("nginx refuses", reason=ErrorReason.CONFIG_TEST_FAILED)
    assert loop.sync("ab") == ""
    assert not loop.world.view.has_let_go("b")

    loop.nginx.refuses = None
    loop.sync("ab", now=3.0)
    assert loop.world.view.has_let_go("b")


def test_without_nginx_everybody_is_let_go(loop: Loop) -> None:
    loop.services, loop.draining, loop.balancer = {WEB: (replica("a"), replica("b"))}, "b", None
    loop.sync("ab")

    assert loop.world.view.has_let_go("b")


def test_an_upstream_is_never_empty(loop: Loop) -> None:
    """The last that served are left, as long as they live."""
    loop.services = {WEB: (replica("a"), replica("b"))}
    loop.sync("ab")

    assert loop.sync("") == "ab"
    assert loop.nginx.servers("web") == [server("a"), server("b")]
    loop.services = {WEB: (replica("a", "exited"), replica("b"))}
    assert loop.sync("") == "b"


def test_one_that_leaves_is_taken_out(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"), replica("b"))}
    loop.sync("ab")
    loop.draining = "b"

    assert loop.sync("ab", relisted=False) == "a"
    assert loop.nginx.servers("web") == [server("a")]


def test_a_new_address_is_a_change(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"),)}
    loop.sync("a")
    loop.services = {WEB: (replica("a", addresses={NETWORK: "10.0.9.9"}),)}
    loop.sync("a", relisted=True)

    assert loop.nginx.servers("web") == ["10.0.9.9:80"]


def test_services_of_other_projects_carry_its_name(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"),), BLOG: (replica("b"),)}
    loop.sync("ab")

    assert loop.nginx.servers("web") == [server("a")]
    assert loop.nginx.servers("blog.web") == [server("b")]
    assert "# fallback web:80\n" in loop.nginx.loaded["blog.web.conf"]


def test_the_label_chooses_the_port(loop: Loop) -> None:
    loop.services = {WEB: (replica("a", ports=(80, 443)),)}
    loop.limits = Limits(port=443)
    loop.sync("a")

    assert loop.nginx.servers("web") == [f"10.0.0.{ord('a')}:443"]


def test_what_nginx_cannot_reach_serves_without_it(loop: Loop) -> None:
    """A service on a network of its own is scaled, but gets its traffic from somebody else."""
    loop.services = {API: (replica("b", addresses={"other": "10.1.0.2"}),), WEB: (replica("a"),)}

    assert loop.sync("ab") == "ab"
    assert "api.conf" not in loop.nginx.loaded
    assert loop.sync("a", relisted=False) == "a"


def test_without_any_nginx_whoever_is_ready_serves(loop: Loop) -> None:
    loop.balancer = None
    loop.services = {WEB: (replica("a"), replica("b"))}

    assert loop.sync("a") == "a"
    assert loop.sync("ab", relisted=False) == "ab"
    assert loop.nginx.asked == 0


def test_while_nginx_does_not_run_files_are_written_for_its_start(loop: Loop) -> None:
    loop.balancer = NGINX_DOWN
    loop.services = {WEB: (replica("a"),)}

    assert loop.sync("a") == "a"
    assert (loop.nginx.directory / "current" / "web.conf").exists()
    assert loop.reloads("written") == 1


def test_while_nginx_starts_nobody_new_serves_and_it_is_asked_again_soon(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"),)}
    loop.nginx.master = None

    assert loop.sync("a", now=5.0) == ""
    assert loop.traffic.next_due() == pytest.approx(5.1)
    loop.nginx.master = 1
    assert loop.sync("a", now=5.05, relisted=False) == ""
    assert loop.sync("a", now=5.1, relisted=False) == "a"
    assert loop.traffic.next_due() == math.inf


REFUSED = BalancerError("nginx refuses: [emerg]", reason=ErrorReason.CONFIG_TEST_FAILED)


def test_after_a_failure_those_who_served_still_do_and_nobody_new(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"), replica("b"), replica("c"))}
    loop.sync("ab")
    loop.nginx.refuses = REFUSED

    assert loop.sync("bc", now=10.0) == "ab"
    assert loop.traffic.error == "nginx refuses: [emerg]"
    assert loop.reloads("test_failed") == 1


def test_a_failure_is_tried_again_after_a_moment(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"), replica("b"))}
    loop.sync("a")
    loop.nginx.refuses = REFUSED
    loop.sync("ab", now=10.0)
    assert loop.traffic.next_due() == 12.0
    loop.nginx.refuses = None

    assert loop.sync("ab", now=11.9) == "a"
    assert loop.sync("ab", now=12.0, relisted=False) == "ab"
    assert loop.traffic.error == ""
    assert loop.traffic.next_due() == math.inf


def test_a_failure_that_lasts_is_told_once_and_counted_each_time(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"),)}
    loop.nginx.refuses = REFUSED
    for second in (0, 2, 4):
        loop.sync("a", now=float(second))

    assert [e.text for e in loop.journal.events(kind=EventKind.FAULT)] == ["nginx refuses: [emerg]"]
    assert loop.reloads("test_failed") == 3


def test_a_reload_that_is_not_taken_counts_as_such(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"),)}
    loop.nginx.deaf = True
    loop.sync("a")

    assert loop.reloads("reload_failed") == 1
    assert "did not take the new upstreams" in loop.traffic.error


def test_an_engine_that_does_not_answer_counts_as_no_reload(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"),)}
    loop.nginx.broken = TargetError("no answer", reason=ErrorReason.ENGINE_UNAVAILABLE)
    loop.sync("a")

    assert loop.traffic.error == "no answer"
    assert loop.reloads("test_failed") + loop.reloads("reload_failed") == 0


def test_a_reload_is_told_with_the_upstreams(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"), replica("b"))}
    loop.sync("ab")
    (event,) = loop.journal.events(kind=EventKind.RELOAD)

    assert event.detail == {"upstreams": {"web": [server("a"), server("b")]}}
    assert loop.reloads("reloaded") == 1


def test_a_service_that_nginx_cannot_name_is_left_out_and_told(loop: Loop) -> None:
    """Compose allows a service to be called ``.api``; nginx's include would pass over its file."""
    loop.services = {("shop", ".api"): (replica("b"),), WEB: (replica("a"),)}
    loop.sync("ab")

    assert loop.nginx.servers("web") == [server("a")]
