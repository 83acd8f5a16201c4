"""What is drawn from a model has the mean, spread, memory, outages and bounds that its parameters say."""

from dataclasses import replace
from math import exp, expm1, log1p, pi, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from mdisim.policies.parameters import parameters
from mdisim.traces import TraceError, statistics
from mdisim.traces.generators import (
    KINDS,
    Constant,
    Fade,
    GaussMarkov,
    Markov,
    Outages,
    Quantiles,
    RandomWalk,
    Square,
)
from mdisim.traces.model import correlation, grid, normal_process

LONG_S = 200_000.0
SIGMAS = 5.0  # seeds are fixed: what holds within five standard errors holds always
QUANTILES = Quantiles((0.1, 0.5, 0.9), (1e6, 4e6, 9e6), slow_s=20.0, fast_s=2.0, slow_share=0.6)
SAMPLES = (
    Constant(3e6),
    Square(9e6, 1e6, period_s=8.0, duty=0.25),
    RandomWalk(1e6, 5e6, change_bps=4e5),
    Markov((1e6, 8e6, 3e6), (2.0, 5.0, 1.0)),
    GaussMarkov(5e6, cv=0.6, correlation_s=7.0),
    QUANTILES,
    replace(QUANTILES, smooth=True),
    Fade(),
    Outages(GaussMarkov(5e6, cv=0.6, correlation_s=7.0), up_s=20.0, outage_s=3.0),
)
ALL = pytest.mark.parametrize("model", SAMPLES, ids=lambda model: type(model).__name__)


def draw(model, duration_s=LONG_S, seed=1, step_s=1.0):
    return model.trace(duration_s, np.random.default_rng(seed), step_s)


def lagged(rates, lag):
    off = rates - rates.mean()
    return float(off[lag:] @ off[:-lag] / (off @ off))


def near(value, expected, spread, memory_s, duration_s=LONG_S):
    """Whether a mean over time is as expected, given its standard deviation and correlation time."""
    return abs(value - expected) < SIGMAS * spread * sqrt(2.0 * max(memory_s, 0.5) / duration_s)


# --- what holds for all


@ALL
def test_the_same_seed_draws_the_same_trace_and_another_another(model):
    assert draw(model, 300.0) == draw(model, 300.0)
    if type(model) not in (Constant, Square):
        assert draw(model, 300.0) != draw(model, 300.0, seed=2)


@ALL
@examples(15)
@given(duration_s=st.floats(0.01, 400.0), step_s=st.floats(0.05, 3.0), seed=st.integers(0, 2**32))
def test_a_trace_is_as_long_as_asked_in_whole_bits_and_loops(model, duration_s, step_s, seed):
    trace = draw(model, duration_s, seed, step_s)
    assert (trace.duration_s, trace.end) == (duration_s, "loop")
    assert np.array_equal(trace.rate_bps, np.rint(trace.rate_bps))
    if type(model) in (RandomWalk, GaussMarkov, Quantiles, Fade):
        assert trace.time_s.tolist() == pytest.approx(step_s * np.arange(len(trace)))


numbers = st.floats(allow_nan=False, allow_infinity=False)


@examples(200)
@given(kind=st.sampled_from([RandomWalk, GaussMarkov, Fade, Square, Constant, Outages, Quantiles]), data=st.data())
def test_absurd_parameters_are_refused_in_words_or_drawn(kind, data):
    known = {"of": st.just(Constant(1e6)), "probabilities": st.just((0.1, 0.9)), "smooth": st.booleans()}
    known["rates_bps"] = st.tuples(numbers, numbers)
    values = {told.name: data.draw(known.get(told.name, st.one_of(st.floats(0, 10), numbers)))
              for told in parameters(kind)}  # fmt: skip
    try:
        trace = draw(kind(**values), 20.0)
    except TraceError:
        return
    assert np.isfinite(trace.rate_bps).all()


def test_a_smooth_process_in_tiny_steps_is_as_smooth():
    drawn = normal_process(400_000, 1e-3, 10.0, np.random.default_rng(3), smooth=True)
    assert (np.diff(drawn) / 1e-4).std() == pytest.approx(1.0, rel=0.4)  # the derivative is standard, too
    paths = [normal_process(2, 1e-6, 1.0, np.random.default_rng(seed), smooth=True) for seed in range(3000)]
    assert (np.diff(paths).ravel() / 1e-6).std() == pytest.approx(1.0, rel=0.08)


