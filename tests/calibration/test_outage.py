"""Measures of calibration-aided offloading by hand, and closed forms against draws at 99.9 %."""

from math import inf

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from mdisim.calibration import CalibrationError, closed
from mdisim.calibration.outage import (
    device_accuracy,
    late_share,
    mean_time_s,
    missed_deadline_probability,
    on_device_probability,
    outage_probability,
    overall_accuracy,
)

Z999 = 3.29


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(n, seed=1, on_device=0.6, device=0.82, cloud=0.7):
    """Samples that the device answers quickly and is right with `device`, the cloud slowly and with `cloud`."""
    gen = rng(seed)
    here = gen.random(n) < on_device
    right = gen.random(n) < np.where(here, device, cloud)
    time_s = np.where(here, 0.02, 0.15) * gen.lognormal(0, 0.12, n)
    return right, here, time_s


def test_shares_by_hand():
    right, here = [1, 0, 1, 1, 0], [1, 1, 1, 0, 0]
    assert on_device_probability(here) == 0.6
    assert device_accuracy(right, here) == pytest.approx(2 / 3)
    assert overall_accuracy(right) == 0.6
    assert mean_time_s([0.1, 0.2, 0.6]) == pytest.approx(0.3)
    assert late_share([0.1, 0.2, 0.6], 0.2) == pytest.approx(1 / 3)
    assert late_share([300.1 - 300.0, 0.1 + 1e-6], 0.1) == 0.5  # a difference of instants, and one that is late
    assert np.isnan(device_accuracy([1, 0], [0, 0]))
    assert np.isnan(mean_time_s([]))


def test_one_batch_is_an_outage_if_strictly_below():
    right, here = np.array([1, 1, 1, 1, 0, 0]), np.array([1, 1, 1, 1, 1, 0])
    assert outage_probability(right, here, 0.8, batch=6, rng=rng()).value == 0
    assert outage_probability(right, here, 0.81, batch=6, rng=rng()).value == 1
    everyone = np.ones(6)
    assert outage_probability(right, everyone, 0.7, batch=6, rng=rng()).value == 1


def test_the_last_short_batch_counts_unless_it_is_dropped():
    """All wrong on the device: every batch is an outage but those without an answer of the device."""
    right, here = np.zeros(10), np.ones(10)
    for drop in (False, True):
        assert outage_probability(right, here, 0.5, batch=4, drop_last=drop, rng=rng()).value == 1
    here = np.zeros(10)
    assert outage_probability(right, here, 0.5, batch=4, rng=rng()).value == 0
    assert outage_probability(right, here, 0.5, batch=4, empty_is_outage=True, rng=rng()).value == 1
    one = np.arange(10) == 0  # in one batch only: of three, or of two with a fifth of it left out
    kept = outage_probability(right, one, 0.5, batch=4, rounds=4000, rng=rng())
    assert kept.value == pytest.approx(1 / 3)
    dropped = outage_probability(right, one, 0.5, batch=4, rounds=4000, drop_last=True, rng=rng())
    assert dropped.value == pytest.approx(0.8 / 2, abs=3.3 * 0.5 * 0.4 / np.sqrt(4000))


@pytest.mark.parametrize("p_tar", [0.5, 0.75, 0.8, 0.825, 0.85, 0.95])
@pytest.mark.parametrize("empty", [False, True])
def test_outage_in_closed_form_is_that_of_drawn_batches(p_tar, empty):
    right, here, _ = drawn(60 * 20_000)
    right, here = right.reshape(-1, 60), here.reshape(-1, 60)
    asked = here.sum(axis=1)
    share = np.mean(np.where(asked > 0, (right & here).sum(axis=1) / np.maximum(asked, 1) < p_tar, empty))
    expected = closed.outage(0.6, 0.82, p_tar, 60, empty_is_outage=empty)
    assert share == pytest.approx(expected, abs=Z999 * np.sqrt(expected * (1 - expected) / 20_000) + 1e-4)


