"""Whether a run kept the accuracy it promised: the measures of calibration-aided offloading, of a run's tables.

Samples are those born in the window and answered, in order of birth. The device is where the exits stand: the
policy's `device`, or else the sources. Definitions are those of `mdisim.calibration.outage`; here batches are
consecutive samples, as a user meets them, and there is one round, unless a generator to shuffle them is given.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator

from mdisim import metrics
from mdisim.calibration import outage
from mdisim.calibration.outage import BATCH, ROUNDS, Probability
from mdisim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from mdisim.results import Run


class PromiseError(InputError):
    """A measure of a promise that nobody made; the message says what would do."""


def on_device(run: Run, devices: Collection[str] | None = None) -> NDArray[np.bool_]:
    """Whether each answer was given at one of these devices, [n]."""
    return _here(run, _answers(run), devices)


def on_device_probability(run: Run, devices: Collection[str] | None = None) -> float:
    """P_dev: the share of answers given on the device."""
    return outage.on_device_probability(on_device(run, devices))


def device_accuracy(run: Run, devices: Collection[str] | None = None) -> float:
    """Acc_dev: the share of right ones among the answers given on the device."""
    answers = _answers(run)
    return outage.device_accuracy(answers["correct"], _here(run, answers, devices))


def outage_probability(
    run: Run,
    p_tar: float | None = None,
    *,
    devices: Collection[str] | None = None,
    batch: int = BATCH,
    rounds: int = ROUNDS,
    rng: Generator | None = None,
    **options: Any,
) -> Probability:
    """The share of batches in which the answers of the device are right less often than `p_tar`.

    `p_tar` is the policy's own if left out. With `rng` samples are shuffled in each of the rounds, as in the
    papers. `options` are those of `mdisim.calibration.outage.outage_probability`.
    """
    answers, wanted = _answers(run), _target(run, p_tar)
    here = _here(run, answers, devices)
    return outage.outage_probability(
        answers["correct"], here, wanted, rng=rng, batch=batch, rounds=rounds, **options
    )


def missed_deadline_probability(
    run: Run,
    t_tar_s: float,
    p_tar: float | None = None,
    *,
    batch: int = BATCH,
    rounds: int = ROUNDS,
    rng: Generator | None = None,
    **options: Any,
) -> Probability:
    """The share of batches whose mean time is above `t_tar_s`, or whose accuracy is below `p_tar`.

    As in `outage_probability`; the accuracy is that of all answers. Rounding makes none late.
    """
    answers = _answers(run)
    time_s = answers["done_s"] - answers["born_s"]
    t_tar_s += float(metrics.slack_s(t_tar_s, answers["done_s"]).max(initial=0.0))
    return outage.missed_deadline_probability(
        time_s, answers["correct"], t_tar_s=t_tar_s, p_tar=_target(run, p_tar), rng=rng, batch=batch,
        rounds=rounds, **options,
    )  # fmt: skip


def _answers(run: Run) -> pd.DataFrame:
    return run.tasks[metrics.answered(run)]


def _here(run: Run, answers: pd.DataFrame, devices: Collection[str] | None) -> NDArray[np.bool_]:
    named = run.parameters.get("device")
    where = ([named] if named else run.sources["device"].unique()) if devices is None else devices
    return np.asarray(answers["device"].isin(list(where)))


def _target(run: Run, p_tar: float | None) -> float:
    if p_tar is None and "p_tar" not in run.parameters:
        raise PromiseError(f"{run.policy} promises no accuracy of its own; give a p_tar, such as 0.8")
    return float(run.parameters["p_tar"] if p_tar is None else p_tar)
