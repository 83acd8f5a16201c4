"""Reliability measures by hand, by scikit-learn, and by what resampling must show."""

import numpy as np
import pytest

from mdisim.calibration import CalibrationError, bootstrap, diagram, exit_rows, reaches
from mdisim.calibration.reliability import (
    brier,
    brier_of_right,
    classwise_ece,
    ece,
    gap_above,
    mce,
    nll,
    nll_of_right,
    signed_ece,
)

SURE = np.array([0.15, 0.25, 0.35, 0.35, 0.95])
RIGHT = np.array([0, 1, 0, 1, 1], dtype=bool)


def calibrated(n, seed=0):
    rng = np.random.default_rng(seed)
    s = rng.beta(3, 1, n)
    return s, rng.random(n) < s


def test_a_small_table_by_hand():
    """Bins (0, 1/2] with four samples, confidence 1.1 / 4, accuracy 2 / 4; (1/2, 1] with one, 0.95 and 1."""
    seen = diagram(SURE, RIGHT, bins=2)
    np.testing.assert_array_equal(seen.count, [4, 1])
    np.testing.assert_allclose(seen.confidence, [0.275, 0.95])
    np.testing.assert_allclose(seen.accuracy, [0.5, 1])
    np.testing.assert_allclose(seen.gap, [-0.225, -0.05])
    assert ece(SURE, RIGHT, bins=2) == pytest.approx(0.8 * 0.225 + 0.2 * 0.05)
    assert mce(SURE, RIGHT, bins=2) == pytest.approx(0.225)
    assert signed_ece(SURE, RIGHT) == pytest.approx(2.05 / 5 - 3 / 5)
    assert brier_of_right(SURE, RIGHT) == pytest.approx((0.15**2 + 0.75**2 + 0.35**2 + 0.65**2 + 0.05**2) / 5)


def test_bins_of_equal_mass_by_hand():
    """Edges at the 2nd and 4th of five: {0.15, 0.25}, {0.35, 0.35}, {0.95}; equal confidences stay together."""
    seen = diagram(SURE, RIGHT, bins=3, spacing="mass")
    np.testing.assert_array_equal(seen.count, [2, 2, 1])
    np.testing.assert_allclose(seen.edges, [0, 0.25, 0.35, 1])
    assert ece(SURE, RIGHT, bins=3, spacing="mass") == pytest.approx((0.6 + 0.3 + 0.05) / 5)


def test_a_bin_has_its_upper_edge_and_an_empty_one_is_nan():
    seen = diagram([0.0, 0.1, 0.3, 0.7, 1.0], [0, 0, 0, 1, 1], bins=10)
    np.testing.assert_array_equal(seen.count, [2, 0, 1, 0, 0, 0, 1, 0, 0, 1])
    assert np.isnan(seen.accuracy[1])
    assert np.isnan(seen.confidence[1])


def test_the_gap_above_a_threshold():
    assert gap_above(SURE, RIGHT, 0.35) == pytest.approx((0.35 + 0.35 + 0.95 - 2) / 3)
    assert np.isnan(gap_above(SURE, RIGHT, 0.96))
    assert gap_above(SURE, RIGHT, 0.0) == pytest.approx(signed_ece(SURE, RIGHT))


def test_classwise_ece_by_hand():
    p = np.array([[0.9, 0.1], [0.6, 0.4]])
    assert classwise_ece(p, [0, 1], bins=1) == pytest.approx((abs(1.5 - 1) / 2 + abs(0.5 - 1) / 2) / 2)


def test_brier_and_likelihood_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.ones(5), 400)
    label = rng.integers(0, 5, 400)
    s, right = calibrated(400)
    assert nll(p, label) == pytest.approx(metrics.log_loss(label, p))
    assert nll_of_right(s, right) == pytest.approx(metrics.log_loss(right, s))
    assert brier(p, label) == pytest.approx(metrics.brier_score_loss(label, p, scale_by_half=False))
    assert brier_of_right(s, right) == pytest.approx(metrics.brier_score_loss(right, s))


def test_reliability_diagram_is_that_of_scikit_learn():
    calibration = pytest.importorskip("sklearn.calibration")
    s, right = calibrated(3000)
    seen = diagram(s, right, bins=10)
    some = seen.count > 0
    accuracy, confidence = calibration.calibration_curve(right, s, n_bins=10)
    np.testing.assert_allclose(seen.accuracy[some], accuracy)
    np.testing.assert_allclose(seen.confidence[some], confidence)


