"""What a build hands over, as arrays that need no PyTorch to be read, and the error of all its faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import InputError


class BuildError(InputError):
    """A profile cannot be built; the message says what is wrong, where, and what would do."""


@dataclass(frozen=True)
class TimingPlan:
    """How often to time: ``rounds`` of ``warmup`` passes that are thrown away and ``passes`` that count."""

    rounds: int = 40
    passes: int = 40
    warmup: int = 10


@dataclass(frozen=True, eq=False)
class MeasuredCosts:
    """What the K stages and heads of one network cost for one sample.

    ``stage_macs``, ``head_macs`` int64 [K]: multiply-accumulates of convolutions and linear layers (one MAC
    is two FLOPs). ``layers`` int64 [K]: convolutions in each stage. ``out_bytes`` int64 [K + 1]: row 0 the
    raw uint8 image, row k the float32 feature map after stage k, the last row 0 (the answer is a message).
    ``stage_s``, ``head_s`` float64 [K]: seconds, medians; ``*_spread_s``: their inter-quartile ranges.
    """

    stage_macs: NDArray[np.int64]
    head_macs: NDArray[np.int64]
    layers: NDArray[np.int64]
    out_bytes: NDArray[np.int64]
    stage_s: NDArray[np.float64]
    head_s: NDArray[np.float64]
    stage_spread_s: NDArray[np.float64]
    head_spread_s: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """A trained multi-exit network's answers on held-out samples, and its costs.

    ``logits`` float16 [n, K, C]; ``label`` int64 [n]; ``split`` uint8 [n], 0 calibration and 1 test;
    ``features`` float16 [n, d], what a router may see of a sample before stage 1 is done; the meta says what
    they are. ``costs``: by the name of the cost table. ``meta``: plain JSON on data set, network, training,
    accuracies, and how, where and when the costs were measured. ``work`` float64 [n, K], ``size`` float64
    [n, K + 1] and ``group`` int32 [n] are a profile's, where samples differ in length and belong together.
    """

    logits: NDArray[np.float16]
    label: NDArray[np.int64]
    split: NDArray[np.uint8]
    features: NDArray[np.float16]
    costs: Mapping[str, MeasuredCosts]
    meta: Mapping[str, Any]
    work: NDArray[np.float64] | None = None
    size: NDArray[np.float64] | None = None
    group: NDArray[np.int32] | None = None
