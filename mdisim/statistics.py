"""Statistics of simulation output: intervals over replications, differences in pairs, warm-up, batch means.

Replications are independent, and their means near enough to normal for Student's t. What is measured within one
run is neither: for a single long run there are batch means, which say where they are visibly correlated.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from mdisim.errors import InputError
from mdisim.policies.scores import Floats

CONFIDENCE = 0.95
BATCH = 5  # MSER-5
BATCHES = 20  # of batch means
ROUNDING = 1e-9  # of the largest value: a series that varies by less, such as a closed loop's, is constant


class Interval(NamedTuple):
    """A mean and its confidence interval; each a number, or one per column."""

    mean: Floats
    low: Floats
    high: Floats


class Cut(NamedTuple):
    """Where MSER-5 ends the warm-up: how many observations to drop, and whether the rest looks settled."""

    drop: int
    settled: bool


class Batches(NamedTuple):
    """The mean of one long series, half of its interval's width, and the correlation of neighbouring batches.

    `correlated` says that this correlation is more than chance, beyond 1.96 / sqrt(batches): the interval is then
    too narrow. That it is not says nothing of a short series, whose batches cannot show how they hang together: on
    M/M/1 at load 0.8 the interval of 800 waits holds the truth 74 times in a hundred, of 4,000 waits 88 times, of
    20,000 waits 91 times, and no more often where batches look uncorrelated. Replications know.
    """

    mean: float
    half: float
    lag1: float
    correlated: bool


def t_interval(values: ArrayLike, *, confidence: float = CONFIDENCE, of: int = 1) -> Interval:
    """Mean over the rows of [n] or [n, m] with its interval by Student's t with n - 1 degrees of freedom.

    With `of` intervals that are to hold all at once, each is that much surer (Bonferroni). One row has no
    interval (NaN), and a column with a NaN is NaN.
    """
    given = np.asarray(values, dtype=float)
    n = len(given)
    mean = given.mean(axis=0)
    if n < 2:
        nothing = np.full_like(mean, np.nan)
        return Interval(mean, nothing, nothing)
    sure = 1.0 - (1.0 - confidence) / max(1, of)
    half = float(stdtrit(n - 1, (1.0 + sure) / 2.0)) * given.std(axis=0, ddof=1) / np.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def paired_p(differences: ArrayLike) -> Floats:
    """The two-sided p-value of a paired t test, that the mean of the rows of [n] or [n, m] is zero.

    Differences that are all zero have 1; NaN where there are fewer than two, or one is NaN.
    """
    given = np.asarray(differences, dtype=float)
    n = len(given)
    if n < 2:
        return np.full(given.shape[1:], np.nan)
    mean, spread = given.mean(axis=0), given.std(axis=0, ddof=1) / np.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0.0, 0.0, -np.abs(mean) / spread)
    return np.asarray(2.0 * stdtr(n - 1, t))


def holm(p: ArrayLike) -> Floats:
    """The p-values [m] of m tests, adjusted so that a test is passed by chance in any of them as seldom as in one.

    Holm's step-down procedure (S. Holm, Scandinavian Journal of Statistics 6, 1979): the smallest p is multiplied
    by m, the next by m - 1 and so on, and none is smaller than one before it. NaN stays NaN and does not count.
    """
    given = np.asarray(p, dtype=float)
    adjusted = np.full_like(given, np.nan)
    known = np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * factors))
    return adjusted


def mser5(series: ArrayLike) -> Cut:
    """Where a series [n] in order of time has left its start behind: MSER-5.

    Of the means of batches of five, as many are dropped from the front as make the squared standard error of the
    mean of the rest the smallest (K. P. White, M. J. Cobb, S. C. Spratt, Proc. Winter Simulation Conference,
    2000); at most half of them. If that is where the search ends, the series is not settled: it is too short,
    or goes nowhere. Fewer than ten observations cannot tell.
    """
    given = np.asarray(series, dtype=float)
    m = len(given) // BATCH
    if m < 2 or np.isnan(given).any():
        return Cut(0, settled=False)
    z = given[: m * BATCH].reshape(m, BATCH).mean(axis=1)
    if np.ptp(z) <= ROUNDING * np.abs(z).max():
        return Cut(0, settled=True)
    z = z - z.mean()
    left = np.arange(m, 0, -1)
    total, squares = z[::-1].cumsum()[::-1], (z * z)[::-1].cumsum()[::-1]
    error = np.maximum(0.0, squares - total * total / left) / left**2
    last = m // 2
    drop = int(error[: last + 1].argmin())
    return Cut(drop * BATCH, settled=drop < last)


def batch_means(series: ArrayLike, batches: int = BATCHES, *, confidence: float = CONFIDENCE) -> Batches:
    """The mean of one series [n] whose observations depend on those before, with an interval.

    The series, without its warm-up, is cut into this many batches of equal length (a rest at the front is
    dropped), whose means are taken for independent: each must be many times as long as
    what is remembered lasts. An InputError where there are fewer than two in each.
    """
    given = np.asarray(series, dtype=float)
    if batches < 2 or len(given) < 2 * batches:
        raise InputError(
            f"{len(given)} observations make no {batches} batches; two batches or more of two or more would do"
        )
    z = given[len(given) % batches :].reshape(batches, -1).mean(axis=1)
    mean, _, high = (float(x) for x in t_interval(z, confidence=confidence))
    off = z - mean
    spread = float(off @ off)
    lag1 = float(off[1:] @ off[:-1]) / spread if spread else 0.0
    return Batches(mean, high - mean, lag1, correlated=abs(lag1) > 1.96 / np.sqrt(batches))


def replications_needed(half: float, goal: float, n: int) -> int:
    """How many replications bring half of an interval down to the goal, after n of them; more than n."""
    return max(n + 1, ceil(n * (half / goal) ** 2))
