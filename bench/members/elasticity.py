"""One load trace against alertscale, the Kubernetes HPA's algorithm, a cron job, and no autoscaler at all."""

from dataclasses import dataclass
from typing import Final

from bench import growth
from bench.baselines import hpa
from bench.benchmark import SHIPPED, Benchmark, Context
from bench.elasticity.calibration import SLO, Ramp, calibrate, capacity
from bench.elasticity.figures import Seen, outcome, plot
from bench.elasticity.load import PATIENCE
from bench.elasticity.run import TARGET, Plan, play_all
from bench.elasticity.trace import Shape, demanded, trace
from bench.elasticity.variants import MOST, ONE, beside
from bench.model import Outcome
from bench.sampling import Sampler


@dataclass(frozen=True, kw_only=True)
class Length:
    """How long a run is.

    Attributes:
        shape: of the trace.
        ramp: of the calibration.
        apart: seconds between the begins of two variants' traces.
        look_every: seconds between two looks into the scaler.
    """

    shape: Shape
    ramp: Ramp
    apart: float
    look_every: float


_QUICK: Final = Length(
    shape=Shape(seconds=20, waves=1, spikes=1, spike=4),
    ramp=Ramp(rates=(3.0, 8.0), held=4),
    apart=0.5,
    look_every=3,
)
_FULL: Final = Length(
    shape=Shape(seconds=600, waves=3, spikes=4, spike=20),
    ramp=Ramp(rates=(2.0, 4.0, 6.0, *(7.0 + step for step in range(9))), held=5),
    apart=15,
    look_every=10,
)
SHAPES: Final = (_FULL.shape, _QUICK.shape)
"""Of the traces: long form, short form."""


def run(context: Context) -> Outcome:
    """Calibrate on one replica, then play the trace on all five."""
    length = _QUICK if context.quick else _FULL
    Sampler(context.stack).fill_history(growth.KEPT)
    levels = trace(length.shape, seed=context.seed)
    with beside(context.stack, context.progress) as five:
        ramp = length.ramp
        context.progress.stage(f"How much one replica serves (at most {len(ramp.rates) * ramp.held} s)")
        held = calibrate(five.doors[ONE.service], ramp, seed=context.seed)
        serves, notes = capacity(held, roughly=context.quick)
        plan = Plan(
            rates=tuple(serves * level for level in levels),
            apart=length.apart,
            look_every=length.look_every,
            seed=context.seed,
        )
        played = play_all(five, plan, progress=context.progress)
    demand = tuple(demanded(levels, most=MOST))
    # The short form looks too few times to fail a run over it.
    return outcome(Seen(demand=demand, capacity=serves, played=played, gate=not context.quick, notes=notes))


BENCHMARK = Benchmark(
    name="elasticity",
    purpose="How closely replicas follow a load, beside Kubernetes' HPA, a cron job and nobody",
    explained=(
        "Five services of the same image stand side by side, each with replicas of a tenth of a core, "
        f"{MOST} at most, and get the same trace: a wave with spikes of requests that arrive in a Poisson "
        "process however long the answers take (an open load: half of them GET, half POST, each on a "
        f"connection of its own, never sent again, lost when not wholly answered within {PATIENCE:g} s). "
        f"The traces begin {_FULL.apart:g} s apart, so that the peaks do not coincide on one machine; each "
        "is judged on its own clock. One is scaled by alertscale as shipped but for the maximum; one by "
        f"the algorithm of the Kubernetes HPA with its defaults (sync every {hpa.SYNC:g} s, target "
        f"{TARGET * 100:g} %, tolerance {hpa.TOLERANCE:g}, ⌈n · current / target⌉, scale-down stabilized "
        f"over {hpa.STABILIZATION / 60:g} minutes, CPU of the last {hpa.WINDOW:g} s without the delay of a "
        "metrics server, an nginx that follows by itself); one by a cron job that once a minute looks at "
        "the CPU of the last minute, of samples 15 s apart, takes one replica more or fewer by the "
        "thresholds of HighCPU and LowCPU, and reloads nginx; two by nobody, fixed at one replica and at "
        f"{MOST}. Demand is ⌈rate / capacity⌉, the capacity of one replica being the highest rate of a "
        f"short ramp at which 95 % of the answers come within {SLO * 1000:g} ms. Supply is looked at "
        "once a second: a replica counts from its first good answer to `/ready` until it no longer "
        "runs. θ (accuracy), τ "
        "(timeshare), instability and ε (elastic speedup) are the metrics of the SPEC research group "
        "(SPEC-RG-2016-01; formulas in `bench/elasticity/metrics.py`); all but ε are in percent, 0 being "
        "best. ε is the geometric mean of the ratios of θ and τ to those of a baseline, above 1 being "
        f"better than it. One replica never has too many and {MOST} never too few, so that ε over the one "
        "judges only what lacks and over the other only what is too much. Memory, open files, threads and "
        "journal of the scaler are sampled meanwhile, with the history filled to its limit; growth is the "
        "trend over the last two thirds."
    ),
    quick=65,
    full=755,
    files=SHIPPED,
    run=run,
    plot=plot,
)
