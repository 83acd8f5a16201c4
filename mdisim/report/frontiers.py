"""What can be had at once: one measure against another with their intervals, and measures over a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mdisim.experiments.written import quantity
from mdisim.report.direct import SIZE, Canvas, name_ends
from mdisim.report.given import check_paths, rows_of
from mdisim.report.labels import ASPECT
from mdisim.report.measures import dress, estimates, less_is_better
from mdisim.report.style import INK, PALE, axes, line_of, look, mark_of, page

if TYPE_CHECKING:
    from mdisim.experiments.comparison import Comparison
    from mdisim.experiments.sweep.sweep import Sweep

FRONTIERS = (  # of a comparison
    ("throughput_per_s", "accuracy"), ("latency_p95_s", "accuracy"), ("latency_p95_s", "in_time_accuracy"),
)  # fmt: skip
HIGH_IN = 3.2
BOUNDS = {"throughput_per_s": "throughput_bound_per_s", "accuracy": "accuracy_bound"}
BOUND: dict[str, Any] = {"color": INK, "linestyle": (0, (1, 1.5)), "linewidth": 1.2, "zorder": 1}
BEST: dict[str, Any] = {"color": PALE, "linewidth": 2.5, "alpha": 0.5, "zorder": 1, "label": "_best"}


class Bound(NamedTuple):
    """A line that cannot be crossed: what is said of it, where it is, and whether it is upright."""

    text: str
    value: float
    upright: bool

    def line(self, ax: Axes) -> NDArray[np.float64]:
        """The bound across the axes, as 21 points."""
        along = np.linspace(*(ax.get_ylim() if self.upright else ax.get_xlim()), 21)
        across = np.full(len(along), self.value)
        return np.column_stack([across, along] if self.upright else [along, across])


@look()
def frontier(
    given: Comparison | Sweep | pd.DataFrame,
    x: str = "throughput_per_s",
    y: str = "accuracy",
    *,
    point: str | None = None,
    bounds: Mapping[str, float] | None = None,
    own_bounds: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw one measure against another: a mark a policy, at the means over seeds with 95 % intervals both ways.

    A grey line of steps joins the marks than which none is better in both means. A table with a row a run will
    do, too: columns policy, seed, and both measures. With `point`, the path of a parameter that was swept,
    each policy is a line through its points, by that parameter. `bounds` are the best values possible, by the
    names `throughput_bound_per_s`, `accuracy_bound` or the measure's own; those of the two measures are dotted
    lines, others and those that are not finite are not drawn. With `own_bounds` a thin dotted line leads from
    each mark to the x that its own runs could have had at most (`throughput_bound_per_s` of throughput). Returns
    the axes. Raises a FigureError where rows or columns lack, or where a seed comes twice in a mark.
    """
    check_paths(given, *([] if point is None else [point]))
    frame = rows_of(given)
    by = ["policy"] if point is None else ["policy", point]
    at = {side: estimates(frame, by, measure) for side, measure in (("x", x), ("y", y))}
    if own_bounds:
        at["most"] = estimates(frame, by, BOUNDS.get(x, x))
    ax = axes(ax, HIGH_IN)
    policies = at["x"].index.get_level_values(0)
    parts = {
        policy: {side: _part(table, policies == policy, point) for side, table in at.items()}
        for policy in policies.unique()
    }
    for number, part in enumerate(parts.values()):
        _marks(ax, part, number, joined=point is not None)
    dress(ax.xaxis, x)
    dress(ax.yaxis, y)
    told = _bounds(ax, x, y, bounds or {})
    best = _steps(at["x"]["mean"].to_numpy(), at["y"]["mean"].to_numpy(), less_is_better(x), less_is_better(y))
    ax.plot(*best.T, **BEST)
    ax.margins(0.1)
    _name(ax, parts, best, told)
    points = {policy: np.isfinite(part["x"]["mean"] + part["y"]["mean"]) for policy, part in parts.items()}
    _lacking(ax, [str(policy) for policy, there in points.items() if not there.any()])
    return ax


def _part(table: pd.DataFrame, rows: NDArray[np.bool_], point: str | None) -> pd.DataFrame:
    return table[rows] if point is None else table[rows].sort_index(level=point)


def _marks(ax: Axes, part: Mapping[str, pd.DataFrame], number: int, *, joined: bool) -> None:
    """The marks of one policy, and their intervals where there are such."""
    style = mark_of(number) | ({"linestyle": line_of(number)["linestyle"]} if joined else {"linestyle": "none"})
    x, y = part["x"], part["y"]
    ax.plot(x["mean"], y["mean"], **style, zorder=4, label=x.index[0][0] if joined else x.index[0])
    thin = {"color": style["color"], "linewidth": 0.9, "zorder": 3}
    ax.hlines(y["mean"], x["low"], x["high"], **thin)
    ax.vlines(x["mean"], y["low"], y["high"], **thin)
    if "most" in part:
        most = part["most"]["mean"]
        ax.hlines(y["mean"], x["mean"], most, label="_most", **thin | {"linestyle": (0, (1, 2)), "zorder": 2})
        ax.plot(most, y["mean"], "|", color=style["color"], markersize=7.0, label="_most")


def _steps(x: NDArray[np.float64], y: NDArray[np.float64], less_x: bool, less_y: bool) -> NDArray[np.float64]:
    """The corners [n, 2] of the line of steps through the points than which none is better both ways."""
    rank = np.column_stack([-x if less_x else x, -y if less_y else y])
    order = [i for i in np.lexsort((-rank[:, 1], -rank[:, 0])) if np.isfinite(rank[i]).all()]
    kept: list[int] = []
    for i in order:
        if not kept or rank[i, 1] > rank[kept[-1], 1]:
            kept.append(i)
    corners: list[tuple[float, float]] = []
    for i in kept:
        if corners:
            corners.append((float(x[i]), corners[-1][1]))
        corners.append((float(x[i]), float(y[i])))
    return np.array(corners).reshape(-1, 2)


