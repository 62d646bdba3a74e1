"""Each command against the scaler's real web application: what it prints, does and ends with."""

import subprocess
import sys
import tomllib
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from alertscale.errors import MEANINGS, Exit
from alertscale.wording import Times
from scaler.loop.views import Failure
from scaler.model.reasons import EventKind, Pause
from scaler.web.schema import VERSION
from tests.page.site import SHOP, FakePrometheus
from tests.unit.alertscale.conftest import Run
from tests.unit.alertscale.stage import NOW, Stage, faulty, view

ROOT = Path(__file__).parents[3]
ASKING = (
    ("status",),
    ("explain", "web"),
    ("events",),
    ("scale", "web", "3"),
    ("pause", "web"),
    ("resume", "web"),
)
COMMANDS = [*(words[0] for words in ASKING), "check"]


class TestHelp:
    def test_it_teaches_by_examples_and_lists_every_exit_code(self, run: Run) -> None:
        shown = run("--help")
        assert shown.code == 0
        assert "docker compose exec scaler alertscale status" in shown.out
        for code, meaning in MEANINGS.items():
            assert f"{code.value:>3}  {meaning}" in shown.out
        assert "..." not in shown.out.split("Commands:")[1].split("Exit codes")[0]

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_has_json_and_an_example(self, run: Run, command: str) -> None:
        shown = run(command, "--help")
        assert shown.code == 0
        assert "Example" in shown.out
        assert "--json" in shown.out
        assert f"alertscale {command}" in shown.out


@pytest.fixture
def measured(stage: Stage) -> FakePrometheus:
    """A Prometheus that answers, and the service that it measures."""
    stage.prometheus.dead = False
    replicas = [replace(r, name=f"{'-'.join(SHOP)}-{r.number}") for r in view(2).replicas]
    stage.script.views = [replace(view(2), key=SHOP, replicas=tuple(replicas))]
    return stage.prometheus


class TestStatus:
    def test_every_service_with_its_reason(self, run: Run, stage: Stage) -> None:
        stage.script.views = [view(2), faulty()]
        shown = run("status")
        assert (shown.code, shown.err) == (0, "")
        assert f"The scaler at {stage.url}: the engine answers, alerts arrived 2 s ago" in shown.out
        assert "shop/web  2         1    5    Holding at 2: no alert asks for a step." in shown.out
        assert "shop/bad  1         ?    ?    Left alone: its labels cannot be read." in shown.out
        assert "compose.yml: service bad: alertscale.max: 'x' is not a whole number" in shown.out

    def test_of_what_is_to_be_known_of_services_it_says_where_it_stands(self, run: Run, stage: Stage) -> None:
        noted = [
            replace(view(1), key=("shop", name), notes=("a.yml cannot be read here",)) for name in ("a", "b")
        ]
        stage.script.views = [view(2), *noted]
        assert "To know of shop/a, shop/b: alertscale explain shop/a" in run("status").out

    def test_what_keeps_the_scaler_from_its_work_comes_first(self, run: Run, stage: Stage) -> None:
        stage.script.figures = replace(stage.script.figures, engine=False, watchdog_age=float("inf"))
        shown = run("status").out
        assert "the engine does not answer, no alert has arrived yet, so nothing is scaled down" in shown
        assert "The Docker Engine does not answer: nothing can be scaled." in shown

    def test_no_service_at_all_says_which_label_is_missing(self, run: Run, stage: Stage) -> None:
        stage.script.views = []
        assert 'No service carries the label alertscale.enable: "true".' in run("status").out

    def test_json_has_the_apis_own_shapes(self, run: Run) -> None:
        shown = run("status", "--json").json
        assert shown.keys() == {"health", "services"}
        assert shown["health"]["seconds_since_watchdog"] == 2.0
        (service,) = shown["services"]
        assert (service["service"], service["inputs"]["replicas"], service["limits"]["max"]) == ("web", 2, 5)

    def test_how_busy_each_is_against_its_thresholds_and_what_each_replica_uses(
        self, run: Run, measured: FakePrometheus
    ) -> None:
        measured.cpu, measured.memory = (0.46, 0.38), (0.11, 0.11)
        shown = run("status").out
        busy = "CPU 42 % (adds above 70, removes below 30); memory 11 % (adds above 80, removes below 35)."

        assert f"flask-app  2         1    5    {busy}\n" in shown
        assert "REPLICA                 STATE  CPU   MEMORY  ADDRESS" in shown
        assert "alertscale-flask-app-2  ready  38 %  11 %    10.0.0.2" in shown

    def test_where_prometheus_is_silent_it_says_so_once(self, run: Run, measured: FakePrometheus) -> None:
        measured.dead = True
        shown = run("status").out

        assert shown.count("How busy it is, is not known: Prometheus does not answer at prometheus:9090") == 1
        assert "%" not in shown

    def test_of_many_replicas_those_that_are_not_ready(self, run: Run, stage: Stage) -> None:
        stage.script.views = [view(21)]
        assert "shop-web-2 " not in run("status").out
        stage.script.views = [view(20)]
        assert "shop-web-2 " in run("status").out

    @pytest.mark.parametrize("reason", ["steady", "up_cooldown"])
    def test_a_pause_is_shown_also_where_it_holds_nothing_now(
        self, run: Run, stage: Stage, reason: str
    ) -> None:
        shown = view(2, reason=reason)
        stage.script.views = [replace(shown, hold=replace(shown.hold, pause=Pause.DOWN))]
        text = "A person holds steps down (alertscale resume web lets them go)."

        assert run("status").out.count(text) == 1

    def test_host_version_and_time_zone_are_there(self, run: Run) -> None:
        assert f"Version {VERSION}; times are {Times(now=NOW).zone_name}.\n" in run("status").out


