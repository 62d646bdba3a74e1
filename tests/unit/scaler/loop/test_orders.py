"""What people and Alertmanager ask of the loop, and what becomes of it."""

import pytest

from scaler.loop.knowledge import ORDER_ENDS_AFTER
from scaler.model.errors import LabelError, RequestError, UnavailableError
from scaler.model.reasons import Direction, EventKind, IgnoredReason, Pause
from tests.fakes import until
from tests.unit.scaler.rig import (
    BLOG,
    HIGH,
    HIGH_ENDS,
    LOW,
    LOW_ENDS,
    WEB,
    Rig,
    alert,
    labels,
    never,
    running,
    watchdog,
)


class TestByHand:
    def test_a_count_is_reached_step_by_step_whatever_the_cooldown(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.cooldown.up": "1h", "alertscale.cooldown.down": "1h"})
        with running(rig):
            assert rig.orders.scale("web", 3).hold.wanted == 3
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
            until(lambda: rig.service().hold.wanted is None)
            rig.orders.scale("shop/web", 2)
            rig.settle(["shop-web-1", "shop-web-2"])
            until(lambda: rig.service().hold.wanted is None)
            rig.orders.scale("web", 1)
            rig.settle(["shop-web-1"])
            manual = [event.text for event in rig.events(EventKind.MANUAL)]

        assert manual == [f"A person asked for {n}" for n in ("1 replica", "2 replicas", "3 replicas")]

    def test_once_reached_alerts_count_again(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="3"))
        with running(rig):
            rig.orders.scale("web", 2)
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.submit(*HIGH)
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])

    def test_an_order_takes_nothing_that_a_deploy_is_starting(self, rig: Rig) -> None:
        """A rolling deploy starts as many new ones beside the old."""
        for number, version in ((1, "v1"), (2, "v1"), (3, "v2"), (4, "v2")):
            rig.target.add(number=number, version=version, labels=labels(max="5"))
        rig.target.unready = {3, 4}
        with running(rig):
            until(lambda: rig.reason() == "deploying")
            rig.orders.scale("web", 3)
            never(lambda: rig.target.calls or rig.reason() != "deploying", rig=rig)
            rig.target.unready = set()
            rig.clock.advance(2)  # they are asked again
            until(lambda: rig.names() == [f"shop-web-{n}" for n in (1, 3, 4)])

    def test_an_order_ends_with_the_service_that_it_was_for(self, rig: Rig) -> None:
        first = rig.target.add(labels=labels(max="3"))
        rig.target.exits = {2}
        with running(rig):
            rig.orders.scale("web", 2)
            rig.steps(1)
            rig.target.take(first)
            until(lambda: rig.reason() == "gone")
            never(lambda: rig.journal.hold(WEB).wanted is None, rig=rig)
            rig.clock.advance(ORDER_ENDS_AFTER)
            until(lambda: rig.journal.hold(WEB).wanted is None)
            rig.target.exits = set()
            rig.target.add(labels=labels(max="3"))
            until(lambda: rig.served() == ["shop-web-1"])
            never(lambda: rig.names() != ["shop-web-1"], rig=rig)
            told = rig.events(EventKind.MANUAL)[0].text

        assert told == "The order for 2 is over: the service that it was for is gone"

    def test_it_stands_when_the_service_is_made_anew_within_a_moment(self, rig: Rig) -> None:
        """As ``docker compose down`` and ``up`` do it: nobody has taken back what they asked for."""
        first = rig.target.add(labels=labels(max="3"))
        rig.target.exits = {2}
        with running(rig):
            rig.orders.scale("web", 2)
            rig.steps(1)
            rig.target.take(first)
            until(lambda: rig.reason() == "gone")
            rig.clock.advance(ORDER_ENDS_AFTER - 5)
            rig.target.exits = set()
            rig.target.add(labels=labels(max="3"))
            until(lambda: rig.reason() != "gone")
            rig.clock.advance(10)
            rig.settle(["shop-web-1", "shop-web-2"])

    @pytest.mark.parametrize(("absent", "stands"), [(100.0, True), (130.0, False)])
    def test_one_that_was_replaced_while_the_scaler_was_absent_is_another_after_two_minutes(
        self, rig: Rig, absent: float, *, stands: bool
    ) -> None:
        first = rig.target.add(labels=labels(max="3"))
        with running(rig):
            rig.orders.pause("web", Pause.ALL)
            rig.orders.scale("web", 2)
        rig.target.take(first)
        rig.target.add(labels=labels(max="3"))
        rig.clock.advance(absent)
        rig.wire()
        with running(rig):
            until(rig.decision)
            never(lambda: (rig.journal.hold(WEB).wanted == 2) is not stands, rig=rig)

    @pytest.mark.parametrize("count", [0, -1, 4])
    def test_a_count_out_of_bounds_is_refused(self, rig: Rig, count: int) -> None:
        rig.target.add(labels=labels(max="3"))
        with running(rig):
            with pytest.raises(
                RequestError, match=f"replicas: {count} is not within.*min 1.*max 3"
            ) as caught:
                rig.orders.scale("web", count)
            assert rig.service().hold.wanted is None
        assert caught.value.status == 409

    def test_an_order_beyond_a_max_that_was_lowered_since_is_given_up(self, rig: Rig) -> None:
        """Or it would pull the service up to max again after each step down, for ever."""
        rig.journal.set_wanted(WEB, 9)
        rig.target.add(labels=labels(max="2"))
        with running(rig):
            rig.settle(["shop-web-1", "shop-web-2"])
            until(lambda: rig.service().hold.wanted is None)

    def test_pausing_holds_and_letting_go_goes_on(self, rig: Rig) -> None:
        rig.target.add(labels=labels(max="2"))
        with running(rig):
            assert rig.orders.pause("web", Pause.ALL).hold.pause is Pause.ALL
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "paused")
            never(lambda: rig.target.calls, rig=rig)
            rig.orders.pause("web", Pause.NONE)
            rig.settle(["shop-web-1", "shop-web-2"])

    def test_a_pause_outlives_the_process(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        with running(rig):
            rig.orders.pause("web", Pause.UP)
        rig.wire()
        with running(rig):
            rig.submit(*HIGH)
            until(lambda: rig.reason() == "paused")
            assert rig.service().hold.pause is Pause.UP

    def test_names_are_looked_up(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.target.add(BLOG, labels=labels())
        rig.target.add(("blog", "api"), labels=labels())
        rig.target.add(("wiki", "api"), labels=labels())
        rig.target.add(("wiki", "bad"), labels=labels(max="x"))
        with running(rig):
            assert rig.orders.pause("web", Pause.NONE).key == WEB
            assert rig.orders.pause("blog/web", Pause.NONE).key == BLOG
            for name, said in (("nope", "no service is called 'nope'"), ("api", "several services are")):
                with pytest.raises(RequestError, match=f"{said}.*known: blog/api, blog/web") as caught:
                    rig.orders.pause(name, Pause.NONE)
                assert caught.value.status == 404
            with pytest.raises(LabelError, match=r"alertscale\.max: 'x'"):
                rig.orders.scale("bad", 2)

    def test_replicas_made_or_killed_by_others_are_taken_up(self, rig: Rig) -> None:
        """``docker compose up --scale`` and ``docker kill``."""
        rig.target.add(labels=labels())
        with running(rig):
            others = [rig.target.add(number=n, labels=labels()) for n in (2, 3)]
            rig.settle([f"shop-web-{n}" for n in (1, 2, 3)])
            rig.target.kill(others[0])
            until(lambda: rig.served() == ["shop-web-1", "shop-web-3"])


class TestSubmit:
    def test_before_the_engine_was_listed_nothing_can_be_judged(self, rig: Rig) -> None:
        with pytest.raises(UnavailableError, match="try again") as caught:
            rig.submit(*HIGH)
        assert caught.value.status == 503

    def test_each_alert_gets_its_answer_in_order(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.target.others = frozenset({("shop", "db")})
        with running(rig):
            verdicts = rig.orders.submit(
                [watchdog(), alert("up"), alert("up", service="db"), alert("up", service="nope")]
            )

        assert [v.ignored for v in verdicts] == [
            None,
            None,
            IgnoredReason.NOT_ENABLED,
            IgnoredReason.UNKNOWN_SERVICE,
        ]

    def test_a_notification_of_many_alerts_is_one_commit(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        rig.autoscaler.run_once()
        statements: list[str] = []
        rig.journal._db.set_trace_callback(statements.append)
        rig.submit(*HIGH, *(alert("up", service=f"nobody-{n}") for n in range(100)))
        rig.journal._db.set_trace_callback(None)

        assert statements.count("COMMIT") == 1
        assert (statements[0], statements[-1]) == ("BEGIN IMMEDIATE", "COMMIT")
        assert len(rig.events(EventKind.ALERT)) == 101

    def test_repeated_notifications_are_one_event_and_one_step(self, rig: Rig) -> None:
        rig.target.add(labels=labels() | {"alertscale.cooldown.up": "1h"})
        with running(rig):
            for _ in range(5):
                rig.submit(*HIGH)
            rig.settle(["shop-web-1", "shop-web-2"])
            rig.submit(*HIGH)
            rig.submit(*HIGH_ENDS)
            told = [event.text for event in rig.events(EventKind.ALERT)]

        assert told == ["up-cpu fires no more; it had said: cpu of web", "up-cpu fires: cpu of web"]

    def test_a_notification_is_shown_and_never_acted_on(self, rig: Rig) -> None:
        rig.target.add(labels=labels())
        disk = alert("up")
        notification = type(disk)(
            firing=True, labels={"alertname": "Disk", "service": "web"}, annotations={"summary": "full"}
        )
        with running(rig):
            rig.submit(watchdog(), notification)
            (event,) = rig.events(EventKind.ALERT)
            never(lambda: rig.target.calls, rig=rig)

        assert event.text == "Disk fires: full"

    def test_signals_are_shown_with_their_service(self, rig: Rig) -> None:
        rig.target.add(labels=labels(pause="all"))
        with running(rig):
            rig.submit(*LOW)
            signals = rig.service().signals
            rig.submit(*LOW_ENDS)
            after = rig.service().signals

        assert {(s.direction, s.resource) for s in signals} == {
            (Direction.DOWN, "cpu"),
            (Direction.DOWN, "memory"),
        }
        assert after == ()

    def test_a_signal_tells_when_it_was_last_heard_of(self, rig: Rig) -> None:
        rig.target.add(labels=labels(pause="all"))
        with running(rig):
            rig.submit(*HIGH)
            rig.clock.advance(10)
            before = rig.service().signals[0].last_heard
            rig.submit(*HIGH)
            after = rig.service().signals[0].last_heard
            now = rig.clock.time()

        assert before + 10 <= after <= now
