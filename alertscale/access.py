"""Where the scaler is, and the token that it wants: options first, then variables, then defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from alertscale.errors import SettingError, UnauthorizedError

DEFAULT_URL: Final = "http://127.0.0.1:8000"
DEFAULT_TOKEN_FILE: Final = Path("/run/alertscale/token")
"""Where it is inside the scaler's own container."""

GET_TOKEN: Final = (  # the command that reads it, and what makes one where none is
    "export ALERTSCALE_TOKEN=$(docker compose exec -T scaler cat /run/alertscale/token)"  # noqa: S105 - no secret
    "; where that file is missing, `docker compose restart scaler` makes a new one"
)

VARIABLES: Final[Mapping[str, tuple[str, str]]] = {
    "ALERTSCALE_URL": (DEFAULT_URL, "The scaler's address; `--url` goes before it."),
    "ALERTSCALE_TOKEN": ("", "The token itself; `--token-file` goes before it."),
    "ALERTSCALE_TOKEN_FILE": (
        str(DEFAULT_TOKEN_FILE),
        "File of the token, if `ALERTSCALE_TOKEN` is not set; the default, if it exists.",
    ),
}
"""Every variable that the command line reads: its default, and its meaning for the documentation."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach the scaler.

    Attributes:
        url: without a slash at its end.
        given: the token itself, from ALERTSCALE_TOKEN; empty if it was not given.
        file: where else it is; None if nowhere.
    """

    url: str
    given: str
    file: Path | None

    def token(self) -> str:
        """Read the token; only what changes something needs it.

        Raises:
            UnauthorizedError: there is none, or its file cannot be read or holds none.
        """
        if self.given:
            return _sendable(self.given, "ALERTSCALE_TOKEN")
        if self.file is None:
            raise UnauthorizedError(
                f"{self.url}: this needs the token, and none was given", way_out=GET_TOKEN
            )
        try:
            token = self.file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UnauthorizedError(
                f"{self.file}: the token cannot be read: {error}", way_out=GET_TOKEN
            ) from error
        if not token:
            raise UnauthorizedError(f"{self.file}: the file of the token is empty", way_out=GET_TOKEN)
        return _sendable(token, str(self.file))


def read_access(
    *,
    url: str | None,
    token_file: Path | None,
    environment: Mapping[str, str],
    default_file: Path | None = None,
) -> Access:
    """Put together how to reach the scaler.

    Args:
        url: of the option; None to go by ALERTSCALE_URL.
        token_file: of the option; it beats the variables.
        environment: such as ``os.environ``; an empty value counts as not given.
        default_file: used when nothing else is given and it exists; None for the container's.

    Raises:
        SettingError: the address cannot be one.
    """
    named = environment.get("ALERTSCALE_TOKEN_FILE", "")
    file = token_file or (Path(named) if named else None)
    usual = default_file or DEFAULT_TOKEN_FILE
    if file is None and usual.exists():
        file = usual
    return Access(
        url=_address(url, environment),
        given="" if token_file else environment.get("ALERTSCALE_TOKEN", "").strip(),
        file=file,
    )


def _address(url: str | None, environment: Mapping[str, str]) -> str:
    text = url or environment.get("ALERTSCALE_URL", "") or DEFAULT_URL
    where = "--url" if url else "ALERTSCALE_URL"
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        raise SettingError(
            f"{where}: {text!r} is not the address of a scaler", way_out=f"give one such as {DEFAULT_URL}"
        )
    return text.rstrip("/")


def _sendable(token: str, where: str) -> str:
    if token.isascii() and token.isprintable() and " " not in token:
        return token
    raise UnauthorizedError(
        f"{where}: what it holds cannot be a token: it is not one word", way_out=GET_TOKEN
    )
