"""The figures that alertscale promises, each next to what it is compared with, reproducible by one command.

To add one: write ``bench/members/<name>.py`` with a ``BENCHMARK`` (its name, one line, expected seconds, the
stack that it needs, a function from Context to Outcome, a function that draws its raw data), and name it
in ``bench/registry.py``. The command line, the files, the tables and the page follow from that.
"""
