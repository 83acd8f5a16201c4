"""Planned thresholds keep their promise in the population as often as they say, or are refused."""

import numpy as np
import pytest
from scipy.stats import binom

from mdisim.calibration import CalibrationError, RefusalError, pvalues, risk
from mdisim.calibration.leaving import Leaving
from mdisim.calibration.stopping import stops_at
from mdisim.profiles import synthesise

DRAWS, N, DELTA = 1000, 400, 0.1
GRID = np.linspace(0, 1, 51)
MOST = DRAWS * DELTA + 2.33 * np.sqrt(DRAWS * DELTA * (1 - DELTA))


@pytest.fixture(scope="module")
def population():
    """An over-confident network of 20,000 samples: calibration sets are drawn from them with replacement."""
    made = synthesise(n=20_000, exits=3, accuracy=(0.6, 0.72, 0.85), kappa=1.6, stage_s=1, out_bytes=1, seed=11)
    return made.confidence, made.correct


@pytest.fixture(scope="module")
def truth(population):
    return Leaving.of(*population, GRID, None)


def broken(plan, truth, population, quantity, sense):
    """Over all draws, how often the population breaks the promise, how many are refused, the mean quantity."""
    rng = np.random.default_rng(12)
    scores, correct = population
    breaks, refused, seen = 0, 0, []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(scores), N)
        try:
            made = plan(scores[rows], correct[rows])
        except RefusalError:
            refused += 1
            continue
        at = int(np.searchsorted(GRID, made.threshold))
        value = truth.observed(quantity, at)
        breaks += sense * (value - made.limit) < 0
        seen.append(value)
    return breaks, refused, float(np.mean(seen))


@pytest.mark.parametrize(
    ("plan", "quantity", "sense"),
    [
        (lambda s, c: risk.device_accuracy(s, c, target=0.8, grid=GRID), "device accuracy", 1),
        (
            lambda s, c: risk.device_accuracy(s, c, target=0.8, grid=GRID, procedure="bonferroni"),
            "device accuracy",
            1,
        ),
        (lambda s, c: risk.early_gap(s, c, limit=0.15, grid=GRID), "early gap", -1),
        (lambda s, c: risk.upper_confidence(s, c, limit=0.05, grid=GRID), "accuracy gap", -1),
        (
            lambda s, c: risk.upper_confidence(s, c, limit=0.05, grid=GRID, test="hoeffding-bentkus"),
            "accuracy gap",
            -1,
        ),
        (lambda s, c: risk.upper_confidence(s, c, limit=0.05, grid=GRID, test="betting"), "accuracy gap", -1),
    ],
    ids=["device-accuracy", "bonferroni", "early-gap", "binomial", "hoeffding-bentkus", "betting"],
)
def test_a_promise_is_broken_no_more_often_than_delta(plan, quantity, sense, truth, population):
    breaks, refused, _ = broken(plan, truth, population, quantity, sense)
    assert breaks <= MOST
    assert refused < DRAWS / 2  # else nothing would have been shown


@pytest.mark.parametrize("procedure", ["fixed-sequence", "bonferroni"])
def test_where_no_threshold_would_do_one_is_given_no_more_often_than_delta(procedure):
    """The hardest case: scores that say nothing, and an accuracy just below the target at every threshold."""
    rng, given = np.random.default_rng(6), 0
    for _ in range(DRAWS):
        scores, right = rng.random((N, 2)), rng.random((N, 2)) < 0.7999
        try:
            risk.device_accuracy(scores, right, target=0.8, delta=DELTA, procedure=procedure)
            given += 1
        except RefusalError:
            pass
    assert given <= MOST


def test_conformal_risk_control_keeps_the_mean_over_calibration_sets(truth, population):
    plan = lambda s, c: risk.conformal(s, c, limit=0.05, grid=GRID)  # noqa: E731
    _, refused, mean = broken(plan, truth, population, "accuracy gap", -1)
    assert refused == 0
    assert mean <= 0.05


