"""From ready replicas to nginx, and from nginx back to ``serving``."""

# ruff: noqa: ANN401 - keywords stand for the fields of a Replica

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from scaler.engines.contract import LeftOut, LeftOutKind
from scaler.model.errors import BalancerError, TargetError
from scaler.model.labels import Limits, Requests
from scaler.model.reasons import ErrorReason, EventKind
from scaler.model.records import EventQuery
from scaler.model.services import Instance, Observation, Replica, Service
from scaler.model.view import Readiness
from scaler.policy.reloads import LONGEST
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.traffic.nginx import Nginx
from scaler.traffic.upstreams import Traffic
from tests.fakes import NETWORK, NGINX, AtOnce, Clock, FakeNginx

WEB, API, BLOG = ("shop", "web"), ("shop", "api"), ("blog", "web")
NGINX_RUNS = Instance(id=NGINX, networks=frozenset({NETWORK}), running=True)
NGINX_DOWN = Instance(id=NGINX, networks=frozenset({NETWORK}), running=False)


NOBODY = "127.0.0.1:8082"


def replica(name: str, status: str = "running", **fields: Any) -> Replica:
    """A replica called by one letter, with an address of its own."""
    base: dict[str, Any] = {"addresses": {NETWORK: f"10.0.0.{ord(name)}"}, "ports": (80,)}
    return Replica(id=name, name=name, number=ord(name), status=status, **(base | fields))


def server(name: str) -> str:
    return f"10.0.0.{ord(name)}:80"


class Loop:
    """What the loop does around :meth:`Traffic.sync`."""

    def __init__(
        self, home: Path, *, nginx: FakeNginx | None = None, executor: Executor | None = None
    ) -> None:
        self.woken: list[None] = []
        (home / "upstreams").mkdir(exist_ok=True)
        self.nginx = nginx or FakeNginx(directory=home / "upstreams")
        self.journal = Journal(path=home / f"{'again' if nginx else 'journal'}.sqlite")
        self.metrics = Metrics(CollectorRegistry())
        self.world, self.clock = World(), Clock()
        self.traffic = Traffic(
            balancer=Nginx(
                directory=home / "upstreams",
                control=self.nginx,
                pause=self.clock.advance,
                monotonic=self.clock.monotonic,
            ),
            world=self.world,
            recorder=Recorder(journal=self.journal, metrics=self.metrics, wall=lambda: 1.0),
            metrics=self.metrics,
            own_project="shop",
            executor=executor or AtOnce(),
            wake=lambda: self.woken.append(None),
        )
        self.services: dict[tuple[str, str], tuple[Replica, ...]] = {}
        self.balancer: Instance | None = NGINX_RUNS
        self.limits = Limits()
        self.unread: set[tuple[str, str]] = set()
        """Services whose port cannot be read."""
        self.draining = ""
        self.stopping = ""
        self.unasked = ""
        self.anew = ""

    def sync(self, ready: str, now: float = 0.0, *, relisted: bool = True) -> str:
        """Make a pass in which these replicas are ready; return who serves, in order."""
        every = [r for replicas in self.services.values() for r in replicas]
        view = self.world.update(
            observation=Observation(
                services=tuple(Service(key=k, replicas=r) for k, r in sorted(self.services.items())),
                balancer=self.balancer,
                routes={
                    r.id: Limits() if key in self.unread else self.limits
                    for key, replicas in self.services.items()
                    for r in replicas
                },
            ),
            readiness={
                r.id: Readiness(ready=r.id in ready, anew=r.id in self.anew)
                for r in every
                if r.id not in self.unasked
            },
            draining=frozenset(self.draining),
            stopping=frozenset(self.stopping),
        )
        self.traffic.sync(view, now, relisted=relisted)
        return "".join(sorted(self.world.view.serving))

    def faults(self) -> list[str]:
        return [event.text for event in self.journal.events(EventQuery(kind=EventKind.FAULT))][::-1]

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


