"""Each mode fits each exit on the samples that it says, and falls back where that means nothing."""

import numpy as np
import pytest
from scipy.special import softmax as scipy_softmax

from mdisim.calibration import (
    CalibrationError,
    Isotonic,
    Platt,
    RefusalError,
    Temperature,
    VectorScaling,
    answered_by,
    calibrate,
    reaches,
    stops_at,
)
from mdisim.policies.scores import ANSWERS, SCORES, Outputs
from mdisim.profiles import synthesise


def outputs_of(made):
    return Outputs(made.logits, made.confidence, made.prediction, made.label)


def drawn(kappa, n=8_000, accuracy=(0.65, 0.75, 0.85), seed=2):
    return outputs_of(synthesise(n=n, exits=3, accuracy=accuracy, kappa=kappa, stage_s=1, out_bytes=1, seed=seed))


def temperatures(made):
    return [report.parameters["temperature"] for report in made.reports]


@pytest.fixture(scope="module")
def over():
    return drawn((1.4, 1.6, 1.9), n=20_000)


def test_where_samples_stop_what_they_reach_and_who_answers():
    scores = np.array([[0.9, 0.1, 0.1], [0.7, 0.8, 0.2], [0.6, 0.5, 0.4], [0.1, 0.2, 0.9]])
    np.testing.assert_array_equal(stops_at(scores, 0.8), [0, 1, 2, 2])
    np.testing.assert_array_equal(stops_at(scores, 0.8, device_exits=1), [0, 2, 2, 2])
    np.testing.assert_array_equal(stops_at(scores, 0.8, device_exits=0), [2, 2, 2, 2])
    np.testing.assert_array_equal(answered_by(scores, 0.8), [0, 1, 0, 2])
    np.testing.assert_array_equal(answered_by(scores, 0.8, fallback="final"), [0, 1, 2, 2])
    np.testing.assert_array_equal(reaches(scores, 0.8), [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
    np.testing.assert_array_equal(reaches(scores, 0.8, 1)[:, 1], [False] * 4)


def test_who_answers_is_what_the_policies_answer_matrix_says(over):
    heads = (True, False, True)
    outputs = Outputs(None, over.confidence, over.prediction, over.label)
    matrix = ANSWERS["most-confident"].answer(outputs, heads)
    stop = stops_at(over.confidence, 0.9, device_exits=1)
    by_policy = np.take_along_axis(matrix, stop[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(answered_by(over.confidence, 0.9, device_exits=1), by_policy)


def test_without_calibration_the_score_is_max_softmax_to_the_last_bit(over):
    left = calibrate(over, mode="none")
    np.testing.assert_array_equal(
        left.score(over), SCORES["max-softmax"].score(over, (True,) * over.confidence.shape[1])
    )
    np.testing.assert_array_equal(left.prediction(over), over.prediction)


@pytest.mark.parametrize("mode", ["all-samples", "per-exit", "sequential"])
def test_modes_by_exit_find_every_kappa(over, mode):
    made = calibrate(over, mode=mode, p_tar=0.8)
    np.testing.assert_allclose(temperatures(made), (1.4, 1.6, 1.9), rtol=0.08 if mode == "per-exit" else 0.03)
    np.testing.assert_array_equal(made.prediction(over), over.prediction)


def test_all_modes_agree_where_all_exits_are_alike():
    alike = drawn(1.5, n=20_000)
    for mode in ("global", "per-exit", "all-samples", "sequential"):
        np.testing.assert_allclose(temperatures(calibrate(alike, mode=mode)), 1.5, rtol=0.05)


def test_each_mode_counts_its_samples(over):
    stop = stops_at(over.confidence, 0.8)
    counts = [report.n for report in calibrate(over, mode="per-exit").reports]
    assert counts == [np.sum(stop == k) for k in range(3)]
    assert [report.n for report in calibrate(over, mode="all-samples").reports] == [20_000] * 3
    sequential = calibrate(over, mode="sequential")
    reached = reaches(sequential.score(over), 0.8)
    assert [report.n for report in sequential.reports] == list(reached.sum(axis=0))
    pooled = calibrate(over, mode="global").reports
    assert len({report.parameters["temperature"] for report in pooled}) == 1
    assert [report.n for report in pooled] == [20_000] * 3


def test_global_pools_the_logits_of_the_exit_that_answers(over):
    for fallback in ("final", "most-confident"):
        exit_ = answered_by(over.confidence, 0.9, fallback=fallback)
        pooled = over.logits[np.arange(len(exit_)), exit_]
        by_hand = Temperature().fit(pooled, over.label).temperature
        made = calibrate(over, mode="global", p_tar=0.9, cloud_fallback=fallback)
        assert temperatures(made) == [by_hand] * 3


def test_an_under_confident_network_does_not_collapse_where_all_that_leave_are_right():
    """Of those that an under-confident exit lets go all are right: fitted to them alone, T falls to its bound."""
    under = drawn(0.6, n=10_000, accuracy=(0.7, 0.7, 0.7))
    stop = stops_at(under.confidence, 0.95)
    leaving = stop == 0
    assert leaving.sum() >= 50
    with pytest.raises(RefusalError, match="are right"):
        Temperature().fit(under.logits[leaving, 0], under.label[leaving])
    made = calibrate(under, mode="per-exit", p_tar=0.95)
    np.testing.assert_allclose(temperatures(made), 0.6, rtol=0.04)
    assert made.reports[0].samples == "all"
    assert (
        made.reports[0].flag
        == f"samples that stop here: all {leaving.sum()} samples are right; some of both would do"
    )
    assert made.reports[2].flag == ""


def test_a_fit_that_ends_at_a_bound_gives_way_to_all_samples(over):
    method = Temperature(low=0.5, high=1.5)
    made = calibrate(over, method, mode="per-exit")
    assert made.reports[2].samples == "all"
    assert made.reports[2].flag.count("at its bound 1.5") == 1
    assert made.reports[2].flag.startswith("samples that stop here, and all samples: ")
    assert temperatures(made)[2] == 1.5


def test_what_the_fallback_does_is_the_user_s_choice():
    few = drawn(1.5, n=60)
    with pytest.raises(RefusalError, match=r"exit 1, samples that stop here: \d+ samples are too few"):
        calibrate(few, mode="per-exit", p_tar=0.9, fallback="refuse")
    left = calibrate(few, mode="per-exit", p_tar=0.9, fallback="none")
    assert temperatures(left) == [1.0] * 3
    assert all("too few" in report.flag for report in left.reports)
    assert {report.samples for report in calibrate(few, mode="per-exit", p_tar=0.9).reports} == {"all"}
    tiny = drawn(1.5, n=30)
    for mode in ("global", "per-exit", "all-samples", "sequential"):
        made = calibrate(tiny, mode=mode)
        assert temperatures(made) == [1.0] * 3
        assert all("30 samples are too few" in report.flag for report in made.reports)
        with pytest.raises(RefusalError, match="too few"):
            calibrate(tiny, mode=mode, fallback="refuse")


def test_exits_that_never_run_stay_as_they_are(over):
    made = calibrate(over, mode="per-exit", device_exits=1)
    assert made.reports[1].flag == "this exit never runs"
    assert temperatures(made)[1] == 1.0
    assert temperatures(made)[2] == pytest.approx(1.9, rel=0.05)


def test_outputs_as_calibrated_carry_what_answers_need():
    over = drawn(1.5, n=1_000)
    made = calibrate(over, VectorScaling(), mode="all-samples")
    seen = made.calibrated(over)
    np.testing.assert_array_equal(seen.confidence, made.score(over))
    np.testing.assert_array_equal(seen.prediction, made.probabilities(over.logits).argmax(axis=-1))
    np.testing.assert_allclose(seen.confidence, made.probabilities(over.logits).max(axis=-1))
    assert seen.logits is None
    assert [row["exit"] for row in made.rows()] == [1, 2, 3]
    assert made.rows()[0]["samples"] == "all"


def test_without_logits_maps_of_the_confidence_still_work(over):
    bare = over._replace(logits=None)
    for method in (Platt(), Isotonic()):
        with_logits, without = (calibrate(o, method, mode="sequential").score(o) for o in (over, bare))
        np.testing.assert_allclose(with_logits, without, atol=1e-6)
    with pytest.raises(
        CalibrationError, match=r"'temperature' needs logits.*platt, beta, isotonic, histogram would"
    ):
        calibrate(bare, "temperature")
    np.testing.assert_array_equal(calibrate(bare).score(bare), calibrate(bare, "platt").score(bare))
    np.testing.assert_array_equal(calibrate(bare, mode="none").score(bare), over.confidence)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "temprature"}, "no method 'temprature'; temperature, "),
        ({"mode": "globl"}, "mode is 'globl'; none, global"),
        ({"p_tar": 0}, "p_tar is 0"),
        ({"device_exits": 3}, "0 to 2 of 3 exits"),
        ({"cloud_fallback": "any"}, "final, most-confident would do"),
        ({"fallback": "any"}, "all-samples, none, refuse would do"),
    ],
)
def test_settings_that_name_nothing_are_errors(over, settings, message):
    with pytest.raises(CalibrationError, match=message):
        calibrate(over, **settings)


