"""How many examples Hypothesis tries, and how long one may take; how long what is up may take to go."""

from datetime import timedelta

from hypothesis import settings
from xdist.workermanage import NodeManager  # type: ignore[import-untyped]

# An example may take long because others run beside it, but not that long.
settings.register_profile("suite", deadline=timedelta(seconds=5))
# That of `make drills`.
settings.register_profile("drills", parent=settings.get_profile("suite"), max_examples=1000)
settings.load_profile("suite")

# At Ctrl+C a worker takes its stack down; after ten seconds, as shipped, it would be killed in doing so.
NodeManager.EXIT_TIMEOUT = 180
