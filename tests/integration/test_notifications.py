"""A person is told: by the service alertmanager of docker-compose.yml, to a mail server and by HTTP.

As shipped but for shorter waits, and for the addresses of Telegram and of the scaler.
"""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from scaler import monitoring_password as monitoring
from testkit.stack import Stack, copy_repository, free_port, wait_until
from tests.integration import outside
from tests.integration.outside import Mailbox, Site

pytestmark = pytest.mark.engine

SWITCH = 10.0
"""Seconds within which a change takes effect: two or three, and what a busy machine adds."""
LOGIN = ("admin", "swordfish")
SECRETS = {
    "smtp-password": "pass word 'quoted\" & $5",
    "slack-webhook-url": "http://{site}/slack/T0/S3CRET-slack",
    "telegram-bot-token": "123456:S3CRET-telegram",
    "telegram-chat-id": "-1001234567",
    "webhook-url": "http://{site}/hook/S3CRET-webhook",
}
OVERLAY = """
services:
  alertmanager:
    extra_hosts: ["{name}:{address}"]
    environment: {{SSL_CERT_FILE: /run/test/ca.pem}}
    volumes:
      - {folder}:/run/test:ro
      - {folder}/monitoring:/run/monitoring:ro
      - {folder}/token:/run/alertscale:ro
"""
SETTINGS = """
SMTP_SMARTHOST={name}:{port}
SMTP_FROM="It's alertscale <alertscale@example.org>"
SMTP_TO=one@example.org, two@example.org
SMTP_USER=alertscale
STATUS_URL=https://status.example.org/
RUNBOOK_URL=https://git.example.org/alertscale/
"""


@dataclass(kw_only=True)
class Told:
    """The running Alertmanager, and everyone whom it tells."""

    stack: Stack
    mail: Mailbox
    site: Site

    def path(self, name: str) -> Path:
        return self.stack.directory / name

    def edit(self, name: str, text: str, *, mode: int = 0o644) -> None:
        """Replace a file as an editor does."""
        new = self.path(f"{name}.new~")
        new.write_text(text)
        new.chmod(mode)
        new.rename(self.path(name))

    def switch_on(self, *names: str, mode: int = 0o644) -> None:
        for name in names or SECRETS:
            secret = SECRETS[name].format(site=f"{outside.NAME}:{self.site.port}")
            self.edit(f"secrets/{name}", secret + "\n", mode=mode)

    def switch_off(self, *names: str) -> None:
        for name in names or SECRETS:
            self.path(f"secrets/{name}").unlink(missing_ok=True)

    def ask(self, path: str) -> requests.Response:
        return self.stack.session.get(self.stack.url("ALERTMANAGER_PORT", path), auth=LOGIN, timeout=10)

    def loaded(self) -> str:
        """The configuration in force."""
        return str(self.ask("/api/v2/status").json()["config"]["original"])

    def await_kinds(self, *kinds: str) -> None:
        """Wait until exactly these receivers are in force for a person."""

        def now() -> bool:
            operator = self.loaded().rpartition("name: operator")[2]
            return set(re.findall(r"(\w+)_configs:", operator)) == set(kinds)

        wait_until(now, within=SWITCH, what=f"{kinds} in force")

    def last_reload(self) -> str:
        found = re.findall(
            r"^alertmanager_config_last_reload_successful (\d)", self.ask("/metrics").text, re.MULTILINE
        )
        return str(found[0])

    def alert(self, name: str, *, fires: bool = True, **annotations: str) -> None:
        """Say that an alert fires, or that it does no longer."""
        now = dt.datetime.now(dt.UTC)
        alert = {
            "labels": {"alertname": name, "severity": "critical", "project": "shop", "service": "web"},
            "annotations": {
                "summary": "nobody answers",
                "replicas": "0 ready",
                "runbook": "docs/x.md",
                **annotations,
            },
            "startsAt": "2026-01-02T03:04:05Z",
            "endsAt": (now + dt.timedelta(minutes=5 if fires else 0)).isoformat(),
            "generatorURL": "http://localhost:10090/graph?g0.expr=up&g0.tab=1",
        }
        answer = self.stack.session.post(
            self.stack.url("ALERTMANAGER_PORT", "/api/v2/alerts"), json=[alert], auth=LOGIN, timeout=10
        )
        answer.raise_for_status()

    def everyone(self, needle: str) -> dict[str, str]:
        """Who got a message with this in it, and that message."""
        telegram = f"/bot{SECRETS['telegram-bot-token']}/sendMessage"
        texts = {
            "status page": [str(body["alerts"]) + body["status"] for body in self.site.at("/alerts")],
            "mail": [str(m["Subject"]) + m.get_body(("plain",)).get_content() for m in self.mail.received],  # type: ignore[union-attr]
            "slack": [
                body["attachments"][0]["title"] + body["attachments"][0]["text"]
                for body in self.site.at("/slack/T0/S3CRET-slack")
            ],
            "telegram": [body["text"] for body in self.site.at(telegram)],
            "webhook": [body["text"] for body in self.site.at("/hook/S3CRET-webhook")],
        }
        return {who: text for who, all_ in texts.items() for text in all_ if needle in text}

    def await_message(self, needle: str, *whom: str) -> dict[str, str]:
        """Wait for it; return what each of them got."""

        def missing() -> list[str]:
            return sorted(set(whom) - set(self.everyone(needle)))

        deadline = time.monotonic() + 10
        while missing():
            assert time.monotonic() < deadline, f"{needle!r} has not reached {missing()}\n{self.log()}"
            time.sleep(0.1)
        return self.everyone(needle)

    def log(self) -> str:
        return self.stack.compose("logs", "--no-color", "alertmanager")

    def await_ready(self) -> None:
        def ready() -> bool:
            try:
                return self.ask("/-/ready").ok
            except requests.ConnectionError:
                return False

        wait_until(ready, within=20, what="Alertmanager ready")


