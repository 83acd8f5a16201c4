"""Measures on axes: what they are called and in which unit, which way is better, and their means over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axis import Axis
from matplotlib.ticker import PercentFormatter

from mdisim.experiments.written import name_of, unit_of
from mdisim.report.style import FigureError
from mdisim.statistics import t_interval

LESS_IS_BETTER = (
    "latency", "wait", "compute", "transfer", "in_flight", "refused", "lost", "recovery", "sent", "in_system",
    "queued", "out_queued", "cost", "energy", "devices_energy", "outage",
)  # fmt: skip


def is_share(measure: str) -> bool:
    """Whether it is a share from 0 to 1, which axes show in per cent."""
    return unit_of(measure) == "%"


def less_is_better(measure: str) -> bool:
    """Whether the smaller value is the better one; of measures that are not known the larger one is."""
    return measure.startswith(LESS_IS_BETTER)


def words(measure: str) -> str:
    """The name of a measure, or of a parameter by its path, in words."""
    return name_of(measure).replace(".", " ")


def unit(measure: str) -> str:
    """The unit of a measure where it stands alone; "" where it has none."""
    found = unit_of(measure)
    return f"1{found}" if found.startswith("/") else found


def dress(axis: Axis, measure: str) -> None:
    """Name an axis after a measure, with its unit; shares are shown in per cent."""
    axis.set_label_text(f"{words(measure)} ({unit(measure)})" if unit(measure) else words(measure))
    if is_share(measure):
        axis.set_major_formatter(PercentFormatter(1.0, symbol=""))


def check_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise a FigureError where there are no rows, or where a column is not there."""
    lacking = [name for name in columns if name not in frame]
    if lacking:
        raise FigureError(f"no column {lacking[0]!r}; there are {', '.join(map(str, frame.columns))}")
    if frame.empty:
        raise FigureError("a figure of no runs; one or more would do")


def estimates(frame: pd.DataFrame, by: Sequence[str], measure: str) -> pd.DataFrame:
    """Mean of a measure over seeds, and its 95 % interval by Student's t, for each group of rows.

    One row a group, in the order in which they come; columns mean, low and high. A group of one seed has no
    interval (NaN), one in which the measure is NaN for a seed no mean either. Raises a FigureError where a
    column lacks, or where a group has a seed twice, as the points of a sweep have that were not told apart.
    """
    check_columns(frame, [*by, "seed", measure])
    twice = frame.duplicated([*by, "seed"])
    if twice.any():
        where = ", ".join(f"{name} {frame.loc[twice, name].iloc[0]}" for name in [*by, "seed"])
        raise FigureError(f"two runs or more of {where}; pick those of one point, or name the column of points")
    groups = frame.astype({measure: float}).groupby(list(by), sort=False, observed=True)[measure]
    found = [t_interval(values) for _, values in groups]
    return pd.DataFrame(found, index=groups.size().index, dtype=float)
