"""How many seeds: a number of them, or as many as it takes until an interval is narrow enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mdisim.experiments.prepare import ExperimentError
from mdisim.policies.scores import Floats
from mdisim.statistics import replications_needed, t_interval


@dataclass(frozen=True)
class Auto:
    """Seeds 0, 1, 2, ... until the 95 % interval of a measure is narrow enough for every policy.

    Half of the interval's width is to be at most `absolute`, in the measure's unit, or at most a share
    `relative`: of each policy's own mean, or, for the `difference` to the first policy, of the first one's. There
    are `first` seeds at once, and then as many more as seem to be needed, at most twice as many as before, up to
    `at_most` in all. An interval that is looked at until it is narrow covers the truth a little more seldom than
    it says: on M/M/1 at load 0.5 with 1,000 samples a run 91 to 94 times in a hundred with `first` 5, 94 or 95
    with 10. That holds only where runs are long enough for their means to be nearly normal: with 800 samples a run
    at load 0.8, whose means are skewed, it is 87 to 89 at a goal of 10 %, with `first` 10 as well.
    """

    measure: str
    relative: float | None = None
    absolute: float | None = None
    of: Literal["mean", "difference"] = "mean"
    first: int = 5
    at_most: int = 100

    def __post_init__(self) -> None:
        """Refuse what says too little, or too much."""
        goals = [goal for goal in (self.relative, self.absolute) if goal is not None]
        if len(goals) != 1 or not goals[0] > 0.0:
            raise ExperimentError(
                f"seeds until {self.measure} is narrow enough: give one of relative and absolute, above 0, "
                "such as relative=0.05"
            )
        if self.of not in ("mean", "difference"):
            raise ExperimentError(f"seeds until the {self.of!r} is known; 'mean' or 'difference' would do")
        if not 2 <= self.first <= self.at_most:
            raise ExperimentError(
                f"seeds: the first {self.first}, and {self.at_most} at most; two or more, and no fewer after, "
                "would do"
            )

    def needed(self, values: Floats) -> int:
        """How many seeds in all seem to be needed, by these values [seeds, policies]; so many if it is enough.

        No more either where a value is NaN: more seeds do not help.
        """
        n, half, goal = len(values), self._half(values), self._goal(values)
        wide = half > goal
        if not wide.any():
            return n
        needed = 2 * n  # a share of a mean of nothing is never reached
        if goal[wide].all():
            pairs = zip(half[wide], np.maximum(goal, half / n)[wide], strict=True)  # beyond that it is 2 n anyway
            needed = max(replications_needed(h, g, n) for h, g in pairs)
        return min(needed, 2 * n, self.at_most)

    def reached(self, values: Floats) -> bool:
        """Whether the intervals are narrow enough."""
        return bool((self._half(values) <= self._goal(values)).all())

    def not_reached(self, n: int) -> str:
        """What to say where they are not."""
        goal = f"{self.absolute:g}" if self.relative is None else f"{100 * self.relative:g} %"
        return f"after {n} seeds the {self.of} of {self.measure} is not known within ± {goal}"

    def _half(self, values: Floats) -> Floats:
        mean, _, high = t_interval(values - values[:, :1] if self.of == "difference" else values)
        return high - mean

    def _goal(self, values: Floats) -> Floats:
        level = np.abs(values.mean(axis=0))
        if self.of == "difference":
            level = np.full_like(level, level[0])
        return np.full_like(level, self.absolute) if self.relative is None else self.relative * level
