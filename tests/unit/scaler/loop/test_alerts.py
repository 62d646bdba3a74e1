"""What is asked of the source of alerts, and how often: the loop waits for it."""

from dataclasses import dataclass, field

from scaler.loop.alerts import Alerts
from scaler.policy.scaling import Demand
from scaler.policy.signals import Alert, AtSource, KnownServices
from tests.unit.scaler.rig import API, WEB, alert, at_source, watchdog

KNOWN = KnownServices(
    managed=frozenset({WEB, API}), faulty=frozenset(), others=frozenset(), own_project=WEB[0]
)


@dataclass
class Asked:
    """A source that answers what it is given, after so many seconds, and counts."""

    answer: AtSource | None = field(default_factory=at_source)
    questions: list[frozenset[str]] = field(default_factory=list)
    takes: float = 0.0

    def __call__(self, names: frozenset[str]) -> AtSource | None:
        self.questions.append(names)
        return self.answer


def hearing(source: Asked, *alerts: Alert) -> Alerts:
    heard = Alerts(ttl=15.0, source=source, monotonic=lambda: source.takes * len(source.questions))
    heard.take_in((watchdog(), *alerts), known=KNOWN, now=0.0)
    return heard


def test_it_is_asked_of_all_that_fires_once_for_every_service() -> None:
    source = Asked()
    heard = hearing(source, alert("up"), alert("down", "memory", service="api"))

    assert heard.confirmed(WEB, now=0.0).ended == {"cpu"}
    assert heard.confirmed(API, now=0.9).ended == {"memory"}
    assert source.questions == [{"up-cpu", "down-memory"}]


def test_and_again_after_a_second() -> None:
    source = Asked()
    heard = hearing(source, alert("up"))
    heard.confirmed(WEB, now=0.0)
    source.answer = at_source(alert("up"))

    assert heard.confirmed(WEB, now=0.9).up == set()
    assert heard.confirmed(WEB, now=1.0).up == {"cpu"}


def test_an_alert_that_is_new_is_asked_for_at_once() -> None:
    source = Asked()
    heard = hearing(source, alert("up"))
    heard.confirmed(WEB, now=0.0)
    for firing in (False, True):
        heard.take_in([alert("up", firing=firing)], known=KNOWN, now=0.1)
    source.answer = at_source(alert("up"))

    assert heard.confirmed(WEB, now=0.2).up == {"cpu"}


def test_one_that_is_repeated_is_not() -> None:
    source = Asked()
    heard = hearing(source, alert("up"))
    heard.confirmed(WEB, now=0.0)
    heard.take_in([watchdog(), alert("up")], known=KNOWN, now=0.1)
    heard.confirmed(WEB, now=0.2)

    assert len(source.questions) == 1


def test_its_last_answer_stands_for_what_it_was_asked_of_and_for_nothing_newer() -> None:
    source = Asked()
    heard = hearing(source, alert("up"))
    assert heard.as_asked_last(WEB, now=0.0).up == {"cpu"}
    heard.confirmed(WEB, now=0.1)
    heard.take_in([alert("up"), alert("up", "memory")], known=KNOWN, now=9.0)
    assert heard.as_asked_last(WEB, now=9.0) == Demand(up=frozenset({"memory"}), ended=frozenset({"cpu"}))
    heard.take_in([alert("up", firing=False)], known=KNOWN, now=9.0)
    heard.take_in([alert("up")], known=KNOWN, now=9.1)

    assert heard.as_asked_last(WEB, now=9.1).up == {"cpu", "memory"}
    assert len(source.questions) == 1


def test_without_an_answer_the_alerts_stand_nobody_watches_and_it_is_left_alone_for_a_while() -> None:
    source = Asked(answer=None)
    heard = hearing(source, alert("up"), alert("down", "memory"))

    for now in (0.0, 4.9):
        assert heard.confirmed(WEB, now=now) == Demand(
            up=frozenset({"cpu"}), down=frozenset({"memory"}), watched=False
        )
        heard.take_in([alert("up", f"new at {now}")], known=KNOWN, now=now)
        heard.take_in([alert("up", f"new at {now}", firing=False)], known=KNOWN, now=now)
    assert len(source.questions) == 1

    source.answer = at_source(alert("up"))
    assert heard.confirmed(WEB, now=5.0).watched


def test_the_time_that_an_answer_takes_is_none_of_those_seconds() -> None:
    source = Asked(answer=None, takes=10.0)
    heard = hearing(source, alert("up"))
    for now in (0.0, 14.9):
        heard.confirmed(WEB, now=now)
    assert len(source.questions) == 1
