"""Where the hooks of a service are found; how they are run is tested on a real engine."""

from pathlib import Path
from typing import Any

import docker.errors
import pytest

from scaler.engines.compose.hooks import Hooks
from scaler.engines.compose.project_files import ProjectFiles
from scaler.model.errors import TargetError
from scaler.model.hooks import Hook, HookKind
from scaler.model.reasons import ErrorReason

LABEL = "alertscale.post-start"


class Engine:
    """Knows one image, or none."""

    def __init__(self, *, gone: bool, labels: dict[str, str]) -> None:
        self.gone = gone
        self.labels = labels

    def inspect_image(self, image: str) -> dict[str, Any]:
        if self.gone:
            raise docker.errors.ImageNotFound(f"No such image: {image}")
        return {"Config": {"Labels": self.labels}}


def found(
    file: Path, *, label: str | None = None, image: str | None = None, gone: bool = False
) -> tuple[Hook, ...]:
    client: Any = Engine(gone=gone, labels={LABEL: image} if image else {})
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web",
        "com.docker.compose.project.config_files": str(file),
    }
    given = label or image
    inspected = {
        "Config": {"Image": "shop-web", "Labels": labels | ({LABEL: given} if given else {})},
        "Image": "sha256:1",
    }
    hooks = Hooks(client=client, files=ProjectFiles(own_project="own", stack=Path("/none")))
    hooks.check(inspected)
    return hooks.find(inspected, HookKind.POST_START)


def compose(path: Path, hook: str) -> Path:
    file = path / "compose.yml"
    file.write_text(f"services: {{ web: {{ post_start: [{hook}] }} }}")
    return file


def refusal(file: Path, *, image: str | None = None) -> str:
    with pytest.raises(TargetError) as caught:
        found(file, image=image)
    assert caught.value.reason is ErrorReason.CANNOT_CLONE
    return str(caught.value)


def test_the_label_goes_before_the_files(tmp_path: Path) -> None:
    file = compose(tmp_path, "{ command: [of, files] }")

    assert found(file) == (Hook(command=("of", "files")),)
    assert found(file, label='[{"command": ["of", "label"]}]') == (Hook(command=("of", "label")),)
    assert found(file, label="[]") == ()


def test_without_label_and_files_there_are_none(tmp_path: Path) -> None:
    assert found(tmp_path / "gone.yml") == ()


@pytest.mark.parametrize(
    "text",
    [None, "services: { web: [", "services: { web: { extends: { file: gone.yml, service: web } } }"],
    ids=["not there", "broken", "extends what is not there"],
)
def test_hooks_that_another_file_may_change_are_not_left_out(tmp_path: Path, text: str | None) -> None:
    """As with an overlay that is not in the scaler's container."""
    other = tmp_path / "other.yml"
    file = compose(tmp_path, "{ command: [warm] }")
    if text is not None:
        other.write_text(text)
    said = refusal(Path(f"{file},{other}"))

    assert "has post_start, and nobody can tell which: what stands there is not all" in said
    assert f"give the service the label {LABEL}" in said
    assert found(Path(f"{file},{other}"), label="[]") == ()


def test_files_that_cannot_be_read_beside_one_without_hooks_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: { web: {} }")

    assert found(Path(f"{tmp_path}/compose.yml,{tmp_path}/gone.yml")) == ()


def doubt(files: str, **labels: str) -> str:
    client: Any = Engine(gone=False, labels={})
    known = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web",
        "com.docker.compose.project.config_files": files,
    }
    ours = {f"alertscale.{name.replace('_', '-')}": value for name, value in labels.items()}
    hooks = Hooks(client=client, files=ProjectFiles(own_project="own", stack=Path("/none")))
    return hooks.doubt(known | ours)


class TestDoubt:
    """Where there may be hooks, and nothing on the engine tells: that is said with the way out."""

    def test_a_file_that_cannot_be_read_is_named_with_the_labels_that_tell(self) -> None:
        assert doubt("/srv/shop/compose.yml") == (
            "/srv/shop/compose.yml cannot be read here, so hooks that stand there (post_start, pre_stop)"
            " are not run; give the service alertscale.post-start and alertscale.pre-stop as a label:"
            " '[]' for none, else what alertscale check writes where the file is"
        )

    def test_a_label_ends_it_for_its_own_kind(self) -> None:
        said = doubt("/srv/shop/compose.yml", post_start="[]")

        assert (
            "hooks that stand there (pre_stop) are not run; give the service alertscale.pre-stop as" in said
        )
        assert doubt("/srv/shop/compose.yml", post_start="[]", pre_stop='[{"command": ["save"]}]') == ""

    def test_what_is_refused_for_the_same_cause_is_not_said_twice(self, tmp_path: Path) -> None:
        said = doubt(f"{compose(tmp_path, '{ command: [warm] }')},{tmp_path}/gone.yml")

        assert said.startswith(
            f"{tmp_path}/gone.yml cannot be read here, so hooks that stand there (pre_stop) are"
        )

    def test_there_is_none_where_all_can_be_read_or_compose_names_no_file(self, tmp_path: Path) -> None:
        assert doubt(str(compose(tmp_path, "{ command: [warm] }"))) == ""
        assert doubt("") == ""

    def test_it_is_asked_of_every_container_whatever_labels_that_has(self) -> None:
        client: Any = Engine(gone=False, labels={})
        hooks = Hooks(client=client, files=ProjectFiles(own_project="own", stack=Path("/none")))
        project = {
            "com.docker.compose.project": "own",
            "com.docker.compose.project.config_files": "/" + "a" * 5000,
        }

        assert hooks.doubt({}) == ""
        assert hooks.doubt(project).startswith("/aaa")


def test_a_doubled_dollar_is_one(tmp_path: Path) -> None:
    assert found(compose(tmp_path, "{ command: [echo, $$HOME] }")) == (Hook(command=("echo", "$HOME")),)


@pytest.mark.parametrize(
    "hook", ["{ command: [echo, $WHERE] }", "{ command: [echo, '${WHERE:-here}'] }", "{}"]
)
def test_hooks_that_nobody_can_tell_are_refused_by_name_with_the_way_out(tmp_path: Path, hook: str) -> None:
    said = refusal(compose(tmp_path, hook))

    assert said.startswith("the service has post_start, and nobody can tell which: ")
    assert f"give the service the label {LABEL}" in said


def test_an_image_does_not_say_what_is_run(tmp_path: Path) -> None:
    """With ``privileged`` it would be root on the machine."""
    evil = '[{"command": ["sh"], "privileged": true}]'

    assert f"brings the label {LABEL}" in refusal(tmp_path, image=evil)
    assert found(tmp_path, image=evil, label="[]") == ()


def test_what_an_image_that_is_gone_may_have_said_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="refused to read the labels of shop-web: No such image") as caught:
        found(tmp_path, label='[{"command": ["sh"]}]', gone=True)

    assert caught.value.reason is ErrorReason.IMAGE_GONE
    assert found(tmp_path, gone=True) == ()


def test_what_an_image_said_is_known_when_it_is_gone() -> None:
    """As after a build, on an engine that does not keep the image of before for the containers that run."""
    engine = Engine(gone=False, labels={})
    client: Any = engine
    hooks = Hooks(client=client, files=ProjectFiles(own_project="own", stack=Path("/none")))
    inspected = {
        "Config": {"Image": "shop-web", "Labels": {LABEL: '[{"command": ["warm"]}]'}},
        "Image": "sha256:1",
    }
    hooks.find(inspected, HookKind.POST_START)
    engine.gone = True

    assert hooks.find(inspected, HookKind.POST_START) == (Hook(command=("warm",)),)
