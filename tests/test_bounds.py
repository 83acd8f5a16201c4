"""Bounds: solved by hand, never exceeded by any policy of any shipped scenario, and what they count."""

from dataclasses import replace

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from worlds import drawn, fixed, line, surely_last

from mdisim import bounds, engine, metrics
from mdisim.bounds import BoundError, of_shares, planned, run_bound, throughput_bound
from mdisim.bounds.flows import Flows
from mdisim.experiments.prepare import Ground, lay_out
from mdisim.faults import Fault, Faults
from mdisim.planners.tiers.pooled import Pooled
from mdisim.policies.plan import row
from mdisim.policies.policy import Policy
from mdisim.policies.rules import Anywhere
from mdisim.policies.views import CONTINUE, FREE, INPUT, Here, Knobs, Peer, Place, Task
from mdisim.scenario import Scenario, catalogue
from mdisim.traces import Trace
from mdisim.world import Arrivals, ConstantRate, Device, Link, Packing, World

EXACT = 1e-9


def star(**changes: object) -> World:
    """A source and two workers on own links of 1.6 and 0.8 Mbps; two stages of 10 and 20 ms at the source.

    A feature map of 10 kB takes 50 and 100 ms, an input of 100 kB ten times as long. No labels go back.
    """
    world = line(3, (0.01, 0.02), out_bytes=(1e5, 1e4, 0.0), label_bytes=0.0, outputs=drawn(100, 2))
    links = (
        Link(0, 1, ConstantRate(1.6e6), channel=0), Link(1, 0, ConstantRate(1.6e6), channel=1),
        Link(0, 2, ConstantRate(0.8e6), channel=2), Link(2, 0, ConstantRate(0.8e6), channel=3),
    )  # fmt: skip
    next_hop = np.array([[0, 1, 2], [0, 1, 0], [0, 0, 2]])
    return replace(world, links=links, next_hop=next_hop, sender="link", **changes)


# --- by hand


def test_three_devices_by_hand():
    """Half of the samples go on to stage 2, which the source gives away: 20/s and 10/s, as the links carry.

    What is left makes the source full: 0.01 b + 0.02 (b / 2 - 30) = 1, so b = 80. Giving away whole samples saves
    the source as much for ten times the bytes.
    """
    bound = throughput_bound(star(), (0.5, 0.5))
    assert bound.per_s == pytest.approx(80.0, rel=EXACT)
    assert bound.limited_by == ("d0", "link d0 -> d1", "link d0 -> d2")
    assert bound.used["d1"] == pytest.approx(0.4)
    assert bound.used["link d1 -> d0"] == pytest.approx(0.0, abs=EXACT)


def test_heads_are_paid_by_hand():
    """A head of 2 ms at each exit: 0.012 b + 0.022 (b / 2 - 30) = 1, so b = 1.66 / 0.023; or the last alone."""
    world = star(head_s=np.full((3, 2), 0.002))
    assert throughput_bound(world, (0.5, 0.5)).per_s == pytest.approx(1.66 / 0.023, rel=EXACT)
    alone = of_shares(world, (0.0, 1.0), heads=(False, True))  # 0.01 b + 0.022 (b - 30) = 1
    assert throughput_bound(world, alone).per_s == pytest.approx(1.66 / 0.032, rel=EXACT)


def test_one_sender_by_hand():
    """One sender: it sends to the faster worker alone, 20/s. 0.01 b + 0.02 (b / 2 - 20) = 1, so b = 70."""
    bound = throughput_bound(replace(star(), sender="device"), (0.5, 0.5))
    assert bound.per_s == pytest.approx(70.0, rel=EXACT)
    assert "sender of d0" in bound.limited_by