def test_steps_are_written_as_a_person_would():
    assert grid(0.5, 0.1).tolist() == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert grid(0.25, 0.1).tolist() == [0.0, 0.1, 0.2]


def test_the_names_of_kinds_are_those_of_the_classes():
    assert list(KINDS) == ["constant", "square", "random-walk", "markov", "gauss-markov", "quantiles", "fade"]


# --- each kind


def test_constant_is_one_knot():
    trace = draw(Constant(3e6), 60.0)
    assert (len(trace), trace.rate_at(59.0)) == (1, 3e6)


@given(duty=st.floats(0.01, 0.99), period_s=st.floats(0.5, 50.0))
def test_square_is_high_for_its_share_of_each_period(duty, period_s):
    trace = draw(Square(9e6, 1e6, period_s, duty), 20 * period_s)
    assert trace.mean_bps() == pytest.approx(1e6 + duty * 8e6)
    assert set(trace.rate_bps) == {1e6, 9e6}
    assert trace.rate_at(3 * period_s + 0.5 * duty * period_s) == 9e6


def test_random_walk_is_uniform_and_forgets_as_a_reflected_walk():
    low, high, change = 1e6, 5e6, 4e5
    rates = draw(RandomWalk(low, high, change)).rate_bps
    width = high - low
    slowest = (pi * change / width) ** 2 / 2.0
    assert near(rates.mean(), (low + high) / 2, width / sqrt(12), 1 / slowest)
    assert rates.std() == pytest.approx(width / sqrt(12), rel=0.05)
    odd = np.arange(1, 40, 2)
    for lag in (1, 5, 20):
        expected = 96 / pi**4 * np.sum(np.exp(-(odd**2) * slowest * lag) / odd**4)
        assert lagged(rates, lag) == pytest.approx(expected, abs=0.04)


@given(low=st.floats(0, 1e7), width=st.floats(10.0, 1e7), change=st.floats(0, 1e8), seed=st.integers(0, 99))
def test_random_walk_stays_between_its_bounds(low, width, change, seed):
    trace = draw(RandomWalk(low, low + width, change), 50.0, seed)
    assert low - 0.5 <= trace.rate_bps.min() <= trace.rate_bps.max() <= low + width + 0.5


def test_markov_of_two_states_has_their_shares_and_memory():
    up_s, down_s = 6.0, 2.0
    trace = draw(Markov((8e6, 2e6), (up_s, down_s)))
    share, memory_s = up_s / (up_s + down_s), 1 / (1 / up_s + 1 / down_s)
    spread = 6e6 * sqrt(share * (1 - share))
    assert near(trace.mean_bps(), 2e6 + 6e6 * share, spread, memory_s)
    assert statistics(trace).std_bps == pytest.approx(spread, rel=0.02)
    at = np.arange(0.0, 50_000.0, 0.5)
    rates = trace.rate_bps[np.searchsorted(trace.time_s, at, side="right") - 1]
    for lag_s in (0.5, 1.0, 3.0):
        assert lagged(rates, int(2 * lag_s)) == pytest.approx(exp(-lag_s / memory_s), abs=0.03)


def test_markov_by_neighbours_is_a_birth_death_chain():
    model = Markov((1e6, 2e6, 3e6), (1.0, 4.0, 2.0))
    assert model.chances().tolist() == [[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]]
    assert model.shares() == pytest.approx(np.array([1.0, 8.0, 2.0]) / 11.0)  # visits 1 : 2 : 1, times sojourns
    assert near(draw(model).mean_bps(), 23e6 / 11.0, 1e6, 4.0)


def test_markov_follows_its_transitions():
    ring = Markov((1e6, 2e6, 3e6), (1.0, 1.0, 1.0), ((0, 1, 0), (0, 0, 1), (1, 0, 0)))
    rates = draw(ring, 500.0).rate_bps
    assert set(np.diff(rates)) == {1e6, -2e6}


