"""Calibrators find what is known of synthetic logits, agree with scikit-learn, and refuse what means nothing."""

from math import log

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.special import softmax as scipy_softmax

from mdisim.calibration import (
    METHODS,
    Beta,
    CalibrationError,
    Dirichlet,
    Histogram,
    Isotonic,
    MatrixScaling,
    Platt,
    RefusalError,
    Temperature,
    VectorScaling,
)
from mdisim.calibration.checks import Bools, Floats
from mdisim.calibration.confidences import OfConfidence
from mdisim.profiles import synthesise

KAPPA = (0.6, 0.9, 1.0, 1.3, 1.8)
ACCURACY = (0.6, 0.7, 0.8, 0.85, 0.9)


def drawn(n, classes=10, seed=3, kappa=KAPPA):
    made = synthesise(
        n=n, exits=5, accuracy=ACCURACY, kappa=kappa, classes=classes, stage_s=1, out_bytes=1, seed=seed
    )
    return made.logits, made.label


@pytest.fixture(scope="module")
def many():
    return drawn(20_000)


@pytest.fixture(scope="module")
def few():
    logits, label = drawn(1_000, classes=4, seed=7)
    return logits[:, 4], label


@pytest.mark.parametrize("k", range(5))
def test_a_temperature_is_kappa_within_3_percent_and_keeps_predictions(many, k):
    logits, label = many[0][:, k], many[1]
    fitted = Temperature().fit(logits, label)
    assert fitted.temperature == pytest.approx(KAPPA[k], rel=0.03)
    assert fitted.report.parameters == {"temperature": fitted.temperature}
    assert fitted.report.flag == ""
    assert fitted.report.n == 20_000
    np.testing.assert_array_equal(fitted.prediction(logits), logits.argmax(axis=-1))
    assert fitted.report.nll_after <= fitted.report.nll_before


def test_the_objective_is_convex_in_one_over_t_and_the_search_finds_the_grid_s_best(few):
    method = Temperature()
    z, y = few[0].astype(np.float64), few[1].astype(np.int64)
    inverse = np.linspace(0.06, 4, 800)
    values = np.array([method.objective(1 / b, z, y) for b in inverse])
    assert (np.diff(values, n=2) > -1e-12).all()
    found = method.fit(*few).temperature
    assert method.objective(found, z, y) <= values.min() + 1e-12
    assert 1 / found == pytest.approx(inverse[values.argmin()], abs=inverse[1] - inverse[0])


def test_a_prior_draws_the_temperature_towards_one(few):
    free, held = Temperature().fit(*few), Temperature(prior=0.1).fit(*few)
    assert 1 < held.temperature < free.temperature
    assert Temperature(prior=1e6).fit(*few).temperature == pytest.approx(1, abs=1e-3)