def test_labels_take_their_time_on_a_shared_channel_by_hand():
    """One channel of 1 Mbps, 1 kB features and labels: stage 2 given away takes 16 ms of it, so 62.5/s go.

    0.01 b + 0.02 (b - 62.5) = 1, so b = 75; half the labels' bytes would let 83.3/s go.
    """
    world = line(
        2, [(0.01, 0.02), (0.01, 0.01)], out_bytes=(1e6, 1e3, 0.0), label_bytes=1e3, shared=True,
        outputs=drawn(9, 2),
    )  # fmt: skip
    assert throughput_bound(world, (0.0, 1.0)).per_s == pytest.approx(75.0, rel=EXACT)
    half = replace(world, label_bytes=5e2)
    bound = throughput_bound(half, (0.0, 1.0))
    assert bound.per_s == pytest.approx((1.0 + 0.02 * 1e3 / 12.0) / 0.03, rel=EXACT)
    assert bound.limited_by == ("d0", "link d0 - d1")


def test_one_device_is_its_service_time():
    world = line(1, (0.01, 0.02), head_s=0.001, cores=2)
    bound = throughput_bound(world, (0.5, 0.5))
    assert bound.per_s == pytest.approx(2 / (0.011 + 0.5 * 0.021), rel=EXACT)
    assert bound.limited_by == ("d0",)
    assert throughput_bound(world).per_s == pytest.approx(2 / 0.011, rel=EXACT)
    assert throughput_bound(line(1, (0.0,)), (1.0,)).per_s == np.inf


def test_overhead_and_loss_make_messages_longer():
    world = star(packing=Packing(overhead_bytes=1e4))
    lossy = replace(star(), links=tuple(replace(link, loss=0.5) for link in star().links))
    for changed in (world, lossy):  # twice the bits: 10/s and 5/s go
        assert throughput_bound(changed, (0.5, 0.5)).per_s == pytest.approx(1.3 / 0.02, rel=EXACT)


def test_stages_stay_where_they_are_held():
    devices = tuple(replace(d, holds=(True, d.name != "d0")) for d in star().devices)
    world = replace(star(), devices=devices)  # the source lacks stage 2: only the links' 30/s get there
    assert throughput_bound(world, (0.5, 0.5)).per_s == pytest.approx(60.0, rel=EXACT)
    nowhere = replace(world, devices=tuple(replace(d, holds=(True, False)) for d in devices))
    assert throughput_bound(nowhere, (0.5, 0.5)).per_s == pytest.approx(0.0, abs=EXACT)


def test_rates_that_change_count_within_the_period():
    half = Trace([0.0, 50.0], [2.0 * 1.6e6, 0.0], 100.0)  # the same bits over 100 s
    links = tuple(replace(link, rate=half) if link.target == 1 else link for link in star().links)
    world = replace(star(), links=links)
    assert throughput_bound(world, (0.5, 0.5)).per_s == pytest.approx(80.0, rel=EXACT)
    early, late = ({"since_s": 0.0, "until_s": 50.0}, {"since_s": 50.0})
    assert throughput_bound(world, (0.5, 0.5), **early).per_s == pytest.approx(100.0, rel=EXACT)
    assert throughput_bound(world, (0.5, 0.5), **late).per_s == pytest.approx(60.0, rel=EXACT)


def test_speeds_and_slowdowns():
    slow = Device("d0", "unit", holds=(True,), speed=Trace([0.0, 50.0], [1.0, 0.5], 100.0))
    world = replace(line(1, (0.01,)), devices=(slow,))
    assert throughput_bound(world, (1.0,)).per_s == pytest.approx(75.0, rel=EXACT)
    for factor, most in ((0.5, 75.0), (2.0, 150.0)):  # a bound takes no notice of faults but those that help
        faulty = replace(world, faults=Faults((Fault("slowdown", device=0, factor=factor),)))
        assert throughput_bound(faulty, (1.0,)).per_s == pytest.approx(most, rel=EXACT)


def test_several_sources():
    """Two devices of 100/s, without a way between them: a mix is as fast as its slower part allows."""
    world = replace(line(2, (0.01,), arrivals=(Arrivals("poisson", 30.0), Arrivals("policy"))), links=())
    assert throughput_bound(world, (1.0,)).per_s == pytest.approx(200.0, rel=EXACT)
    assert throughput_bound(world, (1.0,), mix=(0.2, 0.8)).per_s == pytest.approx(125.0, rel=EXACT)
    capped = throughput_bound(world, (1.0,), offered=(30.0, np.inf))
    assert capped.per_s == pytest.approx(130.0, rel=EXACT)
    assert capped.limited_by == ("d1", "offered at d0")
    assert bounds.offered_per_s(world) == (30.0, np.inf)


