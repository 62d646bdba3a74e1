"""Which files in a container are those that Compose wrote, and how they are handed on."""

import io
import tarfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scaler.engines.compose.written_files import (
    WrittenFile,
    candidates,
    instant,
    is_written,
    packed,
    unpacked,
)
from scaler.model.errors import TargetError

CREATED = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
STARTED = CREATED + timedelta(seconds=2)
DIRECTORY, SYMLINK = 1 << 31, 1 << 27


def stat(mtime: str = "2026-01-02T03:04:06Z", mode: int = 0o444) -> dict[str, Any]:
    return {"name": "f", "size": 1, "mode": mode, "mtime": mtime, "linkTarget": ""}


def written(found: dict[str, Any] | None) -> bool:
    return is_written(found, created=CREATED, started=STARTED)


class TestCandidates:
    def test_what_was_added_or_changed_but_not_what_was_deleted(self) -> None:
        changes = [
            {"Path": "/etc", "Kind": 0},
            {"Path": "/etc/app.conf", "Kind": 1},
            {"Path": "/etc/motd", "Kind": 2},
        ]
        assert candidates(changes, mounts=[]) == ("/etc", "/etc/app.conf")

    def test_not_what_is_mounted_or_lies_below_a_mount(self) -> None:
        changes = [{"Path": path, "Kind": 1} for path in ("/data", "/data/f", "/database")]

        assert candidates(changes, mounts=["/data"]) == ("/database",)


class TestIsWritten:
    def test_a_file_of_a_whole_second_between_creation_and_start(self) -> None:
        assert written(stat())

    @pytest.mark.parametrize("mtime", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:08Z"])
    def test_seconds_are_rounded_either_way(self, mtime: str) -> None:
        assert written(stat(mtime))

    def test_a_time_in_another_zone(self) -> None:
        assert written(stat("2026-01-02T05:04:06+02:00"))

    @pytest.mark.parametrize("mtime", ["2026-01-02T03:04:06.123456789Z", "2026-01-02T03:04:06.004Z"])
    def test_not_one_that_a_program_wrote(self, mtime: str) -> None:
        assert not written(stat(mtime))

    @pytest.mark.parametrize("mtime", ["2025-12-31T00:00:00Z", "2026-01-02T03:05:00Z"])
    def test_not_one_unpacked_from_an_archive_or_copied_in_later(self, mtime: str) -> None:
        assert not written(stat(mtime))

    @pytest.mark.parametrize("kind", [DIRECTORY, SYMLINK])
    def test_not_a_directory_or_link(self, kind: int) -> None:
        assert not written(stat(mode=kind | 0o755))

    def test_not_one_that_is_gone_by_now(self) -> None:
        assert not written(None)


def test_nanoseconds_are_read() -> None:
    assert instant("2026-01-02T03:04:05.600000001Z") == CREATED


class TestArchive:
    FILE = WrittenFile(path="/etc/keys/secret", mode=0o400, uid=1000, gid=1001, content=b"s")

    def test_is_to_be_unpacked_at_the_root_with_mode_and_owner(self) -> None:
        with tarfile.open(fileobj=io.BytesIO(packed([self.FILE], seconds=7))) as archive:
            (member,) = archive.getmembers()

        assert (member.name, member.mode, member.uid, member.gid, member.mtime) == (
            "etc/keys/secret",
            0o400,
            1000,
            1001,
            7,
        )

    def test_is_read_back_as_it_was_written(self) -> None:
        assert unpacked(packed([self.FILE], seconds=7), path=self.FILE.path) == self.FILE

    def test_without_a_file_is_refused(self) -> None:
        with pytest.raises(TargetError, match="/etc/keys: its archive holds no file"):
            unpacked(packed([], seconds=7), path="/etc/keys")
