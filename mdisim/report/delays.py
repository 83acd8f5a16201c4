"""How long answers take: their latencies as a distribution, or its tail, beside the deadline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from mdisim.metrics import latency_quantile_s, latency_s
from mdisim.report.direct import SIZE, name_lines
from mdisim.report.given import Runs, several
from mdisim.report.style import INK, PALE, axes, line_of, look, mark_of, plain_numbers, quantity
from mdisim.results import Run

QUANTILES = (0.5, 0.95, 0.99)
STEPS, WIDE = (1.0, 2.0, 5.0), 30.0  # of the axis; up to how many times longer the longest latency may be
MOST_KNOTS = 2000  # of a line
DEADLINE: dict[str, Any] = {"color": INK, "linestyle": (0, (1, 1.5)), "linewidth": 1.2, "zorder": 1}
LEVEL: dict[str, Any] = {"color": PALE, "linewidth": 0.5, "zorder": 1}


@look()
def latencies(runs: Runs, *, tail: bool = False, ax: Axes | None = None) -> Axes:
    """Draw which share of the answers comes within which latency, a line a run; latencies are in steps of ten.

    With `tail` it is the share that comes later, in steps of ten too, so that the slowest can be told apart.
    Counted are the samples that `mdisim.metrics.latency_s` counts: born after the warm-up and answered by the
    end. Marks are at the p50, p95 and p99; dotted lines are the sources' deadlines. Of more than 2,000 answers
    as many quantiles are drawn, all of the slowest ones among them. Returns the axes. Raises a FigureError
    where there is no run.
    """
    given = several(runs)
    ax = axes(ax, 2.8)
    lines: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    marks: list[tuple[float, float]] = []
    for number, (label, run) in enumerate(given.items()):
        late, within = _steps(run)
        shown = 1.0 - within if tail else within
        ax.step(late, shown, where="post", label=label, **line_of(number))
        at = [(latency_quantile_s(run, q), 1.0 - q if tail else q) for q in QUANTILES if len(late)]
        ax.plot(*np.array(at).reshape(-1, 2).T, **mark_of(number), linestyle="none")
        marks += at
        lines[label] = (np.repeat(late, 2)[1:], np.repeat(shown, 2)[:-1])
    if any((late > 0.0).any() for late, _ in lines.values()):
        _across(ax)
    _up(ax, tail)
    ax.xaxis.set_major_formatter(EngFormatter(unit="s"))
    ax.set(xlabel="latency", ylabel=f"share of answers\n{'later' if tail else 'within'}")
    _deadlines(ax, given)
    name_lines(ax, lines, {label: line_of(number)["color"] for number, label in enumerate(given)}, marks)
    return ax


def _steps(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latencies [s], rising, and the share of the answers that come within each."""
    late = np.sort(latency_s(run).to_numpy())
    n = len(late)
    kept = np.arange(n)
    if n > MOST_KNOTS:
        slowest = n - np.round(np.geomspace(1.0, n, MOST_KNOTS // 2)).astype(int)
        kept = np.union1d(slowest, np.round(np.linspace(0, n - 1, MOST_KNOTS // 2)).astype(int))
    return np.asarray(late[kept], dtype=np.float64), np.asarray((kept + 1) / max(n, 1), dtype=np.float64)


def _across(ax: Axes) -> None:
    """Latencies in steps of ten, and if these are few, with ticks between."""
    ax.set_xscale("log")
    ax.margins(x=0.03)
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=STEPS if high < WIDE * low else STEPS[:1]))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _up(ax: Axes, tail: bool) -> None:
    """Shares, with the levels of the quantiles."""
    for q in QUANTILES:
        level = 1.0 - q if tail else q
        ax.axhline(level, label="_level", **LEVEL)
        ax.annotate(f"p{100 * q:g}", (0.0, level), (2.0, 0.0), xycoords=ax.get_yaxis_transform(), fontsize=SIZE,
                    textcoords="offset points", va="top" if q == 0.95 else "bottom")  # fmt: skip
    if tail:
        ax.set_yscale("log")
        plain_numbers(ax.yaxis)
    else:
        ax.set_ylim(0.0, 1.06)


def _deadlines(ax: Axes, runs: Mapping[str, Run]) -> None:
    found = {float(late) for run in runs.values() for late in run.sources["deadline_s"] if np.isfinite(late)}
    for deadline_s in sorted(found):
        ax.axvline(deadline_s, label="_deadline", **DEADLINE)
        text = f"deadline {quantity(deadline_s, 's')}"
        ax.annotate(text, (deadline_s, 1.0), (0.0, 2.0), xycoords=ax.get_xaxis_transform(), fontsize=SIZE,
                    textcoords="offset points", ha="center", va="bottom")  # fmt: skip
