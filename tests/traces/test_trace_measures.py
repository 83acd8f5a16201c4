"""The measures of traces, held against closed forms and against NumPy on a fine grid."""

from dataclasses import asdict
from math import e, isnan, log

import numpy as np
import pytest
from drawn_traces import dyadic_traces
from examples import examples
from hypothesis import given

from mdisim.traces import Trace, TraceError, autocorrelation_s, statistics

SOME = examples(50)


@given(dyadic_traces())
@SOME
def test_the_measures_are_those_of_the_rate_at_every_instant(trace):
    grid = np.array([trace.rate_at(k / 8) for k in range(round(trace.duration_s * 8))])
    found = statistics(trace)
    assert found.mean_bps == pytest.approx(np.mean(grid))
    assert found.std_bps == pytest.approx(np.std(grid), abs=1e-12)
    assert [found.p5_bps, found.p50_bps, found.p95_bps] == np.percentile(
        grid, [5, 50, 95], method="inverted_cdf"
    ).tolist()
    assert found.outage_share == pytest.approx(np.mean(grid == 0))
    assert (found.min_bps, found.max_bps) == (grid.min(), grid.max())
    assert (
        isnan(found.cv) if not grid.any() else found.cv == pytest.approx(np.std(grid) / np.mean(grid), abs=1e-12)
    )


def test_time_counts_and_not_knots():
    trace = Trace([0, 1, 2, 10], [9, 9, 1, 0], 20, latency_s=[0.4, 0.4, 0.1, 0.1], loss=[0, 0, 0, 0.5])
    found = statistics(trace)
    assert (found.p5_bps, found.p50_bps, found.p95_bps) == (0, 0, 9)
    assert found.outage_share == pytest.approx(0.5)
    assert found.mean_bps == pytest.approx((18 + 8) / 20)
    assert found.latency_mean_s == pytest.approx((0.8 + 1.8) / 20)
    assert found.loss_mean == pytest.approx(0.25)
    assert (found.duration_s, found.knots) == (20, 4)


def test_what_is_not_defined_is_nan():
    found = asdict(statistics(Trace([0], [5], 10)))
    assert sorted(key for key, value in found.items() if isnan(value)) == [
        "autocorrelation_s",
        "latency_mean_s",
        "loss_mean",
    ]
    assert found["cv"] == 0.0
    assert isnan(statistics(Trace([0], [0], 10)).cv)
    assert isnan(statistics(Trace([0, 0.3, 0.7], [5, 5, 5], 9.9), 0.1).autocorrelation_s)


def test_the_autocorrelation_of_an_autoregression_is_known():
    """Of x' = a x + noise it is a^h, below 1/e from the first h on that is above -1 / ln a."""
    rng, a, n = np.random.default_rng(2), 0.95, 200_000
    x = np.zeros(n)
    for k, noise in enumerate(rng.normal(size=n - 1)):
        x[k + 1] = a * x[k] + noise
    trace = Trace(np.arange(n) * 0.5, x - x.min(), n * 0.5)
    assert autocorrelation_s(trace, 0.5) == pytest.approx(-0.5 / log(a), rel=0.1)


def test_the_autocorrelation_is_the_sum_of_products_over_the_sum_of_squares():
    rates = np.random.default_rng(3).integers(0, 9, 40).astype(float).cumsum()
    off = rates - rates.mean()
    plain = [np.dot(off[: 40 - lag], off[lag:]) / np.dot(off, off) for lag in range(40)]
    first = next(lag for lag, value in enumerate(plain) if value < 1 / e)
    assert autocorrelation_s(Trace(np.arange(40), rates, 40)) == first


def test_large_rates_and_long_traces_have_measures_too():
    found = statistics(Trace([0, 1], [1e200, 0], 2))
    assert found.std_bps == pytest.approx(5e199)
    with pytest.raises(TraceError, match="more than 2000000; a longer step would do"):
        statistics(Trace([0, 1], [1, 2], 1e9))
    assert statistics(Trace([0, 1], [1, 2], 1e9), step_s=1e4).p50_bps == 2
