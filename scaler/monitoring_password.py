"""Puts Prometheus and Alertmanager behind a password, or leaves them open.

A program of its own, ``python -m scaler.monitoring_password``: it runs to its end before the two start,
and again at each ``docker compose up``. It writes into the directory that they share, and they read it
anew at each request, so that nothing is restarted:

- ``web.yml``: who may ask, as bcrypt hashes;
- ``password``: that of the user ``alertscale``, with which the stack's own requests are made;
- ``client.yml``: the same for promtool and amtool.

Exit codes: 0 written; 1 the directory cannot be written; 2 settings cannot be used.
"""

import os
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bcrypt

from scaler.model.errors import SettingsError
from scaler.secret_file import write_private

OWN_USER: Final = "alertscale"
DIRECTORY: Final = Path("/run/monitoring")
HASH_FILE: Final = Path("/run/monitoring-password-hash")
EXIT_SETTINGS: Final = 2
EXIT_FAILED: Final = 1

_PASSWORD: Final = "MONITORING_PASSWORD"  # noqa: S105 - the variable's name
_FILE: Final = "MONITORING_PASSWORD_HASH_FILE"
_USER: Final = "MONITORING_USER"
_NO_FILE: Final = frozenset({"", "/dev/null"})
_LONGEST: Final = 72
# As long as Prometheus takes for a user that does not exist: time does not tell who does.
_COST: Final = 10
_HASH: Final = re.compile(r"\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}")
_ENTRY: Final = re.compile(r'^  "(.+)": "(.+)"$', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Login:
    """How a person gets in.

    Attributes:
        user: the name.
        password: UTF-8, at most 72 bytes; empty if only the hash is known.
        hashed: bcrypt's hash; empty if the password is known.
    """

    user: str
    password: bytes = b""
    hashed: str = ""

    def is_kept_by(self, hashed: str) -> bool:
        """Whether a hash that was written before still lets this login in."""
        return bcrypt.checkpw(self.password, hashed.encode()) if self.password else hashed == self.hashed


def read_login(environment: Mapping[str, str], *, hash_file: Path) -> Login | None:
    """Read who may see monitoring.

    Args:
        environment: such as ``os.environ``; an empty value counts as not given.
        hash_file: where the file that ``MONITORING_PASSWORD_HASH_FILE`` names is found here.

    Returns:
        The login; None if neither a password nor a file is given, and monitoring is open.

    Raises:
        SettingsError: some of it cannot be used; the message never shows the password or the hash.
    """
    password = environment.get(_PASSWORD, "")
    file = environment.get(_FILE, "")
    if not password and file in _NO_FILE:
        return None
    user = environment.get(_USER, "") or "admin"
    faults = _user_faults(user)
    hashed = ""
    if password and file not in _NO_FILE:
        faults.append(
            f"{_PASSWORD} and {_FILE} are both set, and only one can hold; leave the other one empty"
        )
    elif password:
        faults += _password_faults(password)
    else:
        try:
            hashed = _read_hash(hash_file)
        except (OSError, ValueError) as error:
            faults.append(f"{_FILE}: {file!r} {error}")
    if faults:
        raise SettingsError(tuple(faults))
    return Login(user=user, password=os.fsencode(password), hashed=hashed)


def _user_faults(user: str) -> list[str]:
    if user == OWN_USER:
        return [f"{_USER}: {user!r} is the name under which the stack itself asks; choose another"]
    if not re.fullmatch(r"[A-Za-z0-9._@+-]{1,64}", user):
        return [f"{_USER}: {user!r} is not 1 to 64 letters, digits and . _ @ + -"]
    return []


def _password_faults(password: str) -> list[str]:
    faults = []
    length = len(os.fsencode(password))
    if length > _LONGEST:
        faults.append(
            f"{_PASSWORD} is {length} bytes long in UTF-8, and bcrypt, with which Prometheus and Alertmanager"
            f" compare, reads no more than {_LONGEST}; choose a shorter one"
        )
    if re.search(r"[\x00-\x1f\x7f-\x9f]", password):
        faults.append(
            f"{_PASSWORD} holds a control character, such as the end of a line, that cannot be typed at a"
            " login; take it out"
        )
    return faults


def _read_hash(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise ValueError(
            f"cannot be read: {error.strerror}; give the path of a file on this machine"
        ) from error
    if not _HASH.fullmatch(text):
        raise ValueError(
            f"holds {len(text)} characters that are not one bcrypt hash of cost 4 to 14, such as $2b$10$ and"
            " 53 characters more, and nothing else; docs/security.md has the command that makes one"
        )
    return text


def render(users: Mapping[str, str]) -> str:
    """Write ``web.yml``: the hash of each user, or that everybody may ask if there is none."""
    if not users:
        return "{}\n"
    return "\n".join(["basic_auth_users:", *(f'  "{user}": "{users[user]}"' for user in users), ""])


def hash_of(password: bytes) -> str:
    """Return bcrypt's hash of at most 72 bytes."""
    return bcrypt.hashpw(password, bcrypt.gensalt(_COST)).decode()


def install(directory: Path, login: Login | None) -> None:
    """Write what lets in whom; what is right already stays as it is.

    The own password stays for good: Prometheus reads it once, at its start.

    Args:
        directory: the one that Prometheus and Alertmanager share.
        login: the person's; None to let everybody in.

    Raises:
        OSError: it cannot be written.
    """
    password, web, client = (directory / name for name in ("password", "web.yml", "client.yml"))
    own = password.read_text(encoding="ascii").strip() if password.exists() else ""
    if not own:
        own = secrets.token_urlsafe(32)
        write_private(password, own + "\n")
    write_private(client, f"basic_auth:\n  username: {OWN_USER}\n  password_file: {password}\n")
    before = web.read_text(encoding="ascii") if web.exists() else ""
    users = dict(_ENTRY.findall(before))
    if before != render(users) or not _lets_in(users, login, own):
        # Last: whoever is asked for a password from now on has one.
        write_private(web, render(_users(login, own) if login else {}))


def _lets_in(users: Mapping[str, str], login: Login | None, own: str) -> bool:
    if login is None:
        return not users
    return (
        set(users) == {login.user, OWN_USER}
        and login.is_kept_by(users[login.user])
        and bcrypt.checkpw(own.encode(), users[OWN_USER].encode())
    )


def _users(login: Login, own: str) -> dict[str, str]:
    return {login.user: login.hashed or hash_of(login.password), OWN_USER: hash_of(own.encode())}


def main(arguments: Sequence[str]) -> int:
    """Write the directory, or with ``--hash`` print the hash of the password on the standard input.

    Returns:
        The exit code: 0, 2 for settings that cannot be used, 1 for a directory that cannot be written.
    """
    try:
        if list(arguments) == ["--hash"]:
            return _print_hash(sys.stdin.readline().removesuffix("\n"))
        login = read_login(os.environ, hash_file=HASH_FILE)
        install(DIRECTORY, login)
    except SettingsError as error:
        for fault in error.faults:
            sys.stderr.write(f"alertscale: {fault}\n")
        return EXIT_SETTINGS
    except OSError as error:
        sys.stderr.write(f"alertscale: cannot put monitoring behind its password: {error}\n")
        return EXIT_FAILED
    state = f"asks for the password of {login.user!r}" if login else f"is open: {_PASSWORD} is not set"
    sys.stderr.write(f"alertscale: monitoring {state}\n")
    return 0


def _print_hash(password: str) -> int:
    faults = _password_faults(password) if password else [f"{_PASSWORD}: there is none on the standard input"]
    if faults:
        raise SettingsError(tuple(faults))
    sys.stdout.write(hash_of(os.fsencode(password)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
