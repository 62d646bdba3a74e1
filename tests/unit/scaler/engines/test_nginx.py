"""What nginx in a container is asked, and what its answers mean."""

from typing import cast
from unittest.mock import Mock

import pytest
from docker import APIClient

from scaler.engines.contract import LeftOut, LeftOutKind, Serving
from scaler.engines.nginx import DockerNginx, read_left_out, read_serving, words_of
from tests.fakes import NGINX

IDLE, BUSY = "ShdPnd:\t0000000000000000\nSigBlk:\t0000000000000000\n", "SigBlk:\t0000000018016a07\n"


class TestWhichGenerationServes:
    @pytest.mark.parametrize(
        ("said", "serving"),
        [
            (f"{IDLE}generation-7\ncurl 0", Serving(generation="generation-7", busy=False)),
            (f"{BUSY}generation-7\ncurl 0", Serving(generation="generation-7", busy=True)),
            # Asked for, and not begun yet.
            (
                IDLE.replace("0\nS", "1\nS") + "generation-7\ncurl 0",
                Serving(generation="generation-7", busy=True),
            ),
            # One that began without the scaler: nobody listens there.
            (f"{IDLE}curl 7", Serving(generation="", busy=False)),
            # Overloaded.
            (f"{IDLE}curl 28", Serving(generation=None, busy=False)),
            # A kernel that does not say.
            ("grep: /proc/1/status: No such file\ncurl 7", Serving(generation="", busy=True)),
        ],
    )
    def test_it_is_read_with_what_the_master_does(self, said: str, serving: Serving) -> None:
        assert read_serving(said) == serving


class TestWhatNginxSays:
    def test_what_was_left_out_is_read_among_the_words_of_the_tries(self) -> None:
        said = (
            'unknown directive "x" in /etc/nginx/conf.d/bad.conf:1\n'
            "nginx: [warn] conflicting server name\n"
            "alertscale\tsite\tbad.conf\t503\tunknown directive\n"
            "alertscale\tplaceholder\tshop.web\t503\thost not found\n"
        )
        assert read_left_out(said) == (
            LeftOut(kind=LeftOutKind.SITE, name="bad.conf", became="503", why="unknown directive"),
            LeftOut(kind=LeftOutKind.PLACEHOLDER, name="shop.web", became="503", why="host not found"),
        )

    @pytest.mark.parametrize(
        "said",
        [
            '2026/11/30 06:27:42 [emerg] 19#19: host not found in upstream "wiki" in x:1\nnginx: test failed',
            'nginx: [emerg] host not found in upstream "wiki" in x:1',
            'something else\nhost not found in upstream "wiki" in x:1',
        ],
    )
    def test_the_same_refusal_is_the_same_text(self, said: str) -> None:
        assert words_of(said) == 'host not found in upstream "wiki" in x:1'


class Engine:
    """Answers each command that is run in a container."""

    def __init__(self) -> None:
        self.waited_for: list[str] = []

    def exec_create(self, _container: str, cmd: list[str]) -> dict[str, str]:
        return {"Id": cmd[-1]}

    def exec_start(self, made: str, *, socket: bool) -> Mock:
        assert socket
        self.waited_for.append(made)
        return Mock(read=lambda _most: b"")

    def exec_inspect(self, _made: str) -> dict[str, int]:
        return {"ExitCode": 0}


def test_only_a_test_may_say_nothing_for_long() -> None:
    """The others are answered at once, or the engine is away."""
    client, patient = Engine(), Engine()
    control = DockerNginx(client=cast(APIClient, client), patient=cast(APIClient, patient))
    control.test(NGINX)
    control.reload(NGINX)
    control.serving(NGINX)

    assert ["alertscale-accept" in command for command in patient.waited_for] == [True]
    assert len(client.waited_for) == 2
