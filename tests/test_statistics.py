"""Intervals, paired tests, MSER-5 and batch means: against SciPy, by hand, and by how often they are right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from mdisim.statistics import batch_means, holm, mser5, paired_p, replications_needed, t_interval

NUMBERS = st.floats(-1e3, 1e3)


@given(arrays(float, st.tuples(st.integers(2, 9), st.integers(1, 4)), elements=NUMBERS))
def test_intervals_are_those_of_student(values):
    n = len(values)
    mean, low, high = t_interval(values)
    half = stats.t.ppf(0.975, n - 1) * stats.sem(values)
    np.testing.assert_allclose(mean, values.mean(axis=0))
    np.testing.assert_allclose([low, high], [mean - half, mean + half], rtol=1e-9, atol=1e-9)
    wider = t_interval(values, of=3)
    np.testing.assert_allclose(wider.high - mean, stats.t.ppf(1 - 0.025 / 3, n - 1) * stats.sem(values), atol=1e-9)


def test_one_value_has_no_interval_and_nan_is_not_hidden():
    mean, low, high = t_interval([[1.0, 2.0]])
    assert mean.tolist() == [1.0, 2.0]
    assert np.isnan([low, high]).all()
    assert np.isnan(t_interval([[1.0, 2.0], [1.0, np.nan]]).mean).tolist() == [False, True]


@given(arrays(float, st.integers(3, 12), elements=NUMBERS), arrays(float, st.integers(3, 12), elements=NUMBERS))
def test_paired_p_is_scipys(a, b):
    n = min(len(a), len(b))
    differences = a[:n] - b[:n]
    if np.std(differences) < 1e-6:
        return
    assert paired_p(differences) == pytest.approx(stats.ttest_rel(a[:n], b[:n]).pvalue, rel=1e-6, abs=1e-12)


def test_what_is_the_same_and_what_always_differs():
    assert paired_p(np.array([[0.0, 1.0], [0.0, 1.0]])).tolist() == [1.0, 0.0]
    assert np.isnan(paired_p([1.0]))
    assert np.isnan(paired_p([1.0, np.nan]))


def test_holm_by_hand():
    # of four, sorted 0.005 0.01 0.03 0.04: times 4, 3, 2, 1, and none below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, np.nan, 0.01])[[0, 2]] == pytest.approx([0.6, 0.02])
    assert np.isnan(holm([0.6, np.nan, 0.01])[1])
    assert holm([]).tolist() == []


@given(arrays(float, st.integers(1, 8), elements=st.floats(0, 1)))
def test_holm_lies_between_p_and_bonferroni_and_keeps_the_order(p):
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1.0, len(p) * p) + 1e-12).all() or (np.sort(p) != p).any() or len(p) > 1
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0.0).all()
    assert adjusted.min() == pytest.approx(min(1.0, len(p) * p.min()))


def test_holm_is_seldom_wrong_about_any():
    """Of 2,000 tables of four true null hypotheses, about one in twenty has a false alarm."""
    rng = np.random.default_rng(1)
    p = paired_p(rng.normal(size=(8, 2000 * 4))).reshape(-1, 4)
    wrong = sum((holm(row) < 0.05).any() for row in p)
    low, high = stats.binom.interval(0.999, 2000, 0.05)
    assert low * 0.9 <= wrong <= high  # Holm's is at most one in twenty
    assert ((p < 0.05).any(axis=1)).sum() > 2 * wrong  # not adjusted: nearly one in five


# --- warm-up


def test_mser_by_hand():
    # batches of five: 10, 1, 1, 1, 1, 1: without the first there is nothing left to vary
    series = np.repeat([10.0, 1.0, 1.0, 1.0, 1.0, 1.0], 5)
    assert mser5(series) == (5, True)
    assert mser5(np.ones(100)) == (0, True)


def test_what_varies_by_rounding_alone_is_constant():
    """As the number in the system of a closed loop, whose rounding grows with time."""
    noise = np.random.default_rng(0).normal(size=1000) * np.linspace(1.0, 0.0, 1000) * 1e-10
    assert mser5(32.0 + noise) == (0, True)
    assert mser5(np.zeros(100)) == (0, True)
    assert mser5(noise).drop > 0  # small is not constant


def test_mser_is_its_definition():
    rng = np.random.default_rng(3)
    series = rng.normal(size=203).cumsum()
    z = series[:200].reshape(40, 5).mean(axis=1)
    scores = [z[d:].var() / (40 - d) for d in range(21)]
    best = int(np.argmin(scores))
    assert mser5(series) == (5 * best, best < 20)


def test_mser_finds_the_end_of_a_transient():
    rng = np.random.default_rng(2)
    time = np.arange(1000)
    drops = [mser5(20.0 * np.exp(-time / 40.0) + rng.normal(size=1000)).drop for _ in range(50)]
    assert 80 <= np.median(drops) <= 300  # by 100 the transient is 1.6, by 200 a seventh of the noise


def test_mser_knows_what_it_cannot_tell():
    assert not mser5(np.arange(1000.0)).settled
    assert not mser5([1.0] * 9).settled
    assert not mser5([np.nan] * 100).settled


# --- batch means


def test_batch_means_by_hand():
    found = batch_means([9.0, 1.0, 3.0, 2.0, 4.0, 3.0, 5.0], 3)  # the first one is over
    assert found.mean == 3.0
    assert found.half == pytest.approx(stats.t.ppf(0.975, 2) / np.sqrt(3))
    assert found.lag1 == 0.0


def test_batch_means_say_when_they_are_correlated():
    rng = np.random.default_rng(4)
    walk = rng.normal(size=2000).cumsum()
    assert not batch_means(rng.normal(size=2000)).correlated
    assert batch_means(walk).correlated
    assert batch_means(walk).lag1 > 0.5
    assert batch_means(np.ones(100)).half == 0.0


@pytest.mark.parametrize(("n", "batches"), [(39, 20), (10, 1)])
def test_batches_need_enough(n, batches):
    with pytest.raises(ValueError, match="would do"):
        batch_means(np.ones(n), batches)


def test_batch_means_cover_what_is_nearly_independent():
    """300 series of correlation 0.5 from one to the next, in batches of 100: 95 % intervals, 99.9 % limits."""
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(300, 2100))
    series = np.zeros_like(noise)
    for i in range(1, 2100):
        series[:, i] = 0.5 * series[:, i - 1] + noise[:, i]
    found = [batch_means(row[100:]) for row in series]
    covered = sum(abs(one.mean) <= one.half for one in found)
    low, high = stats.binom.interval(0.999, 300, 0.95)
    assert low <= covered <= high


def test_batches_of_a_short_series_that_look_uncorrelated_are_no_better_for_that():
    """Waits of M/M/1 at load 0.8, by Lindley's recursion: of 800 they hold the truth in 74 of a hundred."""
    rng = np.random.default_rng(6)
    step = rng.exponential(1.0, (300, 2800)) - rng.exponential(1.25, (300, 2800))
    walk = step.cumsum(axis=1)
    waits = (walk - np.minimum(np.minimum.accumulate(walk, axis=1), 0.0))[:, 2000:]
    found = [batch_means(row) for row in waits]
    held = np.array([abs(one.mean - 4.0) <= one.half for one in found])
    correlated = np.array([one.correlated for one in found])
    assert 0.65 < held.mean() < 0.82
    assert held[~correlated].mean() < held[correlated].mean()


def test_replications_needed():
    assert replications_needed(2.0, 1.0, 5) == 20
    assert replications_needed(1.0, 0.999, 5) == 6


def test_intervals_cover_the_mean_wait_of_an_mm1_queue():
    """1,000 times ten replications of 1,000 waits at load 0.5, by Lindley's recursion: 99.9 % limits.

    The mean wait is one service time. 100 waits, eight relaxation times, are left out.
    """
    rng = np.random.default_rng(6)
    wait, total = np.zeros(10_000), np.zeros(10_000)
    for i in range(1_100):
        total += wait if i >= 100 else 0.0
        wait = np.maximum(0.0, wait + rng.exponential(1.0, 10_000) - rng.exponential(2.0, 10_000))
    _, low, high = t_interval((total / 1_000).reshape(10, 1_000))
    covered = int(((low <= 1.0) & (high >= 1.0)).sum())
    least, most = stats.binom.interval(0.999, 1_000, 0.945)  # means of skewed waits: a little below 95 %
    assert least <= covered <= most