class TestVersion:
    def test_it_is_the_packages(self, run: Run) -> None:
        assert run("--version").out == f"alertscale {VERSION}\n"
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        module, _, name = project["tool"]["setuptools"]["dynamic"]["version"]["attr"].rpartition(".")
        assert getattr(import_module(module), name) == VERSION


class TestExplain:
    def test_how_busy_it_is_comes_first(self, run: Run, measured: FakePrometheus) -> None:
        measured.cpu = (0.46, 0.38)
        shown = run("explain", "flask-app").out.splitlines()

        assert shown[1].startswith("CPU 42 % (adds above 70, removes below 30); memory 11 %")
        assert any(line.startswith("alertscale-flask-app-1  ready  46 %") for line in shown)

    def test_where_prometheus_is_silent_it_says_so(self, run: Run) -> None:
        assert (
            run("explain", "web")
            .out.splitlines()[1]
            .startswith("How busy it is, is not known: Prometheus does not answer")
        )

    def test_the_decision_what_would_change_it_and_what_it_was_taken_on(self, run: Run) -> None:
        shown = run("explain", "web")
        assert shown.code == 0
        for text in (
            "Holding at 2: no alert asks for a step.",
            "It goes up to 3 at its next decision.",
            "It goes down to 1 once",
            "yes  an alert asks for more (HighCPU fires)",
            "no   an alert says for each of cpu and memory that it is low (none yet for cpu and memory)",
            "shop-web-2  ready  10.0.0.2",
            "HighCPU  more      cpu",
            "1 to 5, 1 a step",
            "nothing",
            "15 s after it was last heard of",
        ):
            assert text in shown.out

    def test_text_of_others_does_not_command_the_terminal(self, run: Run) -> None:
        shown = run("explain", "web").out
        assert "\x1b" not in shown
        assert r"CPU at \x1b[31m83 %" in shown

    def test_json(self, run: Run) -> None:
        shown = run("explain", "shop/web", "--json").json
        assert shown.keys() == {"service", "health", "explanation"}
        assert shown["explanation"].keys() == {"headline", "notes", "ways"}
        assert [way["direction"] for way in shown["explanation"]["ways"]] == ["up", "down"]

    def test_a_step_that_failed_with_the_last_lines_of_the_log_that_went_with_its_replica(
        self, run: Run, stage: Stage
    ) -> None:
        failed = Failure(at=NOW - 60, text="Replica 2 could not be added: x", log=("no \x1b[1mdb", "bye"))
        stage.script.views = [replace(stage.script.views[-1], failure=failed)]
        shown = run("explain", "web").out

        assert (
            "Replica 2 could not be added: x\nThe last lines of its log:\n  no \\x1b[1mdb\n  bye\n" in shown
        )

    def test_labels_that_cannot_be_read(self, run: Run, stage: Stage) -> None:
        stage.script.views = [faulty()]
        shown = run("explain", "bad")
        assert "Left alone: its labels cannot be read." in shown.out
        assert run("explain", "bad", "--json").json["explanation"]["ways"] == []

    def test_a_service_that_is_not_there_is_refused(self, run: Run) -> None:
        shown = run("explain", "shop")
        assert (shown.code, shown.out) == (Exit.REFUSED, "")
        assert "no service is called 'shop'" in shown.err
        assert "Way out: known are: shop/web" in shown.err