class TestNobodyIsReady:
    """Who is tried then, and what is answered when nobody can be."""

    def test_those_that_served_are_tried_as_long_as_they_live(self, loop: Loop) -> None:
        """An overloaded replica fails its readiness, too."""
        loop.services = {WEB: (replica("a"), replica("b"), replica("c"))}
        loop.sync("ab")

        assert loop.sync("") == "ab"
        assert loop.nginx.servers("web") == [server("a"), server("b")]
        loop.services = {WEB: (replica("a", "exited", addresses={}), replica("b"), replica("c"))}
        assert loop.sync("") == "b"
        assert loop.nginx.servers("web") == [server("b")]

    def test_an_address_is_out_at_once_when_its_replica_is_gone(self, loop: Loop) -> None:
        """Docker gives it to the next container that starts, of whatever service."""
        loop.services = {WEB: (replica("a"),), API: (replica("b"),)}
        loop.sync("ab")
        loop.services = {WEB: (replica("c", "created", addresses={}),), API: (replica("b"),)}

        assert loop.sync("b") == "b"
        assert loop.nginx.servers("web") == [NOBODY]
        assert loop.nginx.servers("api") == [server("b")]

    def test_a_new_replica_is_not_tried_before_it_is_ready(self, loop: Loop) -> None:
        loop.services = {WEB: (replica("a"),)}
        assert loop.sync("") == ""
        assert loop.nginx.servers("web") == [NOBODY]

        assert loop.sync("a") == "a"
        assert loop.nginx.servers("web") == [server("a")]

    def test_one_that_somebody_has_asked_to_stop_is_not_tried(self, loop: Loop) -> None:
        """Its address may be another's a moment after its end."""
        loop.services = {WEB: (replica("a"),)}
        loop.sync("a")
        loop.stopping = "a"

        assert loop.sync("a") == ""
        assert loop.nginx.servers("web") == [NOBODY]

    def test_one_that_we_take_away_is_tried_when_there_is_no_other(self, loop: Loop) -> None:
        loop.services = {WEB: (replica("a"), replica("b"))}
        loop.sync("ab")
        loop.draining = "b"

        assert loop.sync("") == "a"
        loop.services = {WEB: (replica("b"),)}
        loop.sync("b")
        assert loop.nginx.servers("web") == [NOBODY]

    def test_a_service_that_is_gone_has_no_file(self, loop: Loop) -> None:
        loop.services = {WEB: (replica("a"),), API: (replica("b"),)}
        loop.sync("ab")
        loop.services = {WEB: (replica("a"),)}
        loop.sync("a")

        assert loop.nginx.loaded.keys() == {"web.conf"}

    def test_a_port_that_cannot_be_read_is_the_one_that_nginx_has(self, loop: Loop) -> None:
        loop.limits = Limits(requests=Requests(port=8000))
        faulty = {"alertscale.port": "x"}
        loop.services = {WEB: (replica("a", labels=faulty), replica("b", labels=faulty))}
        loop.sync("ab")
        loop.unread = {WEB}
        loop.sync("")
        assert loop.nginx.servers("web") == ["10.0.0.97:8000", "10.0.0.98:8000"]

        loop.services = {WEB: (replica("b", labels=faulty),)}
        loop.sync("")
        assert loop.nginx.servers("web") == ["10.0.0.98:8000"]

    def test_what_nginx_begins_with_are_names_that_are_the_replicas_own(self, loop: Loop) -> None:
        loop.services = {WEB: (replica("a"), replica("b"), replica("c", "exited", addresses={}))}
        loop.sync("a")
        assert loop.nginx.loaded["web.conf"].count("# replica a:80\n") == 1
        assert "# replica b:80" not in loop.nginx.loaded["web.conf"]

        loop.services = {WEB: (replica("b"), replica("c", "exited", addresses={}))}
        loop.sync("")
        assert "# replica b:80\n" in loop.nginx.loaded["web.conf"]
        assert "# replica c:80" not in loop.nginx.loaded["web.conf"]


