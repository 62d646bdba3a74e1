"""The program as a whole, as far as it comes without an engine."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scaler.__main__ import _about, _make_token
from scaler.engines.contract import Place
from scaler.healthcheck import main as healthcheck
from scaler.web.page import About

ROOT = Path(__file__).parents[3]


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scaler"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_settings_that_cannot_be_read_are_listed_and_exit_with_2() -> None:
    done = run(ALERTSCALE_TICK="soon", ALERTSCALE_LISTEN="8000", ALERTSCALE_TIKC="1s")

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "alertscale: ALERTSCALE_LISTEN: '8000' is not an address and a port, such as 0.0.0.0:8000",
        "alertscale: ALERTSCALE_TICK: 'soon' is not a duration such as 500ms, 10s or 1m30s, at most 720h",
        "alertscale: ALERTSCALE_TIKC is not known; did you mean ALERTSCALE_TICK?",
    ]


def test_without_an_engine_it_says_so_and_exits_with_1(tmp_path: Path) -> None:
    done = run(
        DOCKER_HOST=f"unix://{tmp_path}/no.sock",
        ALERTSCALE_PROJECT="shop",
        ALERTSCALE_DATA=str(tmp_path / "data"),
        ALERTSCALE_UPSTREAMS=str(tmp_path / "upstreams"),
        ALERTSCALE_TOKEN_FILE=str(tmp_path / "run" / "token"),
    )

    assert done.returncode == 1
    assert '"event": "cannot start"' in done.stderr
    assert "no.sock" in done.stderr or "Connection aborted" in done.stderr
    assert (tmp_path / "run" / "token").exists()


class TestToken:
    def test_it_is_made_once(self, tmp_path: Path) -> None:
        path = tmp_path / "token"
        _make_token(path)
        first = path.read_text()
        _make_token(path)

        assert path.read_text() == first
        assert len(first.strip()) >= 32
        assert list(tmp_path.iterdir()) == [path]

    def test_each_one_is_another(self, tmp_path: Path) -> None:
        for name in "ab":
            _make_token(tmp_path / name)

        assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()

    def test_only_its_group_may_read_it(self, tmp_path: Path) -> None:
        """Alertmanager, which runs as nobody, is in that group."""
        _make_token(tmp_path / "token")
        status = (tmp_path / "token").stat()

        assert stat.S_IMODE(status.st_mode) == 0o440
        assert status.st_gid == (65534 if os.geteuid() == 0 else os.getegid())


def test_the_health_check_fails_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTSCALE_LISTEN", "127.0.0.1:1")

    assert healthcheck() == 1


@pytest.mark.parametrize(
    ("place", "about"),
    [
        (
            Place(
                project="shop",
                networks=frozenset({"shop_default"}),
                address="",
                node="c0ffee",
                machine="docker-1",
                folder="/srv/shop",
                service="scaler",
            ),
            About(
                host="docker-1",
                folder="/srv/shop",
                read_token="docker compose exec scaler cat '/run/the token'",
            ),
        ),
        (
            Place(
                project="shop", networks=frozenset({"shop"}), address="", node="c0ffee", machine="manager-1"
            ),
            About(host="manager-1", read_token="docker exec c0ffee cat '/run/the token'"),
        ),
        (
            Place(project="shop", networks=None, address="", node="here"),
            About(read_token="cat '/run/the token'"),
        ),
    ],
    ids=["compose", "swarm", "on the host itself"],
)
def test_how_the_token_is_read_is_told_for_where_the_scaler_runs(place: Place, about: About) -> None:
    assert _about(place, Path("/run/the token")) == about
