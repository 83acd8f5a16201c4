"""A whole network calibrated: one fitted map for each exit, and which samples it is fitted on.

Exits 1 to k stand on the device, where a sample stops at the first of them whose confidence is `p_tar` or
more; else the rest of the backbone runs in the cloud, without its branches, and the last exit ends it. The
modes are those of Pacheco, Couto and Simeone (JNCA 2023) and two more; each is one pass over the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.calibration.checks import (
    FEWEST,
    Bools,
    CalibrationError,
    Floats,
    Ints,
    RefusalError,
    refuse_too_few_groups,
)
from mdisim.calibration.confidences import Beta, FittedConfidence, Histogram, Isotonic, OfConfidence, Platt
from mdisim.calibration.fitted import Calibrator, Fitted, Report
from mdisim.calibration.leaving import numbered
from mdisim.calibration.linear import Dirichlet, MatrixScaling, VectorScaling
from mdisim.calibration.stopping import CloudFallback, answered_by, evaluated, stops_at
from mdisim.calibration.temperature import Temperature, identity
from mdisim.policies.scores import Outputs

Mode = Literal["none", "global", "per-exit", "all-samples", "sequential"]
Fallback = Literal["all-samples", "none", "refuse"]
METHODS: Mapping[str, Calibrator] = {
    method.name: method
    for method in (
        Temperature(),
        VectorScaling(),
        MatrixScaling(),
        Dirichlet(),
        Platt(),
        Beta(),
        Isotonic(),
        Histogram(),
    )
}


@dataclass(frozen=True, eq=False)
class CalibratedExits:
    """One fitted map for each of K exits; a score for policies, and the outputs as calibrated."""

    fitted: tuple[Fitted, ...]
    mode: Mode
    p_tar: float

    def score(self, outputs: Outputs) -> Floats:
        """Return the calibrated confidences, [n, K]: what a policy compares with its thresholds."""
        return np.column_stack([_confidence(f, outputs, k) for k, f in enumerate(self._matching(outputs))])

    def prediction(self, outputs: Outputs) -> Ints:
        """Return the predictions, [n, K]; vector, matrix and Dirichlet scaling may change them."""
        return np.column_stack([_prediction(f, outputs, k) for k, f in enumerate(self._matching(outputs))])

    def calibrated(self, outputs: Outputs) -> Outputs:
        """Return outputs with calibrated confidences and predictions, for answers such as most-confident.

        The logits are left out: they would no longer say the same.
        """
        return Outputs(None, self.score(outputs), self.prediction(outputs), outputs.label)

    def probabilities(self, logits: NDArray[np.floating]) -> Floats:
        """Return the calibrated probabilities [n, K, C] of logits [n, K, C]."""
        if logits.ndim != 3 or logits.shape[1] != len(self.fitted):
            raise CalibrationError(f"logits are {logits.shape}; n x {len(self.fitted)} exits x classes would do")
        return np.stack([f(logits[:, k]) for k, f in enumerate(self.fitted)], axis=1)

    @property
    def reports(self) -> tuple[Report, ...]:
        """What was fitted at each exit, and on what."""
        return tuple(f.report for f in self.fitted)

    def rows(self) -> list[dict[str, Any]]:
        """The reports as rows of a table, exits counted from 1."""
        shown = ("method", "samples", "n", "accuracy", "nll_before", "nll_after")
        return [
            {
                "exit": k,
                **{name: getattr(report, name) for name in shown},
                **report.parameters,
                "flag": report.flag,
            }
            for k, report in enumerate(self.reports, 1)
        ]

    def _matching(self, outputs: Outputs) -> tuple[Fitted, ...]:
        if outputs.confidence.shape[1] != len(self.fitted):
            exits = outputs.confidence.shape[1]
            raise CalibrationError(
                f"outputs have {exits} exits, but {len(self.fitted)} were calibrated; as many would do"
            )
        return self.fitted


def calibrate(
    outputs: Outputs,
    method: str | Calibrator | None = None,
    mode: Mode = "per-exit",
    *,
    p_tar: float = 0.8,
    device_exits: int | None = None,
    cloud_fallback: CloudFallback = "most-confident",
    fallback: Fallback = "all-samples",
    group: ArrayLike | None = None,
) -> CalibratedExits:
    """Fit one map for each exit to a network's outputs on calibration samples.

    `method` is a name of METHODS or an object; left out it is what `default_method` says of these outputs.
    `mode` says which samples: `none` fits nothing; `all-samples` takes every sample at every exit; `global`
    runs the uncalibrated policy at `p_tar`, pools each sample's logits at the exit that answers, and fits one
    map for all exits; `per-exit` fits each exit to the samples that stop there in the same run;
    `sequential` goes from exit to exit and fits each to the samples that reach it, the earlier ones being
    calibrated already. `device_exits`: k of K, all but the last if left out; exits between k and the last
    never run and stay as they are. `cloud_fallback`: who answers where no exit reaches `p_tar`; it matters to
    `global` alone. Where an exit's samples are too few, all right or all wrong, or where its fit ends at a
    bound, `fallback` takes all samples instead, leaves the exit as it is (`none`), or lets the refusal out
    (`refuse`); the report says so. Without logits only the methods of the confidence alone can be fitted. With a
    `group`, a number for each sample [n], samples that belong together count as one where they are too few.
    """
    calibrator = _calibrator(default_method(outputs) if method is None else method)
    _check(outputs, mode, p_tar, device_exits, cloud_fallback, fallback, calibrator)
    K = outputs.confidence.shape[1]
    heads = evaluated(K, device_exits)
    if mode == "none":
        return CalibratedExits((identity(),) * K, mode, p_tar)
    job = _Job(outputs, calibrator, heads, p_tar, fallback, numbered(group, len(outputs.label)))
    fits: dict[Mode, Callable[[], list[Fitted]]] = {
        "all-samples": job.all_samples,
        "per-exit": job.per_exit,
        "sequential": job.sequential,
        "global": lambda: job.pooled(cloud_fallback),
    }
    fitted = dict(zip(heads, fits[mode](), strict=True))
    unused = replace(identity(), report=replace(identity().report, flag="this exit never runs"))
    return CalibratedExits(tuple(fitted.get(k, unused) for k in range(K)), mode, p_tar)


def default_method(outputs: Outputs) -> str:
    """The method with the fewest parameters that these outputs allow: temperature needs logits, Platt does not."""
    return Temperature().name if outputs.logits is not None else Platt().name


@dataclass(frozen=True)
class _Job:
    """One calibration: what is fitted, to what."""

    outputs: Outputs
    calibrator: Calibrator
    heads: list[int]
    p_tar: float
    fallback: Fallback
    group: Ints | None

    def all_samples(self) -> list[Fitted]:
        everyone = np.ones(len(self.outputs.label), dtype=bool)
        return [self._guarded(k, everyone, "all") for k in self.heads]

    def per_exit(self) -> list[Fitted]:
        stop = stops_at(self.outputs.confidence, self.p_tar, len(self.heads) - 1)
        return [self._guarded(k, stop == k, "stop here") for k in self.heads]

    def sequential(self) -> list[Fitted]:
        reaches = np.ones(len(self.outputs.label), dtype=bool)
        fitted: list[Fitted] = []
        for k in self.heads:
            fitted.append(self._guarded(k, reaches, "reach it"))
            reaches = reaches & (_confidence(fitted[-1], self.outputs, k) < self.p_tar)
        return fitted

    def pooled(self, cloud_fallback: CloudFallback) -> list[Fitted]:
        exit_ = answered_by(self.outputs.confidence, self.p_tar, len(self.heads) - 1, cloud_fallback)
        try:
            fitted = self._fit(exit_, np.ones(len(exit_), dtype=bool))
        except RefusalError as why:
            if self.fallback == "refuse":
                raise
            fitted = _left(str(why))
        named = replace(fitted, report=replace(fitted.report, samples="the answers of all exits"))
        return [named] * len(self.heads)

    def _guarded(self, k: int, which: Bools, name: str) -> Fitted:
        """The map of exit k fitted to these samples, or what the fallback says where that means nothing."""
        try:
            fitted = self._fit(np.full(len(which), k), which)
            why = "" if name == "all" else fitted.report.flag
        except RefusalError as refusal:
            if self.fallback == "refuse":
                raise RefusalError(f"exit {k + 1}, samples that {name}: {refusal}") from refusal
            fitted, why = _left(""), str(refusal)
        if not why:
            return replace(fitted, report=replace(fitted.report, samples=name))
        if self.fallback == "refuse":
            raise RefusalError(f"exit {k + 1}, samples that {name}: {why}")
        if self.fallback == "none" or name == "all":
            return _left(f"{'all samples' if name == 'all' else f'samples that {name}'}: {why}")
        other = self._guarded(k, np.ones(len(which), dtype=bool), "all")
        same = other.report.flag in (why, f"all samples: {why}")
        whose = f"samples that {name}, and all samples" if same else f"samples that {name}"
        flag = "; ".join(text for text in (f"{whose}: {why}", "" if same else other.report.flag) if text)
        return replace(other, report=replace(other.report, flag=flag))

    def _fit(self, exit_: Ints, which: Bools) -> Fitted:
        """The map fitted to the chosen samples, each as the exit of its row says it."""
        rows = np.flatnonzero(which)
        if self.group is not None:
            refuse_too_few_groups(len(np.unique(self.group[rows])), getattr(self.calibrator, "fewest", FEWEST))
        seen, label = exit_[rows], self.outputs.label[rows]
        if isinstance(self.calibrator, OfConfidence) and self.outputs.logits is None:
            right = self.outputs.prediction[rows, seen] == label
            return self.calibrator.fit_confidence(self.outputs.confidence[rows, seen], right)
        assert self.outputs.logits is not None  # `_check` has seen to it
        return self.calibrator.fit(self.outputs.logits[rows, seen], label)


def _left(flag: str) -> Fitted:
    """An exit left as it is, and why."""
    return replace(identity(), report=replace(identity().report, flag=flag))


def _confidence(fitted: Fitted, outputs: Outputs, k: int) -> Floats:
    """The calibrated confidence of exit k, [n]."""
    if outputs.logits is not None:
        return fitted.confidence(outputs.logits[:, k])
    if isinstance(fitted, FittedConfidence):
        return fitted.curve(outputs.confidence[:, k])
    if fitted.report.method == "none":
        return outputs.confidence[:, k]
    raise _no_logits(fitted.report.method)


def _prediction(fitted: Fitted, outputs: Outputs, k: int) -> Ints:
    """The prediction of exit k, [n]."""
    if outputs.logits is None:
        return outputs.prediction[:, k]
    return fitted.prediction(outputs.logits[:, k])


def _no_logits(method: str) -> CalibrationError:
    able = ", ".join(name for name, one in METHODS.items() if isinstance(one, OfConfidence))
    return CalibrationError(f"method {method!r} needs logits, which these outputs do not hold; {able} would do")


def _calibrator(method: str | Calibrator) -> Calibrator:
    if not isinstance(method, str):
        return method
    if method not in METHODS:
        raise CalibrationError(f"there is no method {method!r}; {', '.join(METHODS)} would do")
    return METHODS[method]


def _check(
    outputs: Outputs,
    mode: str,
    p_tar: float,
    device_exits: int | None,
    cloud_fallback: str,
    fallback: str,
    calibrator: Calibrator,
) -> None:
    """Refuse settings that name nothing, and outputs that lack what the method needs."""
    choices = (
        ("mode", mode, Mode),
        ("cloud_fallback", cloud_fallback, CloudFallback),
        ("fallback", fallback, Fallback),
    )
    for what, word, known in choices:
        if word not in get_args(known):
            raise CalibrationError(f"{what} is {word!r}; {', '.join(get_args(known))} would do")
    if not 0 < p_tar <= 1:
        raise CalibrationError(f"p_tar is {p_tar:g}; above 0 and up to 1 would do")
    K = outputs.confidence.shape[1]
    if device_exits is not None and not 0 <= device_exits < K:
        raise CalibrationError(f"device_exits is {device_exits}; 0 to {K - 1} of {K} exits would do")
    if mode != "none" and outputs.logits is None and not isinstance(calibrator, OfConfidence):
        raise _no_logits(calibrator.name)