class TestStart:
    """A scaler that has just started knows neither who is ready nor who was."""

    def begin(self, loop: Loop, ready: str) -> Loop:
        """Let another loop find what one has left."""
        loop.sync(ready)
        again = Loop(loop.nginx.directory.parent, nginx=loop.nginx)
        again.services = dict(loop.services)
        return again

    def test_it_leaves_nginx_as_it_is_until_each_has_been_asked(self, loop: Loop) -> None:
        loop.services = {WEB: (replica("a"), replica("b")), API: (replica("c"),)}
        again = self.begin(loop, "abc")
        again.unasked = "bc"
        assert again.sync("a") == ""
        assert again.nginx.servers("web") == [server("a"), server("b")]

        again.unasked = ""
        assert again.sync("ac") == "ac"
        assert again.nginx.servers("web") == [server("a")]

    def test_one_that_does_not_answer_holds_up_the_others_for_some_seconds_only(self, loop: Loop) -> None:
        loop.services = {WEB: (replica("a"),), API: (replica("b"),)}
        again = self.begin(loop, "ab")
        again.unasked = "b"
        again.services = {WEB: (replica("c"),), API: (replica("b"),)}
        assert again.sync("c", now=10.0) == ""
        assert again.sync("c", now=12.9) == ""

        assert again.sync("c", now=13.0) == "bc"
        assert again.nginx.servers("web") == [server("c")]

    def test_one_that_is_overloaded_goes_on_being_tried(self, loop: Loop) -> None:
        loop.services = {WEB: (replica("a"), replica("b"))}
        again = self.begin(loop, "a")

        assert again.sync("") == "a"
        assert again.nginx.servers("web") == [server("a")]
        assert again.sync("") == "a"

    def test_one_that_nginx_knows_by_its_name_is_known(self, loop: Loop) -> None:
        loop.services = {WEB: (replica("a"), replica("b"))}
        again = self.begin(loop, "a")
        file = again.nginx.directory / "current" / "web.conf"
        file.write_text("upstream web {\n    server b:80 resolve max_fails=0;\n}\n")

        assert again.sync("") == "b"

    def test_an_address_that_is_another_services_by_now_is_not_its_own(self, loop: Loop) -> None:
        loop.services = {WEB: (replica("a"),)}
        again = self.begin(loop, "a")
        taken = replica("x", addresses=replica("a").addresses)
        again.services = {API: (taken,), WEB: (replica("b"),)}

        assert again.sync("x") == "x"
        assert again.nginx.servers("web") == [NOBODY]


class TestNames:
    def test_one_that_differs_in_case_alone_is_the_older_services(self, loop: Loop) -> None:
        loop.services = {
            ("shop", "A"): (replica("a", created_at=200.0), replica("x", created_at=150.0)),
            ("shop", "a"): (replica("b", created_at=100.0),),
            WEB: (replica("c"),),
        }
        loop.sync("abcx")

        assert loop.nginx.loaded.keys() == {"a.conf", "web.conf"}
        assert loop.nginx.servers("a") == [server("b")]
        (sentence,) = loop.world.view.unserved["shop", "A"]
        assert sentence == (
            "nginx cannot tell A from the service a of the project shop, which has that name;"
            " give the service another name"
        )
        loop.sync("abcx")
        (event,) = loop.journal.events(EventQuery(kind=EventKind.FAULT))
        assert (event.text, event.service, event.reason) == (sentence, ("shop", "A"), ErrorReason.LABELS)

    def test_a_name_with_a_dot_may_be_that_of_another_projects_service(self, loop: Loop) -> None:
        loop.services = {
            ("shop", "blog.web"): (replica("a", created_at=2.0),),
            BLOG: (replica("b", created_at=1.0),),
        }
        loop.sync("ab")

        assert loop.nginx.servers("blog.web") == [server("b")]
        assert loop.world.view.unserved.keys() == {("shop", "blog.web")}

    def test_of_two_as_old_it_is_always_the_same(self, loop: Loop) -> None:
        loop.services = {("shop", "a"): (replica("a"),), ("shop", "A"): (replica("b"),)}
        loop.sync("ab")
        assert loop.nginx.loaded.keys() == {"A.conf"}

    def test_one_that_is_free_again_is_given_to_the_other(self, loop: Loop) -> None:
        loop.services = {("shop", "a"): (replica("a"),), ("shop", "A"): (replica("b"),)}
        loop.sync("ab")
        del loop.services["shop", "A"]
        loop.sync("a")

        assert loop.nginx.loaded.keys() == {"a.conf"}
        assert loop.world.view.unserved == {}

    @pytest.mark.parametrize("other", [("shop", "A"), ("shop", "blog.web")])
    def test_whoever_has_it_keeps_it_when_all_of_its_containers_are_made_anew(
        self, loop: Loop, other: tuple[str, str]
    ) -> None:
        """Over a restart of the scaler, too: else visitors of the one were answered by the other."""
        owner, name = (BLOG, "blog.web") if other == ("shop", "blog.web") else (("shop", "a"), "a")
        loop.services = {owner: (replica("a", created_at=1.0),), other: (replica("b", created_at=2.0),)}
        loop.sync("ab")
        loop.services[owner] = (replica("c", created_at=3.0),)
        loop.sync("bc")
        assert loop.nginx.servers(name) == [server("c")]

        again = Loop(loop.nginx.directory.parent, nginx=loop.nginx)
        again.services = {**loop.services, owner: (replica("d", created_at=4.0),)}
        again.sync("bd")
        assert again.nginx.servers(name) == [server("d")]
        assert again.world.view.unserved.keys() == {other}

    def test_what_nginx_cannot_reach_takes_no_name(self, loop: Loop) -> None:
        loop.services = {
            ("shop", "A"): (replica("a", addresses={"other": "10.1.0.2"}),),
            ("shop", "a"): (replica("b"),),
        }
        loop.sync("ab")
        assert loop.nginx.servers("a") == [server("b")]


