"""Calibrators of the confidence alone: Platt, beta, isotonic and histogram binning.

They look at two things, the confidence s (the largest softmax probability) and whether the prediction is
right, and learn P(right | s). The prediction stays. As probabilities they give the calibrated confidence to
the predicted class and scale the other classes' probabilities to what is left. They need no logits: see
`fit_confidence`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression, minimize

from mdisim.calibration.checks import (
    FEWEST,
    SMALLEST,
    Bools,
    CalibrationError,
    Floats,
    Ints,
    checked,
    refuse_too_few,
)
from mdisim.calibration.curves import Bins, Curve, Line, Sigmoid, bin_of, equal_mass, equal_width, log_sides
from mdisim.calibration.fitted import Fitted, Report, report_of
from mdisim.calibration.reliability import nll_of_right
from mdisim.policies.scores import softmax

STEEPEST = 100.0  # slope of a sigmoid in log-odds; separable samples would have it infinite
Learnt = tuple[Curve, Mapping[str, float], str]


@dataclass(frozen=True, eq=False)
class FittedConfidence(Fitted):
    """P(right | s) on the predicted class, the rest shared out as the softmax has it."""

    curve: Curve

    def __call__(self, logits: NDArray[np.floating]) -> Floats:
        """Return probabilities [..., C]; the predicted class need not have the largest one."""
        p = softmax(logits)
        top = p.argmax(axis=-1)[..., None]
        s = np.take_along_axis(p, top, axis=-1)
        rest = 1.0 - s
        others = np.where(rest > SMALLEST, p / np.maximum(rest, SMALLEST), 1.0 / (p.shape[-1] - 1))
        calibrated = self.curve(s)
        shared = others * (1.0 - calibrated)
        np.put_along_axis(shared, top, calibrated, axis=-1)
        return shared

    def prediction(self, logits: NDArray[np.floating]) -> Ints:
        """Return the network's own prediction, [...]."""
        return np.asarray(logits.argmax(axis=-1), dtype=np.int64)

    def confidence(self, logits: NDArray[np.floating]) -> Floats:
        """Return P(right | s) of the prediction, [...]."""
        return self.curve(softmax(logits).max(axis=-1))


class OfConfidence(ABC):
    """What these calibrators share: a curve learnt from confidences and from whether each was right."""

    name: ClassVar[str]
    fewest: int

    @abstractmethod
    def learn(self, confidence: Floats, right: Bools) -> Learnt:
        """Return the curve for confidences [n] and right [n], its few numbers, and a flag or ''."""

    def fit(self, logits: NDArray[np.floating], labels: ArrayLike) -> FittedConfidence:
        """Return the map learnt from logits [n, C] and labels [n]."""
        z, y = checked(logits, labels)
        right = z.argmax(axis=1) == y
        refuse_too_few(right, self.fewest)
        curve, numbers, flag = self.learn(softmax(z).max(axis=1), right)
        bare = FittedConfidence(Report(self.name), curve)
        return replace(bare, report=report_of(self.name, bare, z, y, numbers, flag))

    def fit_confidence(self, confidence: ArrayLike, right: ArrayLike) -> FittedConfidence:
        """Return the map learnt from confidences [n] in [0, 1] and right [n], where there are no logits."""
        s, ok = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
        if s.ndim != 1 or s.shape != ok.shape:
            raise CalibrationError(
                f"confidence is {s.shape} and right is {ok.shape}; one of each a sample would do"
            )
        if not ((s >= 0) & (s <= 1)).all():
            raise CalibrationError("a confidence is outside [0, 1]; probabilities would do")
        refuse_too_few(ok, self.fewest)
        curve, numbers, flag = self.learn(s, ok)
        before, after = float(nll_of_right(s, ok)), float(nll_of_right(curve(s), ok))
        report = Report(self.name, len(ok), float(ok.mean()), before, after, numbers, flag=flag)
        return FittedConfidence(report, curve)


@dataclass(frozen=True)
class Platt(OfConfidence):
    """sigmoid(a logit(s) + b), a logistic regression on the confidence's log-odds (Platt 1999), a >= 0."""

    fewest: int = FEWEST
    name: ClassVar[str] = "platt"

    def learn(self, confidence: Floats, right: Bools) -> Learnt:
        """Return the sigmoid of the largest likelihood."""
        log_odds = log_sides(confidence).sum(axis=-1, keepdims=True)
        slope, offset = _logistic(log_odds, right)
        return Sigmoid(slope, slope, offset), {"slope": slope, "offset": offset}, _steepness(slope)


