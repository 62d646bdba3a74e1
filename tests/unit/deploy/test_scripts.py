"""What deploy.sh and rollback.sh say before they reach for a server, and what a kill of them leaves."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "deploy"
SCRIPTS = ("deploy.sh", "rollback.sh")
VARIABLES = {
    "SSH_PRIVATE_KEY": "a key",
    "SERVER_HOST": "server.invalid",
    "SERVER_USER": "deploy",
    "SSH_KNOWN_HOSTS": "server.invalid ssh-ed25519 AAAA",
}


def environment(**variables: str) -> dict[str, str]:
    """This one with other variables of a deploy."""
    others = {name: value for name, value in os.environ.items() if name not in {*VARIABLES, "SERVER_PORT"}}
    return others | variables


def run(script: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FOLDER / script, *words],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.mark.parametrize("script", sorted(FOLDER.rglob("*.sh")), ids=lambda script: script.name)
def test_bash_can_read_it(script: Path) -> None:
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_teaches(script: str) -> None:
    done = run(script, "--help")
    assert done.returncode == 0
    for part in (f"deploy/{script} user@host", "--dir", "Exit codes"):
        assert part in done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_option_is_named(script: str) -> None:
    done = run(script, "--fast", "user@host")
    assert done.returncode == 2
    assert f"{script}: unknown option --fast" in done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_missing_variable_is_named(script: str) -> None:
    done = run(script, SERVER_HOST="server.invalid")
    assert done.returncode == 1
    assert f"{script}: not set: SSH_PRIVATE_KEY SERVER_USER SSH_KNOWN_HOSTS\n" in done.stderr


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        ((), {"DEPLOY_SWARM": "1"}, "DEPLOY_SWARM is set"),
        (("--swarm",), {}, "--swarm"),
        (("--list", "--swarm"), {}, "--swarm"),
    ],
)
def test_a_rollback_on_a_swarm_is_refused_with_the_way_back(
    words: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    done = run("rollback.sh", *words, "user@manager", **variables)
    assert done.returncode == 1
    assert f"rollback.sh: {said}: a Swarm keeps no releases to go back to\n" in done.stderr
    assert (
        "Way out: deploy the commit before: deploy/deploy.sh --swarm --commit COMMIT user@man" in done.stderr
    )


@pytest.mark.parametrize(
    "words", [("list", "alertscale"), ("run", "alertscale", "upload", "log", "rollback", "")]
)
def test_a_server_that_has_a_swarms_releases_alone_says_so_and_names_them(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    state = tmp_path / "alertscale/.deploy"
    for folder in ("upload", "releases", "log"):
        (state / folder).mkdir(parents=True)
    for age, (commit, code) in enumerate({"c" * 40: "1", "b" * 40: "0", "a" * 40: "0"}.items()):
        (state / "swarm" / commit).mkdir(parents=True)
        (file := state / "swarm" / commit / "code").write_text(f"{code}\n")
        os.utime(file, (1e9 - age, 1e9 - age))
    done = subprocess.run(
        ["bash", FOLDER / "server.sh", *words],
        env=environment(HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "FAILED: what runs here was deployed by deploy.sh --swarm" in done.stdout
    assert f"deployed from here, the last one first: {'b' * 12} {'a' * 12}\n" in done.stdout


@pytest.mark.parametrize("missing", VARIABLES)
def test_the_one_that_is_missing_is_named(missing: str) -> None:
    done = run("deploy.sh", **(VARIABLES | {missing: ""}))
    assert done.returncode == 1
    assert f"not set: {missing}\n" in done.stderr


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SERVER_PORT": "ssh"}, "SERVER_PORT: 'ssh' is not a port"),
        ({"DEPLOY_LOCK_WAIT": "10 min"}, "DEPLOY_LOCK_WAIT: '10 min' is not a whole number"),
        ({"SSH_PRIVATE_KEY": "password"}, "SSH_PRIVATE_KEY: not a private key without a passphrase"),
    ],
)
def test_a_value_that_cannot_be_is_named(variables: dict[str, str], told: str) -> None:
    done = run("deploy.sh", **(VARIABLES | variables))
    assert done.returncode == 1
    assert told in done.stderr
    assert "Way out: " in done.stderr


def test_a_commit_that_is_not_there_is_named() -> None:
    done = run("deploy.sh", "--commit", "no-such-tag", "user@host")
    assert done.returncode == 1
    assert "'no-such-tag' is no commit of this repository" in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        b".env",
        b"shop/.env",
        b"secrets/url",
        b"server.key",
        "ключ.pem".encode(),
        b"l\xfctin.key",
        b'a "b".key',
    ],
)
def test_a_commit_with_what_looks_like_a_secret_is_refused_whatever_its_name(
    name: bytes, tmp_path: Path
) -> None:
    done = deploy_of(tmp_path, b"ordinary.txt", b"secrets/README.md", b"tests/some.key", name)
    assert done.returncode == 1
    told = b"the commit holds what looks like secrets: " + name + b"\n"
    assert told in done.stderr


def test_a_commit_without_secrets_goes_on_to_the_server(tmp_path: Path) -> None:
    done = deploy_of(
        tmp_path, "обычный.txt".encode(), b".env.example", b"secrets/README.md", b"tests/some.key"
    )
    assert b"SSH_PRIVATE_KEY: not a private key" in done.stderr


def deploy_of(clone: Path, *names: bytes) -> subprocess.CompletedProcess[bytes]:
    """Deploy a commit with files of these names from a clone of nothing else."""
    shutil.copytree(FOLDER, clone / "deploy")
    for name in names:
        file = clone / os.fsdecode(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    me = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for words in (("init", "--quiet"), ("add", "--all"), (*me, "commit", "--quiet", "--message", "One")):
        subprocess.run(["git", *words], cwd=clone, check=True, capture_output=True)
    return subprocess.run(
        ["deploy/deploy.sh"],
        cwd=clone,
        env=environment(**VARIABLES),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=20,
    )


def private_keys(folder: Path) -> list[Path]:
    """Files below a folder that hold one."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if b"PRIVATE KEY" in file.read_bytes()]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("form", ["text", "base64", "file"])
def test_a_key_serves_and_is_in_no_file_while_it_does_nor_after_a_kill(
    script: str, form: str, tmp_path: Path
) -> None:
    file = tmp_path / "of the operator"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    assert private_keys(tmp_path) == [file]
    forms = {
        "text": file.read_text(),
        "base64": base64.b64encode(file.read_bytes()).decode(),
        "file": str(file),
    }
    (temporary := tmp_path / "tmp").mkdir()
    # A server that takes the connection and says nothing: ssh waits for its first line.
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        where = {"SERVER_HOST": "127.0.0.1", "SERVER_PORT": str(server.getsockname()[1])}
        process = subprocess.Popen(
            [FOLDER / script],
            env=environment(
                **(VARIABLES | where | {"SSH_PRIVATE_KEY": forms[form], "TMPDIR": str(temporary)})
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            connection, _ = server.accept()
            meanwhile = private_keys(temporary)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        connection.close()
    assert process.returncode == -signal.SIGKILL
    assert meanwhile == []
    assert private_keys(temporary) == []
