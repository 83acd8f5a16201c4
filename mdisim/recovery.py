"""How throughput fares while something fails, and how long it takes to come back: functions of a run's tables."""

from __future__ import annotations

from math import ceil, isfinite, nan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mdisim.errors import InputError

if TYPE_CHECKING:
    from mdisim.results import Run

Floats = NDArray[np.float64]
LOST = ("crash", "outage", "source-down")
COLUMNS = (
    "kind", "target", "start_s", "end_s", "before_per_s", "lowest_per_s", "recovery_s", "lost", "retried",
)  # fmt: skip
WINDOW_S = 10.0
SHARE = 0.9
BEFORE_S = 60.0
_SLACK = 1e-9  # of a window: what rounding takes from a whole one


class RecoveryError(InputError):
    """What is asked for cannot be measured; the message says what would do."""


def throughput_over_time(run: Run, window_s: float = WINDOW_S, start_s: float = 0.0) -> pd.Series[float]:
    """Answers per second in windows of `window_s` [s] laid end to end from `start_s`, by each window's end [s].

    Answers count when they are given, whenever their samples were born. Only whole windows are there, the last
    one ending by `duration_s`; the warm-up is not left out. Raises a RecoveryError where windows have no width.
    """
    return _over_time(_answers_s(run), run.duration_s, window_s, start_s).rename("throughput_per_s")


def admitted_over_time(run: Run, window_s: float = WINDOW_S, start_s: float = 0.0) -> pd.Series[float]:
    """Samples admitted per second, in windows as those of `throughput_over_time`."""
    times_s = np.sort(run.tasks["admitted_s"].dropna().to_numpy(dtype=float))
    return _over_time(times_s, run.duration_s, window_s, start_s).rename("admitted_per_s")


def _over_time(times_s: Floats, until_s: float, window_s: float, start_s: float) -> pd.Series[float]:
    """How many of these times, in order, lie in each window, per second."""
    if not (isfinite(window_s) and window_s > 0.0):
        raise RecoveryError(f"windows of {window_s!r} s will not do; seconds above 0 would")
    count = max(int((until_s - start_s) / window_s + _SLACK), 0)
    edges = start_s + window_s * np.arange(count + 1)
    rates = np.diff(np.searchsorted(times_s, edges)) / window_s
    return pd.Series(rates, index=pd.Index(edges[1:], name="time_s"))


def recovery(
    run: Run, window_s: float = WINDOW_S, share: float = SHARE, before_s: float = BEFORE_S
) -> pd.DataFrame:
    """What each fault did to the throughput of a run: one row per row of `run.faults`, in their order.

    Throughput is counted in windows of `window_s` [s] laid end to end from the fault's start.

    `kind`, `target`, `start_s`, `end_s` [s]: as in `run.faults`.
    `before_per_s`: mean answers per second in the `before_s` [s] before the fault, without the warm-up, whatever
    else failed then; NaN where the fault starts within the warm-up or as it ends. After an earlier fault it is no
    more than the samples that were born in that time and were answered: what is made up for then is not normal.
    `recovery_s` [s]: from the fault's start to the end of the last stretch of low windows that begins during
    the fault, and so a multiple of `window_s`. A window is low if its throughput is below `share` of before; a
    stretch may go on after the fault's end. 0 where no stretch begins during the fault; NaN where the run ends
    first, or where before is not known.
    `lowest_per_s`: the lowest throughput of the windows up to the recovery, or of those that begin during the
    fault if that is later; NaN where the run ends within the first.
    `lost`: samples that were in the system, or were born, during the fault and ended as crash, outage or
    source-down, be it later. `retried`: of the samples in the system during the fault, those that were tried
    again at any time.

    Faults at the same time are not told apart: each is charged with what all of them did. Raises a
    RecoveryError where the windows have no width or the share is not above 0 and at most 1.
    """
    if not 0.0 < share <= 1.0:
        raise RecoveryError(f"a share of {share!r} will not do; one above 0 and at most 1 would")
    rows = [] if run.faults.empty else _rows(run, window_s, share, before_s)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds = dict.fromkeys(COLUMNS[:2], "str") | dict.fromkeys(COLUMNS[2:7], "float64")
    return table.astype(kinds | dict.fromkeys(COLUMNS[7:], "int64"))


def _rows(run: Run, window_s: float, share: float, before_s: float) -> list[tuple[object, ...]]:
    """The rows of `recovery`."""
    answers_s, births_s = _answers_s(run), np.sort(run.tasks.loc[run.tasks["status"] == "answered", "born_s"])
    first_s = float(run.faults["start_s"].min())
    lost, retried = run.tasks[run.tasks["status"].isin(LOST)], run.tasks[run.tasks["retries"] > 0]
    rows: list[tuple[object, ...]] = []
    for kind, target, start_s, end_s in run.faults[["kind", "target", "start_s", "end_s"]].itertuples(index=False):
        before = _mean(answers_s, max(start_s - before_s, run.warmup_s), start_s)
        if start_s > first_s:
            before = min(before, _mean(births_s, max(start_s - before_s, run.warmup_s), start_s))
        rates = np.asarray(_over_time(answers_s, run.duration_s, window_s, start_s), dtype=np.float64)
        lowest, windows = _fared(rates, rates < share * before, (end_s - start_s) / window_s)
        took_s = nan if np.isnan(before) else windows * window_s
        hit = _there(lost, start_s, end_s), _there(retried, start_s, end_s)
        rows.append((kind, target, start_s, end_s, before, lowest, took_s, *hit))
    return rows


def _answers_s(run: Run) -> Floats:
    """When answers were given, in order."""
    return np.sort(run.tasks["done_s"].to_numpy(dtype=float)[(run.tasks["status"] == "answered").to_numpy()])


def _mean(times_s: Floats, from_s: float, to_s: float) -> float:
    """How many of these times, in order, lie between two, per second."""
    if from_s >= to_s:
        return nan
    first, end = np.searchsorted(times_s, (from_s, to_s))
    return float(end - first) / (to_s - from_s)


def _fared(rates: Floats, low: NDArray[np.bool_], length: float) -> tuple[float, float]:
    """The lowest rate, and after how many windows all is well; the fault is so many windows long."""
    if not len(rates):
        return nan, nan
    during = min(max(ceil(length - _SLACK), 1), len(rates)) if isfinite(length) else len(rates)
    if not low[:during].any():
        return float(rates[:during].min()), 0.0
    last = int(np.flatnonzero(low[:during])[-1])
    good = np.flatnonzero(~low[last:])
    well = last + int(good[0]) if len(good) else len(rates)
    return float(rates[: max(during, well)].min()), float(well) if len(good) else nan


def _there(tasks: pd.DataFrame, start_s: float, end_s: float) -> int:
    """How many of these samples were in the system between two times."""
    return int(((tasks["born_s"] < end_s) & ~(tasks["done_s"] < start_s)).sum())
