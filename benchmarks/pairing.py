"""What common random numbers save: seeds that a paired comparison needs, beside one of independent runs.

    python benchmarks/pairing.py [--seeds 30] [--duration '2 min'] [--jobs 2] [SCENARIO...]

The difference of two policies that meet the same work has the variance of the paired differences; of two that
meet work of their own, the sum of both variances. The number of seeds for an interval of a given width is
proportional to it. Told is, for each policy and measure beside the first policy, the ratio: how many times the
seeds unpaired runs would need; with its own 95 % interval, by the bootstrap over seeds. Where the policy itself
sets the arrival rate there is less to share: the samples are the same, the arrivals are not.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

import mdisim
from mdisim.statistics import t_interval

SCENARIOS = ("mdi-exit-5-mesh", "mdi-exit-5-mesh-threshold", "device-edge-cloud")
MEASURES = ("throughput_per_s", "latency_mean_s", "latency_p95_s", "accuracy", "offload_share")
RESAMPLES = 2000


def ratio(a: np.ndarray, b: np.ndarray) -> float:
    """The variance of unpaired differences over that of paired ones; NaN where the latter never vary."""
    paired = np.var(b - a, ddof=1)
    return float((np.var(a, ddof=1) + np.var(b, ddof=1)) / paired) if paired else float("nan")


def interval(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The bootstrap's 95 % interval of the ratio."""
    rng = np.random.default_rng(0)
    drawn = (ratio(a[i], b[i]) for i in rng.integers(0, len(a), (RESAMPLES, len(a))))
    low, high = np.nanquantile(list(drawn), (0.025, 0.975))
    return float(low), float(high)


def compared(name: str, changes: tuple[str, ...], seeds: int, jobs: int) -> list[dict[str, object]]:
    """A row for each policy and measure of a scenario."""
    done = mdisim.compare(mdisim.Scenario.load(name, changes), seeds=range(seeds), jobs=jobs)
    first, *others = done.policies
    rows: list[dict[str, object]] = []
    for other in others:
        for measure in MEASURES:
            values = done.by_seed(measure).dropna()
            a, b = values[first].to_numpy(), values[other].to_numpy()
            if len(a) < 2 or not np.var(b - a, ddof=1):
                continue
            mean, _, high = t_interval(b - a)
            low_ratio, high_ratio = interval(a, b)
            rows.append(
                {
                    "scenario": name, "policy": other, "compared with": first, "measure": measure,
                    "difference": float(mean), "half": float(high - mean), "ratio": ratio(a, b),
                    "ratio_low": low_ratio, "ratio_high": high_ratio,
                }
            )  # fmt: skip
    return rows


def main() -> None:
    """Print a table for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--duration", default="2 min")
    parser.add_argument("--warmup", default="20 s")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    changes = (f"run.duration={asked.duration}", f"run.warmup={asked.warmup}")
    rows = []
    for name in asked.scenarios:
        found = compared(name, changes, asked.seeds, asked.jobs)
        rows += found
        print(f"{name}, {asked.seeds} seeds of {asked.duration}: times the seeds that unpaired runs need")
        for one in found:
            span = f"({one['ratio_low']:.1f} to {one['ratio_high']:.1f})"
            print(f"  {one['policy']:18} {one['measure']:18} {one['ratio']:8.1f} {span:18} "
                  f"difference {one['difference']:.4g} ± {one['half']:.2g}")  # fmt: skip
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
