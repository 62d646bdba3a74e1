"""Where the scaler is and which token is sent: option, variable, default, in this order."""

from pathlib import Path

import pytest

from alertscale.access import DEFAULT_URL, Access, read_access
from alertscale.errors import Exit, SettingError, UnauthorizedError


def access(
    tmp_path: Path, *, url: str | None = None, token_file: Path | None = None, **environment: str
) -> Access:
    return read_access(
        url=url, token_file=token_file, environment=environment, default_file=tmp_path / "default"
    )


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_with_nothing_said_it_is_the_scaler_of_this_machine(tmp_path: Path) -> None:
    assert access(tmp_path).url == DEFAULT_URL
    assert access(tmp_path, ALERTSCALE_URL="").url == DEFAULT_URL


def test_the_option_beats_the_variable(tmp_path: Path) -> None:
    assert access(tmp_path, ALERTSCALE_URL="http://a:1/").url == "http://a:1"
    assert access(tmp_path, url="https://b", ALERTSCALE_URL="http://a:1").url == "https://b"


@pytest.mark.parametrize(
    "text", ["localhost:8000", "ftp://a", "http://", "http://a:x", "http://a:99999", "http://a?b", "a b"]
)
def test_an_address_that_cannot_be_one_is_refused_with_its_place_and_value(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingError, match="ALERTSCALE_URL") as caught:
        access(tmp_path, ALERTSCALE_URL=text)
    assert repr(text) in str(caught.value)
    assert caught.value.exit is Exit.USAGE
    assert DEFAULT_URL in caught.value.way_out
    with pytest.raises(SettingError, match="--url"):
        access(tmp_path, url=text)


def test_the_token_of_the_option_then_of_each_variable_then_of_the_container(tmp_path: Path) -> None:
    option = written(tmp_path / "option", "of-option\n")
    named = str(written(tmp_path / "named", "of-file-variable\n"))
    written(tmp_path / "default", "of-container\n")
    assert access(tmp_path).token() == "of-container"
    assert access(tmp_path, ALERTSCALE_TOKEN_FILE=named).token() == "of-file-variable"
    assert access(tmp_path, ALERTSCALE_TOKEN_FILE=named, ALERTSCALE_TOKEN=" given ").token() == "given"
    assert access(tmp_path, token_file=option, ALERTSCALE_TOKEN="given").token() == "of-option"


def test_without_a_token_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UnauthorizedError, match="none was given") as caught:
        access(tmp_path).token()
    assert "docker compose exec -T scaler cat /run/alertscale/token" in caught.value.way_out
    assert "docker compose restart scaler" in caught.value.way_out
    assert caught.value.exit is Exit.UNAUTHORIZED


@pytest.mark.parametrize("content", ["", "\n", "two words", "käse", "a\x1bb"])
def test_a_file_without_a_token_is_named_and_its_content_is_not_shown(tmp_path: Path, content: str) -> None:
    file = written(tmp_path / "option", content)
    with pytest.raises(UnauthorizedError) as caught:
        access(tmp_path, token_file=file).token()
    assert str(file) in str(caught.value)
    assert not content.strip() or content not in str(caught.value)


def test_a_file_that_is_not_there_matters_only_when_the_token_is_needed(tmp_path: Path) -> None:
    made = access(tmp_path, token_file=tmp_path / "gone")
    with pytest.raises(UnauthorizedError, match="gone"):
        made.token()
