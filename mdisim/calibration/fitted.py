"""What a calibrator is, what it makes of logits, and the plain report of how it came about.

`fit(logits, labels)` learns a map on held-out samples; the fitted map turns logits into probabilities. Shapes:
logits [..., C] for C classes, labels [n] as class numbers from 0. Where a fit would mean nothing it is refused
with `RefusalError`, so that whoever calibrates a whole network can fall back on other samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.calibration.reliability import nll
from mdisim.policies.scores import softmax

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Report:
    """What was fitted, on which and how many samples, and what it gained on them.

    `nll_before`, `nll_after`: mean negative log-likelihood in nats on the samples of the fit, of the label or,
    where there are only confidences, of being right. `parameters`: the few numbers that matter. `samples`:
    which ones they were. `flag`: the guard that acted, empty if none.
    """

    method: str
    n: int = 0
    accuracy: float = nan
    nll_before: float = nan
    nll_after: float = nan
    parameters: Mapping[str, float] = field(default_factory=dict)
    samples: str = "given"
    flag: str = ""


@dataclass(frozen=True, eq=False)
class Fitted(ABC):
    """A fitted calibrator: a map from logits to probabilities."""

    report: Report

    @abstractmethod
    def __call__(self, logits: NDArray[np.floating]) -> Floats:
        """Return the calibrated probabilities, [..., C]."""

    def prediction(self, logits: NDArray[np.floating]) -> Ints:
        """Return the class of the largest calibrated probability, [...]; the first of equals."""
        return np.asarray(self(logits).argmax(axis=-1), dtype=np.int64)

    def confidence(self, logits: NDArray[np.floating]) -> Floats:
        """Return the calibrated probability of `prediction`, [...]."""
        return np.asarray(self(logits).max(axis=-1))


class Calibrator(Protocol):
    """A way to calibrate: its fields are its parameters, `fit` learns from one set of samples."""

    @property
    def name(self) -> str:
        """What the method is called in catalogues and reports."""

    def fit(self, logits: NDArray[np.floating], labels: ArrayLike) -> Fitted:
        """Return the map fitted to logits [n, C] and labels [n].

        Raises `RefusalError` where a fit would mean nothing, `CalibrationError` where arrays do not fit.
        """


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of the softmax over the last axis."""
    z = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))


def report_of(
    name: str, fitted: Fitted, logits: Floats, labels: Ints, parameters: Mapping[str, float], flag: str = ""
) -> Report:
    """The report of a map on the samples that it was fitted to."""
    return Report(
        method=name,
        n=len(labels),
        accuracy=float(np.mean(logits.argmax(axis=1) == labels)),
        nll_before=float(nll(softmax(logits), labels)),
        nll_after=float(nll(fitted(logits), labels)),
        parameters=parameters,
        flag=flag,
    )
