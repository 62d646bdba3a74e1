"""Render, test, swap, reload: against an nginx in memory that shares a real directory."""

import errno
from pathlib import Path

import pytest

from scaler.model.errors import BalancerError, TargetError
from scaler.model.reasons import ErrorReason, ReloadOutcome
from scaler.traffic.contract import Upstream
from scaler.traffic.nginx import Nginx, OldWorkers, render
from tests.fakes import NGINX, Clock, FakeNginx


def web(*addresses: str, name: str = "web") -> Upstream:
    return Upstream(name=name, servers=tuple((a, 5000) for a in addresses), fallback=f"{name}:5000")


@pytest.fixture
def nginx(tmp_path: Path) -> FakeNginx:
    return FakeNginx(directory=tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def balancer(nginx: FakeNginx, clock: Clock) -> Nginx:
    return Nginx(directory=nginx.directory, control=nginx, pause=clock.advance, monotonic=clock.monotonic)


def current(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (directory / "current").glob("*.conf")}


def generations(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.is_symlink())


class TestUpstream:
    @pytest.mark.parametrize("name", ["web", "shop.web", "flask-app", "Web_2", "2048", "_web", "-web"])
    def test_names_of_compose_services(self, name: str) -> None:
        assert web("10.0.0.2", name=name).name == name

    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "..",
            "../web",
            "/etc/passwd",
            "a/b",
            "a b",
            "web;",
            "web{",
            "web\n",
            "web\x00",
            ".web",
            "wéb",
        ],
    )
    def test_a_name_that_has_no_place_in_a_file_name_or_a_configuration(self, name: str) -> None:
        with pytest.raises(ValueError, match="is no name for an upstream"):
            Upstream(name=name, servers=(("10.0.0.2", 80),), fallback="web:80")

    @pytest.mark.parametrize(
        "fallback", ["web", "web:", ":80", "web:http", "web:80\n", "web:80;", "a b:80", "../web:80"]
    )
    def test_a_fallback_that_is_not_host_and_port(self, fallback: str) -> None:
        with pytest.raises(ValueError, match="is not host:port"):
            Upstream(name="web", servers=(("10.0.0.2", 80),), fallback=fallback)

    def test_an_upstream_is_never_empty(self) -> None:
        with pytest.raises(ValueError, match="upstream web would be empty"):
            Upstream(name="web", servers=(), fallback="web:80")

    @pytest.mark.parametrize("address", ["", "web", "10.0.0.2;", "10.0.0.2\n", "10.0.0", "fe80::1%e;\n}"])
    def test_an_address_that_is_none(self, address: str) -> None:
        with pytest.raises(ValueError, match=r"does not appear to be|is no address"):
            Upstream(name="web", servers=((address, 80),), fallback="web:80")


def test_rendered() -> None:
    assert render(web("10.0.0.3", "10.0.0.2")) == (
        "# Made by alertscale; the scaler replaces it when replicas change. Do not edit.\n"
        "# fallback web:5000\n"
        "upstream web {\n"
        "    zone web 256k;\n"
        "    server 10.0.0.2:5000 max_fails=0;\n"
        "    server 10.0.0.3:5000 max_fails=0;\n"
        "    keepalive 32;\n"
        "}\n"
    )


def test_ipv6_is_bracketed() -> None:
    assert "    server [fd00::2]:5000 max_fails=0;\n" in render(web("fd00::2"))


def test_the_order_of_replicas_makes_no_difference() -> None:
    assert render(web("10.0.0.2", "10.0.0.3")) == render(web("10.0.0.3", "10.0.0.2"))


