"""From requests a second to what the proxy costs and how near to linear replicas add up."""

from __future__ import annotations

import pytest

from tests.unit.bench.measured import a_round, named, served


def test_each_count_of_replicas_stands_next_to_as_many_bare_ones() -> None:
    rounds = [a_round(bare=bare, through=(n, 2 * n, 3 * n, 4 * n)) for bare, n in ((400, 300), (410, 380))]
    figures = named(served(*rounds, a_round(bare=500, through=(390, 700, 1000, 1300))))
    assert figures["bare waitress, asked directly"].value == 410
    one, three = figures["through nginx, 1 replica"], figures["through nginx, 3 replicas"]
    assert (one.value, three.value) == (380, 1000)
    assert one.compared is not None
    assert three.compared is not None
    assert (one.compared.what, one.compared.value) == ("bare waitress", 410)
    assert (three.compared.what, three.compared.value) == ("3 times the bare waitress", 1230)
    assert three.spread is not None
    assert (three.spread.low, three.spread.high, three.spread.runs) == (900, 1140, 3)


def test_scaling_is_held_against_one_replica_of_the_same_round() -> None:
    """A round in which all was slow says as much of scaling as a quick one."""
    slow = a_round(through=(100, 200, 300, 400))
    quick = a_round(through=(400, 800, 1200, 1600))
    four = named(served(slow, quick))["4 replicas, times one replica through nginx"]
    assert four.value == 4
    assert four.spread is not None
    assert (four.spread.low, four.spread.high) == (4, 4)
    assert four.compared is not None
    assert (four.compared.what, four.compared.value) == ("linear", 4)


@pytest.mark.parametrize(("through", "cost"), [(380.0, 5.0), (400.0, 0.0), (404.0, -1.0)])
def test_the_cost_of_nginx_is_told_in_percent_of_the_bare_waitress(through: float, cost: float) -> None:
    figures = named(served(a_round(bare=400, through=(through, 1, 1, 1))))
    assert figures["fewer requests through nginx than of the bare waitress, 1 replica"].value == cost


def test_an_answer_through_nginx_stands_next_to_a_bare_one() -> None:
    figure = named(served())["an answer to a client alone, through nginx"]
    assert figure.value == 1.4
    assert figure.compared is not None
    assert figure.compared.value == 1.0


def test_the_cpu_of_nginx_stands_next_to_all_that_a_replica_may_use_for_a_request() -> None:
    figure = named(served(a_round(through=(400, 1, 1, 1)), proxy_ms=0.1239))["nginx: CPU a request"]
    assert figure.value == 0.124
    assert figure.compared is not None
    assert figure.compared.value == 0.5


def test_what_the_clients_take_is_shown() -> None:
    """Near a whole core it would be they who are measured."""
    assert named(served())["the clients: CPU at 4 replicas"].value == 40
