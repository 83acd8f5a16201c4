"""What a link's swings cost each policy: an LTE trace beside a constant link of the same mean, in Markdown.

    python benchmarks/replay.py [--seeds 10] [--jobs 2] [--plot FILE]

Both links carry the same samples at the same instants (common random numbers), so that their differences are
paired by seed. The trace is the same for every seed: intervals are over arrivals, samples and decisions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

import mdisim

SCENARIO = "lte-replay"
CONSTANT = "network.link={rate: 10 Mbps, latency: 20 ms}"
MEASURES = {"latency_p95_s": ("ms", 1e3), "in_time_accuracy": ("%", 100.0), "accuracy": ("%", 100.0)}


def interval(values: pd.Series[float], scale: float) -> str:
    """Mean and half width of the 95 % Student t interval."""
    n = len(values)
    half = stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n)
    return f"{scale * values.mean():.1f} ± {scale * half:.1f}"


def tables(seeds: int, jobs: int) -> str:
    runs = {
        name: mdisim.compare(mdisim.Scenario.load(SCENARIO, changes), seeds=range(seeds), jobs=jobs).runs
        for name, changes in {"trace": (), "constant": (CONSTANT,)}.items()
    }
    lines = []
    for measure, (unit, scale) in MEASURES.items():
        by_seed = {
            name: table.pivot(index="seed", columns="policy", values=measure) for name, table in runs.items()
        }
        lines += [
            f"\n{measure} ({unit})\n",
            "| policy | trace | constant | trace minus constant |",
            "|---|---|---|---|",
        ]
        for policy in dict.fromkeys(runs["trace"]["policy"]):
            traced, constant = by_seed["trace"][policy], by_seed["constant"][policy]
            cells = [interval(one, scale) for one in (traced, constant, traced - constant)]
            lines.append(f"| {policy} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(path: Path) -> None:
    """The link's rate above the queues and the threshold of each policy, over five minutes."""
    from mdisim.report import save, timeline

    changes = ("run.duration=5 min", "run.warmup=10 s")
    scenario = mdisim.Scenario.load(SCENARIO, changes)
    save(timeline({name: mdisim.simulate(scenario, name) for name in ("mdi-exit", "ddi", "local")}), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    print(tables(given.seeds, given.jobs))
    if given.plot:
        plot(given.plot)


if __name__ == "__main__":
    main()
