"""Exact searches: every value at which a threshold, or a price, changes anything is looked at, by prefix sums.

As a threshold falls, samples move from one option to another, one after the other. What all samples cost and lose
after each move is a running sum, and so is the squared error of the mean loss between groups. One threshold takes
a sort; of two, each value of the first takes one walk over the second, and values that cannot lead to anything
better are passed over, as one move changes each mean by no more than a known step.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from mdisim.planners.tiers.pools import Aim
from mdisim.policies.scores import Floats, Ints

ROUNDING = 1e-12  # what means of shares may be off by
FIRST = 50  # values of the first of two thresholds that are looked at before the others


class Options(NamedTuple):
    """What each of n samples would cost, lose and be sure of with each of m options, [n, m]; its `group`, [n].

    Lost is the accuracy lost against the last option. Groups are numbered from 0.
    """

    cost: Floats
    lost: Floats
    sure: Floats
    group: Ints

    def all_cloud(self) -> float:
        """What the last option costs on average, or 1 where it costs nothing."""
        return float(self.cost[:, -1].mean()) or 1.0


class Moves(NamedTuple):
    """Sample by sample, [e], in the order in which a `value` falls: from the option `before` to `after` it."""

    value: Floats
    sample: Ints
    before: Ints
    after: Ints


class Chosen(NamedTuple):
    """Which value of each threshold was found, from 0; what it is worth to the aim, and the mean loss."""

    at: tuple[int, ...]
    worth: float
    drop: float


NOTHING = Chosen((), -inf, inf)


class Walk:
    """The values of a threshold, falling, and what all samples cost and lose at each.

    `moved` [v] tells how many moves are made at each value.
    """

    def __init__(self, options: Options, moves: Moves, moved: Ints, aim: Aim) -> None:
        self.options, self.moves, self.moved, self.aim = options, moves, moved, aim
        rows, before, after = moves.sample, moves.before, moves.after
        self.measures: tuple[Floats, ...] = options[:2] if aim.mu is None else options[:3]
        self.change = [one[rows, after] - one[rows, before] for one in self.measures]
        group = options.group[rows]
        self.order = np.argsort(group, kind="stable")
        self.group = group[self.order]
        self.sizes = np.bincount(options.group).astype(np.float64)
        self.squares = float(self.sizes @ self.sizes)
        self.first = np.searchsorted(self.group, self.group)

    def along(self, start: Ints, moving: Floats) -> tuple[Floats, Floats, Floats]:
        """At each value: what is to be largest, by how much the budget is passed, and the mean loss, [v].

        Samples begin with the option `start` [n]; only those that are `moving` [n] (0 or 1) are moved.
        """
        here, n = np.arange(len(start)), len(start)
        there = moving[self.moves.sample]
        change = [one * there for one in self.change]
        begin = [one[here, start] for one in self.measures]
        mu, z = self.aim.mu, self.aim.confidence
        cost, lost = (self._sums(begin[i].sum(), change[i]) / n for i in (0, 1))
        if mu is not None:
            sure = self._sums(begin[2].sum(), change[2]) / n
            return sure - mu * cost, np.full(len(cost), -inf), lost
        saving = 1.0 - cost / self.options.all_cloud()
        budget = self.aim.drop_budget
        if z is None:
            return saving, lost - budget, lost
        error2 = np.maximum(self._errors(begin[1], change[1], lost), max(0.0, budget * (1.0 - budget)) / n)
        return saving, lost + NormalDist().inv_cdf(z) * np.sqrt(error2) - budget, lost

    def _sums(self, start: float, change: Floats) -> Floats:
        return np.asarray(start + np.append(0.0, np.cumsum(change))[self.moved])

    def _errors(self, begin: Floats, change: Floats, mean: Floats) -> Floats:
        """The squared standard error of the mean loss, [v]: each group counts as one, as in `squared_error`."""
        sums = np.bincount(self.options.group, begin, minlength=len(self.sizes))
        step = change[self.order]
        so_far = np.cumsum(step) - step
        of_group = so_far - so_far[self.first] + sums[self.group]
        square = np.empty_like(step)
        square[self.order] = step * (2.0 * of_group + step)
        sized = np.empty_like(step)
        sized[self.order] = step * self.sizes[self.group]
        squares = self._sums(float(sums @ sums), square)
        crossed = self._sums(float(sums @ self.sizes), sized)
        return (squares - 2.0 * mean * crossed + mean**2 * self.squares) / len(begin) ** 2

    def steps(self) -> tuple[float, float]:
        """By how much one move can change what is to be largest, and what must keep the budget, at most."""
        n, (cost, lost, sure, _) = len(self.options.group), self.options
        spread = float(np.ptp(cost))
        mu, z = self.aim.mu, self.aim.confidence
        worth = spread / self.options.all_cloud() if mu is None else float(np.ptp(sure)) + mu * spread
        error = 0.0 if z is None else abs(NormalDist().inv_cdf(z)) * (1.0 + sqrt(self.squares) / n)
        return worth / n, float(np.ptp(lost)) * (1.0 + error) / n


def walked(walk: Walk, start: Ints) -> Chosen:
    """The best value of one threshold; NOTHING where none keeps the budget."""
    return _better(walk.along(start, np.ones(len(start))), NOTHING, ())


def crossed(first: Moves, moved: Ints, then: Walk) -> Chosen:
    """The best values of two thresholds, of which the second is for the samples that stay below the first.

    `moved` [u] tells how many of the first one's moves are made at each of its values, rising. Samples that
    stay begin with the last option. NOTHING where no pair keeps the budget.
    """
    n, m = then.options.cost.shape
    steps = [max(step, 1e-300) for step in then.steps()]

    def found(i: int) -> tuple[Floats, Floats, Floats]:
        start, moving = np.full(n, m - 1), np.ones(n)
        gone = first.sample[: moved[i]]
        start[gone], moving[gone] = first.after[: moved[i]], 0.0
        return then.along(start, moving)

    best = NOTHING
    for i in range(0, len(moved), 1 + len(moved) // FIRST):  # a good one soon, so that more can be passed over
        best = _better(found(i), best, (i,))
    i = 0
    while i < len(moved):
        at_i = found(i)
        best = _better(at_i, best, (i,))
        moves = float(np.maximum((best.worth - at_i[0]) / steps[0], at_i[1] / steps[1]).min())
        i = max(i + 1, int(np.searchsorted(moved, moved[i] + ceil(min(moves, n * m) - 1e-9))))
    return best


def _better(found: tuple[Floats, Floats, Floats], so_far: Chosen, at: tuple[int, ...]) -> Chosen:
    """The better of what a walk found and what is known so far; of equals the one that loses less."""
    worth, over, lost = found
    kept = over <= ROUNDING
    most = worth[kept].max(initial=-inf)
    if most < so_far.worth - ROUNDING or not kept.any():
        return so_far
    equals = np.flatnonzero(kept & (worth >= most - ROUNDING))
    i = int(equals[lost[equals].argmin()])
    if most <= so_far.worth + ROUNDING and lost[i] >= so_far.drop - ROUNDING:
        return so_far
    return Chosen((*at, i), float(worth[i]), float(lost[i]))


def falls(scores: Floats, exits: Sequence[int], last: int) -> Moves:
    """How samples leave, one threshold for all of these exits falling: each at the first exit that reaches it.

    `scores` are [n, K]; minus infinity is never reached. Before it leaves at any a sample is at the `last`.
    """
    some = scores[:, list(exits)]
    earlier = np.maximum.accumulate(np.column_stack([np.full(len(some), -inf), some]), axis=1)[:, :-1]
    rises = some > earlier  # where no earlier exit is as sure
    value, sample, before, after = [], [], [], []
    later = np.full(len(some), last)
    for j in reversed(range(len(exits))):
        rows = np.flatnonzero(rises[:, j])
        value.append(some[rows, j])
        sample.append(rows)
        before.append(later[rows])
        after.append(np.full(len(rows), exits[j]))
        later = np.where(rises[:, j], exits[j], later)
    order = np.argsort(-np.concatenate(value), kind="stable")
    return Moves._make(np.concatenate(one)[order] for one in (value, sample, before, after))
