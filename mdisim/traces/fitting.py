"""A model fitted to logs: their quantiles, their autocorrelation and their outages, over all of them together.

The logs are taken as pieces of one stationary process, each counting by its duration, and averaged over steps.
A step below the outage rate is an outage; the runs of such steps give the mean lengths. The other steps give
the table of quantiles, and the rates' autocorrelation about the mean of all logs. From both follows the
autocorrelation of the normal scores (by a Hermite expansion of the table), and from it, by least squares, the
two memories of `Quantiles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, factorial, nan, sqrt
from typing import Any

import numpy as np
from numpy.random import Generator as Rng
from numpy.typing import NDArray

from mdisim.traces.editing import resampled
from mdisim.traces.generators import Outages, Quantiles
from mdisim.traces.model import Generator, correlation
from mdisim.traces.trace import Floats, Trace, TraceError

PROBABILITIES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
MOST_LAGS = 60
FEWEST_STEPS = 30
LONGEST_MEMORY = 300.0  # steps; what changes more slowly is not told from what stays
TRIED = 60  # correlation times
DRAWN = 100_000  # steps of the model that is compared
TERMS, NODES = 30, 120  # of the Hermite expansion
Bools = NDArray[np.bool_]


def fit(
    logs: Sequence[Trace], *, step_s: float = 1.0, outage_bps: float = 10e3, same_mean: bool = False
) -> Generator:
    """The `Quantiles` of the logs, within `Outages` where they have any.

    Rates are averaged over `step_s`, which is best not shorter than the logs' own steps; below `outage_bps`
    they are outages. With `same_mean` each log is first scaled to the mean of all, so that only what changes
    within a log counts. Raises a TraceError where there is too little to fit.
    """
    samples = [sampled(log, step_s) for log in logs]
    up = [rates >= outage_bps for rates in samples]
    above = sum(int(is_up.sum()) for is_up in up)
    if above < FEWEST_STEPS:
        raise TraceError(
            f"{above} steps of {step_s:g} s are above the outage rate of {outage_bps:g} bit/s; "
            f"{FEWEST_STEPS} would do: give more logs, shorter steps, or a lower rate"
        )
    if same_mean:
        samples = at_one_mean(samples)
    model = _quantiles(samples, up, step_s)
    out = sum(map(len, up)) - above
    if not out:
        return model
    steps = out / sum(_runs(~is_up) for is_up in up)
    return Outages(model, up_s=_figures(step_s * steps * above / out), outage_s=_figures(step_s * steps))


def sampled(trace: Trace, step_s: float) -> Floats:
    """The mean rate over each whole step of a trace, [n] bits per second."""
    return resampled(trace, step_s).rate_bps[: int(trace.duration_s / step_s + 1e-9)]


def at_one_mean(samples: Sequence[Floats]) -> list[Floats]:
    """Each log at the mean of them all; one that is zero throughout stays so."""
    mean = np.concatenate(samples).mean()
    return [rates * (mean / rates.mean()) if rates.any() else rates for rates in samples]


def autocorrelation(samples: Sequence[Floats], up: Sequence[Bools] | None = None) -> tuple[Floats, Floats]:
    """The autocorrelation at 1, 2, ... steps about the mean of all logs, [lags], and the pairs that tell it.

    Where `up` is given only pairs of which both are up count.
    """
    kept = [np.ones(len(rates), dtype=bool) for rates in samples] if up is None else up
    every = np.concatenate([rates[k] for rates, k in zip(samples, kept, strict=True)])
    mean, variance = every.mean(), every.var()
    lags = min(MOST_LAGS, max(map(len, samples)) // 3)
    off = [np.where(k, rates - mean, 0.0) for rates, k in zip(samples, kept, strict=True)]
    sums: Floats = np.sum([_lagged(values, lags) for values in off], axis=0)
    pairs: Floats = np.rint(np.sum([_lagged(k.astype(np.float64), lags) for k in kept], axis=0))
    return sums / (np.maximum(pairs, 1.0) * variance if variance else np.inf), pairs


def _lagged(values: Floats, lags: int) -> Floats:
    """The sums of products of values 1, 2, ... `lags` steps apart, [lags]."""
    spectrum = np.fft.rfft(values, len(values) + lags + 1)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, len(values) + lags + 1)[1 : lags + 1])


def compared(
    logs: Sequence[Trace],
    model: Generator,
    rng: Rng,
    *,
    step_s: float = 1.0,
    outage_bps: float = 10e3,
    same_mean: bool = False,
) -> list[dict[str, Any]]:
    """Logs and a long trace of the model side by side, taken as `fit` does: one row for each.

    `autocorrelation_s` is the first lag at which the rates' autocorrelation is below 1/e, nan if none is.
    """
    samples = [sampled(log, step_s) for log in logs]
    drawn = model.trace(DRAWN * step_s, rng, step_s)
    told = {"logs": at_one_mean(samples) if same_mean else samples, "model": [sampled(drawn, step_s)]}
    return [{"of": name, **_measures(pieces, step_s, outage_bps)} for name, pieces in told.items()]


def _measures(samples: Sequence[Floats], step_s: float, outage_bps: float) -> dict[str, float]:
    rates = np.concatenate(samples)
    below = autocorrelation(samples)[0] < exp(-1.0)
    low, middle, high = np.quantile(rates, (0.05, 0.5, 0.95)).tolist()
    return {
        "duration_s": len(rates) * step_s,
        "mean_bps": float(rates.mean()),
        "cv": float(rates.std() / rates.mean()),
        "autocorrelation_s": step_s * float(np.argmax(below) + 1) if below.any() else nan,
        "outage_share": float((rates < outage_bps).mean()),
        "p5_bps": low,
        "p50_bps": middle,
        "p95_bps": high,
    }


def _quantiles(samples: Sequence[Floats], up: Sequence[Bools], step_s: float) -> Quantiles:
    rates = np.concatenate([r[is_up] for r, is_up in zip(samples, up, strict=True)])
    table = tuple(_figures(float(q)) for q in np.quantile(rates, PROBABILITIES))
    measured, pairs = autocorrelation(samples, up)
    scores = _of_scores(Quantiles(PROBABILITIES, table, slow_s=0.0), measured)
    slow_s, fast_s, share, smooth = _memories(scores, pairs, step_s)
    return Quantiles(PROBABILITIES, table, _figures(slow_s), _figures(fast_s), round(share, 2), smooth)


def _of_scores(model: Quantiles, of_rates: Floats) -> Floats:
    """The autocorrelation of normal scores that gives the rates theirs; where that is negative, none."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    basis = np.polynomial.hermite_e.hermevander(nodes, TERMS)[:, 1:]
    norms = np.array([sqrt(factorial(k)) for k in range(1, TERMS + 1)])
    power = ((weights / weights.sum() * model.at(nodes)) @ (basis / norms)) ** 2
    scores = np.linspace(0.0, 1.0, 1001)
    implied = (scores[:, None] ** np.arange(1, TERMS + 1)) @ power / (power.sum() or 1.0)
    return np.asarray(np.interp(of_rates, implied, scores), dtype=np.float64)