def test_outage_in_closed_form_of_small_batches_by_hand():
    """Two samples: (1 - p)^2 empty; one on the device: outage if wrong; two: outage unless both are right."""
    p, a = 0.3, 0.9
    expected = 2 * p * (1 - p) * (1 - a) + p**2 * (1 - a**2)
    assert closed.outage(p, a, 0.8, 2) == pytest.approx(expected, abs=1e-12)
    assert closed.outage(p, a, 0.8, 2, empty_is_outage=True) == pytest.approx(expected + (1 - p) ** 2, abs=1e-12)
    assert closed.outage(0, float("nan"), 0.8, 2) == 0
    assert closed.outage(1, 1, 1, 512) == pytest.approx(0)
    assert closed.outage(1, 0.55, 0.55, 100) == pytest.approx(
        binom.cdf(54, 100, 0.55)
    )  # 0.55 x 100 > 55 in floats


def test_the_oracle_of_one_published_generator():
    """P_dev, Acc_dev and outage at 0.8 and batch 512, uncalibrated and calibrated (rounded inputs)."""
    assert closed.outage(0.451, 0.738, 0.8, 512) == pytest.approx(0.985, abs=0.003)
    assert closed.outage(0.145, 0.889, 0.8, 512) == pytest.approx(0.011, abs=0.003)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("empty", [False, True])
def test_outage_of_a_shuffled_test_set_is_exact(drop_last, empty):
    right, here, _ = drawn(130, on_device=0.15)
    for p_tar in (0.6, 0.8, 0.95):
        options = {"drop_last": drop_last, "empty_is_outage": empty}
        found = outage_probability(right, here, p_tar, batch=20, rounds=4000, rng=rng(2), **options)
        expected = closed.outage_of_shuffled(int((right & here).sum()), int(here.sum()), 130, p_tar, 20, **options)
        half = (found.high - found.value) / 1.96 * Z999
        assert found.value == pytest.approx(expected, abs=half + 1e-3)


def test_a_shuffled_set_s_batches_are_hypergeometric():
    expected = sum(
        hypergeom.pmf(m, 30, 12, 10) * hypergeom.cdf(np.ceil(m * 0.7) - 1, 12, 8, m) for m in range(1, 11)
    )
    assert closed.outage_of_shuffled(8, 12, 30, 0.7, 10) == pytest.approx(expected, abs=1e-12)


def test_large_batches_make_outage_a_step():
    assert closed.outage(0.6, 0.82, 0.8, 20_000) < 0.001
    assert closed.outage(0.6, 0.78, 0.8, 20_000) > 0.999


@pytest.mark.parametrize("p_tar", [0.7, 0.77, 0.8])
@pytest.mark.parametrize("t_tar_s", [0.065, 0.072, 0.075, 0.08, 0.5])
def test_missed_deadline_in_closed_form_is_that_of_drawn_batches(p_tar, t_tar_s):
    n, batches = 256, 4_000
    right, _, time_s = drawn(n * batches, seed=4)
    late = time_s.reshape(-1, n).mean(axis=1) > t_tar_s
    share = np.mean(late | (right.reshape(-1, n).mean(axis=1) < p_tar))
    found = closed.missed_deadline(
        right.mean(), closed.moments(time_s, right), t_tar_s=t_tar_s, p_tar=p_tar, batch=n
    )
    assert found == pytest.approx(share, abs=Z999 * np.sqrt(share * (1 - share) / batches) + 0.01)


def test_the_floor_of_missed_deadline_is_the_accuracy_s_outage_and_its_ceiling_one():
    right, _, time_s = drawn(5000)
    moments = closed.moments(time_s, right)
    floor = closed.missed_deadline(0.77, moments, t_tar_s=inf, p_tar=0.75, batch=100)
    assert floor == pytest.approx(binom.cdf(74, 100, 0.77))
    assert closed.missed_deadline(0.77, moments, t_tar_s=0.01, p_tar=0.75, batch=100) == pytest.approx(1)
    certain = closed.Moments(0.1, 0.0, 0.1, 0.0)
    assert closed.missed_deadline(0.77, certain, t_tar_s=0.1, p_tar=0.75, batch=100) == pytest.approx(floor)
    assert closed.missed_deadline(0.77, certain, t_tar_s=0.0999, p_tar=0.75, batch=100) == 1


