"""DIMEE that minds its tiers' queues, DIMEE whose centroids follow probes, and the rules by themselves."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from tier_worlds import NAMES, O_C, answered, made, tiers

from mdisim.engine import run
from mdisim.faults import Fault, Faults
from mdisim.planners.tiers.dimee import Dimee, mean_gap
from mdisim.planners.tiers.pooled import OraclePools
from mdisim.planners.tiers.rules import Confused, Drawn, Escalates, Nearest, Refreshed, Sooner, ahead
from mdisim.policies.views import CONTINUE, INPUT, KEEP, Here, Knobs, Outcome, Peer, Place, Seen, Task
from mdisim.world import Arrivals, setting

KNOBS = Knobs((), 0.05, 0)
NOTHING = np.zeros(0)
IDLE = Here(0, 0, 0, 0, 0.030, 0.0, 1, True)


def peer(device: int, *, queue: int = 0, busy: int = 0, service_s: float = 0.003, cores: int = 1) -> Peer:
    return Peer(device, queue, busy, 0, service_s, 0.0, cores, 0.0, 1e6, 0.005)


def picked(
    rule: Nearest | Drawn | Confused | Sooner, losses: tuple[float, ...], *peers: Peer, here: Here = IDLE
) -> int:
    seen = Seen(np.array(losses), 500.0)
    return rule.picks(here, peers, seen, KNOBS, NOTHING, np.random.default_rng(0))


def test_the_least_loss_and_of_equals_the_lowest_tier():
    rule = Nearest((0.0, 0.0, 1.0))
    for losses, row in (((1, 2, 3), 0), ((2, 1, 3), 1), ((2, 1, 1), 1), ((1, 1, 1), 0), ((inf, inf, 1), 2)):
        assert picked(rule, losses) == row
    assert picked(Nearest((0.0, 0.0, 1.0), noise=1.0), (1, 2, 3)) == 2
    assert picked(Drawn((0.0, 1.0, 0.0)), ()) == 1
    assert picked(Confused(((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))), (1, 0, 1)) == 0


def test_how_many_must_end_before_one_may_begin():
    assert [ahead(0, busy, 1) for busy in (0, 1)] == [0, 1]
    assert ahead(3, 1, 1) == 4
    assert [ahead(0, busy, 4) for busy in (0, 3, 4)] == [0, 0, 0.25]


def test_expected_delay_of_what_is_heard_and_of_what_is_not():
    """Mobile 2 x 30 ms; edge 3 x 3 ms and a way of 9 ms; a cloud that is no neighbour 30 ms, whatever waits."""
    rule = Sooner((2, 3, 6), (1, 2), (1.0, 0.030), loss_s=1.0)
    none = (0.0, 0.0, 0.0)
    edge_s = 8 * 500 / 1e6 + 0.005 + 3 * 0.003
    assert picked(rule, none, peer(1)) == 1
    assert picked(rule, none, peer(1, busy=1)) == 1  # 18 + 9 ms
    assert picked(rule, none, peer(1, busy=1, queue=1)) == 2  # 18 + 18 ms
    assert picked(rule, none, peer(1, busy=1, queue=1, cores=3)) == 1
    assert picked(rule, none) == 2
    assert picked(rule, (0.0, 0.0, 0.031), peer(1, queue=9)) == 0
    assert picked(rule, (0.0, 0.0, 0.031), peer(1, queue=9), here=IDLE._replace(busy=1)) == 2
    assert picked(rule, (0.0, inf, inf), peer(1), here=IDLE._replace(queue=99)) == 0
    assert picked(rule, none, peer(1, queue=9), peer(2, service_s=0.001)) == 2
    waits = IDLE._replace(out_queue=4)
    assert picked(rule, none, peer(1), here=waits) == 2  # four inputs of 4 ms are ahead on the way
    assert picked(rule, (0.0, 0.0, 0.030 - edge_s + 1e-9), peer(1), here=IDLE) == 1


def test_the_mean_gap_sets_the_scale():
    assert mean_gap(np.array([[0.0, 1.0, 5.0], [3.0, 2.0, 2.5]])) == 0.75
    assert mean_gap(np.array([[0.0, inf, inf]])) == 1.0


def crowded(rate: float = 150.0, **parameters: object) -> tuple[np.ndarray, float]:
    """Rows and the 95th percentile of the delay where the mobile, good for 16 a second, is given twice that."""
    outputs = made(400, seed=3)
    features = np.repeat(outputs.confidence[:, 1:2], 2, axis=1)
    world = tiers(outputs, features, arrivals=Arrivals("poisson", rate), duration_s=10.0, rate=1e8)
    policy = Dimee(**NAMES, alpha=0.8, beta=0.8, **parameters).build(setting(world))  # type: ignore[arg-type]
    tasks = run(world, policy, 1).tasks
    done = tasks[tasks.status == "answered"]
    return tasks.row.to_numpy(), float((done.done_s - done.born_s).quantile(0.95))


@pytest.mark.parametrize("gossip_s", [0.0, 0.05])
def test_who_minds_the_queues_keeps_them_short(gossip_s):
    blind, late_s = crowded()
    minding, soon_s = crowded(load_weight_s=0.05, gossip_s=gossip_s)
    assert late_s > 1.0
    assert soon_s < 0.2
    assert (blind == 0).mean() > 0.2 > (minding == 0).mean() > 0.05
    assert set(minding) == {0, 1, 2}


def test_a_loss_that_weighs_enough_is_all_that_counts():
    np.testing.assert_array_equal(crowded(rate=5.0)[0], crowded(rate=5.0, load_weight_s=1e9)[0])


@pytest.mark.parametrize("gossip_s", [0.0, 0.05])
def test_queues_are_heard_of_before_any_rule_but_picks_is_asked(gossip_s):
    """Two tiers are as good as each other but for their queues; who hears of them uses both."""
    outputs = made(100, seed=3)
    features = np.zeros((100, 1))
    world = tiers(
        outputs, features, arrivals=Arrivals("poisson", 250.0), duration_s=10.0, rate=1e8, sender="link",
        stage_s=np.repeat([[10.0], [0.002], [0.001]], 6, axis=1),
    )  # fmt: skip
    recipe = Dimee(**NAMES, alpha=0.8, beta=0.8, load_weight_s=1e-9, gossip_s=gossip_s)
    tasks = run(world, recipe.build(setting(world)), 1).tasks
    done = tasks[tasks.status == "answered"]
    assert 0.2 < (tasks.row == 1).mean() < 0.8
    assert len(done) > 0.97 * len(tasks)


# --- centroids that follow probes


def told(row: int, scores: tuple[float, ...], features: tuple[float, ...]) -> Outcome:
    seen = Seen(np.array(features), 1.0)
    return Outcome(row, 2, np.array(scores), np.zeros(3, dtype=np.int64), 0.1, 1.0, seen)


def test_probes_move_the_centroids_of_their_pools():
    """Two features; after three probes easy moves half way to the mean of two, moderate to that of one."""
    rule = Refreshed(0.9, 0.8, 0, 1, every=3, share=0.0, weight=0.5)
    memory = np.array([0.0, 0, 1, 1, 0, 0, 0, inf, inf, 0, 0, 0, 5, 5, 0, 0])
    memory = rule.learns(told(3, (0.9, 0.1, 0.5), (2.0, 4.0)), memory)
    memory = rule.learns(told(0, (0.9, nan, nan), (9.0, 9.0)), memory)  # no probe
    memory = rule.learns(told(3, (0.95, 0.9, 0.5), (4.0, 4.0)), memory)
    assert memory.tolist() == [2, 2, 1, 1, 6, 8, 0, inf, inf, 0, 0, 0, 5, 5, 0, 0]
    memory = rule.learns(told(3, (0.5, 0.8, 0.5), (7.0, 8.0)), memory)
    assert memory.tolist() == [0, 0, 2, 2.5, 0, 0, 0, 7, 8, 0, 0, 0, 5, 5, 0, 0]
    seen = Seen(np.array([3.0, 3.0]), 1.0)
    assert rule.picks(IDLE, (), seen, KNOBS, memory, np.random.default_rng(0)) == 0
    assert (
        Refreshed(0.9, 0.8, 0, 1, 3, 1.0, 0.5).picks(IDLE, (), seen, KNOBS, memory, np.random.default_rng(0)) == 3
    )


def test_centroids_follow_a_shift_and_what_does_not_ends_up_elsewhere():
    """All features are shifted after the calibration half was seen: without probes all looks hard."""
    outputs = made(400, seed=3)
    features = 10.0 * outputs.confidence[:, 1:3]
    world = tiers(outputs, features, duration_s=40.0)
    shifted = tiers(outputs, features - 4.0, duration_s=40.0)
    common = {"alpha": 0.8, "beta": 0.8, "edge": "d1", "cloud": "d2"}
    plain = Dimee(**common).build(setting(world))  # type: ignore[arg-type]
    moving = Dimee(**common, refresh=20, probe=0.2, refresh_weight=1.0).build(setting(world))  # type: ignore[arg-type]
    before, lost, found = answered(world, plain), answered(shifted, plain), answered(shifted, moving)
    assert set(before.row) == {0, 1, 2}
    assert (lost.row == 2).all()
    later = found[len(found) // 2 :]
    for tier in (0, 1):
        assert (later.row == tier).mean() > 0.3 * (before.row == tier).mean()
    probes = found[found.row == 3]
    np.testing.assert_allclose(probes.cost, O_C + 6)
    assert set(probes.exit) == {6}


def test_an_unchanged_world_is_routed_as_before():
    outputs = made(200, seed=3)
    features = outputs.confidence[:, 1:3]
    world = tiers(outputs, features)
    common = {"alpha": 0.8, "beta": 0.8, "edge": "d1", "cloud": "d2"}
    plain = answered(world, Dimee(**common).build(setting(world)))  # type: ignore[arg-type]
    still = answered(world, Dimee(**common, refresh=5, probe=0.0).build(setting(world)))  # type: ignore[arg-type]
    np.testing.assert_array_equal(plain.row, still.row)


# --- what an unsure answer does


def asked(device: int, row: int, stage: int, score: float = 0.0, passed: int = 0) -> Place:
    here = IDLE._replace(device=device)
    task = Task(row, stage, 1.0, 1.0, 0.0, 0, score, passed)
    return Escalates((1, 2), (2, 3)).where(here, (), task, KNOBS, np.random.default_rng(0))


def test_to_its_tier_at_birth_and_up_with_the_input():
    assert asked(0, 0, 0) == Place(KEEP)
    assert asked(0, 1, 0) == Place(1)
    assert asked(0, 2, 0) == Place(2)
    assert asked(0, 0, 1, 0.6) == Place(CONTINUE)
    assert asked(0, 0, 2, 0.6) == Place(1, INPUT)
    assert [asked(1, 0, stage, 0.6) for stage in (1, 2)] == [Place(CONTINUE)] * 2
    assert asked(1, 0, 3, 0.6) == asked(1, 1, 3, 0.6) == Place(2, INPUT)
    assert asked(2, 0, 4, 0.6) == Place(CONTINUE)


def test_what_could_not_be_sent_up_is_sent_up_again():
    assert asked(0, 0, 0, 0.6, passed=2) == Place(1, INPUT)
    assert asked(0, 1, 0, 0.6) == Place(1)
    assert asked(1, 0, 0, 0.6, passed=3) == Place(2, INPUT)


def test_what_a_crash_has_lost_begins_again_where_it_was():
    """The score of an exit within a tier says nothing of the tier's own."""
    assert asked(0, 0, 0, 0.6) == Place(KEEP)
    assert asked(1, 0, 0, 0.6, passed=2) == Place(CONTINUE)


def test_guarded_under_crashes_the_mobile_answers_with_its_own_exit_and_the_edge_never_does():
    crashes = Faults((Fault("crash", 0, mean_up_s=0.5, mean_down_s=0.05),), on_crash="requeue")
    world = replace(tiers(made(400, 12), duration_s=20.0, stage_s=np.full((3, 12), 0.004)), faults=crashes)
    policy = OraclePools(**NAMES, alpha=0.7, beta=0.8, mode="guarded").build(setting(world))
    tasks = run(world, policy, 1).tasks
    tasks = tasks[tasks.status == "answered"]
    assert (tasks.retries > 0).sum() > 3
    exits = {"d0": 3, "d1": 6, "d2": 12}
    assert (tasks.exit == tasks.device.astype(str).map(exits)).all()
