"""amtool of the pinned image, in one container for a whole module."""

from __future__ import annotations

import contextlib
import json
import os
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
        container: its id.
        folder: a folder of this machine that is /data there.
    """

    container: str
    folder: Path

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run amtool, whatever its exit code is."""
        command = ["docker", "exec", self.container, "amtool", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

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
    """Start the container, with the directory `config` as /etc/alertmanager, and remove it in the end."""
    mounts = ["-v", f"{config}:/etc/alertmanager:ro", "-v", f"{folder}:/data:ro"]
    user = f"{os.getuid()}:{os.getgid()}"
    command = ["docker", "run", "--detach", "--network=none", "--user", user, *mounts]
    command += ["--entrypoint=sleep", IMAGE, "600"]
    container = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        yield Amtool(container=container, folder=folder)
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=True)
