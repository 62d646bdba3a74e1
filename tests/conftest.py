"""Hypothesis: how many examples, how long one may take. xdist: who shares a worker, what is begun first."""

from datetime import timedelta

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]
from xdist.workermanage import NodeManager  # type: ignore[import-untyped]

# An example may take long because others run beside it, but not that long.
settings.register_profile("suite", deadline=timedelta(seconds=5))
# That of `make drills`.
settings.register_profile("drills", parent=settings.get_profile("suite"), max_examples=1000)
settings.load_profile("suite")

# At Ctrl+C a worker takes its stack down; after ten seconds, as shipped, it would be killed in doing so.
NodeManager.EXIT_TIMEOUT = 180


STACK = "tests/e2e/"
# Each has a stack of its own.
APART = ("tests/e2e/test_deploy.py", "tests/e2e/test_documentation.py")
# What takes longest: begun last it would be waited for.
FIRST = ("tests/integration/test_engine_faults.py", *APART, STACK)


def shares(nodeid: str) -> str:
    """Return with what a test shares a worker of xdist: its file, or all that is on the shared stack."""
    file = nodeid.split("::", 1)[0]
    return STACK if file.startswith(STACK) and file not in APART else file


class Sharing(LoadFileScheduling):  # type: ignore[misc]
    """Gives a worker whole files, and what is on the shared stack to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return shares(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Sharing | None:
    return Sharing(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(shares(item.nodeid), len(FIRST)))
