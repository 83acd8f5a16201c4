"""Figures for pages: drawn twice, wide and narrow, as SVG inside of the page.

As images of their own they share no names with one another and can be saved one by one. Their background is
transparent; on dark pages the style sheet turns light and dark around, which keeps all contrasts.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from mdisim.report.pages.parts import Picture
from mdisim.report.style import FigureError, look, page, save

NARROW_IN = 3.7  # what a telephone shows at about its own size
PIXELS = 1.7  # of a wide screen for a point of the page
Drawn = Axes | Figure | SubFigure


class Sketch(NamedTuple):
    """A figure that is to be drawn: on axes that are given, or on its own."""

    title: str
    alt: str
    draw: Callable[[Axes | None], Drawn]
    note: str = ""


def drawn(sketches: Iterable[Sketch]) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """The pictures, and why others are not there."""
    pictures, undrawn = [], []
    for sketch in sketches:
        try:
            pictures.append(picture(sketch))
        except FigureError as error:
            undrawn.append(f"{sketch.title}: {error}")
    return tuple(pictures), tuple(undrawn)


def picture(sketch: Sketch) -> Picture:
    """Draw a figure for wide and for narrow screens, equally high."""
    wide = sketch.draw(None)
    root = wide.get_figure(root=True)
    assert isinstance(root, Figure)
    narrow = sketch.draw(_axes(root.get_figheight()))
    (large, width_pt), (small, _) = _drawing(wide), _drawing(narrow)
    return Picture(sketch.title, sketch.alt, large, small, round(PIXELS * width_pt), sketch.note)


@look()
def _axes(height_in: float) -> Axes:
    return page(height_in, NARROW_IN).add_subplot()


def _drawing(figure: Drawn) -> tuple[str, float]:
    """A figure as an address that holds all of it, and its width in points."""
    with TemporaryDirectory() as folder, rc_context({"savefig.transparent": True}):
        text = save(figure, Path(folder) / "figure.svg").read_bytes()
    width = re.search(rb'<svg [^>]*?width="([0-9.]+)pt"', text)
    assert width is not None
    return "data:image/svg+xml;base64," + b64encode(text).decode("ascii"), float(width[1])