PEOPLE = ("mail", "slack", "telegram", "webhook")


def shorten_waits(text: str) -> str:
    """Of the routes for people and for the status page."""
    text = re.sub(r"group_wait: (5s|10s|1m)", "group_wait: 0s", text)
    return re.sub(r"group_interval: (1m|5m|10m)", "group_interval: 1s", text)


def lay_out(directory: Path, folder: Path, *, site: Site, mail: Mailbox) -> None:
    """Write what the service needs: its own files from the repository, and what others give it."""
    copy_repository(directory)
    config = directory / "alertmanager" / "alertmanager.yml"
    scaler, ours = "http://scaler:8000/alerts", f"http://{outside.NAME}:{site.port}"
    text = config.read_text()
    assert scaler in text
    config.write_text(shorten_waits(text).replace(scaler, f"{ours}/alerts"))
    with (directory / "alertmanager" / "receivers" / "telegram.yml").open("a") as file:
        file.write(f"    api_url: {ours}\n")
    (directory / ".env").write_text(SETTINGS.format(name=outside.NAME, port=mail.port))
    (directory / "overlay.yml").write_text(
        OVERLAY.format(name=outside.NAME, address=outside.address(), folder=folder)
    )
    for name in ("monitoring", "token"):
        (folder / name).mkdir()
    user, password = LOGIN
    monitoring.install(folder / "monitoring", monitoring.Login(user=user, password=password.encode()))
    for written in (folder / "monitoring").iterdir():
        written.chmod(0o644)
    (folder / "token" / "token").write_text("a-token")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Alertmanager behind a password, with no receiver switched on."""
    directory, folder = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("test")
    folder.chmod(0o755)
    password = SECRETS["smtp-password"]
    with outside.site() as site, outside.mailbox(folder, user="alertscale", password=password) as mail:
        lay_out(directory, folder, site=site, mail=mail)
        stack = Stack(
            directory=directory,
            ports={"ALERTMANAGER_PORT": free_port()},
            project=f"alertscale-notify-{uuid.uuid4().hex[:6]}",
            files=("docker-compose.yml", "overlay.yml"),
        )
        it = Told(stack=stack, mail=mail, site=site)
        try:
            stack.compose("up", "--detach", "--no-deps", "alertmanager")
            it.await_ready()
            yield it
        finally:
            stack.take_down()
            stack.session.close()


@pytest.fixture
def all_on(told: Told) -> Told:
    """Every receiver switched on, and everyone listening."""
    told.site.silent.clear()
    told.switch_on()
    told.await_kinds("email", "slack", "telegram", "webhook")
    return told


def test_with_none_switched_on_an_alert_is_on_the_status_page(told: Told) -> None:
    told.await_kinds()
    told.alert("NobodyIsTold")

    assert set(told.await_message("NobodyIsTold", "status page")) == {"status page"}


def test_a_secret_that_is_put_there_switches_on_and_one_that_is_removed_off(told: Told) -> None:
    told.switch_on("slack-webhook-url")
    told.await_kinds("slack")
    told.alert("OnlySlack")
    assert "slack" in told.await_message("OnlySlack", "slack", "status page")
    told.switch_off("slack-webhook-url")
    told.await_kinds()


def test_the_beginning_and_the_end_reach_everyone_with_all_that_a_message_says(all_on: Told) -> None:
    hostile = "a: [b]\n- {{ .Status }} <!channel> & \"q\" 'a' <b>"
    all_on.alert("BeginAndEnd", description=hostile)

    for who, text in all_on.await_message("BeginAndEnd", "status page", *PEOPLE).items():
        if who != "status page":
            for part in (
                "[FIRING 1] critical: BeginAndEnd (shop/web)",
                "nobody answers",
                "{{ .Status }}",
                "2026-01-02 03:04:05 UTC",
                "0 ready",
                "https://git.example.org/alertscale/docs/x.md",
                "https://status.example.org/",
                "http://localhost:10090/graph?g0.expr=up&",
            ):
                assert part in text, who
    all_on.alert("BeginAndEnd", fires=False)
    for who, text in all_on.await_message("[RESOLVED] critical: BeginAndEnd", *PEOPLE).items():
        assert "2026-01-02 03:04:05 UTC" in text, who


def test_a_mail_is_encrypted_for_each_address_and_has_text_and_html(all_on: Told) -> None:
    """The mail server takes none without encryption and the password."""
    all_on.alert("ByMail", description="<i>& more")
    all_on.await_message("ByMail", "mail")

    (mail,) = [m for m in all_on.mail.received if "ByMail" in m["Subject"]]
    assert mail["From"] == "It's alertscale <alertscale@example.org>"
    assert mail["X-Recipients"] == "one@example.org, two@example.org"
    html = mail.get_body(("html",))
    assert html
    assert "&lt;i&gt;&amp; more" in html.get_content()
    assert '<a href="https://status.example.org/">' in html.get_content()


def test_telegram_gets_its_chat_and_a_program_plain_texts(all_on: Told) -> None:
    all_on.alert("Fields", description="key: [value]")
    all_on.await_message("Fields", "telegram", "webhook")

    message = next(b for path, b in all_on.site.received if path.startswith("/bot") and "Fields" in b["text"])
    assert (str(message["chat_id"]), message["parse_mode"]) == (SECRETS["telegram-chat-id"], "HTML")
    body: dict[str, Any] = next(b for b in all_on.site.at("/hook/S3CRET-webhook") if "Fields" in b["text"])
    assert set(body) == {"title", "text", "status", "url"}
    assert body["title"].strip() == "[FIRING 1] critical: Fields (shop/web)"
    assert "key: [value]" in body["text"]
    assert (body["status"], body["url"]) == ("firing", "https://status.example.org/")


def test_people_are_told_while_the_scaler_is_down(all_on: Told) -> None:
    all_on.site.silent.add("/alerts")
    all_on.alert("ScalerDown")

    assert "status page" not in all_on.await_message("ScalerDown", *PEOPLE)


def test_no_secret_is_in_a_log_or_in_the_configuration(all_on: Told) -> None:
    """Not even when Telegram cannot be reached, and Alertmanager would log its address with the token."""
    all_on.site.silent.update({"/bot", "/slack", "/hook"})
    all_on.alert("Unreachable")
    wait_until(
        lambda: "<secrets/telegram-bot-token>" in all_on.log(), within=10, what="the failure in the log"
    )

    (container,) = all_on.stack.containers("alertmanager")
    assembled = all_on.stack.compose(
        "exec", "-T", "alertmanager", "cat", "/tmp/alertmanager/alertmanager.yml"
    )
    seen = all_on.log() + assembled + all_on.loaded() + str(container)
    assert "/run/secrets/telegram-bot-token" in assembled
    for name, secret in SECRETS.items():
        assert secret.format(site=f"{outside.NAME}:{all_on.site.port}") not in seen, name
    assert "S3CRET" not in seen


@pytest.mark.parametrize(
    ("file", "broken"),
    [
        ("alertmanager/alertmanager.yml", "no_such_key: 1\n"),
        ("alertmanager/receivers/slack.yml", "    no_such_option: 1\n"),
    ],
    ids=["routes", "receiver"],
)
def test_a_broken_edit_is_reported_and_changes_nothing(all_on: Told, file: str, broken: str) -> None:
    before = all_on.path(file).read_text()
    all_on.edit(file, before + broken)
    try:
        wait_until(lambda: all_on.last_reload() == "0", within=SWITCH, what="its refusal in the metrics")
        wait_until(
            lambda: "refused, what was loaded before goes on" in all_on.log(), within=5, what="it in the log"
        )
        all_on.alert(f"Broken{len(broken)}")
        all_on.await_message(f"Broken{len(broken)}", "status page", *PEOPLE)
    finally:
        all_on.edit(file, before)
    wait_until(lambda: all_on.last_reload() == "1", within=SWITCH, what="the file that is right again")


def test_a_broken_edit_does_not_keep_it_from_starting_again(all_on: Told) -> None:
    name = "alertmanager/templates/alertscale.tmpl"
    before = all_on.path(name).read_text()
    all_on.edit(name, before + "{{ if }}\n")
    try:
        wait_until(lambda: all_on.last_reload() == "0", within=SWITCH, what="its refusal in the metrics")
        all_on.stack.compose("restart", "alertmanager")
        all_on.await_ready()
        all_on.alert("StartedAgain")
        all_on.await_message("StartedAgain", "status page", *PEOPLE)
        wait_until(
            lambda: all_on.last_reload() == "0", within=SWITCH, what="its refusal in the metrics, again"
        )
    finally:
        all_on.edit(name, before)
    wait_until(lambda: all_on.last_reload() == "1", within=SWITCH, what="the file that is right again")


def await_fault(told: Told, said: str, *, begun: int) -> None:
    """Wait until the log, from a place on, has this with the way out."""
    line = wait_until(
        lambda: [line for line in told.log()[begun:].splitlines() if said in line], within=SWITCH, what=said
    )
    assert "Way out:" in line[0]


def test_a_secret_that_cannot_be_used_is_named_with_the_way_out(told: Told) -> None:
    told.switch_off()
    told.await_kinds()
    begun = len(told.log())
    told.switch_on("webhook-url", mode=0o600)
    told.switch_on("telegram-bot-token", "smtp-password")
    told.edit("secrets/slack-webhook-url", " \n")
    for said in (
        "secrets/webhook-url: user 65534, as whom Alertmanager runs, may not read it",
        "secrets/slack-webhook-url: is empty",
        "receivers/telegram.yml: is off, since it needs secrets/telegram-chat-id",
    ):
        await_fault(told, said, begun=begun)
    told.await_kinds("webhook", "email")
    told.switch_on()
    told.await_kinds("webhook", "email", "slack", "telegram")


def test_a_receiver_that_cannot_be_put_in_is_named_with_the_way_out(told: Told) -> None:
    told.switch_off()
    told.switch_on("webhook-url", "smtp-password")
    told.await_kinds("webhook", "email")
    files = ("alertmanager/alertmanager.yml", "alertmanager/receivers/email.yml")
    before = {name: told.path(name).read_text() for name in files}
    begun = len(told.log())
    told.edit("alertmanager/receivers/own.yml", "own_configs: []\n")
    told.edit(files[1], before[files[1]].replace("${SMTP_TO}", "${UNSET}"))
    told.edit(files[0], before[files[0]].replace("# (receivers)", ""))
    try:
        for said in (
            "receivers/own.yml: names no file of /run/secrets",
            "receivers/email.yml: its secret is there, but in .env there is no UNSET",
            "alertmanager.yml: the line '# (receivers)' is gone, so these receivers are off: webhook",
        ):
            await_fault(told, said, begun=begun)
        told.await_kinds()
    finally:
        told.path("alertmanager/receivers/own.yml").unlink()
        for name, text in before.items():
            told.edit(name, text)
    told.await_kinds("webhook", "email")


def test_it_stops_at_once_and_cleanly(told: Told) -> None:
    begun = time.monotonic()
    told.stack.compose("stop", "alertmanager")
    seconds = time.monotonic() - begun
    (container,) = told.stack.containers("alertmanager")

    assert container["State"]["ExitCode"] == 0
    assert seconds < 5
    started = subprocess.run(["docker", "start", container["Id"]], capture_output=True, check=True)
    assert started.returncode == 0
    told.await_ready()
