"""Traces out of models: each model is a frozen dataclass whose fields are its parameters, and `KINDS` names them.

`model.trace(duration_s, rng)` draws one. Rates are whole bits per second, so that a trace is the same, digit
for digit, wherever it is drawn. The models are stationary: a trace begins anywhere in its model's life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, log, log1p, sqrt
from statistics import NormalDist
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Interval
from numpy.random import Generator as Rng

from mdisim.policies.parameters import Meaning
from mdisim.traces.model import MOST_KNOTS, Generator, Knots, grid, kebab, normal_process
from mdisim.traces.trace import Floats


@dataclass(frozen=True)
class Constant(Generator):
    """The same rate for ever."""

    rate_bps: Annotated[float, Meaning("the rate", "bit/s"), Ge(0)]

    def knots(self, duration_s: float, step_s: float, rng: Rng) -> Knots:
        """One knot."""
        return np.zeros(1), np.array([self.rate_bps])


@dataclass(frozen=True)
class Square(Generator):
    """High, then low, then high again: a link whose two rates and times are known exactly."""

    high_bps: Annotated[float, Meaning("the rate that each period begins with", "bit/s"), Ge(0)]
    low_bps: Annotated[float, Meaning("the rate for the rest of it", "bit/s"), Ge(0)]
    period_s: Annotated[float, Meaning("time of both together", "s"), Gt(0)]
    duty: Annotated[float, Meaning("share of a period that is high"), Interval(gt=0, lt=1)] = 0.5

    def knots(self, duration_s: float, step_s: float, rng: Rng) -> Knots:
        """Two knots a period."""
        if duration_s / self.period_s > MOST_KNOTS:
            raise self.error(f"more than {MOST_KNOTS:,} periods; a longer period_s would do")
        periods = ceil(duration_s / self.period_s)
        times: Floats = (np.arange(periods)[:, None] + np.array((0.0, self.duty))).ravel() * self.period_s
        rates = np.tile(np.array((self.high_bps, self.low_bps)), periods)
        return times[times < duration_s], rates[times < duration_s]


@dataclass(frozen=True)
class RandomWalk(Generator):
    """A walk by normal steps between two rates, at which it turns back; in the long run each rate is as likely."""

    low_bps: Annotated[float, Meaning("the lowest rate", "bit/s"), Ge(0)]
    high_bps: Annotated[float, Meaning("the highest rate", "bit/s"), Gt(0)]
    change_bps: Annotated[float, Meaning("standard deviation of the change in one second", "bit/s"),
                          Ge(0)]  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse bounds in the wrong order."""
        super().__post_init__()
        if self.low_bps >= self.high_bps:
            raise self.error(f"low_bps {self.low_bps:g} is not below high_bps {self.high_bps:g}")

    def knots(self, duration_s: float, step_s: float, rng: Rng) -> Knots:
        """Fold a free walk at both bounds, which gives the reflected one."""
        times = grid(duration_s, step_s)
        width = self.high_bps - self.low_bps
        steps = self.change_bps * sqrt(step_s) * rng.standard_normal(len(times))
        free = np.cumsum(steps) + width * rng.uniform(0.0, 2.0)
        return times, self.low_bps + width - np.abs(width - free % (2.0 * width))


@dataclass(frozen=True)
class Markov(Generator):
    """A rate for each state of a Markov chain that stays in a state for an exponential time."""

    rates_bps: Annotated[tuple[float, ...], Meaning("the rate in each state", "bit/s"), Ge(0)]
    sojourn_s: Annotated[tuple[float, ...], Meaning("mean time in each state", "s"), Gt(0)]
    transitions: Annotated[
        tuple[tuple[float, ...], ...],
        Meaning("from each state (a row) the chances of the next; without it, one of the neighbours"),
        Interval(ge=0, le=1),
    ] = ()

    def __post_init__(self) -> None:
        """Refuse a chain that has no one stationary life."""
        super().__post_init__()
        n, rows = len(self.rates_bps), self.chances()
        if n < 2 or len(self.sojourn_s) != n:
            raise self.error(f"{n} rates_bps and {len(self.sojourn_s)} sojourn_s; as many of both, and at least 2")
        if rows.shape != (n, n) or np.diag(rows).any() or (abs(rows.sum(axis=1) - 1.0) > 1e-9).any():
            raise self.error(f"transitions are {n} rows of {n} chances that add up to 1, with 0 for staying")
        if np.linalg.matrix_rank(rows - np.eye(n)) < n - 1:
            raise self.error("transitions never lead from some states to others; let them")

    def chances(self) -> Floats:
        """The chances of the next state, [n, n]."""
        if self.transitions:
            widths = {len(row) for row in self.transitions}
            return np.array(self.transitions if len(widths) == 1 else [[]], dtype=np.float64)
        n = len(self.rates_bps)
        near = np.eye(n, k=1) + np.eye(n, k=-1)
        chances: Floats = near / np.maximum(near.sum(axis=1, keepdims=True), 1.0)
        return chances

    def shares(self) -> Floats:
        """The share of time in each state, [n]."""
        n = len(self.rates_bps)
        balance = np.vstack((self.chances().T - np.eye(n), np.ones(n)))
        visits = np.linalg.lstsq(balance, np.append(np.zeros(n), 1.0), rcond=None)[0]
        times = np.maximum(visits, 0.0) * self.sojourn_s
        return np.asarray(times / times.sum(), dtype=np.float64)

    def knots(self, duration_s: float, step_s: float, rng: Rng) -> Knots:
        """One knot a jump."""
        if duration_s / min(self.sojourn_s) > MOST_KNOTS:
            raise self.error(f"more than {MOST_KNOTS:,} jumps; longer sojourn_s would do")
        nexts = np.cumsum(self.chances(), axis=1)
        nexts /= nexts[:, -1:]
        state = _drawn(np.cumsum(self.shares()), rng)
        now, times, rates = 0.0, [], []
        while now < duration_s:
            times.append(now)
            rates.append(self.rates_bps[state])
            now += self.sojourn_s[state] * rng.exponential()
            state = _drawn(nexts[state], rng)
        lasting = np.diff(times, append=duration_s) > 0.0  # a stay may be shorter than a float can tell
        return np.array(times)[lasting], np.array(rates)[lasting]


