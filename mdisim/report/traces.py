"""Traces as figures: the rate over time, how often which rate, and for how long a rate resembles itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import NullFormatter

from mdisim.folders import AnyPath
from mdisim.report.style import FigureError, beside, line_of, look, page, save
from mdisim.traces import Trace, resampled
from mdisim.traces.trace import Floats

MOST_TRACES = 10
MOST_KNOTS = 4000  # drawn of a trace; one with more is averaged over as many equal steps
LAGS = 120  # at most, and at most half of the trace
APART = 10.0  # means, above which rates are shown in steps of ten
OUTAGE = "#f4c7b5"
ROW_IN, LOWER_IN = 0.85, 1.9


@look()
def trace(
    traces: Trace | Mapping[str, Trace], figure: Figure | SubFigure | None = None, step_s: float = 1.0
) -> Figure | SubFigure:
    """Draw traces, each in a row of its own: rates over time with outages shaded; below, for all of them, the
    share of time at or below each rate, and the autocorrelation of the rate over lags in steps of `step_s` [s].

    A trace of more than 4,000 knots is drawn as means over so many equal steps. Returns the figure. Raises a
    FigureError where there are no traces, or more than ten.
    """
    given = {"": traces} if isinstance(traces, Trace) else dict(traces)
    if not 1 <= len(given) <= MOST_TRACES:
        raise FigureError(f"a figure of {len(given)} traces; from 1 to {MOST_TRACES} would do")
    figure = page(ROW_IN * len(given) + LOWER_IN + 0.3) if figure is None else figure
    grid = figure.add_gridspec(len(given) + 1, 2, height_ratios=[ROW_IN] * len(given) + [LOWER_IN])
    shares = figure.add_subplot(grid[-1, 0])
    alike = figure.add_subplot(grid[-1, 1])
    for number, (name, one) in enumerate(given.items()):
        ax = figure.add_subplot(grid[number, :])
        _over_time(ax, one, number)
        ax.set_title(name)
        _distribution(shares, one, number, name)
        _autocorrelation(alike, one, number, name, step_s)
    ax.set_xlabel("time (s)")
    _scale(shares, list(given.values()))
    shares.set(xlabel="rate (Mbps)", ylabel="share of time\nat or below", ylim=(0.0, 1.0))
    alike.set(xlabel="lag (s)", ylabel="autocorrelation\nof the rate", xlim=(0.0, None))
    alike.axhline(0.0, color="0.6", linewidth=0.6)
    if len(given) > 1:
        beside(alike)
    return figure


def save_traces(traces: Mapping[str, Trace], path: AnyPath, step_s: float = 1.0) -> Path:
    """Draw traces as `trace` does and write the figure, by the path's ending; raises a FigureError."""
    return save(trace(traces, step_s=step_s), path)


def _over_time(ax: Axes, one: Trace, number: int) -> None:
    drawn = one if len(one) <= MOST_KNOTS else resampled(one, one.duration_s / MOST_KNOTS)
    edges = np.append(drawn.time_s, drawn.duration_s)
    ax.stairs(drawn.rate_bps / 1e6, edges, baseline=None, color=line_of(number)["color"], linewidth=0.9)
    for start_s, end_s in _outages(one):
        ax.axvspan(start_s, end_s, color=OUTAGE, linewidth=0.0, zorder=0)
    ax.set(xlim=(0.0, one.duration_s), ylabel="Mbps")
    ax.set_ylim(bottom=0.0)


def _outages(one: Trace) -> list[tuple[float, float]]:
    """From when to when nothing moves."""
    still = np.concatenate(([False], one.rate_bps == 0.0, [False]))
    turns = np.flatnonzero(np.diff(still))
    edges = np.append(one.time_s, one.duration_s)
    return [(float(edges[a]), float(edges[b])) for a, b in turns.reshape(-1, 2)]


def _distribution(ax: Axes, one: Trace, number: int, name: str) -> None:
    order = np.argsort(one.rate_bps, kind="stable")
    below = np.cumsum(one.widths_s[order]) / one.duration_s
    rates = one.rate_bps[order] / 1e6
    if len(rates) > MOST_KNOTS:
        kept = np.searchsorted(below, np.linspace(0.0, 1.0, MOST_KNOTS)).clip(max=len(rates) - 1)
        rates, below = rates[kept], below[kept]
    ax.step([rates[0], *rates], [0.0, *below], where="post", label=name, **line_of(number))


def _scale(ax: Axes, traces: Sequence[Trace]) -> None:
    """Rates in steps of ten where the traces' means are so far apart that some would vanish at the axis."""
    means = [one.mean_bps() for one in traces if one.mean_bps()]
    if means and max(means) > APART * min(means):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xlim(left=min(means) / 1e6 / APART)
    else:
        ax.set_xlim(left=0.0)


def _autocorrelation(ax: Axes, one: Trace, number: int, name: str, step_s: float) -> None:
    values = _correlations(resampled(one, step_s).rate_bps)
    ax.plot(step_s * np.arange(len(values)), values, label=name, **line_of(number))


def _correlations(rates: Floats) -> Floats:
    """The autocorrelation at lags of 0, 1, ... steps; none where the rate is always the same."""
    off = rates - rates.mean()
    square = float(off @ off)
    if not square > 1e-18 * float(rates @ rates):
        return np.zeros(0)
    lags = min(LAGS, len(off) // 2)
    return np.array([float(off[: len(off) - lag] @ off[lag:]) / square for lag in range(lags + 1)])