def test_a_minimum_beyond_a_bound_is_flagged(few):
    fitted = Temperature(high=1.2).fit(*few)
    assert fitted.temperature == 1.2
    assert "at its bound 1.2" in fitted.report.flag


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_probabilities_and_lowers_the_likelihood_loss_it_was_fitted_to(name, few):
    logits, label = few
    fitted = METHODS[name].fit(logits, label)
    p = fitted(logits)
    assert p.shape == logits.shape
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=-1), 1)
    own = np.take_along_axis(p, fitted.prediction(logits)[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(fitted.confidence(logits), own)
    assert fitted.report.nll_after < fitted.report.nll_before
    assert fitted.report.method == name
    assert fitted.report.accuracy == np.mean(logits.argmax(axis=1) == label)
    again = METHODS[name].fit(logits, label)
    np.testing.assert_array_equal(again(logits), p)
    stacked = np.stack([logits, logits], axis=1)
    np.testing.assert_allclose(fitted(stacked)[:, 1], p)


@pytest.mark.parametrize("name", METHODS)
def test_too_few_samples_and_samples_all_right_or_all_wrong_are_refused(name):
    logits, label = (array[:49] for array in drawn(200))
    with pytest.raises(RefusalError, match=r"49 samples are too few.*; 50 would do"):
        METHODS[name].fit(logits[:, 0], label)
    logits = np.tile(2.0 * np.eye(3), (40, 1))
    right = np.tile(np.arange(3), 40)
    with pytest.raises(RefusalError, match="all 120 samples are right"):
        METHODS[name].fit(logits, right)
    with pytest.raises(RefusalError, match="all 120 samples are wrong"):
        METHODS[name].fit(logits, (right + 1) % 3)


@pytest.mark.parametrize(
    ("logits", "label", "message"),
    [
        (np.zeros(60), np.zeros(60, int), r"shape \(60,\)"),
        (np.zeros((60, 1)), np.zeros(60, int), "two or more"),
        (np.zeros((60, 3)), np.zeros(59, int), "one for each of 60"),
        (np.full((60, 3), np.nan), np.zeros(60, int), "180 logits are not finite"),
        (np.full((60, 4), 0.25), np.zeros(60, int), "^logits are probabilities"),
        (np.zeros((60, 3)), np.full(60, 3), "from 0 to 2"),
        (np.zeros((60, 3)), np.zeros(60), "from 0 to 2"),
    ],
)
def test_arrays_that_do_not_fit_are_errors_and_no_refusals(logits, label, message):
    with pytest.raises(CalibrationError, match=message) as caught:
        Temperature().fit(logits, label)
    assert not isinstance(caught.value, RefusalError)


@pytest.mark.parametrize("settings", [{"low": 1.5}, {"low": 0}, {"high": 0.9}, {"prior": -1}])
def test_settings_out_of_range_are_errors(settings):
    with pytest.raises(CalibrationError, match="would do"):
        Temperature(**settings)


# --- linear maps


def test_vector_scaling_finds_a_class_that_is_preferred():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, (20_000, 4))
    label = (true + rng.gumbel(size=true.shape)).argmax(axis=1)
    seen = true * [1.5, 1, 2, 0.5] + [1, 0, -0.5, 0]
    fitted = VectorScaling().fit(seen, label)
    weights = np.diag(fitted.weights)
    np.testing.assert_allclose(weights, [1 / 1.5, 1, 0.5, 2], rtol=0.06)
    bias = fitted.bias - fitted.bias[1]
    np.testing.assert_allclose(bias, [-1 / 1.5, 0, 0.25, 0], atol=0.1)


@pytest.mark.parametrize("method", [MatrixScaling(0, 1e-6), Dirichlet(0, 1e-6)])
def test_matrix_maps_find_the_true_probabilities_behind_a_mixture(method):
    rng = np.random.default_rng(1)
    seen = rng.normal(0, 2, (20_000, 3))
    said = seen if isinstance(method, MatrixScaling) else np.log(scipy_softmax(seen, axis=1))
    true = said @ np.array([[1, 0.4, 0], [0, 1, -0.3], [0.2, 0, 1]]) + [0.5, 0, -0.5]
    label = (true + rng.gumbel(size=true.shape)).argmax(axis=1)
    assert np.abs(method.fit(seen, label)(seen) - scipy_softmax(true, axis=1)).mean() < 0.01


def test_penalties_draw_matrix_maps_to_the_identity_s_diagonal_shape(few):
    weak, strong = (Dirichlet(strength, strength).fit(*few) for strength in (1e-3, 1e4))
    assert strong.report.parameters["off_diagonal_rms"] < 1e-3 < weak.report.parameters["off_diagonal_rms"]
    assert np.abs(strong.bias).max() < 1e-3


def test_a_class_without_samples_has_no_bias_unless_it_is_penalised(few):
    logits, label = few[0][few[1] != 2], few[1][few[1] != 2]
    with pytest.raises(RefusalError, match="1 of 4 classes have no sample"):
        VectorScaling().fit(logits, label)
    assert np.isfinite(VectorScaling(bias_penalty=1e-3).fit(logits, label).bias).all()


def test_linear_maps_are_at_a_point_without_slope(few):
    """A small step in any direction does not lower the objective."""
    fitted = Dirichlet(0.3, 0.2).fit(*few)
    x = np.log(scipy_softmax(few[0].astype(float), axis=1))

    def objective(weights, bias):
        z = x @ weights.T + bias
        loss = -np.mean(np.log(scipy_softmax(z, axis=1))[np.arange(len(x)), few[1]])
        off = weights[~np.eye(4, dtype=bool)]
        return loss + 0.3 * np.mean(off**2) + 0.2 * np.mean(bias**2)

    best = objective(fitted.weights, fitted.bias)
    for i in range(4):
        step = np.zeros(4)
        step[i] = 0.02
        assert objective(fitted.weights, fitted.bias + step) > best
        assert objective(fitted.weights + np.outer(step, np.eye(4)[0]), fitted.bias) > best
        assert objective(fitted.weights - np.outer(step, np.eye(4)[1]), fitted.bias) > best


# --- maps of the confidence


def confidences(n=3_000, seed=5) -> tuple[Floats, Bools]:
    rng = np.random.default_rng(seed)
    s = rng.beta(3, 1, n)
    return s, rng.random(n) < expit(0.6 * logit(s) - 0.2)


def test_platt_is_a_logistic_regression_on_the_log_odds():
    linear_model = pytest.importorskip("sklearn.linear_model")
    s, right = confidences()
    fitted = Platt().fit_confidence(s, right)
    oracle = linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(logit(s)[:, None], right)
    assert fitted.report.parameters["slope"] == pytest.approx(oracle.coef_[0, 0], rel=1e-4)
    assert fitted.report.parameters["offset"] == pytest.approx(oracle.intercept_[0], abs=1e-4)
    np.testing.assert_allclose(fitted.curve(s), oracle.predict_proba(logit(s)[:, None])[:, 1], atol=1e-5)


def test_beta_is_a_logistic_regression_on_both_logarithms():
    linear_model = pytest.importorskip("sklearn.linear_model")
    s, right = confidences()
    x = np.column_stack([np.log(s), -np.log1p(-s)])
    oracle = linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(x, right)
    assert (oracle.coef_ > 0).all()
    fitted = Beta().fit_confidence(s, right)
    np.testing.assert_allclose(fitted.curve(s), oracle.predict_proba(x)[:, 1], atol=1e-5)


def test_beta_keeps_its_slopes_from_turning_the_order_round():
    s, right = confidences()
    fitted = Beta().fit_confidence(s, np.random.default_rng(0).permutation(right) & (s < 0.9))
    assert min(fitted.report.parameters["a"], fitted.report.parameters["b"]) == 0
    grid = np.linspace(0, 1, 101)
    assert (np.diff(fitted.curve(grid)) >= 0).all()


def test_isotonic_is_that_of_scikit_learn_ties_included():
    isotonic = pytest.importorskip("sklearn.isotonic")
    s, right = confidences()
    s = s.round(2)
    oracle = isotonic.IsotonicRegression(out_of_bounds="clip").fit(s, right)
    grid = np.linspace(0, 1, 501)
    np.testing.assert_allclose(Isotonic().fit_confidence(s, right).curve(grid), oracle.predict(grid), atol=1e-12)


def test_centred_isotonic_has_no_steps_between_its_ends():
    s, right = confidences()
    plain, centred = Isotonic().fit_confidence(s, right), Isotonic(centred=True).fit_confidence(s, right)
    between = np.linspace(*centred.curve.at[[0, -1]], 300)
    assert (np.diff(centred.curve(between)) > 0).all()
    assert (np.diff(plain.curve(between)) == 0).any()
    assert np.abs(centred.curve(s) - plain.curve(s)).mean() < 0.02


@pytest.mark.parametrize("spacing", ["mass", "width"])
def test_histogram_gives_each_bin_its_share_and_an_empty_one_its_middle(spacing):
    s = np.repeat([0.55, 0.65, 0.75, 0.85], 20)
    right = np.tile(np.arange(20), 4) < np.repeat([5, 10, 15, 19], 20)
    fitted = Histogram(bins=4 if spacing == "mass" else 10, spacing=spacing, fewest=10).fit_confidence(s, right)
    np.testing.assert_allclose(fitted.curve(np.array([0.55, 0.65, 0.75, 0.85])), [0.25, 0.5, 0.75, 0.95])
    if spacing == "width":
        assert fitted.curve(np.array([0.15])) == pytest.approx(0.15)
        assert fitted.curve(np.array([0.6, 0.600001])) == pytest.approx([0.25, 0.5])  # (lo, hi]


def test_bins_of_equal_mass_hold_equally_many():
    s, right = confidences(n=3_000)
    assert Histogram(bins=15).fit_confidence(s, right).report.parameters["fewest_in_a_bin"] == 200


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if isinstance(method, OfConfidence)])
def test_maps_of_the_confidence_keep_the_prediction_and_need_no_logits(name, few):
    logits, label = few
    fitted = METHODS[name].fit(logits, label)
    np.testing.assert_array_equal(fitted.prediction(logits), logits.argmax(axis=1))
    s = scipy_softmax(logits.astype(np.float64), axis=1).max(axis=1)
    bare = METHODS[name].fit_confidence(s, logits.argmax(axis=1) == label)
    np.testing.assert_allclose(bare.curve(s), fitted.confidence(logits), atol=1e-6)
    sure = np.array([[60.0, 0.0, 0.0, 0.0]])  # a confidence of exactly 1
    np.testing.assert_allclose(fitted(sure).sum(), 1)
    assert np.ptp(fitted(sure)[0, 1:]) == pytest.approx(0, abs=1e-12)


