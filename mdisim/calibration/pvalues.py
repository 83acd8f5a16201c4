"""p-values for the hypothesis that a risk is above its limit, and which of many may be rejected at once.

A p-value here is at most u with probability at most u wherever the risk is above the limit. `rejected` turns
those of a grid of thresholds into a set that holds no false rejection with probability 1 - delta (learn then
test, Angelopoulos, Bates, Candès, Jordan and Lei 2021).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betainc, ndtri, stdtrit, xlogy

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Procedure = Literal["fixed-sequence", "bonferroni"]
FEW_BAD = 5  # samples below which their variance between groups tells nothing


def binomial(bad: Floats, n: Floats, limit: float) -> Floats:
    """P[Bin(n, limit) <= bad], for losses of 0 and 1: `bad` [...] of `n` [...]; exact.

    Between whole numbers, as `effective` ones are, it is the incomplete beta function that the tail is.
    """
    good = n - bad
    return np.asarray(np.where(good > 0, betainc(np.maximum(good, 1e-9), bad + 1, 1 - limit), 1.0))


def effective(bad: Floats, of: Floats, delta: float) -> tuple[Floats, Floats]:
    """How many independent samples [G] would tell as much as groups, and how many of them would be bad.

    `bad` of `of` samples of each group at each threshold, [g, G]. The sample is as much smaller as the variance
    of the bad share between groups is larger than that of independent samples, and by the ratio of the quantiles
    of the normal distribution and of Student's t with g - 1 degrees of freedom (E. L. Korn, B. I. Graubard, Survey
    Methodology 24, 1998). It is never larger than the sample; where too few are bad to tell, it is that of groups
    which are good or bad as wholes (L. Kish, Survey Sampling, 1965). Not exact as the tail itself is, but close.
    """
    g, total, worse = len(of), of.sum(axis=0), bad.sum(axis=0)
    share = worse / np.maximum(total, 1)
    between = ((bad - share * of) ** 2).sum(axis=0) * g / max(g - 1, 1)
    alone = np.maximum(share * (1 - share), 1e-300) * np.maximum(total, 1)
    wholes = np.maximum((of**2).sum(axis=0), 1) / np.maximum(total, 1)
    larger = np.maximum(np.where(np.minimum(worse, total - worse) < FEW_BAD, wholes, between / alone), 1.0)
    quantiles = float(ndtri(1 - delta) / stdtrit(max(g - 1, 1), 1 - delta)) ** 2 if delta < 0.5 else 1.0
    n = total / larger * quantiles
    return share * n, n


def hoeffding_bentkus(total: Floats, n: Floats, limit: float) -> Floats:
    """min(exp(-n h1(min(R, limit), limit)), e P[Bin(n, limit) <= ceil(n R)]) for losses in [0, 1].

    R = `total` [...] / `n` [...] is the mean loss, h1(a, b) = a ln(a/b) + (1 - a) ln((1 - a)/(1 - b)) (Bates,
    Angelopoulos, Lei, Malik and Jordan 2021). For losses between 0 and 1; `binomial` is sharper for 0 and 1.
    """
    mean = np.minimum(total / np.maximum(n, 1), limit)
    h1 = xlogy(mean, mean / limit) + xlogy(1 - mean, (1 - mean) / (1 - limit))
    bentkus = np.e * bdtr(np.ceil(total - 1e-9), n.astype(np.int64), limit)
    return np.asarray(np.minimum(np.exp(-n * h1), np.minimum(bentkus, 1.0)))


def betting(losses: Floats, limit: float, delta: float) -> Floats:
    """1 / max_t K_t for losses [n, ...] in [0, 1], K_t = prod_{i<=t} (1 - v_i (L_i - limit)).

    The bets v_i look at the losses before i alone, so that K is a supermartingale where the mean loss is above
    the limit (Waudby-Smith and Ramdas 2024, as used by Bates et al. 2021); `delta` sets how bold they are, any
    value is valid. Sharp for losses of small variance.
    """
    n = len(losses)
    seen = np.arange(1, n + 1).reshape(-1, *[1] * (losses.ndim - 1))
    mean = (0.5 + losses.cumsum(axis=0)) / (seen + 1)
    variance = (0.25 + ((losses - mean) ** 2).cumsum(axis=0)) / (seen + 1)
    before = np.concatenate([np.full((1, *losses.shape[1:]), 0.25), variance[:-1]])
    bets = np.minimum(1.0, np.sqrt(2 * np.log(1 / delta) / (n * before)))
    capital = np.log1p(-bets * (losses - limit)).cumsum(axis=0)
    return np.asarray(np.exp(-np.maximum(capital.max(axis=0), 0.0)))


def rejected(p: Floats, tested: Bools, delta: float, procedure: Procedure) -> Bools:
    """Which hypotheses [G] are rejected, all of them truly with probability 1 - delta.

    `bonferroni` tests each at delta / G. `fixed-sequence` walks from the last hypothesis down, at level delta,
    passes over those that are not `tested` [G], and stops at the first that it cannot reject.
    """
    if procedure == "bonferroni":
        return tested & (p <= delta / len(p))
    failed = np.flatnonzero(tested & (p > delta))
    after = failed[-1] + 1 if len(failed) else 0
    return tested & (np.arange(len(p)) >= after)