def test_a_grid_search_promises_nothing_and_breaks_it_often(truth, population):
    plan = lambda s, c: risk.grid_search(s, c, target=0.8, grid=GRID)  # noqa: E731
    breaks, _, _ = broken(plan, truth, population, "device accuracy", 1)
    assert breaks > 2 * MOST


# --- samples that belong together


@pytest.fixture(scope="module")
def families():
    """Groups of 1 to 15 samples that are nearly alike: scores and answers of most are those of the first."""
    made = synthesise(n=20_000, exits=3, accuracy=(0.6, 0.72, 0.85), kappa=1.6, stage_s=1, out_bytes=1, seed=11)
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 16, 2500)
    group = np.repeat(np.arange(2500), sizes)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    rows = np.where(rng.random(len(group)) < 0.7, first, np.arange(len(group))) % made.n
    return made.confidence[rows], made.correct[rows], np.split(np.arange(len(group)), np.cumsum(sizes)[:-1])


def broken_of_families(families, plan, quantity, sense, draws=150, groups=150):
    """How often a promise is broken where groups are drawn; what became of it; how many are refused."""
    scores, correct, members = families
    truth, rng, values, refused, broke = (
        Leaving.of(scores, correct, GRID, None),
        np.random.default_rng(4),
        [],
        0,
        0,
    )
    for _ in range(draws):
        drawn = [members[i] for i in rng.integers(0, len(members), groups)]
        rows, of = np.concatenate(drawn), np.repeat(np.arange(groups), [len(d) for d in drawn])
        try:
            made = plan(scores[rows], correct[rows], of)
        except RefusalError:
            refused += 1
            continue
        values.append(truth.observed(quantity, int(np.searchsorted(GRID, made.threshold))))
        broke += sense * (values[-1] - made.limit) < 0
    return broke, values, refused


@pytest.mark.parametrize(
    ("plan", "quantity", "sense"),
    [
        (lambda s, c, g: risk.device_accuracy(s, c, target=0.8, grid=GRID, group=g), "device accuracy", 1),
        (lambda s, c, g: risk.early_gap(s, c, limit=0.15, grid=GRID, group=g), "early gap", -1),
        (lambda s, c, g: risk.upper_confidence(s, c, limit=0.08, grid=GRID, group=g), "accuracy gap", -1),
        (
            lambda s, c, g: risk.upper_confidence(s, c, limit=0.15, grid=GRID, group=g, test="betting"),
            "accuracy gap",
            -1,
        ),
    ],
    ids=["device-accuracy", "early-gap", "binomial", "betting"],
)
def test_a_promise_holds_for_new_groups_as_often_as_it_says(plan, quantity, sense, families):
    broke, _, refused = broken_of_families(families, plan, quantity, sense)
    assert broke <= 150 * DELTA + 2.33 * np.sqrt(150 * DELTA * (1 - DELTA))
    assert refused < 75


def test_samples_that_err_together_taken_for_independent_ones_break_it(families):
    plan = lambda s, c, g: risk.device_accuracy(s, c, target=0.8, grid=GRID)  # noqa: E731
    broke, _, _ = broken_of_families(families, plan, "device accuracy", 1)
    assert broke > 150 * DELTA + 2.33 * np.sqrt(150 * DELTA * (1 - DELTA))


def test_conformal_risk_control_keeps_the_mean_over_draws_of_groups(families):
    plan = lambda s, c, g: risk.conformal(s, c, limit=0.1, grid=GRID, group=g)  # noqa: E731
    _, values, refused = broken_of_families(families, plan, "accuracy gap", -1)
    assert refused == 0
    assert np.mean(values) <= 0.1