def test_outputs_of_another_network_are_errors(over):
    made = calibrate(over, mode="all-samples")
    other = outputs_of(synthesise(n=10, exits=2, accuracy=0.7, stage_s=1, out_bytes=1, seed=1))
    with pytest.raises(CalibrationError, match="2 exits, but 3"):
        made.score(other)


def test_fewer_leave_at_a_higher_threshold_and_at_a_higher_temperature(over):
    shares = [np.mean(stops_at(over.confidence, p) < 2) for p in np.linspace(0.3, 1, 15)]
    assert (np.diff(shares) <= 0).all()
    softer = [
        np.mean(scipy_softmax(over.logits[:, 0].astype(float) / t, axis=1).max(axis=1) >= 0.8) for t in (0.5, 1, 2)
    ]
    assert softer[0] > softer[1] > softer[2]


def test_a_calibrated_network_keeps_the_promise_that_an_over_confident_one_breaks():
    """At threshold p the device is right at least p of the time, once calibrated: E[c | c >= p] >= p."""
    seen, held_out = (drawn((2.0, 2.2, 2.5), n=20_000, seed=seed) for seed in (2, 9))
    for p_tar in (0.8, 0.9):
        accuracy = {}
        for mode in ("none", "per-exit"):
            stop = stops_at(calibrate(seen, mode=mode, p_tar=p_tar).score(held_out), p_tar)
            leaving = np.flatnonzero(stop < 2)
            right = held_out.prediction[leaving, stop[leaving]] == held_out.label[leaving]
            accuracy[mode] = right.mean()
        assert accuracy["none"] < p_tar < accuracy["per-exit"]
