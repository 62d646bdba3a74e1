"""What would change a decision, and when."""

from typing import Any

import pytest

from alertscale.explain import Explanation, explain
from tests.unit.alertscale.builders import (
    HIGH_CPU,
    HIGH_MEMORY,
    LOW_CPU,
    LOW_MEMORY,
    faulty_service,
    health,
    raw_replica,
    raw_service,
    service,
    stamp,
    times,
)


def of(raw: dict[str, Any], **figures: object) -> Explanation:
    return explain(service(raw), health(**figures), times())


def ways(**fields: Any) -> tuple[str, str]:  # noqa: ANN401 - as raw_service takes them
    """What is said of the way up and of the way down."""
    replicas = fields.pop("replica_list", None)
    made = raw_service(**fields)
    up, down = of(made | {"replicas": replicas} if replicas else made).ways
    return up.sentence, down.sentence


OVER = {"cooldown_up_until": stamp(-50), "cooldown_down_until": stamp(-1), "last_change": stamp(-60)}
COOLING = {"cooldown_up_until": stamp(4), "cooldown_down_until": stamp(54), "last_change": stamp(-6)}


def test_with_no_alert_it_says_which_alerts_each_way_needs() -> None:
    assert ways(inputs=OVER) == (
        "It goes up to 4 once an alert asks for more.",
        (
            "It goes down to 2 once an alert says for each of cpu and memory that it is low"
            " (none yet for cpu and memory)."
        ),
    )


def test_a_cooldown_is_given_with_its_end() -> None:
    up, down = ways(alerts=(HIGH_CPU,), inputs=COOLING)
    assert up == "It goes up to 4 once the up cooldown of 10 s is over, in 4 s (04:16:55 UTC)."
    assert "no alert asks for more (HighCPU fires)" in down
    assert down.endswith("and the down cooldown of 1 min is over, in 54 s (04:17:45 UTC).")


def test_when_nothing_is_missing_it_goes_at_its_next_decision() -> None:
    assert ways(alerts=(HIGH_CPU,), inputs=OVER)[0] == "It goes up to 4 at its next decision."
    assert ways(alerts=(LOW_CPU, LOW_MEMORY), inputs=OVER)[1] == "It goes down to 2 at its next decision."


def test_an_alert_that_fires_no_longer_at_its_source_is_missing_there() -> None:
    ended = {"reason": "ended", "resources": ("cpu",)}
    up, _ = ways(alerts=(HIGH_CPU,), inputs=OVER | {"up": []}, **ended)
    assert up == "It goes up to 4 once its source, too, says that HighCPU fires."

    _, down = ways(alerts=(LOW_CPU, LOW_MEMORY), inputs=OVER | {"down": ["memory"]}, **ended)
    assert "(none yet for cpu)" in down


def test_where_adding_did_not_help_it_says_what_would_have_it_tried_again() -> None:
    held: dict[str, Any] = {"reason": "not_helped", "memory": (0.82, 0.83), "alerts": (HIGH_MEMORY,)}
    assert ways(inputs=OVER, **held)[0] == (
        "It goes up to 4 once memory falls or grows clearly, or all replicas are new"
        " (memory was 82 % before the last step, 83 % now)."
    )
    assert ways(replicas=5, inputs=OVER, **held)[0] == (
        "It does not go up: alertscale.max is 5, and adding does not help."
    )


def test_where_nobody_says_whether_it_helped_it_waits_for_the_answer() -> None:
    held: dict[str, Any] = {"reason": "not_helped", "alerts": (HIGH_MEMORY,)}
    assert ways(inputs=OVER, **held)[0] == (
        "It goes up to 4 once Prometheus answers"
        " (Prometheus does not answer whether the last step for it helped)."
    )


def test_an_alert_of_what_the_label_does_not_name_asks_for_nothing_either_way() -> None:
    up, down = ways(alerts=(HIGH_MEMORY, LOW_CPU), inputs=OVER, limits={"resources": ["cpu"]})
    assert up == "It goes up to 4 once an alert asks for more."
    assert down == "It goes down to 2 at its next decision."


