"""Routers: what can be told by hand of each, and that they see features alone and keep their budget."""

from __future__ import annotations

import numpy as np
import pytest
from tier_worlds import NAMES, hints, made, tiers

from mdisim.planners.tiers.dimee import Dimee
from mdisim.planners.tiers.loss_routers import expected_loss, probed_loss
from mdisim.planners.tiers.pool_plans import PoolPlanner
from mdisim.planners.tiers.pools import Aim, evidence
from mdisim.planners.tiers.prefixes import TierError
from mdisim.planners.tiers.routers import (
    Losses,
    Turns,
    class_means,
    crossfitted,
    linear,
    nearest,
    perceptron,
    populous,
    priced,
    quick_centroids,
    several_means,
)
from mdisim.world import setting

ROUTERS = ("centroid", "priced-centroid", "centroids", "linear", "mlp", "linear-drop", "probe-drop")
CROSS = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 3.0], [4.0, 5.0]])


def blobs(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of three well separated pools."""
    rng = np.random.default_rng(seed)
    pool = rng.integers(0, 3, n)
    return np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])[pool] + rng.normal(size=(n, 2)), pool


def test_class_means_and_euclid():
    router = class_means(CROSS, np.array([0, 0, 2, 2]))
    assert router.points.tolist() == [[1.0, 0.0], [4.0, 4.0]]
    assert router.losses(np.array([[1.0, 4.0]])).tolist() == [[4.0, np.inf, 3.0]]
    assert nearest(router.losses(CROSS)).tolist() == [0, 0, 2, 2]
    assert nearest(np.array([[1.0, 1.0, 0.5], [1.0, 1.0, 1.0], [2.0, 1.0, 1.0]])).tolist() == [2, 0, 1]


def test_the_quick_way_gives_each_sample_to_the_same_tier():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(500, 8)) + 5.0
    quick = quick_centroids(features, 1)
    for pools in (rng.integers(0, 3, 500), np.zeros(500, dtype=int), 2 * rng.integers(0, 2, 500)):
        np.testing.assert_array_equal(
            quick(pools[None])[0], nearest(class_means(features, pools).losses(features))
        )


@pytest.mark.parametrize("fit", [class_means, several_means, linear, perceptron])
def test_well_separated_pools_are_told_apart(fit):
    features, pool = blobs(3000)
    fresh, truth = blobs(seed=1)
    assert (nearest(fit(features, pool).losses(fresh)) == truth).mean() > 0.97
    only = fit(features, np.full(len(pool), 1)).losses(fresh)
    assert (nearest(only) == 1).all()
    assert np.isinf(only[:, [0, 2]]).all()


def test_several_means_tell_what_one_mean_cannot():
    """The easy stand on both sides of the hard, so that both means are in the middle."""
    rng = np.random.default_rng(0)
    pool = np.repeat([0, 0, 2], 100)
    features = np.repeat([-9.0, 9.0, 0.0], 100)[:, None] + rng.normal(size=(300, 1))
    right = [
        (nearest(fit(features, pool).losses(features)) == pool).mean() for fit in (class_means, several_means)
    ]
    assert right[0] < 0.9
    assert right[1] > 0.97


def test_expected_losses_are_found_where_they_are_linear():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 3)) * [1.0, 5.0, 0.0]
    lost = features @ np.array([[0.1, 0.0], [0.0, 0.05], [1.0, 1.0]]) + [0.2, 0.1]
    found = expected_loss(features, lost).losses(features)
    np.testing.assert_allclose(found[:, :2], lost, atol=0.02)
    assert not found[:, 2].any()


def test_a_probe_tells_what_is_easy_on_either_side_of_a_boundary():
    """The mobile errs near the boundary of two classes: no linear function of the feature knows where that is."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2000, 2)) * [2.0, 1.0]
    label = (features[:, 0] > 0).astype(int)
    lost = np.repeat((np.abs(features[:, :1]) < 0.8) & (rng.random((2000, 1)) < 0.5), 2, axis=1).astype(float)
    near = np.abs(features[:, 0]) < 0.8
    blind, knowing = expected_loss(features, lost), probed_loss(features, label, lost)
    assert np.abs(np.diff([blind.losses(features)[one, 0].mean() for one in (near, ~near)])) < 0.05
    assert -np.diff([knowing.losses(features)[one, 0].mean() for one in (near, ~near)]) > 0.2
    same = probed_loss(features, np.zeros(2000, dtype=int), lost)
    np.testing.assert_array_equal(same.losses(features), blind.losses(features))


def test_a_price_moves_samples_to_cheaper_tiers_and_back():
    losses = np.array([[0.3, 0.1, 0.0], [0.1, 0.3, 0.0], [0.0, 0.1, 0.2]])
    cost = np.array([0.2, 0.5, 1.0])
    assert nearest(priced(losses, cost, 0.0)).tolist() == [2, 2, 0]
    assert nearest(priced(losses, cost, 10.0)).tolist() == [0, 0, 0]
    assert nearest(priced(losses, cost, -10.0)).tolist() == [2, 2, 2]
    assert nearest(priced(np.full((3, 3), np.inf), cost, None)).tolist() == [2, 2, 2]
    turns = Turns.of(losses, cost)
    # the first goes to the edge, and then to the cloud; the second to the cloud; and the third
    edges = [0.2 / 0.3, 0.1 / 0.5, 0.1 / 0.8, -0.2 / 0.8]
    assert turns.moves.value.tolist() == pytest.approx(edges)
    assert turns.moved.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("empty", [False, True])
def test_prices_are_all_that_make_a_difference_and_their_moves_what_happens_there(empty):
    rng = np.random.default_rng(5)
    losses, cost = np.round(rng.uniform(0, 1, (40, 3)), 2), np.array([0.2, 0.5, 1.0])
    if empty:
        losses[:, 1] = np.inf  # of a pool without any sample
    turns = Turns.of(losses, cost)
    given = turns.start.copy()
    seen = {tuple(given)}
    done = 0
    for price, moved in zip(turns.prices, turns.moved, strict=True):
        given[turns.moves.sample[done:moved]] = turns.moves.after[done:moved]
        done = moved
        np.testing.assert_array_equal(given, nearest(priced(losses, cost, price)))
        seen.add(tuple(given))
    for price in rng.uniform(turns.prices.min() - 1, turns.prices.max() + 1, 2000):
        assert tuple(nearest(priced(losses, cost, price))) in seen


def test_a_pool_of_too_few_has_no_centroid_and_its_tier_is_given_nothing():
    outputs = made(300)
    world = tiers(outputs, hints(outputs))
    first = float(np.sort(outputs.confidence[:, 1])[-3])  # three are easy
    for least, given in ((3, True), (4, False)):
        plan = Dimee(**NAMES, alpha=first, beta=0.8, least_pool=least).plan(setting(world))
        assert plan.report.counts[0] == 3
        assert np.isfinite(plan.losses[:, 0]).all() == given
        assert (plan.report.shares[0] > 0.0) == given
    chosen = Dimee(**NAMES).plan(setting(world))
    assert chosen.router.pool.tolist() == [p for p in range(3) if chosen.report.counts[p] >= 10]
    for router in ("centroids", "linear", "mlp"):
        plan = Dimee(**NAMES, alpha=first, beta=0.8, router=router, least_pool=4).plan(setting(world))
        assert plan.report.shares[0] == 0.0
    assert populous(np.array([0, 0, 1]), 3).tolist() == [0, 1, 2]


def test_cross_fitting_judges_no_sample_by_itself_or_its_group():
    seen: list[set[int]] = []

    class Marks:
        def __init__(self, own: np.ndarray) -> None:
            self.own = set(own.tolist())

        def losses(self, features: np.ndarray) -> np.ndarray:
            judged = set(features[:, 0].astype(int).tolist())
            assert not judged & self.own
            assert judged | self.own == set(range(10))
            assert not {group[one] for one in judged} & {group[one] for one in self.own}
            seen.append(judged)
            return np.repeat(features, 3, axis=1)

    features = np.arange(10.0)[:, None]
    for group in (np.arange(10), np.array([3, 0, 1, 2, 0, 1, 3, 2, 0, 0])):
        np.testing.assert_array_equal(crossfitted(Marks, features, group)[:, 0], features[:, 0])
    assert len(seen) > 6


def test_cross_fitting_does_as_well_on_a_file_that_is_sorted():
    """Folds in file order would leave one router without the first pool, so that its tier was given nothing."""
    features, pool = blobs(1000)
    at = np.concatenate([np.flatnonzero(pool == p)[:n] for p, n in enumerate((80, 160, 160))])
    features, pool = features[at], pool[at]
    in_order = np.arange(len(at)) // 5
    right = {}
    for name, group in (("sorted", in_order), ("shuffled", np.random.default_rng(1).permutation(80)[in_order])):
        losses, again = (
            crossfitted(lambda own: class_means(features[own], pool[own]), features, group) for _ in range(2)
        )
        np.testing.assert_array_equal(losses, again)
        right[name] = (nearest(losses) == pool).mean()
    assert right["sorted"] > 0.97
    assert right["shuffled"] > 0.97


def test_chance_is_not_taken_for_knowledge():
    """Features without any information: what is trained finds something, but not across the folds."""
    rng = np.random.default_rng(0)
    outputs = made(400)
    features = rng.normal(size=(400, 60))
    known = evidence(setting(tiers(outputs)), Dimee(**NAMES).prefixes(setting(tiers(outputs))))
    made_of = PoolPlanner(Aim(0.01)).assignment(known, features, "linear-drop")
    pool = PoolPlanner(Aim(0.01)).pools(known, made_of.alpha, made_of.beta)
    own = nearest(linear(features, pool).losses(features))
    others = nearest(crossfitted(lambda some: linear(features[some], pool[some]), features, known.group))
    assert (own == pool).mean() > (others == pool).mean() + 0.1


@pytest.mark.parametrize("router", ROUTERS)
def test_every_router_keeps_the_budget_and_sees_features_alone(router):
    outputs = made()
    world = tiers(outputs, hints(outputs))
    known = setting(world)
    policy = Dimee(**NAMES, router=router, drop_budget=0.02).build(known)
    assert policy.details["calibration_drop"] <= 0.02
    assert policy.sight is not None
    here = policy.sight.seen(outputs, world.samples.features)
    blind = outputs._replace(confidence=np.zeros_like(outputs.confidence), label=outputs.label[::-1])
    np.testing.assert_array_equal(policy.sight.seen(blind, world.samples.features), here)
    again = Dimee(**NAMES, router=router, drop_budget=0.02).build(known)
    assert again.sight is not None
    np.testing.assert_array_equal(again.sight.seen(outputs, world.samples.features), here)
    assert again.details == policy.details
    assert ("price" in policy.details) == (router != "centroid")

    with pytest.raises(TierError, match="needs features, which these samples lack"):
        Losses(policy.sight.router).seen(outputs, None)
