"""Who may see Prometheus and Alertmanager: what is read, what is refused, what is written."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scaler import monitoring_password as monitoring
from scaler.model.errors import SettingsError
from scaler.monitoring_password import Login, hash_of, install, main, read_login, render

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())
NOWHERE = Path("/nowhere")
HASH = hash_of(b"secret")


def read(hash_file: Path = NOWHERE, **environment: str) -> Login | None:
    return read_login(environment, hash_file=hash_file)


def faults(hash_file: Path = NOWHERE, **environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read(hash_file, **environment)
    return caught.value.faults


def written(directory: Path) -> dict[str, Any]:
    """The users of web.yml with their hashes, as Prometheus reads it."""
    web = yaml.safe_load((directory / "web.yml").read_text())
    return dict(web.get("basic_auth_users", {}))


def lets_in(directory: Path, user: str, password: bytes) -> bool:
    return bcrypt.checkpw(password, written(directory)[user].encode())


class TestWhatIsRead:
    @pytest.mark.parametrize(
        "environment",
        [
            {},
            {"MONITORING_PASSWORD": "", "MONITORING_PASSWORD_HASH_FILE": ""},
            {"MONITORING_PASSWORD": "", "MONITORING_PASSWORD_HASH_FILE": "/dev/null"},
            {"MONITORING_USER": "admin"},
        ],
    )
    def test_neither_a_password_nor_a_file_leaves_it_open(self, environment: dict[str, str]) -> None:
        assert read_login(environment, hash_file=NOWHERE) is None

    @pytest.mark.parametrize("password", ["x", " a b ", "pä$$'\"\\#{}", "${HOME}", "漢字", "x" * 72])
    def test_a_password_of_any_characters_that_can_be_typed(self, password: str) -> None:
        assert read(MONITORING_PASSWORD=password) == Login(user="admin", password=password.encode())

    def test_the_user_may_be_another(self) -> None:
        login = read(MONITORING_PASSWORD="x", MONITORING_USER="me@example.org")

        assert login is not None
        assert login.user == "me@example.org"

    @pytest.mark.parametrize("prefix", ["$2a$10$", "$2b$04$", "$2y$14$"])
    def test_a_hash_as_any_program_writes_it(self, tmp_path: Path, prefix: str) -> None:
        (tmp_path / "hash").write_text(prefix + HASH[7:] + "\n")

        assert read(tmp_path / "hash", MONITORING_PASSWORD_HASH_FILE="./hash") == Login(
            user="admin", hashed=prefix + HASH[7:]
        )


class TestWhatIsRefused:
    @pytest.mark.parametrize(("password", "length"), [("x" * 73, 73), ("ä" * 37, 74)])
    def test_more_than_bcrypt_reads(self, password: str, length: int) -> None:
        (fault,) = faults(MONITORING_PASSWORD=password)

        assert fault.startswith(f"MONITORING_PASSWORD is {length} bytes long in UTF-8")
        assert "no more than 72; choose a shorter one" in fault

    @pytest.mark.parametrize("password", ["x\r", "a\nb", "a\tb", "\x7f", "\x85"])
    def test_what_cannot_be_typed_such_as_the_end_of_a_line(self, password: str) -> None:
        (fault,) = faults(MONITORING_PASSWORD=password)

        assert fault.startswith("MONITORING_PASSWORD holds a control character")

    @pytest.mark.parametrize("user", ["a:b", "a b", 'a"', "ä", "x" * 65, "a\n"])
    def test_a_user_that_basic_authentication_or_the_file_cannot_hold(self, user: str) -> None:
        (fault,) = faults(MONITORING_PASSWORD="x", MONITORING_USER=user)

        assert fault == f"MONITORING_USER: {user!r} is not 1 to 64 letters, digits and . _ @ + -"

    def test_the_user_of_the_stack_itself(self) -> None:
        (fault,) = faults(MONITORING_PASSWORD="x", MONITORING_USER="alertscale")

        assert fault.endswith("the name under which the stack itself asks; choose another")

    def test_a_password_and_a_file(self) -> None:
        (fault,) = faults(MONITORING_PASSWORD="x", MONITORING_PASSWORD_HASH_FILE="./hash")

        assert fault == (
            "MONITORING_PASSWORD and MONITORING_PASSWORD_HASH_FILE are both set, and only one can hold;"
            " leave the other one empty"
        )

    @pytest.mark.parametrize(
        "text",
        ["", "secret", HASH + HASH, "admin:" + HASH, "$2b$15$" + HASH[7:]],
        # The hash is salted anew in each process, and a test has one name in all of them.
        ids=["nothing", "no hash", "two", "with a user", "too dear"],
    )
    def test_a_file_that_holds_anything_but_one_hash(self, tmp_path: Path, text: str) -> None:
        """An empty one too: a password was meant, so monitoring is not left open."""
        (tmp_path / "hash").write_text(text)

        (fault,) = faults(tmp_path / "hash", MONITORING_PASSWORD_HASH_FILE="./hash")

        assert fault.startswith("MONITORING_PASSWORD_HASH_FILE: './hash' holds ")
        assert "docs/security.md" in fault
        assert "secret" not in fault
        assert HASH not in fault

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        (fault,) = faults(tmp_path, MONITORING_PASSWORD_HASH_FILE="./hash")

        assert fault == (
            "MONITORING_PASSWORD_HASH_FILE: './hash' cannot be read: Is a directory;"
            " give the path of a file on this machine"
        )

    def test_all_faults_are_listed_at_once(self) -> None:
        assert len(faults(MONITORING_PASSWORD="x" * 80 + "\n", MONITORING_USER="a:b")) == 3

    @given(st.text(min_size=8).filter(lambda text: "\x00" not in text))
    @example("x" * 80)
    def test_the_password_is_in_no_message(self, password: str) -> None:
        try:
            read(MONITORING_PASSWORD=password)
        except SettingsError as error:
            assert password not in str(error)  # noqa: PT017 - either is fine


class TestWhatIsWritten:
    def test_without_a_password_everybody_may_ask(self, tmp_path: Path) -> None:
        install(tmp_path, None)

        assert (tmp_path / "web.yml").read_text() == "{}\n"

    def test_the_person_and_the_stack_itself_are_let_in(self, tmp_path: Path) -> None:
        install(tmp_path, Login(user="admin", password="pä$$ wort".encode()))
        own = (tmp_path / "password").read_bytes().strip()

        assert set(written(tmp_path)) == {"admin", "alertscale"}
        assert lets_in(tmp_path, "admin", "pä$$ wort".encode())
        assert not lets_in(tmp_path, "admin", b"another")
        assert lets_in(tmp_path, "alertscale", own)
        assert len(own) >= 40

    def test_a_hash_is_written_as_it_is(self, tmp_path: Path) -> None:
        install(tmp_path, Login(user="me", hashed=HASH))

        assert written(tmp_path)["me"] == HASH

    @pytest.mark.parametrize("login", [None, Login(user="a", password=b"x"), Login(user="a", hashed=HASH)])
    def test_what_is_right_stays_as_it_is(self, tmp_path: Path, login: Login | None) -> None:
        install(tmp_path, login)
        before = (tmp_path / "web.yml").read_text()
        install(tmp_path, login)

        assert (tmp_path / "web.yml").read_text() == before

    @pytest.mark.parametrize(
        "later",
        [
            None,
            Login(user="a", password=b"y"),
            Login(user="b", password=b"x"),
            Login(user="a", hashed=HASH),
        ],
    )
    def test_a_changed_login_takes_the_place_of_the_former(self, tmp_path: Path, later: Login | None) -> None:
        install(tmp_path, Login(user="a", password=b"x"))
        own = (tmp_path / "password").read_text()
        install(tmp_path, later)

        assert set(written(tmp_path)) == ({later.user, "alertscale"} if later else set())
        if later and later.user == "a":
            assert not lets_in(tmp_path, "a", b"x")
        # Prometheus has read it at its start.
        assert (tmp_path / "password").read_text() == own

    def test_a_lost_own_password_is_made_anew(self, tmp_path: Path) -> None:
        login = Login(user="a", password=b"x")
        install(tmp_path, login)
        before = (tmp_path / "password").read_text()
        (tmp_path / "password").unlink()
        install(tmp_path, login)

        own = (tmp_path / "password").read_text()
        assert own != before
        assert lets_in(tmp_path, "alertscale", own.strip().encode())

    @pytest.mark.parametrize("text", ["", "basic_auth_users:\n", "nonsense: [", '  "a": "b"\n'])
    def test_a_damaged_file_is_written_anew(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "web.yml").write_text(text)
        install(tmp_path, Login(user="a", password=b"x"))

        assert lets_in(tmp_path, "a", b"x")

    def test_all_are_readable_by_their_group_alone(self, tmp_path: Path) -> None:
        install(tmp_path, Login(user="a", password=b"x"))

        assert {f.name for f in tmp_path.iterdir()} == {"web.yml", "password", "client.yml"}
        assert {f.stat().st_mode & 0o777 for f in tmp_path.iterdir()} == {0o440}

    @settings(max_examples=settings().max_examples // 2)
    @given(st.from_regex(r"[A-Za-z0-9._@+-]{1,64}", fullmatch=True))
    def test_any_user_is_read_back_as_it_was_written(self, user: str) -> None:
        assert yaml.safe_load(render({user: HASH})) == {"basic_auth_users": {user: HASH}}


class TestProgram:
    def test_faults_are_listed_and_exit_with_2(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "scaler.monitoring_password"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "MONITORING_PASSWORD": "x" * 80, "MONITORING_USER": "a:b"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        assert done.returncode == 2
        assert [line.split()[:2] for line in done.stderr.splitlines()] == [
            ["alertscale:", "MONITORING_USER:"],
            ["alertscale:", "MONITORING_PASSWORD"],
        ]
        assert "xxx" not in done.stderr

    @pytest.mark.parametrize(
        ("password", "said"),
        [
            ("", "alertscale: monitoring is open: MONITORING_PASSWORD is not set\n"),
            ("secret", "alertscale: monitoring asks for the password of 'admin'\n"),
        ],
    )
    def test_it_says_whether_monitoring_is_open(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        password: str,
        said: str,
    ) -> None:
        monkeypatch.setattr(monitoring, "DIRECTORY", tmp_path)
        monkeypatch.setenv("MONITORING_PASSWORD", password)

        assert main([]) == 0
        assert capsys.readouterr().err == said

    def test_a_directory_that_is_not_there_is_named(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(monitoring, "DIRECTORY", NOWHERE)

        assert main([]) == 1
        assert "/nowhere/" in capsys.readouterr().err

    def test_it_makes_the_hash_of_a_password_that_it_is_given(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))

        assert main(["--hash"]) == 0
        assert bcrypt.checkpw(b"secret", capsys.readouterr().out.strip().encode())

    @pytest.mark.parametrize("password", ["", "\n", "x" * 73, "x\r\n"])
    def test_it_makes_no_hash_of_what_is_no_password(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], password: str
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(password))

        assert main(["--hash"]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert "MONITORING_PASSWORD" in said.err

    def test_the_scaler_itself_does_not_load_bcrypt(self) -> None:
        """Its memory is bounded, and it needs none."""
        loaded = "import sys, scaler.__main__; sys.exit('bcrypt' in sys.modules)"

        assert (
            subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, timeout=30, check=False).returncode == 0
        )


class TestStack:
    def test_every_request_of_its_own_carries_the_password(self) -> None:
        expected = {"username": "alertscale", "password_file": "/run/monitoring/password"}
        jobs = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}

        for asked in (jobs["prometheus"], jobs["alertmanager"], PROMETHEUS["alerting"]["alertmanagers"][0]):
            assert asked["basic_auth"] == expected
        scaler = COMPOSE["services"]["scaler"]["environment"]
        assert scaler["ALERTSCALE_PROMETHEUS"] == "http://alertscale@prometheus:9090"

    @pytest.mark.parametrize("service", ["prometheus", "alertmanager"])
    def test_neither_starts_before_it_is_said_who_may_ask(self, service: str) -> None:
        shown = COMPOSE["services"][service]

        assert shown["depends_on"] == {"monitoring-password": {"condition": "service_completed_successfully"}}
        assert "--web.config.file=/run/monitoring/web.yml" in shown["command"]
        assert "monitoring:/run/monitoring:ro" in shown["volumes"]

    def test_one_service_alone_is_given_the_password(self) -> None:
        given_to = [
            name for name, service in COMPOSE["services"].items() if "MONITORING_PASSWORD" in str(service)
        ]

        assert given_to == ["monitoring-password"]