def test_gauss_markov_is_lognormal_with_its_mean_cv_and_memory():
    mean, cv, memory_s = 20e6, 0.5, 10.0
    rates = draw(GaussMarkov(mean, cv, memory_s)).rate_bps
    assert near(rates.mean(), mean, cv * mean, memory_s)
    assert rates.std() / rates.mean() == pytest.approx(cv, rel=0.03)
    variance = log1p(cv**2)
    for lag in (1, 5, 10, 30):
        expected = expm1(variance * exp(-lag / memory_s)) / expm1(variance)
        assert lagged(rates, lag) == pytest.approx(expected, abs=0.02)


@given(floor=st.floats(0, 5e6), above=st.floats(0, 1e7), cv=st.floats(0, 5), seed=st.integers(0, 99))
def test_gauss_markov_keeps_floor_and_ceiling(floor, above, cv, seed):
    trace = draw(GaussMarkov(4e6, cv, 3.0, floor, max(floor + above, 1.0)), 50.0, seed)
    assert floor - 0.5 <= trace.rate_bps.min() <= trace.rate_bps.max() <= max(floor + above, 1.0) + 0.5


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("step_s", [0.1, 1.0, 7.0])
def test_the_normal_process_is_standard_and_has_its_autocorrelation(smooth, step_s):
    drawn = normal_process(200_000, step_s, 4.0, np.random.default_rng(3), smooth)
    memory = 4.0 * (2 if smooth else 1) / step_s
    assert near(drawn.mean(), 0.0, 1.0, memory, len(drawn))
    assert drawn.var() == pytest.approx(1.0, abs=0.05)
    for lag in (1, 3, 10):
        expected = float(correlation(np.array([lag * step_s]), 4.0, smooth)[0])
        assert expected == pytest.approx(exp(-lag * step_s / 4) * (1 + lag * step_s / 4 if smooth else 1))
        assert lagged(drawn, lag) == pytest.approx(expected, abs=0.03)


def test_without_a_scale_the_process_is_white():
    drawn = normal_process(100_000, 1.0, 0.0, np.random.default_rng(3))
    assert lagged(drawn, 1) == pytest.approx(0.0, abs=0.02)
    assert correlation(np.array([1.0, 2.0]), 0.0, smooth=True).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("smooth", [False, True])
def test_quantiles_are_kept_and_the_scores_remember_in_two_ways(smooth):
    model = replace(QUANTILES, smooth=smooth)
    rates = draw(model).rate_bps
    assert np.quantile(rates, (0.1, 0.3, 0.5, 0.7, 0.9)) == pytest.approx(
        (1e6, 4e6 ** (1 - 0.409) * 1e6**0.409, 4e6, 4e6 ** (1 - 0.409) * 9e6**0.409, 9e6), rel=0.05
    )  # 0.409: the normal score of 0.7 over that of 0.9
    assert NormalDist().inv_cdf(0.7) / NormalDist().inv_cdf(0.9) == pytest.approx(0.409, abs=1e-3)
    assert (rates.min(), rates.max()) == (1e6, 9e6)
    slow, fast = (correlation(np.array([1.0, 4.0, 15.0]), scale, smooth) for scale in (20.0, 2.0))
    inside = replace(model, probabilities=(1e-9, 1 - 1e-9), rates_bps=(exp(6), exp(30)))
    scores = np.log(draw(inside).rate_bps)  # a table of two entries: the logarithm is the score
    for lag, expected in zip((1, 4, 15), 0.6 * slow + 0.4 * fast, strict=True):
        assert lagged(scores, lag) == pytest.approx(expected, abs=0.03)


def test_fade_without_shadows_repeats_from_cell_to_cell():
    model = Fade(shadow_db=0.0, spacing_m=400.0, speed_mps=10.0, snr_db=20.0, least_db=-30.0)
    rates = draw(model, 400.0).rate_bps
    assert rates[:40].tolist() == rates[40:80].tolist()
    assert len(set(rates[:40])) > 15
    best = 0.6 * 10e6 * np.log2(1 + 100.0)
    farthest_db = 20.0 - 37.6 * np.log10(sqrt(200**2 + 60**2) / 60)
    worst = 0.6 * 10e6 * np.log2(1 + 10 ** (farthest_db / 10))
    fine = draw(model, 400.0, step_s=0.01).rate_bps
    assert (fine.max(), fine.min()) == pytest.approx((best, worst), rel=1e-3)


