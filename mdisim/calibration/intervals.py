"""How sure a measure is: percentile intervals of the bootstrap, many resamples at once; and a table by exit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from mdisim.calibration import reliability
from mdisim.calibration.checks import CalibrationError
from mdisim.calibration.leaving import numbered

Floats = NDArray[np.float64]
Measure = Callable[..., Floats]
AT_ONCE = 4_000_000  # numbers held for a batch of resamples


class Interval(NamedTuple):
    """A measure's value on the samples as they are, and the interval that its resamples span."""

    value: float
    low: float
    high: float


def bootstrap(
    measure: Measure,
    *arrays: ArrayLike,
    rng: Generator,
    draws: int = 1000,
    level: float = 0.95,
    group: ArrayLike | None = None,
) -> Interval:
    """The percentile interval of a measure of samples (Efron 1979), drawn with replacement.

    Each array has the samples on its first axis; `measure` takes them as [draws, n, ...] and gives [draws], as
    all of `reliability` do. For an error that is above 0 by chance, as ECE, resampling adds that chance again:
    the interval then lies somewhat high. Resamples where the measure is NaN are left out. With a `group` [n]
    groups are drawn, each with all its samples, until there are n samples; the last is cut off.
    """
    data = [np.asarray(array) for array in arrays]
    n = len(data[0])
    if any(len(array) != n for array in data) or n < 1:
        raise CalibrationError(f"arrays have {[len(a) for a in data]} samples; as many in each would do")
    if draws < 1 or not 0 < level < 1:
        raise CalibrationError(f"{draws} draws at level {level:g} give no interval; 1000 at 0.95 would do")
    of = numbered(group, n)
    batch = max(1, AT_ONCE // max(array.size for array in data))
    found = []
    for start in range(0, draws, batch):
        size = (min(batch, draws - start), n)
        rows = rng.integers(0, n, size) if of is None else _whole(of, rng, size)
        found.append(measure(*(array[rows] for array in data)))
    values = np.concatenate(found)
    values = values[~np.isnan(values)]
    tail = (1 - level) / 2
    low, high = np.quantile(values, (tail, 1 - tail)) if len(values) else (np.nan, np.nan)
    return Interval(float(measure(*data)), float(low), float(high))


def _whole(group: NDArray[np.int64], rng: Generator, size: tuple[int, int]) -> NDArray[np.int64]:
    """Rows of samples whose groups were drawn with replacement, [draws, n]."""
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    rows = np.empty(size, dtype=np.int64)
    for row in rows:
        there = 0
        while there < len(row):
            more = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
            row[there : there + len(more)] = more[: len(row) - there]
            there += len(more)
    return rows


def exit_rows(
    confidence: Floats,
    right: NDArray[np.bool_],
    *,
    p_tar: float,
    reached: NDArray[np.bool_] | None = None,
    bins: int = reliability.BINS,
    rng: Generator | None = None,
    draws: int = 1000,
    group: ArrayLike | None = None,
) -> list[dict[str, Any]]:
    """For each exit its accuracy, mean confidence and calibration errors, as rows of a table.

    `confidence`, `right` [n, K]. With `reached` [n, K] (see `stopping.reaches`) only the samples that reach
    the exit count. With `rng` each measure has its 95 % interval beside it, as NAME_low and NAME_high; with a
    `group` [n] groups are resampled. Where no sample reaches an exit its measures are NaN.
    """
    measures: dict[str, Measure] = {
        "ece": partial(reliability.ece, bins=bins),
        "ece_mass": partial(reliability.ece, bins=bins, spacing="mass"),
        "mce": partial(reliability.mce, bins=bins),
        "signed_ece": reliability.signed_ece,
        "brier": reliability.brier_of_right,
        "nll": reliability.nll_of_right,
        "gap_above": partial(reliability.gap_above, threshold=p_tar),
    }
    of = None if group is None else np.asarray(group)
    rows = []
    for k in range(confidence.shape[1]):
        which = slice(None) if reached is None else reached[:, k]
        sure, ok = confidence[which, k], right[which, k]
        row: dict[str, Any] = {"exit": k + 1, "n": len(ok)}
        row |= {"accuracy": _mean(ok), "confidence": _mean(sure)}
        for name, measure in measures.items():
            row |= _cells(name, measure, sure, ok, rng, draws, None if of is None else of[which])
        rows.append(row)
    return rows


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _cells(
    name: str,
    measure: Measure,
    sure: Floats,
    ok: NDArray[np.bool_],
    rng: Generator | None,
    draws: int,
    group: NDArray[Any] | None,
) -> dict[str, float]:
    """One measure of one exit, with its interval if there is a generator."""
    if rng is None:
        return {name: float(measure(sure, ok)) if len(ok) else float("nan")}
    if not len(ok):
        found = Interval(*[float("nan")] * 3)
    else:
        found = bootstrap(measure, sure, ok, rng=rng, draws=draws, group=group)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
