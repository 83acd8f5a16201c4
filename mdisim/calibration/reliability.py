"""Whether confidences may be trusted: reliability diagrams, calibration errors and proper scores.

A confidence is reliable if of the samples with confidence c a share c is right. All functions are of plain
arrays: `confidence` and `right` [..., n], `probabilities` [..., n, C] and `labels` [..., n]; the result is a
number, or one for each batch [...]. Bins are (lo, hi], and the first has its lower edge too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.calibration.checks import SMALLEST, CalibrationError
from mdisim.calibration.curves import equal_width

Floats = NDArray[np.float64]
Spacing = Literal["width", "mass"]
BINS = 15


@dataclass(frozen=True, eq=False)
class Diagram:
    """A reliability diagram: for bins between `edges` [m + 1] how many samples, their mean confidence, and the
    share of them that is right, each [m]; NaN in an empty bin (DeGroot and Fienberg 1983).
    """

    edges: Floats
    count: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def gap(self) -> Floats:
        """Confidence minus accuracy, [m]: above 0 is over-confident."""
        return self.confidence - self.accuracy


def diagram(confidence: ArrayLike, right: ArrayLike, *, bins: int = BINS, spacing: Spacing = "width") -> Diagram:
    """The reliability diagram of confidences [n] and right [n], in bins of equal width or equal mass."""
    s, ok = _pair(confidence, right)
    edges = _edges(s, bins, spacing)
    count, sure, hits = _sums(s, ok, bins, spacing)
    share = np.where(count > 0, count, np.nan)
    return Diagram(edges, count.astype(np.int64), sure / share, hits / share)


def ece(confidence: ArrayLike, right: ArrayLike, *, bins: int = BINS, spacing: Spacing = "width") -> Floats:
    """Expected calibration error, sum over bins of |B|/n x |accuracy(B) - confidence(B)|.

    With bins of equal width it is that of Naeini, Cooper and Hauskrecht (AAAI 2015) and Guo et al. (ICML 2017),
    with equal mass the adaptive one of Nguyen and O'Connor (EMNLP 2015). It is above 0 by chance even where
    all is well, the more so the fewer samples.
    """
    s, ok = _pair(confidence, right)
    _, sure, hits = _sums(s, ok, bins, spacing)
    return _number(np.abs(sure - hits).sum(axis=-1) / s.shape[-1])


def mce(confidence: ArrayLike, right: ArrayLike, *, bins: int = BINS, spacing: Spacing = "width") -> Floats:
    """Maximum calibration error, the largest |accuracy(B) - confidence(B)| of any bin (Naeini et al. 2015)."""
    count, sure, hits = _sums(*_pair(confidence, right), bins, spacing)
    return _number((np.abs(sure - hits) / np.maximum(count, 1)).max(axis=-1))


def signed_ece(confidence: ArrayLike, right: ArrayLike) -> Floats:
    """Mean confidence minus accuracy: above 0 is over-confident, below 0 under-confident.

    It is the sum over bins of |B|/n x (confidence(B) - accuracy(B)), in which the bins cancel out.
    """
    s, ok = _pair(confidence, right)
    return _number(s.mean(axis=-1) - ok.mean(axis=-1))


def gap_above(confidence: ArrayLike, right: ArrayLike, threshold: float) -> Floats:
    """Mean of confidence minus right over the samples at the threshold or above; NaN where there are none.

    g(p) = E[c - right | c >= p]: what a promise of accuracy p, made by leaving at confidence p, breaks by.
    """
    s, ok = _pair(confidence, right)
    above = s >= threshold
    count = above.sum(axis=-1)
    return _number(np.where(above, s - ok, 0.0).sum(axis=-1) / np.where(count > 0, count, np.nan))


def classwise_ece(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = BINS, spacing: Spacing = "width"
) -> Floats:
    """The mean over classes c of the ECE of p[c] as the probability that the label is c (Kull et al. 2019)."""
    p, one_hot = _one_hot(probabilities, labels)
    return _number(
        ece(np.moveaxis(p, -1, 0), np.moveaxis(one_hot, -1, 0), bins=bins, spacing=spacing).mean(axis=0)
    )


def brier(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Brier score, the mean over samples of sum_c (p[c] - 1[label = c])^2, from 0 to 2 (Brier 1950)."""
    p, one_hot = _one_hot(probabilities, labels)
    return _number(((p - one_hot) ** 2).sum(axis=-1).mean(axis=-1))


