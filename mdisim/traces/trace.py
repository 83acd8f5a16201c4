"""A trace: a piecewise-constant rate over time, perhaps with latency and loss, and what happens at its end.

The end of a transfer is found by integrating the rate exactly: prefix sums and two binary searches, no scan,
so that a trace of a million knots costs hardly more than one of ten.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isfinite
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import InputError

Floats = NDArray[np.float64]
End = Literal["loop", "hold", "stop"]
ENDS: tuple[str, ...] = get_args(End)


class TraceError(InputError):
    """A trace that cannot be: the message says what is wrong and what would do."""


@dataclass(frozen=True, eq=False)
class Trace:
    """A rate that holds from each `time_s` on until the next one, and from the last until `duration_s`.

    `time_s` [n] seconds, from 0, rising; `rate_bps` [n] bits per second, zero in an outage; `latency_s` and
    `loss` [n] where they are known, loss as a share below 1. After `duration_s` the trace begins again
    (`loop`), its last rate goes on (`hold`), or nothing moves any more (`stop`). `notes` say where it is from,
    `read_as` in which format and units a file was read; empty where the trace is from no file.
    Raises a TraceError where this does not hold.
    """

    time_s: Floats
    rate_bps: Floats
    duration_s: float
    end: End = "loop"
    latency_s: Floats | None = None
    loss: Floats | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    read_as: str = ""

    def __post_init__(self) -> None:
        for name in ("time_s", "rate_bps", "latency_s", "loss"):
            given = getattr(self, name)
            if given is not None:
                values = np.array(given, dtype=np.float64)
                values.setflags(write=False)
                object.__setattr__(self, name, values)
        object.__setattr__(self, "duration_s", float(self.duration_s))
        self._check()

    def _check(self) -> None:
        times = self.time_s
        if self.end not in ENDS:
            raise TraceError(f"the end of a trace is {' or '.join(ENDS)}, not {self.end!r}")
        if times.ndim != 1 or not len(times):
            raise TraceError("a trace needs one knot or more")
        if times[0] != 0.0 or not np.isfinite(times).all() or not (np.diff(times) > 0.0).all():
            raise TraceError("the times of a trace begin at 0 s and rise")
        if not (isfinite(self.duration_s) and self.duration_s > times[-1]):
            raise TraceError(f"a trace lasts longer than until its last knot: {self.duration_s} s will not do")
        for name, highest in (("rate_bps", inf), ("latency_s", inf), ("loss", 1.0)):
            values = getattr(self, name)
            if values is not None and values.shape != times.shape:
                raise TraceError(f"a trace has one {name} per time: {len(times)}, not {values.shape}")
            if values is not None and not ((values >= 0.0) & (values < highest)).all():
                below = "" if highest == inf else f" and below {highest:g}"
                raise TraceError(f"{name} of a trace is at least 0{below}, and finite")

    def __len__(self) -> int:
        """The number of knots."""
        return len(self.time_s)

    def __eq__(self, other: object) -> bool:
        """Whether two traces have the same knots and the same end; their notes do not count."""
        return isinstance(other, Trace) and self.digest == other.digest

    def __hash__(self) -> int:
        """From the knots."""
        return hash(self.digest)

    @cached_property
    def digest(self) -> str:
        """A SHA-256 of the knots and the end."""
        parts = [self.end.encode(), np.float64(self.duration_s).tobytes()]
        for values in (self.time_s, self.rate_bps, self.latency_s, self.loss):
            parts.append(b"none" if values is None else values.tobytes())
        return hashlib.sha256(b"|".join(parts)).hexdigest()

    @cached_property
    def widths_s(self) -> Floats:
        """How long each rate holds, [n] seconds."""
        return np.diff(self.time_s, append=self.duration_s)

    @cached_property
    def _knots(self) -> tuple[array[float], array[float], array[float]]:
        """Times and rates [n], and the bits moved up to each knot and up to the end [n + 1]."""
        sums = np.concatenate(([0.0], np.cumsum(self.rate_bps * self.widths_s)))
        return array("d", self.time_s), array("d", self.rate_bps), array("d", sums)

    def mean_bps(self) -> float:
        """The mean rate over the trace's own duration, in bits per second."""
        return self._knots[2][-1] / self.duration_s

    def rate_at(self, time_s: float) -> float:
        """The rate at an instant, in bits per second."""
        stopped = self.end == "stop" and time_s >= self.duration_s
        return 0.0 if stopped else float(self.rate_bps[self._knot(time_s)])

    def latency_at(self, time_s: float) -> float:
        """The latency at an instant in seconds, 0 where the trace has none."""
        return 0.0 if self.latency_s is None else float(self.latency_s[self._knot(time_s)])

    def loss_at(self, time_s: float) -> float:
        """The share lost at an instant, 0 where the trace has none."""
        return 0.0 if self.loss is None else float(self.loss[self._knot(time_s)])

    def _knot(self, time_s: float) -> int:
        """The number of the knot that holds at an instant."""
        phase_s = time_s % self.duration_s if self.end == "loop" else time_s
        return bisect_right(self._knots[0], phase_s) - 1

    def bits(self, time_s: float) -> float:
        """The bits that can be moved from 0 until then."""
        times, rates, sums = self._knots
        laps = 0.0
        if time_s >= self.duration_s:
            if self.end == "stop":
                return sums[-1]
            if self.end == "hold":
                return sums[-1] + rates[-1] * (time_s - self.duration_s)
            laps, time_s = divmod(time_s, self.duration_s)
        k = bisect_right(times, time_s) - 1
        return laps * sums[-1] + sums[k] + rates[k] * (time_s - times[k])

    @cached_property
    def _moves(self) -> Trace | None:
        """1 where the rate is above 0, else 0; None if it always is."""
        if self.end != "stop" and self.rate_bps.all():
            return None
        return Trace(self.time_s, np.sign(self.rate_bps), self.duration_s, self.end)

    def moving_s(self, time_s: float) -> float:
        """The seconds from 0 until then in which the rate is above 0."""
        return time_s if self._moves is None else self._moves.bits(time_s)

    def finish_s(self, start_s: float, bits: float) -> float:
        """When so many bits have been moved that start then; infinite if never. (The first instant, exactly.)"""
        if bits <= 0.0:
            return start_s
        times, rates, sums = self._knots
        lap_s, phase_s = 0.0, start_s
        if start_s >= self.duration_s:
            if self.end != "loop":
                rate = rates[-1] if self.end == "hold" else 0.0
                return start_s + bits / rate if rate else inf
            phase_s = start_s % self.duration_s
            lap_s = start_s - phase_s
        k = bisect_right(times, phase_s) - 1
        until_s = times[k + 1] if k + 1 < len(times) else self.duration_s
        if bits <= rates[k] * (until_s - phase_s):
            return start_s + bits / rates[k]
        return lap_s + self._reached(sums[k] + rates[k] * (phase_s - times[k]) + bits, k)

    def _reached(self, bits: float, after: int) -> float:
        """When so many bits have been moved from 0, which is not before that knot."""
        times, rates, sums = self._knots
        total = sums[-1]
        lap_s = 0.0
        if bits > total:
            if self.end == "hold":
                return self.duration_s + (bits - total) / rates[-1] if rates[-1] else inf
            if self.end == "stop" or not total:
                return inf
            laps, bits = divmod(bits, total)
            if not bits:  # whole laps end when the last one has moved its bits, which may be before its end
                laps, bits = laps - 1.0, total
            lap_s, after = laps * self.duration_s, 0
        k, step = after, 4
        while k + step < len(times) and sums[k + step] < bits:  # most transfers end near where they start
            k, step = k + step, 4 * step
        k = bisect_left(sums, bits, k + 1, min(k + step, len(times)) + 1) - 1
        if rates[k]:
            return lap_s + times[k] + (bits - sums[k]) / rates[k]
        k = bisect_right(sums, bits) - 1  # an outage, and bits too few to show in the sum: they wait for its end
        if k < len(times):
            return lap_s + times[k]
        return lap_s + self.duration_s + times[bisect_right(sums, 0.0) - 1] if self.end == "loop" else inf
