"""The one look of all figures, which fits a printed page, and how they are written to files.

Figures are made without pyplot's registry: they open no window, and are gone when nobody holds them. Nothing of
matplotlib's settings is changed for others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import floor, log10
from pathlib import Path
from typing import Any, cast

import seaborn
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Colormap, to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import EngFormatter, LogFormatter

from mdisim.errors import InputError
from mdisim.files import need_folder, whole
from mdisim.folders import AnyPath

INK, PALE = "0.15", "0.55"
WIDTH_IN = 6.9  # of a page with two columns
DOTS_PER_INCH = 200
_COLOURS = tuple(seaborn.color_palette("colorblind").as_hex()[i] for i in (0, 3, 2, 4, 1, 9))
MARKERS = ("o", "s", "D", "^", "h", "v", "p", "X")
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)), (0, (10, 1.5)), (0, (4, 1, 1, 1, 1, 1)))
_RAMP = "blend:#d6e4f0,#7fabd0,#0b3c5d"
_OWN: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": cycler(color=_COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "axes.grid": True,
    "axes.titlelocation": "left",
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.1,
    "text.color": INK,
    "text.parse_math": False,  # a name may have a dollar sign in it
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}
_WRITING: dict[Any, Any] = {"svg.hashsalt": "mdisim", "svg.fonttype": "path", "pdf.fonttype": 42}
_DATELESS: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


class FigureError(InputError):
    """A figure that cannot be drawn or written; the message says what would do."""


@contextmanager
def look() -> Iterator[None]:
    """Within it, and in a function decorated with it, what is drawn has our look; afterwards all is as before.

    A name with dollar signs is no formula in it, and nor is anything else: axes in steps of ten need
    `plain_numbers`.
    """
    theme: dict[Any, Any] = seaborn.axes_style("ticks") | seaborn.plotting_context("paper") | _OWN
    with rc_context(theme):
        yield


def line_of(number: int) -> dict[str, Any]:
    """The colour and the dashes of the line of that number: told apart by eyes of any kind, and in grey."""
    lap, place = divmod(number, len(_COLOURS))
    return {"color": _COLOURS[place], "linestyle": _DASHES[(place + lap) % len(_DASHES)]}


def mark_of(number: int) -> dict[str, Any]:
    """The marker and the colour of the mark of that number; those of one number and its line go together."""
    return {
        "marker": MARKERS[number % len(MARKERS)],
        "color": line_of(number)["color"],
        "markersize": 5.0,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
    }


def shades(n: int) -> list[Any]:
    """So many steps from light to dark, in that order also in grey: for what has an order or an amount."""
    return list(seaborn.color_palette(_RAMP, n))


def ramp() -> Colormap:
    """The same steps without a break."""
    return cast(Colormap, seaborn.color_palette(_RAMP, as_cmap=True))


def dark(colour: Any) -> tuple[float, ...]:
    """A colour for letters of what is drawn in that one: darker, as they are thin."""
    return tuple(0.7 * part for part in to_rgb(colour))


def grey(number: int) -> dict[str, Any]:
    """The shade and the dashes of the line of that number, where colours stand for something else."""
    return {"color": (INK, PALE)[number % 2], "linestyle": ("-", (0, (5, 2)), (0, (1, 1.5)))[number // 2 % 3]}


def page(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure in which nothing overlaps."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def axes(given: Axes | None, height_in: float, width_in: float = WIDTH_IN) -> Axes:
    """The axes that were given, or those of a new figure."""
    return page(height_in, width_in).add_subplot() if given is None else given


class PlainLog(LogFormatter):
    """Numbers where matplotlib would put labels: its own are formulas, which our look does not set."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick, or nothing."""
        return self.fix_minus(f"{x:g}") if super().__call__(x, pos) else ""


def plain_numbers(axis: Axis) -> None:
    """Give an axis, logarithmic by now, labels for our look."""
    axis.set_major_formatter(PlainLog())
    axis.set_minor_formatter(PlainLog(labelOnlyBase=False))


def beside(ax: Axes) -> None:
    """A legend at the right of the axes, where it hides nothing; none where nothing has a label."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.04), borderaxespad=0.3)


@lru_cache(maxsize=1024)  # the links of a large network are mostly alike
def quantity(value: float, unit: str) -> str:
    """A number with three figures and its unit, such as 20 Mbps or 2 ms."""
    rounded = round(value, 2 - floor(log10(abs(value)))) if value else 0.0
    return EngFormatter(unit=unit)(rounded)


def writable(path: AnyPath) -> Path:
    """The path of a figure; a FigureError where its ending is none of ours, or its folder is not there."""
    target = Path(path)
    if target.suffix.removeprefix(".").lower() not in _DATELESS:
        raise FigureError(f"{target}: a figure is written as .png, .svg or .pdf; one of these endings would do")
    need_folder(target, FigureError)
    return target


def save(figure: Figure | SubFigure | Axes, path: AnyPath) -> Path:
    """Write a figure, or the one that the axes are in, as PNG, SVG or PDF by the path's ending.

    The file is there whole or not at all; a file of that name is replaced; equal figures give equal files.
    Raises a FigureError for another ending and where the file cannot be written.
    """
    target = writable(path)
    kind = target.suffix.removeprefix(".").lower()
    root = figure.get_figure(root=True)
    assert isinstance(root, Figure)
    with whole(target, FigureError) as fresh, rc_context(_WRITING):
        root.savefig(  # a legend may be wider than what it is of, hence tight
            fresh,
            format=kind,
            dpi=DOTS_PER_INCH,
            metadata=_DATELESS[kind],
            bbox_inches="tight",
            pad_inches=0.05,
        )
    return target
