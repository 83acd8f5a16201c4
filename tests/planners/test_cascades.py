"""Cascades: who answers, at what cost, and whether planned thresholds are the best of all that were tried."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from bandit_worlds import TIERS, said, stages_at, three
from worlds import drawn

from mdisim.engine import run
from mdisim.faults import Fault, Faults
from mdisim.planners.tiers.cascades import BeemCascade, Cascade, PatienceCascade
from mdisim.planners.tiers.chains import BeginsAgain, Chain, stop_costs
from mdisim.planners.tiers.pools import Aim, budgeted
from mdisim.planners.tiers.prefixes import TierError, tier_costs
from mdisim.planners.tiers.thresholds import Shown, best_one, best_pair, stops
from mdisim.policies import SCORES
from mdisim.policies.check import check
from mdisim.policies.scores import Beem, Outputs
from mdisim.world import setting

WORLD = three()
HERE = setting(WORLD)
RECIPES = (Cascade, PatienceCascade, BeemCascade)


def stop_of(policy, world):
    """The exit at which the plan alone would stop each sample, [n]."""
    return (
        policy.score.score(world.samples.outputs, policy.plan[0].heads) >= np.array(policy.plan[0].stamped())
    ).argmax(axis=1)


# --- what a cascade costs


def test_with_equal_prices_and_additive_hops_oracle_pools_cost_what_the_cascade_does():
    """DIMEE's sample starts anew at its tier, the cascade's goes on: layers and hops come to the same."""
    prefixes = Cascade(**TIERS).prefixes(HERE)
    chain = Chain(prefixes.devices, tuple(last + 1 for last in prefixes.exits))
    costs = stop_costs(HERE, chain, "hidden")[list(prefixes.exits)]
    np.testing.assert_allclose(costs, tier_costs(HERE, prefixes))
    np.testing.assert_allclose(costs, [2, 1.5 + 3, 3.0 + 6])


def test_beginning_again_pays_the_layers_again():
    chain = Chain((-1, 1, 2), (2, 3, 6))
    np.testing.assert_allclose(stop_costs(HERE, chain, "hidden"), [1, 2, 4.5, 7, 8, 9])
    np.testing.assert_allclose(stop_costs(HERE, chain, "input"), [1, 2, 6.5, 12, 13, 14])
    np.testing.assert_allclose(stop_costs(HERE, Chain((-1, 1, 2), (0, 3, 6)), "hidden"), [2.5, 3.5, 4.5, 7, 8, 9])


@pytest.mark.parametrize("forward", ["hidden", "input"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_engine_stops_where_the_plan_says_and_charges_what_was_planned(recipe, forward):
    policy = recipe(**TIERS, forward=forward).build(HERE)
    tasks = run(WORLD, policy, 1).tasks
    assert len(tasks) > 300
    assert (tasks.status == "answered").all()
    stop = stop_of(policy, WORLD)[tasks["sample"]]
    np.testing.assert_array_equal(tasks.exit, stop + 1)
    np.testing.assert_allclose(tasks.cost, stop_costs(HERE, Chain((-1, 1, 2), (2, 3, 6)), forward)[stop])
    hops = np.array([0, 0, 1, 2, 2, 2])[stop]
    np.testing.assert_array_equal(tasks.bytes_sent, hops * (2000 if forward == "hidden" else 200))
    assert policy.where is None or check(policy.where) == []
    assert set(tasks.device) == {"d0", "d1", "d2"}


def test_what_the_edge_could_not_send_on_is_sent_again_and_not_computed_again():
    """The way to the cloud is gone from 2 s to 8 s: no tier computes a sample twice."""
    way = next(i for i, link in enumerate(WORLD.links) if (link.source, link.target) == (1, 2))
    for rules in ({}, {"on_outage": "requeue"}):
        faults = Faults((Fault("outage", links=(way,), at_s=2.0, for_s=6.0),), **rules)
        policy = Cascade(**TIERS, alpha=2.0, beta=2.0, forward="input").build(HERE)
        tasks = run(replace(WORLD, faults=faults), policy, 1).tasks
        assert (tasks.status == "answered").all()
        np.testing.assert_allclose(tasks.compute_s, (2 + 3 + 6) * 0.003)


def test_where_the_layers_of_a_cascade_run():
    assert stages_at(Cascade(**TIERS, alpha=0.9, beta=0.8).build(HERE)) == [2, 1, 3]
    policy = Cascade(**TIERS, alpha=0.9, beta=0.8, mobile_exit=1, edge_exit=4, forward="input").build(HERE)
    assert policy.where == BeginsAgain((-1, 1, 2), ((1, 4, 6),))
    assert stages_at(policy) == [1, 4, 6]
    assert policy.plan[0].thresholds == (0.9, inf, inf, 0.8, inf, inf)
    assert policy.plan[0].heads == (True, False, False, True, False, True)
    assert policy.details["thresholds"] == [0.9, 0.8]
    assert policy.details["all_cloud_cost"] == 9.0


def test_all_exits_of_mobile_and_edge_may_be_asked():
    row = Cascade(**TIERS, alpha=0.9, beta=0.8, exits="all", edge_exit=4).build(HERE).plan[0]
    assert row.thresholds == (0.9, 0.9, 0.8, 0.8, inf, inf)
    assert row.heads == (True, True, True, True, False, True)


# --- planned thresholds


def brute(shown, exits, tried, budget):
    """Cost and loss of the best pair, pair by pair."""
    last, found = len(shown.cost) - 1, []
    for alpha in tried[0]:
        for beta in tried[1]:
            stop = np.full(len(shown.right), last)
            for group, threshold in reversed(list(zip(exits, (alpha, beta), strict=True))):
                for k in reversed(group):
                    stop[shown.scores[:, k] >= threshold] = k
            lost = shown.right[:, -1].mean() - shown.right[np.arange(len(stop)), stop].mean()
            if lost <= budget + 1e-12:
                found.append((shown.cost[stop].mean(), lost))
    return min(found)


@pytest.mark.parametrize("exits", [((1,), (3,)), ((0, 1), (2, 3))])
@pytest.mark.parametrize("drop", [0.0, 0.01, 0.05])
def test_a_planned_pair_is_the_best_of_all(exits, drop):
    outputs = drawn(300, 6, classes=3, seed=8)
    shown = Shown(
        outputs.confidence,
        outputs.prediction == outputs.label[:, None],
        np.array([1.0, 2.0, 4.0, 5.0, 8.0, 9.0]),
        np.arange(300),
    )
    tried = ((0.3, 0.5, 0.7, 0.9, inf), (0.0, 0.4, 0.6, 0.8, inf))
    planned = best_pair(shown, exits, Aim(drop), tried)
    cost, lost = brute(shown, exits, tried, drop)
    assert (planned.cost, planned.drop) == (pytest.approx(cost), pytest.approx(lost))


def shown_of(n: int, seed: int, levels: int) -> Shown:
    """Samples in groups of one to five, whose scores have so many levels, so that many are equal."""
    outputs = drawn(n, 5, classes=3, seed=seed)
    rng = np.random.default_rng(seed)
    scores = np.ceil(outputs.confidence * levels) / levels
    cost = np.sort(rng.uniform(1, 10, 5)) if seed % 3 else np.array([2.0, 9.0, 3.0, 1.0, 8.0])
    group = np.unique(np.sort(rng.integers(0, n // 3, n)), return_inverse=True)[1]
    return Shown(scores, outputs.prediction == outputs.label[:, None], cost, group)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("confidence", [None, 0.8])
@pytest.mark.parametrize("exits", [((0,), (2,)), ((0, 1), (2, 3))])
def test_no_pair_of_scores_is_better_than_the_planned_one(exits, confidence, seed):
    """All pairs, one by one, by the definition: so no score between two of a grid is passed over."""
    shown, aim = shown_of(60, seed, 20), Aim(0.05, confidence=confidence)
    found = []
    for alpha in (*np.unique(shown.scores), inf):
        for beta in (*np.unique(shown.scores), inf):
            stop = stops(shown, exits, (alpha, beta))
            lost = shown.right[:, -1].astype(float) - shown.right[np.arange(60), stop]
            if budgeted(lost, shown.group, 0.05, confidence) <= 0.05 + 1e-12:
                found.append((shown.cost[stop].mean().round(9), lost.mean()))
    planned = best_pair(shown, exits, aim)
    if found:
        assert (planned.cost, planned.drop) == (pytest.approx(min(found)[0]), pytest.approx(min(found)[1]))
    else:
        assert planned.thresholds == (inf, inf)


@pytest.mark.parametrize("confidence", [None, 0.8])
def test_no_single_score_is_better_than_the_planned_one(confidence):
    exits = (range(4),)
    for seed in range(6):
        shown, found = shown_of(200, seed, 50), []
        for threshold in (*np.unique(shown.scores), inf):
            stop = stops(shown, exits, (threshold,))
            lost = shown.right[:, -1].astype(float) - shown.right[np.arange(200), stop]
            if budgeted(lost, shown.group, 0.04, confidence) <= 0.04 + 1e-12:
                found.append(shown.cost[stop].mean())
        planned = best_one(shown, Aim(0.04, confidence=confidence))
        assert planned.cost == pytest.approx(min(found) if found else shown.cost[-1])


def test_one_threshold_for_all_exits():
    scores = [[0.9, 0.2, 0.1], [0.6, 0.8, 0.1], [0.5, 0.4, 0.1], [0.3, 0.9, 0.1]]
    right = np.array([[1, 1, 1], [0, 1, 1], [1, 1, 1], [0, 0, 1]], dtype=bool)
    shown, tried = Shown(np.array(scores), right, np.array([1.0, 2.0, 4.0]), np.arange(4)), (0.0, 0.7, 0.85, inf)
    # at 0.7: exits 1, 2, 3, 2 with the last one wrong; at 0.85: 1, 3, 3, 2, the same loss for more
    planned = best_one(shown, Aim(0.25), tried)
    assert planned == ((0.7,), 0.25, pytest.approx((1 + 2 + 4 + 2) / 4))
    assert best_one(shown, Aim(0.2), tried) == ((inf,), 0.0, 4.0)
    assert best_one(shown, Aim(0.5), tried).thresholds == (0.0,)


def test_a_budget_kept_surely_is_kept_by_a_bound():
    """With confidence the bound of what is lost keeps the budget; too few samples then prove nothing."""
    outputs = drawn(8000, 6, classes=3, seed=5)
    here = setting(three(outputs=outputs))
    loose, sure = (
        Cascade(**TIERS, drop_budget=0.01, budget_confidence=c).build(here).details for c in (None, 0.95)
    )
    assert 0.005 < loose["calibration_drop"] <= 0.01
    assert sure["calibration_drop"] < 0.01 - 1.6 * np.sqrt(0.01 * 0.99 / 8000)
    assert 0.0 < sure["calibration_saving"] < loose["calibration_saving"]
    few = setting(three(outputs=drawn(50, 6, seed=5)))
    assert Cascade(**TIERS, budget_confidence=0.95).build(few).details["thresholds"] == [inf, inf]


def test_a_budget_kept_surely_takes_samples_that_err_together_for_one():
    """Each sample ten times over proves no more than once; taken for ten samples it seems to."""
    once, tenfold = drawn(2000, 6, classes=3, seed=5), np.repeat(np.arange(2000), 10)
    alone, many = setting(three(outputs=once)), Outputs(None, *(part[tenfold] for part in once[1:]))
    known = [alone, replace(alone, calibration=many, group=tenfold), replace(alone, calibration=many)]
    of = [Cascade(**TIERS, drop_budget=0.02, budget_confidence=0.9).build(each).details for each in known]
    assert of[1]["thresholds"] == pytest.approx(of[0]["thresholds"])
    assert of[2]["calibration_saving"] > of[1]["calibration_saving"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_drop_on_the_calibration_half_keeps_the_budget(recipe):
    policy = recipe(**TIERS, drop_budget=0.02).build(HERE)
    outputs, stop = WORLD.samples.outputs, stop_of(policy, WORLD)
    right = outputs.prediction == outputs.label[:, None]
    drop = right[:, -1].mean() - right[np.arange(len(stop)), stop].mean()
    assert drop == pytest.approx(policy.details["calibration_drop"])
    assert drop <= 0.02 + 1e-12
    costs = stop_costs(HERE, Chain((-1, 1, 2), (2, 3, 6)), "hidden")
    assert policy.details["calibration_saving"] == pytest.approx(1 - costs[stop].mean() / 9.0)
    assert policy.details["calibration_saving"] > 0.2


def test_a_given_threshold_stays_while_the_other_is_planned():
    given = Cascade(**TIERS, alpha=0.95, drop_budget=0.02).build(HERE).details
    free = Cascade(**TIERS, drop_budget=0.02).build(HERE).details
    assert given["thresholds"][0] == 0.95
    assert given["calibration_saving"] <= free["calibration_saving"]


def test_a_cloud_that_costs_nothing_saves_nobody_knows_what():
    free = replace(HERE, stage_cost=HERE.stage_cost * 0.0, offload_cost=HERE.offload_cost * 0.0)
    assert np.isnan(Cascade(**TIERS).build(free).details["calibration_saving"])


# --- patience and BEEM


def counted(prediction, patience):
    """PABEE's loop: the exit, from 0, at which so many exits in a row agreed with the one before."""
    count = 0
    for k in range(1, len(prediction)):
        count = count + 1 if prediction[k] == prediction[k - 1] else 0
        if count == patience:
            return k
    return len(prediction) - 1