def test_a_certain_mistake_is_costly_but_not_infinite():
    assert nll([[1.0, 0.0]], [1]) == pytest.approx(-np.log(np.finfo(float).eps))
    assert np.isfinite(nll_of_right([1.0, 0.0], [False, True]))


def test_calibrated_confidences_have_an_error_near_zero_and_scaled_ones_their_gap():
    s, right = calibrated(200_000)
    for spacing in ("width", "mass"):
        assert ece(s, right, spacing=spacing) < 0.005
        assert ece(0.8 * s, right, spacing=spacing) == pytest.approx(0.2 * s.mean(), abs=0.005)
    assert signed_ece(0.8 * s, right) == pytest.approx(-0.2 * s.mean(), abs=0.005)


def test_batches_give_what_each_gives_alone():
    s, right = calibrated(900)
    rows = np.random.default_rng(1).integers(0, 900, (7, 900))
    p = np.stack([s, 1 - s], axis=-1)
    label = np.where(right, 0, 1)
    for measure in (
        ece, mce, signed_ece, brier_of_right, nll_of_right, lambda a, b: ece(a, b, spacing="mass"),
        lambda a, b: mce(a, b, spacing="mass"), lambda a, b: gap_above(a, b, 0.8),
    ):  # fmt: skip
        np.testing.assert_allclose(measure(s[rows], right[rows]), [measure(s[r], right[r]) for r in rows])
    for measure in (brier, nll, classwise_ece):
        np.testing.assert_allclose(measure(p[rows], label[rows]), [measure(p[r], label[r]) for r in rows])


def test_intervals_cover_what_they_estimate_about_as_often_as_they_say():
    """200 data sets of 400: 95 % intervals of two smooth measures cover their true values at least 88 %."""
    rng = np.random.default_rng(8)
    s, right = calibrated(2_000_000, seed=9)
    scaled = 0.9 * s
    truth = {gap: float(gap(scaled, right)) for gap in (signed_ece, brier_of_right)}
    for measure, value in truth.items():
        covered = 0
        for i in range(200):
            part = slice(400 * i, 400 * (i + 1))
            found = bootstrap(measure, scaled[part], right[part], rng=rng, draws=300)
            covered += found.low <= value <= found.high
        assert 0.88 <= covered / 200 <= 0.995


def test_an_interval_depends_on_its_generator_alone():
    s, right = calibrated(500)
    one, two = (bootstrap(ece, s, right, rng=np.random.default_rng(3)) for _ in range(2))
    assert one == two
    assert one.value == ece(s, right)
    assert one.low < one.high
    empty = bootstrap(lambda a, b: gap_above(a, b, 1.5), s, right, rng=np.random.default_rng(3))
    assert np.isnan(empty).all()


def test_rows_of_a_table_by_exit_and_of_those_that_reach_it():
    s = np.random.default_rng(0).random((500, 2))
    right = np.random.default_rng(1).random((500, 2)) < s
    rows = exit_rows(s, right, p_tar=0.8, reached=reaches(s, 0.8), rng=np.random.default_rng(2), draws=50)
    assert [row["n"] for row in rows] == [500, np.sum(s[:, 0] < 0.8)]
    assert rows[0]["ece"] == ece(s[:, 0], right[:, 0])
    assert rows[0]["ece_low"] <= rows[0]["ece_high"]
    bare = exit_rows(s, right, p_tar=0.8, reached=np.zeros((500, 2), dtype=bool))
    assert np.isnan([row["ece"] for row in bare]).all()
    assert "ece_low" not in bare[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ece([0.5], [1, 0]), "one of each a sample"),
        (lambda: ece([], []), "one of each a sample"),
        (lambda: ece([1.2], [1]), r"outside \[0, 1\]"),
        (lambda: ece([0.5], [1], bins=0), "15 of equal"),
        (lambda: ece([0.5], [1], spacing="log"), "'width' or 'mass'"),
        (lambda: brier([0.5, 0.5], [1, 0]), "n x classes and n"),
        (lambda: bootstrap(ece, [0.5], [1, 0], rng=np.random.default_rng()), "as many in each"),
        (lambda: bootstrap(ece, [0.5], [1], rng=np.random.default_rng(), level=1), "1000 at 0.95"),
    ],
)
def test_input_that_does_not_fit_is_an_error(call, message):
    with pytest.raises(CalibrationError, match=message):
        call()