@pytest.mark.parametrize("test", ["binomial", "hoeffding-bentkus", "betting"])
def test_copies_of_samples_promise_no_more_than_the_samples_do(population, test):
    scores, correct = (array[:800] for array in population)
    again = np.repeat(np.arange(800), 8)
    for plan, asked in (
        (risk.device_accuracy, {"target": 0.8}),
        (risk.upper_confidence, {"limit": 0.08, "test": test}),
    ):
        once = plan(scores, correct, grid=GRID, **asked)
        copies = plan(scores[again], correct[again], grid=GRID, group=again, **asked)
        blind = plan(scores[again], correct[again], grid=GRID, **asked)
        assert copies.threshold == pytest.approx(once.threshold, abs=0.021)
        assert copies.threshold >= blind.threshold
        assert (copies.n, copies.groups, blind.groups) == (6400, 800, 6400)
        alone = plan(scores, correct, grid=GRID, group=np.arange(800)[::-1], **asked)
        assert alone == once


def test_groups_that_do_not_fit_the_samples_are_an_error(population):
    scores, correct = (array[:60] for array in population)
    with pytest.raises(CalibrationError, match=r"groups have the shape \(59,\)"):
        risk.conformal(scores, correct, limit=0.1, group=np.arange(59))


# --- the parts


def test_counts_at_each_threshold_are_those_of_the_rule(population):
    scores, correct = (array[:300] for array in population)
    grid = np.unique([0.0, 1.0, 0.55, *scores[:20].ravel()])
    for exits in (1, 2, None):
        counts = Leaving.of(scores, correct, grid, exits)
        for g, threshold in enumerate(grid):
            stop = stops_at(scores, threshold, exits)
            here = stop < 2
            right, final = correct[np.arange(300), stop], correct[:, -1]
            assert counts.leaving[g] == here.sum()
            assert counts.wrong[g] == (here & ~right).sum()
            assert counts.lost[g] == (~right & final).sum()
            assert counts.observed("accuracy gap", g) == pytest.approx(final.mean() - right.mean())
            np.testing.assert_array_equal(counts.losses()[:, g], final.astype(int) - right)


def test_losses_made_monotone_are_the_worst_at_or_above():
    rng = np.random.default_rng(0)
    counts = Leaving.of(rng.random((50, 4)), rng.random((50, 4)) < 0.6, GRID, None)
    worst = np.maximum.accumulate((counts.losses() > 0)[:, ::-1], axis=1)[:, ::-1].sum(axis=0)
    np.testing.assert_array_equal(counts.worst_above(), worst)


def test_binomial_p_values_are_the_tail():
    bad, n = np.array([0.0, 3.0, 10.0, 0.0]), np.array([20.0, 20.0, 10.0, 0.0])
    np.testing.assert_allclose(pvalues.binomial(bad, n, 0.2), binom.cdf(bad, n, 0.2))


def test_hoeffding_bentkus_p_values_by_hand():
    n, total, limit = np.array([50.0]), np.array([2.0]), 0.2
    r = 0.04
    h1 = r * np.log(r / limit) + (1 - r) * np.log((1 - r) / (1 - limit))
    expected = min(np.exp(-50 * h1), np.e * binom.cdf(2, 50, limit))
    assert pvalues.hoeffding_bentkus(total, n, limit)[0] == pytest.approx(expected)
    assert pvalues.hoeffding_bentkus(np.array([40.0]), n, limit)[0] == 1.0


@pytest.mark.parametrize("mean", [0.3, 0.5])
def test_p_values_are_small_no_more_often_than_they_say(mean):
    """At the edge of the hypothesis; losses with values between 0 and 1."""
    losses = np.random.default_rng(3).beta(2 * mean, 2 * (1 - mean), (200, 4000))
    for p in (
        pvalues.betting(losses, mean, 0.1),
        pvalues.hoeffding_bentkus(losses.sum(axis=0), np.full(4000, 200.0), mean),
    ):
        for u in (0.01, 0.1, 0.3):
            assert np.mean(p <= u) <= u + 3.1 * np.sqrt(u * (1 - u) / 4000)