class Later(Executor):
    """Runs what is submitted when it is told so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - a future hands on whatever was raised
                future.set_exception(error)

        self.waiting.append(run)
        return future

    def run(self) -> None:
        (run,) = self.waiting
        self.waiting = []
        run()


class TestUnderWay:
    """nginx is given something, and takes its time."""

    @pytest.fixture
    def later(self) -> Later:
        return Later()

    @pytest.fixture
    def slow(self, tmp_path: Path, later: Later) -> Iterator[Loop]:
        made = Loop(tmp_path, executor=later)
        made.services = {WEB: (replica("a"), replica("b"), replica("c"))}
        made.sync("a")
        later.run()
        assert made.sync("a", relisted=False) == "a"
        yield made
        made.journal.close()

    def test_the_loop_goes_on_and_is_woken_when_it_is_over(self, slow: Loop, later: Later) -> None:
        before = len(slow.woken)
        for _ in range(3):
            assert slow.sync("ab", relisted=False) == "a"
        assert (slow.traffic.next_due(), len(slow.woken)) == (math.inf, before)

        later.run()
        assert len(slow.woken) == before + 1
        assert slow.sync("ab", relisted=False) == "ab"
        assert slow.nginx.reloads == 2

    def test_what_is_wanted_when_it_is_over_comes_next(self, slow: Loop, later: Later) -> None:
        """Whatever was wanted in between."""
        slow.sync("ab", relisted=False)
        slow.sync("abc", relisted=False)
        slow.sync("bc", relisted=False)
        later.run()
        assert slow.sync("bc", relisted=False) == "ab"
        later.run()

        assert slow.sync("bc", relisted=False) == "bc"
        assert (later.waiting, slow.nginx.reloads) == ([], 3)

    def test_one_that_was_restarted_meanwhile_is_new_and_out_until_it_is_ready(
        self, slow: Loop, later: Later
    ) -> None:
        slow.services = {WEB: (replica("b"),)}
        slow.sync("b")
        slow.anew = "b"
        slow.sync("", relisted=False)
        later.run()
        slow.sync("", relisted=False)
        later.run()

        assert slow.sync("", relisted=False) == ""
        assert slow.nginx.servers("web") == [NOBODY]

    def test_a_new_list_meanwhile_is_looked_at_afterwards(self, slow: Loop, later: Later) -> None:
        slow.sync("ab", relisted=False)
        moved = replica("a", addresses={NETWORK: "10.0.9.9"})
        slow.services = {WEB: (moved, replica("b"), replica("c"))}
        slow.sync("ab", relisted=True)
        later.run()
        slow.sync("ab", relisted=False)
        later.run()

        assert slow.nginx.servers("web") == ["10.0.0.98:80", "10.0.9.9:80"]

    def test_one_that_is_on_its_way_in_is_not_let_go(self, slow: Loop, later: Later) -> None:
        slow.sync("ab", relisted=False)
        slow.draining = "b"
        slow.sync("ab", relisted=False)
        assert not slow.world.view.has_let_go("b")

        later.run()  # nginx has it
        assert slow.sync("ab", relisted=False) == "ab"
        assert not slow.world.view.has_let_go("b")
        later.run()  # and has it no more
        assert slow.sync("ab", relisted=False) == "a"
        assert slow.world.view.has_let_go("b")

    def test_one_that_is_on_its_way_out_is_let_go_when_it_is_out(self, slow: Loop, later: Later) -> None:
        slow.sync("ab", relisted=False)
        later.run()
        slow.sync("ab", relisted=False)
        slow.draining = "b"
        assert slow.sync("ab", relisted=False) == "ab"
        assert not slow.world.view.has_let_go("b")
        later.run()

        assert slow.sync("ab", relisted=False) == "a"
        assert slow.world.view.has_let_go("b")

    def test_one_that_nginx_neither_has_nor_gets_is_let_go_meanwhile(self, slow: Loop) -> None:
        slow.sync("ab", relisted=False)
        slow.draining = "c"
        slow.sync("ab", relisted=False)

        assert slow.world.view.has_let_go("c")

    def test_one_that_nginx_may_have_is_not_let_go_until_it_is_known(self, slow: Loop, later: Later) -> None:
        """After a minute a reload is told as slow, and may end well all the same."""
        slow.nginx.slow = True
        slow.sync("ab", now=10.0, relisted=False)
        later.run()
        assert slow.sync("ab", now=70.0, relisted=False) == "a"
        assert "over 60 s" in slow.traffic.error
        slow.draining = "b"
        for second in (72.0, 74.0):
            assert slow.sync("ab", now=second, relisted=False) == "a"
            assert not slow.world.view.has_let_go("b")
            later.run()
            slow.sync("ab", now=second, relisted=False)
            assert not slow.world.view.has_let_go("b")
        assert slow.faults() == [slow.traffic.error]

        slow.nginx.slow = False
        slow.nginx.finish()
        slow.sync("ab", now=76.0, relisted=False)
        later.run()
        assert slow.sync("ab", now=76.0, relisted=False) == "a"
        assert slow.nginx.servers("web") == [server("a")]
        assert slow.world.view.has_let_go("b")
        assert slow.traffic.error == ""

    @pytest.mark.parametrize("method", ["test", "reload"])
    def test_a_fault_of_our_own_is_a_failure_like_any_other(
        self, slow: Loop, later: Later, method: str
    ) -> None:
        """Whom nginx was given then it may have: nobody knows how far it came."""

        def fails(called: str) -> None:
            if called == method:
                raise KeyError("Processes")

        slow.nginx.before = fails
        slow.sync("ab", now=10.0, relisted=False)
        later.run()
        assert slow.sync("ab", now=10.0, relisted=False) == "a"
        assert "KeyError('Processes')" in slow.traffic.error
        assert (slow.traffic.next_due(), slow.reloads("reload_failed")) == (12.0, 1)
        slow.draining = "b"
        slow.sync("ab", now=11.0, relisted=False)
        assert not slow.world.view.has_let_go("b")

        slow.nginx.before = lambda _method: None
        slow.sync("ab", now=12.0, relisted=False)
        later.run()
        slow.sync("ab", now=12.0, relisted=False)
        assert slow.world.view.has_let_go("b")
        assert slow.traffic.error == ""

    def test_a_thread_that_cannot_be_started_is_tried_again(self, slow: Loop, later: Later) -> None:
        slow.nginx.restart(master=300)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(later, "submit", lambda *_args, **_more: (_ for _ in ()).throw(RuntimeError()))
            with pytest.raises(RuntimeError):
                slow.sync("a", relisted=True)
        slow.sync("a", relisted=False)
        later.run()

        assert slow.nginx.servers("web") == [server("a")]

    def test_one_that_never_ends_is_told(self, slow: Loop, later: Later) -> None:
        for second in (10.0, 190.0, 191.0, 200.0):
            slow.sync("ab", now=second, relisted=False)
        assert slow.faults() == [slow.traffic.error]
        assert "for over 180 s" in slow.traffic.error

        later.run()
        slow.sync("ab", now=201.0, relisted=False)
        assert slow.traffic.error == ""

    def test_what_nginx_does_not_carry_follows_readiness_meanwhile(self, slow: Loop) -> None:
        slow.services[API] = (replica("x", addresses={"other": "10.1.0.2"}),)
        slow.sync("ab", relisted=False)

        assert slow.sync("abx", relisted=False) == "ax"
        assert slow.sync("ab", relisted=False) == "a"


class TestManyOldWorkers:
    """A replica is ready now and not ready then, while downloads keep the old workers."""

    @pytest.fixture(autouse=True)
    def flapped(self, loop: Loop) -> None:
        loop.nginx.keeps_old = True
        loop.services = {WEB: (replica("a"), replica("b"), replica("c"))}
        for ready in ("a", "ab", "a", "ab", "a"):
            assert loop.sync(ready, relisted=False) == ready

    def test_one_that_comes_waits_for_some_seconds(self, loop: Loop) -> None:
        assert loop.sync("ab", now=10.0, relisted=False) == "a"
        assert loop.traffic.next_due() == 11.0
        assert (loop.traffic.error, loop.faults(), loop.nginx.reloads) == ("", [], 5)
        loop.clock.advance(LONGEST)

        assert loop.sync("ab", now=10.5, relisted=False) == "a"
        assert loop.sync("ab", now=11.0, relisted=False) == "ab"
        assert loop.traffic.next_due() == math.inf

    def test_one_that_must_leave_does_not_and_takes_the_other_along(self, loop: Loop) -> None:
        loop.sync("ab", now=10.0, relisted=False)
        loop.draining = "a"

        assert loop.sync("ab", now=10.1, relisted=False) == "b"
        assert loop.world.view.has_let_go("a")

    def test_nor_does_an_address_that_is_another(self, loop: Loop) -> None:
        loop.sync("ab", now=10.0, relisted=False)
        loop.services = {WEB: (replica("a", addresses={NETWORK: "10.0.9.9"}), replica("b"))}
        loop.sync("ab", now=10.1, relisted=True)

        assert loop.nginx.servers("web") == ["10.0.0.98:80", "10.0.9.9:80"]

    def test_nor_does_the_first_of_another_service(self, loop: Loop) -> None:
        loop.services[API] = (replica("x"),)

        assert loop.sync("ax", now=10.0) == "ax"

    def test_nor_does_one_that_was_never_in(self, loop: Loop) -> None:
        """It may be a step's, which gives it up after ``alertscale.ready-timeout``."""
        loop.sync("ab", now=10.0, relisted=False)

        assert loop.sync("abc", now=10.1, relisted=False) == "abc"
        assert loop.sync("ab", now=10.2, relisted=False) == "ab"
        assert loop.sync("abc", now=10.3, relisted=False) == "ab"

    def test_without_old_workers_nobody_waits(self, loop: Loop) -> None:
        loop.nginx.retire()

        assert loop.sync("ab", now=10.0, relisted=False) == "ab"


