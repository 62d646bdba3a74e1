"""Whatever happens to some of five services, at the same time too: the others lose no request."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from testkit.load import Kind, Load
from testkit.sites import LIGHT, Behind, answered_by_others, stranger_waiting
from testkit.stack import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(900)]
SERVICES = ("one", "two", "three", "four", "five")
KINDS = tuple(
    Kind(clients=1, method=method, path=LIGHT, site=f"{service}.example", rest=rest)
    for service in SERVICES
    # Fewer than a replica lingers: test_recreated_together.py.
    for method, rest in (("GET", 0.05), ("POST", 0.05), ("POST", 0.5))
)
SEED = "TROUBLE_SEED"
"""The variable that repeats a run, as far as chance is ours."""
AT_ONCE = 3
GRACE = 3.0
"""Seconds after a service answers again for which a request of its own may still end badly."""
BROKEN: Final = (
    "server {{ listen 80; server_name {0}.example; retrun 200; }}\n",
    "server {{ listen 80; server_name {0}.example; location / {{ proxy_pass http://gone-{0}:3000; }} }}\n",
    "server {{ listen 80; server_name {0}.example; limit_req zone=nobody; }}\n",
)


@contextlib.contextmanager
def broken_site(drill: Drill, service: str) -> Iterator[None]:
    """Its owner makes a mistake, and has nginx read it."""
    drill.five.site(service).write_text(drill.chance.choice(BROKEN).format(service))
    reload(drill.five)
    yield
    drill.five.write_site(service)


@contextlib.contextmanager
def gone_upstream(drill: Drill, service: str) -> Iterator[None]:
    """It is removed, and its site is not."""
    drill.five.compose("rm", "--stop", "--force", service)
    yield
    drill.five.compose("up", "--detach", service)


@contextlib.contextmanager
def another_on_its_address(drill: Drill, service: str) -> Iterator[None]:
    """It is stopped, and a container of somebody else's gets its address."""
    (replica,) = drill.five.stack.containers(service, project=drill.five.project)
    with stranger_waiting(drill.five.stack, replica["Config"]["Image"]) as (engine, stranger):
        docker("stop", replica["Id"])
        engine.start(stranger)
        networks = engine.inspect_container(stranger)["NetworkSettings"]["Networks"]
        drill.taken += [network["IPAddress"] for network in networks.values()]
        yield
    docker("start", replica["Id"])


@contextlib.contextmanager
def frozen(drill: Drill, service: str) -> Iterator[None]:
    (replica,) = drill.five.stack.containers(service, project=drill.five.project)
    docker("pause", replica["Id"])
    yield
    docker("unpause", replica["Id"])


@contextlib.contextmanager
def stopped(drill: Drill, service: str) -> Iterator[None]:
    """By an outsider."""
    (replica,) = drill.five.stack.containers(service, project=drill.five.project)
    docker("stop", replica["Id"])
    yield
    docker("start", replica["Id"])


TROUBLES: dict[str, Callable[[Drill, str], AbstractContextManager[object]]] = {
    "a broken site": broken_site,
    "a gone upstream": gone_upstream,
    "another container on its address": another_on_its_address,
    "a frozen replica": frozen,
    "an outsider's stop": stopped,
}


@dataclass(frozen=True, kw_only=True)
class Spell:
    """A service in trouble, in seconds since the load began."""

    service: str
    trouble: str
    begun: float
    ended: float


