"""POPEX: the rule's table, what is laid out, and how a run follows its link."""

from dataclasses import replace

import numpy as np
import pytest
from partition_worlds import OUTPUTS, two

from mdisim.engine import run
from mdisim.planners.partitions.partition import PartitionError
from mdisim.planners.partitions.popex import NearestRate, Popex, Probes, most_accurate, nearest, straight
from mdisim.policies import Knobs, Load, Peer, check
from mdisim.traces import Trace
from mdisim.world import Arrivals, ConstantRate, Link, setting

RULE = NearestRate(1, (1.0, 10.0, 100.0), ((0, 1), (2, 3), (4, 5)), ((9.0, 8.0), (4.0, 6.0), (1.0, 2.0)),
                   ((0.7, 0.9), (0.7, 0.9), (0.8, 0.8)), 5.0)  # fmt: skip
STEADY = Arrivals("constant", 10.0)


def load(*rates_bps):
    """What a source sees whose links to d1, d2, ... have these rates."""
    peers = tuple(
        Peer(d, 0, 0, 0, 0.1, 0.0, 1, delay_s=0.0, rate_bps=rate_bps, latency_s=0.0)
        for d, rate_bps in enumerate(rates_bps, 1)
    )
    return Load(0, 0, 0, 0, 0.1, 0.0, 1, 0, 0, 0, 10.0, peers)


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("rate_bps", "row"),
    [
        (0.0, 1),  # none in time: the fastest
        (5.5, 1),  # as near to 1 as to 10: the first
        (5.6, 2),  # the more accurate takes too long
        (1e9, 4),  # equally accurate: the faster
    ],
)
def test_the_rule_by_its_table(rate_bps, row):
    assert RULE.turns(load(rate_bps), Knobs((), 0.05, 0), rng()) == Knobs((), 0.05, row)


def test_the_rate_is_that_of_the_link_to_the_cloud_or_of_the_fastest_where_there_is_none():
    knobs = Knobs((), 0.05, 0)
    assert RULE.turns(load(5.6, 1e9), knobs, rng()).row == 2
    assert replace(RULE, cloud=7).turns(load(0.0, 5.6, 1.0), knobs, rng()).row == 2
    assert RULE.turns(load(), knobs, rng()).row == 1  # no link at all


def test_a_faster_link_to_another_device_does_not_mislead_it():
    """d2 is a neighbour at 1 Gbit/s, the cloud d1 one whose link slows down after 100 s."""
    rate = Trace([0.0, 100.0], [1e8, 2e5], 300.0, "hold")
    world = two(rate, arrivals=STEADY, duration_s=300.0)
    beside = Link(0, 2, ConstantRate(1e9), channel=2), Link(2, 0, ConstantRate(1e9), channel=3)
    world = replace(
        world,
        devices=(*world.devices, replace(world.devices[0], name="d2")),
        links=(*world.links, *beside),
        stage_s=world.stage_s[[0, 1, 0]],
        head_s=world.head_s[[0, 1, 0]],
        next_hop=np.array([[-1, 1, 2], [0, -1, 0], [0, 0, -1]]),
    )
    policy = Popex(cloud="d1", latency_s=0.03, probe=0.1, estimate_last=3).build(setting(world))
    tasks = run(world, policy, 1).tasks
    sends = ~np.array(policy.picks.silent)[tasks["row"]] & (tasks["row"] != policy.picks.probe)
    assert sends[tasks["born_s"] < 100.0].all()
    assert not sends[tasks["born_s"] > 120.0].any()


def test_the_latency_itself_is_too_long():
    assert most_accurate((0.9, 0.1), (5.0, 4.9), 5.0) == 1
    assert most_accurate((0.1, 0.9), (4.9, 4.95), 5.0) == 1
    assert nearest((3.0,), 99.0) == 0


def test_the_rules_would_compile():
    assert check(RULE) == []
    assert check(Probes((True, False), 1, 0.5)) == []
    policy = Popex(cloud="d1", latency_s=0.1).build(setting(two()))
    assert check(policy.turns) == check(policy.picks) == []


def test_probes_go_only_while_nothing_is_sent():
    never = Probes((True, False), 7, 0.0)
    always = Probes((True, False), 7, 1.0)
    rows = [
        rule.picks(None, (), None, Knobs((), 1.0, row), None, rng()) for rule in (never, always) for row in (0, 1)
    ]
    assert rows == [0, 1, 7, 1]


