"""What a sender makes of its own measurements of a link: the last one, a moving average, or the last few."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mdisim.policies.policy import Signals

Estimator = Callable[[float], float]  # takes a measurement, returns the estimate


def ewma(first: float, weight: float) -> Estimator:
    """Each new measurement moves the estimate by `weight` of the difference; 1 keeps the last one alone."""
    estimate = first

    def see(measured: float) -> float:
        nonlocal estimate
        estimate += weight * (measured - estimate)
        return estimate

    return see


def harmonic(first: float, last: int) -> Estimator:
    """The harmonic mean of the last few: robust to single high rates (Jiang et al., FESTIVE, CoNEXT 2012)."""
    inverses = deque([1.0 / first], maxlen=last)

    def see(measured: float) -> float:
        inverses.append(1.0 / measured)
        return len(inverses) / sum(inverses)

    return see


def mean(first: float, last: int) -> Estimator:
    """The mean of the last few; for delays, where `harmonic` is for rates."""
    seen = deque([first], maxlen=last)

    def see(measured: float) -> float:
        seen.append(measured)
        return sum(seen) / len(seen)

    return see


def of_rate(signals: Signals, first_bps: float) -> Estimator:
    """The estimator of a link's rate; `first_bps` counts as the first measurement."""
    return _made(signals, first_bps, harmonic)


def of_delay(signals: Signals, first_s: float) -> Estimator:
    """The estimator of a link's delay; `first_s` counts as the first measurement."""
    return _made(signals, first_s, mean)


def _made(signals: Signals, first: float, of_the_last: Callable[[float, int], Estimator]) -> Estimator:
    if signals.estimator == "harmonic":
        return of_the_last(first, signals.estimate_last)
    return ewma(first, 1.0 if signals.estimator == "last" else signals.delay_weight)
