"""What prepare-server.sh refuses, and that --dry-run changes nothing; tests/integration runs it for real."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from machine.compose import WHEEL

SCRIPT = Path(__file__).resolve().parents[3] / "deploy/prepare-server.sh"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIONTj0nk6 probe\n"


def run(*words: str, root: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(SCRIPT), *words],
        env={**os.environ, "PREPARE_ROOT": str(root), "PREPARE_LOG": str(root / "log")},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    return system(tmp_path, "ID=debian\n")


def system(folder: Path, os_release: str) -> Path:
    (folder / "etc/docker").mkdir(parents=True)
    (folder / "etc/os-release").write_text(os_release + 'PRETTY_NAME="A probe"\n', encoding="utf-8")
    return folder


def test_a_dry_run_says_of_each_step_what_it_would_do_and_changes_nothing(debian: Path) -> None:
    foreign = debian / "etc/docker/daemon.json"
    foreign.write_text('{"dns": ["192.0.2.1"]}', encoding="utf-8")
    before = sorted(debian.rglob("*"))
    done = run("--dry-run", "--user", "nobody-here", "--key", "-", "--swap", "0", root=debian, stdin=PUBLIC)
    assert done.returncode == 0, done.stderr
    first, *steps, last = done.stdout.splitlines()
    assert first == "This is A probe."
    assert {step.split()[0] for step in steps} <= {"would", "already", "left"}
    assert "would    user nobody-here" in steps
    assert any(step.startswith("would    the key ssh-ed25519") for step in steps)
    assert any(step.startswith(f"would    {foreign}") for step in steps)
    assert last == "Nothing was changed (--dry-run)."
    assert sorted(debian.rglob("*")) == before
    assert foreign.read_text(encoding="utf-8") == '{"dns": ["192.0.2.1"]}'


def test_a_setting_of_docker_that_is_there_already_is_no_work(debian: Path) -> None:
    (debian / "etc/docker/daemon.json").write_text(
        '{"live-restore": false, "log-driver": "journald"}', encoding="utf-8"
    )
    assert f"already  {debian}/etc/docker/daemon.json" in run("--dry-run", root=debian).stdout


def test_a_broken_file_of_docker_is_named_and_left(debian: Path) -> None:
    broken = debian / "etc/docker/daemon.json"
    broken.write_text('{"dns": ', encoding="utf-8")
    done = run("--dry-run", root=debian)
    assert done.returncode == 1
    assert f"{broken}: no good JSON" in done.stderr
    assert "Way out" in done.stderr


def test_ubuntu_is_a_debian_and_others_are_refused(tmp_path: Path) -> None:
    ubuntu = system(tmp_path / "ubuntu", "ID=ubuntu\nID_LIKE=debian\n")
    assert run("--dry-run", root=ubuntu).returncode == 0
    done = run("--dry-run", root=system(tmp_path / "fedora", "ID=fedora\n"))
    assert done.returncode == 1
    assert "this system is 'fedora'" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--usr", "x"], "--usr: no such option"),
        (["--user"], "--user needs a value"),
        (["--user", ""], "--user needs a value"),
        (["--user", "Big Boss"], "--user 'Big Boss': no name"),
        (["--user", "root"], "--user root"),
        (["--open", "http"], "--open 'http': no list of ports"),
        (["--ssh-port", "22;reboot"], "--ssh-port '22;reboot': no port"),
        (["--swap", "2G"], "--swap '2G': no size"),
        (["--key", "/no/such/file"], "--key /no/such/file: no such file"),
    ],
)
def test_what_cannot_be_is_refused_with_its_value_and_the_way_out(
    debian: Path, words: list[str], said: str
) -> None:
    done = run("--dry-run", *words, root=debian)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Way out" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n",
        "",
        "ssh-ed25519\n",
        PUBLIC + PUBLIC,
        'command="reboot" ' + PUBLIC,
    ],
)
def test_what_is_no_single_public_key_is_refused(debian: Path, key: str) -> None:
    done = run("--dry-run", "--key", "-", root=debian, stdin=key)
    assert done.returncode == 1
    assert "Way out: give the .pub file" in done.stderr


def test_it_explains_itself(tmp_path: Path) -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    shown = run("--help", root=tmp_path).stdout
    assert "root on this machine" in shown
    assert "goes past ufw" in shown
    for option in (
        "--user",
        "--key",
        "--ssh-port",
        "--open",
        "--no-firewall",
        "--swap",
        "--upgrades",
        "--dry-run",
    ):
        assert f"  {option}" in shown
    assert f"COMPOSE_WHEEL={WHEEL}\n" in text, "the same Compose as make installs"
