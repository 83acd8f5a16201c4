"""Room for words in a picture: each is put where it covers least of what is there already."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # left, bottom, right, top, in points
Point = tuple[float, float]
ASPECT, LEADING = 0.58, 1.2  # of a letter and of a line, in font sizes


class Room:
    """What is taken of a picture."""

    def __init__(self) -> None:
        self.taken: list[Box] = []

    def take(self, box: Box) -> None:
        """Put something there."""
        self.taken.append(box)

    def best(self, boxes: Sequence[Box], worse: Sequence[float] = ()) -> int:
        """The number of the box that covers least, the first of equals, which is then taken.

        `worse` is what each box has against it, in square points.
        """
        there = np.array(self.taken).reshape(-1, 4)
        against = worse or [0.0] * len(boxes)
        covered = [_covered(box, there) + more for box, more in zip(boxes, against, strict=True)]
        number = min(range(len(boxes)), key=covered.__getitem__)
        self.take(boxes[number])
        return number


def extent(text: str, size: float) -> Point:
    """About how wide and high a text is, in points."""
    lines = text.split("\n")
    return ASPECT * size * max(map(len, lines)), LEADING * size * len(lines)


def around(first: float) -> list[Point]:
    """Eight directions, the first one given as an angle, then those nearest to it."""
    turns = (0, 1, -1, 2, -2, 3, -3, 4)
    return [(cos(first + turn * pi / 4), sin(first + turn * pi / 4)) for turn in turns]


def box_at(at: Point, extent: Point, way: Point = (0.0, 0.0)) -> Box:
    """The box of a text that is anchored there and lies in that direction; around the anchor if there is none."""
    (x, y), (width, height) = at, extent
    left = x - width * (1 - aligned(way[0])) / 2
    bottom = y - height * (1 - aligned(way[1])) / 2
    return left, bottom, left + width, bottom + height


def aligned(along: float) -> int:
    """Whether a text lies after its anchor (1), before it (-1) or across it (0)."""
    return (along > 0.38) - (along < -0.38)


def _covered(box: Box, there: NDArray[np.float64]) -> float:
    """The area of the boxes [n, 4] that lies under one."""
    left, bottom, right, top = there.T
    wide = np.minimum(right, box[2]) - np.maximum(left, box[0])
    high = np.minimum(top, box[3]) - np.maximum(bottom, box[1])
    return float(np.sum(wide.clip(min=0.0) * high.clip(min=0.0)))
