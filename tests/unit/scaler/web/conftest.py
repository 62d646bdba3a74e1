"""The application, around an autoscaler that answers what a test says and around that of the demo."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.scaler.web.site import Demo, Site


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.autoscaler.journal.close()
