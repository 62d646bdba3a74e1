"""How many examples Hypothesis tries, and that their time is nobody's claim."""

from hypothesis import settings

# No deadline: a test may take long because others run beside it. What hangs is ended by pytest-timeout.
settings.register_profile("suite", deadline=None)
# That of `make drills`.
settings.register_profile("drills", deadline=None, max_examples=1000)
settings.load_profile("suite")