class TestLeftOut:
    SITE = LeftOut(
        kind=LeftOutKind.SITE, name="wiki.conf", became="503", why='host not found in upstream "wiki"'
    )
    UPSTREAM = LeftOut(kind=LeftOutKind.UPSTREAM, name="web", became="out", why='duplicate upstream "web"')
    PLACED = LeftOut(
        kind=LeftOutKind.PLACEHOLDER, name="x.y", became="503", why='host not found in upstream "x.y"'
    )

    def test_a_site_is_told_once_with_the_way_out_and_tried_again(self, loop: Loop) -> None:
        loop.services, loop.nginx.leaves_out = {WEB: (replica("a"),)}, (self.SITE,)
        assert loop.sync("a", now=10.0) == "a"
        assert "the site wiki.conf; its visitors are answered 503: host not found" in loop.traffic.error
        assert "resolver 127.0.0.11" in loop.traffic.error
        assert loop.traffic.next_due() == 15.0
        for second in range(11, 31):
            loop.sync("a", now=float(second), relisted=second % 2 == 0)

        assert loop.faults() == [loop.traffic.error]
        assert loop.reloads("test_failed") > 1
        assert loop.reloads("reloaded") == 1

    def test_it_holds_up_no_change_and_is_taken_when_it_is_mended(self, loop: Loop) -> None:
        loop.services, loop.nginx.leaves_out = {WEB: (replica("a"), replica("b"))}, (self.SITE,)
        loop.sync("a", now=10.0)
        assert loop.sync("ab", now=10.1, relisted=False) == "ab"
        assert loop.nginx.servers("web") == [server("a"), server("b")]

        loop.nginx.leaves_out = ()
        loop.clock.advance(20)
        loop.sync("ab", now=30.0, relisted=False)
        assert (loop.traffic.error, loop.traffic.next_due()) == ("", math.inf)

    def test_an_upstream_is_a_fault_of_its_service(self, loop: Loop) -> None:
        loop.services, loop.nginx.leaves_out = {WEB: (replica("a"),), API: (replica("b"),)}, (self.UPSTREAM,)
        loop.sync("ab")

        assert loop.world.view.unserved == {
            WEB: ('nginx does without the upstream web: duplicate upstream "web"',)
        }
        (event,) = loop.journal.events(EventQuery(kind=EventKind.FAULT))
        assert (event.service, event.reason) == (WEB, ErrorReason.CONFIG_TEST_FAILED)
        assert loop.nginx.servers("api") == [server("b")]

    def test_a_placeholder_is_told_and_is_no_error(self, loop: Loop) -> None:
        """A project that is down on purpose has a site all the same."""
        loop.services, loop.nginx.leaves_out = {WEB: (replica("a"),)}, (self.PLACED,)
        loop.sync("a")

        assert loop.traffic.error == ""
        assert loop.faults() == [
            'no service is called x.y; who asks for it is answered 503: host not found in upstream "x.y"'
        ]
        assert loop.reloads("test_failed") == 0


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
    assert "# replica b:80\n" in loop.nginx.loaded["blog.web.conf"]


