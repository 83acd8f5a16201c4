"""Memory per simulated sample: the peak of a process that simulates a million, above that of a thousand.

    python benchmarks/memory.py [--samples 1000000]

One station, every sample logged, the tables made. The last line is a JSON object; the aim is 300 bytes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

import numpy as np

FEW = 1000


def simulate(n: int) -> None:
    """Run one station for about n samples, and print their number and the peak memory in bytes."""
    from mdisim.engine import run
    from mdisim.policies import FREE, Outputs, Policy, Row
    from mdisim.world import Arrivals, Device, Samples, Source, Window, World

    one = np.ones((FEW, 1))
    whole = np.zeros((FEW, 1), dtype=np.int64)
    samples = Samples(Outputs(None, one, whole, whole[:, 0]))
    world = World(
        devices=(Device("station", "unit"),),
        links=(),
        sources=(Source(0, Arrivals("poisson", 1.0)),),
        samples=samples,
        stage_s=np.array([[0.5]]),
        head_s=np.zeros((1, 1)),
        out_bytes=np.zeros(2),
        layers=np.ones(1),
        next_hop=np.array([[-1]]),
        window=Window(float(n)),
        calibration=samples,
    )
    done = run(world, Policy("station", (Row((0.5,), (True,), (FREE,)),)), 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"samples": len(done.tasks), "bytes": peak * (1 if sys.platform == "darwin" else 1024)}))


def alone(n: int) -> dict[str, int]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--only", str(n)]
    found: dict[str, int] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        simulate(args.only)
        return
    few, many = alone(FEW), alone(args.samples)
    each = (many["bytes"] - few["bytes"]) / (many["samples"] - few["samples"])
    for found in (few, many):
        print(f"{found['samples']:9,} samples: {found['bytes'] / 1e6:.0f} MB")
    print(json.dumps({"bytes_per_sample": round(each, 1), "base_mb": round(few["bytes"] / 1e6, 1)}))


if __name__ == "__main__":
    main()
