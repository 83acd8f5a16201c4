"""What every model of a trace is: a frozen dataclass of parameters, checked, that can be drawn from."""

from __future__ import annotations

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import accumulate
from math import ceil, exp, factorial, inf, isfinite, sqrt
from typing import Any, get_type_hints

import numpy as np
from numpy.random import Generator as Rng

from mdisim.policies.parameters import parameters
from mdisim.traces.trace import Floats, Trace, TraceError

MOST_KNOTS = 10_000_000
FORGOTTEN = 700.0  # scales, after which nothing is left that a float could tell
BOUNDS = ("ge", "gt", "le", "lt")
Knots = tuple[Floats, Floats]


@dataclass(frozen=True)
class Generator(ABC):
    """A model of a rate over time; its fields are its parameters, in SI units.

    Raises a TraceError where a field is outside its annotated range, or where fields do not go together.
    """

    def __post_init__(self) -> None:
        """Refuse what is outside its range."""
        hints = get_type_hints(type(self), include_extras=True)
        for told in parameters(type(self)):
            for value in numbers(getattr(self, told.name)):
                if not isfinite(value) and value != told.default:
                    raise self.error(f"{told.name} is {value}; a finite number would do")
                if not all(_within(value, note) for note in getattr(hints[told.name], "__metadata__", ())):
                    raise self.error(f"{told.name} is {value:g}; {told.allowed} would do")

    @abstractmethod
    def knots(self, duration_s: float, step_s: float, rng: Rng) -> Knots:
        """Times from 0 on, rising and below `duration_s`, and the rate from each on."""

    def trace(self, duration_s: float, rng: Rng, step_s: float = 1.0) -> Trace:
        """Draw a trace of whole bits per second that loops after `duration_s`.

        Models that move all the time hold their rate for `step_s`; those that jump do so when they do.
        Raises a TraceError where the model cannot be drawn so.
        """
        if not (0.0 < step_s < inf and 0.0 < duration_s < inf):
            raise TraceError(f"a trace of {duration_s:g} s in steps of {step_s:g} s cannot be; both are above 0 s")
        if duration_s / step_s > MOST_KNOTS:
            raise TraceError(f"more than {MOST_KNOTS:,} steps of {step_s:g} s; longer steps would do")
        with np.errstate(all="ignore"):  # what comes of absurd parameters is refused in words
            times, rates = self.knots(duration_s, step_s, rng)
        return Trace(times, np.rint(rates), duration_s)

    def error(self, fault: str) -> TraceError:
        """A TraceError that names the model."""
        return TraceError(f"{kebab(type(self).__name__)}: {fault}")


def kebab(name: str) -> str:
    """`GaussMarkov` as `gauss-markov`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not known: the nearest one, and all there are."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"no {what} {name!r}; {hint}there are {', '.join(names) or 'none'}"


def grid(duration_s: float, step_s: float) -> Floats:
    """The beginnings of all steps, [n] seconds."""
    times = np.round(np.arange(ceil(duration_s / step_s)) * step_s, 9)  # no 0.30000000000000004
    return times[times < duration_s]


def correlation(lag_s: Floats, scale_s: float, smooth: bool = False) -> Floats:
    """The autocorrelation of `normal_process` at lags above 0."""
    x = lag_s / scale_s if scale_s else np.full(len(lag_s), inf)
    return np.asarray(np.exp(-x) * np.where(np.isfinite(x), 1.0 + x, 1.0) if smooth else np.exp(-x))


def normal_process(n: int, step_s: float, scale_s: float, rng: Rng, smooth: bool = False) -> Floats:
    """A stationary standard normal process, [n]; without a scale it is white noise.

    Its autocorrelation at x scales is exp(-x), that of a first-order autoregression, or (1 + x) exp(-x) if
    it is smooth (Matern's with index 3/2, which has a derivative); both are exact at every step.
    """
    shocks: list[float] = rng.standard_normal(n).tolist()
    x = step_s / scale_s if scale_s else inf
    if x > FORGOTTEN:
        return np.array(shocks)
    return np.array(_smooth(shocks, x, rng) if smooth else _plain(shocks, exp(-x)))


def _plain(shocks: list[float], keep: float) -> list[float]:
    fresh = sqrt(1.0 - keep * keep)
    return list(accumulate(shocks, lambda now, shock: keep * now + fresh * shock))


def _smooth(shocks: list[float], x: float, rng: Rng) -> list[float]:
    """The process and its derivative (in scales) make a Markov chain of two normal numbers."""
    keep, twice = exp(-x), exp(-2.0 * x)
    a, b, c, d = keep * (1.0 + x), keep * x, -keep * x, keep * (1.0 - x)
    if x > 0.5:
        fresh = 1.0 - twice * (1.0 + 2.0 * x + 2.0 * x * x)
    else:  # the same, but for the digits that would cancel
        fresh = twice * sum((2.0 * x) ** k / factorial(k) for k in range(3, 20))
    top = sqrt(fresh)
    side = 2.0 * x * x * twice / top if top else 0.0
    rest = sqrt(max(1.0 - twice * (1.0 - 2.0 * x + 2.0 * x * x) - side * side, 0.0))
    others: list[float] = rng.standard_normal(len(shocks)).tolist()
    now, slope = shocks[0], others[0]
    made = [now]
    for shock, other in zip(shocks[1:], others[1:], strict=True):
        now, slope = a * now + b * slope + top * shock, c * now + d * slope + side * shock + rest * other
        made.append(now)
    return made


def numbers(value: Any) -> list[float]:
    """The numbers in a field: one, several, or rows of them."""
    if isinstance(value, tuple | list):
        return [number for item in value for number in numbers(item)]
    return [] if isinstance(value, Generator) else [value]


def _within(value: float, note: Any) -> bool:
    """Whether a value is within a bound of annotated_types, if the note is one."""
    limits = {name: getattr(note, name, None) for name in BOUNDS}
    return all(limit is None or getattr(operator, name)(value, limit) for name, limit in limits.items())
