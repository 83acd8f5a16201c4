"""Profiles that nobody measured: a generator with a known truth, and a plain one for queueing theory.

`synthesise` draws a latent difficulty per sample that its exits share, so that what is hard for one exit is
hard for the next, and reports logits whose miscalibration is known exactly: a temperature fitted on exit i
must find kappa_i. `plain` never exits early and takes exactly the times it is told.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.profiles.checks import ProfileError
from mdisim.profiles.profile import CostTable, Profile

FloatArray = NDArray[np.float64]
HIGHEST = 1 - 1e-6  # a top-1 probability of 1 would need an infinite logit


def stated_costs(
    exits: int,
    *,
    stage_s: ArrayLike,
    head_s: ArrayLike = 0.0,
    out_bytes: ArrayLike = 0.0,
    kinds: Mapping[str, float] | None = None,
    note: str = "stated, not measured",
) -> CostTable:
    """A cost table of numbers that are simply said, for `exits` stages.

    `stage_s`, `head_s`: seconds, one number for all stages or one each. `out_bytes`: of the input and after
    each stage but the last, one number for all or K of them; a last 0, after the last stage, may follow.
    `kinds`: for each device kind the factor on these seconds (one kind, "unit", with factor 1, if left out).
    FLOPs are not known and stand at 0.
    """
    factors = {"unit": 1.0} if kinds is None else dict(kinds)
    scale = np.array(list(factors.values()), dtype=float)[:, None]
    return CostTable(
        kinds=tuple(factors),
        stage_flops=np.zeros(exits),
        head_flops=np.zeros(exits),
        stage_s=scale * _per_exit("stage_s", stage_s, exits),
        head_s=scale * _per_exit("head_s", head_s, exits),
        out_bytes=_sent(out_bytes, exits),
        notes=dict.fromkeys(factors, note),
    )


def plain(
    *,
    n: int,
    stage_s: ArrayLike,
    out_bytes: ArrayLike = 0.0,
    exits: int = 1,
    work: ArrayLike | None = None,
    kinds: Mapping[str, float] | None = None,
    name: str = "plain",
) -> Profile:
    """A profile that never exits early: every confidence is 0 but the last, 1, and every answer is right.

    n samples, all in the test half. `stage_s`, `out_bytes`, `kinds` as in `stated_costs`; `work` [n, exits]
    or [n, 1]: each sample's own factor on the times, which makes any service-time distribution.
    """
    confidence = np.zeros((n, exits))
    confidence[:, -1] = 1.0
    return Profile(
        name=name,
        label=np.zeros(n, dtype=np.int32),
        split=np.ones(n, dtype=np.uint8),
        confidence=confidence,
        prediction=np.zeros((n, exits), dtype=np.int32),
        work=_per_sample(work, n, exits),
        costs={"native": stated_costs(exits, stage_s=stage_s, out_bytes=out_bytes, kinds=kinds)},
        header={"model": "none, stated times", "dataset": "none", "licence": "none needed", "classes": 1},
    )


def synthesise(
    *,
    n: int,
    exits: int,
    accuracy: ArrayLike,
    stage_s: ArrayLike,
    out_bytes: ArrayLike,
    seed: int,
    head_s: ArrayLike = 0.0,
    classes: int = 10,
    correlation: float = 0.7,
    kappa: ArrayLike = 1.0,
    concentration: float = 2.5,
    calibration_share: float = 0.5,
    work: ArrayLike | None = None,
    kinds: Mapping[str, float] | None = None,
    name: str = "synthetic",
) -> Profile:
    """A profile with a known truth, drawn from one seed.

    A sample's true top-1 probability at exit i is r_i = 1/C + (1 - 1/C) Beta, with the mean `accuracy[i]` and
    the Beta's a + b = `concentration` (2.2 to 3.3 fit real nets); the r_i of one sample are joined by a
    Gaussian copula with `correlation` as their rank correlation (0.56 to 0.78 in real nets). Exit i is right
    where a uniform number shared by all exits is below r_i; where wrong it names the sample's one confusable
    class. True logits put r_i on the predicted class and the rest evenly on the others; reported logits are
    `kappa[i]` times these: above 1 is over-confident, and the temperature of exit i is kappa_i.
    `accuracy`, `kappa`, `stage_s`, `head_s`: one number for all exits or one each; `out_bytes`, `kinds`: see
    `stated_costs`; `work`: see `plain`. The first `calibration_share` of samples is the calibration half.
    """
    target, scale = _per_exit("accuracy", accuracy, exits), _per_exit("kappa", kappa, exits)
    _within("classes", classes, 2, np.inf)
    _within("accuracy", target, 1 / classes, 1)
    _within("correlation", correlation, 0, 1)
    _positive("kappa", scale)
    _positive("concentration", concentration)
    rng = np.random.default_rng(seed)
    r = _top_probabilities(rng, n, target, classes, correlation, concentration)
    label = rng.integers(0, classes, n)
    confusable = (label + rng.integers(1, classes, n)) % classes
    right = rng.random((n, 1)) < r
    prediction = np.where(right, label[:, None], confusable[:, None])
    return Profile(
        name=name,
        label=label.astype(np.int32),
        split=(np.arange(n) >= calibration_size(n, calibration_share)).astype(np.uint8),
        logits=(_true_logits(r, prediction, classes) * scale[:, None]).astype(np.float16),
        work=_per_sample(work, n, exits),
        costs={"native": stated_costs(exits, stage_s=stage_s, head_s=head_s, out_bytes=out_bytes, kinds=kinds)},
        header={
            "model": "synthetic",
            "dataset": "synthetic",
            "licence": "none needed",
            "accuracy": target.tolist(),
            "kappa": scale.tolist(),
            "correlation": correlation,
            "concentration": concentration,
            "seed": seed,
        },
    )


def calibration_size(n: int, share: float) -> int:
    """How many of n samples belong to the calibration half; the test half is never empty."""
    if not 0 <= share < 1:
        raise ProfileError("calibration_share", [f"is {share}; from 0 to below 1 would do"])
    return min(round(share * n), n - 1)


def _top_probabilities(
    rng: np.random.Generator,
    n: int,
    accuracy: FloatArray,
    classes: int,
    correlation: float,
    concentration: float,
) -> FloatArray:
    """r [n, K]: Beta margins above chance, joined by an equicorrelated Gaussian copula."""
    from scipy.special import betaincinv, ndtr

    pearson = 2 * np.sin(np.pi * correlation / 6)  # of normals with this rank correlation
    shared, own = rng.standard_normal((n, 1)), rng.standard_normal((n, len(accuracy)))
    uniform = ndtr(np.sqrt(pearson) * shared + np.sqrt(1 - pearson) * own)
    mean = np.clip((accuracy - 1 / classes) / (1 - 1 / classes), 1e-6, 1 - 1e-6)
    beta = betaincinv(concentration * mean, concentration * (1 - mean), uniform)
    r: FloatArray = np.minimum(1 / classes + (1 - 1 / classes) * beta, HIGHEST)
    return r


def _true_logits(r: FloatArray, prediction: NDArray[np.int64], classes: int) -> FloatArray:
    """Log-probabilities up to a constant [n, K, C]: the odds against any one other class, or 0."""
    logits = np.zeros((*r.shape, classes))
    odds = r * (classes - 1) / (1 - r)
    np.put_along_axis(logits, prediction[..., None], np.log(odds)[..., None], axis=2)
    return logits


def _per_exit(name: str, value: ArrayLike, exits: int) -> FloatArray:
    array = np.asarray(value, dtype=float)
    if exits < 1:
        raise ProfileError("exits", [f"is {exits}; 1 or more would do"])
    if array.ndim and array.shape != (exits,):
        raise ProfileError(name, [f"{array.size} numbers for {exits} exits; give one for all, or {exits}"])
    return np.broadcast_to(array, (exits,))


def _sent(out_bytes: ArrayLike, exits: int) -> FloatArray:
    """Bytes [K+1] of the input and after each stage, 0 after the last."""
    sent = np.asarray(out_bytes, dtype=float)
    if sent.ndim == 0:
        return np.append(np.full(exits, sent), 0.0)
    if sent.ndim != 1 or len(sent) not in (exits, exits + 1):
        counts = f"{sent.size} byte count{'s' * (sent.size != 1)} for {exits} exit{'s' * (exits != 1)}"
        after = " and after each stage but the last" if exits > 1 else ""
        raise ProfileError("out_bytes", [f"{counts}; give {exits}: of the input{after}"])
    return np.append(sent, 0.0) if len(sent) == exits else sent


def _per_sample(work: ArrayLike | None, n: int, exits: int) -> FloatArray | None:
    if work is None:
        return None
    array = np.asarray(work, dtype=float)
    if array.shape not in ((n, exits), (n, 1)):
        raise ProfileError("work", [f"has shape {array.shape}; ({n}, {exits}) or ({n}, 1) would do"])
    return np.broadcast_to(array, (n, exits))


def _positive(name: str, value: ArrayLike) -> None:
    array = np.asarray(value, dtype=float)
    if not np.all(np.isfinite(array) & (array > 0)):
        raise ProfileError(name, [f"is {np.array2string(array)}; a finite number above 0 would do"])


def _within(name: str, value: ArrayLike, low: float, high: float) -> None:
    array = np.asarray(value)
    if not np.all((array >= low) & (array <= high)):
        raise ProfileError(name, [f"is {np.array2string(array)}; from {low:g} to {high:g} would do"])
