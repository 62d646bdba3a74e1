"""Every command in the documentation does what the page says: run page by page, on a stack of its own.

The pages of LONG are run by `make drills`; of those `make test` sees that the shell, the Makefile and the
command line know what they say (tests/unit/docs/test_pages.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.stack import REPOSITORY
from tests.docs.clone import PROJECT, Clone, ProjectInUseError, git, started
from tests.docs.running import failure
from tools.blocks import pages, read

pytestmark = [pytest.mark.stack, pytest.mark.untimed, pytest.mark.timeout(400)]

DEADLINE = 240.0
"""Seconds for a page's commands."""
RUSSIAN = Path("docs/ru")
"""Not run again: its blocks are those of the English pages (tests/unit/docs/test_russian.py)."""
PAGES = [
    page
    for file in pages(REPOSITORY)
    if not file.is_relative_to(RUSSIAN)
    and (page := read((REPOSITORY / file).read_text(encoding="utf-8"), file=file)).runs
]
LONG = {
    "docs/cli.md": "installs the command line by pip",
    "docs/operations.md": "installs it too, and makes containers anew",
    "docs/own-signal.md": "waits for alerts of its own, twice",
    "docs/recover.md": "starts and stops most of the stack",
    "docs/scale-by-hand.md": "waits for four counts by hand",
    "docs/scaling.md": "waits for a count by hand",
    "docs/thresholds.md": "waits until an edit, then a load, have told",
    "docs/upgrade.md": "builds the stack anew, forth and back",
}
"""Pages that take longest, and why."""
PROJECTS = (PROJECT, *sorted({block.directory for page in PAGES for block in page.blocks if block.directory}))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    place = tmp_path_factory.mktemp("documentation")
    with started(place, projects=(*PROJECTS, "shop-of-a-test")) as running:
        yield running


def test_the_long_pages_are_there() -> None:
    assert LONG.keys() <= {str(page.file) for page in PAGES}


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(name, marks=[pytest.mark.drill] if name in LONG else [])
        for name in (str(page.file) for page in PAGES)
    ],
)
def test_the_commands_of_a_page_do_what_it_says(clone: Clone, file: str, tmp_path: Path) -> None:
    (page,) = (page for page in PAGES if str(page.file) == file)
    with clone.page(page, tmp_path) as places:
        failed = failure(page, places, environment=clone.environment, within=DEADLINE)
    assert not failed, failed


@pytest.mark.drill
def test_a_page_finds_the_stack_as_the_one_before_it_did(clone: Clone, tmp_path: Path) -> None:
    """Files, replicas, pauses, silences, containers and projects of the reader's own are as they were."""
    stack = clone.stack
    changing = read(
        """
<!-- run in: shop-of-a-test -->
```yaml title="compose.yml"
services:
  web: { image: "python:3.14.7-slim", command: [sleep, infinity], init: true, networks: [alertscale] }
networks:
  alertscale: { external: true, name: alertscale_default }
```

<!-- run in: shop-of-a-test -->
```sh
docker compose up --detach
```

```sh
echo 'LOCUST_REPLICAS=0' >.env
sed -i 's/> 0.70/> 0.65/' prometheus/alert.rules.yml
echo '# mine' >nginx/conf.d/mine.conf
docker compose up --detach --remove-orphans --no-recreate
docker compose exec scaler alertscale scale flask-app 2
docker compose exec scaler alertscale pause flask-app
docker compose exec alertmanager amtool --alertmanager.url=http://localhost:9093 \\
  silence add alertname=FlaskAppDown --comment maintenance --author me --duration 1h
touch ~/left
```
""",
        file=Path("docs/changing.md"),
    )
    with clone.page(changing, tmp_path) as places:
        failed = failure(changing, places, environment=clone.environment, within=DEADLINE)
        assert not failed, failed
        assert (stack.service()["pause"], len(stack.containers())) == ("all", 2)
        assert stack.containers("web", project="shop-of-a-test")
    assert (stack.service()["pause"], len(stack.containers())) == ("none", 1)
    assert stack.containers("locust")
    assert stack.containers("web", project="shop-of-a-test") == []
    assert git(stack.directory, "status", "--porcelain", "--ignored") == "!! .venv/\n"
    assert not (clone.home / "left").exists()
    silences = stack.session.get(stack.url("ALERTMANAGER_PORT", "/api/v2/silences"), timeout=10).json()
    assert [one for one in silences if one["status"]["state"] == "active"] == []


def test_a_page_touches_no_project_that_is_there(clone: Clone, tmp_path: Path) -> None:
    page = read(f"<!-- run in: {PROJECT} -->\n```sh\nls\n```\n", file=Path("docs/page.md"))
    with pytest.raises(ProjectInUseError, match=PROJECT), clone.page(page, tmp_path):
        pytest.fail("it would be run")
