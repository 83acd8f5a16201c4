"""What several figures mark on their time axes: faults, and the end of the warm-up."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.transforms import offset_copy

from mdisim.faults import merged
from mdisim.report.style import INK, PALE
from mdisim.results import Run

ROW_PT, BAR_PT = 9.0, 5.0  # of the bars above the axes
MOST_ROWS = 8
SHADE = "0.93"


def faults_of(runs: Iterable[Run]) -> pd.DataFrame:
    """The faults that the runs met, each once, by time."""
    table = pd.concat([run.faults for run in runs])
    return table.drop_duplicates().sort_values(["start_s", "end_s"], ignore_index=True)


def shade(ax: Axes, faults: pd.DataFrame, until_s: float) -> None:
    """Shade the times at which something fails."""
    for start_s, end_s in _together(faults, until_s):
        ax.axvspan(start_s, end_s, color=SHADE, linewidth=0.0, zorder=0)


def bars(ax: Axes, faults: pd.DataFrame, until_s: float) -> None:
    """Draw a bar above the axes for each period of a fault: a row for each device or link, with its name.

    Where these would be more than eight rows, there is one for each kind of fault.
    """
    for number, (label, hit) in enumerate(reversed(_rows(faults))):
        above, figure = ROW_PT * number + ROW_PT / 2 + 1.0, ax.get_figure(root=True)
        place = offset_copy(ax.get_xaxis_transform(), figure, y=above, units="points")
        spans = [((start_s, 1.0), (end_s, 1.0)) for start_s, end_s in _together(hit, until_s)]
        drawn = LineCollection(spans, transform=place, clip_on=False, colors=INK, linewidths=BAR_PT)
        ax.add_collection(drawn, autolim=False)
        beside = offset_copy(ax.transAxes, figure, x=-4.0, y=above, units="points")
        ax.text(0.0, 1.0, label, transform=beside, ha="right", va="center", fontsize=7.0)


def warmed_up(ax: Axes, run: Run) -> None:
    """A dotted line where the warm-up ends, if there is one."""
    if run.warmup_s > 0.0:
        ax.axvline(run.warmup_s, color=PALE, linestyle=(0, (1, 2)), linewidth=0.9, zorder=1, label="_warm-up")


def _rows(faults: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """What stands in each row: its label and its periods."""
    each = [(f"{target}: {kind}", hit) for (kind, target), hit in faults.groupby(["kind", "target"], sort=False)]
    if len(each) <= MOST_ROWS:
        return each
    return [(f"{hit['target'].nunique()} × {kind}", hit) for kind, hit in faults.groupby("kind", sort=False)]


def _together(faults: pd.DataFrame, until_s: float) -> list[tuple[float, float]]:
    """Periods within the run, those that overlap made one."""
    periods = [(start, min(end, until_s) if isfinite(end) else until_s) for start, end in
               faults[["start_s", "end_s"]].itertuples(index=False) if start < until_s]  # fmt: skip
    return merged(periods)
