"""What calibration-aided offloading is measured by: pure functions of one array entry for each sample.

`on_device`: whether the device answered; `correct`: whether the answer is right; `time_s`: from birth to
answer. Definitions are those of Pacheco, Couto and Simeone (JNCA 2023) and their published programs. Where
nothing is to be counted, the result is NaN.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from mdisim.calibration.checks import CalibrationError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BATCH = 512
ROUNDS = 100
Z95 = 1.959963984540054
ROUNDING = 1e-9  # of a time, which is not to be late for what differences of instants and their sums lose


class Probability(NamedTuple):
    """The mean over rounds, and its 95 % normal interval, mean ± 1.96 standard errors of the rounds."""

    value: float
    low: float
    high: float


def on_device_probability(on_device: ArrayLike) -> float:
    """Share of samples that the device answers, P_dev; one minus it is the offloading probability."""
    return _share(np.asarray(on_device, dtype=bool))


def device_accuracy(correct: ArrayLike, on_device: ArrayLike) -> float:
    """Share of right answers among those of the device, Acc_dev."""
    return _share(np.asarray(correct, dtype=bool)[np.asarray(on_device, dtype=bool)])


def overall_accuracy(correct: ArrayLike) -> float:
    """Share of right answers of device and cloud, Acc_tot."""
    return _share(np.asarray(correct, dtype=bool))


def mean_time_s(time_s: ArrayLike) -> float:
    """Mean inference time over all samples, in seconds."""
    return _share(np.asarray(time_s, dtype=np.float64))


def late_share(time_s: ArrayLike, t_tar_s: float) -> float:
    """Share of samples that take longer than `t_tar_s` seconds, each by itself; rounding makes none late."""
    return _share(_late(np.asarray(time_s, dtype=np.float64), t_tar_s))


def outage_probability(
    correct: ArrayLike,
    on_device: ArrayLike,
    p_tar: float,
    *,
    rng: Generator | None = None,
    batch: int = BATCH,
    rounds: int = ROUNDS,
    drop_last: bool = False,
    empty_is_outage: bool = False,
) -> Probability:
    """Inference outage probability: the share of batches whose device accuracy is below `p_tar`, strictly.

    Each round shuffles the samples and cuts them into batches of `batch`; without `rng` they stay in their
    order, and there is one round. The last, shorter batch counts like any other unless `drop_last`. A batch
    without an answer of the device is no outage unless `empty_is_outage`. With `on_device` all True it is the
    outage of the overall accuracy.
    """
    right, here = _alike(correct, on_device)
    starts = _starts(len(right), batch, rounds, drop_last)
    shuffled = _shuffles(np.stack([right * here, here]), rounds, rng)
    good, asked = _batch_sums(shuffled, starts, batch)
    return _over_rounds(_below(good, asked, p_tar, empty_is_outage))


def missed_deadline_probability(
    time_s: ArrayLike,
    correct: ArrayLike,
    *,
    t_tar_s: float,
    p_tar: float,
    rng: Generator | None = None,
    on_device: ArrayLike | None = None,
    per: Literal["batch", "request"] = "batch",
    batch: int = BATCH,
    rounds: int = ROUNDS,
    drop_last: bool = False,
    empty_is_outage: bool = False,
    paired: bool = True,
) -> Probability:
    """Missed-deadline probability: the share of batches that are late or not accurate enough.

    A batch is late if its mean time is above `t_tar_s` (`per` batch); not accurate enough if its accuracy is
    below `p_tar`, that of all answers or, with `on_device`, that of the device alone. With `per` request it is
    the mean share of samples that are late themselves or stand in a batch that is not accurate enough.
    Unless `paired`, times and answers are shuffled apart, as one published program does: that loses their
    correlation. Batches as in `outage_probability`.
    """
    right, taken = _alike(correct, time_s)
    here = np.ones(len(right)) if on_device is None else _alike(correct, on_device)[1]
    if per not in ("batch", "request"):
        raise CalibrationError(f"per is {per!r}; 'batch' or 'request' would do")
    starts = _starts(len(right), batch, rounds, drop_last)
    answers = np.stack([right * here, here])
    late_s: Floats = taken if per == "batch" else _late(taken, t_tar_s).astype(np.float64)
    if paired:
        shuffled = _shuffles(np.stack([*answers, late_s]), rounds, rng)
    else:
        shuffled = np.concatenate([_shuffles(answers, rounds, rng), _shuffles(late_s[None], rounds, rng)])
    good, asked, late = _batch_sums(shuffled, starts, batch)
    bad = _below(good, asked, p_tar, empty_is_outage)
    size = np.diff([*starts, min(len(right), starts[-1] + batch)])
    if per == "batch":
        return _over_rounds(_late(late, t_tar_s * size) | bad)
    return _over_rounds(np.where(bad, 1.0, late / size))


def _late(time_s: Floats, t_tar_s: Floats | float) -> NDArray[np.bool_]:
    return np.asarray(time_s > t_tar_s * (1.0 + ROUNDING))


def _share(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    return float(values.astype(np.float64).mean()) if len(values) else float("nan")


def _alike(correct: ArrayLike, other: ArrayLike) -> tuple[Floats, Floats]:
    one, two = np.asarray(correct, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if one.ndim != 1 or one.shape != two.shape or not len(one):
        raise CalibrationError(f"arrays are {one.shape} and {two.shape}; one number a sample in each would do")
    return one, two


def _starts(n: int, batch: int, rounds: int, drop_last: bool) -> Ints:
    """Where the batches begin among n samples."""
    if batch < 1 or rounds < 1:
        raise CalibrationError(f"{rounds} rounds of batches of {batch}; 1 or more of both would do")
    if drop_last and n < batch:
        raise CalibrationError(
            f"{n} samples make no batch of {batch}; a smaller one, or to keep the last, would do"
        )
    return np.arange(0, n - n % batch if drop_last else n, batch)


def _shuffles(columns: Floats, rounds: int, rng: Generator | None) -> Floats:
    """Columns [c, n], together in a new order each round, [c, rounds, n]; as they are without a generator."""
    if rng is None:
        return columns[:, None, :]
    order = rng.permuted(np.tile(np.arange(columns.shape[1]), (rounds, 1)), axis=1)
    return np.asarray(columns[:, order])


def _batch_sums(shuffled: Floats, starts: Ints, batch: int) -> Floats:
    """Sums over each batch, [c, rounds, batches]."""
    used = shuffled[..., : starts[-1] + batch]
    return np.asarray(np.add.reduceat(used, starts, axis=-1))


def _below(good: Floats, asked: Floats, p_tar: float, empty: bool) -> NDArray[np.bool_]:
    """Whether the share of good ones is below `p_tar`; `empty` where none was asked."""
    return np.asarray(np.where(asked > 0, good / np.maximum(asked, 1) < p_tar, empty), dtype=np.bool_)


def _over_rounds(values: NDArray[np.float64] | NDArray[np.bool_]) -> Probability:
    """The mean over rounds of each round's mean over its batches [rounds, batches], with its interval."""
    means = values.astype(np.float64).mean(axis=1)
    value, rounds = float(means.mean()), len(values)
    half = Z95 * float(means.std(ddof=1)) / rounds**0.5 if rounds > 1 else float("nan")
    return Probability(value, value - half, value + half)