def _bounds(ax: Axes, x: str, y: str, bounds: Mapping[str, float]) -> list[Bound]:
    """Draw the bounds of the axes' measures."""
    known = {measure: bounds.get(BOUNDS.get(measure, measure), bounds.get(measure, nan)) for measure in (x, y)}
    told = [
        Bound(f"bound: {quantity(measure, known[measure])}", known[measure], measure == x)
        for measure in known
        if isfinite(known[measure])
    ]
    for bound in told:
        draw = ax.axvline if bound.upright else ax.axhline
        draw(bound.value, label="_bound", **BOUND)
    return told


def _name(
    ax: Axes, parts: Mapping[str, Mapping[str, pd.DataFrame]], best: NDArray[np.float64], told: Sequence[Bound]
) -> None:
    """Write the names of policies and bounds where there is room for them."""
    canvas = Canvas(ax)
    canvas.take_line(*best.T)
    for part in parts.values():
        for x, y in zip(part["x"].to_numpy(), part["y"].to_numpy(), strict=True):
            canvas.take_mark(x[0], y[0])
            canvas.take_line(x[1:], y[[0, 0]])
            canvas.take_line(x[[0, 0]], y[1:])
        if "most" in part:
            for x_mean, y_mean, most in zip(
                part["x"]["mean"], part["y"]["mean"], part["most"]["mean"], strict=True
            ):
                canvas.take_line([x_mean, most], [y_mean, y_mean])
        canvas.take_line(part["x"]["mean"], part["y"]["mean"])
    lines = [bound.line(ax) for bound in told]
    for line in lines:
        canvas.take_line(*line.T)
    for bound, line in zip(told, lines, strict=True):
        canvas.name(bound.text, [(float(a), float(b)) for a, b in line[[19, 1, 10]]], INK)
    for number, (policy, part) in enumerate(parts.items()):
        marks = list(zip(part["x"]["mean"].tolist(), part["y"]["mean"].tolist(), strict=True))
        canvas.name(str(policy), marks[::-1], line_of(number)["color"])


def _lacking(ax: Axes, names: Sequence[str]) -> None:
    """Say above the axes what has no point in them."""
    if names:
        told = f"no point, as a mean is not known: {', '.join(names)}"
        letters = max(1, int(Canvas(ax).size[0] / (ASPECT * SIZE)))
        ax.set_title(fill(told, letters), loc="left", fontsize=SIZE)


@look()
def compared(comparison: Comparison) -> Figure:
    """Draw the frontiers of a comparison, one below the other, that of throughput with each policy's own bound."""
    known = [pair for pair in FRONTIERS if {*pair} <= {*comparison.runs}]
    figure = page(HIGH_IN * len(known))
    for (x, y), ax in zip(known, figure.subplots(len(known), squeeze=False).flat, strict=True):
        frontier(comparison, x, y, own_bounds=x in BOUNDS, ax=ax)
    return figure


@look()
def swept(
    given: Sweep | pd.DataFrame,
    x: str,
    y: str = "throughput_per_s",
    *,
    hue: str = "policy",
    ax: Axes | None = None,
) -> Axes:
    """Draw a measure over a parameter that was swept: a line a policy at the means over seeds, 95 % bands.

    Of a sweep the runs that are done count; a table will do that has a row a run and the columns seed, `x` (the
    parameter's path), `y` and `hue`, each value of which has a line of its own. Values that are no numbers stand
    side by side in the order in which they come. Up to eight lines have their names beside them, more a legend.
    Returns the axes. Raises a FigureError where rows or columns lack, where a sweep does not move `x` or `hue`, or
    where a seed comes twice at a point of a line.
    """
    check_paths(given, x, hue)
    rows = rows_of(given)
    if not isinstance(given, pd.DataFrame) and x in given.paths:
        rows, x = rows.rename(columns={x: given.head(x)}), given.head(x)
    table = estimates(rows, [hue, x], y).reset_index()
    ax = axes(ax, 2.8)
    numbers = pd.api.types.is_numeric_dtype(table[x]) and not pd.api.types.is_bool_dtype(table[x])
    codes, kinds = pd.factorize(table[x])
    table["at"] = table[x] if numbers else codes
    if not numbers:
        ax.set_xticks(range(len(kinds)), [str(kind) for kind in kinds])
    lines: dict[str, tuple[ArrayLike, ArrayLike]] = {}
    colours = {}
    for number, (value, part) in enumerate(table.groupby(hue, sort=False, observed=True)):
        part = part.sort_values("at")
        label, style = str(value) if hue == "policy" else f"{hue} {value}", mark_of(number) | line_of(number)
        ax.plot(part["at"], part["mean"], label=label, **style)
        ax.fill_between(part["at"], part["low"], part["high"], color=style["color"], alpha=0.18, linewidth=0.0)
        lines[label] = (part["at"].to_numpy(dtype=float), part["mean"].to_numpy())
        colours[label] = style["color"]
    dress(ax.xaxis, x)
    dress(ax.yaxis, y)
    ax.margins(x=0.03)
    name_ends(ax, lines, colours)
    _lacking(ax, [label for label, (_, y) in lines.items() if not np.isfinite(y).any()])
    return ax