def test_the_label_chooses_the_port(loop: Loop) -> None:
    loop.services = {WEB: (replica("a", ports=(80, 443)),)}
    loop.limits = Limits(requests=Requests(port=443))
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


@pytest.mark.parametrize("away", [None, Instance(id=NGINX, networks=frozenset(), running=False)])
def test_while_nginx_is_made_anew_what_it_begins_with_stays(loop: Loop, away: Instance | None) -> None:
    """``docker compose rm -sf nginx && docker compose up -d nginx``: it begins with whom it had."""
    loop.services = {WEB: (replica("a"), replica("b"))}
    loop.sync("ab")
    before = (loop.nginx.directory / "current").readlink()
    loop.balancer, loop.draining = away, "b"
    assert loop.sync("ab", now=10.0) == "a"
    assert loop.world.view.has_let_go("b")
    assert (loop.nginx.directory / "current").readlink() == before
    assert (loop.reloads("written"), loop.traffic.next_due()) == (0, math.inf)

    loop.balancer = NGINX_RUNS
    loop.nginx.restart(master=300)
    assert loop.sync("ab", now=20.0) == "a"
    assert loop.nginx.servers("web") == [server("a")]


def test_a_failure_from_before_nginx_went_is_over(loop: Loop) -> None:
    loop.services, loop.nginx.refuses = {WEB: (replica("a"),)}, REFUSED
    loop.sync("a")
    assert loop.traffic.error
    loop.balancer = None

    assert loop.sync("a", now=10.0) == "a"
    assert (loop.traffic.error, loop.traffic.next_due()) == ("", math.inf)


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

    assert [e.text for e in loop.journal.events(EventQuery(kind=EventKind.FAULT))] == [
        "nginx refuses: [emerg]"
    ]
    assert loop.reloads("test_failed") == 3


