"""How many samples leave early at each threshold of a grid, and how many of them wrongly, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.calibration.checks import CalibrationError
from mdisim.calibration.stopping import evaluated

Floats = NDArray[np.float64]
Quantity = Literal["device accuracy", "accuracy gap", "early gap"]


@dataclass(frozen=True, eq=False)
class Leaving:
    """Counts at each threshold of the rising grid [G], and where each sample's losses begin and end in it.

    Sample j leaves at exit i for the thresholds `low[j, i]` to `high[j, i] - 1`: above the largest score
    before, up to its own.
    """

    grid: Floats
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    right: NDArray[np.bool_]
    final: NDArray[np.bool_]
    group: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls,
        scores: ArrayLike,
        correct: ArrayLike,
        grid: ArrayLike,
        device_exits: int | None,
        group: ArrayLike | None = None,
    ) -> Leaving:
        """Read scores and correct [n, K], the grid [G] and what belongs together, [n]; or a `CalibrationError`.

        Groups of one sample each are none.
        """
        s, ok = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=bool)
        steps = np.asarray(grid, dtype=np.float64)
        if s.ndim != 2 or s.shape != ok.shape or not len(s):
            raise CalibrationError(f"scores are {s.shape}, correct {ok.shape}; samples x exits for both would do")
        if steps.ndim != 1 or not len(steps) or (np.diff(steps) <= 0).any():
            raise CalibrationError("the grid of thresholds does not rise; np.linspace(0, 1, 201) would do")
        K = s.shape[1]
        if (device_exits is not None and not 0 < device_exits < K) or K < 2:
            raise CalibrationError(f"{device_exits} of {K} exits are on the device; 1 to {K - 1} would do")
        device = evaluated(K, device_exits)[:-1]
        high = np.searchsorted(steps, np.maximum.accumulate(s[:, device], axis=1), side="right")
        low = np.column_stack([np.zeros(len(s), dtype=np.int64), high[:, :-1]])
        return cls(steps, low, high, ok[:, device], ok[:, -1], numbered(group, len(s)))

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.final)

    @cached_property
    def sizes(self) -> Floats:
        """The samples of each group, [g]."""
        return np.ones(self.n) if self.group is None else np.bincount(self.group).astype(np.float64)

    @cached_property
    def leaving(self) -> Floats:
        """Samples that leave on the device, [G]."""
        return self.count(np.ones(self.right.shape, dtype=bool))

    @cached_property
    def wrong(self) -> Floats:
        """Samples that leave wrongly answered, [G]."""
        return self.count(~self.right)

    @cached_property
    def lost(self) -> Floats:
        """Samples that leave wrongly answered though the last exit is right, [G]."""
        return self.count(~self.right & self.final[:, None])

    @cached_property
    def won(self) -> Floats:
        """Samples that leave rightly answered though the last exit is wrong, [G]."""
        return self.count(self.right & ~self.final[:, None])

    def losses(self) -> Floats:
        """Each sample's loss, last exit right minus answer right, [n, G], in -1, 0, 1."""
        at = np.arange(len(self.grid))
        loss = np.zeros((self.n, len(at)))
        for i in range(self.right.shape[1]):
            leaves = (self.low[:, i, None] <= at) & (at < self.high[:, i, None])
            loss += leaves * (self.final.astype(float) - self.right[:, i])[:, None]
        return loss

    def worst_above(self) -> Floats:
        """Samples that are lost at this threshold or at a higher one, [G]."""
        lost = ~self.right & self.final[:, None] & (self.high > self.low)
        until = np.where(lost, self.high, 0).max(axis=1)
        return np.asarray(self.n - np.bincount(until, minlength=len(self.grid) + 1).cumsum()[:-1], dtype=float)

    def observed(self, quantity: Quantity, at: int) -> float:
        """The quantity on these samples at one threshold."""
        leaving = float(self.leaving[at])
        if quantity == "accuracy gap":
            return float(self.lost[at] - self.won[at]) / self.n
        if not leaving:
            return nan
        return (
            1 - float(self.wrong[at]) / leaving
            if quantity == "device accuracy"
            else float(self.lost[at]) / leaving
        )

    @cached_property
    def left(self) -> Floats:
        """Samples of each group that leave, [g, G]."""
        return self.by_group(np.ones(self.right.shape, dtype=bool))

    def by_group(self, which: NDArray[np.bool_]) -> Floats:
        """Of those told by `which` [n, exits], how many samples of each group leave at each threshold, [g, G]."""
        group = np.arange(self.n) if self.group is None else self.group
        counts = np.zeros((len(self.sizes), len(self.grid) + 1))
        for i in range(self.right.shape[1]):
            np.add.at(counts, (group, self.low[:, i]), which[:, i].astype(float))
            np.add.at(counts, (group, self.high[:, i]), -which[:, i].astype(float))
        return np.asarray(counts.cumsum(axis=1)[:, :-1])

    def summed(self, values: Floats) -> Floats:
        """The sums over groups of values of the samples, [n, G]: [g, G]."""
        if self.group is None:
            return values
        sums = np.zeros((len(self.sizes), values.shape[1]))
        np.add.at(sums, self.group, values)
        return sums

    def count(self, which: NDArray[np.bool_]) -> Floats:
        """Of those told by `which` [n, exits], how many samples leave at each threshold, [G]."""
        size = len(self.grid) + 1
        begins = np.bincount(self.low.ravel(), weights=which.ravel(), minlength=size)
        ends = np.bincount(self.high.ravel(), weights=which.ravel(), minlength=size)
        return np.asarray((begins - ends).cumsum()[:-1])


def numbered(group: ArrayLike | None, n: int) -> NDArray[np.int64] | None:
    """What belongs together of n samples, numbered from 0; None where each stands alone."""
    if group is None:
        return None
    given = np.asarray(group)
    if given.shape != (n,):
        raise CalibrationError(f"groups have the shape {given.shape}: give one for each of {n} samples")
    names, of = np.unique(given, return_inverse=True)
    return None if len(names) == n else np.asarray(of, dtype=np.int64)