def test_a_walk_stops_at_the_first_failure_and_passes_over_what_is_not_tested():
    p = np.array([0.001, 0.5, 0.001, 0.04, 1.0, 1.0])
    tested = np.array([True, True, True, True, False, False])
    np.testing.assert_array_equal(
        pvalues.rejected(p, tested, 0.1, "fixed-sequence"), [False, False, True, True, False, False]
    )
    np.testing.assert_array_equal(pvalues.rejected(p, tested, 0.1, "bonferroni"), p <= 0.1 / 6)
    assert not pvalues.rejected(p, np.ones(6, dtype=bool), 0.1, "fixed-sequence").any()
    assert pvalues.rejected(np.zeros(5), np.ones(5, dtype=bool), 0.1, "fixed-sequence").all()


def test_a_promise_says_what_it_rests_on(population):
    scores, correct = population
    made = risk.device_accuracy(scores, correct, target=0.8, delta=0.05)
    assert (made.quantity, made.limit, made.delta, made.n) == ("device accuracy", 0.8, 0.05, 20_000)
    assert made.method == "fixed-sequence"
    stop = stops_at(scores, made.threshold)
    assert made.leaving == np.sum(stop < 2)
    assert made.observed == pytest.approx(correct[np.arange(20_000), stop][stop < 2].mean())
    assert made.observed > 0.8
    assert made.guarantee == "probability"
    searched, expected = (plan(scores, correct, limit=0.02) for plan in (risk.grid_search, risk.conformal))
    assert np.isnan([searched.delta, expected.delta]).all()
    assert (searched.guarantee, expected.guarantee) == ("none", "expectation")


def test_more_samples_bring_the_threshold_down_to_that_of_the_population(population):
    scores, correct = population
    best = risk.grid_search(scores, correct, target=0.8).threshold
    rng, means = np.random.default_rng(5), []
    for n in (300, 1000, 10_000):
        rows = rng.integers(0, 20_000, (20, n))
        means.append(np.mean([risk.device_accuracy(scores[r], correct[r], target=0.8).threshold for r in rows]))
    assert means[0] > means[1] > means[2] > best
    assert means[2] < best + 0.02


def test_what_the_data_cannot_support_is_refused(population):
    scores, correct = (array[:60] for array in population)
    with pytest.raises(RefusalError, match=r"60 samples cannot support the device accuracy of 0\.99 .*would do"):
        risk.device_accuracy(scores, correct, target=0.99)
    with pytest.raises(RefusalError, match=r"accuracy gap of 0\.01"):
        risk.upper_confidence(scores, correct, limit=0.01)
    with pytest.raises(RefusalError, match=r"at the very least 199"):
        risk.conformal(scores, correct, limit=0.005)
    with pytest.raises(RefusalError, match="no threshold of the grid"):
        risk.grid_search(scores, np.zeros_like(correct), target=0.9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": 1.0}, "target is 1; a number between 0 and 1"),
        ({"target": 0.8, "delta": 0}, "delta is 0"),
        ({"target": 0.8, "grid": [0.5, 0.5]}, "does not rise"),
        ({"target": 0.8, "device_exits": 3}, "1 to 2 would do"),
        ({"target": 0.8, "procedure": "guess"}, "fixed-sequence, bonferroni"),
    ],
)
def test_settings_out_of_range_are_errors(population, settings, message):
    scores, correct = (array[:60] for array in population)
    with pytest.raises(CalibrationError, match=message) as caught:
        risk.device_accuracy(scores, correct, **settings)
    assert not isinstance(caught.value, RefusalError)


def test_arrays_and_demands_that_do_not_fit_are_errors(population):
    scores, correct = (array[:60] for array in population)
    with pytest.raises(CalibrationError, match="samples x exits"):
        risk.conformal(scores, correct[:, :2], limit=0.1)
    with pytest.raises(CalibrationError, match="one thing"):
        risk.grid_search(scores, correct, limit=0.1, target=0.8)
    with pytest.raises(CalibrationError, match="binomial, hoeffding-bentkus, betting"):
        risk.upper_confidence(scores, correct, limit=0.1, test="guess")


def test_a_target_for_batches_makes_their_outage_rare():
    target = risk.batch_target(0.8, batch=500, on_device=0.4)
    assert binom.cdf(np.ceil(200 * 0.8) - 1, 200, target) < 0.06
