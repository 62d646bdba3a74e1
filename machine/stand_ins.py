"""Base images made from Debian's packages, for machines that reach no registry.

They carry the tags that the stack pins, so that nothing else has to know of them. What is inside is
as close to the official images as Debian's packages allow; machine/stand-ins/README.md lists what is left.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from machine.errors import ImageError, Missing, NotReadyError
from machine.images import Image
from machine.shell import announced, capture, logged

RECIPES = Path(__file__).parent / "stand-ins"
LABEL = "org.alertscale.stand-in"
STAGE_LABEL = "org.alertscale.stand-in.stage"
VERSION_LABEL = "org.alertscale.stand-in.debian-version"
# The Debian release whose packages have the pinned versions.
RELEASE = "forky"
BASE = f"alertscale/stand-in-base:{RELEASE}"
HOST_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


PACKAGES = {
    "python": "python{series}",
    "nginx": "nginx",
    "prom/prometheus": "prometheus",
    "prom/alertmanager": "prometheus-alertmanager",
    "nginx/nginx-prometheus-exporter": "prometheus-nginx-exporter",
}
"""Of each repository that can be stood in for, the Debian package that holds the program; `{series}` is the
tag's major.minor."""


def series(image: Image) -> str:
    """Return the tag's major.minor."""
    return ".".join(image.version.split(".")[:2])


def folder_of(repository: str) -> str:
    """Return the folder of its Dockerfile, below RECIPES."""
    return repository.rpartition("/")[2]


def packages_for(images: Sequence[Image]) -> dict[Image, str]:
    """Return the name of the Debian package for each image.

    Raises:
        ImageError: For some there is none. It names them all.
    """
    unknown = [image.reference for image in images if image.repository not in PACKAGES]
    if unknown:
        raise ImageError(
            f"cannot be pulled, and there is no stand-in: {', '.join(unknown)}. Way out: make a "
            f"registry reachable for the engine, or `docker load` these images."
        )
    return {image: PACKAGES[image.repository].format(series=series(image)) for image in images}


def differs(image: Image, debian_version: str) -> bool:
    """Whether Debian's package holds another version than the tag says."""
    upstream = debian_version.rpartition(":")[2].split("-", maxsplit=1)[0].split("+", maxsplit=1)[0]
    return upstream != image.version


def make(images: Sequence[Image], *, logs: Path) -> None:
    """Make stand-ins under the given tags.

    Args:
        images: What to make.
        logs: Where the builds' output goes.

    Raises:
        ImageError: There is no recipe, or Debian has no such package.
        CommandFailedError: A build failed.
    """
    packages = packages_for(images)
    if not base_is_here():
        _make_base(logs=logs)
    versions = _versions(list(packages.values()))
    with tempfile.TemporaryDirectory(prefix="alertscale-stand-ins-") as scratch:
        context = _context(Path(scratch))
        for image, package in packages.items():
            _build(image, package, version=versions[package], context=context, logs=logs)
    remove_stages()


def base_is_here() -> bool:
    """Whether the engine has the image that the stand-ins rest on."""
    return capture("docker", "image", "inspect", BASE).ok


def lacks_mmdebstrap(images: Sequence[Image], *, may_install: bool) -> bool:
    """Whether mmdebstrap has to be installed before these stand-ins can be made.

    Raises:
        NotReadyError: It is missing and may not be installed.
    """
    if base_is_here() or shutil.which("mmdebstrap"):
        return False
    if not may_install:
        names = ", ".join(image.reference for image in images)
        raise NotReadyError(
            [
                Missing(
                    what=f"no registry answers for {names}, and there is no mmdebstrap to make "
                    f"stand-ins with",
                    way_out="make a registry reachable for the engine; or install mmdebstrap "
                    "(on Debian: apt-get install mmdebstrap, or run make as root)",
                )
            ]
        )
    return True


def _make_base(*, logs: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="alertscale-base-") as scratch:
        tarball = Path(scratch) / "base.tar"
        logged(
            f"Fetching Debian {RELEASE} for the stand-ins",
            [
                "mmdebstrap",
                "--variant=minbase",
                "--include=ca-certificates",
                # A mirror may be a frozen copy, older than its lists say they stay good.
                '--aptopt=Acquire::Check-Valid-Until "false"',
                RELEASE,
                str(tarball),
            ],
            log=logs / "stand-in-base.log",
        )
        logged(
            f"Importing it as {BASE}",
            ["docker", "import", "--change", f"LABEL {LABEL}=true", str(tarball), BASE],
            log=logs / "stand-in-base.log",
        )


def _versions(names: Sequence[str]) -> dict[str, str]:
    script = f"apt-get update >&2 && apt-cache policy {' '.join(names)}"
    with announced("Reading which versions Debian has"):
        asked = capture("docker", "run", "--rm", BASE, "sh", "-c", script, timeout=180)
    found = candidates(asked.stdout)
    absent = [name for name in names if name not in found]
    if absent:
        last = "".join(asked.stderr.strip().splitlines()[-1:])
        raise ImageError(
            f"Debian {RELEASE} has no package {', '.join(absent)} ({last}). Way out: if a container "
            f"can reach Debian's mirrors, correct the tags in docker-compose.yml and the Dockerfiles."
        )
    return found


def candidates(policy: str) -> dict[str, str]:
    """Read `apt-cache policy`: the version of each package that would be installed."""
    found: dict[str, str] = {}
    name = ""
    for line in policy.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:"):
            version = line.split(":", maxsplit=1)[1].strip()
            if version != "(none)":
                found[name] = version
    return found


def _context(scratch: Path) -> Path:
    context = scratch / "context"
    shutil.copytree(RECIPES, context)
    authorities = HOST_AUTHORITIES.read_bytes() if HOST_AUTHORITIES.is_file() else b""
    (context / "host-ca-certificates.crt").write_bytes(authorities)
    return context


def _build(image: Image, package: str, *, version: str, context: Path, logs: Path) -> None:
    recipe = folder_of(image.repository)
    note = f" (the tag says {image.version})" if differs(image, version) else ""
    title = f"Making {image.reference} from Debian's {package} {version}{note}"
    logged(
        title,
        [
            *("docker", "build", "--file", str(context / recipe / "Dockerfile")),
            *("--build-arg", f"BASE={BASE}", "--build-arg", f"SERIES={series(image)}"),
            *("--label", f"{LABEL}=true", "--label", f"{VERSION_LABEL}={version}"),
            *("--tag", image.reference, str(context)),
        ],
        log=logs / f"stand-in-{recipe}.log",
    )


def local() -> dict[str, str]:
    """Return the stand-ins that the engine has, tag to image id, and the base that they rest on.

    Images that were built from a stand-in inherit its label; they are not among them.
    """
    asked = capture(
        *("docker", "image", "ls", "--filter", f"label={LABEL}=true"),
        *("--format", "{{.Repository}}:{{.Tag}} {{.ID}}"),
    )
    if not asked.ok:
        raise ImageError(f"the engine does not list its images: {asked.stderr.strip()}")
    pairs = (line.split() for line in asked.stdout.splitlines())
    return {tag: i for tag, i in pairs if tag == BASE or tag.rpartition(":")[0] in PACKAGES}


def remove_stages() -> None:
    """Remove what the builds unpacked into, several times as large as what they made."""
    stages = capture(
        *("docker", "image", "ls", "--quiet", "--filter", "dangling=true"),
        *("--filter", f"label={STAGE_LABEL}=true"),
    )
    for image in stages.stdout.split():
        capture("docker", "image", "rm", image)
