"""Both ledgers to the last term, in worlds small enough to add them up by hand; and what pairs two runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from numpy.random import Generator
from worlds import drawn, fixed, line

from mdisim import ledgers, metrics
from mdisim.engine import run
from mdisim.faults import Fault, Faults
from mdisim.planners.tiers.prefixes import CLOUD, EDGE, MOBILE, Prefixes, tier_costs, tier_row
from mdisim.policies import CONTINUE, INPUT, Here, Knobs, Peer, Place, Policy, Task, row
from mdisim.results import STATUSES
from mdisim.scenario import Scenario
from mdisim.world import Arrivals, ConstantRate, Link, Packing, Samples, World, setting

ONCE = Arrivals("file", times_s=(1.0,))
TWICE = Arrivals("file", times_s=(1.0, 1.0))
LAYERS = np.array([3.0, 3.0, 6.0])
PRICES = (1.0, 0.5, 0.25)  # of a layer at d0, d1, d2
WATTS = (2.0, 10.0, 100.0)
PREFIXES = Prefixes((0, 1, 2), (-1, 1, 2))


def tiers(**changes: object) -> World:
    """d0 - d1 - d2: 3, 3 and 6 layers; d0 to d1 costs 3 and 100 nJ a bit, d1 to d2 2 and nothing."""
    sent = (1000.0, 4000.0, 2000.0, 0.0)
    plain = {"arrivals": ONCE, "rate": 8000.0, "out_bytes": sent, "label_bytes": 100, "head_s": 0.01}
    world = line(3, [[0.4, 0.4, 0.8], [0.2, 0.2, 0.4], [0.1, 0.1, 0.2]], **(plain | changes))
    up = {(0, 1): (3.0, 100.0), (1, 0): (3.0, 100.0), (1, 2): (2.0, 0.0), (2, 1): (2.0, 0.0)}
    return replace(
        world,
        layers=LAYERS,
        devices=tuple(
            replace(d, layer_cost=price, busy_w=watts)
            for d, price, watts in zip(world.devices, PRICES, WATTS, strict=True)
        ),
        links=tuple(
            replace(link, offload_cost=up[link.source, link.target][0], nj_per_bit=up[link.source, link.target][1])
            for link in world.links
        ),
    )


def tasks(world: World, policy: Policy, seed: int = 1) -> pd.DataFrame:
    return run(world, policy, seed).tasks


def ledgers_of(task: pd.Series) -> tuple[float, float, float, float]:
    return tuple(float(task[name]) for name in ("cost", "compute_s", "bytes_sent", "energy_j"))


def test_what_stays_pays_layers_seconds_and_joules_and_no_bytes() -> None:
    cost, compute_s, sent, energy_j = ledgers_of(tasks(tiers(), fixed(tiers())).iloc[0])
    assert cost == 12 * 1.0
    assert compute_s == pytest.approx(1.6 + 3 * 0.01)
    assert (sent, energy_j) == (0.0, pytest.approx(2.0 * compute_s))


def test_each_hop_of_a_relayed_way_adds_its_price_and_the_label_comes_back_in_seconds_bytes_and_joules_alone():
    task = tasks(tiers(), fixed(tiers(), placement=2)).iloc[0]
    cost, compute_s, sent, energy_j = ledgers_of(task)
    assert cost == (3 + 2) + 12 * 0.25
    assert (sent, task.hops) == (2 * 1000 + 2 * 100, 4)
    assert task.transfer_s == pytest.approx(2 * 1.0 + 2 * 0.1)
    assert compute_s == pytest.approx(0.4 + 3 * 0.01)
    assert energy_j == pytest.approx(100.0 * compute_s + (1000 + 100) * 8 * 100e-9)


def test_a_direct_link_has_a_price_of_its_own() -> None:
    relayed = tiers()
    pairs = ((0, 2), (2, 0))
    direct = tuple(Link(a, b, ConstantRate(8000.0), 0.04, 4 + i, 5.0) for i, (a, b) in enumerate(pairs))
    hops = relayed.next_hop.copy()
    hops[0, 2], hops[2, 0] = 2, 0
    world = replace(relayed, links=(*relayed.links, *direct), next_hop=hops)
    assert tasks(world, fixed(world, placement=2)).iloc[0].cost == 5 + 12 * 0.25
    assert tier_costs(setting(world), PREFIXES)[CLOUD] == 5 + 12 * 0.25


def test_a_cut_pays_layers_where_they_are_run_and_sends_the_cut() -> None:
    cost, compute_s, sent, energy_j = ledgers_of(tasks(tiers(), fixed(tiers(), placement=(0, 1, 2))).iloc[0])
    assert cost == 3 * 1.0 + 3 + 3 * 0.5 + 2 + 6 * 0.25
    assert sent == 4000 + 2000 + 2 * 100
    assert compute_s == pytest.approx(0.41 + 0.21 + 0.21)
    joules = 2.0 * 0.41 + 10.0 * 0.21 + 100.0 * 0.21
    assert energy_j == pytest.approx(joules + (4000 + 100) * 8 * 100e-9)


@pytest.mark.parametrize(("tier", "cost"), [(MOBILE, 3 * 1.0), (EDGE, 3 + 6 * 0.5), (CLOUD, 3 + 2 + 12 * 0.25)])
def test_a_tier_that_answers_alone_costs_what_was_reckoned_before_the_run(tier, cost) -> None:
    world = tiers()
    task = tasks(world, Policy("one tier", (tier_row(PREFIXES, tier, 3),))).iloc[0]
    assert (task.cost, task.exit) == (cost, tier + 1)
    assert tier_costs(setting(world), PREFIXES)[tier] == cost
    assert task.compute_s == pytest.approx(world.stage_s[tier, : tier + 1].sum() + 0.01)  # one head alone


def test_heads_cost_time_and_energy_and_no_layers() -> None:
    world = tiers(head_s=0.5)
    all_heads, last_head = (tasks(world, fixed(world, early_exits=early)).iloc[0] for early in (True, False))
    assert all_heads.compute_s - last_head.compute_s == pytest.approx(2 * 0.5)
    assert all_heads.energy_j - last_head.energy_j == pytest.approx(2 * 0.5 * 2.0)
    assert all_heads.cost == last_head.cost == 12


def test_a_samples_own_factors_change_seconds_bytes_and_joules_and_no_price() -> None:
    placement = (0, 1, 2)
    plain = tasks(tiers(head_s=0.0), fixed(tiers(), placement=placement)).iloc[0]
    long = tiers(head_s=0.0, work=np.full((1000, 3), 3.0), size=np.full((1000, 4), 2.0))
    task = tasks(long, fixed(long, placement=placement)).iloc[0]
    assert task.compute_s == pytest.approx(3 * plain.compute_s)
    assert task.bytes_sent == 2 * (4000 + 2000) + 2 * 100  # a label is a label
    assert task.energy_j == pytest.approx(3 * (2 * 0.4 + 10 * 0.2 + 100 * 0.2) + (8000 + 100) * 8 * 100e-9)
    assert task.cost == plain.cost


@dataclass(frozen=True)
class StartsAgain:
    """Sends the raw input to d2 once d0 has run its first stage."""

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        return Place(2, INPUT) if here.device == 0 and task.stage == 1 else Place(CONTINUE)


def test_a_second_pass_pays_its_layers_again_and_asks_no_exit_twice() -> None:
    cost, compute_s, sent, energy_j = ledgers_of(
        tasks(tiers(), Policy("again", (row(3),), where=StartsAgain())).iloc[0]
    )
    assert cost == 3 * 1.0 + (3 + 2) + 12 * 0.25
    assert sent == 2 * 1000 + 2 * 100  # the input, not the cut
    assert compute_s == pytest.approx(0.41 + 0.4 + 2 * 0.01)  # the first head once, the second and third at d2
    assert energy_j == pytest.approx(2.0 * 0.41 + 100.0 * 0.42 + 1100 * 8 * 100e-9)


def test_headers_and_what_is_sent_again_are_bytes_and_joules() -> None:
    bare = tiers()
    world = replace(bare, packing=Packing(overhead_bytes=60))
    cost, _, sent, energy_j = ledgers_of(tasks(world, fixed(world, placement=1)).iloc[0])
    assert (cost, sent) == (3 + 12 * 0.5, 1060 + 160)
    assert energy_j == pytest.approx(10.0 * 0.83 + 1220 * 8 * 100e-9)
    lossy = replace(bare, links=tuple(replace(link, loss=0.5, packet_bytes=10.0) for link in bare.links))
    lost = tasks(lossy, fixed(lossy, placement=1)).iloc[0]
    assert lost.bytes_sent > 1100
    assert lost.energy_j == pytest.approx(10.0 * 0.83 + lost.bytes_sent * 8 * 100e-9)
    assert lost.cost == cost


def test_what_is_dropped_has_paid_for_what_it_did_and_is_in_no_mean() -> None:
    world = tiers(arrivals=TWICE)
    crowded = replace(world, devices=tuple(replace(d, queue_limit=0) for d in world.devices), sender="link")
    result = run(replace(crowded, devices=(replace(crowded.devices[0], cores=2), *crowded.devices[1:]),
                         links=tuple(replace(link, rate=ConstantRate(8e9)) for link in crowded.links)),
                 fixed(crowded, placement=(0, 1, 1)), 1)  # fmt: skip
    answered, dropped = result.tasks.iloc[0], result.tasks.iloc[1]
    assert (answered.status, dropped.status) == ("answered", "queue-full")
    assert dropped.cost == 3 * 1.0 + 3
    assert dropped.bytes_sent == 4000
    assert dropped.energy_j == pytest.approx(2.0 * 0.41 + 4000 * 8 * 100e-9)
    assert metrics.cost_mean(result) == answered.cost == 3 * 1.0 + 3 + 9 * 0.5
    assert result.devices.energy_j.sum() == pytest.approx(2 * 2.0 * 0.41 + 10.0 * 0.62)  # the devices know all


def test_a_stage_that_is_not_over_when_the_run_is_stands_with_the_device_alone() -> None:
    world = tiers(duration_s=1.5)
    result = run(world, fixed(world), 1)
    task = result.tasks.iloc[0]
    assert (task.status, task.cost, task.compute_s) == ("in-flight", 3.0, pytest.approx(0.41))
    assert result.devices.busy_s[0] == pytest.approx(0.5)
    assert result.devices.energy_j[0] == pytest.approx(2.0 * 0.5)


def test_what_a_crash_cuts_is_the_devices_and_what_is_tried_again_is_paid_again() -> None:
    crash = Fault("crash", device=1, at_s=1.0 + 0.4 + 4.0 + 0.1, for_s=1.0)  # half through its first stage at d1
    world = replace(tiers(head_s=0.0, label_bytes=0), faults=Faults((crash,), on_crash="requeue"))
    result = run(world, fixed(world, placement=(0, 1, 1)), 1)
    task = result.tasks.iloc[0]
    assert (task.status, task.retries) == ("answered", 1)
    assert task.cost == 3 * 1.0 + 2 * 3 + 9 * 0.5  # sent twice
    assert task.bytes_sent == 2 * 4000
    assert task.compute_s == pytest.approx(0.4 + 0.6)
    assert result.devices.busy_s[1] == pytest.approx(0.1 + 0.6)  # what was cut short is in no sample's ledger


def test_the_samples_share_out_what_the_devices_have_drawn_but_for_idling() -> None:
    samples = Samples(drawn(200, 3))
    world = replace(
        tiers(arrivals=Arrivals("constant", 2.0, phase_s=0.5), duration_s=50.0, drain=True),
        samples=samples,
        calibration=samples,
    )
    world = replace(
        world, links=tuple(replace(link, rate=ConstantRate(1e7), nj_per_bit=0.0) for link in world.links)
    )
    result = run(world, fixed(world, threshold=0.6, placement=(0, 1, 2)), 1)
    late = (result.tasks.done_s > 50.0).sum()
    assert (result.tasks.status == "answered").all()
    assert late <= 1
    gone = result.tasks[result.tasks.done_s <= 50.0]
    assert gone.energy_j.sum() == pytest.approx(result.devices.energy_j.sum(), abs=100.0 * 0.3)


def test_joules_are_unknown_where_a_power_is() -> None:
    world = tiers()
    nobody_knows = replace(world, devices=(*world.devices[:2], replace(world.devices[2], busy_w=np.nan)))
    assert np.isnan(run(nobody_knows, fixed(world, placement=2), 1).summary()["energy_per_sample_j"])
    assert run(nobody_knows, fixed(world, placement=1), 1).summary()["energy_per_sample_j"] > 0


def test_saving_against_the_cloud_is_known_to_those_who_know_the_cloud() -> None:
    world = tiers()
    nobody, three = fixed(world, placement=1), replace(fixed(world, placement=1), details={"all_cloud_cost": 8.0})
    assert np.isnan(run(world, nobody, 1).summary()["cost_saving"])
    assert run(world, three, 1).summary()["cost_saving"] == pytest.approx(1 - (3 + 12 * 0.5) / 8)


def test_the_cheapest_in_layers_may_be_the_slowest_in_seconds() -> None:
    world = tiers(rate=1e7, head_s=0.0)
    mobile, cloud = (tasks(world, Policy("one", (tier_row(PREFIXES, t, 3),))).iloc[0] for t in (MOBILE, CLOUD))
    slow = replace(world, stage_s=world.stage_s * np.array([[5.0], [1.0], [1.0]]))
    slowest = tasks(slow, Policy("one", (tier_row(PREFIXES, MOBILE, 3),))).iloc[0]
    assert mobile.cost == slowest.cost < cloud.cost
    assert mobile.done_s < cloud.done_s < slowest.done_s


# --- two runs side by side


def made(world: World, correct: list[bool], cost: list[float], **columns: object):
    """A run of the world with these answers, one a second, of samples 0, 1, 2 and so on."""
    n = len(correct)
    table = {"source": "d0", "sample": range(n), "status": "answered", "correct": correct, "cost": cost}
    table |= {"born_s": np.arange(n) + 1.0} | columns
    frame = pd.DataFrame(table).astype({"cost": float, "correct": bool})
    frame["status"] = pd.Categorical(frame["status"], list(STATUSES))
    return replace(run(world, fixed(world), 1), tasks=frame)


def test_the_drop_is_of_pairs_that_both_answered() -> None:
    world = tiers()
    reference = made(world, [True, True, False, True, False], [8.0] * 5)
    status = ["answered"] * 4 + ["queue-full"]
    other = made(world, [True, False, True, False, False], [4.0, 4.0, 2.0, 2.0, 0.0], status=status)
    drop = ledgers.accuracy_drop(other, reference)
    assert (drop.value, drop.n) == (pytest.approx((2 - 1) / 4), 4)
    assert drop.low < drop.value < drop.high
    assert ledgers.saving_between(other, reference) == pytest.approx(1 - 12 / 32)
    assert ledgers.accuracy_drop(reference, reference).value == 0.0


def test_pairs_are_found_whatever_the_order_and_however_often_a_sample_comes() -> None:
    world = tiers()
    one = made(world, [True, False, True, True], [1.0, 2.0, 3.0, 4.0], sample=[7, 8, 7, 9])
    other = made(world, [True, False, True], [5.0, 6.0, 7.0], sample=[8, 7, 7])
    pairs = ledgers.paired(one, other).sort_values("cost")
    assert pairs["sample"].tolist() == [7, 8, 7]
    assert pairs["cost_ref"].tolist() == [6.0, 5.0, 7.0]
    assert pairs["correct_ref"].tolist() == [False, True, True]


def test_the_interval_of_the_drop_is_that_of_agresti_and_min() -> None:
    world = tiers()
    n, lost, won = 1000, 30, 10
    right = np.arange(n) >= lost
    right_ref = (np.arange(n) < lost) | (np.arange(n) >= lost + won)
    drop = ledgers.accuracy_drop(
        made(world, right.tolist(), [1.0] * n, born_s=1.0), made(world, right_ref.tolist(), [1.0] * n, born_s=1.0)
    )
    middle = (30.5 - 10.5) / 1002
    half = 1.959964 / 1002 * np.sqrt(41 - 20**2 / 1002)
    assert drop.value == pytest.approx(0.02)
    assert (drop.low, drop.high) == pytest.approx((middle - half, middle + half))


def test_samples_that_err_together_make_the_interval_wider() -> None:
    world, n, rng = tiers(), 400, np.random.default_rng(0)
    right = rng.random(n) < 0.9
    alone, twice = ((np.repeat(right, k), np.repeat(np.arange(n), k)) for k in (1, 2))
    drops = []
    for answers, group in (alone, twice):
        one, reference = (made(world, list(a), [1.0] * len(a), born_s=1.0) for a in (answers, answers | True))
        drops.append(ledgers.accuracy_drop(one, reference, group))
    assert drops[0].value == drops[1].value == pytest.approx(1 - right.mean())
    assert drops[0][:3] == pytest.approx(drops[1][:3])  # each said twice is no more than once
    half = 1.959964 * np.std(right, ddof=1) / np.sqrt(n)
    assert drops[0].high - drops[0].value == pytest.approx(half)


def test_one_group_tells_nothing_of_how_groups_differ_and_each_sample_needs_one() -> None:
    world = tiers()
    one, reference = (made(world, [right] * 3, [1.0] * 3) for right in (False, True))
    drop = ledgers.accuracy_drop(one, reference, np.zeros(3, dtype=int))
    assert drop.value == 1.0
    assert np.isnan([drop.low, drop.high]).all()
    with pytest.raises(ledgers.LedgerError, match="a number for each sample of the test half would do"):
        ledgers.accuracy_drop(one, reference, np.zeros(2, dtype=int))


def test_nothing_in_common_is_nan_and_other_samples_are_refused() -> None:
    world = tiers()
    one, none = made(world, [True], [1.0]), made(world, [True], [1.0], status="refused")
    assert np.isnan(ledgers.accuracy_drop(one, none).value)
    assert np.isnan(ledgers.saving_between(one, none))
    with pytest.raises(ledgers.LedgerError, match="of different samples"):
        ledgers.paired(one, replace(one, profile_digest="1" * 64, profile="another"))


def test_one_policy_on_the_same_seed_is_paired_sample_by_sample() -> None:
    outputs = drawn(300, 3)
    arrivals = Arrivals("poisson", 1.0)
    world = tiers(arrivals=arrivals, rate=1e6, duration_s=400.0, drain=True, drain_limit_s=1e4)
    world = replace(world, samples=Samples(outputs), calibration=Samples(outputs))
    early, never = (run(world, fixed(world, threshold=t), 5) for t in (0.5, np.inf))
    drop = ledgers.accuracy_drop(early, never)
    assert drop.n == len(early.tasks)
    assert drop.value == pytest.approx(never.tasks.correct.mean() - early.tasks.correct.mean())
    assert ledgers.saving_between(early, never) == pytest.approx(
        1 - early.tasks.cost.mean() / never.tasks.cost.mean()
    )


def test_the_headline_offers_each_held_out_sample_once_and_nothing_waits() -> None:
    world = Scenario.load("dimee-one-by-one", ["policy=local", "compare=[]"]).build()
    result = run(world, Policy("cut", (row(world.n_exits, placement=(0, 1) + (2,) * (world.n_exits - 2)),)), 1)
    assert sorted(result.tasks["sample"]) == list(range(len(world.samples)))
    assert world.window.duration_s * world.sources[0].arrivals.rate_per_s == len(world.samples)  # at any phase
    assert (result.tasks["status"] == "answered").all()
    assert result.tasks["wait_s"].max() == pytest.approx(0.0, abs=1e-9)
