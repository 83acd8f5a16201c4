"""Pools, what becomes of samples, and searches, against what can be counted by hand."""

from __future__ import annotations

from itertools import product
from math import inf, sqrt

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from tier_worlds import NAMES, evidence_of, hints, made, tiers

from mdisim.planners.tiers.dimee import Dimee
from mdisim.planners.tiers.pool_plans import PoolPlanner
from mdisim.planners.tiers.pools import (
    Aim,
    Evidence,
    consequences,
    evidence,
    pools,
    ranks,
    report,
    search,
    squared_error,
    upper_bound,
    worth,
)
from mdisim.planners.tiers.pools import given as given_to
from mdisim.planners.tiers.routers import quick_centroids
from mdisim.world import setting

# confidence and correctness at mobile, edge and cloud
SURE = [[0.9, 0.9, 0.9], [0.9, 0.7, 0.9], [0.6, 0.9, 0.9], [0.6, 0.9, 0.9], [0.6, 0.7, 0.9], [0.5, 0.6, 0.7]]
RIGHT = [[1, 1, 1], [0, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 0]]
SIX = evidence_of(SURE, RIGHT)


def at(known: Evidence, alpha: float, beta: float, **options: bool) -> list[int]:
    return pools(known.confidence, known.right, alpha, beta, **options).tolist()


def test_pools_of_six_samples():
    assert at(SIX, 0.9, 0.9) == [0, 0, 1, 1, 2, 2]
    assert at(SIX, 0.9, 0.9, require_correct=True) == [0, 2, 1, 2, 2, 2]
    assert at(SIX, inf, inf) == [2] * 6
    assert at(SIX, 0.0, 0.0) == [0] * 6


def test_what_they_save_and_lose():
    pool = pools(SIX.confidence, SIX.right, 0.9, 0.9)
    told = report(SIX, pool, np.eye(3)[pool], 0.9, 0.9)
    assert told.counts.tolist() == [2, 2, 2]
    assert told.shares == told.answers == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert told.saving == pytest.approx(1 - (3 + 9 + 17) / 3 / 17)
    assert told.drop == pytest.approx(2 / 6)  # of the second at the mobile and the fourth at the edge
    assert told.drop_bound == pytest.approx(2 / 6 + 1.6448536 * sqrt((2 / 6) * (4 / 6) / 6))
    np.testing.assert_allclose(told.accuracy, [[0.5, 1, 1], [0.5, 0.5, 1], [0, 0, 0.5]])
    np.testing.assert_array_equal(told.confusion, 2 * np.eye(3))
    np.testing.assert_allclose(told.given_accuracy, told.accuracy)
    first = told.records()[0]
    assert first["pool"] == "easy"
    assert (first["samples"], first["share"], first["accuracy_mobile"]) == (2, pytest.approx(1 / 3), 0.5)
    assert told.facts()["thresholds"] == [0.9, 0.9]


