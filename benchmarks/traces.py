"""What a trace's length costs: the end of a transfer found in a trace of 10 knots and in one of a million.

    python benchmarks/traces.py [--rounds 5] [--transfers 100000] [--knots 1000000]

Transfers start at rising times over the trace's duration, as a simulation's clock has it, and last part of a knot,
a few knots or about half of the trace. The two lengths take turns in every round. The last line is a JSON object
with the median seconds per transfer and the ratios; the aim is that a million knots cost no more than 5 times what
ten cost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

from mdisim.traces import Trace

SEED, FEW = 12345, 10


def made(knots: int) -> Trace:
    """A trace of a knot a second."""
    rates = np.random.default_rng(SEED).uniform(1e6, 50e6, knots)
    return Trace(np.arange(knots), rates, knots)


def questions(trace: Trace, count: int, share: float) -> list[tuple[float, float]]:
    """Starts [s] and bits; `share` is how much of the trace's bits a transfer has on average."""
    rng = np.random.default_rng(SEED + 1)
    bits = rng.exponential(share * trace.bits(trace.duration_s), count)
    starts = np.sort(rng.uniform(0.0, trace.duration_s, count))
    return list(zip(starts.tolist(), bits.tolist(), strict=True))


def seconds(trace: Trace, asked: list[tuple[float, float]]) -> float:
    start = time.perf_counter()
    for start_s, bits in asked:
        trace.finish_s(start_s, bits)
    return (time.perf_counter() - start) / len(asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--transfers", type=int, default=100_000)
    parser.add_argument("--knots", type=int, default=1_000_000)
    args = parser.parse_args()
    few, many = made(FEW), made(args.knots)
    kinds = {
        "within_a_knot": (0.01 / FEW, 0.01 / args.knots),
        "over_three_knots": (3 / FEW, 3 / args.knots),
        "over_half_the_trace": (0.5, 0.5),
    }
    facts: dict[str, float] = {}
    for name, shares in kinds.items():
        asked = [questions(trace, args.transfers, share) for trace, share in zip((few, many), shares, strict=True)]
        rounds = [(seconds(few, asked[0]), seconds(many, asked[1])) for _ in range(args.rounds + 1)][1:]
        short, long = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(b / a for a, b in rounds)
        words = name.replace("_", " ")
        print(f"{words:22}{short * 1e6:8.2f} us of {FEW} knots{long * 1e6:8.2f} us of {args.knots}{ratio:8.2f} x")
        facts |= {f"{name}_few_s": short, f"{name}_many_s": long, f"ratio_{name}": ratio}
    print(json.dumps({key: float(f"{value:.3g}") for key, value in facts.items()}))


if __name__ == "__main__":
    main()
