"""Synthetic profiles keep what they promise: accuracies, correlation, temperatures; plain ones never exit."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import spearmanr

from mdisim.profiles import ProfileError, plain, stated_costs, synthesise

ACCURACY = (0.6, 0.7, 0.8, 0.85, 0.9)
KAPPA = (0.6, 0.9, 1.0, 1.3, 1.8)


@pytest.fixture(scope="module")
def drawn():
    return synthesise(
        n=20_000, exits=5, accuracy=ACCURACY, kappa=KAPPA, stage_s=0.01, out_bytes=100, correlation=0.65, seed=3
    )


def temperature(logits, label):
    z, rows = logits.astype(np.float64), np.arange(len(label))

    def nll(log_t):
        scaled = z * np.exp(-log_t)
        return np.mean(logsumexp(scaled, axis=1) - scaled[rows, label])

    return np.exp(minimize_scalar(nll, bounds=np.log([0.05, 20]), method="bounded").x)


@pytest.mark.parametrize("exit_", range(5))
def test_a_fitted_temperature_is_kappa_within_3_percent(drawn, exit_):
    assert temperature(drawn.logits[:, exit_], drawn.label) == pytest.approx(KAPPA[exit_], rel=0.03)


def test_accuracies_are_the_asked_ones(drawn):
    np.testing.assert_allclose(drawn.correct.mean(axis=0), ACCURACY, atol=0.012)  # 3.5 standard errors


def test_confidences_have_the_asked_rank_correlation(drawn):
    off_diagonal = spearmanr(drawn.confidence).statistic[~np.eye(5, dtype=bool)]
    np.testing.assert_allclose(off_diagonal, 0.65, atol=0.02)


def test_without_miscalibration_confidence_is_the_probability_of_being_right():
    made = synthesise(n=20_000, exits=1, accuracy=0.75, stage_s=1, out_bytes=1, seed=5)
    order = np.argsort(made.confidence[:, 0])
    for group in np.array_split(order, 8):
        assert made.correct[group, 0].mean() == pytest.approx(made.confidence[group, 0].mean(), abs=0.035)


def test_errors_are_shared(drawn):
    both_wrong = np.mean(~drawn.correct[:, 0] & ~drawn.correct[:, 4])
    assert both_wrong > 1.5 * (1 - ACCURACY[0]) * (1 - ACCURACY[4])
    wrong = ~drawn.correct[:, 0] & ~drawn.correct[:, 4]
    np.testing.assert_array_equal(drawn.prediction[wrong, 0], drawn.prediction[wrong, 4])


@pytest.mark.parametrize("number", [0, -1, np.nan, np.inf])
@pytest.mark.parametrize("name", ["kappa", "concentration"])
def test_kappa_and_concentration_are_finite_and_positive(name, number):
    with pytest.raises(ProfileError, match=f"{name}: is .*; a finite number above 0 would do"):
        synthesise(n=10, exits=2, accuracy=0.7, stage_s=1, out_bytes=1, seed=1, **{name: number})


def test_one_seed_one_profile():
    same, other = ({"n": 50, "exits": 2, "accuracy": 0.7, "stage_s": 1, "out_bytes": 1, "seed": s} for s in (1, 2))
    assert synthesise(**same).digest == synthesise(**same).digest
    assert synthesise(**same).digest != synthesise(**other).digest


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_the_calibration_share(share):
    made = synthesise(n=40, exits=1, accuracy=1.0, stage_s=1, out_bytes=1, seed=0, calibration_share=share)
    assert made.half("calibration").n == 40 * share


def test_extreme_accuracies_are_drawn_without_infinities():
    made = synthesise(n=200, exits=2, classes=2, accuracy=[0.5, 1.0], kappa=3, stage_s=1, out_bytes=1, seed=0)
    assert np.all(np.isfinite(made.logits))
    assert made.correct[:, 1].all()


def test_plain_never_exits_early_and_takes_the_stated_times():
    work = np.linspace(0.5, 1.5, 7)[:, None]
    made = plain(n=7, exits=3, stage_s=[0.1, 0.2, 0.3], out_bytes=[40, 30, 20, 0], work=work)
    np.testing.assert_array_equal(made.confidence, np.tile([0.0, 0.0, 1.0], (7, 1)))
    assert made.correct.all()
    assert made.half("calibration").n == 0
    np.testing.assert_array_equal(made.costs["native"].stage_s, [[0.1, 0.2, 0.3]])
    np.testing.assert_array_equal(made.costs["native"].out_bytes, [40, 30, 20, 0])
    np.testing.assert_array_equal(made.work, np.repeat(work, 3, axis=1))


def test_stated_costs_scale_by_kind():
    made = stated_costs(2, stage_s=0.1, head_s=[0.01, 0.02], out_bytes=50, kinds={"slow": 4.0, "fast": 0.5})
    np.testing.assert_allclose(made.stage_s, [[0.4, 0.4], [0.05, 0.05]])
    np.testing.assert_allclose(made.head_s, [[0.04, 0.08], [0.005, 0.01]])
    np.testing.assert_array_equal(made.out_bytes, [50, 50, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accuracy": [0.7, 0.8, 0.9]}, "accuracy: 3 numbers for 2 exits; give one for all, or 2"),
        ({"accuracy": 0.05}, r"accuracy: is \[0.05 0.05\]; from 0.1 to 1 would do"),
        ({"correlation": 1.5}, "correlation: is 1.5; from 0 to 1 would do"),
        ({"calibration_share": 1.0}, "calibration_share: is 1.0; from 0 to below 1 would do"),
        ({"classes": 1}, "classes: is 1; from 2 to inf would do"),
        ({"exits": 0}, "exits: is 0; 1 or more would do"),
        ({"work": np.ones(20)}, r"work: has shape \(20,\); \(20, 2\) or \(20, 1\) would do"),
        ({"stage_s": -1.0}, r"stage_s\[0, 0\] is -1"),
    ],
)
def test_a_bad_argument_says_what_would_do(changes, message):
    arguments = {"n": 20, "exits": 2, "accuracy": 0.7, "stage_s": 1, "out_bytes": 1, "seed": 0} | changes
    with pytest.raises(ProfileError, match=message):
        synthesise(**arguments)


@pytest.mark.parametrize("given", [[3.0, 2.0], [3.0, 2.0, 0.0]])
def test_bytes_are_those_of_the_input_and_after_each_stage_but_the_last(given):
    assert plain(n=2, exits=2, stage_s=1.0, out_bytes=given).costs["native"].out_bytes.tolist() == [3.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("count", "told"), [(2, "2 byte counts for 3 exits; give 3: of the input and"), (5, "5 byte")]
)
def test_another_number_of_bytes_is_told_by_its_count(count, told):
    with pytest.raises(ProfileError, match=told):
        plain(n=2, exits=3, stage_s=1.0, out_bytes=[1.0] * count)
