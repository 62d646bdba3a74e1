"""The Compose files of a folder; tests/integration/test_check_as_compose.py asks Compose itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertscale.check.disk import Disk
from alertscale.check.findings import Finding
from alertscale.check.layers import Layers, find_layers
from alertscale.check.stacking import read_stack

WEB = "services: { web: { image: a } }\n"


def write(folder: Path, **texts: str) -> None:
    """Make files; in a name two underscores are a slash, and one is a dot."""
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def layers(folder: Path, *, findings: list[Finding] | None = None, **environment: str) -> Layers:
    disk = Disk(findings=[] if findings is None else findings)
    return find_layers(folder, environment=environment, disk=disk)


def images(found: Layers) -> dict[str, str | None]:
    stack = read_stack(found, findings=[])
    services = stack.services.values() if stack else ()
    return {s.name: s.program.image.value if s.program.image else None for s in services}


def names(found: Layers, folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in found.files]


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert layers(tmp_path) == Layers()


@pytest.mark.parametrize("name", ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"])
def test_a_compose_file_is_found_by_any_of_composes_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(WEB)

    assert names(layers(tmp_path), tmp_path) == [name]


def test_an_override_is_laid_over_as_compose_does(tmp_path: Path) -> None:
    write(tmp_path, compose_yaml=WEB, compose_override_yaml="services: { web: { image: b } }")

    found = layers(tmp_path)

    assert names(found, tmp_path) == ["compose.yaml", "compose.override.yaml"]
    assert images(found) == {"web": "b"}


class TestDotEnv:
    def test_it_names_the_files_and_the_project(self, tmp_path: Path) -> None:
        write(tmp_path, a_yml=WEB, sub__b_yml="services: { web: { image: b } }", compose_yml="services: []")
        (tmp_path / ".env").write_text("COMPOSE_FILE=a.yml:sub/b.yml\nCOMPOSE_PROJECT_NAME=shop\n")

        found = layers(tmp_path)

        assert names(found, tmp_path) == ["a.yml", "sub/b.yml"]
        assert images(found) == {"web": "b"}
        assert found.project == "shop"

    def test_the_environment_goes_before_it(self, tmp_path: Path) -> None:
        write(tmp_path, a_yml=WEB, b_yml="services: { web: { image: b } }")
        (tmp_path / ".env").write_text("COMPOSE_FILE=a.yml\nCOMPOSE_PROJECT_NAME=shop\n")

        found = layers(tmp_path, COMPOSE_FILE="b.yml", COMPOSE_PROJECT_NAME="other")

        assert (images(found), found.project) == ({"web": "b"}, "other")

    def test_it_goes_before_the_name_in_a_file(self, tmp_path: Path) -> None:
        write(tmp_path, compose_yml="name: written\n" + WEB)
        assert layers(tmp_path).project == "written"

        (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=shop\n")
        assert layers(tmp_path).project == "shop"

    def test_files_may_be_apart_by_another_sign(self, tmp_path: Path) -> None:
        write(tmp_path, a_yml=WEB, b_yml="services: { web: { image: b } }")
        (tmp_path / ".env").write_text("COMPOSE_FILE=a.yml,b.yml\nCOMPOSE_PATH_SEPARATOR=,\n")

        assert names(layers(tmp_path), tmp_path) == ["a.yml", "b.yml"]

    def test_beside_the_first_file_there_may_be_another_with_what_the_first_does_not_say(
        self, tmp_path: Path
    ) -> None:
        write(tmp_path, sub__a_yml="services: { web: { image: '${ONE}-${TWO}' } }")
        (tmp_path / ".env").write_text("COMPOSE_FILE=sub/a.yml\nONE=1\n")
        (tmp_path / "sub/.env").write_text("ONE=9\nTWO=2\nCOMPOSE_PROJECT_NAME=sub\n")

        found = layers(tmp_path)

        assert (images(found), found.project) == ({"web": "1-2"}, "sub")

    def test_one_variable_may_be_made_of_others(self, tmp_path: Path) -> None:
        write(tmp_path, compose_yml="services: { web: { image: '$ALL' } }")
        (tmp_path / ".env").write_text("A=1\nB=${A}2\nC='$A'\nALL=\"$B${C}${HERE}\"\n")

        assert images(layers(tmp_path, HERE="h")) == {"web": "12$Ah"}

    def test_nothing_of_it_is_known_where_variables_are_not_at_hand(self, tmp_path: Path) -> None:
        write(tmp_path, compose_yml="name: written\n" + WEB, a_yml=WEB)
        (tmp_path / ".env").write_text("COMPOSE_FILE=a.yml\n")

        found = find_layers(tmp_path, environment=None, disk=Disk(findings=[]))

        assert (names(found, tmp_path), found.project) == (["compose.yml"], None)

    @pytest.mark.parametrize("name", ["gone.yml", "", "../gone.yml"])
    def test_a_file_that_it_names_and_that_is_not_there_is_a_finding(self, tmp_path: Path, name: str) -> None:
        write(tmp_path, compose_yml=WEB)
        (tmp_path / ".env").write_text(f"COMPOSE_FILE={name}\n")
        findings: list[Finding] = []

        assert layers(tmp_path, findings=findings).partial
        assert [found.rule for found in findings] == ["unreadable-file"]


class TestDocuments:
    def test_several_in_one_file_are_laid_over_each_other(self, tmp_path: Path) -> None:
        write(tmp_path, compose_yml=f"name: a\n{WEB}---\nname: b\nservices: {{ web: {{ image: b }} }}\n")

        found = layers(tmp_path)

        assert (images(found), found.project) == ({"web": "b"}, "b")

    def test_an_empty_one_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path, compose_yml=WEB + "---\n")
        findings: list[Finding] = []

        read_stack(layers(tmp_path), findings=findings)

        assert [(found.rule, found.line) for found in findings] == [("unexpected-form", 3)]


class TestIncludes:
    def test_they_bring_services_with_paths_and_variables_of_their_own(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            compose_yml="include: [sub/compose.yml]\n" + WEB,
            sub__compose_yml="services: { in: { image: '$TAG', volumes: ['./x:/x'] } }",
        )
        (tmp_path / "sub/.env").write_text("TAG=sub\n")

        found = layers(tmp_path)
        stack = read_stack(found, findings=[])

        assert images(found) == {"in": "sub", "web": "a"}
        assert stack is not None
        assert [mount.source for mount in stack.services["in"].program.mounts] == [tmp_path / "sub/x"]
        assert images(layers(tmp_path, TAG="above"))["in"] == "above"

    def test_the_one_who_includes_is_laid_over_and_the_first_over_the_second(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            compose_yml="include: [a/compose.yml, b/compose.yml]\nservices: { web: { image: own } }",
            a__compose_yml="services: { web: { image: a }, both: { image: a } }",
            b__compose_yml="services: { both: { image: b } }",
        )

        assert images(layers(tmp_path)) == {"web": "own", "both": "a"}

    def test_the_long_form_names_files_folder_and_variables(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            compose_yml="include: [{ path: [a/one.yml, b/two.yml], project_directory: c, env_file: my.txt }]",
            a__one_yml="services: { web: { image: '$TAG', volumes: ['./x:/x'] } }",
            b__two_yml="services: { web: { labels: { over: '1' } } }",
            my_txt="TAG=mine",
            c__empty="",
        )

        stack = read_stack(layers(tmp_path), findings=[])

        assert stack is not None
        web = stack.services["web"]
        assert (web.program.image and web.program.image.value, set(web.labels)) == ("mine", {"over"})
        assert web.program.mounts[0].source == tmp_path / "c/x"

    def test_one_that_leads_back_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path, compose_yml="include: [sub/a.yml]\n" + WEB, sub__a_yml="include: [../compose.yml]")
        findings: list[Finding] = []

        layers(tmp_path, findings=findings)

        assert [(found.rule, found.file.name) for found in findings] == [("unexpected-form", "a.yml")]

    def test_one_that_is_not_there_is_a_finding(self, tmp_path: Path) -> None:
        write(tmp_path, compose_yml="include:\n  - gone.yml\n" + WEB)
        findings: list[Finding] = []

        assert layers(tmp_path, findings=findings).partial
        assert [(found.rule, found.line) for found in findings] == [("unreadable-file", 2)]

    @pytest.mark.parametrize("name", ["../gone.yml", "https://example.org/x.git", "oci://x/y", "$UNKNOWN"])
    def test_one_that_cannot_be_seen_from_here_leaves_the_project_unknown(
        self, tmp_path: Path, name: str
    ) -> None:
        write(tmp_path, compose_yml=f"include: ['{name}']\n" + WEB)
        findings: list[Finding] = []

        assert layers(tmp_path, findings=findings).partial
        assert findings == []
