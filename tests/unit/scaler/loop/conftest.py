"""A scaler on an engine in memory, for the tests of the loop."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.scaler.rig import (
    Rig,
)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A scaler that is wired and not started; whoever starts it uses ``running``."""
    made = Rig(home=tmp_path)
    yield made
    made.executor.shutdown()
    made.journal.close()
