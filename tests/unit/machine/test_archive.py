"""A backup is read back as it was written; what is damaged, cut short or hostile is refused by name."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machine.archive import FORMAT, MANIFEST, Manifest, Writer, members, verify
from machine.errors import BackupError

NAME = "probe.tar.gz"


def nothing() -> None:
    pass


def volume(*members: tuple[str, bytes | None]) -> io.BytesIO:
    """What tar says of a volume: None is a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.uid, member.gid, member.mode = 65534, 65534, 0o640
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            member.size = len(content or b"")
            made.addfile(member, io.BytesIO(content or b""))
    return io.BytesIO(out.getvalue())


def written(tmp_path: Path) -> bytes:
    (tmp_path / ".env").write_text("NGINX_PORT=80\n", encoding="utf-8")
    out = io.BytesIO()
    writer = Writer(out, tick=nothing)
    writer.volumes(
        volume(
            ("token/now", None),
            ("token/now/token", b"secret"),
            ("prometheus-data/now", None),
            ("prometheus-data/now/wal", None),
            ("prometheus-data/now/wal/0", b"x" * 3_000_000),
        )
    )
    writer.file(tmp_path / ".env", name=".env")
    writer.finish(
        Manifest(
            project="shop",
            made="2026-01-02T03:04:05Z",
            commit="abc",
            images=("nginx:1",),
            volumes=("token", "prometheus-data"),
        )
    )
    return out.getvalue()


def hand_made(
    *entries: tuple[tarfile.TarInfo, bytes], manifest: dict[str, Any] | None = None, last: bool = True
) -> io.BytesIO:
    """An archive of any content, with a manifest that fits it."""
    sums = {e.name: hashlib.sha256(c).hexdigest() for e, c in entries if e.isreg()}
    whole = {
        "format": FORMAT,
        "project": "p",
        "made": "m",
        "commit": "",
        "images": [],
        "volumes": ["token"],
        "checksums": sums,
        **(manifest or {}),
    }
    text = json.dumps(whole).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for entry, content in (*entries, *([(plain(MANIFEST), text)] if last else [])):
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    out.seek(0)
    return out


def plain(name: str, *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.mode, made.linkname = kind, mode, link
    return made


def refusal(source: io.BytesIO) -> str:
    with pytest.raises(BackupError) as caught:
        verify(source, name=NAME, tick=nothing)
    return str(caught.value)


def test_what_was_written_is_read_with_owners_and_modes(tmp_path: Path) -> None:
    source = io.BytesIO(written(tmp_path))
    manifest = verify(source, name=NAME, tick=nothing)
    assert (manifest.project, manifest.commit, manifest.volumes) == (
        "shop",
        "abc",
        ("token", "prometheus-data"),
    )
    assert manifest.files == (".env",)
    found = {m.name: (m.mode, m.uid, c.read() if c else None) for m, c in members(source, name=NAME)}
    assert found["volumes/token"] == (0o755, 65534, None)
    assert found["volumes/token/token"] == (0o640, 65534, b"secret")
    assert found["files/.env"][2] == b"NGINX_PORT=80\n"
    assert list(found)[-1] == MANIFEST


def test_a_link_in_a_volume_is_not_backed_up_but_told() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        made.addfile(plain("token/now/token", kind=tarfile.SYMTYPE, link="/etc/shadow"))
    with pytest.raises(BackupError, match="the volume token: token is neither a file nor a folder"):
        Writer(io.BytesIO(), tick=nothing).volumes(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_backup_that_was_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    whole = written(tmp_path)
    said = refusal(io.BytesIO(whole[: int(len(whole) * share)]))
    assert "not a whole backup" in said
    assert "Nothing was changed" in said


@given(data=st.binary(max_size=300))
def test_any_other_file_is_refused(data: bytes) -> None:
    assert f"{NAME}: not a whole backup" in refusal(io.BytesIO(data))


@given(where=st.floats(min_value=0, max_value=0.9999), bit=st.integers(0, 7))
def test_one_wrong_bit_anywhere_is_noticed_or_does_not_matter(where: float, bit: int) -> None:
    """What gzip says of the time and the system is of no weight."""
    entry = plain("volumes/token/token"), b"secret" * 50
    whole = bytearray(hand_made(entry).getvalue())
    whole[int(where * len(whole))] ^= 1 << bit
    source = io.BytesIO(bytes(whole))
    try:
        verify(source, name=NAME, tick=nothing)
    except BackupError:
        return
    found = {member.name: content.read() for member, content in members(source, name=NAME) if content}
    assert found["volumes/token/token"] == entry[1]


def test_another_content_than_the_manifests_is_refused() -> None:
    entry = plain("volumes/token/token"), b"other"
    said = refusal(hand_made(entry, manifest={"checksums": {"volumes/token/token": "0" * 64}}))
    assert "'volumes/token/token' is damaged" in said


def test_a_file_too_few_or_too_many_is_refused() -> None:
    entry = plain("volumes/token/token"), b"x"
    assert "'volumes/token/token' is not in its manifest" in refusal(
        hand_made(entry, manifest={"checksums": {}})
    )
    assert "'volumes/token/a' is missing" in refusal(
        hand_made(manifest={"checksums": {"volumes/token/a": "0"}})
    )
    assert "comes twice" in refusal(hand_made(entry, (plain("volumes/token/token"), b"x")))
    assert "no manifest.json" in refusal(hand_made(entry, last=False))


def test_a_newer_format_is_refused_with_the_version_that_reads_it() -> None:
    said = refusal(hand_made(manifest={"format": 2, "commit": "abc123"}))
    assert "written in format 2, and this alertscale reads format 1" in said
    assert "abc123" in said


@pytest.mark.parametrize("manifest", [{"format": "1"}, {"images": 3}, {"checksums": []}, {"volumes": None}])
def test_a_manifest_of_another_form_is_refused(manifest: dict[str, Any]) -> None:
    assert "not that of a backup" in refusal(hand_made(manifest=manifest))


@pytest.mark.parametrize(
    "entry",
    [
        plain("/etc/passwd"),
        plain("../outside"),
        plain("volumes/token/../../../etc/passwd"),
        plain("files/../../.ssh/authorized_keys"),
        plain("files/./.env"),
        plain("files//.env"),
        plain("files/docker-compose.yml"),
        plain("files/secretsandmore"),
        plain("volumes/upstreams/x"),
        plain("volumes/token"),
        plain("volumes"),
        plain("other"),
        plain("volumes/token/link", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        plain("volumes/token/hard", kind=tarfile.LNKTYPE, link="/etc/passwd"),
        plain("files/secrets", kind=tarfile.SYMTYPE, link="/etc"),
        plain("volumes/token/device", kind=tarfile.CHRTYPE),
        plain("volumes/token/pipe", kind=tarfile.FIFOTYPE),
        plain("volumes/token/root", mode=0o4755),
    ],
    ids=lambda entry: f"{entry.name} {entry.type!r}",
)
def test_what_would_reach_out_of_its_place_is_refused(entry: tarfile.TarInfo) -> None:
    said = refusal(hand_made((entry, b"")))
    assert repr(entry.name.rstrip("/")) in said
    assert "Nothing was changed" in said
