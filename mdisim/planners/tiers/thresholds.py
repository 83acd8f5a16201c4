"""Thresholds for cascades and pools: of all there are, the cheapest whose drop of accuracy keeps within a budget.

Pure functions of a calibration half. A drop is in accuracy, paired with the last exit's answer to the same sample,
and with a confidence its upper bound must keep the budget, as in `pools.Aim`. Every score that a sample reaches is
tried, and never leaving early: see `exact`. The search is ours: the papers' own are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdisim.planners.tiers.exact import Moves, Options, Walk, crossed, falls, walked
from mdisim.planners.tiers.pools import Aim
from mdisim.policies.scores import Floats, Ints

Bools = NDArray[np.bool_]
Tried = Sequence[float] | None  # the values that are tried, rising; all there are if None


class Shown(NamedTuple):
    """What n samples show: `scores` and whether each exit is `right`, [n, K]; `cost` [K] of stopping at each.

    `group` [n] is the same number, from 0, for samples that belong together. `confidence` [n, K] is what an aim at
    the largest confidence counts: the scores if left out.
    """

    scores: Floats
    right: Bools
    cost: Floats
    group: Ints
    confidence: Floats | None = None

    def options(self) -> Options:
        """Stopping at each exit."""
        lost = self.right[:, -1:].astype(np.float64) - self.right
        sure = self.scores if self.confidence is None else self.confidence
        return Options(np.broadcast_to(self.cost, lost.shape), lost, sure, self.group)


class Planned(NamedTuple):
    """Thresholds, and what they did on the samples that they were planned on: accuracy lost, and mean cost."""

    thresholds: tuple[float, ...]
    drop: float
    cost: float


def stops(shown: Shown, exits: Sequence[Sequence[int]], thresholds: Sequence[float]) -> Ints:
    """Where each sample stops, [n]: a threshold for each sequence of exits; at the last exit if at none."""
    stop = np.full(len(shown.right), len(shown.cost) - 1)
    for some, threshold in reversed(list(zip(exits, thresholds, strict=True))):
        sure = shown.scores[:, list(some)] >= threshold
        stop = np.where(sure.any(axis=1), np.asarray(some, dtype=np.int64)[sure.argmax(axis=1)], stop)
    return stop


def best_pair(
    shown: Shown, exits: tuple[Sequence[int], Sequence[int]], aim: Aim, tried: tuple[Tried, Tried] = (None, None)
) -> Planned:
    """One threshold for `exits[0]`, one for `exits[1]`; what leaves at none of them stops at the last exit.

    If nothing keeps the budget it is the last value of each, infinity where all are tried.
    """
    last = len(shown.cost) - 1
    moves = [falls(shown.scores, some, last) for some in exits]
    values = [_values(one, given) for one, given in zip(moves, tried, strict=True)]
    first, then = (_moved(one, value) for one, value in zip(moves, values, strict=True))
    found = crossed(moves[0], first, Walk(shown.options(), moves[1], then, aim)).at or (0, 0)
    return _planned(shown, exits, [float(value[i]) for value, i in zip(values, found, strict=True)])


def best_one(shown: Shown, aim: Aim, tried: Tried = None) -> Planned:
    """The same with one threshold for all exits but the last."""
    last = len(shown.cost) - 1
    moves = falls(shown.scores, range(last), last)
    values = _values(moves, tried)
    walk = Walk(shown.options(), moves, _moved(moves, values), aim)
    (found,) = walked(walk, np.full(len(shown.right), last)).at or (0,)
    return _planned(shown, (range(last),), (float(values[found]),))


def _values(moves: Moves, tried: Tried) -> Floats:
    """The values that are tried, falling."""
    if tried is None:
        return np.append(inf, np.unique(moves.value)[::-1])
    return np.array(tried, dtype=np.float64)[::-1]


def _moved(moves: Moves, values: Floats) -> Ints:
    """How many moves are made at each value."""
    return np.asarray(np.searchsorted(-moves.value, -values, side="right"))


def _planned(shown: Shown, exits: Sequence[Sequence[int]], thresholds: Sequence[float]) -> Planned:
    stop = stops(shown, exits, thresholds)
    lost = float((shown.right[:, -1].astype(np.float64) - shown.right[np.arange(len(stop)), stop]).mean())
    return Planned(tuple(thresholds), lost, float(shown.cost[stop].mean()))
