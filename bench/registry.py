"""Every benchmark, in the order in which all of them run. A new one is a module and a line here."""

from bench.benchmark import Benchmark
from bench.errors import BenchError
from bench.members import elasticity, footprint, kills, lost_requests, reaction, soak

BENCHMARKS: tuple[Benchmark, ...] = (
    reaction.BENCHMARK,
    footprint.BENCHMARK,
    elasticity.BENCHMARK,
    lost_requests.BENCHMARK,
    kills.BENCHMARK,
    soak.BENCHMARK,
)


def together() -> tuple[Benchmark, ...]:
    """Return the benchmarks that ``--all`` runs: every one but those that are run alone."""
    return tuple(benchmark for benchmark in BENCHMARKS if not benchmark.alone)


def chosen(names: tuple[str, ...]) -> tuple[Benchmark, ...]:
    """Return the benchmarks of these names, in the order of the names.

    Raises:
        BenchError: one is not known.
    """
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchError(f"no such benchmark: {', '.join(unknown)}. Known are {', '.join(known)}")
    return tuple(known[name] for name in names)
