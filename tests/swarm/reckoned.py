"""What docs/swarm.md reckons with beyond the sizes that can be tried; test_5_many.py holds it is no more."""

from __future__ import annotations

from typing import Final

KILOBYTES: Final = 2.5
"""Of the engine's answer for each task of flask-app, at most."""

SAMPLES: Final = 12
"""That Prometheus takes of each container at each scrape, at most."""