def test_the_rate_of_a_way_is_read_off_its_times():
    world = two(4e6, latency_s=0.003)
    rate_bps, fixed_s = straight(world.out_bytes, setting(world).transfer_s[0, 1])
    assert rate_bps == pytest.approx(4e6)
    assert fixed_s == pytest.approx([0.003] * 4)
    with pytest.raises(PartitionError, match="different bytes"):
        straight(np.ones(3), np.ones(3))
    with pytest.raises(PartitionError, match="a finite rate would do"):
        straight(np.array([2.0, 1.0]), np.ones(2))


def test_the_tables_hold_each_threshold_s_fastest_cut():
    recipe = Popex(
        cloud="d1", latency_s=0.03, exit_thresholds=(0.3, 0.9), rate_low_bps=1e4, rate_high_bps=1e9, rates=6
    )
    policy = recipe.build(setting(two()))
    assert len(policy.plan) == 2 * 4 + 1
    assert policy.turns.rates_bps == pytest.approx((1e4, 1e5, 1e6, 1e7, 1e8, 1e9))
    assert policy.turns.rows[0] == (3, 7)  # all on the device
    assert policy.turns.rows[-1] == (0, 4)  # all in the cloud
    last_right = (OUTPUTS.prediction[:, -1] == OUTPUTS.label).mean()
    assert policy.turns.accuracy[-1] == pytest.approx((last_right, last_right))
    for rates in policy.turns.time_s:
        assert rates == pytest.approx(sorted(rates))  # a lower threshold is never slower
    assert (np.diff(policy.turns.time_s, axis=0) <= 0.0).all()  # nor a faster link
    assert policy.picks == Probes((False, False, False, True, False, False, False, True, False), 8, recipe.probe)
    assert policy.plan[8].heads == (False, False, True)
    assert policy.signals.control_s == 10.0


def test_the_first_row_is_that_of_the_mean_rate():
    slow = Popex(cloud="d1", latency_s=0.03).build(setting(two(1e5)))
    fast = Popex(cloud="d1", latency_s=0.03).build(setting(two(1e9)))
    assert slow.plan[slow.knobs.row].placement == (-1, -1, -1)
    assert fast.plan[fast.knobs.row].placement == (1, 1, 1)
    assert fast.details["planned_rate_bps"] == pytest.approx(1e9)


def test_cut_and_exits_follow_the_link():
    """Fast for 100 s, then a hundred times slower for 200 s, then fast again: the rows follow, both ways."""
    rate = Trace([0.0, 100.0, 300.0], [1e8, 2e5, 1e8], 500.0, "hold")
    world = two(rate, arrivals=STEADY, duration_s=500.0)
    policy = Popex(cloud="d1", latency_s=0.03, probe=0.1, estimate_last=3).build(setting(world))
    tasks = run(world, policy, 1).tasks
    sends = ~np.array(policy.picks.silent)[tasks["row"]] & (tasks["row"] != policy.picks.probe)
    born = tasks["born_s"]
    assert sends[born < 100.0].all()
    assert not sends[(born > 111.0) & (born < 300.0)].any()
    assert sends[born > 321.0].all()
    quiet = (born > 111.0) & (born < 300.0)
    probes = (tasks["row"] == policy.picks.probe)[quiet]
    assert 0.05 < probes.mean() < 0.15
    assert (tasks["device"][quiet & (tasks["row"] != policy.picks.probe)] == "d0").all()


def test_without_probes_it_stays_where_nothing_is_sent():
    rate = Trace([0.0, 50.0], [2e5, 1e8], 150.0, "hold")
    world = two(rate, arrivals=STEADY, duration_s=150.0)
    policy = Popex(cloud="d1", latency_s=0.03, probe=0.0).build(setting(world))
    assert policy.picks is None
    tasks = run(world, policy, 1).tasks
    assert (tasks["bytes_sent"] > 0.0)[tasks["born_s"] < 10.0].all()  # as the mean rate of the trace says
    assert not (tasks["bytes_sent"] > 0.0)[tasks["born_s"] > 10.0].any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"exit_thresholds": ()}, "one or more thresholds would do"),
        ({"exit_thresholds": (1.5,)}, "exit_thresholds 1.5 is outside the scores"),
        ({"rate_low_bps": 2e9}, "is not below rate_high_bps"),
        ({"cloud": "d0"}, "another device would do"),
    ],
)
def test_what_does_not_fit_is_said(parameters, message):
    with pytest.raises(ValueError, match=message):
        Popex(**({"cloud": "d1", "latency_s": 0.1} | parameters)).build(setting(two()))
