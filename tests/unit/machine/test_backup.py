"""What a backup takes along, what a restore says and does with settings, and that signals end it tidily."""

from __future__ import annotations

import os
import signal
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from machine import backup
from machine.archive import VOLUMES
from machine.backup import put_file, settings, target, told
from machine.errors import BackupError
from machine.shell import tidy_end, uninterrupted
from machine.state import Workplace


def config() -> dict[str, Any]:
    return {
        "name": "shop",
        "services": {"prometheus": {"image": "prom/prometheus:v3.5.3"}},
        "volumes": {name: {"name": f"shop_{name}"} for name in (*VOLUMES, "upstreams")},
    }


def place(folder: Path) -> Workplace:
    return Workplace(checkout=folder)


def test_the_volumes_that_cannot_be_made_again_are_taken_by_the_engines_names() -> None:
    found = target(config())
    assert found.project == "shop"
    assert found.volumes == {name: f"shop_{name}" for name in VOLUMES}
    assert found.image == "prom/prometheus:v3.5.3"


def test_a_volume_that_the_stack_does_not_have_is_named() -> None:
    less = config()
    del less["volumes"]["token"]
    with pytest.raises(BackupError, match="no volume token"):
        target(less)


def test_the_sizes_of_the_volumes_are_told_in_megabytes() -> None:
    assert told("300\ttoken/.x\n2048\tprometheus-data/.x") == "  token: 0.3 MB\n  prometheus-data: 2.0 MB"


def test_settings_that_are_in_no_commit_are_taken_and_links_are_not(tmp_path: Path) -> None:
    (tmp_path / "secrets/more").mkdir(parents=True)
    for name in (".env", "docker-compose.yml", "secrets/url", "secrets/more/url"):
        (tmp_path / name).touch()
    (tmp_path / "secrets/link").symlink_to("/etc/passwd")
    assert settings(tmp_path) == (".env", "secrets/more/url", "secrets/url")


def member(name: str, mode: int = 0o600) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.mode, made.uid, made.gid = mode, os.getuid(), os.getgid()
    return made


def test_a_setting_that_is_missing_is_put_in_place_with_its_mode(tmp_path: Path) -> None:
    put_file(tmp_path / "secrets/url", b"x", member("url", 0o640))
    assert (tmp_path / "secrets/url").read_bytes() == b"x"
    assert (tmp_path / "secrets/url").stat().st_mode & 0o777 == 0o640


def test_a_setting_that_differs_stays_and_the_backups_goes_beside_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"now")
    put_file(tmp_path / ".env", b"now", member(".env"))
    assert [file.name for file in tmp_path.iterdir()] == [".env"]
    put_file(tmp_path / ".env", b"then", member(".env"))
    assert (tmp_path / ".env").read_bytes() == b"now"
    assert (tmp_path / ".env.from-backup").read_bytes() == b"then"


def test_a_link_in_the_place_of_a_setting_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (tmp_path / ".env").symlink_to(outside)
    put_file(tmp_path / ".env", b"then", member(".env"))
    assert not outside.exists()


def test_a_restore_of_no_file_names_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups/alertscale-1.tar.gz").touch()
    with pytest.raises(BackupError, match=r"make restore FILE=backups/alertscale-1\.tar\.gz"):
        backup.restore(place(tmp_path))
    with pytest.raises(BackupError, match=r"absent.tar.gz: there is no such file"):
        backup.restore(place(tmp_path), file="absent.tar.gz")


def test_two_at_once_do_not_take_each_others_snapshots_away(tmp_path: Path) -> None:
    refused = pytest.raises(BackupError, match="another backup or restore")
    with backup._alone(tmp_path), refused, backup._alone(tmp_path):
        pytest.fail("it was let in")
    with backup._alone(tmp_path):
        assert (tmp_path / "backups").stat().st_mode & 0o777 == 0o700


def test_what_a_killed_backup_had_written_of_its_secrets_goes_with_the_next_run(tmp_path: Path) -> None:
    with backup._alone(tmp_path):
        (tmp_path / "backups/.alertscale-1.tar.gz.partial").write_bytes(b"the token")
        (tmp_path / "backups/alertscale-0.tar.gz").touch()
    with backup._alone(tmp_path):
        left = {file.name for file in (tmp_path / "backups").iterdir()}
        assert left == {".lock", "alertscale-0.tar.gz"}


def test_a_restore_of_another_file_ends_before_the_engine_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(BackupError, match="not a whole backup"):
        backup.restore(place(tmp_path), file=str(tmp_path / "photo.jpg"), yes=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_after_what_may_not_be_cut_off(number: signal.Signals) -> None:
    done: list[str] = []

    def cut_off() -> None:
        with tidy_end():
            try:
                with uninterrupted():
                    signal.pthread_kill(threading.main_thread().ident or 0, number)
                    done.append("finished")
                done.append("went on")
            finally:
                done.append("tidied")

    with pytest.raises(SystemExit) as caught:
        cut_off()
    assert caught.value.code == 128 + number
    assert done == ["finished", "tidied"]
