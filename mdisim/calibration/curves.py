"""Maps from a confidence to the probability of being right: a sigmoid, a rising line, a bin's mean.

Each is a frozen set of numbers and one call on confidences of any shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
CLOSEST = 2.0**-52  # to 0 or 1 that a confidence's odds are taken


class Curve(Protocol):
    """A map from confidences to confidences."""

    def __call__(self, confidence: Floats) -> Floats:
        """Return the probability of being right at each confidence, of the same shape."""


@dataclass(frozen=True)
class Sigmoid:
    """sigmoid(a ln s - b ln(1 - s) + c); with a = b it is Platt's."""

    a: float
    b: float
    c: float

    def __call__(self, confidence: Floats) -> Floats:
        """Return the sigmoid, shape for shape."""
        odds = log_sides(confidence)
        return np.asarray(expit(self.a * odds[..., 0] + self.b * odds[..., 1] + self.c))


@dataclass(frozen=True, eq=False)
class Line:
    """Straight lines between points `at` [m], rising, with values [m]; flat beyond the first and the last."""

    at: Floats
    values: Floats

    def __call__(self, confidence: Floats) -> Floats:
        """Return the line's height, shape for shape."""
        return np.interp(confidence, self.at, self.values)


@dataclass(frozen=True, eq=False)
class Bins:
    """A value for each bin (lo, hi]; `edges` [m + 1] rise, the first bin has its lower edge too."""

    edges: Floats
    values: Floats

    def __call__(self, confidence: Floats) -> Floats:
        """Return the value of each confidence's bin, shape for shape."""
        return np.asarray(self.values[bin_of(confidence, self.edges)])


def log_sides(confidence: Floats) -> Floats:
    """ln s and -ln(1 - s) on a new last axis, [..., 2], with s kept 2^-52 away from 0 and 1."""
    s = np.clip(confidence, CLOSEST, 1 - CLOSEST)
    return np.stack([np.log(s), -np.log1p(-s)], axis=-1)


def bin_of(confidence: Floats, edges: Floats) -> NDArray[np.int64]:
    """The bin (lo, hi] of each confidence, from 0, shape for shape; what lies outside goes to the end bins."""
    found = np.searchsorted(edges, confidence, side="left") - 1
    return np.asarray(np.clip(found, 0, len(edges) - 2))


def equal_width(bins: int) -> Floats:
    """Edges of bins of equal width over [0, 1], [bins + 1]."""
    return np.linspace(0.0, 1.0, bins + 1)


def equal_mass(confidence: Floats, bins: int) -> Floats:
    """Edges between which equally many of the confidences [n] lie, [bins + 1] or fewer where there are ties."""
    inner = np.quantile(confidence, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))