def brier_of_right(confidence: ArrayLike, right: ArrayLike) -> Floats:
    """Brier score of the confidence as the probability of being right, mean (c - right)^2, from 0 to 1."""
    s, ok = _pair(confidence, right)
    return _number(((s - ok) ** 2).mean(axis=-1))


def nll(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean negative log-likelihood of the labels in nats, -1/n sum_j ln p_j[y_j] (the log score of Good 1952).

    Probabilities below 2.2e-16 count as that, so that one certain mistake does not make it infinite.
    """
    p = np.take_along_axis(np.asarray(probabilities, float), np.asarray(labels)[..., None], axis=-1)[..., 0]
    return _number(-np.log(np.maximum(p, SMALLEST)).mean(axis=-1))


def nll_of_right(confidence: ArrayLike, right: ArrayLike) -> Floats:
    """Mean negative log-likelihood in nats of being right or not, given the confidence; bounded as `nll` is."""
    s, ok = _pair(confidence, right)
    s = np.clip(s, SMALLEST, 1 - SMALLEST)
    return _number(-np.where(ok > 0, np.log(s), np.log1p(-s)).mean(axis=-1))


def _pair(confidence: ArrayLike, right: ArrayLike) -> tuple[Floats, Floats]:
    s, ok = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if s.shape != ok.shape or not s.shape or not s.shape[-1]:
        raise CalibrationError(f"confidence is {s.shape} and right is {ok.shape}; one of each a sample would do")
    if not ((s >= 0) & (s <= 1)).all():
        raise CalibrationError("a confidence is outside [0, 1]; probabilities would do")
    return s, ok


def _one_hot(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if p.ndim < 2 or p.shape[:-1] != y.shape:
        raise CalibrationError(f"probabilities are {p.shape}, labels {y.shape}; n x classes and n would do")
    return p, np.asarray(y[..., None] == np.arange(p.shape[-1]), dtype=np.float64)


def _edges(s: Floats, bins: int, spacing: Spacing) -> Floats:
    """Edges of the bins, [m + 1], or [m + 1, ...] for batches with bins of their own mass."""
    if bins < 1 or spacing not in ("width", "mass"):
        raise CalibrationError(
            f"{bins} bins of equal {spacing!r} is no binning; 15 of equal 'width' or 'mass' would do"
        )
    if spacing == "width":
        return equal_width(bins)
    inner = np.quantile(s, np.arange(1, bins) / bins, axis=-1, method="inverted_cdf")
    return np.concatenate([np.zeros((1, *s.shape[:-1])), inner, np.ones((1, *s.shape[:-1]))])


def _sums(s: Floats, ok: Floats, bins: int, spacing: Spacing) -> tuple[Floats, Floats, Floats]:
    """How many samples lie in each bin, the sum of their confidences, and how many are right: [..., m] each."""
    edges = _edges(s, bins, spacing)
    place = np.zeros(s.shape, dtype=np.int64)
    for edge in edges[1:-1]:
        place += s > edge[..., None]
    batches = s.size // s.shape[-1]
    cell = (place.reshape(batches, -1) + bins * np.arange(batches)[:, None]).ravel()
    count = np.bincount(cell, minlength=batches * bins)
    sure = np.bincount(cell, weights=s.ravel(), minlength=batches * bins)
    hits = np.bincount(cell, weights=ok.ravel(), minlength=batches * bins)
    shape = (*s.shape[:-1], bins)
    return count.reshape(shape).astype(np.float64), sure.reshape(shape), hits.reshape(shape)


def _number(value: ArrayLike) -> Floats:
    """An array as it is, one of no dimension as a plain number."""
    plain: Floats = np.asarray(value, dtype=np.float64)[()]
    return plain
