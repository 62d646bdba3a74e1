from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.alertscale.check.good import Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(directory=tmp_path)