def _drawn(cumulated: Floats, rng: Rng) -> int:
    """A number from 0 on, by its cumulated chances."""
    return min(int(np.searchsorted(cumulated, rng.random(), side="right")), len(cumulated) - 1)


@dataclass(frozen=True)
class GaussMarkov(Generator):
    """A rate whose logarithm is a first-order autoregression: lognormal, and forgetting exponentially."""

    mean_bps: Annotated[float, Meaning("the mean rate, before floor and ceiling", "bit/s"), Gt(0)]
    cv: Annotated[float, Meaning("standard deviation over mean"), Ge(0)]
    correlation_s: Annotated[float, Meaning("time in which the logarithm's autocorrelation falls to 1/e", "s"),
                             Ge(0)]  # fmt: skip
    floor_bps: Annotated[float, Meaning("lower rates become this one", "bit/s"), Ge(0)] = 0.0
    ceiling_bps: Annotated[float, Meaning("higher rates become this one", "bit/s"), Gt(0)] = inf

    def __post_init__(self) -> None:
        """Refuse bounds in the wrong order."""
        super().__post_init__()
        if self.floor_bps > self.ceiling_bps:
            raise self.error(f"floor_bps {self.floor_bps:g} is above ceiling_bps {self.ceiling_bps:g}")

    def knots(self, duration_s: float, step_s: float, rng: Rng) -> Knots:
        """Exponentiate a normal process."""
        times = grid(duration_s, step_s)
        variance = log1p(self.cv * self.cv)
        scores = normal_process(len(times), step_s, self.correlation_s, rng)
        rates = np.exp(log(self.mean_bps) - variance / 2.0 + sqrt(variance) * scores)
        return times, np.clip(rates, self.floor_bps, self.ceiling_bps)


@dataclass(frozen=True)
class Quantiles(Generator):
    """A rate with given quantiles, and a memory that is the sum of a slow and a fast one.

    A stationary normal process (a slow and a fast one added) goes through the table of quantiles:
    the method of Cario and Nelson, "Autoregressive to anything" (Operations Research Letters, 1996). Between
    two quantiles the logarithm of the rate is linear in the normal score; beyond the first and the last the
    rate stays as it is there.
    """

    probabilities: Annotated[tuple[float, ...], Meaning("shares of time, rising"), Interval(gt=0, lt=1)]
    rates_bps: Annotated[tuple[float, ...], Meaning("the rate is below this for that share of time", "bit/s"),
                         Gt(0)]  # fmt: skip
    slow_s: Annotated[float, Meaning("correlation time of the slow part", "s"), Ge(0)]
    fast_s: Annotated[float, Meaning("correlation time of the fast part", "s"), Ge(0)] = 0.0
    slow_share: Annotated[
        float, Meaning("share of the slow part in the score's variance"), Interval(ge=0, le=1)
    ] = 1.0
    smooth: Annotated[bool, Meaning("whether the scores turn gently, with autocorrelation (1 + x) exp(-x)")] = (
        False
    )

    def __post_init__(self) -> None:
        """Refuse a table that is no table of quantiles."""
        super().__post_init__()
        if len(self.probabilities) != len(self.rates_bps) or not self.rates_bps:
            raise self.error(f"{len(self.probabilities)} probabilities and {len(self.rates_bps)} rates_bps")
        if any(b <= a for a, b in pairwise(self.probabilities)) or any(b < a for a, b in pairwise(self.rates_bps)):
            raise self.error("probabilities rise, and rates_bps never fall")

    def at(self, scores: Floats) -> Floats:
        """The rates at standard normal scores."""
        known = [NormalDist().inv_cdf(share) for share in self.probabilities]
        return np.exp(np.interp(scores, known, np.log(self.rates_bps)))

    def knots(self, duration_s: float, step_s: float, rng: Rng) -> Knots:
        """Draw the scores and look their rates up."""
        times = grid(duration_s, step_s)
        slow = normal_process(len(times), step_s, self.slow_s, rng, self.smooth)
        fast = normal_process(len(times), step_s, self.fast_s, rng, self.smooth)
        return times, self.at(sqrt(self.slow_share) * slow + sqrt(1.0 - self.slow_share) * fast)


