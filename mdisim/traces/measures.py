"""What a trace is like in a few numbers; all means, shares and percentiles are over time, not over knots."""

from __future__ import annotations

from dataclasses import dataclass
from math import e, nan

import numpy as np

from mdisim.traces.editing import resampled
from mdisim.traces.trace import Floats, Trace, TraceError

QUANTILES = (0.05, 0.5, 0.95)
LAG_STEP_S = 1.0
MOST_STEPS = 2_000_000
FEW_KNOTS, FAR, MUCH = 4, 10.0, 0.1  # of a doubt: knots at least, median steps, share of the trace
_ROUNDING = 1e-12
_CONSTANT = 1e-9  # of the mean: a standard deviation that is rounding alone


@dataclass(frozen=True)
class Statistics:
    """The measures of one trace over its own duration.

    `p5_bps`, `p50_bps`, `p95_bps`: the lowest rate [bit/s] that the trace is at or below for 5, 50, 95 % of the
    time. `cv`: standard deviation over mean. `outage_share`: the share of time at rate 0. `autocorrelation_s`: the
    first lag, in steps of 1 s or as asked, at which the autocorrelation of the rate is below 1/e. What is not
    defined is nan: the `cv` of a trace that moves nothing, the `autocorrelation_s` of a constant one, the means of
    latency and loss where these are not known.
    """

    duration_s: float
    knots: int
    mean_bps: float
    std_bps: float
    cv: float
    min_bps: float
    p5_bps: float
    p50_bps: float
    p95_bps: float
    max_bps: float
    outage_share: float
    autocorrelation_s: float
    latency_mean_s: float
    loss_mean: float


def statistics(trace: Trace, step_s: float = LAG_STEP_S) -> Statistics:
    """The measures of a trace; `step_s` [s] is the step of the autocorrelation's lags.

    Raises a TraceError where the trace has more than two million such steps.
    """
    share, rates = trace.widths_s / trace.duration_s, trace.rate_bps
    mean, highest = trace.mean_bps(), float(rates.max())
    unit = highest or 1.0  # squares of large rates would be infinite
    std = unit * float(np.sqrt(np.sum(share * ((rates - mean) / unit) ** 2)))
    p5, p50, p95 = _quantiles(rates, share)
    return Statistics(
        duration_s=trace.duration_s,
        knots=len(trace),
        mean_bps=mean,
        std_bps=std,
        cv=std / mean if mean else nan,
        min_bps=float(rates.min()),
        p5_bps=p5,
        p50_bps=p50,
        p95_bps=p95,
        max_bps=highest,
        outage_share=float(share[rates == 0.0].sum()),
        autocorrelation_s=autocorrelation_s(trace, step_s),
        latency_mean_s=_mean(trace.latency_s, share),
        loss_mean=_mean(trace.loss, share),
    )


def doubts(trace: Trace) -> list[str]:
    """What speaks against a trace as it was read: one rate that holds for much of it, as over a gap in a log."""
    widths = trace.widths_s
    longest = int(np.argmax(widths))
    width_s, usual_s = float(widths[longest]), float(np.median(widths))
    if (
        "gaps" in trace.notes
        or len(widths) < FEW_KNOTS
        or width_s <= FAR * usual_s
        or width_s < MUCH * trace.duration_s
    ):
        return []
    return [
        f"one rate holds for {width_s:.6g} s from {trace.time_s[longest]:.6g} s on, {width_s / usual_s:.0f} times "
        f"the median step, {100 * width_s / trace.duration_s:.1f} % of the trace; if that is a gap in a log, read "
        "the log itself with --gap outage or --gap cut"
    ]


def autocorrelation_s(trace: Trace, step_s: float = LAG_STEP_S) -> float:
    """The first lag, a multiple of `step_s` [s], at which the autocorrelation of the rate is below 1/e.

    The rate is taken in steps of `step_s`, and the autocorrelation at lag h of n steps is the sum of the n - h
    products of deviations from the mean over the sum of the n squares. nan if the rate is the same in all steps.
    """
    if trace.duration_s > MOST_STEPS * step_s:
        raise TraceError(
            f"{trace.duration_s:g} s in steps of {step_s:g} s are more than {MOST_STEPS}; a longer step would do"
        )
    rates = resampled(trace, step_s).rate_bps
    unit = float(rates.max()) or 1.0
    off = rates / unit - np.mean(rates / unit)
    if not np.sqrt(np.mean(off**2)) > _CONSTANT:
        return nan
    size = (
        1 << (2 * len(off) - 1).bit_length()
    )  # twice as long, lest the end meet the start; powers of 2 are quick
    products = np.fft.irfft(np.abs(np.fft.rfft(off, size)) ** 2, size)[: len(off)]
    return float(np.argmax(products < products[0] / e)) * step_s


def _quantiles(rates: Floats, share: Floats) -> list[float]:
    """The lowest rates at or below which the trace is for each of the QUANTILES of the time."""
    order = np.argsort(rates, kind="stable")
    below = np.cumsum(share[order])
    first = np.searchsorted(below, (1.0 - _ROUNDING) * below[-1] * np.array(QUANTILES))
    return rates[order][first].tolist()  # type: ignore[no-any-return]


def _mean(values: Floats | None, share: Floats) -> float:
    return nan if values is None else float(np.sum(values * share))
