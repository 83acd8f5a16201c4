"""How often the 95 % intervals are right: comparisons of an M/M/1 queue, whose mean latency is known.

    python benchmarks/coverage.py [--repetitions 1000] [--runs 10] [--arrivals 1000] [--load 0.5] [--jobs 2]

Every repetition has runs with seeds of their own; all runs begin empty, leave out a warm-up of ten relaxation
times of the queue, and drain at the end. Told are, of the same runs: the intervals over replications; those after
as many seeds as it took until they were narrow enough (`seeds: auto`, from five on, at ± 10 % of the mean); and
those of batch means within single runs, all of them and those whose batches look uncorrelated.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import sqrt
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from mdisim import engine
from mdisim.experiments.replications import Auto
from mdisim.policies.plan import row
from mdisim.policies.policy import Policy
from mdisim.policies.scores import Outputs
from mdisim.statistics import batch_means, t_interval
from mdisim.world import Arrivals, Device, Jitter, Samples, Source, Window, World

GOAL = 0.1
RELAXATIONS = 10.0


class Found(NamedTuple):
    """The mean latency of a run in service times; whether its batch means cover the truth; are correlated."""

    mean: float
    covers: bool
    correlated: bool


def queue(load: float, arrivals: int) -> World:
    """An M/M/1 queue whose mean service time is 1 s."""
    samples = Samples(Outputs(None, np.ones((1, 1)), np.zeros((1, 1), np.int64), np.zeros(1, np.int64)))
    warmup_s = RELAXATIONS / (1.0 - sqrt(load)) ** 2
    return World(
        devices=(Device("server", "unit", holds=(True,)),), links=(),
        sources=(Source(0, Arrivals("poisson", load), order="bootstrap"),), samples=samples,
        stage_s=np.ones((1, 1)), head_s=np.zeros((1, 1)), out_bytes=np.zeros(2), layers=np.ones(1),
        next_hop=np.zeros((1, 1), np.int64), window=Window(warmup_s + arrivals / load, warmup_s, drain=True),
        calibration=samples, jitter=Jitter("exponential"),
    )  # fmt: skip


def measured(world: World, truth_s: float, seed: int) -> Found:
    """One run."""
    tasks = engine.run(world, Policy("local", (row(1),)), seed).tasks
    latency_s = (tasks["done_s"] - tasks["born_s"])[tasks["born_s"] >= world.window.warmup_s].to_numpy()
    batches = batch_means(latency_s)
    return Found(float(latency_s.mean()), abs(batches.mean - truth_s) <= batches.half, batches.correlated)


def main() -> None:
    """Print the shares of intervals that cover the truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--arrivals", type=int, default=1000)
    parser.add_argument("--load", type=float, default=0.5)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    truth_s = 1.0 / (1.0 - asked.load)
    seeds = range(asked.repetitions * asked.runs)
    each = partial(measured, queue(asked.load, asked.arrivals), truth_s)
    with ProcessPoolExecutor(asked.jobs) as pool:
        found = list(pool.map(each, seeds, chunksize=50))
    means = np.array([one.mean for one in found]).reshape(asked.repetitions, asked.runs)
    _, low, high = t_interval(means.T)
    rows = {
        f"over {asked.runs} replications": (low <= truth_s) & (high >= truth_s),
        f"seeds: auto, until ± {100 * GOAL:g} %": stopped(means.ravel(), truth_s),
        "batch means of single runs": np.array([one.covers for one in found]),
        "those that look uncorrelated": np.array([one.covers for one in found if not one.correlated]),
    }
    print(
        f"M/M/1 at load {asked.load:g}, {asked.arrivals} arrivals a run: how many 95 % intervals cover the truth"
    )
    for name, covers in rows.items():
        limits = binom.interval(0.95, len(covers), 0.95) if len(covers) else (0, 0)
        inside = [f"{100 * limit / max(1, len(covers)):.1f}" for limit in limits]
        share = f"{100 * covers.mean():5.1f} % of {len(covers):6}"
        print(f"  {name:32} {share}  (by chance {' to '.join(inside)})")
    print(json.dumps({name: float(covers.mean()) for name, covers in rows.items()}))


def stopped(means: np.ndarray, truth_s: float) -> np.ndarray:
    """Whether the intervals of sequential comparisons cover the truth, each with the next seeds there are."""
    goal, covers = Auto("latency_mean_s", relative=GOAL), []
    while len(means) >= goal.at_most:
        n, more = 0, goal.first
        while more > n:
            n, more = more, goal.needed(means[:more, None])
        _, low, high = t_interval(means[:n])
        covers.append(bool(low <= truth_s <= high))
        means = means[n:]
    return np.array(covers)


if __name__ == "__main__":
    main()