def test_one_resource_that_is_not_low_is_named() -> None:
    assert "(none yet for memory)" in ways(alerts=(LOW_CPU,), inputs=OVER)[1]


def test_at_a_bound_it_names_the_label() -> None:
    assert ways(replicas=5)[0] == "It does not go up: alertscale.max is 5; raise the label to go further."
    assert ways(replicas=1)[1] == "It does not go down: alertscale.min is 1."


def test_a_count_that_somebody_has_set_back_comes_back_in_one_step_without_a_cooldown() -> None:
    set_back = COOLING | {"former": 4}
    assert ways(replicas=1, alerts=(HIGH_CPU,), inputs=set_back)[0] == "It goes up to 4 at its next decision."
    assert ways(replicas=1, inputs=set_back)[0] == "It goes up to 4 once an alert asks for more."
    assert "cooldown" in ways(replicas=2, inputs=set_back)[0]


def test_a_wider_step_ends_at_the_bound() -> None:
    up, down = of(raw_service(limits={"step": 3}, inputs=OVER)).ways
    assert (up.target, down.target) == (5, 1)


@pytest.mark.parametrize(
    ("fields", "unmet"),
    [
        ({"pause": "all"}, ("a person lets steps up go", "a person lets steps down go")),
        (
            {"limits": {"pause": "all"}},
            ("the label alertscale.pause: all", "the label alertscale.pause: all"),
        ),
        ({"inputs": {"stepping": True}}, ("the step under way has ended",) * 2),
        ({"inputs": {"replicas": 0}, "replicas": 0}, ("somebody has started the service again", "")),
        ({"inputs": {"versions": 2}}, ("its replicas are of 2 versions",) * 2),
        ({"inputs": {"writable": False}}, ("the journal can be written again",) * 2),
        ({"inputs": {"watched": False}}, ("", "alerts arrive: the Watchdog is heard of")),
        ({"inputs": {"retry_at": stamp(20)}}, ("after the last failure, in 20 s (04:17:11 UTC)", "")),
        ({"inputs": {"retry_down_at": stamp(20)}}, ("", "after the last failure, in 20 s (04:17:11 UTC)")),
        ({"reason": "last_ready"}, ("", "a replica that would stay is ready")),
    ],
)
def test_whatever_stands_in_the_way_is_named(fields: dict[str, Any], unmet: tuple[str, str]) -> None:
    for sentence, words in zip(ways(**fields), unmet, strict=True):
        assert words in sentence
    free = ways()
    for words, sentence in zip(unmet, free, strict=True):
        assert not words or words not in sentence


def test_a_pause_of_one_way_leaves_the_other() -> None:
    up, down = ways(pause="down")
    assert "a person" not in up
    assert "a person lets steps down go (alertscale resume web)" in down


def test_the_scalers_own_troubles_come_as_notes() -> None:
    notes = of(
        raw_service(decided=-100),
        seconds_since_pass=75,
        engine=False,
        journal_error="disk full",
        balancer_error="nginx -t failed",
    ).notes
    assert notes == (
        "The scaler's loop has made no pass for 1 min 15 s: what is shown is old.",
        "The Docker Engine does not answer: nothing can be scaled.",
        "Nothing is scaled: disk full.",
        "nginx does not have all that it should: nginx -t failed.",
    )


def test_an_order_and_a_pause_that_do_not_show_in_the_decision_are_noted() -> None:
    assert of(raw_service(wanted=4, pause="down", reason="manual", direction="up")).notes == (
        "A person asked for 4: it goes there step by step, without cooldowns.",
        "A person holds steps down (alertscale resume web lets them go).",
    )
    assert of(raw_service(pause="all", reason="paused")).notes == ()


def test_what_is_to_be_known_of_a_service_comes_last() -> None:
    notes = of(
        raw_service(wanted=4, reason="manual", direction="up", notes=["a.yml cannot be read here"])
    ).notes
    assert notes[1:] == ("a.yml cannot be read here.",)


