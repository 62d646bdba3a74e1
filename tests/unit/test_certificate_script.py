"""nginx with TLS does not start without a certificate, and says which file is missing and where it goes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "nginx/tls/35-alertscale-certificate.sh"


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT)],
        env={**os.environ, "ALERTSCALE_CERTIFICATES": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_both_files_are_enough(tmp_path: Path) -> None:
    for name in ("fullchain.pem", "privkey.pem"):
        (tmp_path / name).write_text("x", encoding="ascii")
    assert run(tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ({}, "fullchain.pem privkey.pem"),
        ({"fullchain.pem": "x"}, "privkey.pem"),
        ({"fullchain.pem": "", "privkey.pem": "x"}, "fullchain.pem"),
    ],
)
def test_what_is_missing_or_empty_is_named_with_the_way_out(
    tmp_path: Path, there: dict[str, str], missing: str
) -> None:
    for name, text in there.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    done = run(tmp_path)
    assert done.returncode == 1
    assert f": {missing}. Way out:" in done.stderr