def test_fade_is_cut_at_both_ends():
    rates = draw(Fade(shadow_db=15.0), 20_000.0).rate_bps
    assert rates.max() == 44e6
    assert rates.min() == 0.0
    assert rates[rates > 0].min() >= 0.6 * 10e6 * np.log2(1.1) - 1


def test_outages_have_their_share_and_their_mean_lengths():
    up_s, outage_s = 30.0, 4.0
    rates = draw(Outages(Constant(5e6), up_s, outage_s)).rate_bps
    share = outage_s / (up_s + outage_s)
    assert near((rates == 0).mean(), share, sqrt(share * (1 - share)), 1 / (1 / up_s + 1 / outage_s))
    lengths = np.diff(np.flatnonzero(np.diff(rates)))
    out, up = (lengths[::2], lengths[1::2]) if rates[0] else (lengths[1::2], lengths[::2])
    assert np.mean(out) == pytest.approx(outage_s, rel=0.05)
    assert np.mean(up) == pytest.approx(up_s, rel=0.05)


def test_outages_leave_the_rest_as_it_was():
    square = Square(9e6, 1e6, period_s=3.3)
    whole, cut = draw(square, 200.0), draw(Outages(square, 10.0, 2.0), 200.0)
    rates = np.array([whole.rate_at(t) for t in cut.time_s])
    assert set((cut.rate_bps / rates).tolist()) == {0.0, 1.0}
    assert {*whole.time_s} <= {*cut.time_s}


# --- what is refused


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Constant(-1.0), r"^constant: rate_bps is -1; >= 0 would do"),
        (lambda: Constant(float("inf")), "constant: rate_bps is inf; a finite number would do"),
        (lambda: Constant(float("nan")), "constant: rate_bps is nan"),
        (lambda: Square(1.0, 2.0, 3.0, duty=1.0), "square: duty is 1; > 0, < 1 would do"),
        (lambda: RandomWalk(2e6, 1e6, 1.0), "random-walk: low_bps 2e.06 is not below high_bps 1e.06"),
        (lambda: Markov((1e6,), (1.0,)), "markov: 1 rates_bps and 1 sojourn_s; .* at least 2"),
        (lambda: Markov((1e6, 2e6), (1.0, 0.0)), "markov: sojourn_s is 0; > 0 would do"),
        (lambda: Markov((1e6, 2e6), (1.0, 1.0), ((0, 1), (0.5, 0.5))), "2 rows of 2 chances that add up to 1"),
        (lambda: Markov((1e6, 2e6), (1.0, 1.0), ((0, 1), (1,))), "2 rows of 2 chances"),
        (
            lambda: Markov((1, 2, 3, 4), (1, 1, 1, 1), ((0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0))),
            "never lead from some states to others",
        ),
        (lambda: GaussMarkov(1e6, 0.5, 1.0, 3e6, 2e6), "gauss-markov: floor_bps 3e.06 is above ceiling_bps 2e.06"),
        (lambda: Quantiles((0.1, 0.9), (1e6,), 1.0), "quantiles: 2 probabilities and 1 rates_bps"),
        (lambda: Quantiles((0.9, 0.1), (1e6, 2e6), 1.0), "probabilities rise"),
        (lambda: Quantiles((0.1, 0.9), (1e6, 0.0), 1.0), "rates_bps is 0; > 0 would do"),
        (lambda: draw(Constant(1.0), 0.0), "a trace of 0 s in steps of 1 s cannot be"),
        (lambda: draw(Constant(1.0), 1.0, step_s=float("nan")), "steps of nan s cannot be"),
        (lambda: draw(Constant(1.0), 1e9), "more than 10,000,000 steps"),
        (lambda: draw(Square(1.0, 2.0, 1e-9), 10.0), "square: more than 10,000,000 periods; a longer period_s"),
        (lambda: draw(Markov((1.0, 2.0), (1e-9, 1.0)), 10.0), "markov: more than 10,000,000 jumps"),
        (lambda: draw(Outages(Constant(1.0), 10.0, 0.5), 10.0), "outages: steps of 1 s are longer than outage_s"),
    ],
)
def test_what_means_nothing_is_refused(make, says):
    with pytest.raises(TraceError, match=says):
        make()
