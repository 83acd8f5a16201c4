"""The two verified claims of MDI-Exit as tables with 95 % intervals over seeds, in Markdown.

    python benchmarks/claims.py [--seeds 10] [--jobs 2]

(a) At a fixed threshold, more samples per second than no-exit and than local, on the five topologies; and DDI
beside it, at four thresholds.
(b) At a fixed arrival rate, a higher accuracy than local with the same Alg 4, and a higher in-time accuracy of
the offered samples than no-exit. Below table (a) stand the bounds that explain it, and the switches that lift
the cap of stage 1 at the source.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

import mdisim
from mdisim.world import World, setting

TOPOLOGIES = ("local", "2-node", "3-mesh", "3-circular", "5-mesh")
AUTOENCODER = "{ratio: 0.03125, encode: 5 ms, decode: 5 ms, stages: [1]}"
THRESHOLDS = (0.5, 0.7, 0.8, 0.9)
RATES = (15, 25, 35, 45)
WINDOW = ("run.duration=5 min", "run.warmup=1 min")
MDI, LOCAL, NO_EXIT, DDI = "mdi-exit", "local", "no-exit", "ddi"


def rows(comparison: mdisim.Comparison, measure: str) -> dict[str, str]:
    """Each policy's mean with its interval, and MDI-Exit's paired gain over each of the others."""
    by_seed = comparison.runs.pivot(index="seed", columns="policy", values=measure)
    cells = {name: interval(by_seed[name]) for name in comparison.policies}
    rivals = [name for name in comparison.policies if name != MDI]
    gains = {f"{MDI} minus {name}": interval(by_seed[MDI] - by_seed[name]) for name in rivals}
    return cells | gains


def interval(values: pd.Series[float]) -> str:
    """Mean and half width of the 95 % Student t interval."""
    from scipy.special import stdtrit

    n = len(values)
    half = stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n)
    digits = 1 if abs(values.mean()) >= 2 else 3
    return f"{values.mean():.{digits}f} ± {half:.{digits}f}"


def bounds(world: World, threshold: float) -> dict[str, str]:
    """What limits the rate at the source (samples per second), by itself and at this threshold."""
    source = setting(world).sources[0]
    first_s = world.stage_s[source, 0] + world.head_s[source, 0]
    outputs = world.samples.outputs
    leaves = outputs.confidence > threshold
    leaves[:, -1] = True
    stages = leaves.argmax(axis=1)
    whole_s = np.cumsum(world.stage_s[source] + world.head_s[source])[stages].mean()
    return {
        "source's stage 1 alone": f"{1 / first_s:.1f}",
        "one device, early exits": f"{1 / whole_s:.1f}",
        "one device, no exits": f"{1 / (world.stage_s[source].sum() + world.head_s[source, -1]):.1f}",
    }


def markdown(title: str, lines: Iterable[Mapping[str, Any]]) -> str:
    """A titled table."""
    frame = pd.DataFrame(list(lines))
    head = "| " + " | ".join(frame.columns) + " |"
    rule = "|" + "---|" * len(frame.columns)
    body = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in frame.itertuples(index=False)]
    return "\n".join((f"**{title}**", "", head, rule, *body, ""))


def fixed_threshold(seeds: range, jobs: int) -> list[dict[str, str]]:
    """Claim (a): throughput on each topology."""
    table = []
    for topology in TOPOLOGIES:
        scenario = mdisim.Scenario.load(f"mdi-exit-{topology}", WINDOW)
        done = mdisim.compare(scenario, [MDI, LOCAL, NO_EXIT], seeds, jobs)
        table.append({"topology": topology} | rows(done, "throughput_per_s"))
    return table


def beside_ddi(seeds: range, jobs: int) -> list[dict[str, str]]:
    """Throughput and accuracy of MDI-Exit and of DDI on five nodes, at four thresholds."""
    table = []
    for threshold in THRESHOLDS:
        scenario = mdisim.Scenario.load("mdi-exit-5-mesh", [f"policy.exit_threshold={threshold}", *WINDOW])
        done = mdisim.compare(scenario, [MDI, DDI], seeds, jobs)
        right = rows(done, "accuracy")
        accuracies = {f"accuracy of {name}": right[name] for name in (MDI, DDI)}
        table.append({"threshold": str(threshold)} | rows(done, "throughput_per_s") | accuracies)
    return table


def lifted(seeds: range, jobs: int) -> list[dict[str, str]]:
    """Throughput of MDI-Exit on five nodes as the limits are lifted one by one."""
    table = []
    for what, changes, policy in (
        ("none: 20 Mbps shared, float32 features", (), {}),
        ("int8 features", ("feature_precision=int8",), {}),
        ("an autoencoder after stage 1: 1/32 of the bytes", (f"compression={AUTOENCODER}",), {}),
        ("100 Mbps shared", ("network.link.rate=100 Mbps",), {}),
        ("100 Mbps shared, first stage offered too", ("network.link.rate=100 Mbps",), {"offload_first": True}),
        ("own links of 100 Mbps, first stage offered too",
         ("network.link.rate=100 Mbps", "network.medium=point-to-point"), {"offload_first": True}),
    ):  # fmt: skip
        scenario = mdisim.Scenario.load("mdi-exit-5-mesh", [*changes, *WINDOW])
        done = mdisim.compare(
            scenario, {MDI: {"name": MDI, **policy}, LOCAL: LOCAL, NO_EXIT: NO_EXIT}, seeds, jobs
        )
        table.append({"change": what} | rows(done, "throughput_per_s"))
    return table


def fixed_rate(topology: str, measures: Sequence[str], seeds: range, jobs: int) -> list[list[dict[str, str]]]:
    """Claim (b): a table for each measure, at arrival rates below and beyond what one device sustains."""
    adaptive = {MDI: {"name": MDI, "adapt": "threshold"}, LOCAL: {"name": LOCAL, "adapt": "threshold"}}
    tables: list[list[dict[str, str]]] = [[] for _ in measures]
    for rate in RATES:
        scenario = mdisim.Scenario.load(
            f"mdi-exit-{topology}-threshold", [f"workload.0.arrivals.rate={rate}/s", *WINDOW]
        )
        done = mdisim.compare(scenario, {**adaptive, NO_EXIT: NO_EXIT}, seeds, jobs)
        for table, measure in zip(tables, measures, strict=True):
            table.append({"offered": f"{rate}/s"} | rows(done, measure))
    return tables


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    seeds, jobs = range(1, asked.seeds + 1), asked.jobs
    world = mdisim.Scenario.load("mdi-exit-local").build()
    print(markdown("(a) Samples per second at a fixed threshold of 0.8", fixed_threshold(seeds, jobs)))
    print(markdown("(a) MDI-Exit beside DDI: five nodes, samples per second", beside_ddi(seeds, jobs)))
    print(markdown("Bounds on the rate at the source, samples per second", [bounds(world, 0.8)]))
    print(markdown("What lifts the cap: five nodes, samples per second", lifted(seeds, jobs)))
    for topology in ("2-node", "3-mesh", "5-mesh"):
        titles = {
            "accuracy": f"(b) Accuracy of the answers at a fixed rate, {topology}",
            "in_time_accuracy": f"(b) Right within the deadline, of all samples offered, {topology}",
        }
        for title, table in zip(titles.values(), fixed_rate(topology, list(titles), seeds, jobs), strict=True):
            print(markdown(title, table), flush=True)


if __name__ == "__main__":
    main()