class TestDue:
    """What is due whatever the alerts say is not said to wait for one, nor that it could go the other way."""

    def test_an_order_up(self) -> None:
        assert ways(wanted=5, reason="stepping", inputs=COOLING | {"stepping": True}) == (
            "It goes up to 4, on its way to 5, once the step under way has ended: a person asked for 5.",
            "It does not go down: a person asked for 5.",
        )
        assert ways(wanted=4, alerts=(LOW_CPU, LOW_MEMORY), inputs=COOLING)[0] == (
            "It goes up to 4 at its next decision: a person asked for 4."
        )

    def test_an_order_down(self) -> None:
        assert ways(wanted=1, alerts=(HIGH_CPU,), inputs=COOLING) == (
            "It does not go up: a person asked for 1.",
            "It goes down to 2, on its way to 1, at its next decision: a person asked for 1.",
        )

    def test_one_that_is_held_says_by_what(self) -> None:
        held = of(raw_service(wanted=4, pause="up", reason="paused"))
        assert held.ways[0].sentence == (
            "It goes up to 4 once a person lets steps up go (alertscale resume web): a person asked for 4."
        )
        assert held.notes == ("A person asked for 4: it goes there when its steps are let go.",)
        failed = {"retry_down_at": stamp(20)}
        assert "after the last failure, in 20 s" in ways(wanted=1, inputs=failed)[1]
        assert "a replica that would stay is ready" in ways(wanted=1, reason="last_ready")[1]

    def test_a_deploy_holds_it_only_while_what_it_made_is_not_ready(self) -> None:
        two = {"versions": 2}
        assert "deploy" not in ways(wanted=4, inputs=two)[0] + ways(wanted=2, inputs=two)[1]
        unready = [raw_replica(1), raw_replica(2), raw_replica(3, "starting")]
        assert "its deploy has ended" in ways(wanted=2, inputs=two, replica_list=unready)[1]

    def test_bounds_that_are_not_kept(self) -> None:
        assert ways(replicas=1, limits={"min": 2}) == (
            "It goes up to 2 at its next decision: alertscale.min is 2.",
            "It does not go down: alertscale.min is 2.",
        )
        assert ways(replicas=7) == (
            "It does not go up: alertscale.max is 5.",
            "It goes down to 6, on its way to 5, at its next decision: alertscale.max is 5.",
        )

    def test_an_order_that_is_reached_leaves_the_rest_to_the_alerts(self) -> None:
        assert ways(wanted=3, inputs=OVER)[0] == "It goes up to 4 once an alert asks for more."

    def test_its_conditions_say_who_asked(self) -> None:
        up, down = of(raw_service(wanted=4)).as_json()["ways"]
        assert {"met": True, "text": "a person asked for 4", "when": None} in up["conditions"]
        assert (down["target"], down["conditions"]) == (None, [])


def test_a_decision_that_is_old_while_the_loop_runs_is_noted() -> None:
    assert of(raw_service(decided=-30)).notes[0].startswith("That was decided 30 s ago")


def test_labels_that_cannot_be_read_are_all_that_is_said() -> None:
    said = of(faulty_service())
    assert said.ways == ()
    assert said.notes == ("compose.yml: service web: alertscale.max: 'x' is not a whole number",)


def test_the_json_has_every_condition_and_the_time_at_which_it_is_met() -> None:
    shown = of(raw_service(alerts=(HIGH_CPU,), inputs=COOLING)).as_json()
    assert shown.keys() == {"headline", "notes", "ways"}
    up, down = shown["ways"]
    assert up.keys() == {"direction", "target", "sentence", "conditions"}
    assert (up["direction"], up["target"], down["direction"], down["target"]) == ("up", 4, "down", 2)
    assert {"met": False, "text": "the up cooldown of 10 s is over", "when": stamp(4)} in up["conditions"]
    assert {"met": True, "text": "it has fewer than alertscale.max (5)", "when": None} in up["conditions"]
