"""What becomes of an alert, and what fires now."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.model.reasons import AlertResult, Direction, IgnoredReason
from scaler.policy.scaling import Demand
from scaler.policy.signals import Alert, AtSource, KnownServices, SignalBook, Verdict, judge

SHOP_WEB = ("shop", "web")
LABELS = {"alertname": "HighCPU", "scale": "up", "service": "web", "resource": "cpu"}

KNOWN = KnownServices(
    managed=frozenset(
        {SHOP_WEB, ("shop", "api"), ("blog", "api"), ("tools", "api"), ("a", "dup"), ("b", "dup")}
    ),
    faulty=frozenset({("shop", "broken")}),
    others=frozenset({("shop", "db")}),
    own_project="shop",
)


def verdict(labels: Mapping[str, str | None] | None = None, *, firing: bool = True) -> Verdict:
    """Judge HighCPU with some labels changed, or taken away by None."""
    merged = {**LABELS, **(labels or {})}
    kept = {name: value for name, value in merged.items() if value is not None}
    return judge(Alert(firing=firing, labels=kept), known=KNOWN)


class TestJudge:
    @pytest.mark.parametrize("scale", ["up", "down"])
    def test_a_signal(self, scale: str) -> None:
        found = verdict({"scale": scale})

        assert (found.service, found.direction, found.resource) == (SHOP_WEB, Direction(scale), "cpu")
        assert found.result is AlertResult.ACCEPTED

    def test_an_alert_without_scale_is_a_notification(self) -> None:
        found = verdict({"scale": None, "service": "nowhere"})

        assert (found.service, found.direction, found.ignored) == (None, None, None)
        assert found.result is AlertResult.ACCEPTED

    @pytest.mark.parametrize(
        ("labels", "reason", "detail"),
        [
            ({"scale": "sideways"}, IgnoredReason.BAD_SCALE, "'sideways' is neither up nor down"),
            ({"scale": ""}, IgnoredReason.BAD_SCALE, "'' is neither"),
            ({"service": None}, IgnoredReason.NO_SERVICE, "no label service"),
            ({"service": ""}, IgnoredReason.NO_SERVICE, "no label service"),
            ({"resource": None}, IgnoredReason.NO_RESOURCE, "no label resource"),
            ({"resource": ""}, IgnoredReason.NO_RESOURCE, "no label resource"),
            ({"service": "nowhere"}, IgnoredReason.UNKNOWN_SERVICE, "no service 'nowhere'"),
            ({"project": "blog"}, IgnoredReason.UNKNOWN_SERVICE, "no service 'blog/web'"),
            ({"service": "db"}, IgnoredReason.NOT_ENABLED, 'alertscale.enable: "true"'),
            ({"service": "broken"}, IgnoredReason.LABEL_FAULT, "the labels of 'broken' cannot be read"),
            ({"service": "dup"}, IgnoredReason.AMBIGUOUS_SERVICE, "give the alert a label project"),
        ],
    )
    def test_ignored(self, labels: dict[str, str | None], reason: IgnoredReason, detail: str) -> None:
        found = verdict(labels)

        assert (found.result, found.ignored) == (AlertResult.IGNORED, reason)
        assert detail in found.detail
        assert (found.service, found.direction) == (None, None)

    def test_every_reason_to_ignore_is_shown_above(self) -> None:
        marks: list[pytest.MarkDecorator] = TestJudge.test_ignored.pytestmark  # type: ignore[attr-defined]

        assert {row[1] for mark in marks for row in mark.args[1]} == set(IgnoredReason)

    def test_among_several_projects_our_own_is_meant(self) -> None:
        assert verdict({"service": "api"}).service == ("shop", "api")

    def test_the_label_project_chooses_another(self) -> None:
        assert verdict({"service": "api", "project": "blog"}).service == ("blog", "api")
        assert verdict({"service": "dup", "project": "b"}).service == ("b", "dup")


def heard(
    book: SignalBook, labels: Mapping[str, str] | None = None, *, firing: bool = True, now: float
) -> bool:
    return book.note(verdict(labels, firing=firing), now=now)


WATCHDOG = judge(Alert(firing=True, labels={"alertname": "Watchdog"}), known=KNOWN)


SENT = {**LABELS, "project": "shop", "severity": "info"}
OURS = "http://localhost:10090"


def sent(*, url: str = f"{OURS}/graph?g0.expr=a&g0.tab=1", **labels: str) -> Alert:
    return Alert(firing=True, labels={**SENT, **labels}, generator_url=url)


class TestAtSource:
    @pytest.mark.parametrize(
        "here",
        [
            SENT,
            {**SENT, "severity": "warning"},
            {name: SENT[name] for name in ("alertname", "scale", "service", "resource")},
            {**SENT, "replica": "a"},
        ],
        ids=["the same", "another severity", "a label was put to it on its way", "and one taken from it"],
    )
    def test_what_fires_here_and_asks_for_the_same_is_not_denied(self, here: dict[str, str]) -> None:
        source = AtSource(address=OURS, rules=frozenset({"HighCPU"}), firing=(here,))

        assert not source.denies(sent())

    @pytest.mark.parametrize(
        "here",
        [
            {**SENT, "scale": "down"},
            {**SENT, "service": "api"},
            {**SENT, "project": "blog"},
            {**SENT, "resource": "queue"},
            {**SENT, "alertname": "HighMemory"},
        ],
    )
    def test_what_asks_for_something_else_here_since_its_rule_was_edited_is_denied(
        self, here: dict[str, str]
    ) -> None:
        source = AtSource(address=OURS, rules=frozenset({"HighCPU", "HighMemory"}), firing=(here,))

        assert source.denies(sent())

    def test_what_does_not_fire_here_any_more_is_denied(self) -> None:
        assert AtSource(address=OURS, rules=frozenset({"HighCPU"})).denies(sent())

    @pytest.mark.parametrize(
        "alert",
        [
            sent(alertname="HighLatency"),
            sent(url="http://another:9090/graph?g0.expr=a"),
            sent(url=f"{OURS}/second/graph?g0.expr=a"),
            sent(url=""),
        ],
        ids=["a rule that it does not have", "another source", "one below it", "no source is told"],
    )
    def test_what_the_source_does_not_know_is_not_denied(self, alert: Alert) -> None:
        assert not AtSource(address=OURS, rules=frozenset({"HighCPU"})).denies(alert)

    def test_nor_is_anything_by_a_source_whose_address_is_not_known(self) -> None:
        assert not AtSource(rules=frozenset({"HighCPU"})).denies(sent(url=""))


class TestSignalBook:
    def test_what_fires_is_a_level(self) -> None:
        book = SignalBook(ttl=15)
        book.note(WATCHDOG, now=0)
        heard(book, now=0)

        demand = Demand(up=frozenset({"cpu"}))
        assert [book.demand(SHOP_WEB, now=t) for t in (0, 5, 14)] == [demand] * 3

    def test_a_repetition_changes_nothing_but_when_it_was_heard(self) -> None:
        book = SignalBook(ttl=15)

        assert heard(book, now=0)
        assert not heard(book, now=5)
        (signal,) = book.firing(SHOP_WEB)
        assert (signal.first_heard, signal.last_heard) == (0, 5)

    def test_resolved_ends_it(self) -> None:
        book = SignalBook(ttl=15)
        heard(book, now=0)

        assert heard(book, firing=False, now=1)
        assert not heard(book, firing=False, now=2)
        assert book.firing(SHOP_WEB) == ()

    def test_a_firing_group_that_holds_a_resolved_alert_ends_that_one_only(self) -> None:
        book = SignalBook(ttl=15)
        heard(book, {"resource": "memory"}, now=0)
        for firing, resource in ((True, "cpu"), (False, "memory")):
            heard(book, {"resource": resource}, firing=firing, now=1)

        assert book.demand(SHOP_WEB, now=1).up == {"cpu"}

    def test_what_was_not_heard_of_for_longer_than_its_time_is_forgotten(self) -> None:
        book = SignalBook(ttl=15)
        heard(book, now=0)
        heard(book, {"resource": "memory"}, now=10)

        assert book.expire(now=15) == ()
        (gone,) = book.expire(now=15.1)
        assert gone.resource == "cpu"
        assert [s.resource for s in book.firing(SHOP_WEB)] == ["memory"]

    def test_a_refreshed_alert_lives_on(self) -> None:
        book = SignalBook(ttl=15)
        for now in (0, 10, 20):
            heard(book, now=now)

        assert book.expire(now=30) == ()

    def test_services_are_kept_apart(self) -> None:
        book = SignalBook(ttl=15)
        heard(book, now=0)
        heard(book, {"service": "api", "scale": "down"}, now=0)

        assert book.demand(SHOP_WEB, now=0).down == frozenset()
        assert book.demand(("shop", "api"), now=0).up == frozenset()
        assert book.demand(("shop", "api"), now=0).down == {"cpu"}

    def test_firing_lists_the_oldest_first(self) -> None:
        book = SignalBook(ttl=15)
        heard(book, {"resource": "memory"}, now=0)
        heard(book, now=1)

        assert [s.resource for s in book.firing(SHOP_WEB)] == ["memory", "cpu"]

    def test_ignored_alerts_and_notifications_are_not_signals(self) -> None:
        book = SignalBook(ttl=15)

        assert not heard(book, {"service": "nowhere"}, now=0)
        assert not book.note(judge(Alert(firing=True, labels={"alertname": "Disk"}), known=KNOWN), now=0)
        assert book.expire(now=100) == ()

    def test_the_watchdog_is_infinitely_old_before_it_was_heard(self) -> None:
        assert SignalBook(ttl=15).watchdog.age(now=5) == float("inf")

    def test_what_its_source_denies_asks_for_nothing_and_is_told(self) -> None:
        book = SignalBook(ttl=15)
        for labels in ({}, {"resource": "memory"}):
            book.note(judge(sent(**labels), known=KNOWN), now=0)
        source = AtSource(address=OURS, rules=frozenset({"HighCPU"}), firing=(SENT,))

        asked = book.demand(SHOP_WEB, now=0, source=source)
        assert asked.up == {"cpu"}
        assert asked.ended == {"memory"}
        assert book.demand(SHOP_WEB, now=0).up == {"cpu", "memory"}
        assert book.names == {"HighCPU"}

    @pytest.mark.parametrize(("now", "watched"), [(15.0, True), (15.1, False)])
    def test_without_the_watchdog_demand_says_that_nobody_watches(self, now: float, watched: bool) -> None:
        book = SignalBook(ttl=15)
        book.note(WATCHDOG, now=0)

        assert book.watchdog.age(now=now) == now
        assert book.demand(SHOP_WEB, now=now).watched is watched

    def test_a_resolved_watchdog_is_no_sign_of_life(self) -> None:
        book = SignalBook(ttl=15)
        book.note(WATCHDOG, now=0)
        book.note(judge(Alert(firing=False, labels={"alertname": "Watchdog"}), known=KNOWN), now=9)

        assert book.watchdog.age(now=9) == 9

    @given(
        st.lists(st.tuples(st.booleans(), st.sampled_from(["cpu", "memory"]), st.integers(1, 9)), max_size=20)
    )
    def test_sending_everything_twice_changes_nothing(self, sent: list[tuple[bool, str, int]]) -> None:
        """Webhooks are at-least-once."""
        once, twice = SignalBook(ttl=15), SignalBook(ttl=15)
        now = 0
        for book, times in ((once, 1), (twice, 2)):
            now = 0
            for firing, resource, wait in sent:
                now += wait
                for _ in range(times):
                    heard(book, {"resource": resource}, firing=firing, now=now)

        assert once.firing(SHOP_WEB) == twice.firing(SHOP_WEB)
        assert once.expire(now=now + 10) == twice.expire(now=now + 10)
