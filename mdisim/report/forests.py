"""Which policy is better: differences to the first one, paired by seed, with their intervals."""

from __future__ import annotations

from math import floor, log10
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from mdisim.experiments.comparison import Comparison
from mdisim.experiments.written import SIGNIFICANT
from mdisim.report.direct import SIZE, row_in, rows
from mdisim.report.measures import check_columns, is_share, less_is_better, unit, words
from mdisim.report.style import INK, FigureError, axes, line_of, look

ROW_IN = 0.24
WRAP = 40  # letters in a line of the axis' name
CLEAR, UNCLEAR = line_of(0)["color"], "0.45"


@look()
def differences(comparison: Comparison, measure: str = "throughput_per_s", ax: Axes | None = None) -> Axes:
    """Draw how much more of a measure each policy has than the first, paired by seed, with 95 % intervals.

    The numbers are those of `Comparison.table`, in the unit of the measure, shares in percentage points. A mark
    is full where a policy differs from the first with p < 0.05, adjusted for how many are compared, else
    hollow; of one seed there are neither intervals nor p, and all are hollow. Returns the axes. Raises a
    FigureError where there is only one policy or no such measure.
    """
    check_columns(comparison.runs, [measure])
    first, *others = comparison.policies
    if not others:
        raise FigureError(f"differences of {first!r} alone; two policies or more would do")
    table = comparison.table([measure])[measure].loc[others]
    ax = axes(ax, row_in(ROW_IN, others) * len(table) + 0.75)
    ax.axvline(0.0, color=INK, linewidth=0.8, label="_none")
    factor = 100.0 if is_share(measure) else 1.0
    for at, (_, row) in enumerate(table.iterrows()):
        _row(ax, at, row, factor)
    ax.set_ylim(len(table) - 0.4, -0.6)
    rows(ax, {float(at): str(label) for at, label in enumerate(table.index)}, len(table) + 0.2)
    ax.grid(visible=False, axis="y")
    if is_share(measure):
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    ax.set_xlabel(_title(measure, first))
    return ax


def _title(measure: str, first: str) -> str:
    better = f"{'less' if less_is_better(measure) else 'more'} is better"
    told = ["percentage points" if is_share(measure) else unit(measure), better]
    title = fill(f"{words(measure)}, difference to {first}", WRAP, break_on_hyphens=False)
    return f"{title}\n({'; '.join(filter(None, told))})"


def _row(ax: Axes, at: float, row: pd.Series[float], factor: float) -> None:
    """One policy: its mark, its interval, and both in words at the right."""
    mean, low, high = (float(row[name]) for name in ("difference", "difference_low", "difference_high"))
    clear = bool(row["difference_p"] < SIGNIFICANT)
    colour = CLEAR if clear else UNCLEAR
    ax.hlines(at, low, high, color=colour, linewidth=1.4)
    ax.plot(mean, at, "o", markersize=5.0, color=colour, markerfacecolor=colour if clear else "white")
    told = _in_words(factor * mean, factor * low, factor * high)
    ax.annotate(told, (1.0, at), (4.0, 0.0), xycoords=ax.get_yaxis_transform(), textcoords="offset points",
                va="center", fontsize=SIZE)  # fmt: skip


def _in_words(mean: float, low: float, high: float) -> str:
    """A difference with its interval, to two figures of half of that."""
    if not np.isfinite(low):
        return f"{mean:+.3g}".replace("-", "−")
    half = (high - low) / 2
    places = max(0, 1 - floor(log10(half))) if half > 0.0 else 3
    mean = round(mean, places) + 0.0  # no minus before a zero
    return f"{mean:+.{places}f} [{low:.{places}f}, {high:.{places}f}]".replace("-", "−")