class TestSync:
    def test_the_first_upstreams_are_loaded(self, balancer: Nginx, nginx: FakeNginx) -> None:
        outcome = balancer.sync((web("10.0.0.2"),), instance=NGINX)

        assert outcome is ReloadOutcome.RELOADED
        assert nginx.servers("web") == ["10.0.0.2:5000"]

    def test_nothing_is_done_without_a_change(self, balancer: Nginx, nginx: FakeNginx) -> None:
        balancer.sync((web("10.0.0.2", "10.0.0.3"),), instance=NGINX)

        assert balancer.sync((web("10.0.0.3", "10.0.0.2"),), instance=NGINX) is None
        assert (nginx.reloads, len(nginx.tested)) == (1, 1)

    def test_a_change_is_tested_before_it_is_current(self, balancer: Nginx, nginx: FakeNginx) -> None:
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        seen: list[bool] = []
        nginx.before = lambda method: (
            seen.append("10.0.0.3" in current(nginx.directory)["web.conf"]) if method == "test" else None
        )
        balancer.sync((web("10.0.0.2", "10.0.0.3"),), instance=NGINX)

        assert seen == [False]
        assert "10.0.0.3" in nginx.tested[-1]["web.conf"]
        assert nginx.servers("web") == ["10.0.0.2:5000", "10.0.0.3:5000"]

    def test_a_refused_configuration_changes_nothing(self, balancer: Nginx, nginx: FakeNginx) -> None:
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        before, made = current(nginx.directory), generations(nginx.directory)
        nginx.refuses = BalancerError("nginx: [emerg]", reason=ErrorReason.CONFIG_TEST_FAILED)

        with pytest.raises(BalancerError, match="emerg"):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)
        assert (current(nginx.directory), generations(nginx.directory)) == (before, made)
        assert not (nginx.directory / "next").is_symlink()
        assert nginx.reloads == 1

    def test_a_refused_configuration_is_tried_again(self, balancer: Nginx, nginx: FakeNginx) -> None:
        nginx.refuses = BalancerError("nginx: [emerg]", reason=ErrorReason.CONFIG_TEST_FAILED)
        with pytest.raises(BalancerError):
            balancer.sync((web("10.0.0.2"),), instance=NGINX)
        nginx.refuses = None

        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is ReloadOutcome.RELOADED

    def test_an_engine_that_does_not_answer_the_test_leaves_nothing_behind(
        self, balancer: Nginx, nginx: FakeNginx
    ) -> None:
        """A paused nginx lists its processes but cannot be tested, for as long as it is paused."""
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        made = generations(nginx.directory)
        nginx.refuses = TargetError("the engine refused to test nginx's configuration: it is paused")

        for _ in range(3):
            with pytest.raises(TargetError):
                balancer.sync((web("10.0.0.3"),), instance=NGINX)
        assert generations(nginx.directory) == made
        assert not (nginx.directory / "next").is_symlink()

    def test_a_reload_that_is_not_taken_restores_the_previous_files(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        before, made = current(nginx.directory), generations(nginx.directory)
        nginx.deaf = True

        for _ in range(3):
            with pytest.raises(BalancerError, match=r"within 10 s.*docker compose logs nginx") as caught:
                balancer.sync((web("10.0.0.3"),), instance=NGINX)
            assert caught.value.reason is ErrorReason.RELOAD_FAILED
        assert current(nginx.directory) == before
        assert set(made) <= set(generations(nginx.directory))
        assert len(generations(nginx.directory)) <= len(made) + 1
        assert clock.ahead >= 30

    def test_a_reload_that_was_not_taken_is_tried_again(self, balancer: Nginx, nginx: FakeNginx) -> None:
        nginx.deaf = True
        with pytest.raises(BalancerError):
            balancer.sync((web("10.0.0.2"),), instance=NGINX)
        nginx.deaf = False

        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert nginx.servers("web") == ["10.0.0.2:5000"]

    def test_another_master_is_given_the_same_files_again(self, balancer: Nginx, nginx: FakeNginx) -> None:
        """At its start nginx writes files of its own, so what is on disk proves nothing."""
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        nginx.restart(master=300)

        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert nginx.servers("web") == ["10.0.0.2:5000"]

    def test_a_scaler_that_starts_anew_reloads_once(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        again = Nginx(
            directory=nginx.directory, control=nginx, pause=clock.advance, monotonic=clock.monotonic
        )

        assert again.sync((web("10.0.0.2"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert again.sync((web("10.0.0.2"),), instance=NGINX) is None

    def test_while_nginx_starts_nothing_is_written(self, balancer: Nginx, nginx: FakeNginx) -> None:
        nginx.master = None

        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is ReloadOutcome.STARTING
        assert generations(nginx.directory) == []

    def test_without_nginx_files_are_written_for_its_start(self, balancer: Nginx, nginx: FakeNginx) -> None:
        assert balancer.sync((web("10.0.0.2"),), instance=None) is ReloadOutcome.WRITTEN
        assert balancer.sync((web("10.0.0.2"),), instance=None) is None
        assert current(nginx.directory) == {"web.conf": render(web("10.0.0.2"))}
        assert (nginx.reloads, nginx.asked, nginx.tested) == (0, 0, [])

    def test_files_of_services_that_are_not_named_stay(self, balancer: Nginx, nginx: FakeNginx) -> None:
        """Such a service has no ready replica now; without its file nginx would not start."""
        balancer.sync((web("10.0.0.2"), web("10.0.1.2", name="api")), instance=NGINX)
        balancer.sync((web("10.0.0.3"),), instance=NGINX)

        assert nginx.servers("web") == ["10.0.0.3:5000"]
        assert nginx.servers("api") == ["10.0.1.2:5000"]
        assert balancer.sync((), instance=NGINX) is None

    def test_files_that_nginx_wrote_at_its_start_stay(self, balancer: Nginx, nginx: FakeNginx) -> None:
        (nginx.directory / "generation-1").mkdir()
        (nginx.directory / "generation-1" / "api.conf").write_text("upstream api { server api:80; }\n")
        (nginx.directory / "current").symlink_to("generation-1")
        balancer.sync((web("10.0.0.2"),), instance=NGINX)

        assert nginx.loaded.keys() == {"api.conf", "web.conf"}

    def test_old_generations_are_removed_but_for_the_last_two(
        self, balancer: Nginx, nginx: FakeNginx
    ) -> None:
        for number in range(2, 8):
            balancer.sync((web(f"10.0.0.{number}"),), instance=NGINX)

        assert generations(nginx.directory) == ["generation-5", "generation-6"]
        assert (nginx.directory / "current").readlink() == Path("generation-6")
        assert not (nginx.directory / "next").is_symlink()

    def test_a_directory_that_cannot_be_written_is_named(self, nginx: FakeNginx, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        balancer = Nginx(directory=gone, control=nginx, pause=lambda _: None, monotonic=Clock().monotonic)

        for instance in (NGINX, None):
            with pytest.raises(BalancerError, match=f"{gone}") as caught:
                balancer.sync((web("10.0.0.2"),), instance=instance)
            assert caught.value.reason is ErrorReason.RELOAD_FAILED

    def test_half_a_generation_is_not_left_on_a_full_disk(
        self, balancer: Nginx, nginx: FakeNginx, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is tried again every two seconds; each try would leave another one there."""
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        before = sorted(path.name for path in nginx.directory.iterdir())

        def full(*_args: object, **_kwargs: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as disk:
            disk.setattr(Path, "write_text", full)
            with pytest.raises(BalancerError, match=r"No space left.*disk full"):
                balancer.sync((web("10.0.0.3"),), instance=NGINX)

        assert sorted(path.name for path in nginx.directory.iterdir()) == before
        assert "10.0.0.2" in nginx.loaded["web.conf"]
        assert balancer.sync((web("10.0.0.3"),), instance=NGINX) is ReloadOutcome.RELOADED


class TestOldWorkers:
    def test_workers_of_an_earlier_configuration_carry_requests_until_they_end(
        self, balancer: Nginx, nginx: FakeNginx
    ) -> None:
        nginx.keeps_old = True
        balancer.sync((web("10.0.0.2"),), instance=NGINX)

        requests = balancer.draining(NGINX)
        assert not requests.over()
        nginx.retire()
        assert requests.over()

    def test_those_that_become_old_later_are_not_waited_for(self) -> None:
        seen = iter([frozenset({1, 2}), frozenset({2, 3}), frozenset({3})])
        requests = OldWorkers(lambda: next(seen))

        assert [requests.over() for _ in range(3)] == [False, False, True]

    def test_without_nginx_there_are_none(self, balancer: Nginx) -> None:
        assert balancer.draining(None).over()