SAYS = (
    "2026/11/30 06:27:{0:02} [emerg] {0}#{0}: no space in /etc/nginx/upstreams/generation-{0}/web.conf:1",
    "nginx -t ended with 137: 2026-11-30T06:27:{0:02}.5Z boot-17{0}-7 was killed after {0}.5 s",
    "/usr/local/bin/alertscale-accept: cannot create /tmp/tmp.ab{0}Cd/said: no space left on device",
    "No such container: {0:064x}: HTTPConnection object at 0x7f{0}",
)


def refused(text: str) -> BalancerError:
    return BalancerError(text, reason=ErrorReason.CONFIG_TEST_FAILED)


@pytest.mark.parametrize("says", SAYS)
def test_it_is_the_same_failure_whatever_clock_and_ids_it_is_told_with(loop: Loop, says: str) -> None:
    loop.services = {WEB: (replica("a"),)}
    for tries in range(3):
        loop.nginx.refuses = refused(says.format(tries))
        loop.sync("a", now=2.0 * tries)

    assert loop.traffic.error == says.format(2)
    assert loop.faults() == [says.format(0)]


def test_failures_that_take_turns_are_told_once_each_until_nginx_has_what_it_should(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"), replica("b"))}
    for tries in range(6):
        loop.nginx.refuses = refused(f"in web.conf:{tries % 2}")
        loop.sync("a", now=2.0 * tries)
    assert loop.faults() == ["in web.conf:0", "in web.conf:1"]

    loop.nginx.refuses = None
    loop.sync("a", now=20.0)
    loop.nginx.refuses = refused("in web.conf:1")
    loop.sync("ab", now=30.0)
    assert loop.faults() == ["in web.conf:0", "in web.conf:1", "in web.conf:1"]


def test_what_is_left_out_is_told_once_whatever_ids_it_is_told_with(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"), replica("b"))}
    for tries, ready in enumerate(("a", "ab", "b")):
        why = f"cannot read /etc/nginx/upstreams/generation-{tries}/x:1"
        loop.nginx.leaves_out = (LeftOut(kind=LeftOutKind.SITE, name="x.conf", became="503", why=why),)
        loop.sync(ready, now=100.0 * tries)

    assert len(loop.faults()) == 1


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


def test_an_engine_that_does_not_answer_is_told_when_that_lasts(loop: Loop) -> None:
    """Once it hung, what asked nginx may hear so when it answers again."""
    loop.services = {WEB: (replica("a"),)}
    loop.nginx.broken = TargetError("no answer", reason=ErrorReason.ENGINE_UNAVAILABLE)
    told = []
    for nth in range(4):
        loop.sync("a", now=3.0 * nth)
        told.append([e.text for e in loop.journal.events(EventQuery(kind=EventKind.FAULT))])

    assert told == [[], ["no answer"], ["no answer"], ["no answer"]]


def test_a_reload_is_told_with_the_upstreams(loop: Loop) -> None:
    loop.services = {WEB: (replica("a"), replica("b"))}
    loop.sync("ab")
    (event,) = loop.journal.events(EventQuery(kind=EventKind.RELOAD))

    assert event.detail == {"upstreams": {"web": [server("a"), server("b")]}}
    assert loop.reloads("reloaded") == 1


def test_a_service_that_nginx_cannot_name_is_left_out_and_told(loop: Loop) -> None:
    """Compose allows a service to be called ``.api``; nginx's include would pass over its file."""
    loop.services = {("shop", ".api"): (replica("b"),), WEB: (replica("a"),)}
    loop.sync("ab")

    assert loop.nginx.servers("web") == [server("a")]
