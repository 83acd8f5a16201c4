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


def two_parts(n: int, group: NDArray[Any] | None, rng: Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of n samples in two parts of about the same size, which share no group; each rises.

    Without groups [n] the parts are equal but for one sample.
    """
    if group is None:
        mixed = rng.permutation(n)
        return np.sort(mixed[::2]), np.sort(mixed[1::2])
    part = divided(group, (0.5, 0.5), rng)
    return np.flatnonzero(part == 0), np.flatnonzero(part == 1)