class TestEvents:
    @pytest.fixture(autouse=True)
    def past(self, stage: Stage) -> None:
        stage.script.happens(EventKind.STARTED, "the scaler started", service=("", ""))
        stage.script.happens(EventKind.DECISION, "up from 1 to 2: alert_up (cpu)")
        stage.script.happens(EventKind.STEP, "up: replica 2 \x1b]0;done")

    def test_oldest_first_one_a_line(self, run: Run) -> None:
        shown = run("events", "--all").out.splitlines()
        assert shown[0].startswith("2026-11-23 04:16:51 ")
        assert shown[0].split("  ")[0].split()[2] == Times(now=NOW).zone_name
        assert [line.partition("  ")[2] for line in shown] == [
            "started   the scaler started",
            "decision  web  up from 1 to 2: alert_up (cpu)",
            r"step      web  up: replica 2 \x1b]0;done",
        ]

    def test_steps_and_faults_unless_more_is_asked_for(self, run: Run, stage: Stage) -> None:
        stage.script.happens(EventKind.FAULT, "the engine fell silent")
        for words, kinds in (
            ((), ["step", "fault"]),
            (("--kind", "started"), ["started"]),
            (("--all",), ["started", "decision", "step", "fault"]),
            (("-a", "--kind", "fault"), ["started", "decision", "step", "fault"]),
        ):
            assert [event["kind"] for event in run("events", "--json", *words).json["events"]] == kinds

    def test_filtered_and_limited(self, run: Run) -> None:
        assert len(run("events", "--all", "--limit", "1").out.splitlines()) == 1
        assert "decision" in run("events", "--kind", "decision", "--kind", "fault").out
        assert len(run("events", "--all", "--service", "shop/web").out.splitlines()) == 2
        assert run("events", "--service", "other").out == ""

    def test_json_is_one_document_oldest_first(self, run: Run) -> None:
        shown = run("events", "--all", "--json").json
        assert [event["id"] for event in shown["events"]] == [1, 2, 3]

    def test_following_prints_what_comes_until_it_is_interrupted(
        self, run: Run, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        naps = iter(range(2))

        def nap(_: float) -> None:
            if next(naps, None) is None:
                raise KeyboardInterrupt
            stage.script.happens(EventKind.FAULT, "the engine fell silent")

        monkeypatch.setattr("time.sleep", nap)
        shown = run("events", "--follow", "--limit", "1", "--json")
        assert shown.code == Exit.INTERRUPTED
        assert [line[:9] for line in shown.out.splitlines()] == ['{"id": 3,', '{"id": 4,', '{"id": 5,']

    @pytest.mark.parametrize("words", [("--kind", "nonsense"), ("--limit", "0"), ("--limit", "1001")])
    def test_a_wrong_option_is_a_matter_of_usage(self, run: Run, words: tuple[str, str]) -> None:
        assert run("events", *words).code == Exit.USAGE


class TestScale:
    def reach(self, stage: Stage, *counts: int) -> None:
        """Let each look at the services find one of those counts, the last one without an order."""
        shown = [view(n, wanted=4) for n in counts[:-1]] + [view(counts[-1])]
        stage.script.looks = [partial(stage.script.becomes, one) for one in shown]

    def test_it_waits_until_the_count_is_there_and_shows_what_happens(self, run: Run, stage: Stage) -> None:
        stage.script.happens(EventKind.STEP, "of before")
        self.reach(stage, 3, 4, 4)
        stage.script.looks.insert(
            1, lambda: stage.script.happens(EventKind.STEP, "Replica 3 was added: an alert asked for more")
        )
        shown = run("scale", "web", "4")
        assert (shown.code, shown.out) == (0, "shop/web has 4 replicas.\n")
        assert "Replica 3 was added: an alert asked for more" in shown.err
        assert "of before" not in shown.err
        assert stage.script.asked == [("scale", "web", 4)]

    def test_json_is_the_end_alone(self, run: Run, stage: Stage) -> None:
        self.reach(stage, 3, 4)
        shown = run("scale", "web", "4", "--json")
        assert shown.json.keys() == {"outcome", "why", "service"}
        assert (shown.json["outcome"], len(shown.json["service"]["replicas"]), shown.err) == (
            "reached",
            4,
            "",
        )

    def test_it_need_not_wait(self, run: Run) -> None:
        shown = run("scale", "web", "4", "--no-wait", "--json")
        assert (shown.code, shown.json["outcome"], shown.json["service"]["wanted"]) == (0, "ordered", 4)

    def test_a_count_that_is_held_ends_with_the_reason(self, run: Run, stage: Stage) -> None:
        def look() -> None:
            held = view(2, wanted=4, decided=NOW + len(stage.script.looks) * -2, reason="paused")
            stage.script.becomes(replace(held, hold=replace(held.hold, pause=Pause.ALL)))

        stage.script.looks = [look] * 5
        shown = run("scale", "web", "4")
        assert shown.code == Exit.NOT_REACHED
        assert "a person holds all steps (alertscale resume web lets them go)" in shown.out
        assert "The order for 4 stands" in shown.out

    def test_out_of_bounds_is_refused_with_the_bounds(self, run: Run) -> None:
        shown = run("scale", "web", "9", "--json")
        assert shown.code == Exit.REFUSED
        assert shown.json["error"].keys() == {"reason", "exit", "text", "way_out"}
        assert (shown.json["error"]["reason"], shown.json["error"]["exit"]) == ("refused", 1)
        assert "alertscale.max 5" in shown.json["error"]["text"]

    @pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
    def test_no_count_at_all_is_a_matter_of_usage(self, run: Run, stage: Stage, count: str) -> None:
        assert run("scale", "web", "--", count).code == Exit.USAGE
        assert stage.script.asked == []


class TestPause:
    @pytest.mark.parametrize(("words", "steps"), [((), "all"), (("down",), "down"), (("none",), "none")])
    def test_steps_are_held(self, run: Run, stage: Stage, words: tuple[str, ...], steps: str) -> None:
        assert run("pause", "web", *words).code == 0
        assert stage.script.asked == [("pause", "web", steps)]

    def test_it_says_who_holds_what_and_how_to_let_it_go(self, run: Run) -> None:
        assert run("pause", "web").out == (
            "shop/web: a person holds all steps (alertscale resume web lets them go).\n"
        )
        assert run("resume", "web").out == "shop/web: nothing is held.\n"

    def test_what_the_label_holds_stays_held(self, run: Run, stage: Stage) -> None:
        limits = stage.script.views[0].limits
        assert limits is not None
        stage.script.becomes(replace(view(2), limits=replace(limits, pause=Pause.UP)))
        assert "steps up by the label alertscale.pause: up" in run("resume", "web").out

    def test_json(self, run: Run) -> None:
        assert run("pause", "web", "up", "--json").json["service"]["pause"] == "up"
        assert run("resume", "web", "--json").json["service"]["pause"] == "none"


class TestCheck:
    REFUSED = (
        'services:\n  web:\n    labels:\n      alertscal.enable: "true"\n      alertscale.enabel: "true"\n'
    )
    WARNED = (
        'services: {web: {image: w, healthcheck: {test: x}, labels: {alertscale.enable: "true",'
        " alertscale.resources: cpu}}}"
    )

    def test_nothing_is_found_in_what_we_ship_and_what_was_read_is_said(self, run: Run) -> None:
        root = Path(__file__).parents[3]
        shown = run("check", str(root))
        assert shown.code == 0
        assert shown.out == (
            f"Compose files: {root}/docker-compose.yml (project alertscale)\n"
            f"Prometheus' file: {root}/prometheus/prometheus.yml"
            " (/etc/prometheus/prometheus.yml of the service prometheus)\n"
            f"rule files: {root}/prometheus/recording.rules.yml, {root}/prometheus/alert.rules.yml\n"
            f"Alertmanager's file: {root}/alertmanager/alertmanager.yml"
            " (/etc/alertmanager/alertmanager.yml of the service alertmanager)\n"
            f"nginx' sites: {root}/nginx/conf.d/default.conf\n"
            "No fault found: 1 scaled service, 29 alerts, 6 routes read\n"
        )

    def test_each_finding_with_place_and_way_out_and_what_is_absent(self, run: Run, tmp_path: Path) -> None:
        compose = tmp_path / "docker-compose.yml"
        compose.write_text(self.REFUSED)
        shown = run("check", str(tmp_path))
        assert shown.code == Exit.REFUSED
        runs = "no service of the Compose files runs it, and there is no"
        assert shown.out == (
            f"{compose}:2: error: no service has the label alertscale.enable, so nothing of this project is "
            "scaled [nothing-enabled]\n"
            '    Way out: put alertscale.enable: "true" under labels of the service that is to follow '
            "the load\n"
            f"{compose}:4: warning: web: nobody reads the label alertscal.enable [nearly-our-label]\n"
            "    Way out: did you mean alertscale.enable?\n"
            f"{compose}:5: error: web: alertscale has no label alertscale.enabel, so the scaler does not "
            "scale it [unknown-label]\n"
            "    Way out: did you mean alertscale.enable?\n"
            f"Compose files: {compose}\n"
            f"Prometheus' file: not found ({runs} prometheus/prometheus.yml)\n"
            "rule files: not found (Prometheus' file names them)\n"
            f"Alertmanager's file: not found ({runs} alertmanager/alertmanager.yml)\n"
            "2 errors, 1 warning: 0 scaled services, 0 alerts, 0 routes read; "
            "not found: Prometheus' file, rule files, Alertmanager's file\n"
        )

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ("    extends: {file: base.yml, service: web}", "extends of api"),
            ("    label_file: api.labels", "label_file of api"),
            ("    label_file: [a]\n    extends: api", "extends of api, label_file of api"),
            ("include: ['https://example.org/x.git']", "include of https://example.org/x.git"),
            ("include: [$UNKNOWN]", "include of $UNKNOWN"),
        ],
    )
    def test_what_may_hold_labels_and_is_not_read_is_said_and_never_called_good(
        self, run: Run, tmp_path: Path, more: str, said: str
    ) -> None:
        compose = tmp_path / "docker-compose.yml"
        compose.write_text(f"services:\n  api:\n    image: a\n{more}\n")
        (tmp_path / "base.yml").write_text("services: {web: {labels: {alertscale.enable: 'true'}}}")

        shown = run("check", str(tmp_path)).out

        assert f"Compose files: {compose} (not followed: {said})\n" in shown
        assert "\nNo fault in what was read, which is not all: 0 scaled services" in shown
        assert "No fault found" not in shown

    def test_a_scaler_that_is_for_others_is_said_to_be(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "docker-compose.yml").write_text(
            "services: {scaler: {image: s, labels: {alertscale.component: scaler},"
            " environment: {ALERTSCALE_PROJECTS: 'shop,wiki'}}}"
        )

        said = "No fault found: 0 scaled services, 0 alerts, 0 routes read; the scaler is for shop, wiki; not"
        assert said in run("check", str(tmp_path)).out

    def test_warnings_alone_are_no_failure(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "docker-compose.yml").write_text(self.WARNED)
        assert run("check", str(tmp_path)).code == 0
        assert run("check", str(tmp_path), "--json").json["warnings"] == 1

    def test_variables_can_be_left_out_where_those_of_compose_are_not_at_hand(
        self, run: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "docker-compose.yml").write_text(
            "services: {web: {image: w, labels: {alertscale.enable: 'true', alertscale.max: '${MAX:-many}'}}}"
        )
        assert "alertscale.max" in run("check", str(tmp_path)).out
        assert "alertscale.max" not in run("check", "--without-variables", str(tmp_path)).out

    def test_it_looks_here_when_no_directory_is_given(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "docker-compose.yml").write_text(self.REFUSED)
        monkeypatch.chdir(tmp_path)
        assert run("check").out.startswith("docker-compose.yml:2: ")

    def test_a_directory_that_is_not_there_is_a_matter_of_usage(self, run: Run, tmp_path: Path) -> None:
        assert run("check", str(tmp_path / "gone")).code == Exit.USAGE


