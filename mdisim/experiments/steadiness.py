"""Whether what is measured is a steady state, by the number of samples in the system over time.

By Little's law that number is throughput times latency, and it is there for every policy, whatever it answers or
refuses. It is averaged over the seeds at equal times, as Welch did, before anything is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from mdisim.policies.scores import Floats
from mdisim.results import Run
from mdisim.statistics import holm, mser5, paired_p

BINS = 1000  # of a run's duration, for the number in the system
PILOTS = 3  # runs of each policy that find the warm-up
DRIFT = 0.1  # of the mean number in the system: less matters to nobody
DOUBT = 0.01  # the chance of a warning where nothing drifts


def in_system(run: Run) -> Floats:
    """The mean number of samples admitted and not yet ended in each of BINS equal parts of [0, duration_s)."""
    taken = run.tasks["admitted_s"].notna()
    edges = np.linspace(0.0, run.duration_s, BINS + 1)
    come = _passed_s(run.tasks.loc[taken, "admitted_s"].to_numpy(), edges)
    gone = _passed_s(run.tasks.loc[taken, "done_s"].dropna().to_numpy(), edges)
    return np.maximum(0.0, np.diff(come - gone) / np.diff(edges))  # the sums are rounded


def _passed_s(instants: Floats, times_s: Floats) -> Floats:
    """The time from each instant to each of these times, added up over the instants that have passed."""
    given = np.sort(instants)
    sums = np.concatenate([[0.0], given.cumsum()])
    passed = np.searchsorted(given, times_s, "right")
    return np.asarray(passed * times_s - sums[passed])


def settled_s(series: Sequence[Floats], duration_s: float) -> tuple[float, bool]:
    """When the mean of several runs' series has settled, by MSER-5, and whether it has at all."""
    cut = mser5(np.mean(series, axis=0))
    return cut.drop * duration_s / BINS, cut.settled


def doubt(label: str, given: str) -> str:
    """What a verdict other than stable says against what was measured."""
    if given == "no samples":
        return f"{label} has no samples: none was born in the window; lengthen run.duration, or raise the rate"
    told = f"{label} is {given}: what is measured depends on how long the run is"
    return told if given == "overloaded" else f"{told}, or may do so; a longer run tells more"


def doubts(
    series: Mapping[str, Sequence[Floats]], verdicts: Mapping[str, str], warmup_s: float, duration_s: float
) -> list[str]:
    """What speaks against a steady state, policy by policy.

    The verdict is not stable; the number in the system differs between the halves of the window; or it differs
    between the times before and after the point up to which MSER-5 would lengthen the warm-up. Differences are
    tested in pairs over the seeds (three or more), Holm's way over policies, and must be more than a tenth.
    """
    told = []
    for label, verdict in verdicts.items():
        if verdict != "stable":
            told.append(doubt(label, verdict))
    steady = {label: runs for label, runs in series.items() if verdicts[label] == "stable"}
    start, found = round(BINS * warmup_s / duration_s), {}
    for label, runs in steady.items():
        middle = (start + BINS) // 2
        cut_s, settled = settled_s(runs, duration_s)
        cut = round(BINS * cut_s / duration_s) if settled else start
        found[label] = [_step(runs, (start, middle, BINS)), _step(runs, (start, cut, BINS))]
    chances = holm([p for steps in found.values() for _, p in steps]).reshape(-1, 2)
    for (label, steps), (halves, later) in zip(found.items(), chances, strict=True):
        drift, stale = (abs(change) > DRIFT for change, _ in steps)
        if later < DOUBT and stale:
            told.append(
                f"{label}: the warm-up of {warmup_s:g} s may be too short: by MSER-5 the number in the system "
                f"settles after {settled_s(steady[label], duration_s)[0]:.3g} s"
            )
        elif halves < DOUBT and drift:
            told.append(
                f"{label} is not steady: the number in the system changes by {100.0 * steps[0][0]:+.0f} % from "
                "the first to the second half of the window"
            )
    return told


def _step(runs: Sequence[Floats], edges: tuple[int, int, int]) -> tuple[float, float]:
    """How far the mean moves between two parts of a series, as a share of the later one, and its p-value."""
    parts = [part for part in pairwise(edges) if part[0] < part[1]]
    if len(parts) < 2 or len(runs) < PILOTS:
        return 0.0, float("nan")
    before, after = (np.array([run[a:b].mean() for run in runs]) for a, b in parts)
    level = float(after.mean()) or 1.0
    return float((after - before).mean()) / level, float(paired_p(after - before))
