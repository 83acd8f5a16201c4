"""Whether the number in a system grows: functions of a series [n + 1] of it at equal steps of time.

Chance moves the number even where exactly as much comes as goes, so that a growth means something only beside what
chance does over the same time. A system that is at its capacity is the yardstick: its number is a random walk
that is kept from falling below zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

STEPS = 200  # of a window
PARTS = (50, 20, 10)  # that they are joined in
SURE = 2.0  # times what chance does
CALM = 0.6  # likewise: of systems at exactly their capacity, one in forty stays within it
FEW = 2  # samples: no backlog, whatever chance does
LATER = 0.25  # of a growth: what comes in the second half, or it was a start from empty


def chance(number: ArrayLike, parts: tuple[int, ...] = PARTS) -> float:
    """How far chance alone moves the number from the start of the series to its end: one standard deviation.

    The variance of a sum of m steps is m times that of one, if steps are independent. Long ones nearly are, and of
    short ones there are more to tell by: of 50, 20 and 10 parts of equal length, the largest estimate counts. A
    mean growth is taken out. Numbers of parts that do not divide n are passed over.
    """
    given = np.asarray(number, dtype=float)
    n = len(given) - 1
    fit = [m for m in parts if 2 <= m <= n and n % m == 0]
    return float(np.sqrt(max((m * np.diff(given[:: n // m]).var(ddof=1) for m in fit), default=0.0)))


def grows(number: ArrayLike) -> bool:
    """Whether the number grows by more than twice what chance does, and goes on growing in the second half."""
    given = np.asarray(number, dtype=float)
    growth, later = given[-1] - given[0], given[-1] - given[len(given) // 2]
    return bool(growth > SURE * chance(given) and later >= LATER * growth)


def calm(number: ArrayLike) -> bool:
    """Whether the number stays within less than its shortest steps would take it to, were they independent."""
    given = np.asarray(number, dtype=float)
    return bool(np.ptp(given) <= max(FEW, CALM * chance(given, (len(given) - 1,))))


def spare(number: ArrayLike, more: float) -> bool:
    """Whether `more` samples, which the system could have answered as well, are beyond twice what chance does."""
    return more > SURE * chance(number)
