"""How small and how large a quantity may be, by its kind, whether a scenario, a profile or a trace states it.

Nobody means what lies beyond, and numbers go wrong there: linear programmes from 1e16 bit/s on, sums of instants
where no float can tell two of them apart. Zero has no part in this; whether it may be is said where it is stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True)
class Limit:
    """The least and the most that a quantity may be, in SI units and in words."""

    least: float
    most: float
    least_told: str
    most_told: str

    def passed(self, number: float) -> str:
        """The limit that a number does not keep, in words; empty if it keeps both, or is zero or not finite."""
        if not isfinite(number) or number == 0:
            return ""
        if abs(number) < self.least:
            return f"at least {self.least_told}"
        return f"at most {self.most_told}" if abs(number) > self.most else ""


TIME = Limit(1e-9, 8.64e10, "1 ns", "1000000 d")
RATE = Limit(1e-9, 1e6, "0.000000001/s", "1000000/s")
DATA = Limit(0.125, 1e12, "1 bit", "1 TB")
MESSAGE = Limit(0.125, 1e9, "1 bit", "1 GB")
PACKET = Limit(1.0, 1e9, "1 B", "1 GB")
BANDWIDTH = Limit(1.0, 1e15, "1 bps", "1000 Tbps")
POWER = Limit(1e-9, 1e9, "0.000000001 W", "1000000 kW")
ENERGY_PER_BIT = Limit(1e-9, 1e12, "0.000000001 nJ/bit", "1000 J/bit")  # in nJ
FACTOR = Limit(1e-9, 1e9, "0.000000001", "1000000000")
COUNT = 1_000_000_000  # of cores, tasks, bytes and other things that are counted
FLOPS = 1e21  # of a stage
SEED = 2**128 - 1  # all that a generator of NumPy takes in by default
SHORTEST_GAP_S = 1.0 / RATE.most
EVENTS_AT_ONCE = 1_000_000  # of a run, at one instant, besides those of closed loops
SWITCHES = 1_000_000  # of on-off arrivals in a run
