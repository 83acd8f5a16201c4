"""A picture of a world's network: devices, who is joined to whom, and what the links are like."""

from __future__ import annotations

from collections.abc import Mapping
from math import atan2, degrees, hypot, pi
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from mdisim.report.labels import Point, Room, aligned, around, box_at, extent
from mdisim.report.layouts import places
from mdisim.report.style import INK, MARKERS, WIDTH_IN, axes, grey, line_of, look
from mdisim.report.words import link_in_words, medium_in_words, ranges_in_words, rate_in_words
from mdisim.world import World

MOST_NAMES = 60  # devices; above it names would cover each other
MOST_LABELS = 12  # lines with a label of their own
MANY = 200  # lines; more are drawn thinner
MOST_CLASSES = 6  # ways of drawing lines
TURNED = 20  # devices in a circle; above it names need to be turned
ALONG = (0.5, 0.4, 0.6, 0.3, 0.7)  # where on a line its label may stand
BOW = 0.14  # of its length, by which an arrow leaves the straight line
MARGIN = 0.3
HIGHEST_IN, WIDEST_IN = 7.0, (1.2, 1.8)  # of a picture; of the distance 1, without labels on lines and with
ABOUT = 0.9  # of the size asked for is left when names and the legend have their room
DABS, DAB = 16, 2.0  # how many along a line count as taken, and how wide each is, in points
RING, GAP = 3.0, 4.0  # around a source, and before a name, in points


class Line(NamedTuple):
    """A line of the picture, from one device to another: what it is like, whether the way back is just so, and
    how far it is bowed to leave room for a way back that differs.
    """

    start: int
    end: int
    text: str
    alike: bool
    bow: float

    def point(self, at: NDArray[np.float64], along: float) -> Point:
        """Where it is after a share of its length; the devices are at [D, 2]."""
        (x, y), (dx, dy) = at[self.start], at[self.end] - at[self.start]
        out = 2.0 * self.bow * along * (1.0 - along)
        return float(x + along * dx + out * dy), float(y + along * dy - out * dx)


@look()
def network(world: World, ax: Axes | None = None) -> Axes:
    """Draw a network: a marker per device by kind, sources with a ring, a line per link and an arrow where the
    ways there and back differ or only one is there.

    Up to 60 devices have their names. What the links are like stands on each of up to 12 lines, or is told
    below: once if all are alike, by the manner of drawing for up to six sorts, else as ranges.
    """
    at = places(world)
    size = np.ptp(at, axis=0) + 2 * MARGIN
    lines = _lines(world)
    labelled = len(lines) <= MOST_LABELS and len({line.text for line in lines}) > 1
    unit_in = min(WIDTH_IN / size[0], HIGHEST_IN / size[1], WIDEST_IN[labelled])
    drawn = axes(ax, unit_in * float(size[1]) + 0.8, max(3.4, unit_in * float(size[0])))
    _frame(drawn, at)
    room = _Room(world, at, ABOUT * 72.0 * unit_in, lines)
    handles = _devices(drawn, world, at)
    if len(at) <= MOST_NAMES:
        _names(drawn, world, room)
    handles += _links(drawn, world, room, lines)
    if ax is None:
        drawn.figure.legend(handles=handles, loc="outside lower center")
    else:
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0))
    return drawn


class _Room(Room):
    """Where the devices stand, in data and in points, and what room they leave."""

    def __init__(self, world: World, at: NDArray[np.float64], scale: float, lines: list[Line]) -> None:
        super().__init__()
        self.at, self.points = at, scale * at
        radius = _radius(world)
        self.radii = np.full(len(at), radius)
        self.radii[[source.device for source in world.sources]] += RING
        for point in self.points:
            self.take(box_at((float(point[0]), float(point[1])), (2 * radius, 2 * radius)))
        for line in lines if len(lines) <= MANY else ():
            for along in np.arange(0.5, DABS) / DABS:
                self.take(box_at(line.point(self.points, float(along)), (DAB, DAB)))


def _frame(ax: Axes, at: NDArray[np.float64]) -> None:
    ax.set_axis_off()
    ax.set_aspect("equal")
    for limits, values in ((ax.set_xlim, at[:, 0]), (ax.set_ylim, at[:, 1])):
        limits(float(values.min()) - MARGIN, float(values.max()) + MARGIN)


# --- devices


def _devices(ax: Axes, world: World, at: NDArray[np.float64]) -> list[Line2D]:
    """Draw a marker for each device, and return what the legend says of them."""
    radius = _radius(world)
    look_of = _markers(world)
    for device, (x, y) in zip(world.devices, at, strict=True):
        ax.plot(x, y, markersize=2 * radius, zorder=3, **look_of[device.kind])
    ring: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markeredgecolor": INK, "linestyle": "none"}
    for source in {source.device for source in world.sources}:
        ax.plot(*at[source], markersize=2 * (radius + RING), zorder=3, markeredgewidth=1.2, **ring)
    kinds = [Line2D([], [], markersize=7, label=kind, **marker) for kind, marker in look_of.items()]
    return [*kinds, Line2D([], [], markersize=9, markeredgewidth=1.2, label="source of samples", **ring)]


def _radius(world: World) -> float:
    """Of a device's marker, in points."""
    n = len(world.devices)
    return 8.0 if n <= TURNED else 4.0 if n <= MOST_NAMES else 2.5


def _markers(world: World) -> dict[str, dict[str, Any]]:
    """How each kind of device is drawn."""
    kinds = dict.fromkeys(device.kind for device in world.devices)
    return {
        kind: {
            "marker": MARKERS[i % len(MARKERS)],
            "color": line_of(i)["color"],
            "markeredgecolor": "white",
            "linestyle": "none",
        }
        for i, kind in enumerate(kinds)
    }