def test_offered_rates():
    def of(**arrivals: object) -> float:
        return bounds.offered_per_s(line(1, arrivals=Arrivals(**arrivals)))[0]

    assert of(kind="constant", rate_per_s=4.0) == 4.0
    assert of(kind="on-off", rate_per_s=4.0, on_s=1.0, off_s=3.0) == 1.0
    assert of(kind="file", times_s=(1.0, 2.0, 500.0)) == 0.02
    assert of(kind="closed") == np.inf


class Again:
    """After stage 1 the sample begins again, with its input, at the other device, and stays there."""

    def where(
        self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: np.random.Generator
    ) -> Place:
        return Place(1, INPUT) if here.device == 0 and task.stage == 1 else Place(CONTINUE)


def test_a_sample_that_begins_again_pays_for_no_head_twice():
    """Feature maps too large to send; the source pays for the first head, and the worker, which limits, does not.

    Running all at the worker it would pay for both heads, and be slower: 1 / (0.02 + 0.01) in place of 1 / 0.025.
    """
    world = line(
        2, [(0.01, 0.5), (0.01, 0.01)], head_s=0.005, out_bytes=(1.0, 1e9, 0.0), label_bytes=0.0, rate=1e9,
        arrivals=Arrivals("closed", population=9), duration_s=20.0, outputs=surely_last(9, 2),
    )  # fmt: skip
    policy = Policy("again", (row(2, 0.5),), where=Again())
    assert 0.95 < exceeds(world, policy, 1) <= 1.0 + EXACT
    run = engine.run(world, policy, 1)
    assert run_bound(world, policy, run, 0.0).per_s == pytest.approx(40.0 + 1.8 / 0.5, rel=0.1)


def random_world(rng: np.random.Generator, alike: bool = False) -> World:
    """Three devices, three stages, two sources; samples of their own work and size, unless they are alike."""
    n, K, D = 60, 3, 3
    return line(
        D, rng.uniform(0.002, 0.03, (D, K)), head_s=rng.uniform(0.0, 0.005, (D, K)),
        arrivals=[Arrivals("poisson", float(rate)) for rate in rng.uniform(20.0, 120.0, 2)],
        out_bytes=(*rng.uniform(100.0, 20_000.0, K), 0.0), rate=float(rng.uniform(5e5, 2e7)),
        shared=bool(rng.random() < 0.5), outputs=drawn(n, K, seed=int(rng.integers(1000))),
        work=None if alike else rng.uniform(0.3, 2.0, (n, K)),
        size=None if alike else rng.uniform(0.3, 2.0, (n, K + 1)),
        label_bytes=float(rng.choice([0.0, 500.0])), duration_s=3.0,
        sender=str(rng.choice(["device", "link"])), cores=int(rng.integers(1, 3)),
    )  # fmt: skip


# --- what samples need


def test_unknowns_are_those_of_the_linear_programme():
    world = line(3, (0.01, 0.02), outputs=drawn(40, 2))
    assert bounds.unknowns(world, bounds.lightest(world)) == 2 * Flows(world, 0).end


def test_a_policy_is_planned_by_its_thresholds():
    world = line(1, (0.01, 0.02), outputs=drawn(400, 2), head_s=0.001)
    (kind,) = planned(world, fixed(world, 0.7))
    leaves = (world.samples.outputs.confidence[:, 0] >= 0.7).mean()
    assert kind.shares.tolist() == pytest.approx([leaves, 1.0 - leaves])
    (whole,) = planned(world, fixed(world, early_exits=False))
    assert whole.shares.tolist() == pytest.approx([0.0, 1.0])
    assert whole.heads == (False, True)


class First:
    def picks(self, *_: object) -> int:
        return 0