@pytest.mark.parametrize("patience", [1, 2, 3, 5])
def test_patience_stops_where_the_counter_of_pabee_does(patience):
    policy = PatienceCascade(**TIERS, patience=patience).build(HERE)
    expected = [counted(sample, patience) for sample in WORLD.samples.outputs.prediction]
    np.testing.assert_array_equal(stop_of(policy, WORLD), expected)
    assert policy.plan[0].heads == (True,) * 6


def summed(prediction, confidence, threshold, weights):
    """BEEM's loop: the exit, from 0, at which the weighted confidences of those that agree reach a threshold."""
    total = 0.0
    for k in range(1, len(prediction)):
        total = total + weights[k] * confidence[k] if prediction[k] == prediction[k - 1] else 0.0
        if total >= threshold:
            return k
    return len(prediction) - 1


@pytest.mark.parametrize("weights", ["depth", "accuracy"])
@pytest.mark.parametrize("threshold", [0.05, 0.3, 1.0])
def test_beem_stops_where_its_loop_does(weights, threshold):
    outputs = WORLD.samples.outputs
    policy = BeemCascade(**TIERS, weights=weights, threshold=threshold).build(HERE)
    w = 0.1 * np.arange(6) if weights == "depth" else (outputs.prediction == outputs.label[:, None]).mean(axis=0)
    pairs = zip(outputs.prediction, outputs.confidence, strict=True)
    np.testing.assert_array_equal(stop_of(policy, WORLD), [summed(p, c, threshold, w) for p, c in pairs])


