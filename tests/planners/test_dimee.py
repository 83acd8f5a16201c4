"""DIMEE and its counterparts in the engine: what each sample pays, who answers it, and what they say."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from tier_worlds import NAMES, O_C, O_E, answered, hints, made, tiers
from worlds import line

from mdisim.planners.tiers.dimee import Dimee, RandomPools
from mdisim.planners.tiers.pooled import OraclePools
from mdisim.planners.tiers.pools import consequences, evidence, pools
from mdisim.planners.tiers.prefixes import TierError
from mdisim.planners.tiers.tiered import AllCloud, AllEdge, AllMobile
from mdisim.policies.check import check
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy, Setting
from mdisim.policies.views import FREE
from mdisim.world import World, setting

EXITS = (2, 3, 6)  # of six: a quarter, rounded up, and half
COST = np.array([2.0, O_E + 3.0, O_C + 6.0])
TOLD = {"shares", "calibration_saving", "calibration_drop", "all_cloud_cost"}


@pytest.fixture(scope="module")
def world() -> World:
    outputs = made()
    return tiers(outputs, hints(outputs))


@pytest.fixture(scope="module")
def known(world: World) -> Setting:
    return setting(world)


def pool_of(world: World, alpha: float, beta: float) -> np.ndarray:
    outputs = world.samples.outputs
    columns = [last - 1 for last in EXITS]
    right = outputs.prediction[:, columns] == outputs.label[:, None]
    return pools(outputs.confidence[:, columns], right, alpha, beta)


@pytest.mark.parametrize(("kind", "tier"), [(AllMobile, 0), (AllEdge, 1), (AllCloud, 2)])
@pytest.mark.parametrize("relayed", [False, True])
def test_one_tier_costs_its_layers_and_its_way(world, kind, tier, relayed):
    world = tiers(world.samples.outputs, relayed=relayed, layer_cost=(1.0, 0.5, 0.25))
    policy = kind(**NAMES).build(setting(world))
    tasks = answered(world, policy)
    cost = (0.0, O_E, O_C)[tier] + EXITS[tier] * (1.0, 0.5, 0.25)[tier]
    np.testing.assert_allclose(tasks.cost, cost)
    assert set(tasks.exit) == {EXITS[tier]}
    assert set(tasks.device) == {("d0", "d1", "d2")[tier]}
    assert set(tasks.hops) == {(0, 1, 2 if relayed else 1)[tier]}
    assert set(policy.details) >= TOLD
    assert policy.details["all_cloud_cost"] == O_C + 6 * 0.25
    assert policy.details["calibration_saving"] == pytest.approx(1 - cost / (O_C + 6 * 0.25))
    accuracy = [(world.samples.outputs.prediction[:, e - 1] == world.samples.outputs.label).mean() for e in EXITS]
    assert policy.details["calibration_drop"] == pytest.approx(accuracy[2] - accuracy[tier])


def test_oracle_pools_cost_exactly_as_the_cascade_that_forwards_hidden_states():
    """Equal prices of a layer and additive hops: from layer 1 at the pool's tier, or on from where it is."""
    world = tiers(relayed=True)
    alpha, beta = 0.85, 0.8
    policy = OraclePools(**NAMES, alpha=alpha, beta=beta).build(setting(world))
    m, n, L = EXITS
    thresholds = tuple({m - 1: alpha, n - 1: beta, L - 1: -inf}.get(k, inf) for k in range(L))
    cascade = Row(
        thresholds, tuple(k + 1 in EXITS for k in range(L)), (FREE,) * m + (1,) * (n - m) + (2,) * (L - n)
    )
    pooled, forwarded = answered(world, policy), answered(world, Policy("cascade", (cascade,)))
    both = pooled.index.intersection(forwarded.index)
    assert len(both) > 300
    np.testing.assert_allclose(pooled.cost[both], forwarded.cost[both])
    np.testing.assert_array_equal(pooled.exit[both], forwarded.exit[both])
    np.testing.assert_allclose(pooled.cost[both], COST[pool_of(world, alpha, beta)[both]])
    assert set(pooled.exit) == set(EXITS)


prices = st.floats(0.0, 10.0)


@examples(6)
@given(st.tuples(*[st.floats(0.01, 2.0)] * 3), prices, prices, st.booleans(), st.sampled_from(["pure", "guarded"]))
def test_the_saving_is_that_of_the_run_at_any_price(layer_cost, o_e, more, relayed, mode):
    world = tiers(made(25), relayed=relayed, o_e=o_e, o_c=o_e + more, layer_cost=layer_cost, duration_s=12.0)
    for recipe in (OraclePools(**NAMES, alpha=0.8, beta=0.8, mode=mode), AllMobile(**NAMES), AllEdge(**NAMES)):
        told = recipe.build(setting(world))
        tasks = answered(world, told)
        assert len(tasks) == 25
        saving = 1 - tasks.cost.mean() / told.details["all_cloud_cost"]
        assert saving == pytest.approx(told.details["calibration_saving"])


