"""Render, test, swap, reload: against an nginx in memory that shares a real directory."""

import errno
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from scaler.engines.contract import LeftOut, LeftOutKind
from scaler.model.errors import BalancerError, TargetError
from scaler.model.reasons import ErrorReason, ReloadOutcome
from scaler.policy.reloads import LONGEST
from scaler.traffic.contract import Upstream
from scaler.traffic.nginx import AGAIN, Nginx, OldWorkers
from scaler.traffic.rendering import render
from tests.fakes import NGINX, Clock, FakeNginx


def web(*addresses: str, name: str = "web") -> Upstream:
    return Upstream(
        name=name,
        servers=tuple((a, 5000) for a in addresses),
        fallback=(f"shop-{name}-1:5000",),
        service=f"shop/{name}",
    )


BROKEN = LeftOut(kind=LeftOutKind.SITE, name="bad.conf", became="503", why="unknown directive")
PLACED = LeftOut(kind=LeftOutKind.PLACEHOLDER, name="shop.web", became="503", why="host not found")


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
    return {path.name: path.read_text() for path in (directory / "current").glob("[!@]*.conf")}


def generations(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.is_symlink())


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
            with pytest.raises(BalancerError, match=r"did not take.*docker compose logs nginx") as caught:
                balancer.sync((web("10.0.0.3"),), instance=NGINX)
            assert caught.value.reason is ErrorReason.RELOAD_FAILED
            assert balancer.settled
        assert current(nginx.directory) == before
        assert set(made) <= set(generations(nginx.directory))
        assert len(generations(nginx.directory)) <= len(made) + 1
        assert clock.ahead < 5

    def test_a_reload_that_was_not_taken_is_tried_again(self, balancer: Nginx, nginx: FakeNginx) -> None:
        nginx.deaf = True
        with pytest.raises(BalancerError):
            balancer.sync((web("10.0.0.2"),), instance=NGINX)
        nginx.deaf = False

        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert nginx.servers("web") == ["10.0.0.2:5000"]

    def test_what_is_left_out_is_tried_again_after_some_seconds(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        nginx.leaves_out = (BROKEN,)
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        assert [found.name for found in balancer.left_out] == ["bad.conf"]
        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is None
        assert len(nginx.tested) == 1

        clock.advance(AGAIN)
        made = generations(nginx.directory)
        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is None
        assert (len(nginx.tested), nginx.reloads, generations(nginx.directory)) == (2, 1, made)

        nginx.leaves_out = ()
        clock.advance(AGAIN)
        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert not balancer.left_out
        clock.advance(AGAIN)
        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is None
        assert len(nginx.tested) == 3

    def test_a_test_that_takes_long_is_made_seldom(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        """The name of a host that is gone may take Docker's DNS many seconds, and the loop waits for it."""
        nginx.leaves_out = (BROKEN,)
        nginx.before = lambda method: clock.advance(10) if method == "test" else None
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        clock.advance(45)
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        assert len(nginx.tested) == 1
        clock.advance(6)
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        assert len(nginx.tested) == 2

    def test_a_name_that_is_nobodys_is_asked_for_seldom(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        """Docker hands the question on to the outside."""
        nginx.leaves_out = (PLACED,)
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        clock.advance(2 * AGAIN)
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        assert len(nginx.tested) == 1
        clock.advance(30)
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        assert len(nginx.tested) == 2

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

    def test_one_that_was_paused_is_given_whole_files_again(self, balancer: Nginx, nginx: FakeNginx) -> None:
        """What was written meanwhile has no sites, so ``nginx -s reload`` and ``nginx -t`` fail with it."""
        whole = nginx.directory / "current" / "@placeholder.conf"  # the test makes it
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        balancer.sync((web("10.0.0.3"),), instance=None)
        assert not whole.exists()
        nginx.refuses = BalancerError("nginx: [emerg]", reason=ErrorReason.CONFIG_TEST_FAILED)
        with pytest.raises(BalancerError, match="emerg"):
            balancer.sync((web("10.0.0.2"),), instance=NGINX)
        nginx.refuses = None

        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert whole.exists()
        assert current(nginx.directory) == nginx.loaded == {"web.conf": render(web("10.0.0.2"))}
        assert balancer.sync((web("10.0.0.2"),), instance=NGINX) is None

    def test_files_of_services_that_are_not_named_go(self, balancer: Nginx, nginx: FakeNginx) -> None:
        """Whoever joins the network next may get their addresses."""
        balancer.sync((web("10.0.0.2"), web("10.0.1.2", name="api")), instance=NGINX)
        balancer.sync((web("10.0.0.3"),), instance=NGINX)

        assert nginx.servers("web") == ["10.0.0.3:5000"]
        assert "api.conf" not in nginx.loaded

    def test_what_was_accepted_is_handed_on(self, balancer: Nginx, nginx: FakeNginx) -> None:
        """A site that is broken goes on as it was."""
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        (nginx.directory / "current" / "accepted" / "shop.conf").write_text("server {}\n")
        balancer.sync((web("10.0.0.3"),), instance=NGINX)
        balancer.sync((web("10.0.0.4"),), instance=None)

        assert (nginx.directory / "current" / "accepted" / "shop.conf").read_text() == "server {}\n"

    def test_whom_it_has_is_read_from_its_files(self, balancer: Nginx, nginx: FakeNginx) -> None:
        balancer.sync((web("10.0.0.2", "fd00::2"), web(name="api")), instance=NGINX)
        boot = "# replica shop-db-1:80\nupstream db {\n    server shop-db-1:80 resolve max_fails=0;\n}\n"
        (nginx.directory / "current" / "db.conf").write_text(boot)
        (nginx.directory / "current" / "garbage.conf").write_bytes(b"\xff server \xff:80;")

        assert balancer.carried("web") == {("10.0.0.2", 5000), ("fd00::2", 5000)}
        assert balancer.carried("db") == {("shop-db-1", 80)}
        assert balancer.carried("api") == balancer.carried("nobody") == balancer.carried("garbage") == set()

    def test_old_generations_are_removed_but_for_the_last_two(
        self, balancer: Nginx, nginx: FakeNginx
    ) -> None:
        for number in range(2, 8):
            balancer.sync((web(f"10.0.0.{number}"),), instance=NGINX)

        assert generations(nginx.directory) == ["generation-5", "generation-6"]
        assert (nginx.directory / "current").readlink() == Path("generation-6")
        assert not (nginx.directory / "next").is_symlink()

    def test_no_generation_has_the_number_of_one_before(self, balancer: Nginx, nginx: FakeNginx) -> None:
        """A test of which the end was not waited for still writes into its folder."""
        nginx.refuses = TargetError("no answer from the engine", reason=ErrorReason.ENGINE_UNAVAILABLE)
        made: list[Path] = []
        nginx.before = lambda method: (
            made.append((nginx.directory / "next").readlink()) if method == "test" else None
        )
        for _ in range(3):
            with pytest.raises(TargetError):
                balancer.sync((web("10.0.0.2"),), instance=NGINX)
        (nginx.directory / "generation-7").mkdir()
        nginx.refuses = None
        balancer.sync((web("10.0.0.2"),), instance=NGINX)

        assert [path.name for path in made] == [f"generation-{n}" for n in (1, 2, 3, 8)]

    def test_a_fault_of_our_own_leaves_nothing_behind(self, balancer: Nginx, nginx: FakeNginx) -> None:
        nginx.refuses = KeyError("ExitCode")
        for _ in range(3):
            with pytest.raises(KeyError):
                balancer.sync((web("10.0.0.2"),), instance=NGINX)

        assert (generations(nginx.directory), balancer.settled) == ([], True)

    def test_what_nginx_is_about_to_begin_with_is_left_alone(self, balancer: Nginx, nginx: FakeNginx) -> None:
        """Between the test of its own folder at its start and the link to it nginx does not run yet."""
        (nginx.directory / "boot-1-7").mkdir()
        (nginx.directory / "generation-4").mkdir()
        balancer.sync((web("10.0.0.2"),), instance=None)
        assert generations(nginx.directory) == ["boot-1-7", "generation-5"]

        balancer.sync((web("10.0.0.3"),), instance=NGINX)
        assert generations(nginx.directory) == ["generation-5", "generation-6"]

    def test_nothing_is_linked_that_is_gone(self, balancer: Nginx, nginx: FakeNginx) -> None:
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        nginx.before = lambda method: (
            shutil.rmtree(nginx.directory / "generation-2")
            if method == "processes" and nginx.tested[1:]
            else None
        )
        with pytest.raises(BalancerError, match="somebody has removed it"):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)
        assert current(nginx.directory) == {"web.conf": render(web("10.0.0.2"))}

    def test_a_previous_one_that_is_gone_is_not_restored(self, balancer: Nginx, nginx: FakeNginx) -> None:
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        nginx.deaf = True
        nginx.before = lambda method: (
            shutil.rmtree(nginx.directory / "generation-1") if method == "reload" else None
        )
        with pytest.raises(BalancerError, match="did not take"):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)
        assert current(nginx.directory) == {"web.conf": render(web("10.0.0.3"))}

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


class TestRefusedByTheMasterAlone:
    """The key of a ``limit_req_zone`` was edited, for one: the test accepts it, only a new start takes it."""

    @pytest.fixture(autouse=True)
    def deaf(self, balancer: Nginx, nginx: FakeNginx) -> None:
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        nginx.deaf = True

    def test_it_is_asked_more_and_more_seldom(self, balancer: Nginx, nginx: FakeNginx, clock: Clock) -> None:
        asked: list[float] = []
        said = set()
        begun = clock.ahead
        while clock.ahead < begun + 130:
            before = nginx.reloads
            with pytest.raises(BalancerError) as caught:
                balancer.sync((web("10.0.0.3"),), instance=NGINX)
            if nginx.reloads > before:
                asked.append(clock.ahead - begun)
            said.add((str(caught.value), caught.value.reason))
            clock.advance(2)  # as Traffic does

        pauses = [round(b - a) for a, b in itertools.pairwise(asked)]
        assert pauses == pytest.approx([2, 4, 8, 16, 30, 30, 30], abs=2)
        assert len(nginx.tested) == nginx.reloads
        ((text, reason),) = said
        assert "docker compose logs nginx" in text
        assert "docker compose restart nginx" in text
        assert reason is ErrorReason.RELOAD_FAILED

    def test_what_is_wanted_instead_is_tried_at_once(self, balancer: Nginx, nginx: FakeNginx) -> None:
        for _ in range(3):
            with pytest.raises(BalancerError):
                balancer.sync((web("10.0.0.3"),), instance=NGINX)
        assert nginx.reloads == 3
        nginx.deaf = False
        assert balancer.sync((web("10.0.0.4"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert balancer.sync((web("10.0.0.3"),), instance=NGINX) is ReloadOutcome.RELOADED

    def test_a_new_start_is_given_it_at_once(self, balancer: Nginx, nginx: FakeNginx) -> None:
        for _ in range(3):
            with pytest.raises(BalancerError):
                balancer.sync((web("10.0.0.3"),), instance=NGINX)
        nginx.deaf = False
        nginx.restart(master=300)

        assert balancer.sync((web("10.0.0.3"),), instance=NGINX) is ReloadOutcome.RELOADED

    def test_the_sites_that_changed_are_named(self, balancer: Nginx, nginx: FakeNginx) -> None:
        (nginx.directory / "current" / "accepted" / "same.conf").write_text("server {}\n")
        (nginx.directory / "current" / "accepted" / "shop.conf").write_text("server {}\n")

        def edited(method: str) -> None:
            if method == "test":
                (nginx.directory / "next" / "accepted" / "shop.conf").write_text("server { listen 81; }\n")
                (nginx.directory / "next" / "accepted" / "new.conf").write_text("server {}\n")

        nginx.before = edited
        with pytest.raises(BalancerError, match=r"accepts them \(changed since: new.conf, shop.conf\), and"):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)


class TestSlowReload:
    """nginx looks up the hosts of all sites before it takes anything: that may be minutes."""

    @pytest.fixture(autouse=True)
    def slow(self, balancer: Nginx, nginx: FakeNginx) -> None:
        balancer.sync((web("10.0.0.2"),), instance=NGINX)
        nginx.slow = True

    def after(self, nginx: FakeNginx, clock: Clock, seconds: float, then: Callable[[], object]) -> None:
        """Do something so many seconds later, while the balancer waits."""
        due = clock.monotonic() + seconds

        def look(_method: str) -> None:
            if clock.monotonic() >= due:
                nginx.before = lambda _method: None
                then()

        nginx.before = look

    def test_it_is_waited_for(self, balancer: Nginx, nginx: FakeNginx, clock: Clock) -> None:
        self.after(nginx, clock, 40, nginx.finish)

        assert balancer.sync((web("10.0.0.3"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert nginx.servers("web") == ["10.0.0.3:5000"]
        assert (clock.ahead > 39, nginx.reloads) == (True, 2)

    def test_after_a_minute_it_is_told_and_stays_under_way(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        said = set()
        for _ in range(3):
            with pytest.raises(BalancerError, match=r"over 60 s.*a variable.*restart nginx") as caught:
                balancer.sync((web("10.0.0.3"),), instance=NGINX)
            said.add(str(caught.value))
        assert (len(said), balancer.settled, nginx.reloads) == (1, False, 2)
        assert 59 < clock.ahead < 65
        # It may be reading just these files.
        assert "10.0.0.3" in current(nginx.directory)["web.conf"]

        nginx.finish()
        assert balancer.sync((web("10.0.0.3"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert (balancer.settled, nginx.reloads) == (True, 2)

    def test_what_is_wanted_by_then_comes_next(self, balancer: Nginx, nginx: FakeNginx) -> None:
        with pytest.raises(BalancerError):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)
        nginx.finish()
        nginx.slow = False

        assert balancer.sync((web("10.0.0.4"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert nginx.servers("web") == ["10.0.0.4:5000"]
        assert nginx.reloads == 3

    def test_one_that_nginx_gives_up_in_the_end_is_undone(self, balancer: Nginx, nginx: FakeNginx) -> None:
        before = current(nginx.directory)
        with pytest.raises(BalancerError):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)
        nginx.give_up()
        nginx.refuses = BalancerError("nginx: [emerg]", reason=ErrorReason.CONFIG_TEST_FAILED)

        with pytest.raises(BalancerError, match="emerg"):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)
        assert (current(nginx.directory), balancer.settled) == (before, True)

    def test_an_nginx_that_is_restarted_meanwhile_is_given_it_anew(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        """It may have begun with either."""
        self.after(nginx, clock, 5, lambda: nginx.restart(master=300))
        assert balancer.sync((web("10.0.0.3"),), instance=NGINX) is ReloadOutcome.STARTING
        assert not balancer.settled
        nginx.slow = False

        assert balancer.sync((web("10.0.0.3"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert balancer.settled

    def test_workers_that_crash_meanwhile_are_no_sign_of_it(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        """The master starts others with the old configuration."""
        self.after(nginx, clock, 5, nginx.crash_workers)
        with pytest.raises(BalancerError, match="over 60 s"):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)

    def test_one_that_is_too_busy_to_answer_is_known_by_its_processes(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        """Load is what replicas are added for."""
        nginx.mute = True
        self.after(nginx, clock, 5, nginx.crash_workers)
        with pytest.raises(BalancerError, match="over 60 s"):  # new workers alone are none
            balancer.sync((web("10.0.0.3"),), instance=NGINX)
        nginx.finish()

        assert balancer.sync((web("10.0.0.3"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert nginx.servers("web") == ["10.0.0.3:5000"]

    def test_an_engine_that_does_not_answer_meanwhile_leaves_it_open(
        self, balancer: Nginx, nginx: FakeNginx, clock: Clock
    ) -> None:
        def away() -> None:
            raise TargetError("no answer", reason=ErrorReason.ENGINE_UNAVAILABLE)

        self.after(nginx, clock, 5, away)
        with pytest.raises(TargetError):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)
        assert not balancer.settled

        nginx.finish()
        assert balancer.sync((web("10.0.0.3"),), instance=NGINX) is ReloadOutcome.RELOADED
        assert nginx.reloads == 2

    def test_an_nginx_that_stops_has_nothing_any_more(self, balancer: Nginx) -> None:
        with pytest.raises(BalancerError):
            balancer.sync((web("10.0.0.3"),), instance=NGINX)

        assert balancer.sync((web("10.0.0.4"),), instance=None) is ReloadOutcome.WRITTEN
        assert balancer.settled


def test_a_mended_site_waits_for_old_workers_too(balancer: Nginx, nginx: FakeNginx, clock: Clock) -> None:
    nginx.keeps_old = True
    nginx.leaves_out = (BROKEN,)
    for last in (2, 3, 4, 5, 6, 7, 8):
        balancer.sync((web(f"10.0.0.{last}"),), instance=NGINX)
    nginx.leaves_out = ()
    clock.advance(AGAIN)
    assert balancer.sync((web("10.0.0.8"),), instance=NGINX) is None
    assert balancer.sync((web("10.0.0.8", "10.0.0.9"),), instance=NGINX) is ReloadOutcome.HELD

    clock.advance(LONGEST)
    assert balancer.sync((web("10.0.0.8"),), instance=NGINX) is ReloadOutcome.RELOADED


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