@dataclass(frozen=True)
class Fade(Generator):
    """The rate of a user who passes cell after cell on a straight road at constant speed.

    Signal to noise falls by the power law of the distance to the nearest cell, and shadows (lognormal, and
    forgotten exponentially with the way: Gudmundson, Electronics Letters, 1991) lie on it. The rate is
    Shannon's, attenuated and cut at both ends as in 3GPP TR 36.942, annex A.2; below the lowest it is zero.
    """

    bandwidth_hz: Annotated[float, Meaning("the user's share of the spectrum", "Hz"), Gt(0)] = 10e6
    snr_db: Annotated[float, Meaning("signal to noise at the nearest point, unshadowed", "dB")] = 25.0
    exponent: Annotated[float, Meaning("the power of the distance by which the signal falls"),
                        Ge(0)] = 3.76  # fmt: skip
    spacing_m: Annotated[float, Meaning("way from cell to cell", "m"), Gt(0)] = 500.0
    offset_m: Annotated[float, Meaning("from the road to each cell", "m"), Gt(0)] = 60.0
    speed_mps: Annotated[float, Meaning("speed of the user", "m/s"), Gt(0)] = 14.0
    shadow_db: Annotated[float, Meaning("standard deviation of the shadows", "dB"), Ge(0)] = 8.0
    decorrelation_m: Annotated[float, Meaning("way in which the shadows' autocorrelation falls to 1/e", "m"),
                               Ge(0)] = 50.0  # fmt: skip
    efficiency: Annotated[float, Meaning("share of Shannon's rate that is reached"), Interval(gt=0, le=1)] = 0.6
    most_bps_per_hz: Annotated[float, Meaning("highest spectral efficiency", "bit/s/Hz"), Gt(0)] = 4.4
    least_db: Annotated[float, Meaning("no service below this signal to noise", "dB")] = -10.0

    def knots(self, duration_s: float, step_s: float, rng: Rng) -> Knots:
        """From place to distance to signal to rate."""
        times = grid(duration_s, step_s)
        place_m = self.speed_mps * times + self.spacing_m * rng.random()
        along_m = (place_m + self.spacing_m / 2.0) % self.spacing_m - self.spacing_m / 2.0
        loss_db = 5.0 * self.exponent * np.log10(1.0 + (along_m / self.offset_m) ** 2)
        shadow = normal_process(len(times), step_s, self.decorrelation_m / self.speed_mps, rng)
        return times, self.at(self.snr_db - loss_db + self.shadow_db * shadow)

    def at(self, snr_db: Floats) -> Floats:
        """The rate at a signal to noise."""
        shannon = np.log2(1.0 + 10.0 ** (snr_db / 10.0))
        per_hz = np.minimum(self.efficiency * shannon, self.most_bps_per_hz)
        return np.where(snr_db < self.least_db, 0.0, self.bandwidth_hz * per_hz)


@dataclass(frozen=True)
class Outages(Generator):
    """Another model, cut off now and then: up and out in turn, for times that are geometric in steps."""

    of: Annotated[Generator, Meaning("the model that is cut off")]
    up_s: Annotated[float, Meaning("mean time from the end of an outage to the next", "s"), Gt(0)]
    outage_s: Annotated[float, Meaning("mean length of an outage", "s"), Gt(0)]

    def knots(self, duration_s: float, step_s: float, rng: Rng) -> Knots:
        """Multiply with ones and zeros."""
        if step_s > min(self.up_s, self.outage_s):
            raise self.error(f"steps of {step_s:g} s are longer than outage_s or up_s; shorter steps would do")
        times, rates = self.of.knots(duration_s, step_s, rng)
        steps = grid(duration_s, step_s)
        up = self._up(len(steps), step_s, rng)
        both = np.union1d(times, steps)
        factors = up[np.searchsorted(steps, both, side="right") - 1]
        return both, rates[np.searchsorted(times, both, side="right") - 1] * factors

    def _up(self, n: int, step_s: float, rng: Rng) -> Floats:
        """Whether it is up in each of n steps, as 1.0 or 0.0."""
        mean_s = (self.outage_s, self.up_s)
        state = int(rng.random() * (self.up_s + self.outage_s) >= self.outage_s)
        states, lengths, done = [], [], 0
        while done < n:
            states.append(float(state))
            lengths.append(min(int(rng.geometric(min(step_s / mean_s[state], 1.0))), n - done))
            done += lengths[-1]
            state = 1 - state
        return np.repeat(states, lengths)


KINDS: Mapping[str, type[Generator]] = {
    kebab(kind.__name__): kind for kind in (Constant, Square, RandomWalk, Markov, GaussMarkov, Quantiles, Fade)
}