def test_weights_of_albert_are_four_times_as_large():
    assert BeemCascade(**TIERS, step=0.4, threshold=1.0).build(HERE).score == Beem(step=0.4)
    four, one = (Beem(step=s).score(WORLD.samples.outputs, (True,) * HERE.n_exits) for s in (0.4, 0.1))
    np.testing.assert_allclose(four, 4 * one)
    assert SCORES["beem"] == Beem()


# --- what does not fit


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_does_not_fit_is_said(recipe):
    empty = replace(HERE, calibration=said(np.zeros((0, 6))))
    with pytest.raises(TierError, match="calibration half, which is empty: give thresholds, or take a profile"):
        recipe(**TIERS).build(empty)
    short = setting(three(K=2))
    with pytest.raises(TierError, match="mobile_exit 1 and edge_exit 1 do not nest in 2 exits"):
        recipe(**TIERS).build(short)
    with pytest.raises(ValueError, match="device 'edge' is not in this scenario; there are d0, d1, d2"):
        recipe().build(HERE)
    assert HERE.holds is not None
    held = HERE.holds.copy()
    held[2, 5] = False
    with pytest.raises(TierError, match="stages 1 to 6 at d2, which lacks 6"):
        recipe(**TIERS).build(replace(HERE, holds=held))


@pytest.mark.parametrize(
    "given",
    [
        Cascade(**TIERS, alpha=0.9, beta=0.8),
        PatienceCascade(**TIERS, patience=2),
        BeemCascade(**TIERS, threshold=1.0),
    ],
)
def test_given_thresholds_need_no_calibration_half(given):
    empty = replace(HERE, calibration=said(np.zeros((0, 6))))
    given.need(empty)
    assert given.build(empty).plan
    with pytest.raises(TierError, match="mobile_exit 1 and edge_exit 1 do not nest"):
        given.need(setting(three(K=2)))