def _memories(scores: Floats, pairs: Floats, step_s: float) -> tuple[float, float, float, bool]:
    """The slow and the fast correlation time, the share of the slow, and whether both are smooth.

    All pairs of times are tried, with the share that least squares give. A lag counts by its pairs, and less
    the longer it is.
    """
    steps = np.arange(1, len(scores) + 1)
    lags: Floats = step_s * steps.astype(np.float64)
    weights = pairs / steps
    times = np.append(0.0, step_s * np.geomspace(0.5, LONGEST_MEMORY, TRIED))
    best, found = np.inf, (0.0, 0.0, 1.0, False)
    for smooth in (False, True):
        falls = [correlation(lags, float(time), smooth) for time in times]
        for i, slow in enumerate(falls):
            for j, fast in enumerate(falls[: i + 1]):
                gap = slow - fast
                norm = float(weights @ (gap * gap))
                share = min(max(float(weights @ (gap * (scores - fast))) / norm, 0.0), 1.0) if norm else 1.0
                error = float(weights @ (scores - fast - share * gap) ** 2)
                if error < 0.999 * best:  # what is no better is no reason to be less simple
                    best, found = error, (float(times[i]), float(times[j]), share, smooth)
    return found


def _runs(state: Bools) -> int:
    """How many unbroken runs there are of what is true."""
    return int(np.count_nonzero(np.diff(state.astype(int), prepend=0) == 1))


def _figures(value: float) -> float:
    """Four significant figures: more would claim what no log of minutes can tell."""
    return float(f"{value:.4g}")
