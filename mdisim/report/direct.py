"""Names beside what they name, on axes: next to a mark or along a line, where there is room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from mdisim.report.labels import LEADING, Box, Point, Room, aligned, around, box_at, extent
from mdisim.report.style import beside, dark

Lines = Mapping[str, tuple[ArrayLike, ArrayLike]]  # x and y by name
SIZE = 7.0
ROWS, SMALLEST = 7.5, 5.0  # letters of the names of rows
WRAP = 26  # letters in a line of a name
REACHES = (4.0, 13.0, 24.0, 38.0)  # of a name from what it names, in points; from the second on with a line
FAR = 0.5  # square points that a point of distance is worth
NEAR, MIXED = 5.0, 60.0  # points to another line, and the square points that not knowing which one is worth
OUTSIDE = 1e4  # points
DAB, STEP, MOST_DABS = 2.0, 3.0, 2000  # how wide a line counts, and how often, in points; and at most
MARK = 7.0  # how wide a mark counts, in points
MOST_NAMES = 8  # lines; above it there is a legend
ALONG = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # where on its length a line may have its name


class Canvas(Room):
    """What is taken of axes, all in points; beyond their edges everything is.

    Limits and scales of the axes must be set before. The layout is that of now: where it changes later, names
    keep their distance to what they name.
    """

    def __init__(self, ax: Axes) -> None:
        super().__init__()
        self.ax = ax
        self.names: list[Box] = []
        ax.autoscale_view()
        self.scale = 72.0 / ax.figure.dpi
        left, bottom, right, top = np.array(ax.get_window_extent().extents) * self.scale
        self.corner, self.size = (left, bottom), (right - left, top - bottom)
        self.take((left - OUTSIDE, bottom, left, top))
        self.take((right, bottom, right + OUTSIDE, top))
        self.take((left - OUTSIDE, bottom - OUTSIDE, right + OUTSIDE, bottom))
        self.take((left - OUTSIDE, top, right + OUTSIDE, top + OUTSIDE))

    def shown(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """What of the data has a place on the axes, [n, 2]: what is finite, and above 0 where steps are of ten."""
        data = np.column_stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
        steps = [axis.get_scale() == "log" for axis in (self.ax.xaxis, self.ax.yaxis)]
        return np.asarray(data[(np.isfinite(data) & ((data > 0.0) | ~np.array(steps))).all(axis=1)])

    def points(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Where that is on the page, [n, 2]."""
        return np.asarray(self.ax.transData.transform(self.shown(x, y))) * self.scale

    def take_mark(self, x: float, y: float) -> None:
        """Put a mark there."""
        for there in self.points([x], [y]):
            self.take(box_at((float(there[0]), float(there[1])), (MARK, MARK)))

    def take_line(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Put a line there, from point to point; where it is on the page, every three points or so, [n, 2]."""
        there = self.points(x, y)
        if len(there) < 2:
            return there
        along = np.append(0.0, np.cumsum(np.hypot(*np.diff(there, axis=0).T)))
        at = np.linspace(0.0, along[-1], min(MOST_DABS, int(along[-1] / STEP) + 2))
        dabs = np.column_stack([np.interp(at, along, there[:, 0]), np.interp(at, along, there[:, 1])])
        for dab in dabs:
            self.take(box_at((float(dab[0]), float(dab[1])), (DAB, DAB)))
        return dabs

    def along(self, line: NDArray[np.float64]) -> list[Point]:
        """Some points of a line that was put there, in data; the last ones first."""
        chosen = sorted({round(share * (len(line) - 1)) for share in ALONG if len(line)}, reverse=True)
        data = self.ax.transData.inverted().transform(line[chosen] / self.scale)
        return [(float(x), float(y)) for x, y in data]

    def name(
        self, text: str, spots: Sequence[Point], colour: Any, others: Sequence[NDArray[np.float64]] = ()
    ) -> None:
        """Write a name at one of the spots, in data and the best one first, away from other lines, each [n, 2]."""
        wrapped = fill(text, WRAP, break_on_hyphens=False)
        size, ways = extent(wrapped, SIZE), around(0.0)
        tried: list[tuple[Point, Point, float]] = []
        boxes: list[Box] = []
        worse: list[float] = []
        for spot in spots:
            for at in self.points([spot[0]], [spot[1]]):
                near = sum(bool((np.hypot(*(other - at).T) < NEAR).any()) for other in others)
                for reach, way in product(REACHES, ways):
                    to = at + reach * np.array(way)
                    tried.append((spot, way, reach))
                    boxes.append(box_at((float(to[0]), float(to[1])), size, way))
                    worse.append(FAR * (reach - REACHES[0]) + MIXED * (near + self._crossed(at, to)))
        if boxes:
            best = self.best(boxes, worse)
            self.names.append(boxes[best])
            self._write(wrapped, *tried[best], colour)

    def _crossed(self, start: NDArray[np.float64], end: NDArray[np.float64]) -> int:
        """How many names a line would cross."""
        along = start + np.linspace(0.0, 1.0, 9)[:, None, None] * (end - start)
        there = np.array(self.names).reshape(-1, 4)
        inside = (along > there[:, :2]) & (along < there[:, 2:])
        return int(inside.all(axis=2).any(axis=0).sum())

    def _write(self, text: str, spot: Point, way: Point, reach: float, colour: Any) -> None:
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0.0, "shrinkB": 2.5}
        across, up = aligned(way[0]), aligned(way[1])
        self.ax.annotate(
            text, spot, (reach * way[0], reach * way[1]), textcoords="offset points", color=dark(colour),
            ha=("center", "left", "right")[across], va=("center", "bottom", "top")[up], linespacing=1.0, zorder=6,
            fontsize=SIZE, arrowprops=line if reach > REACHES[0] else None, annotation_clip=False,
            path_effects=[withStroke(linewidth=2.0, foreground="white")],
        )  # fmt: skip


def name_lines(ax: Axes, lines: Lines, colours: Mapping[str, Any], marks: Iterable[Point] = ()) -> None:
    """Write each line's name along it and off the marks; if there are more than eight, a legend beside the axes.

    The lines are drawn already, with these names as labels.
    """
    if len(lines) > MOST_NAMES:
        beside(ax)
        return
    canvas = Canvas(ax)
    taken = {name: canvas.take_line(x, y) for name, (x, y) in lines.items()}
    for mark in marks:
        canvas.take_mark(*mark)
    for name, line in taken.items():
        others = [there for other, there in taken.items() if other != name]
        canvas.name(name, canvas.along(line), colours[name], others)


def name_ends(ax: Axes, lines: Lines, colours: Mapping[str, Any]) -> None:
    """Write each line's name at the right of the axes, at the height of its end; a legend for more than eight.

    Names that would cover each other are moved apart, and a thin line leads to the end. The lines are drawn
    already, with these names as labels.
    """
    if len(lines) > MOST_NAMES:
        beside(ax)
        return
    canvas = Canvas(ax)
    ends = {name: canvas.shown(x, y)[-1:] for name, (x, y) in lines.items()}
    at = {name: float(canvas.points(*end.T)[0, 1]) for name, end in ends.items() if len(end)}
    texts = {name: fill(name, WRAP) for name in at}
    names = sorted(at, key=at.__getitem__)
    moved = apart([at[name] for name in names], [extent(texts[name], SIZE)[1] for name in names])
    bottom, (width, height) = canvas.corner[1], canvas.size
    for name, up in zip(names, moved, strict=True):
        line = {"arrowstyle": "-", "color": colours[name], "linewidth": 0.5, "shrinkA": 0.0, "shrinkB": 2.5}
        ax.annotate(
            texts[name], tuple(ends[name][0]), (1.0 + REACHES[1] / width, (up - bottom) / height), fontsize=SIZE,
            textcoords="axes fraction", ha="left", va="center", color=dark(colours[name]), linespacing=1.0,
            arrowprops=line, annotation_clip=False,
        )  # fmt: skip


def apart(at: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Rising positions of things of these heights, moved as little as is needed for none to cover another.

    Things that touch stand around the middle of where they should be.
    """
    groups: list[list[int]] = []
    for number in range(len(at)):
        groups.append([number])
        while len(groups) > 1 and _bottom(groups[-1], at, heights) < _top(groups[-2], at, heights):
            last = groups.pop()
            groups[-1] += last
    found: list[float] = []
    for group in groups:
        below = _bottom(group, at, heights)
        for i in group:
            found.append(below + heights[i] / 2)
            below += heights[i]
    return found


def _bottom(group: Sequence[int], at: Sequence[float], heights: Sequence[float]) -> float:
    """Of a pile, whose members are on average where they should be."""
    below = np.cumsum([0.0] + [heights[i] for i in group[:-1]])
    return float(np.mean([at[i] - heights[i] / 2 - low for i, low in zip(group, below, strict=True)]))


def _top(group: Sequence[int], at: Sequence[float], heights: Sequence[float]) -> float:
    return _bottom(group, at, heights) + sum(heights[i] for i in group)


def rows(ax: Axes, names: Mapping[float, str], span: float) -> None:
    """Name what stands at these heights, which are a step of 1 apart on axes that are `span` high.

    Long names have several lines, in letters that are as small as they need be.
    """
    high = LEADING * _lines(names.values())
    letters = max(SMALLEST, min(ROWS, Canvas(ax).size[1] / span / high))
    ax.set_yticks(list(names), [fill(name, WRAP) for name in names.values()], fontsize=letters, linespacing=1.0)
    ax.tick_params("y", length=0.0)


def row_in(least_in: float, names: Iterable[str]) -> float:
    """How high a row must be for names of full size, in inches."""
    return max(least_in, _lines(names) * LEADING * ROWS / 72.0)


def _lines(names: Iterable[str]) -> int:
    """Of the longest name."""
    return max((fill(name, WRAP).count("\n") + 1 for name in names), default=1)


def columns(ax: Axes, names: Sequence[str]) -> None:
    """Name what stands side by side; upright where there is no room."""
    wide = max((extent(name, ROWS)[0] for name in names), default=0.0)
    narrow = wide > Canvas(ax).size[0] / max(len(names), 1)
    texts = [" ".join(name.split("\n")) if narrow else name for name in names]
    ax.set_xticks(np.arange(len(names)) + 0.5, texts, rotation=90.0 if narrow else 0.0)
    ax.tick_params("x", length=0.0)
