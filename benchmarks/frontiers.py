"""All named policies on two scenarios, side by side: tables in Markdown, and accuracy against what limits each.

Policies that need a device's name get one; those of three tiers run where there are three. Takes minutes:
`python benchmarks/frontiers.py --seeds 10 --jobs 2 --plot docs/figures`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mdisim
from mdisim.planners import RECIPES

MEASURES = ("throughput_per_s", "throughput_bound_share", "latency_p95_s", "accuracy", "in_time_accuracy")
PARTITIONS = ("branchynet-partition", "calibrated-partition", "popex")
# As many in the system at any time: throughput is capacity, and nobody looks right for answering easy images only.
CLOSED = ["workload.arrivals={kind: closed, population: 32}"]
LIGHTER = ["workload.arrivals={kind: poisson, rate: 12/s}"]  # at 15/s the radio is full of raw images
TIERED = ("ada-ee", "cee-bert", "split-ee", "split-ee-s", "i-split-ee", "queue-aware", "queue-linear")


def on_the_mesh() -> dict[str, dict[str, Any]]:
    """What runs on five equal devices; where a cloud is needed, a worker is one."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("mdi-exit", "no-exit", "local", "ddi", "random", "oracle"):
        found[name] = {"name": name}
    found["remote"] = {"name": "remote", "device": "worker-1"}
    for name in (*PARTITIONS, *TIERED):
        found[name] = {"name": name, "cloud": "worker-1"}
    found["popex"]["latency_s"] = 0.5
    for name in three_tiers():
        found[name] = {"name": name, "edge": "worker-1", "cloud": "worker-2"}
    return found


def on_the_tiers() -> dict[str, dict[str, Any]]:
    """What runs on a phone, an edge server and the cloud; nobody sets the rate."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("mdi-exit", "no-exit", "local", "ddi", "random", "oracle"):
        found[name] = {"name": name, "adapt": "none"}
    for device in ("edge", "cloud"):
        found[f"remote ({device})"] = {"name": "remote", "device": device, "adapt": "none"}
    for name in (*PARTITIONS, *TIERED):
        found[name] = {"name": name, "cloud": "cloud"}
    found["popex"]["latency_s"] = 0.2
    for name in three_tiers():
        found[name] = {"name": name}
    return found


def three_tiers() -> list[str]:
    """The policies of a mobile, an edge and a cloud."""
    known = {*PARTITIONS, *TIERED, "mdi-exit", "no-exit", "local", "ddi", "random", "oracle", "remote"}
    return [name for name in RECIPES if name not in known]


def shown(name: str, policies: Mapping[str, Any], given: argparse.Namespace, sets: list[str]) -> mdisim.Comparison:
    """Compare, and print the table."""
    scenario = mdisim.Scenario.load(name, [*sets, *given.set])
    done = mdisim.compare(scenario, policies, range(given.seeds), given.jobs)
    print(f"\n### {name}\n\n{done.markdown(MEASURES)}\n", flush=True)
    return done


def draw(done: mdisim.Comparison, path: Path, x: str, y: str) -> None:
    """The frontier, in print size."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    from mdisim import report

    with report.look():
        figure, axes = plt.subplots(figsize=(6.7, 4.4))
        if x.endswith("_s") and not x.endswith("_per_s"):
            axes.set_xscale("log")
            for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
                axis(FuncFormatter(lambda value, _: f"{value:g}"))
        report.frontier(done, x, y, ax=axes)
        report.save(figure, path)


FIGURES: Mapping[str, tuple[Callable[[], dict[str, dict[str, Any]]], list[str], tuple[str, str]]] = {
    "mdi-exit-5-mesh": (on_the_mesh, CLOSED, ("throughput_per_s", "accuracy")),
    "device-edge-cloud": (on_the_tiers, LIGHTER, ("latency_p95_s", "in_time_accuracy")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--plot", type=Path, metavar="DIR")
    given = parser.parse_args()
    found = {}
    for name, (policies, sets, (x, y)) in FIGURES.items():
        done = shown(name, policies(), given, sets)
        found[name] = done.records(MEASURES)
        if given.plot:
            draw(done, given.plot / f"frontier-{name}.png", x, y)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
