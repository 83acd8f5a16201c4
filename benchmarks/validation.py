"""The simulator against what is known exactly: queues, a shared channel, a tandem, outages and missed deadlines.

    python benchmarks/validation.py [--seeds 100] [--jobs 2] [--plot docs/figures/validation.png]

Queues: `validation_queues.py`. Outages and missed deadlines are shares of batches of 512 independent answers, with
exact binomial intervals of 99.9 %. Prints Markdown tables; the last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from calibration_answers import Answers, answers, partition
from scipy.stats import binomtest
from validation_queues import CASES, JOBS, LEVEL, SPAN, Floats, Found, found, queue, recursion

import mdisim
from mdisim import promises
from mdisim.calibration import closed
from mdisim.calibration.outage import BATCH

TARGETS = (0.8, 0.82, 0.84, 0.85, 0.86, 0.88, 0.9)
LATE = (0.85, 0.77)  # the threshold of the exits, and the accuracy below which a batch is missed
DEADLINES_MS = (42, 44, 45, 46, 47, 48, 50)
BATCHES = 10  # of each seed


class Kept(NamedTuple):
    """What became of a promise: outages, mean times in ms, and missed deadlines by the deadline in ms."""

    outage: Found
    time_ms: Found
    missed: dict[int, Found]


def share(theory: float, hits: int, n: int) -> Found:
    interval = binomtest(hits, n).proportion_ci(LEVEL, "exact")
    return Found(theory, hits / n, float(interval.low), float(interval.high))


def missed(said: Answers, deadline_ms: float) -> float:
    """The missed-deadline probability of a batch in closed form, with the accuracy of all answers."""
    times, right = closed.moments(said.time_s, said.correct), float(said.correct.mean())
    return closed.missed_deadline(right, times, t_tar_s=deadline_ms / 1e3, p_tar=LATE[1], batch=BATCH)


def kept(p_tar: float, seeds: int) -> Kept:
    """A phone and a cloud, one image at a time, conventional confidences; each target has seeds of its own."""
    world = mdisim.Scenario.load("calibration").build()
    said = answers(world, "conventional", p_tar)
    long_s = 1.02 * BATCHES * BATCH * said.time_s.mean()
    world = replace(world, window=replace(world.window, duration_s=long_s))
    first = seeds * TARGETS.index(p_tar)
    policy = partition("conventional", p_tar)
    runs = [mdisim.simulate(world, policy, seed) for seed in range(first, first + seeds)]
    n = [len(promises.on_device(run)) // BATCH for run in runs]

    def hits(measure: Any, *rest: float) -> int:
        shares = [measure(run, *rest, batch=BATCH, drop_last=True).value for run in runs]
        return round(float(np.dot(shares, n)))

    late = {
        t: share(missed(said, t), hits(promises.missed_deadline_probability, t / 1e3, LATE[1]), sum(n))
        for t in DEADLINES_MS
        if p_tar == LATE[0]
    }
    time_ms = [1e3 * float((run.tasks["done_s"] - run.tasks["born_s"]).mean()) for run in runs]
    return Kept(
        share(said.promise()[2], hits(promises.outage_probability), sum(n)),
        found(1e3 * said.time_s.mean(), time_ms),
        late,
    )


def plus_minus(one: Found) -> str:
    digits = 3 if one.theory < 10 else 2
    theory, mean, half = (f"{value:.{digits}f}" for value in (one.theory, one.mean, (one.high - one.low) / 2))
    return f"{theory}; {mean} ± {half}" + outside(one)


def between(one: Found) -> str:
    return f"{one.theory:.3f}; {one.mean:.3f} ({one.low:.3f} to {one.high:.3f})" + outside(one)


def outside(one: Found) -> str:
    return "" if one.agrees else " (outside)"


def table(columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([name, *cells] for name, cells in rows.items())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def plot(path: str, queues: dict[str, dict[float, Found]], promised: dict[float, Kept]) -> None:
    """Deviations of the queues from theory; outages and missed deadlines on their curves."""
    from mdisim.report import look, save
    from mdisim.report.style import page

    world = mdisim.Scenario.load("calibration").build()
    with look():
        figure = page(3.3)
        left, middle, right = figure.subplots(1, 3, width_ratios=(1.4, 1, 1))
        deviations(left, queues)
        p = np.linspace(min(TARGETS), max(TARGETS), 101)
        outages = [answers(world, "conventional", x).promise()[2] for x in p]
        curve(middle, p, outages, {x: one.outage for x, one in promised.items()})
        middle.set(xlabel="promised accuracy p_tar", ylabel="outage probability")
        t = np.linspace(min(DEADLINES_MS), max(DEADLINES_MS), 101)
        said = answers(world, "conventional", LATE[0])
        curve(right, t, [missed(said, x) for x in t], promised[LATE[0]].missed)
        right.set(xlabel="deadline (ms)", ylabel="missed-deadline probability")
        for ax, side in ((left, "left"), (right, "right")):
            figure.legend(*ax.get_legend_handles_labels(), loc=f"outside upper {side}", ncols=3)
        save(figure, path)


def deviations(ax: Any, queues: dict[str, dict[float, Found]]) -> None:
    from mdisim.report.style import INK, mark_of

    ax.axvline(0, color=INK, linewidth=0.8)
    for i, load in enumerate(SPAN):
        of_load = [by_load[load] for by_load in queues.values()]
        mean, low, high = np.array([100 * (np.array(one[1:]) / one.theory - 1) for one in of_load]).T
        y, ends = np.arange(len(queues)) + 0.24 * (i - 1), (mean - low, high - mean)
        ax.errorbar(mean, y, xerr=ends, linestyle="", label=f"load {load}", elinewidth=1, **mark_of(i))
    ax.set(xlabel="simulated - closed form (%)", ylim=(len(queues) - 0.5, -0.5))
    ax.set_yticks(range(len(queues)), list(queues))


def curve(ax: Any, x: Floats, theory: Sequence[float], points: dict[Any, Found]) -> None:
    from mdisim.report.style import line_of, mark_of

    ax.plot(x, theory, label="closed form", **line_of(0))
    mean, low, high = np.array([one[1:] for one in points.values()]).T
    ends = (mean - low, high - mean)
    ax.errorbar(list(points), mean, yerr=ends, linestyle="", label="simulated", elinewidth=1, **mark_of(1))
    ax.set_ylim(-0.03, 1.03)


def main() -> None:
    """Print the tables, and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="replications of each case")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--plot", help="a figure, such as docs/figures/validation.png")
    asked = parser.parse_args()
    queues: dict[str, dict[float, Found]] = {}
    with ProcessPoolExecutor(asked.jobs) as pool:
        promised = dict(zip(TARGETS, pool.map(partial(kept, seeds=asked.seeds), TARGETS), strict=True))
        for load, rows in pool.map(partial(queue, seeds=asked.seeds), range(len(CASES))):
            for name, one in rows.items():
                queues.setdefault(name, {})[load] = one
        worst_s = pool.submit(recursion).result()
    late = promised[LATE[0]].missed
    print(f"Closed form; simulated with its interval of {100 * LEVEL:g} %\n")
    cells = {name: [plus_minus(one) for one in by_load.values()] for name, by_load in queues.items()}
    print(table(["queue", *(f"load {load}" for load in SPAN)], cells))
    print(f"First come first served, {JOBS:,} jobs: within {worst_s:.1e} s of the recursion\n")
    cells = {str(p): [between(one.outage), plus_minus(one.time_ms)] for p, one in promised.items()}
    print(table(["p_tar", "outage", "mean time (ms)"], cells))
    print(table(["deadline (ms)", "missed"], {str(t): [between(one)] for t, one in late.items()}))
    every = [one for by_load in queues.values() for one in by_load.values()]
    every += [*late.values(), *(one for k in promised.values() for one in (k.outage, k.time_ms))]
    if asked.plot:
        plot(asked.plot, queues, promised)
    inside = sum(bool(one.agrees) for one in every)
    print(json.dumps({"compared": len(every), "inside": inside, "recursion_s": worst_s}))


if __name__ == "__main__":
    main()