class TestFailures:
    @pytest.mark.parametrize("words", ASKING)
    def test_a_scaler_that_is_not_there(self, run: Run, words: tuple[str, ...]) -> None:
        shown = run(*words, ALERTSCALE_URL="http://127.0.0.1:1")
        assert (shown.code, shown.out) == (Exit.UNREACHABLE, "")
        assert "http://127.0.0.1:1: the scaler does not answer" in shown.err
        assert "Way out: start it with `docker compose up -d scaler`" in shown.err

    @pytest.mark.parametrize("words", ASKING)
    def test_in_json_the_failure_is_on_the_standard_output(self, run: Run, words: tuple[str, ...]) -> None:
        shown = run(*words, "--json", ALERTSCALE_URL="http://127.0.0.1:1")
        assert (shown.code, shown.err) == (Exit.UNREACHABLE, "")
        assert (shown.json["error"]["reason"], shown.json["error"]["exit"]) == ("unreachable", 3)

    @pytest.mark.parametrize("words", ASKING[3:])
    @pytest.mark.parametrize("token", ["", "wrong"])
    def test_without_the_right_token(
        self, run: Run, stage: Stage, words: tuple[str, ...], token: str
    ) -> None:
        shown = run(*words, ALERTSCALE_TOKEN=token)
        assert shown.code == Exit.UNAUTHORIZED
        assert "cat /run/alertscale/token" in shown.err
        assert stage.script.asked == []

    @pytest.mark.parametrize("words", ASKING[:3])
    def test_reading_needs_no_token(self, run: Run, words: tuple[str, ...]) -> None:
        assert run(*words, ALERTSCALE_TOKEN="").code == 0

    def test_the_token_may_be_in_a_file(self, run: Run, stage: Stage, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("the-token\n")
        shown = run("pause", "web", "--token-file", str(tmp_path / "token"), ALERTSCALE_TOKEN="wrong")
        assert (shown.code, stage.script.asked) == (0, [("pause", "web", "all")])

    def test_an_address_that_cannot_be_one(self, run: Run) -> None:
        assert run("status", "--url", "localhost:8000").code == Exit.USAGE


def test_colour_is_for_terminals(run: Run, stage: Stage) -> None:
    stage.script.views = [faulty()]
    assert "\x1b" not in run("status").out
    assert "\x1b" not in run("status", TERM="xterm-256color", COLORTERM="truecolor").out


def loaded(module: str, *, prefix: str) -> str:
    """What a fresh Python has loaded of a package once a module is imported."""
    code = f"import sys, {module}; print([m for m in sys.modules if m.startswith({prefix!r})])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_the_checks_are_loaded_only_when_they_are_asked_for() -> None:
    assert loaded("alertscale.__main__", prefix="alertscale.check.") == "[]"


def test_the_scaler_carries_nothing_of_the_command_line() -> None:
    assert loaded("scaler.__main__", prefix="alertscale") == "[]"
