"""Temperature scaling: one number by which all logits are divided (Guo, Pleiss, Sun and Weinberger, ICML 2017).

Above 1 it softens an over-confident network, below 1 it sharpens an under-confident one; the prediction stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from mdisim.calibration.checks import FEWEST, CalibrationError, Floats, Ints, checked, refuse_too_few
from mdisim.calibration.fitted import Fitted, Report, log_softmax, report_of
from mdisim.policies.scores import softmax


@dataclass(frozen=True, eq=False)
class FittedTemperature(Fitted):
    """softmax(z / T)."""

    temperature: float

    def __call__(self, logits: NDArray[np.floating]) -> Floats:
        """Return softmax(z / T), [..., C]."""
        return softmax(logits.astype(np.float64) / self.temperature)


@dataclass(frozen=True)
class Temperature:
    """T* = argmin of the mean NLL of softmax(z / T) + prior x (ln T)^2, within [low, high].

    The NLL is convex in 1/T, so that a bounded search by Brent's method on ln T finds the one minimum. A
    `prior` of about 1/n keeps few samples near T = 1. Fewer than `fewest` samples, or samples that are all
    right or all wrong, are refused; a minimum at a bound is flagged.
    """

    low: float = 0.05
    high: float = 20.0
    fewest: int = FEWEST
    prior: float = 0.0
    name: ClassVar[str] = "temperature"

    def __post_init__(self) -> None:
        if not 0 < self.low < 1 < self.high < np.inf:
            raise CalibrationError(f"temperature bounds are {self.low:g} and {self.high:g}; 0.05 and 20 would do")
        if not 0 <= self.prior < np.inf:
            raise CalibrationError(f"temperature's prior is {self.prior:g}; 0 or more would do")

    def fit(self, logits: NDArray[np.floating], labels: ArrayLike) -> FittedTemperature:
        """Return the map of the best temperature for logits [n, C] and labels [n]."""
        z, y = checked(logits, labels)
        refuse_too_few(z.argmax(axis=1) == y, self.fewest)
        temperature = self._best(z, y)
        at_bound = temperature in (self.low, self.high)
        flag = f"T is at its bound {temperature:g}: these samples have no best temperature" if at_bound else ""
        bare = FittedTemperature(Report(self.name), temperature)
        return replace(bare, report=report_of(self.name, bare, z, y, {"temperature": temperature}, flag))

    def objective(self, temperature: float, logits: Floats, labels: Ints) -> float:
        """Return what is minimised: the mean NLL in nats at this temperature, and the prior's part."""
        log_p = np.take_along_axis(log_softmax(logits / temperature), labels[:, None], axis=1)
        return float(-log_p.mean()) + self.prior * log(temperature) ** 2

    def _best(self, z: Floats, y: Ints) -> float:
        """The best temperature; exactly a bound where no inner one is better."""
        found = minimize_scalar(
            lambda log_t: self.objective(exp(log_t), z, y),
            bounds=(log(self.low), log(self.high)),
            method="bounded",
            options={"xatol": 1e-7},
        )
        inner = exp(float(found.x))
        return min((self.low, self.high, inner), key=lambda t: self.objective(t, z, y))


def identity() -> FittedTemperature:
    """The map that leaves a network as it is, T = 1."""
    return FittedTemperature(Report("none", parameters={"temperature": 1.0}, samples="none"), 1.0)