@dataclass(kw_only=True)
class Drill:
    """Troubles that come and go by chance, several at once, each of another service.

    Attributes:
        five: the services.
        load: on all of them.
        chance: by which all is drawn.
        spells: those that are over.
        taken: addresses that strangers were given.
    """

    five: Behind
    load: Load
    chance: random.Random
    spells: list[Spell] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    _under_way: dict[str, tuple[str, float, contextlib.ExitStack]] = field(default_factory=dict)
    _all: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """Ends whatever is under way, also when one of them cannot be ended or the drill breaks off."""
    _to_come: list[str] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._all:
            while time.monotonic() < deadline:
                if len(self._under_way) < self.chance.randint(1, AT_ONCE):
                    self._begin()
                else:
                    self._end()
                time.sleep(self.chance.uniform(0.2, 2.0))
        for service in list(self._under_way):
            self._await(service)

    def _begin(self) -> None:
        # Each once in a round, so that a short drill has all of them.
        self._to_come = self._to_come or self.chance.sample(sorted(TROUBLES), len(TROUBLES))
        trouble = self._to_come.pop()
        service = self.chance.choice([name for name in SERVICES if name not in self._under_way])
        # As a callback it hears of no error, which would keep a trouble from what ends it.
        spell = contextlib.ExitStack()
        self._all.callback(spell.close)
        self._under_way[service] = (trouble, self.load.seconds, spell)
        spell.enter_context(TROUBLES[trouble](self, service))

    def _end(self) -> None:
        service = self.chance.choice(list(self._under_way))
        _, _, spell = self._under_way[service]
        spell.close()
        self._await(service)

    def _await(self, service: str) -> None:
        trouble, begun, _ = self._under_way.pop(service)
        wait_until(lambda: self._answers(service), within=30, what=f"{service} after {trouble}")
        self.spells.append(
            Spell(service=service, trouble=trouble, begun=begun, ended=self.load.seconds + GRACE)
        )

    def _answers(self, service: str) -> bool:
        try:
            return self.five.answer(service) == service
        except requests.RequestException:
            return False

    def lost_by_others(self) -> list[str]:
        """Requests that ended badly while the service that they were for was in no trouble."""
        return [
            f"after {at:.1f} s: {end}; in trouble: {self._in_trouble(at)}"
            for site, at, end in self.load.lost_at
            if site.removesuffix(".example") not in {spell.service for spell in self._in_trouble(at)}
        ]

    def _in_trouble(self, at: float) -> list[Spell]:
        return [spell for spell in self.spells if spell.begun <= at <= spell.ended]


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.drill)])
def test_a_trouble_of_one_service_never_costs_another_a_request(one_replica: Stack, seconds: int) -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**32))
    print(f"\n  {SEED}={seed} repeats this")  # noqa: T201 - to repeat it by
    one_replica.pause("all")
    five = Behind(
        stack=one_replica,
        project=f"{one_replica.project}-five",
        file=Path(__file__).with_name("five-services.yml"),
        services=SERVICES,
        variables={"SLOW": "0", "SLOWEST": "0"},
    )
    load = Load(*KINDS, port=one_replica.ports["NGINX_PORT"])
    drill = Drill(five=five, load=load, chance=random.Random(seed))  # noqa: S311 - to be repeated, no secret
    with five.up(), load:
        addresses = five.addresses().values()
        drill.run(seconds)
        five.await_all()
        # Until then nginx has a site of theirs by its name, and refuses a reload without it.
        wait_until(lambda: not balancer_error(one_replica), within=30, what="nothing that nginx refuses")
    told = Counter(spell.trouble for spell in drill.spells)
    print(  # noqa: T201 - the figure is part of what this test shows
        f"  {load.sent} requests over {len(drill.spells)} troubles ({dict(told)}): not answered"
        f" {sum(load.lost.values())}, {len(drill.lost_by_others())} of them of a service in no trouble"
    )
    assert answered_by_others(load) == {}
    assert drill.lost_by_others() == []
    # Else it would prove nothing.
    assert told.keys() == TROUBLES.keys()
    assert load.lost
    assert set(drill.taken) & set(addresses)
    assert {site for site, _ in load.answered_by} == {f"{name}.example" for name in SERVICES}


def test_every_trouble_is_ended_whichever_of_them_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a replica stays paused, and the stranger there, for all tests that follow."""
    ended: list[str] = []

    @contextlib.contextmanager
    def trouble(_drill: Drill, service: str) -> Iterator[None]:
        yield
        ended.append(service)
        if len(ended) == 1:
            raise subprocess.CalledProcessError(1, "docker unpause")

    class Still:
        seconds = 0.0

    still: Any = Still()
    monkeypatch.setitem(globals(), "TROUBLES", dict.fromkeys(TROUBLES, trouble))
    drill = Drill(five=still, load=still, chance=random.Random(1))  # noqa: S311 - no secret
    for _ in range(AT_ONCE):
        drill._begin()
    with pytest.raises(subprocess.CalledProcessError):
        drill.run(0)

    assert len(ended) == AT_ONCE


def balancer_error(stack: Stack) -> str:
    return str(stack.session.get(stack.url("SCALER_PORT", "/readyz"), timeout=10).json()["balancer_error"])


def reload(five: Behind) -> None:
    """As a person does; nginx may refuse it."""
    (nginx,) = five.stack.containers("nginx")
    subprocess.run(["docker", "exec", nginx["Id"], "nginx", "-s", "reload"], check=False, capture_output=True)


def docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)