def test_missed_deadline_of_a_task_table_by_batch_and_by_request():
    right, here, time_s = np.ones(8), np.ones(8), np.full(8, 0.1)
    options = {"p_tar": 0.8, "batch": 4, "rng": rng()}
    assert missed_deadline_probability(time_s, right, t_tar_s=0.1, **options).value == 0
    assert missed_deadline_probability(time_s, right, t_tar_s=0.09, **options).value == 1
    half = np.arange(8) % 2 * 0.2
    assert missed_deadline_probability(half, right, t_tar_s=0.1, per="request", **options).value == 0.5
    assert missed_deadline_probability(half, right * 0, t_tar_s=1, per="request", **options).value == 1
    wrong_in_cloud = {"t_tar_s": 1, "p_tar": 0.8, "batch": 8, "rng": rng()}
    right[:2] = here[:2] = 0
    assert missed_deadline_probability(time_s, right, **wrong_in_cloud).value == 1
    assert missed_deadline_probability(time_s, right, on_device=here, **wrong_in_cloud).value == 0


def test_equal_times_are_not_late_for_their_own_mean():
    time_s = np.full(5120, 0.1)
    found = missed_deadline_probability(time_s, np.ones(5120), t_tar_s=0.1, p_tar=0.5, rng=rng(), rounds=3)
    assert found.value == 0


def test_shuffling_times_and_answers_apart_loses_their_correlation():
    """Slow samples are the wrong ones: batches fail together, or apart more often."""
    right = np.arange(2000) % 4 > 0
    time_s = np.where(right, 0.0, 0.4)
    options = {"t_tar_s": 0.1, "p_tar": 0.75, "batch": 100, "rng": rng()}
    together = missed_deadline_probability(time_s, right, **options).value
    apart = missed_deadline_probability(time_s, right, paired=False, **options).value
    assert together < 0.6 < apart


def test_mean_time_in_closed_form_by_hand():
    """Half leaves after 10 ms, a fifth after 30 ms; the rest sends 12,500 bytes at 1 Mbit/s, and 20 ms."""
    network_s = closed.network_time_s(12_500, 1e6, round_trip_s=0.04)
    assert network_s == pytest.approx(0.12, abs=1e-12)
    found = closed.mean_time_s([0.5, 0.2], [0.01, 0.03], network_s=network_s, cloud_s=0.005)
    assert found == pytest.approx(0.5 * 0.01 + 0.2 * 0.03 + 0.3 * (0.03 + 0.12 + 0.005), abs=1e-12)


def test_moments_are_of_right_and_of_wrong_answers():
    found = closed.moments([1.0, 3.0, 5.0], [True, True, False])
    assert found == (2.0, 1.0, 5.0, 0.0)
    assert closed.moments([1.0], [True]) == (1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: outage_probability([1, 0], [1], 0.8, rng=rng()), "one number a sample"),
        (lambda: outage_probability([1], [1], 0.8, batch=0, rng=rng()), "1 or more of both"),
        (lambda: outage_probability([1], [1], 0.8, batch=2, drop_last=True, rng=rng()), "a smaller one"),
        (
            lambda: missed_deadline_probability([1], [1], t_tar_s=1, p_tar=0.8, per="day", rng=rng()),
            "'batch' or 'request'",
        ),
        (lambda: closed.outage(1.2, 0.8, 0.8, 10), "on_device is 1.2"),
        (lambda: closed.outage_of_shuffled(5, 4, 10, 0.8, 5), "rising counts"),
        (lambda: closed.outage_of_shuffled(3, 4, 10, 0.8, 20, drop_last=True), "a smaller batch"),
        (lambda: closed.mean_time_s([0.6, 0.6], [1, 2]), "1 or less in all"),
        (lambda: closed.network_time_s(1, 0), "above 0 bit/s"),
    ],
)
def test_input_that_does_not_fit_is_an_error(call, message):
    with pytest.raises(CalibrationError, match=message):
        call()