@dataclass(frozen=True)
class Beta(OfConfidence):
    """sigmoid(a ln s - b ln(1 - s) + c) with a, b >= 0 (Kull, Silva Filho and Flach, AISTATS 2017)."""

    fewest: int = FEWEST
    name: ClassVar[str] = "beta"

    def learn(self, confidence: Floats, right: Bools) -> Learnt:
        """Return the curve of the largest likelihood."""
        a, b, c = _logistic(log_sides(confidence), right)
        return Sigmoid(a, b, c), {"a": a, "b": b, "c": c}, _steepness(max(a, b))


@dataclass(frozen=True)
class Isotonic(OfConfidence):
    """The rising step function nearest to what was right (Zadrozny and Elkan, KDD 2002), lines between steps.

    Many confidences share a step's value, so that a threshold lets whole steps pass or none; `centred` gives
    each step one point, at its mean confidence, and rises between them (Oron and Flournoy 2017).
    """

    centred: bool = False
    fewest: int = FEWEST
    name: ClassVar[str] = "isotonic"

    def learn(self, confidence: Floats, right: Bools) -> Learnt:
        """Return the curve of least squares."""
        at, which, counts = np.unique(confidence, return_inverse=True, return_counts=True)
        share = np.bincount(which, weights=right) / counts
        found = isotonic_regression(share, weights=counts)
        starts = np.asarray(found.blocks)
        numbers = {"steps": float(len(starts) - 1)}
        if not self.centred:
            return Line(at, np.asarray(found.x)), numbers, ""
        mass = np.add.reduceat(counts, starts[:-1])
        centre = np.add.reduceat(counts * at, starts[:-1]) / mass
        return Line(centre, np.asarray(found.x)[starts[:-1]]), numbers, ""


@dataclass(frozen=True)
class Histogram(OfConfidence):
    """The share that is right in each bin (Zadrozny and Elkan, ICML 2001); an empty bin keeps its middle.

    `spacing` makes bins of equal mass, or of equal width. A bin's mean of few samples is that uncertain: some
    50 a bin would do.
    """

    bins: int = 15
    spacing: Literal["mass", "width"] = "mass"
    fewest: int = FEWEST
    name: ClassVar[str] = "histogram"

    def __post_init__(self) -> None:
        if self.bins < 1 or self.spacing not in ("mass", "width"):
            raise CalibrationError(f"histogram has {self.bins} bins of equal {self.spacing}; 15 of mass would do")

    def learn(self, confidence: Floats, right: Bools) -> Learnt:
        """Return the bins' means."""
        edges = equal_mass(confidence, self.bins) if self.spacing == "mass" else equal_width(self.bins)
        place, m = bin_of(confidence, edges), len(edges) - 1
        count, hits = np.bincount(place, minlength=m), np.bincount(place, weights=right, minlength=m)
        middle = (edges[:-1] + edges[1:]) / 2
        values = np.where(count > 0, hits / np.maximum(count, 1), middle)
        return Bins(edges, values), {"bins": float(m), "fewest_in_a_bin": float(count.min())}, ""


def _logistic(features: Floats, right: Bools) -> list[float]:
    """Slopes in [0, STEEPEST] for each feature [n, d], and the offset, of the largest likelihood."""
    x = np.column_stack([features, np.ones(len(features))])
    sign = np.where(right, 1.0, -1.0)

    def objective(theta: Floats) -> tuple[float, Floats]:
        score = sign * (x @ theta)
        slope = -(sign * np.exp(-np.logaddexp(0.0, score))) @ x / len(x)
        return float(np.logaddexp(0.0, -score).mean()), slope

    slopes = features.shape[1]
    found = minimize(
        objective,
        np.append(np.ones(slopes), 0.0),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, STEEPEST)] * slopes + [(None, None)],
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000},
    )
    return [float(value) for value in found.x]


def _steepness(slope: float) -> str:
    return (
        f"the slope is at its bound {STEEPEST:g}: a threshold tells right from wrong" if slope >= STEEPEST else ""
    )