@pytest.mark.parametrize("mode", ["pure", "guarded"])
@pytest.mark.parametrize("relayed", [False, True])
def test_every_sample_pays_what_the_planner_says(mode, relayed):
    outputs = made(300)
    world = tiers(outputs, hints(outputs), relayed=relayed, layer_cost=(1.0, 0.5, 0.25), duration_s=300.0)
    recipe = Dimee(**NAMES, mode=mode, alpha=0.8, beta=0.85)
    known = setting(world)
    policy, plan = recipe.build(known), recipe.plan(known)
    tasks = answered(world, policy)
    all_of = consequences(evidence(known, recipe.prefixes(known)), 0.8, 0.85, guarded=mode == "guarded")
    rows = plan.losses.argmin(axis=1)
    np.testing.assert_array_equal(tasks.row, rows[tasks.index])
    np.testing.assert_allclose(tasks.cost, all_of.cost[tasks.index, tasks.row])
    np.testing.assert_array_equal(tasks.exit, np.array(EXITS)[all_of.tier[tasks.index, tasks.row]])
    assert len(set(rows)) == 3
    assert len(tasks) == len(outputs.label)
    cloud = outputs.prediction[:, -1] == outputs.label
    assert 1 - tasks.cost.mean() / policy.details["all_cloud_cost"] == pytest.approx(
        policy.details["calibration_saving"]
    )
    assert cloud.mean() - tasks.correct.mean() == pytest.approx(policy.details["calibration_drop"])


def test_guarded_answers_below_its_threshold_in_the_cloud_alone(world):
    tasks = answered(world, Dimee(**NAMES, mode="guarded", alpha=0.8, beta=0.85).build(setting(world)))
    assert (tasks.confidence[tasks.exit == 2] >= 0.8).all()
    assert (tasks.confidence[tasks.exit == 3] >= 0.85).all()
    assert set(tasks.exit) == set(EXITS)
    gone_up = tasks[(tasks.row == 0) & (tasks.exit == 6)]
    np.testing.assert_allclose(gone_up.cost, 2 + (O_E + 3) + (O_C - O_E + 6))
    assert set(gone_up.bytes_sent) == {1000.0}  # the input, twice
    pure = answered(world, Dimee(**NAMES, alpha=0.8, beta=0.85).build(setting(world)))
    assert (pure.confidence[pure.exit == 2] < 0.8).any()
    assert (pure.hops[pure.row > 0] == 1).all()


@pytest.mark.parametrize("budget_on", ["routed", "pools"])
@pytest.mark.parametrize("budget", [0.0, 0.01, 0.05])
def test_the_budget_is_kept_on_the_calibration_half(known, budget, budget_on):
    oracle = OraclePools(**NAMES, drop_budget=budget).build(known).details
    assert oracle["calibration_drop"] <= budget
    assert oracle["calibration_saving"] > 0.0
    routed = Dimee(**NAMES, drop_budget=budget, budget_on=budget_on).build(known).details
    if budget_on == "routed":
        assert routed["calibration_drop"] <= budget
    else:
        assert routed["thresholds"] == oracle["thresholds"]


def test_noise_leaves_the_shares_and_takes_the_knowledge(world, known):
    recipe = OraclePools(**NAMES, alpha=0.85, beta=0.8)
    none, half, all_ = (replace(recipe, noise=q).build(known).details for q in (0.0, 0.5, 1.0))
    chance = RandomPools(**NAMES, alpha=0.85, beta=0.8, like="oracle-pools").build(known).details
    for key in ("shares", "calibration_saving"):
        np.testing.assert_allclose(none[key], all_[key])
        np.testing.assert_allclose(chance[key], all_[key])
    assert chance["calibration_drop"] == pytest.approx(all_["calibration_drop"])
    assert half["calibration_drop"] == pytest.approx((none["calibration_drop"] + all_["calibration_drop"]) / 2)
    assert none["calibration_drop"] < all_["calibration_drop"]
    tasks = answered(world, replace(recipe, noise=1.0).build(known))
    drawn = answered(world, RandomPools(**NAMES, alpha=0.85, beta=0.8, like="oracle-pools").build(known))
    for run in (tasks, drawn):
        shares = np.bincount(run.row, minlength=3) / len(run)
        assert np.abs(shares - chance["shares"]).max() < 4 * 0.5 / np.sqrt(len(run))


