"""Divide samples at random so that those of one group stay together: phrases of one sentence, say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


def divided(group: NDArray[Any], shares: Sequence[float], rng: Generator) -> NDArray[np.uint8]:
    """The part (0, 1, ...) of each of the n samples, so that no group is in two parts.

    `group` [n] tells which samples belong together. `shares` are those of the samples, and add up to 1: groups
    are taken in random order, and each goes to the part in which its middle sample falls, so that a part's
    size differs from its share by less than the largest group.
    """
    names, of = np.unique(group, return_inverse=True)
    order = rng.permutation(len(names))
    sizes = np.bincount(of, minlength=len(names))[order]
    middle = np.cumsum(sizes) - sizes / 2
    edges = np.cumsum(shares)[:-1] * len(of)
    part = np.empty(len(names), dtype=np.uint8)
    part[order] = np.searchsorted(edges, middle, side="right")
    return np.asarray(part[of])