def test_a_policy_that_picks_may_pick_any_mix():
    world = line(1, (0.01, 0.02), outputs=drawn(400, 2))

    class First:
        def picks(self, *_: object) -> int:
            return 0

    rows = (row(2, early_exits=False), row(2, (-np.inf, 0.0)))
    policy = Policy("picky", rows, picks=First())
    assert throughput_bound(world, planned(world, policy)).per_s == pytest.approx(100.0, rel=EXACT)
    fixed_row = throughput_bound(world, planned(world, replace(policy, picks=None)))
    assert fixed_row.per_s == pytest.approx(1 / 0.03, rel=EXACT)


def test_samples_of_different_work_are_priced_one_by_one():
    n = 800
    work = np.linspace(0.5, 1.5, n)[:, None] * np.ones((1, 2))
    world = line(1, (0.01, 0.02), outputs=drawn(n, 2), work=work)
    whole = fixed(world, early_exits=False)
    assert throughput_bound(world, planned(world, whole)).per_s == pytest.approx(1 / 0.03, rel=EXACT)
    assert throughput_bound(world, (0.0, 1.0)).per_s == pytest.approx(2 / 0.03, rel=EXACT)  # as if all were light


def test_whom_to_send_away_by_hand():
    """Half of the samples take 30 ms here and a message of 1 kB, the others 10 ms and 3 kB; 1 Mbps, nothing there.

    All long ones go away, s of them a second, and y of the short ones: 0.01 (s - y) = 1 and 0.008 s + 0.024 y = 1,
    so y = 6.25 and s = 106.25, of each half. If samples were alike, of 20 ms and 2 kB, it would be 50 + 62.5.
    """
    work, size = np.array([[3.0], [1.0]]), np.array([[1.0, 1.0], [3.0, 1.0]])
    world = line(
        2, [(0.01,), (1e-9,)], out_bytes=(1e3, 0.0), label_bytes=0.0, outputs=surely_last(2, 1),
        work=work, size=size,
    )  # fmt: skip
    bound = throughput_bound(world, planned(world, fixed(world)))
    assert 212.5 * (1 - EXACT) <= bound.per_s <= 225.0  # at the prices for samples that are alike


@examples(10)
@given(st.integers(0, 10_000))
def test_prices_of_samples_that_are_alike_give_the_linear_programme(seed):
    """Strong duality, with heads, labels, senders, stages that are held, and the way back to the input."""
    rng = np.random.default_rng(seed)
    world = random_world(rng, alike=True)
    holds = rng.random((3, 3)) < 0.8
    devices = tuple(
        replace(device, holds=tuple(bool(h) for h in held))
        for device, held in zip(world.devices, holds, strict=True)
    )
    world = replace(world, devices=devices)
    shares = rng.dirichlet(np.ones(3)).tolist()
    ones = replace(world.samples, work=np.ones((60, 3)), size=np.ones((60, 4)))
    for few, same in ((1, True), (2, False)):  # of two sources, a label may get home to the other in the programme
        alike = replace(world, sources=world.sources[:few])
        solved = throughput_bound(alike, shares).per_s
        priced = throughput_bound(replace(alike, samples=ones), shares).per_s
        assert priced <= solved * (1 + 1e-7)
        assert priced == pytest.approx(solved, rel=1e-7) or not same


def test_more_shares_at_later_exits_mean_less():
    world = star()
    found = [throughput_bound(world, (1.0 - later, later)).per_s for later in np.linspace(0.0, 1.0, 5)]
    assert found == sorted(found, reverse=True)
    assert throughput_bound(world).per_s == pytest.approx(found[0], rel=EXACT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"demand": (0.5, 0.4)}, "2 shares that add up to 1"),
        ({"demand": (1.0,)}, "one per exit"),
        ({"demand": ()}, "without any answers"),
        ({"mix": (0.5, 0.5)}, "mix has 2 values; one per source would do: 1"),
        ({"since_s": 100.0}, "begins before it ends"),
    ],
)
def test_what_has_no_bound(arguments, message):
    with pytest.raises(BoundError, match=message):
        throughput_bound(star(), **arguments)


