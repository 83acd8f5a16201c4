"""BranchyNet partitioning as a policy: the cut, its plan, and what a run without queues makes of it."""

from dataclasses import replace

import numpy as np
import pytest
from partition_worlds import ALONE, OUTPUTS, two
from worlds import drawn, line

from mdisim.engine import run
from mdisim.planners.partitions.partition import PartitionError, expected_s
from mdisim.planners.partitions.partitioned import BranchyNetPartition, chain_of, way_of
from mdisim.policies import FREE
from mdisim.world import Packing, setting


def cut(world, **parameters):
    return BranchyNetPartition(cloud="d1", **parameters).build(setting(world)).details["cut"]


def test_a_slow_link_keeps_work_local_and_a_fast_one_sends_the_input():
    assert [cut(two(rate), exit_threshold=0.5) for rate in (1e4, 1.5e6, 1e9)] == [3, 2, 0]


def test_without_early_exits_it_is_by_hand():
    # d0 alone: 10 + 20 + 30 + 2 ms. Cut 2: 30 ms, 4,000 bytes, 3.2 ms. The input: 10,000 bytes, 6.2 ms.
    policy = BranchyNetPartition(cloud="d1", skip=(1, 2)).build(setting(two(2e6)))
    assert policy.details["cut"] == 0
    assert policy.details["expected_s"] == pytest.approx(0.040 + 0.0062)
    assert cut(two(1e6), skip=(1, 2)) == 3
    # Cut 2 takes 33.2 ms + 32,000 bits, cut 0 6.2 ms + 80,000 bits, cut 3 62 ms: never between
    assert [cut(two(rate), skip=(1, 2)) for rate in (1.1e6, 1.3e6, 1.6e6)] == [3, 2, 2]
    assert [cut(two(rate), skip=(1, 2)) for rate in (1.7e6, 1.8e6)] == [2, 0]


def test_the_plan_of_a_cut():
    (row,) = BranchyNetPartition(cloud="d1", exit_threshold=0.5).build(setting(two(1.5e6))).plan
    assert row.placement == (FREE, FREE, 1)
    assert row.heads == (True, True, True)
    assert row.no_exits_at == (1,)
    (row,) = BranchyNetPartition(cloud="d1", exit_threshold=0.5, skip=(1,)).build(setting(two(1.5e6))).plan
    assert row.heads == (False, True, True)
    (row,) = BranchyNetPartition(cloud="d1").build(setting(two(1e9))).plan
    assert (row.placement, row.heads) == ((1, 1, 1), (False, False, True))


@pytest.mark.parametrize("rate", [1e4, 1.5e6, 1e9])
@pytest.mark.parametrize("score", ["certainty", "max-softmax"])
@pytest.mark.parametrize("skip", [(), (1,)])
def test_a_run_without_queues_takes_the_expected_time(rate, score, skip):
    world = replace(two(rate, latency_s=0.001), packing=Packing(50.0, 0.0005, 1e8, (0.001,) * 4, (0.0,) * 4))
    recipe = BranchyNetPartition(cloud="d1", score=score, exit_threshold=(0.7, 0.6), skip=skip)
    policy = recipe.build(setting(world))
    each = run(world, policy, 1).tasks.iloc[:200]
    assert sorted(each["sample"]) == list(range(200))
    assert (each["done_s"] - each["born_s"]).mean() == pytest.approx(policy.details["expected_s"], abs=1e-9)


@pytest.mark.parametrize(("rate", "placement"), [(1e6, (1, 1, 1)), (1.5e6, (1, 1, 2)), (1e7, (2, 2, 2))])
def test_with_an_edge_the_way_there_counts(rate, placement):
    """d0 has the samples, d1 the exits, d2 is the cloud; all links are alike."""
    world = line(
        3, [[9.0] * 3, [0.01, 0.02, 0.03], [0.001, 0.002, 0.003]], head_s=0.002, outputs=OUTPUTS, arrivals=ALONE,
        out_bytes=[10000.0, 20000.0, 4000.0, 0.0], rate=rate, order="sequential", label_bytes=0.0,
    )  # fmt: skip
    recipe = BranchyNetPartition(cloud="d2", device="d1", exit_threshold=0.5)
    policy = recipe.build(setting(world))
    assert policy.plan[0].placement == placement
    each = run(world, policy, 1).tasks.iloc[:200]
    assert (each["done_s"] - each["born_s"]).mean() == pytest.approx(policy.details["expected_s"], abs=1e-9)


def test_several_sources_share_the_cut_that_is_best_for_their_mean():
    """d0 is slow and two hops from the cloud d2, d1 is faster and one hop from it."""
    world = line(
        3, [[0.02, 0.04, 0.06], [0.01, 0.02, 0.03], [0.001, 0.002, 0.003]], outputs=OUTPUTS,
        arrivals=(ALONE, ALONE), out_bytes=[10000.0, 20000.0, 4000.0, 0.0], rate=2e6,
    )  # fmt: skip
    both = setting(world)
    recipe = BranchyNetPartition(cloud="d2", exit_threshold=0.5)
    wanted, scores = recipe.wanted(3, 0.5, "exit_threshold"), recipe.scores(both)

    def times_s(given):
        tiers = recipe.tiers(given)
        return expected_s(chain_of(given, tiers, scores, wanted), way_of(given, tiers))

    alone = [times_s(replace(both, sources=(source,))) for source in both.sources]
    assert times_s(both) == pytest.approx(np.mean(alone, axis=0), rel=1e-12)
    assert recipe.build(both).details["cut"] == np.mean(alone, axis=0).argmin()


def test_stages_run_where_they_are_held():
    world = two(1e9)
    first_only = tuple(
        replace(d, holds=held)
        for d, held in zip(world.devices, [(True, True, False), (False, True, True)], strict=True)
    )
    assert cut(replace(world, devices=first_only), exit_threshold=0.5) in (1, 2)
    nowhere = tuple(replace(d, holds=(True, False, True)) for d in world.devices)
    with pytest.raises(PartitionError, match="no cut leaves every stage where it may run"):
        cut(replace(world, devices=nowhere))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cloud": "moon"}, "device 'moon' is not in this scenario; there are d0, d1"),
        ({"cloud": "d0"}, "another device would do"),
        ({"device": "d1"}, "another device would do"),
        ({"exit_threshold": (0.1,)}, "give one value, or 2"),
        ({"exit_threshold": 1.5}, "to leave exits out, name them in skip"),
        ({"skip": (3,)}, "early exits are 1 to 2"),
    ],
)
def test_what_does_not_fit_is_said(parameters, message):
    with pytest.raises(ValueError, match=message):
        BranchyNetPartition(**({"cloud": "d1"} | parameters)).build(setting(two()))


def test_a_cloud_out_of_reach_and_an_empty_half_are_said():
    cut_off = replace(two(), links=(), next_hop=np.full((2, 2), -1))
    with pytest.raises(PartitionError, match="no route from d0 to d1: add a link"):
        cut(cut_off)
    world = two()
    with pytest.raises(PartitionError, match="learns from a calibration half"):
        cut(replace(world, calibration=replace(world.calibration, outputs=drawn(0, 3))))


def test_without_logits_certainty_is_refused():
    world = two(outputs=OUTPUTS._replace(logits=None))
    with pytest.raises(ValueError, match="'certainty' needs logits"):
        cut(world)
    assert cut(world, score="max-softmax") in range(4)