def test_after_a_fit_the_mean_confidence_is_the_accuracy():
    s, right = confidences()
    for method in (Platt(), Beta(), Isotonic(), Histogram()):
        assert method.fit_confidence(s, right).curve(s).mean() == pytest.approx(right.mean(), abs=1e-6)


def test_confidences_that_do_not_fit_are_errors():
    with pytest.raises(CalibrationError, match="one of each"):
        Platt().fit_confidence(np.zeros(60), np.zeros(59))
    with pytest.raises(CalibrationError, match=r"outside \[0, 1\]"):
        Platt().fit_confidence(np.full(60, 1.5), np.zeros(60))
    with pytest.raises(CalibrationError, match="15 of mass would do"):
        Histogram(bins=0)


def test_separable_samples_end_at_a_bound_that_is_flagged():
    s = np.linspace(0.3, 0.9, 100)
    assert "at its bound 100" in Platt().fit_confidence(s, s > 0.6).report.flag


def test_the_loss_in_a_report_is_that_of_the_label():
    logits = np.log(np.tile([[0.7, 0.3]], (60, 1)))
    label = (np.arange(60) % 2).astype(int)
    before = Temperature().fit(logits, label).report.nll_before
    assert before == pytest.approx(-(log(0.7) + log(0.3)) / 2)
