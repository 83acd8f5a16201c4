"""Thresholds for cascades: of all that are tried, the cheapest whose drop of accuracy keeps within a budget.

Pure functions of a calibration half. A drop is in accuracy, paired with the last exit's answer to the same sample,
and with a `confidence` its upper bound must keep the budget, as in `pools`. The search is ours: the papers'
own are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdisim.planners.tiers.pools import budgeted
from mdisim.policies.scores import Floats, Ints

Bools = NDArray[np.bool_]
ROUNDING = 1e-12  # what means of shares may be off by


class Shown(NamedTuple):
    """What n samples show: `scores` and whether each exit is `right`, [n, K]; `cost` [K] of stopping at each.

    `group` [n] is the same number, from 0, for samples that belong together.
    """

    scores: Floats
    right: Bools
    cost: Floats
    group: Ints

    def lost(self, stop: Ints) -> Floats:
        """Accuracy lost against the last exit by samples that stop there, [n]."""
        return self.right[:, -1].astype(float) - self.right[np.arange(len(stop)), stop]

    def measures(self, stop: Ints) -> Floats:
        """Of samples that stop there, [n]: accuracy lost, and cost, [n, 2]."""
        return np.column_stack([self.lost(stop), self.cost[stop]])


class Planned(NamedTuple):
    """Thresholds, and what they did on the samples that they were planned on: accuracy lost, and mean cost."""

    thresholds: tuple[float, ...]
    drop: float
    cost: float


@dataclass(frozen=True)
class Budget:
    """How much accuracy may be lost, as a share; with a `confidence`, by the drop's one-sided upper bound.

    The bound is that of `pools.Aim`: normal, groups counted as wholes, and with a least variance, so that a few
    samples without any difference prove nothing.
    """

    drop: float = 0.003
    confidence: float | None = None

    def kept(self, lost: Floats, group: Ints) -> bool:
        """Whether what each sample loses, [n], keeps the budget."""
        return budgeted(lost, group, self.drop, self.confidence) <= self.drop + ROUNDING


def leaves(scores: Floats, exits: Sequence[int], threshold: float) -> tuple[Bools, Ints]:
    """Whether each sample leaves at one of these exits, [n], and the first at which it does, [n]."""
    sure = scores[:, list(exits)] >= threshold
    return np.asarray(sure.any(axis=1)), np.asarray(exits, dtype=np.int64)[sure.argmax(axis=1)]


def stops(shown: Shown, exits: Sequence[Sequence[int]], thresholds: Sequence[float]) -> Ints:
    """Where each sample stops, [n]: a threshold for each sequence of exits; at the last exit if at none."""
    stop = np.full(len(shown.right), len(shown.cost) - 1)
    for some, threshold in reversed(list(zip(exits, thresholds, strict=True))):
        sure, at = leaves(shown.scores, some, threshold)
        stop = np.where(sure, at, stop)
    return stop


def best_pair(
    shown: Shown,
    exits: tuple[Sequence[int], Sequence[int]],
    tried: tuple[Sequence[float], Sequence[float]],
    budget: Budget,
) -> Planned:
    """One threshold for `exits[0]`, one for `exits[1]`; what leaves at none of them stops at the last exit.

    Every pair of the `tried` values, which rise, is looked at. If none keeps the budget it is the last of each.
    """
    first, later = [], []
    for threshold in tried[0]:
        sure, at = leaves(shown.scores, exits[0], threshold)
        first.append(shown.measures(at)[sure].sum(axis=0))
    reached = np.searchsorted(tried[0], shown.scores[:, list(exits[0])].max(axis=1), side="right")
    for threshold in tried[1]:
        measures = shown.measures(stops(shown, exits[1:], (threshold,))).T
        stayed = [np.bincount(reached, one, minlength=len(tried[0]) + 1) for one in measures]
        later.append(np.cumsum(stayed, axis=1)[:, :-1])  # who stays under a threshold reached none so high
    means = (np.transpose(first)[:, :, None] + np.transpose(later, (1, 2, 0))) / len(shown.right)
    return _cheapest(shown, exits, tried, means, budget)


def best_one(shown: Shown, tried: Sequence[float], budget: Budget) -> Planned:
    """The same with one threshold for all exits but the last."""
    exits = (range(len(shown.cost) - 1),)
    means = [shown.measures(stops(shown, exits, (threshold,))).mean(axis=0) for threshold in tried]
    return _cheapest(shown, exits, (tried,), np.transpose(means), budget)


def _cheapest(
    shown: Shown,
    exits: Sequence[Sequence[int]],
    tried: Sequence[Sequence[float]],
    means: Floats,
    budget: Budget,
) -> Planned:
    """Of the cheapest that keep the budget, the one that loses least; the last if none does.

    `means` [2, ...] are the drop and the cost of all that is tried. A bound, which takes longer, is asked of one
    after the other, the cheapest first.
    """
    lost, cost = means.reshape(2, -1)
    best = Planned(tuple(values[-1] for values in tried), float(lost[-1]), float(cost[-1]))
    for i in np.lexsort((lost, cost.round(9))):
        if lost[i] <= budget.drop + ROUNDING:
            at = np.unravel_index(i, means.shape[1:])
            thresholds = tuple(float(values[int(j)]) for values, j in zip(tried, at, strict=True))
            if budget.confidence is None or budget.kept(shown.lost(stops(shown, exits, thresholds)), shown.group):
                return Planned(thresholds, float(lost[i]), float(cost[i]))
    return best
