"""Files that nobody else may read."""

import os
import stat
from pathlib import Path

from scaler.secret_file import write_private


def test_only_its_owner_and_its_group_may_read_it(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "x\n")
    status = (tmp_path / "secret").stat()

    assert (tmp_path / "secret").read_text() == "x\n"
    assert stat.S_IMODE(status.st_mode) == 0o440
    assert status.st_gid == (65534 if os.geteuid() == 0 else os.getegid())


def test_whoever_has_the_former_file_open_reads_it_to_its_end(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "former")
    with (tmp_path / "secret").open() as former:
        write_private(tmp_path / "secret", "later")

        assert former.read() == "former"
    assert (tmp_path / "secret").read_text() == "later"
    assert list(tmp_path.iterdir()) == [tmp_path / "secret"]


def test_what_a_crash_left_behind_is_not_written_to(tmp_path: Path) -> None:
    """It is read-only, and a root without capabilities is bound by that."""
    left = tmp_path / "secret.new"
    left.write_text("half")
    left.chmod(0o440)
    os.link(left, tmp_path / "same")

    write_private(tmp_path / "secret", "whole")

    assert (tmp_path / "secret").read_text() == "whole"
    assert (tmp_path / "same").read_text() == "half"
    assert not left.exists()