def test_guarded_goes_up_with_the_input_and_pays_again():
    """Given to the mobile, the third stops at the edge, the fifth and sixth in the cloud."""
    all_of = consequences(SIX, 0.9, 0.9, guarded=True)
    assert all_of.tier[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert all_of.cost[:, 0].tolist() == [3, 3, 3 + 9, 3 + 9, 3 + 9 + 14, 3 + 9 + 14]
    assert all_of.tier[:, 1].tolist() == [1, 2, 1, 1, 2, 2]
    assert all_of.cost[:, 1].tolist() == [9, 9 + 14, 9, 9, 9 + 14, 9 + 14]
    assert all_of.tier[:, 2].tolist() == [2] * 6
    assert all_of.lost[:, 1].tolist() == [0, 0, 0, 1, 0, 0]


def own_pools(alpha, betas):
    return np.array([pools(SIX.confidence, SIX.right, alpha, beta) for beta in betas])


def test_the_search_finds_the_best_there_is():
    """Few distinct confidences, so that every pair of thresholds can be tried; two ways to search agree."""
    values = [*np.unique(SIX.confidence[:, 0]), inf], [*np.unique(SIX.confidence[:, 1]), inf]
    for budget in (-0.1, 0.0, 1 / 6, 2 / 6, 1.0):
        tried = {}
        for alpha, beta in product(*values):
            pool = pools(SIX.confidence, SIX.right, alpha, beta)
            told = report(SIX, pool, np.eye(3)[pool], alpha, beta)
            if told.drop <= budget:
                tried[alpha, beta] = told.saving
        for found in (search(SIX, Aim(budget), own_pools), PoolPlanner(Aim(budget)).oracle(SIX)):
            if tried:
                assert tried[found] == pytest.approx(max(tried.values()))
            else:
                assert found == (inf, inf)
    assert search(SIX, Aim(0.2), lambda a, bs: np.full((len(bs), 6), 2), alpha=0.8)[0] == 0.8
    assert PoolPlanner(Aim(0.2), alpha=0.8).oracle(SIX)[0] == 0.8


def test_the_reward_is_confidence_less_cost():
    def reward(alpha, beta, mu):
        pool = pools(SIX.confidence, SIX.right, alpha, beta)
        sure = SIX.confidence[np.arange(6), pool]
        return sure.mean() - mu * SIX.cost[pool].mean()

    for mu in (0.0, 0.005, 0.02, 1.0):
        best = max(reward(a, b, mu) for a, b in product((0.5, 0.6, 0.9, inf), (0.6, 0.7, 0.9, inf)))
        for found in (search(SIX, Aim(mu=mu), own_pools), PoolPlanner(Aim(mu=mu)).oracle(SIX)):
            assert reward(*found, mu) == pytest.approx(best)
    assert at(SIX, *PoolPlanner(Aim(mu=1.0)).oracle(SIX)) == [0] * 6


@pytest.mark.parametrize(
    "options", [{}, {"require_correct": True}, {"beta": 0.7}, {"aim": Aim(0.02, confidence=0.7)}]
)
def test_the_oracle_finds_the_best_of_all_pairs(options):
    """Every pair, by the definition: three exits, of which a right one is now and then surer than a wrong one."""
    rng = np.random.default_rng(3)
    confidence = np.round(rng.uniform(0.5, 1.0, (80, 3)), 2)
    right = rng.random((80, 3)) < confidence + 0.1
    known = Evidence(confidence, right, SIX.cost, SIX.climb, np.zeros(80, dtype=int), np.arange(80) // 2)
    planner = PoolPlanner(**{"aim": Aim(0.02), **options})
    values = [np.append(np.unique(confidence[:, k]), inf) for k in (0, 1)]
    betas = values[1] if planner.beta is None else [planner.beta]
    all_of = consequences(known, inf, inf)

    def worth_of(alpha, beta):
        rows = np.arange(80), planner.pools(known, alpha, beta)
        return worth(planner.aim, known, all_of._replace(cost=all_of.cost[rows], lost=all_of.lost[rows]))

    best = max(worth_of(a, b) for a, b in product(values[0], betas))
    assert best > 0.1
    assert worth_of(*planner.oracle(known)) == pytest.approx(best)


def test_the_search_of_a_router_comes_within_a_tenth_of_a_point_of_all_pairs():
    """Class means, which jump with every sample of a small pool: more pairs than the search looks at."""
    outputs = made(150, seed=4)
    here = setting(tiers(outputs))
    known, features = evidence(here, Dimee(**NAMES).prefixes(here)), hints(outputs, 0.3)
    quick = quick_centroids(features, 5)
    pure, aim, tried = consequences(known, inf, inf), Aim(0.02), []

    def route(alpha, betas):
        return quick(np.array([pools(known.confidence, known.right, alpha, beta) for beta in betas]))

    def worth_of(assigned):
        rows = np.arange(150), assigned
        return worth(aim, known, pure._replace(cost=pure.cost[rows], lost=pure.lost[rows]))

    betas = [*np.unique(known.confidence[:, 1]), inf]
    for alpha in (*np.unique(known.confidence[:, 0]), inf):
        tried += [worth_of(assigned) for assigned in route(alpha, betas)]
    alpha, beta = search(known, aim, route)
    assert worth_of(route(alpha, [beta])[0]) >= max(tried) - 0.001


def test_a_bound_wants_more_than_an_estimate():
    """A hundred samples without any difference do not prove a drop below 0.3 points; two thousand do."""
    for n, kept in ((100, False), (2000, True)):
        same = Evidence(
            np.full((n, 3), 0.9),
            np.ones((n, 3), dtype=bool),
            SIX.cost,
            SIX.climb,
            np.zeros(n, dtype=int),
            np.arange(n),
        )
        told = given_to(same, np.zeros(n, dtype=int), -inf, -inf)
        assert worth(Aim(0.003), same, told) == pytest.approx(14 / 17)
        assert (worth(Aim(0.003, confidence=0.95), same, told) > 0) == kept
    assert upper_bound(0.1, 0.04, 0.5) == pytest.approx(0.1)


def test_what_belongs_together_counts_once():
    """Each sample four times: the error of the mean is that of one copy."""
    lost = np.array([1.0, 0.0, 0.0, -1.0, 1.0, 0.0])
    alone = squared_error(lost, np.arange(6))
    assert alone == pytest.approx(lost.var() / 6)
    assert squared_error(np.repeat(lost, 4), np.repeat(np.arange(6), 4)) == pytest.approx(alone)
    assert squared_error(np.repeat(lost, 4), np.arange(24)) == pytest.approx(alone / 4)


confidences = st.lists(st.tuples(*[st.floats(0.5, 1.0)] * 3, *[st.booleans()] * 3), min_size=1, max_size=30)


@examples()
@given(confidences, st.floats(0.4, 1.1), st.floats(0.4, 1.1), st.booleans())
def test_pools_part_the_samples(samples, alpha, beta, require_correct):
    table = np.array(samples, dtype=float)
    known = Evidence(
        table[:, :3],
        table[:, 3:].astype(bool),
        SIX.cost,
        SIX.climb,
        np.zeros(len(table), dtype=int),
        np.arange(len(table)),
    )
    pool = pools(known.confidence, known.right, alpha, beta, require_correct=require_correct)
    told = report(known, pool, np.eye(3)[pool], alpha, beta)
    assert told.counts.sum() == len(samples)
    assert sum(told.shares) == pytest.approx(1.0)
    sure = known.confidence >= [alpha, beta, -inf]
    if require_correct:
        sure[:, :2] &= known.right[:, :2]
    np.testing.assert_array_equal(pool, sure.argmax(axis=1))
    higher = pools(known.confidence, known.right, alpha + 0.1, beta, require_correct=require_correct)
    assert not (higher == 0)[pool > 0].any()


@examples()
@given(confidences, st.floats(0.4, 1.1), st.floats(0.4, 1.1))
def test_oracle_pools_never_go_up(samples, alpha, beta):
    table = np.array(samples, dtype=float)
    known = Evidence(
        table[:, :3],
        table[:, 3:].astype(bool),
        SIX.cost,
        SIX.climb,
        np.zeros(len(table), dtype=int),
        np.arange(len(table)),
    )
    pool = pools(known.confidence, known.right, alpha, beta)
    pure, guarded = (consequences(known, alpha, beta, guarded=g) for g in (False, True))
    rows = np.arange(len(pool))
    np.testing.assert_array_equal(guarded.tier[rows, pool], pool)
    np.testing.assert_array_equal(guarded.cost[rows, pool], pure.cost[rows, pool])
    assert (guarded.tier >= pure.tier).all()


def test_ranks_are_all_there_are_of_few_and_close_together_at_both_ends_of_many():
    assert ranks(12).tolist() == list(range(12))
    many = ranks(10000)
    assert len(many) < 50
    assert (many[0], many[-1]) == (0, 9999)
    assert np.diff(many).max() < 1000
    assert np.diff(many)[[0, -1]].tolist() == [1, 1]
