"""amtool of the pinned image, in one container for a whole module."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
IMAGE: str = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["alertmanager"]["image"]


@dataclass(frozen=True, kw_only=True)
class Amtool:
    """A container that amtool can be run in.

    Attributes:
        shell: one in it, for all calls: the engine takes longer to start a program than amtool does.
        folder: a folder of this machine that is /data there.
    """

    shell: subprocess.Popen[str]
    folder: Path

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run amtool, whatever its exit code is."""
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        command = ("amtool", *arguments)
        self.shell.stdin.write(f"{shlex.join(command)} < /dev/null > /data/out 2> /data/err; echo $?\n")
        self.shell.stdin.flush()
        code = int(self.shell.stdout.readline())
        out, err = ((self.folder / name).read_text() for name in ("out", "err"))
        return subprocess.CompletedProcess(command, code, stdout=out, stderr=err)

    def render(self, template: str, *, html: bool = False, **data: object) -> str:
        """Render a template of alertmanager/templates/ with what Alertmanager would give it."""
        whole = {
            "receiver": "operator",
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://localhost:9093",
            **data,
        }
        (self.folder / "data.json").write_text(json.dumps(whole))
        done = self(
            *("template", "render", f"--template.type={'html' if html else 'text'}"),
            *("--template.glob=/etc/alertmanager/templates/*.tmpl", "--template.data=/data/data.json"),
            f'--template.text={{{{ template "{template}" . }}}}',
        )
        assert done.returncode == 0, done.stdout + done.stderr
        # It ends the line.
        return done.stdout.removesuffix("\n")


@contextlib.contextmanager
def running(folder: Path, *, config: Path = ROOT / "alertmanager") -> Iterator[Amtool]:
    """Start the container, with the directory `config` as /etc/alertmanager; it ends with the block."""
    mounts = ["-v", f"{config}:/etc/alertmanager:ro", "-v", f"{folder}:/data"]
    user = f"{os.getuid()}:{os.getgid()}"
    command = ["docker", "run", "--rm", "--interactive", "--network=none", "--user", user, *mounts]
    with subprocess.Popen(
        [*command, "--entrypoint=sh", IMAGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        yield Amtool(shell=shell, folder=folder)