# --- accuracy


def test_the_accuracy_of_hindsight():
    world = line(1, (0.01, 0.02), outputs=drawn(400, 2))
    outputs = world.samples.outputs
    right = outputs.prediction == outputs.label[:, None]
    assert bounds.accuracy_bound(world) == right.any(axis=1).mean()
    assert bounds.accuracy_bound(world, fixed(world, early_exits=False)) == right[:, 1].mean()
    assert bounds.best_exit_accuracy(world) == (2, right[:, 1].mean())


# --- no policy goes beyond


def exceeds(world: World, policy: Policy, seed: int) -> float:
    """By what factor the answers of a whole run exceed their bound: at most one."""
    run = engine.run(world, policy, seed)
    done = (run.tasks["status"] == "answered") & (run.tasks["done_s"] <= run.duration_s)
    bound = run_bound(world, policy, run, since_s=0.0)
    assert not metrics.accuracy(run) > bounds.measures(world, policy, run)["accuracy_bound"] + EXACT
    return float(done.sum()) / (bound.per_s * run.duration_s) if bound else 0.0


@pytest.mark.parametrize("name", catalogue.names())
def test_no_policy_of_a_shipped_scenario_exceeds_its_bound(name):
    """A bound holds for any thresholds, so that those of three tiers are not searched for each policy."""
    changed = ["run.duration=8 s", "run.warmup=2 s"]
    if isinstance(Scenario.load(name).recipe(), Pooled):
        changed += ["policy.alpha=0.95", "policy.beta=0.8"]
    ground = Ground.of(Scenario.load(name, changed))
    own = ground.policy(None)
    for policy in {own.name: own, **lay_out(ground, None)}.values():
        assert exceeds(ground.world, policy, 1) <= 1.0 + EXACT


@examples(10)
@given(st.integers(0, 10_000))
def test_no_policy_of_a_random_world_exceeds_its_bound(seed):
    """Samples of their own work and size, two sources, heads, labels, and tasks that go anywhere at random."""
    rng = np.random.default_rng(seed)
    world = random_world(rng)
    plan = (row(3, float(rng.uniform(0.3, 0.9))),)
    assert exceeds(world, Policy("anywhere", plan, where=Anywhere(from_birth=True)), seed) <= 1.0 + EXACT
    assert exceeds(world, fixed(world, 0.6, int(rng.integers(0, 3))), seed) <= 1.0 + EXACT
    assert exceeds(world, fixed(world, 0.6, FREE), seed) <= 1.0 + EXACT


def test_a_busy_device_reaches_its_bound():
    world = line(1, (0.01,), arrivals=Arrivals("closed", population=3), duration_s=50.0)
    assert exceeds(world, fixed(world), 1) == pytest.approx(1.0, abs=1e-3)


def test_answers_that_were_on_their_way_are_no_share_of_nothing():
    """From 10 s on nothing is sent, and only device 1 computes; half a second of labels is still on its way."""
    world = line(2, (0.01,), arrivals=Arrivals("poisson", 20.0), duration_s=20.0, warmup_s=10.0)
    silent = Trace([0.0, 10.0], [1e6, 0.0], 20.0)
    links = tuple(replace(link, rate=silent, latency_s=0.5) for link in world.links)
    devices = tuple(replace(device, holds=(d == 1,)) for d, device in enumerate(world.devices))
    world = replace(world, links=links, devices=devices)
    policy = fixed(world, placement=1)
    run = engine.run(world, policy, 1)
    found = bounds.measures(world, policy, run)
    assert metrics.throughput_per_s(run) > 0.0
    assert found["throughput_bound_per_s"] == pytest.approx(0.0, abs=EXACT)
    assert np.isnan(found["throughput_bound_share"])


def test_a_run_without_answers_has_no_bound():
    world = line(1, (10.0,), duration_s=5.0)
    policy = fixed(world)
    run = engine.run(world, policy, 1)
    assert run_bound(world, policy, run) is None
    assert np.isnan(list(bounds.measures(world, policy, run).values())).all()
