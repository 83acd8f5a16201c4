"""Thresholds that keep a promise: for the accuracy on the device, or for what early exits cost in accuracy.

A sample stops at the first exit on the device whose score is the threshold or more, else the last exit answers
it. Each planner looks at calibration samples, scores and whether each exit was right, both [n, K], and gives
the smallest threshold for which it can promise what is asked, so that most samples stay on the device; or it
raises `RefusalError`. The promise holds for new samples of the same population if neither the scores nor the
grid of thresholds were made from these samples: fit calibrators on others.

Samples that belong together, such as the phrases of a sentence, err together, and promise no more than so many
independent ones. Where their `group` is given, a number for each sample [n], new groups take the place of new
samples: binomial tails are those of an effective number of samples (`pvalues.effective`), bets and conformal risk
control go from group to group. A promise then holds for the same population of groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, nan, sqrt
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from mdisim.calibration import pvalues
from mdisim.calibration.checks import FEWEST, Bools, CalibrationError, RefusalError
from mdisim.calibration.leaving import Leaving, Quantity
from mdisim.calibration.pvalues import Floats, Procedure

Test = Literal["binomial", "hoeffding-bentkus", "betting"]
Guarantee = Literal["probability", "expectation", "none"]
DELTA = 0.1
GRID = np.unique(np.concatenate([np.linspace(0, 1, 101), 1 - np.geomspace(0.1, 1e-4, 61)]).round(6))
GRID.flags.writeable = False


@dataclass(frozen=True)
class Promise:
    """A threshold, and what is promised at it.

    `quantity` is at least (device accuracy) or at most (gaps) `limit`, over calibration sets of `n` samples in so
    many independent `groups` such as this, of which `leaving` samples stop on the device: with probability 1 -
    `delta`, or in expectation, or, with a guarantee of none, on these samples alone (`delta` is NaN then).
    `observed`: what these show.
    """

    threshold: float
    quantity: Quantity
    limit: float
    delta: float
    n: int
    groups: int
    leaving: int
    observed: float
    method: str
    guarantee: Guarantee


def device_accuracy(
    scores: ArrayLike,
    correct: ArrayLike,
    *,
    target: float,
    delta: float = DELTA,
    grid: ArrayLike = GRID,
    device_exits: int | None = None,
    procedure: Procedure = "fixed-sequence",
    fewest: int = FEWEST,
    group: ArrayLike | None = None,
) -> Promise:
    """P(right | answered on the device) >= target, with probability 1 - delta; learn then test.

    At each threshold of the grid the hypothesis that it is below is tested by the exact binomial tail: of m
    samples that leave, P[Bin(m, target) >= those that are right]. The fixed sequence passes over the highest
    thresholds, at which fewer than `fewest` leave, or so few that no test could succeed; this is exact where
    surer answers are not less often right. `bonferroni` needs no such thing, and more samples.
    """
    curves = Leaving.of(scores, correct, grid, device_exits, group)
    _within("target", target)
    return _of_leaving(curves, ~curves.right, 1 - target, "device accuracy", target, delta, procedure, fewest)


def early_gap(
    scores: ArrayLike,
    correct: ArrayLike,
    *,
    limit: float,
    delta: float = DELTA,
    grid: ArrayLike = GRID,
    device_exits: int | None = None,
    procedure: Procedure = "fixed-sequence",
    fewest: int = FEWEST,
    group: ArrayLike | None = None,
) -> Promise:
    """P(the device is wrong and the last exit right | answered on the device) <= limit, as `device_accuracy`.

    The conditional accuracy gap of Ringel, Cohen, Freedman, Elad and Romano (ICML 2024) over all that leave,
    with one threshold.
    """
    curves = Leaving.of(scores, correct, grid, device_exits, group)
    _within("limit", limit)
    return _of_leaving(
        curves, ~curves.right & curves.final[:, None], limit, "early gap", limit, delta, procedure, fewest
    )


def upper_confidence(
    scores: ArrayLike,
    correct: ArrayLike,
    *,
    limit: float,
    delta: float = DELTA,
    grid: ArrayLike = GRID,
    device_exits: int | None = None,
    test: Test = "binomial",
    group: ArrayLike | None = None,
) -> Promise:
    """The accuracy gap <= limit with probability 1 - delta: risk-controlling prediction sets (RCPS).

    From the highest threshold down, the smallest at which, and above which, an upper confidence bound of the
    gap is within the limit (Bates et al. 2021; Jazbec et al. 2024). `binomial` and `hoeffding-bentkus` bound
    P(device wrong and last exit right), which is no less than the gap; `betting` bounds the gap itself, the
    last exit's accuracy minus that of the answers, which counts what early exits win as well.
    """
    curves = Leaving.of(scores, correct, grid, device_exits, group)
    _within("limit", limit)
    _within("delta", delta)
    everyone = np.tile(curves.sizes[:, None], len(curves.grid))
    if test == "betting":  # that the losses of a group are above its share of the limit
        above = curves.summed(curves.losses()) - limit * everyone
        p = pvalues.betting((above / curves.sizes.max() + limit + 1) / 2, (limit + 1) / 2, delta)
    elif test in get_args(Test):
        lost, n = _counted(curves, ~curves.right & curves.final[:, None], everyone, delta)
        tail = pvalues.binomial if test == "binomial" else pvalues.hoeffding_bentkus
        p = tail(lost, n, limit)
    else:
        raise CalibrationError(f"test is {test!r}; {', '.join(get_args(Test))} would do")
    return _tested(curves, p, everyone[0] > 0, "accuracy gap", limit, delta, "fixed-sequence", test)


def conformal(
    scores: ArrayLike,
    correct: ArrayLike,
    *,
    limit: float,
    grid: ArrayLike = GRID,
    device_exits: int | None = None,
    group: ArrayLike | None = None,
) -> Promise:
    """The accuracy gap <= limit in expectation over calibration sets: conformal risk control (CRC).

    The smallest threshold with R <= ((n + 1) limit - 1) / n (Angelopoulos et al. 2024), where R is the mean
    of each sample's largest loss at this or any higher threshold: that makes losses monotone, as the method
    needs, and with one exit on the device changes nothing. With groups, of which the largest has s samples, the
    loss of a group is the sum of its samples', and R <= ((n + s) limit - s) / n.
    """
    curves = Leaving.of(scores, correct, grid, device_exits, group)
    _within("limit", limit)
    largest = float(curves.sizes.max())
    allowed = (curves.n + largest) * limit - largest
    passed = np.flatnonzero(curves.worst_above() <= allowed)
    if not len(passed):
        least = ceil(largest * (1 / limit - 1))
        raise RefusalError(
            f"{curves.n} samples cannot support an accuracy gap of {limit:g} in expectation at any threshold; "
            f"more samples (at the very least {least}), a larger limit or higher thresholds would do"
        )
    return _promise(curves, int(passed[0]), "accuracy gap", limit, nan, "conformal", "expectation")


def grid_search(
    scores: ArrayLike,
    correct: ArrayLike,
    *,
    target: float | None = None,
    limit: float | None = None,
    grid: ArrayLike = GRID,
    device_exits: int | None = None,
) -> Promise:
    """The smallest threshold at which these very samples show what is asked; no promise for others.

    Either `target`, the device accuracy, or `limit`, the accuracy gap.
    """
    curves = Leaving.of(scores, correct, grid, device_exits)
    if (target is None) == (limit is None):
        raise CalibrationError("a grid search is for one thing; target (device accuracy) or limit (gap) would do")
    if target is not None:
        quantity: Quantity = "device accuracy"
        asked = _within("target", target)
        passed = (curves.leaving > 0) & (curves.wrong <= (1 - target) * curves.leaving + 1e-9)
    else:
        quantity = "accuracy gap"
        asked = _within("limit", limit or 0.0)
        passed = curves.lost - curves.won <= asked * curves.n + 1e-9
    if not passed.any():
        raise RefusalError(
            f"no threshold of the grid shows the {quantity} of {asked:g} on these {curves.n} samples; "
            "higher thresholds or another demand would do"
        )
    return _promise(curves, int(np.flatnonzero(passed)[0]), quantity, asked, nan, "grid-search", "none")


def batch_target(p_tar: float, batch: int, on_device: float, z: float = 1.645) -> float:
    """The device accuracy that makes a batch's own fall below `p_tar` rarely (one in 20 at z = 1.645).

    p_tar + z sqrt(p_tar (1 - p_tar) / (batch x on_device)), by the normal approximation; at most 1.
    """
    return min(1.0, p_tar + z * sqrt(p_tar * (1 - p_tar) / (batch * on_device)))


def _least(limit: float, delta: float) -> int:
    """The fewest samples that, all good, reject a share of bad ones above the limit."""
    _within("delta", delta)
    return ceil(log(delta) / log(1 - limit))


def _of_leaving(
    curves: Leaving,
    bad: Bools,
    most: float,
    quantity: Quantity,
    limit: float,
    delta: float,
    procedure: Procedure,
    fewest: int,
) -> Promise:
    """Test that at most a share `most` of those that leave is bad, where enough leave for a test to succeed."""
    enough = max(fewest, _least(most, delta))
    p = pvalues.binomial(*_counted(curves, bad, curves.left, delta), most)
    leaving = curves.leaving
    if curves.group is not None:  # as many as if each group were good or bad as a whole
        leaving = leaving**2 / np.maximum((curves.left**2).sum(axis=0), 1)
    return _tested(curves, p, leaving >= enough, quantity, limit, delta, procedure)


def _counted(curves: Leaving, bad: Bools, of: Floats, delta: float) -> tuple[Floats, Floats]:
    """How many leave and are bad, and how many of whom that is, `of` [g, G]; of groups the effective numbers."""
    if curves.group is None:
        return curves.count(bad), of.sum(axis=0)
    return pvalues.effective(curves.by_group(bad), of, delta)


def _tested(
    curves: Leaving,
    p: Floats,
    tested: Bools,
    quantity: Quantity,
    limit: float,
    delta: float,
    procedure: Procedure,
    method: str = "",
) -> Promise:
    """The smallest threshold whose hypothesis is rejected."""
    _within("delta", delta)
    if procedure not in get_args(Procedure):
        raise CalibrationError(f"procedure is {procedure!r}; {', '.join(get_args(Procedure))} would do")
    passed = np.flatnonzero(pvalues.rejected(p, tested, delta, procedure))
    if not len(passed):
        at = int(np.where(tested, p, np.inf).argmin())
        if procedure == "fixed-sequence" and tested.any():
            at = int(np.flatnonzero(tested)[-1])  # the walk stopped where it began
        raise RefusalError(
            f"{curves.n} samples cannot support the {quantity} of {limit:g} with confidence {1 - delta:g}: at the "
            f"threshold {curves.grid[at]:g} {curves.leaving[at]:.0f} samples leave and show "
            f"{curves.observed(quantity, at):.3f}; more samples, another demand or a larger delta would do"
        )
    return _promise(curves, int(passed[0]), quantity, limit, delta, method or procedure, "probability")


def _promise(
    curves: Leaving,
    at: int,
    quantity: Quantity,
    limit: float,
    delta: float,
    method: str,
    guarantee: Guarantee,
) -> Promise:
    threshold, leaving = float(curves.grid[at]), int(curves.leaving[at])
    seen = curves.observed(quantity, at)
    return Promise(
        threshold, quantity, limit, delta, curves.n, len(curves.sizes), leaving, seen, method, guarantee
    )


def _within(name: str, value: float) -> float:
    if not 0 < value < 1:
        raise CalibrationError(f"{name} is {value:g}; a number between 0 and 1 would do")
    return value