def _names(ax: Axes, world: World, room: _Room) -> None:
    """Write each device's name, away from its links if there is room."""
    at, size = room.at, 7.5 if len(room.at) <= TURNED else 6.0
    off = room.at - room.at.mean(axis=0)
    circle = len(at) > TURNED and float(np.ptp(np.hypot(*off.T))) < 1e-6
    for d, device in enumerate(world.devices):
        text = device.name
        if device.speed is not None:
            text += f"\nspeed: {rate_in_words(device.speed, world, 'x')}"
        if circle:
            _name(ax, at[d], text, _unit(off[d]), room.radii[d] + GAP, size, turned=True)
        else:
            ways = around(_outward(world, at, d))
            x, y = room.points[d]
            reach = room.radii[d] + GAP
            boxes = [box_at((x + reach * w[0], y + reach * w[1]), extent(text, size), w) for w in ways]
            _name(ax, at[d], text, ways[room.best(boxes)], reach, size)


def _name(
    ax: Axes, at: NDArray[np.float64], text: str, way: Point, reach: float, size: float, *, turned: bool = False
) -> None:
    """Write a name in that direction; turned, so that it points there, if need be."""
    x, y = way
    across = aligned(x) if not turned else 1 if x > -1e-9 else -1
    ax.annotate(
        text, (float(at[0]), float(at[1])), (reach * x, reach * y), textcoords="offset points",
        ha=("center", "left", "right")[across], va="center" if turned else ("center", "bottom", "top")[aligned(y)],
        rotation=degrees(atan2(across * y, across * x)) if turned else 0.0, rotation_mode="anchor", fontsize=size,
        path_effects=[withStroke(linewidth=2.0, foreground="white")], zorder=5,
    )  # fmt: skip


def _outward(world: World, at: NDArray[np.float64], d: int) -> float:
    """The angle away from the devices that this one is joined to; downwards where they are on all sides."""
    others = {
        b for link in world.links for a, b in ((link.source, link.target), (link.target, link.source)) if a == d
    }
    away = sum((np.array(_unit(at[d] - at[other])) for other in others), np.zeros(2))
    in_a_row = not np.ptp(at[:, 1])
    return -pi / 2 if in_a_row or hypot(*away) < 0.3 else atan2(away[1], away[0])


def _unit(way: NDArray[np.float64]) -> Point:
    length = hypot(*way)
    return float(way[0] / length), float(way[1] / length)


# --- links


def _links(ax: Axes, world: World, room: _Room, lines: list[Line]) -> list[Line2D]:
    """Draw a line for each link, labelled where they differ, and return what the legend says of them."""
    sorts = list(dict.fromkeys(line.text for line in lines))
    told = medium_in_words(world)
    if len(sorts) == 1:
        every = "every link: " if len(lines) > 1 else "link: "
        told, styles = every + ", ".join(filter(None, (sorts[0], told))), {sorts[0]: _style(0)}
    elif len(lines) <= MOST_LABELS or len(sorts) > MOST_CLASSES:
        styles = dict.fromkeys(sorts, _style(0))
    else:
        styles = {sort: _style(i) for i, sort in enumerate(sorts)}
    _draw(ax, lines, room.at, styles, _radius(world))
    handles = [Line2D([], [], label=sort, **style) for sort, style in styles.items() if len(sorts) > 1]
    if len(sorts) > 1 and len(lines) <= MOST_LABELS:
        _label(ax, lines, room)
        handles = []
    elif len(sorts) > MOST_CLASSES:
        handles = [Line2D([], [], label=ranges_in_words(world), **_style(0))]
    return handles + ([Line2D([], [], label=told, **_style(0))] if told else [])


def _style(number: int) -> dict[str, Any]:
    """Colours are for kinds of devices: links have greys, of which the paler come first."""
    return {**grey(number ^ 1), "linewidth": (0.9, 1.2)[number % 2]}


def _lines(world: World) -> list[Line]:
    """One line for the two ways between devices where they are alike, else one for each way."""
    texts = {(link.source, link.target): link_in_words(link, world) for link in world.links}
    lines: list[Line] = []
    for (a, b), text in texts.items():
        back = texts.get((b, a))
        if a < b or text != back:
            lines.append(Line(a, b, text, text == back, 0.0 if back in (None, text) else BOW))
    return lines


def _draw(
    ax: Axes, lines: list[Line], at: NDArray[np.float64], styles: Mapping[str, dict[str, Any]], radius: float
) -> None:
    thin = min(1.0, (MANY / max(len(lines), 1)) ** 0.5)
    for text, style in styles.items():
        straight = [at[[line.start, line.end]] for line in lines if line.alike and line.text == text]
        width = thin * style["linewidth"]
        drawn = LineCollection(straight, zorder=1, **(style | {"linewidth": width}))
        ax.add_collection(drawn, autolim=False)
    for line in lines:
        if not line.alike:
            arrow = FancyArrowPatch(
                at[line.start], at[line.end], arrowstyle="-|>", mutation_scale=8, zorder=1, shrinkA=radius,
                shrinkB=radius + 2.0, connectionstyle=f"arc3,rad={line.bow}", **styles[line.text],
            )  # fmt: skip
            ax.add_patch(arrow)


def _label(ax: Axes, lines: list[Line], room: _Room) -> None:
    """Write on each line what it is like, where there is room."""
    size = 6.5
    for line in lines:
        words = line.text.replace(", ", "\n")
        width, height = extent(words, size)
        spots = [box_at(line.point(room.points, along), (width + GAP, height + GAP)) for along in ALONG]
        x, y = line.point(room.at, ALONG[room.best(spots)])
        ax.text(
            x, y, words, ha="center", va="center", fontsize=size, zorder=4, linespacing=1.05,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
