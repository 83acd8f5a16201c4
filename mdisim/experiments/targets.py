"""Targets: a measure that is to stay below or above a bound, written `latency_p95_s <= 200 ms`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite, isnan
from typing import Literal

from mdisim.errors import InputError
from mdisim.experiments.prepare import ExperimentError
from mdisim.scenario.units import BANDWIDTH, DATA, RATE, TIME, parse
from mdisim.statistics import Interval

Verdict = Literal["met", "missed", "open"]

UNITS = {"_per_s": RATE, "_s": TIME, "_bytes": DATA, "_bps": BANDWIDTH}  # by the end of a measure's name
ROUNDING = 1e-9  # of a bound
WRITTEN = re.compile(r"\s*(\w+)\s*(<=|>=)\s*(.+?)\s*")


@dataclass(frozen=True)
class Target:
    """A measure that is to be at most, or else at least, a bound in the measure's unit."""

    measure: str
    bound: float
    at_most: bool

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"{self.measure} {'<=' if self.at_most else '>='} {self.bound:g}"

    @classmethod
    def of(cls, written: str, known: Sequence[str]) -> Target:
        """Read `measure <= bound` or `measure >= bound`; an ExperimentError says what would do."""
        match = WRITTEN.fullmatch(written)
        if match is None:
            raise ExperimentError(
                f"target {written!r} is not measure <= bound; 'latency_p95_s <= 200 ms' would do"
            )
        name, sign, bound = match.groups()
        check_measure(name, known)
        return cls(name, _number(bound, name, written), sign == "<=")

    def verdict(self, found: Interval) -> Verdict:
        """What an interval of the measure says; `open` where the bound lies in it. NaN misses every target."""
        mean, low, high = (self._near(float(x)) for x in found)
        if isnan(mean):
            return "missed"
        below, above = high <= self.bound, low >= self.bound  # both false where there is no interval
        if below or above:
            return "met" if below == self.at_most or low == high == self.bound else "missed"
        return "open"

    def met_by(self, value: float) -> bool:
        """Whether a number meets the target."""
        near = self._near(value)
        return near <= self.bound if self.at_most else near >= self.bound

    def violation(self, value: float) -> float:
        """By how much a number misses the target; below zero where it meets it, infinite for NaN."""
        if isnan(value):
            return float("inf")
        over = self._near(value) - self.bound
        return over if self.at_most else -over

    def _near(self, value: float) -> float:
        """The bound itself for what differs from it by rounding alone, as a delay of two instants may."""
        return self.bound if abs(value - self.bound) <= ROUNDING * abs(self.bound) else value


def targets_of(given: str | Iterable[str], known: Sequence[str]) -> tuple[Target, ...]:
    """One target or several, of which every one is to be met."""
    every = [given] if isinstance(given, str) else list(given)
    if not every:
        raise ExperimentError("no target; one such as 'latency_p95_s <= 200 ms' would do")
    return tuple(Target.of(one, known) for one in every)


def check_measure(name: str, known: Sequence[str]) -> None:
    """Raise an ExperimentError for a measure that is not known."""
    if name not in known:
        near = get_close_matches(name, known, 1)
        would = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise ExperimentError(f"no measure {name!r}; {would}")


def _number(bound: str, measure: str, written: str) -> float:
    try:
        number = float(bound)
    except ValueError:
        dimension = next((d for ending, d in UNITS.items() if measure.endswith(ending)), None)
        if dimension is None:
            raise ExperimentError(f"target {written!r}: {bound!r} is no number") from None
        try:
            number = parse(bound, dimension, zero=True)
        except InputError as error:
            raise ExperimentError(f"target {written!r}: {error}") from None
    if not isfinite(number):
        raise ExperimentError(f"target {written!r}: {bound!r} is not finite")
    return number