def test_a_confusion_matrix_says_who_goes_where(world, known):
    kept = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    turned = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    pool = pool_of(world, 0.85, 0.8)
    for chances, rows in ((kept, pool), (turned, (pool + 2) % 3)):
        policy = Dimee(**NAMES, alpha=0.85, beta=0.8, confusion=chances).build(known)
        tasks = answered(world, policy)
        np.testing.assert_array_equal(tasks.row, rows[tasks.index])
        np.testing.assert_allclose(policy.details["shares"], np.bincount(rows, minlength=3) / len(rows))
    mixed = ((0.5, 0.5, 0.0), (0.0, 0.5, 0.5), (0.0, 0.0, 1.0))
    policy = Dimee(**NAMES, alpha=0.85, beta=0.8, confusion=mixed).build(known)
    np.testing.assert_allclose(policy.details["shares"], np.bincount(pool) / len(pool) @ np.array(mixed))


def test_rules_compile(known):
    recipes = (
        Dimee(**NAMES), Dimee(**NAMES, mode="guarded"), Dimee(**NAMES, noise=0.5), Dimee(**NAMES, refresh=10),
        Dimee(**NAMES, load_weight_s=1.0), RandomPools(**NAMES), OraclePools(**NAMES),
        Dimee(**NAMES, confusion=((1.0, 0.0, 0.0),) * 3),
    )  # fmt: skip
    rules = [rule for r in recipes for p in (r.build(known),) for rule in (p.picks, p.where, p.learns) if rule]
    assert len({type(rule) for rule in rules}) == 6
    for rule in rules:
        assert check(rule) == []


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (Dimee(**NAMES, noise=0.1, refresh=5), "noise and refresh do not go together"),
        (Dimee(**NAMES, refresh=5, router="linear"), "refresh moves class means; router centroid would do"),
        (Dimee(**NAMES, refresh=5, require_correct=True), "refresh has no labels and cannot tell which exits"),
        (Dimee(**NAMES, confusion=((1.0, 1.0, 0.0),) * 3), "confusion has rows that are no chances"),
        (Dimee(edge="d1", cloud="d1"), "must differ"),
        (Dimee(edge="d1", cloud="dx"), "device 'dx' is not in this scenario"),
        (AllEdge(**NAMES, mobile_exit=4), "mobile_exit 4 and edge_exit 3 do not nest in 6 exits"),
    ],
)
def test_what_cannot_be_is_said(known, recipe, says):
    with pytest.raises(ValueError, match=says):
        recipe.build(known)


def test_without_features_some_do_and_some_say_what_would():
    known = setting(tiers(made(50)))
    for recipe in (AllCloud(**NAMES), OraclePools(**NAMES), RandomPools(**NAMES, like="oracle-pools")):
        assert recipe.build(known).details["calibration_drop"] <= 1.0
    for recipe in (Dimee(**NAMES), RandomPools(**NAMES)):
        with pytest.raises(
            TierError, match=f"{recipe.name} routes by features, which this profile lacks; a profile"
        ):
            recipe.build(known)
    empty = replace(
        known, calibration=type(known.calibration)(None, *(part[:0] for part in known.calibration[1:]))
    )
    with pytest.raises(TierError, match="oracle-pools learns from a calibration half; a profile that has one"):
        OraclePools(**NAMES).build(empty)


def test_guarded_needs_a_way_from_edge_to_cloud():
    world = tiers(made(50))
    hop = world.next_hop.copy()
    hop[1, 2] = -1
    links = tuple(link for link in world.links if (link.source, link.target) != (1, 2))
    with pytest.raises(TierError, match="no route from d1 to d2, which mode guarded needs"):
        OraclePools(**NAMES, mode="guarded").build(setting(replace(world, next_hop=hop, links=links)))
    hop[0, 2] = -1
    with pytest.raises(TierError, match="no route from d0 to d2"):
        OraclePools(**NAMES).build(setting(replace(world, next_hop=hop)))


def test_three_exits_are_the_least():
    world = line(3, (0.01, 0.01), outputs=made(20, 2))
    with pytest.raises(TierError, match="do not nest in 2 exits; a profile of 3 exits or more would do"):
        AllMobile(**NAMES).build(setting(world))


def test_where_the_cloud_costs_nothing_there_is_nothing_to_save():
    world = tiers(made(50), o_e=0.0, o_c=0.0, layer_cost=(1.0, 1.0, 0.0))
    with pytest.raises(TierError, match="oracle-pools: d2 costs nothing, and there is nothing to save"):
        OraclePools(**NAMES).build(setting(world))
    assert np.isnan(AllMobile(**NAMES).build(setting(world)).details["calibration_saving"])
