"""The same measures in closed form, for samples that come one at a time and do not wait for each other.

They are what a simulation without queues must find. A batch is `batch` samples
drawn from a population with replacement; `outage_of_shuffled` is for those of a shuffled test set, without.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, gammaln, ndtr, xlog1py, xlogy

from mdisim.calibration.checks import CalibrationError

Floats = NDArray[np.float64]
ROUNDING = 1e-9  # 0.55 x 100 is 55.00000000000001


class Moments(NamedTuple):
    """Mean and variance of the inference time, in s and s^2, of right and of wrong answers."""

    right_mean_s: float
    right_variance_s2: float
    wrong_mean_s: float
    wrong_variance_s2: float


def moments(time_s: ArrayLike, correct: ArrayLike) -> Moments:
    """The moments of times [n] by whether the answer was right [n]; 0 where there are no such answers."""
    t, ok = np.asarray(time_s, dtype=np.float64), np.asarray(correct, dtype=bool)
    parts = [part if len(part) else np.zeros(1) for part in (t[ok], t[~ok])]
    return Moments(*(float(value) for part in parts for value in (part.mean(), part.var())))


def outage(on_device: float, accuracy: float, p_tar: float, batch: int, *, empty_is_outage: bool = False) -> float:
    """Inference outage probability of a batch of `batch` samples.

    sum_{m=1..n} P[Bin(n, P_dev) = m] P[Bin(m, Acc_dev) < m p_tar], and m = 0 too if `empty_is_outage`.
    `on_device` is P_dev, `accuracy` Acc_dev (not used where P_dev is 0).
    """
    _probabilities(on_device=on_device, p_tar=p_tar)
    if not on_device:
        return float(empty_is_outage)
    _probabilities(accuracy=accuracy)
    m = np.arange(batch + 1)
    below = _at_least(m, p_tar) - 1
    failing = np.where(below < 0, 0.0, bdtr(np.maximum(below, 0), m, accuracy))
    failing[0] = float(empty_is_outage)
    return float(_binomial(batch, on_device) @ failing)


def outage_of_shuffled(
    right: int,
    on_device: int,
    n: int,
    p_tar: float,
    batch: int,
    *,
    drop_last: bool = False,
    empty_is_outage: bool = False,
) -> float:
    """Inference outage probability of a test set of n samples that is shuffled and cut into batches; exact.

    The device answers `on_device` of them, `right` rightly. Both numbers of a batch are hypergeometric. The
    last batch is short unless `drop_last`, and counts like the others.
    """
    if not 0 <= right <= on_device <= n or batch < 1:
        raise CalibrationError(f"{right} right of {on_device} on the device of {n}; rising counts would do")
    whole, rest = divmod(n, batch)
    sizes = [batch] * bool(whole) + [rest] * bool(rest and not drop_last)
    if not sizes:
        raise CalibrationError(f"{n} samples make no batch of {batch}; a smaller batch would do")
    weights = [whole] * bool(whole) + [1] * bool(rest and not drop_last)
    failing = np.zeros(min(batch, on_device) + 1)
    for m in range(1, len(failing)):
        failing[m] = _hypergeometric(m, right, on_device)[: _at_least(np.array([m]), p_tar)[0]].sum()
    failing[0] = float(empty_is_outage)
    each = []
    for size in sizes:
        m_probability = _hypergeometric(size, on_device, n)[: len(failing)]
        each.append(float(m_probability @ failing[: len(m_probability)]))
    return float(np.average(each, weights=weights))


def missed_deadline(accuracy: float, times: Moments, *, t_tar_s: float, p_tar: float, batch: int) -> float:
    """Missed-deadline probability of a batch: its mean time above `t_tar_s`, or its accuracy below `p_tar`.

    1 - sum_{s >= n p_tar} P[Bin(n, Acc_tot) = s] Phi((t_tar - mu_s) / sigma_s), with mu_s, sigma_s those of
    the mean time of s right and n - s wrong answers. Exact in the accuracy and in how time goes with it; the
    mean time of so many answers is taken as normal. With `t_tar_s` infinite it is the floor of the curve.
    """
    _probabilities(accuracy=accuracy, p_tar=p_tar)
    s = np.arange(int(_at_least(np.array([batch]), p_tar)[0]), batch + 1)
    mean = (s * times.right_mean_s + (batch - s) * times.wrong_mean_s) / batch
    variance = (s * times.right_variance_s2 + (batch - s) * times.wrong_variance_s2) / batch**2
    met = float(_binomial(batch, accuracy)[s] @ _normal(t_tar_s, mean, variance))
    return max(0.0, 1.0 - met)


def mean_time_s(
    exit_share: ArrayLike, exit_time_s: ArrayLike, *, network_s: float = 0.0, cloud_s: float = 0.0
) -> float:
    """Mean inference time, sum_i P_i t_i + P_off (t_k + t_net + t_cloud), in seconds.

    `exit_share` [k]: the share of all samples that leaves at each exit on the device; `exit_time_s` [k]: from
    birth to that exit, heads included. The others go through all of it, over the network and to the cloud's
    end, which take `network_s` and `cloud_s`.
    """
    share, time_s = np.asarray(exit_share, dtype=np.float64), np.asarray(exit_time_s, dtype=np.float64)
    if share.ndim != 1 or share.shape != time_s.shape or not len(share) or share.sum() > 1 + ROUNDING:
        raise CalibrationError("shares and times of exits do not fit; one of each, shares of 1 or less in all")
    offloaded = 1.0 - share.sum()
    return float(share @ time_s + offloaded * (time_s[-1] + network_s + cloud_s))


def network_time_s(
    sent_bytes: float, rate_bps: float, *, round_trip_s: float = 0.0, setup_s: float = 0.0
) -> float:
    """Seconds to send a tensor to the cloud, 8 bytes / rate + half the round trip + what setting up takes."""
    if not rate_bps > 0:
        raise CalibrationError(f"rate_bps is {rate_bps:g}; above 0 bit/s would do")
    return 8 * sent_bytes / rate_bps + round_trip_s / 2


def _at_least(m: NDArray[np.int64], p_tar: float) -> NDArray[np.int64]:
    """The fewest right answers of m that are no outage."""
    return np.asarray(np.ceil(m * p_tar - ROUNDING), dtype=np.int64)


def _binomial(n: int, p: float) -> Floats:
    """P[Bin(n, p) = m] for m from 0 to n, [n + 1]."""
    m = np.arange(n + 1)
    log_p = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1) + xlogy(m, p) + xlog1py(n - m, -p)
    return np.asarray(np.exp(log_p))


def _hypergeometric(drawn: int, marked: int, n: int) -> Floats:
    """P of m marked among `drawn` of n of which `marked` are, for m from 0 to `drawn`, [drawn + 1]."""
    m = np.arange(drawn + 1)
    possible = (m <= marked) & (drawn - m <= n - marked)
    k = np.where(possible, m, max(0, drawn - (n - marked)))

    def log_choose(a: int, b: NDArray[np.int64]) -> Floats:
        return np.asarray(gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1))

    log_p = log_choose(marked, k) + log_choose(n - marked, drawn - k) - log_choose(n, np.array(drawn))
    return np.where(possible, np.exp(log_p), 0.0)


def _normal(at: float, mean: Floats, variance: Floats) -> Floats:
    """P[normal <= at]; without variance, whether the mean is."""
    if at == inf:
        return np.ones(len(mean))
    spread = np.sqrt(np.where(variance > 0, variance, 1.0))
    return np.where(variance > 0, ndtr((at - mean) / spread), (mean <= at * (1 + 1e-12)).astype(np.float64))


def _probabilities(**given: float) -> None:
    for name, value in given.items():
        if not 0 <= value <= 1:
            raise CalibrationError(f"{name} is {value:g}; a probability would do")
