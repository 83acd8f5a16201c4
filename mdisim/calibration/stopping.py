"""Where a sample stops, which exits it reaches and which one answers, for one threshold and no network.

Exits 1 to k of K stand on the device; a sample stops at the first whose score is `threshold` or more, else it
goes to the cloud, which runs the last exit alone. Scores are [n, K]; exits count from 0 here.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
CloudFallback = Literal["final", "most-confident"]


def evaluated(n_exits: int, device_exits: int | None = None) -> list[int]:
    """The exits that are run: the first `device_exits` (all but the last if left out), and the last."""
    k = n_exits - 1 if device_exits is None else device_exits
    return [*range(k), n_exits - 1]


def stops_at(scores: Floats, threshold: float, device_exits: int | None = None) -> Ints:
    """The exit at which each sample stops, [n]: the first on the device at the threshold, or the last."""
    heads = evaluated(scores.shape[1], device_exits)
    leaves = scores[:, heads] >= threshold
    leaves[:, -1] = True
    return np.asarray(np.array(heads)[leaves.argmax(axis=1)], dtype=np.int64)


def reaches(scores: Floats, threshold: float, device_exits: int | None = None) -> Bools:
    """Whether each sample reaches each exit, [n, K]; False at exits that are not run."""
    n, K = scores.shape
    reached = np.zeros((n, K), dtype=bool)
    heads = evaluated(K, device_exits)
    reached[:, heads] = np.array(heads) <= stops_at(scores, threshold, device_exits)[:, None]
    return reached


def answered_by(
    scores: Floats, threshold: float, device_exits: int | None = None, fallback: CloudFallback = "most-confident"
) -> Ints:
    """The exit that answers each sample, [n]: the one where it stops, or in the cloud what `fallback` says.

    `final`: the last exit. `most-confident`: of all exits run the one of the largest score, the earliest of
    equals; it is the last wherever that reaches the threshold.
    """
    stop = stops_at(scores, threshold, device_exits)
    if fallback == "final":
        return stop
    heads = evaluated(scores.shape[1], device_exits)
    surest = np.array(heads)[scores[:, heads].argmax(axis=1)]
    return np.where(stop == heads[-1], surest, stop).astype(np.int64)