@pytest.mark.parametrize(
    "planned",
    [
        Cascade(**TIERS, alpha=0.9),
        PatienceCascade(**TIERS),
        BeemCascade(**TIERS),
        BeemCascade(**TIERS, threshold=1.0, weights="accuracy"),
    ],
)
def test_what_is_left_to_the_calibration_half_needs_one(planned):
    planned.need(HERE)
    empty = replace(HERE, calibration=said(np.zeros((0, 6))))
    for asked in (planned.need, planned.build):
        with pytest.raises(TierError, match="plans on the calibration half, which is empty"):
            asked(empty)


def test_an_edge_without_a_way_to_the_cloud_is_said():
    carry = HERE.transfer_s.copy()
    carry[1, 2] = inf
    with pytest.raises(TierError, match="cascade: no route from d1 to d2: add a link"):
        Cascade(**TIERS, alpha=0.9, beta=0.9).build(replace(HERE, transfer_s=carry))


def test_a_score_that_needs_logits_says_so():
    bare = replace(HERE, calibration=HERE.calibration._replace(logits=None))
    with pytest.raises(ValueError, match="'margin' needs logits"):
        Cascade(**TIERS, score="margin").build(bare)
    for recipe in RECIPES:
        assert recipe(**TIERS).build(bare).plan
