"""The files of Prometheus, Alertmanager and nginx are found where their containers see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertscale.check import Finding, Report, check
from tests.unit.alertscale.check.good import ALERTMANAGER, ALERTS, ALERTS_MOVED, COMPOSE, PROMETHEUS, Checkout

MOUNT = '"./prometheus:/etc/prometheus:ro", "metrics:/prometheus"'
OF_PROMETHEUS = f"    volumes: [{MOUNT}]\n"
OF_ALERTMANAGER = '    volumes: ["./alertmanager:/etc/alertmanager:ro"]\n'


def files(report: Report, name: str) -> list[str]:
    """The last two parts of the paths that were read of one kind."""
    (source,) = [one for one in report.sources if one.name == name]
    return ["/".join(path.parts[-2:]) for path in source.files]


def note(report: Report, name: str) -> str:
    (source,) = [one for one in report.sources if one.name == name]
    return source.note


def moved(checkout: Checkout, old: str, new: str) -> None:
    target = checkout.directory / new
    target.parent.mkdir(parents=True, exist_ok=True)
    (checkout.directory / old).rename(target)


def of(checkout: Checkout, rule: str) -> Finding:
    """The one finding of a rule."""
    (found,) = [one for one in checkout.check() if one.rule == rule]
    return found


class TestMounts:
    @pytest.mark.parametrize(
        ("command", "mount", "file"),
        [
            ("", "./am/config.yml:/etc/alertmanager/alertmanager.yml", "am/config.yml"),
            ("[--config.file=/etc/alertmanager/config.yml]", "./am:/etc/alertmanager", "am/config.yml"),
            ("--config.file /cfg/x.yaml --log.level=info", "./am/x.yaml:/cfg/x.yaml:ro", "am/x.yaml"),
            ("[--config.file=x.yml]", "./am/x.yml:/alertmanager/x.yml", "am/x.yml"),
            ("[--a.flag, --storage.path=/a, --b.flag, -config.file=/x.yml]", "./am/x.yml:/x.yml", "am/x.yml"),
            ("sh -c 'exec alertmanager --config.file=/x.yml'", "./am/x.yml:/x.yml", "am/x.yml"),
            (
                "[--config.file=/c.yml]",
                "{ type: bind, source: ./am/x.yml, target: /c.yml, read_only: true }",
                "am/x.yml",
            ),
        ],
    )
    def test_the_file_is_the_one_that_the_program_is_told_to_read(
        self, checkout: Checkout, command: str, mount: str, file: str
    ) -> None:
        moved(checkout, ALERTMANAGER, file)
        told = f"    command: {command}\n" if command else ""
        mount = mount if mount.startswith("{") else f'"{mount}"'
        checkout.change(COMPOSE, OF_ALERTMANAGER, f"{told}    volumes: [{mount}]\n")

        report = checkout.report()

        assert files(report, "Alertmanager's file") == [file]
        assert report.findings == ()

    def test_a_mount_over_a_folder_hides_what_is_in_it(self, checkout: Checkout) -> None:
        checkout.write("own.yml", (checkout.directory / PROMETHEUS).read_text())
        checkout.write(PROMETHEUS, "scrape_configs: 3")
        checkout.change(COMPOSE, MOUNT, f'"./own.yml:/etc/prometheus/prometheus.yml", {MOUNT}')

        report = checkout.report()

        assert report.findings == ()
        assert [path.name for path in report.sources[1].files] == ["own.yml"]

    def test_the_later_file_mounts_in_the_place_of_the_earlier(self, checkout: Checkout) -> None:
        checkout.write(
            "docker-compose.override.yml",
            "services: { alertmanager: { volumes: ['./b:/etc/alertmanager'] } }",
        )
        moved(checkout, ALERTMANAGER, "b/alertmanager.yml")

        assert files(checkout.report(), "Alertmanager's file") == ["b/alertmanager.yml"]

    @pytest.mark.parametrize(
        "given",
        [
            "configs: { am: { file: ./am.yml } }",
            "volumes: { am: { driver_opts: { type: none, o: bind, device: HERE } } }",
        ],
    )
    def test_configs_and_bound_volumes_are_mounts_too(self, checkout: Checkout, given: str) -> None:
        moved(checkout, ALERTMANAGER, "am.yml")
        mounted = (
            "    configs: [{ source: am, target: /etc/alertmanager/alertmanager.yml }]\n"
            if given.startswith("configs")
            else "    volumes: ['am:/etc/alertmanager/alertmanager.yml']\n"
        )
        checkout.change(COMPOSE, OF_ALERTMANAGER, mounted)
        checkout.change(COMPOSE, "volumes: { metrics: {} }\n", "")
        given = given.replace("HERE", str(checkout.directory / "am.yml"))
        checkout.write("docker-compose.override.yml", given)

        report = checkout.report()

        assert [path.name for path in report.sources[3].files] == ["am.yml"]
        assert report.findings == ()

    def test_what_compose_itself_holds_is_read_with_its_lines(self, checkout: Checkout) -> None:
        text = (
            (checkout.directory / ALERTMANAGER)
            .read_text()
            .replace("receiver: operator", "receiver: operater")
        )
        checkout.remove(ALERTMANAGER)
        held = "".join(f"      {line}\n" for line in text.splitlines())
        checkout.change(
            COMPOSE,
            OF_ALERTMANAGER,
            "    configs: [{ source: am, target: /etc/alertmanager/alertmanager.yml }]\n",
        )
        checkout.write("docker-compose.override.yml", f"configs:\n  am:\n    content: |\n{held}")

        found = of(checkout, "undefined-receiver")

        assert (found.file.name, found.line) == ("docker-compose.override.yml", 5)

    def test_what_an_image_is_built_with_is_seen_too(self, checkout: Checkout) -> None:
        checkout.write("prometheus/Dockerfile", "FROM prom/prometheus:v3.5.3\nCOPY . /etc/prometheus/\n")
        checkout.change(
            COMPOSE, "    image: prom/prometheus:v3.5.3\n" + OF_PROMETHEUS, "    build: ./prometheus\n"
        )

        report = checkout.report()

        assert files(report, "Prometheus' file") == [PROMETHEUS]
        assert files(report, "rule files") == ["prometheus/recording.rules.yml", ALERTS]
        assert report.findings == ()

    def test_sites_are_those_that_nginx_sees(self, checkout: Checkout) -> None:
        checkout.write("sites/a.conf", "server { location / { proxy_pass http://weg; } }")
        checkout.change(COMPOSE, "./nginx/conf.d:/etc", "./sites:/etc")

        found = checkout.only()

        assert (found.rule, found.file.name) == ("unknown-upstream", "a.conf")


class TestAbsence:
    """What is not there is never taken for what was not given."""

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            pytest.param(
                OF_ALERTMANAGER,
                "",
                ("which no mount brings", "./alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro"),
                id="no mount",
            ),
            pytest.param(
                OF_ALERTMANAGER,
                "    volumes: ['./gone.yml:/etc/alertmanager/alertmanager.yml']\n",
                ("gone.yml here, and that is not there", "put the file there"),
                id="a mount of nothing",
            ),
            pytest.param(
                OF_ALERTMANAGER,
                "    command: [--config.file=/etc/alertmanager/config.yml]\n" + OF_ALERTMANAGER,
                ("call it config.yml, or start it with --config.file=/etc/alertmanager/alertmanager.yml",),
                id="another name",
            ),
            pytest.param(
                OF_ALERTMANAGER,
                "    command: [--log.level=info]\n" + OF_ALERTMANAGER,
                ("reads /alertmanager/alertmanager.yml", "--config.file=/etc/alertmanager/alertmanager.yml"),
                id="a command that does not name it",
            ),
        ],
    )
    def test_a_file_that_the_program_does_not_find_is_an_error(
        self, checkout: Checkout, old: str, new: str, says: tuple[str, ...]
    ) -> None:
        checkout.change(COMPOSE, old, new)

        found = checkout.only()

        assert found.rule == "config-not-found"
        for words in ("the service alertmanager reads", *says):
            assert words in f"{found.text} {found.way_out}"
        assert "Alertmanager's file" in checkout.report().absent

    @pytest.mark.parametrize(
        ("instead", "why"),
        [
            ("    volumes: ['../am:/etc/alertmanager']\n", "not there"),
            ("    volumes: ['/am:/etc/alertmanager']\n", "not there"),
            ("    volumes: ['settings:/etc/alertmanager']\n", "in the volume settings"),
            ("    volumes: ['$UNKNOWN']\n", "no mount brings"),
            ("    entrypoint: [sh, /run.sh]\n", "started by a script of its own"),
            ("    command: ['--config.file=$UNKNOWN']\n", "cannot be known"),
            ("    command: ['--config.file=$$HERE']\n", "cannot be known"),
            ("    extends: { service: other }\n", "no mount brings"),
        ],
    )
    def test_a_file_that_may_be_there_after_all_is_said_not_to_be_found_and_no_more(
        self, checkout: Checkout, instead: str, why: str
    ) -> None:
        checkout.change(COMPOSE, OF_ALERTMANAGER, instead)

        report = checkout.report()

        assert report.findings == ()
        assert why in note(report, "Alertmanager's file")
        assert report.absent == ("Alertmanager's file",)

    def test_where_not_all_of_the_project_is_at_hand_nothing_is_said_to_be_missing(
        self, checkout: Checkout
    ) -> None:
        checkout.change(COMPOSE, OF_ALERTMANAGER, "    volumes: ['./gone:/etc/alertmanager']\n")
        checkout.change(PROMETHEUS, "[recording", "[gone/*.yml, recording")
        checkout.change(COMPOSE, MOUNT, f'{MOUNT}, "./gone:/etc/prometheus/gone"')

        report = check(checkout.directory, environment=None)

        assert report.findings == ()
        assert report.absent == ("Alertmanager's file",)

    def test_where_nobody_runs_the_programs_their_files_are_taken_by_their_names(
        self, checkout: Checkout
    ) -> None:
        self.run_by_nobody(checkout, "prometheus", "alertmanager")

        report = checkout.report()
        assert files(report, "Prometheus' file") == [PROMETHEUS]
        assert files(report, "Alertmanager's file") == [ALERTMANAGER]
        assert note(report, "Alertmanager's file") == "by its name: no service runs it"

        checkout.remove(ALERTMANAGER)
        report = checkout.report()
        assert report.absent == ("Alertmanager's file",)
        assert note(report, "Alertmanager's file").endswith("and there is no alertmanager/alertmanager.yml")

    def test_a_file_that_nobody_runs_beside_a_program_that_runs_here_is_said_to_be_read_by_nobody(
        self, checkout: Checkout
    ) -> None:
        self.run_by_nobody(checkout, "alertmanager")

        report = checkout.report()

        assert report.absent == ("Alertmanager's file",)
        assert note(report, "Alertmanager's file").endswith("alertmanager.yml is read by nobody here")

    def test_of_several_that_run_a_program_the_others_are_named(self, checkout: Checkout) -> None:
        checkout.change(COMPOSE, "  database:\n", "  second: { image: prom/prometheus }\n  database:\n")

        assert note(checkout.report(), "Prometheus' file") == (
            "/etc/prometheus/prometheus.yml of the service prometheus; not that of second"
        )

    def run_by_nobody(self, checkout: Checkout, *services: str) -> None:
        for service in services:
            checkout.change(COMPOSE, f"image: prom/{service}:", "image: example.org/other:")

    def test_files_without_a_compose_file_are_found_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "prometheus.yml").write_text("rule_files: [a.yml]\n")
        (tmp_path / "a.yml").write_text("groups: []\n")

        report = check(tmp_path)

        assert files(report, "rule files") == [f"{tmp_path.name}/a.yml"]
        assert report.absent == ("Compose files", "Alertmanager's file")


def test_all_that_is_wrong_is_found_together_and_in_order(checkout: Checkout) -> None:
    checkout.change(COMPOSE, 'alertscale.max: "5"', "alertscale.max: five")
    checkout.change(COMPOSE, "alertscale.cooldown.up", "alertscale.cooldown.upp")
    checkout.change(ALERTS, "for: 30s", "for: 30")
    checkout.write(ALERTMANAGER, "route: [")

    assert [(f.rule, f.file.name) for f in checkout.check()] == [
        ("invalid-yaml", "alertmanager.yml"),
        ("unreadable-label", "docker-compose.yml"),
        ("unknown-label", "docker-compose.yml"),
        ("unexpected-form", "alert.rules.yml"),
    ]


def test_nothing_is_said_to_be_missing_while_a_rule_file_cannot_be_read(checkout: Checkout) -> None:
    checkout.write(ALERTS, "groups: [")

    assert checkout.only().rule == "invalid-yaml"


def test_no_service_is_said_to_be_missing_while_a_compose_file_cannot_be_read(checkout: Checkout) -> None:
    checkout.change(ALERTS, "expr: vector(1)", "expr: vector(1)\n" + ALERTS_MOVED)
    checkout.write("docker-compose.override.yml", "services: [")

    assert checkout.only().rule == "invalid-yaml"


def test_variables_come_from_dot_env_and_first_from_the_environment(checkout: Checkout) -> None:
    checkout.change(COMPOSE, 'max: "5"', "max: $MOST")
    assert checkout.check() == ()

    checkout.write(".env", "# the most\nexport MOST='0'\n")
    assert checkout.only().text.startswith("web: alertscale.max: '0'")

    checkout.environment["MOST"] = "7"
    assert checkout.check() == ()


@pytest.mark.parametrize("file", [PROMETHEUS, ALERTMANAGER, ALERTS])
def test_of_a_second_document_it_is_said_that_nobody_reads_it(checkout: Checkout, file: str) -> None:
    text = (checkout.directory / file).read_text()
    checkout.write(file, text + "---\nother: things\n")

    found = checkout.only()

    assert (found.rule, found.line) == ("ignored-document", text.count("\n") + 2)
