"""The base images under our pinned tags behave as the official ones do.

Made from Debian's packages or pulled from a registry: every statement here holds for both, so what
passes on the stand-ins runs on the official images.
"""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from machine import compose, images

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [pytest.mark.engine, pytest.mark.untimed]

CHECKOUT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 30.0


def docker(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=False)


def run(image: str, *argv: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    return docker("run", "--rm", "--network", "none", *options, image, *argv)


def sh(image: str, script: str, *, options: Sequence[str] = ()) -> str:
    done = run(image, "-c", script, options=["--entrypoint", "sh", *options])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def found(image: str, *tools: str) -> list[str]:
    """Return where the shell finds each tool; those that it does not find are left out."""
    return sh(image, "; ".join(f"command -v {tool} || true" for tool in tools)).split()


def absent(image: str, *tools: str) -> bool:
    return found(image, *tools) == []


def settings(image: str) -> dict[str, Any]:
    read: list[dict[str, Any]] = json.loads(docker("image", "inspect", image).stdout)
    config: dict[str, Any] = read[0]["Config"]
    return config


def wait_for_answer(container: str, *probe: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while docker("exec", container, *probe).returncode != 0:
        assert time.monotonic() < deadline, docker("logs", container).stderr
        time.sleep(0.1)


@pytest.fixture(scope="module")
def pinned() -> tuple[images.Image, ...]:
    return images.pinned(compose.config(CHECKOUT))


@pytest.fixture(scope="module")
def python(pinned: tuple[images.Image, ...]) -> str:
    return images.select(pinned, "python").reference


@pytest.fixture(scope="module")
def nginx(pinned: tuple[images.Image, ...]) -> str:
    return images.select(pinned, "nginx").reference


@pytest.fixture(scope="module")
def prometheus(pinned: tuple[images.Image, ...]) -> str:
    return images.select(pinned, "prom/prometheus").reference


@pytest.fixture(scope="module")
def alertmanager(pinned: tuple[images.Image, ...]) -> str:
    return images.select(pinned, "prom/alertmanager").reference


@pytest.fixture(scope="module")
def nginx_exporter(pinned: tuple[images.Image, ...]) -> str:
    return images.select(pinned, "nginx/nginx-prometheus-exporter").reference


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"stand-in-test-{uuid.uuid4().hex[:8]}"
    yield chosen
    docker("rm", "--force", "--volumes", chosen)


class TestPython:
    def test_its_programs_and_packages_are_under_usr_local(self, python: str) -> None:
        assert found(python, "python", "python3", "pip", "pip3") == [
            f"/usr/local/bin/{tool}" for tool in ("python", "python3", "pip", "pip3")
        ]
        script = "import sysconfig; print(sysconfig.get_path('purelib'))"
        where = run(python, "python", "-c", script).stdout.strip()
        series = ".".join(python.partition(":")[2].split(".")[:2])
        assert where == f"/usr/local/lib/python{series}/site-packages"

    def test_it_has_the_series_of_its_tag(self, python: str) -> None:
        series = ".".join(python.partition(":")[2].split(".")[:2])
        assert run(python, "python", "--version").stdout.startswith(f"Python {series}.")

    def test_pip_installs_without_a_guard_in_its_way(self, python: str) -> None:
        package = (
            "mkdir -p /tmp/p && cd /tmp/p && "
            'printf \'[project]\\nname = "probe"\\nversion = "1"\\n\' > pyproject.toml && '
            "pip install --dry-run --no-index --no-deps --disable-pip-version-check pip && echo fine"
        )
        assert sh(python, package).endswith("fine")

    def test_it_starts_as_root_into_python_without_an_entrypoint(self, python: str) -> None:
        config = settings(python)
        assert config["User"] in ("", "root", "0")
        assert config["Cmd"] == ["python3"]
        assert not config["Entrypoint"]

    def test_nobody_is_65534_as_debian_has_it(self, python: str) -> None:
        assert sh(python, "id -u nobody; id -g nobody").split() == ["65534", "65534"]

    def test_it_has_no_tools_to_fetch_with(self, python: str) -> None:
        assert absent(python, "curl", "wget", "git", "gcc")


class TestNginx:
    def test_it_starts_through_the_entrypoint_and_stops_gracefully(self, nginx: str) -> None:
        config = settings(nginx)
        assert config["Entrypoint"] == ["/docker-entrypoint.sh"]
        assert config["Cmd"] == ["nginx", "-g", "daemon off;"]
        assert config["StopSignal"] == "SIGQUIT"
        assert list(config["ExposedPorts"]) == ["80/tcp"]

    def test_workers_are_user_101_and_the_paths_are_the_official_ones(self, nginx: str) -> None:
        assert sh(nginx, "id -u nginx; id -g nginx").split() == ["101", "101"]
        assert sh(nginx, "readlink /var/log/nginx/access.log /var/log/nginx/error.log").split() == [
            "/dev/stdout",
            "/dev/stderr",
        ]
        sh(
            nginx,
            "set -e; test -f /etc/nginx/mime.types; test -f /etc/nginx/conf.d/default.conf; "
            "test -f /usr/share/nginx/html/index.html; test -d /var/cache/nginx; test -w /run",
        )

    def test_it_has_curl_for_health_checks_and_little_else(self, nginx: str) -> None:
        assert found(nginx, "curl", "envsubst") == ["/usr/bin/curl", "/usr/bin/envsubst"]
        assert absent(nginx, "wget", "python3", "ps", "ip", "nano")

    def test_it_serves_its_page_and_writes_its_pid(self, nginx: str, name: str) -> None:
        docker("run", "--detach", "--name", name, "--network", "none", nginx)
        wait_for_answer(name, "curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1/")
        assert docker("exec", name, "cat", "/run/nginx.pid").stdout.strip() == "1"
        assert "GET / HTTP/1.1" in docker("logs", name).stdout

    def test_executable_scripts_run_in_order_and_others_are_named(self, nginx: str, tmp_path: Path) -> None:
        for file, mode in (("60-b.sh", 0o755), ("50-a.sh", 0o755), ("70-c.sh", 0o644)):
            (tmp_path / file).write_text(f"#!/bin/sh\necho ran {file}\n", encoding="utf-8")
            (tmp_path / file).chmod(mode)
        (tmp_path / "40-shared.envsh").write_text("export WORD=shared\n", encoding="utf-8")
        (tmp_path / "40-shared.envsh").chmod(0o755)
        (tmp_path / "80-word.sh").write_text('#!/bin/sh\necho "word: $WORD"\n', encoding="utf-8")
        (tmp_path / "80-word.sh").chmod(0o755)
        volume = f"{tmp_path}:/docker-entrypoint.d:ro"
        done = run(nginx, "nginx", "-t", options=["--volume", volume])
        assert done.returncode == 0, done.stderr
        said = [line for line in done.stdout.splitlines() if line.startswith(("ran", "word"))]
        assert said == ["ran 50-a.sh", "ran 60-b.sh", "word: shared"]
        assert "Ignoring /docker-entrypoint.d/70-c.sh, not executable" in done.stdout

    def test_a_failing_script_keeps_nginx_from_starting(self, nginx: str, tmp_path: Path) -> None:
        script = tmp_path / "50-fails.sh"
        script.write_text("#!/bin/sh\nexit 7\n", encoding="utf-8")
        script.chmod(0o755)
        volume = f"{tmp_path}:/docker-entrypoint.d:ro"
        assert run(nginx, "nginx", "-t", options=["--volume", volume]).returncode == 7

    def test_other_commands_run_without_the_scripts(self, nginx: str) -> None:
        assert run(nginx, "echo", "plain").stdout == "plain\n"

    def test_templates_get_the_environment_and_keep_nginxs_own_variables(
        self, nginx: str, tmp_path: Path
    ) -> None:
        (tmp_path / "probe.conf.template").write_text(
            "server { listen ${PROBE_PORT}; return 200 $host; }\n", encoding="utf-8"
        )
        done = run(
            nginx,
            *("nginx", "-T"),
            options=[
                *("--env", "PROBE_PORT=8099"),
                *("--volume", f"{tmp_path}:/etc/nginx/templates:ro"),
            ],
        )
        assert "server { listen 8099; return 200 $host; }" in done.stdout


class TestPrometheus:
    def test_it_starts_as_the_official_image_does(self, prometheus: str) -> None:
        config = settings(prometheus)
        assert config["Entrypoint"] == ["/bin/prometheus"]
        assert config["Cmd"] == [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
        ]
        assert (config["User"], config["WorkingDir"]) == ("nobody", "/prometheus")
        assert list(config["ExposedPorts"]) == ["9090/tcp"]
        assert list(config["Volumes"]) == ["/prometheus"]

    def test_its_tools_are_busybox_and_promtool(self, prometheus: str) -> None:
        sh(prometheus, "test -x /bin/wget && test -x /bin/promtool")
        assert absent(prometheus, "curl", "bash", "python3", "apt-get", "amtool")

    def test_it_becomes_ready_as_nobody_on_its_own_volume(self, prometheus: str, name: str) -> None:
        docker("run", "--detach", "--name", name, "--network", "none", prometheus)
        wait_for_answer(name, "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9090/-/ready")
        assert docker("exec", name, "id", "-u").stdout.strip() == "65534"
        assert docker("exec", name, "touch", "/prometheus/probe").returncode == 0

    def test_it_has_the_version_of_its_tag(self, prometheus: str) -> None:
        said = run(prometheus, "--version")
        assert f"version {prometheus.partition(':v')[2]}" in said.stdout + said.stderr


class TestAlertmanager:
    def test_it_starts_as_the_official_image_does(self, alertmanager: str) -> None:
        config = settings(alertmanager)
        assert config["Entrypoint"] == ["/bin/alertmanager"]
        assert config["Cmd"] == [
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/alertmanager",
        ]
        assert (config["User"], config["WorkingDir"]) == ("nobody", "/alertmanager")
        assert list(config["ExposedPorts"]) == ["9093/tcp"]
        assert list(config["Volumes"]) == ["/alertmanager"]

    def test_its_tools_are_busybox_and_amtool(self, alertmanager: str) -> None:
        sh(alertmanager, "test -x /bin/wget && test -x /bin/amtool")
        # What alertmanager/run.sh needs.
        needed = ("awk", "base64", "md5sum", "mkfifo", "mktemp", "nc", "tar", "timeout")
        assert len(found(alertmanager, *needed)) == len(needed)
        assert absent(alertmanager, "curl", "bash", "python3", "apt-get", "promtool")

    def test_it_becomes_ready_as_nobody_on_its_own_volume(self, alertmanager: str, name: str) -> None:
        docker(
            *("run", "--detach", "--name", name, "--network", "none", alertmanager),
            *("--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"),
            "--cluster.listen-address=",
        )
        wait_for_answer(name, "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9093/-/ready")
        assert docker("exec", name, "id", "-u").stdout.strip() == "65534"
        assert docker("exec", name, "touch", "/alertmanager/probe").returncode == 0

    def test_it_has_the_version_of_its_tag(self, alertmanager: str) -> None:
        said = run(alertmanager, "--version")
        assert f"version {alertmanager.partition(':v')[2]}" in said.stdout + said.stderr


class TestNginxExporter:
    def test_it_is_one_program_that_does_not_run_as_root(self, nginx_exporter: str) -> None:
        config = settings(nginx_exporter)
        assert config["Entrypoint"] == ["/usr/bin/nginx-prometheus-exporter"]
        assert config["User"].partition(":")[0] not in ("", "0", "root")
        assert list(config["ExposedPorts"]) == ["9113/tcp"]

    @pytest.mark.parametrize("tool", ["/bin/sh", "/bin/wget", "/usr/bin/curl", "/bin/busybox"])
    def test_it_has_no_shell_and_no_tools(self, nginx_exporter: str, tool: str) -> None:
        done = run(nginx_exporter, options=["--entrypoint", tool])
        assert "no such file" in done.stderr.lower()

    def test_it_has_the_version_of_its_tag(self, nginx_exporter: str) -> None:
        said = run(nginx_exporter, "--version")
        assert said.returncode == 0, said.stderr
