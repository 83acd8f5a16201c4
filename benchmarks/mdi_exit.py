"""What a task costs to simulate where rules decide: MDI-Exit on five equal devices that share one channel.

    python benchmarks/mdi_exit.py [--rounds 5] [--duration 200]

A task is one stage of one sample on one device. The median over the rounds; the last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

from mdisim.engine import run
from mdisim.policies import MdiExit, Outputs
from mdisim.world import Arrivals, ConstantRate, Device, Link, Samples, Source, Window, World, setting

K, DEVICES, CLASSES, SAMPLES = 5, 5, 10, 5000


def samples(rng: np.random.Generator) -> Samples:
    """A made-up network whose later exits are surer and more often right."""
    sure = np.sort(rng.beta(4.0, 1.5, (SAMPLES, K)), axis=1)
    label = rng.integers(0, CLASSES, SAMPLES)
    right = rng.random((SAMPLES, K)) < sure
    return Samples(Outputs(None, sure, np.where(right, label[:, None], (label[:, None] + 1) % CLASSES), label))


def mesh(duration_s: float) -> World:
    """Five devices of 50 ms for a whole sample; 60 samples per second and 100 Mbit/s for all."""
    drawn = samples(np.random.default_rng(1))
    pairs = [(a, b) for a in range(DEVICES) for b in range(DEVICES) if a != b]
    return World(
        devices=tuple(Device(f"node {d + 1}", "unit") for d in range(DEVICES)),
        links=tuple(Link(a, b, ConstantRate(100e6), 0.002) for a, b in pairs),
        sources=(Source(0, Arrivals("poisson", 60.0)),),
        samples=drawn,
        stage_s=np.full((DEVICES, K), 0.05 / K),
        head_s=np.zeros((DEVICES, K)),
        out_bytes=np.array([3e3, 1e5, 5e4, 5e4, 2.5e4, 0.0]),
        layers=np.ones(K),
        next_hop=np.where(np.eye(DEVICES, dtype=bool), -1, np.arange(DEVICES)),
        window=Window(duration_s),
        calibration=drawn,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=200.0, help="simulated seconds")
    args = parser.parse_args()
    world = mesh(args.duration)
    policy = MdiExit(adapt="none").build(setting(world))
    costs = []
    for seed in range(args.rounds):
        start = time.perf_counter()
        tasks = run(world, policy, seed).tasks
        seconds = time.perf_counter() - start
        costs.append((seconds, len(tasks), int(tasks.exit.sum())))
    per_sample, per_task = (statistics.median(s / c[i] for s, *c in costs) * 1e6 for i in (0, 1))
    print(f"{costs[0][1]:,} samples and {costs[0][2]:,} tasks a round")
    print(f"{per_sample:.1f} us a sample, {per_task:.1f} us a task")
    print(json.dumps({"us_per_sample": round(per_sample, 2), "us_per_task": round(per_task, 2)}))


if __name__ == "__main__":
    main()
