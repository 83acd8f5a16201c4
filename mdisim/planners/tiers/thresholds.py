"""Thresholds for cascades: of all that are tried, the cheapest whose drop of accuracy keeps within a budget.

Pure functions of a calibration half. A drop is in accuracy, paired with the last exit's answer to the same sample,
and with a `confidence` its upper bound must keep the budget, as in `pools`. The search is ours: the papers'
own are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdisim.policies.scores import Floats, Ints

Bools = NDArray[np.bool_]
ROUNDING = 1e-12  # what means of shares may be off by


class Shown(NamedTuple):
    """What n samples show: `scores` and whether each exit is `right`, [n, K]; `cost` [K] of stopping at each."""

    scores: Floats
    right: Bools
    cost: Floats

    def measures(self, stop: Ints) -> Floats:
        """Of samples that stop there, [n]: accuracy lost against the last exit, its square, and cost, [n, 3]."""
        each = np.arange(len(stop))
        lost = self.right[:, -1].astype(float) - self.right[each, stop]
        return np.column_stack([lost, lost * lost, self.cost[stop]])


class Planned(NamedTuple):
    """Thresholds, and what they did on the samples that they were planned on: accuracy lost, and mean cost."""

    thresholds: tuple[float, ...]
    drop: float
    cost: float


@dataclass(frozen=True)
class Budget:
    """How much accuracy may be lost, as a share; with a `confidence`, by the drop's one-sided upper bound.

    The bound is the normal one, and the variance counts for no less than budget x (1 - budget), so that a few
    samples without any difference prove nothing.
    """

    drop: float = 0.003
    confidence: float | None = None

    def kept(self, lost: Floats, squares: Floats, n: int) -> Bools:
        """Whether a mean drop keeps the budget, given the mean of its squares over n samples too."""
        if self.confidence is None:
            return np.asarray(lost <= self.drop + ROUNDING)
        variance = np.maximum(squares - lost * lost, self.drop * (1.0 - self.drop))
        margin = NormalDist().inv_cdf(self.confidence) * np.sqrt(variance) / sqrt(n)
        return np.asarray(lost + margin <= self.drop + ROUNDING)


def leaves(scores: Floats, exits: Sequence[int], threshold: float) -> tuple[Bools, Ints]:
    """Whether each sample leaves at one of these exits, [n], and the first at which it does, [n]."""
    sure = scores[:, list(exits)] >= threshold
    return np.asarray(sure.any(axis=1)), np.asarray(exits, dtype=np.int64)[sure.argmax(axis=1)]


def best_pair(
    shown: Shown,
    exits: tuple[Sequence[int], Sequence[int]],
    tried: tuple[Sequence[float], Sequence[float]],
    budget: Budget,
) -> Planned:
    """One threshold for `exits[0]`, one for `exits[1]`; what leaves at none of them stops at the last exit.

    Every pair of the `tried` values, which rise, is looked at. If none keeps the budget it is the last of each.
    """
    n, last = len(shown.right), len(shown.cost) - 1
    first, later = [], []
    for threshold in tried[0]:
        sure, at = leaves(shown.scores, exits[0], threshold)
        first.append(shown.measures(at)[sure].sum(axis=0))
    reached = np.searchsorted(tried[0], shown.scores[:, list(exits[0])].max(axis=1), side="right")
    for threshold in tried[1]:
        sure, at = leaves(shown.scores, exits[1], threshold)
        measures = shown.measures(np.where(sure, at, last)).T
        stayed = [np.bincount(reached, one, minlength=len(tried[0]) + 1) for one in measures]
        later.append(np.cumsum(stayed, axis=1)[:, :-1])  # who stays under a threshold reached none so high
    means = (np.transpose(first)[:, :, None] + np.transpose(later, (1, 2, 0))) / n
    return _cheapest(means, tried, n, budget)


def best_one(shown: Shown, tried: Sequence[float], budget: Budget) -> Planned:
    """The same with one threshold for all exits but the last."""
    n, last = len(shown.right), len(shown.cost) - 1
    means = []
    for threshold in tried:
        sure, at = leaves(shown.scores, range(last), threshold)
        means.append(shown.measures(np.where(sure, at, last)).mean(axis=0))
    return _cheapest(np.transpose(means), (tried,), n, budget)


def _cheapest(means: Floats, tried: Sequence[Sequence[float]], n: int, budget: Budget) -> Planned:
    """Of the cheapest that keep the budget, the one that loses least; the last if none does."""
    lost, squares, cost = means.reshape(3, -1)
    kept = budget.kept(lost, squares, n)
    best = len(cost) - 1
    if kept.any():
        cheap = kept & (cost <= cost[kept].min() + ROUNDING)
        best = int(np.argmin(np.where(cheap, lost, np.inf)))
    at = np.unravel_index(best, means.shape[1:])
    return Planned(
        tuple(float(values[int(i)]) for values, i in zip(tried, at, strict=True)),
        float(lost[best]),
        float(cost[best]),
    )
