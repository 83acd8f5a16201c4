"""What links do to one or two messages: traces, conditions, loss, packing, fair sharing, what senders measure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from numpy.random import Generator
from worlds import fixed, line

from mdisim.engine import run
from mdisim.engine.estimates import of_delay, of_rate
from mdisim.policies import FREE, NOBODY, OFFER, Here, Knobs, Load, Peer, Place, Policy, Signals, Task, row
from mdisim.traces import Trace
from mdisim.world import Arrivals, ConstantRate, Packing, World

ONCE = Arrivals("file", times_s=(1.0,))
AT_D1 = 1
LAST = 2


def one_hop(**changes: object) -> World:
    """A sample of 1,000 bytes goes at 1 s from d0 to d1 at 1,000 bytes per second, and takes no time there."""
    given: dict[str, object] = {
        "arrivals": ONCE, "rate": 8000.0, "out_bytes": 1000, "label_bytes": 0, "duration_s": 50.0
    }  # fmt: skip
    return line(2, (0.0,), **(given | changes))  # type: ignore[arg-type]


def done_s(world: World, policy: Policy | None = None) -> list[float]:
    return run(world, policy or fixed(world, placement=AT_D1), 1).tasks.done_s.tolist()


def all_links(world: World, **changes: object) -> World:
    return replace(world, links=tuple(replace(link, **changes) for link in world.links))  # type: ignore[arg-type]


def test_a_transfer_lasts_as_long_as_its_trace_says():
    halved = Trace([0.0, 1.5], [8000.0, 4000.0], 10.0)
    assert done_s(one_hop(rate=halved)) == pytest.approx([2.5])


def test_a_transfer_waits_out_an_outage_of_the_trace():
    broken = Trace([0.0, 1.5, 4.0], [8000.0, 0.0, 8000.0], 10.0)
    assert done_s(one_hop(rate=broken)) == pytest.approx([4.5])


def test_a_trace_that_stops_strands_the_sample():
    tasks = run(one_hop(rate=Trace([0.0], [8000.0], 1.5, "stop")), fixed(one_hop(), placement=AT_D1), 1).tasks
    assert tasks.status.tolist() == ["in-flight"]


@pytest.mark.parametrize("sharing", ["fifo", "fair"])
def test_a_channel_is_not_used_while_nothing_can_move(sharing):
    outage = Trace([0.0, 1.5, 4.0], [8000.0, 0.0, 8000.0], 10.0)
    stops = Trace([0.0], [8000.0], 1.5, "stop")
    for rate, busy_s in ((outage, 1.0), (stops, 0.5)):
        world = replace(one_hop(rate=rate), sharing=sharing)
        done = run(world, fixed(world, placement=AT_D1), 1)
        assert done.links.busy_s.tolist() == pytest.approx([busy_s, 0.0])
        assert done.links.utilisation.tolist() == pytest.approx([busy_s / 50.0, 0.0])


def test_latency_of_a_trace_is_that_of_the_end_of_transmission():
    rate = Trace([0.0, 1.9], [8000.0, 8000.0], 10.0, latency_s=[0.1, 0.25])
    world = all_links(one_hop(rate=rate, latency_s=0.5), conditions=rate)
    assert done_s(world) == pytest.approx([1.0 + 1.0 + 0.5 + 0.25])


def test_a_device_works_at_the_speed_of_its_trace():
    world = line(1, (1.0,), arrivals=ONCE, duration_s=50.0)
    slow = replace(world.devices[0], speed=Trace([0.0, 1.5], [1.0, 0.25], 100.0))
    tasks = run(replace(world, devices=(slow,)), fixed(world), 1).tasks
    assert tasks.done_s.tolist() == pytest.approx([1.0 + 0.5 + 0.5 / 0.25])
    assert tasks.compute_s.tolist() == pytest.approx([2.5])


def test_what_is_lost_is_sent_again_and_counted():
    many = Arrivals("constant", 1.0)
    world = all_links(
        one_hop(arrivals=many, rate=8e6, duration_s=4001.0, drain=True), loss=0.2, packet_bytes=100.0
    )
    tasks = run(world, fixed(world, placement=AT_D1), 1).tasks
    packets = tasks.bytes_sent / 100
    assert (packets % 1 == 0).all()
    assert packets.mean() == pytest.approx(10 / 0.8, abs=4 * np.sqrt(10 * 0.2 / 0.8**2 / 4000))
    assert packets.var() == pytest.approx(10 * 0.2 / 0.8**2, rel=0.1)
    np.testing.assert_allclose(tasks.transfer_s, tasks.bytes_sent / 1e6)


def test_loss_is_the_same_whatever_else_happens():
    world = all_links(one_hop(arrivals=Arrivals("constant", 0.5)), loss=0.5, packet_bytes=100.0)
    first = run(world, fixed(world, placement=AT_D1), 1).tasks
    crowded = replace(world, sources=(*world.sources, replace(world.sources[0], device=1)))
    second = run(crowded, fixed(world, placement=AT_D1), 1).tasks
    pd.testing.assert_series_equal(
        first.bytes_sent, second[second.source == "d0"].bytes_sent.reset_index(drop=True)
    )


def test_messages_are_packed_once_and_unpacked_once():
    packing = Packing(overhead_bytes=100.0, serialise_s=0.25, serialise_bps=16000.0, encode_s=(0.0, 3.0))
    world = replace(
        line(3, (0.0, 0.0), arrivals=ONCE, rate=8000.0, out_bytes=1000, label_bytes=0), packing=packing
    )
    ends = 2 * (0.25 + 0.5)
    tasks = run(world, fixed(world, placement=LAST), 1).tasks
    assert tasks.done_s.tolist() == pytest.approx([1.0 + ends + 2 * 1.1])
    assert tasks.bytes_sent.tolist() == [2200]
    coded = replace(packing, encode_s=(0.0, 3.0, 0.0), decode_s=(0.0, 5.0, 0.0))
    second = run(replace(world, packing=coded), fixed(world, placement=(0, LAST)), 1).tasks
    assert second.done_s.tolist() == pytest.approx([1.0 + 3.0 + ends + 2 * 1.1 + 5.0])


def test_packing_keeps_the_sender_busy_but_not_the_channel():
    packing = Packing(serialise_s=1.0)
    world = replace(one_hop(arrivals=Arrivals("file", times_s=(1.0, 1.0))), packing=packing)
    assert done_s(world) == pytest.approx([1.0 + 1 + 1 + 1, 1.0 + 2 * (1 + 1) + 1])
    apart = replace(world, sources=(world.sources[0],) * 2, sender="link")
    assert sorted(done_s(apart))[:1] == pytest.approx([4.0])


def two_senders(sharing: str) -> World:
    """d0 and d2 each send 1,000 bytes to d1 at 1 s, over one channel."""
    world = line(3, (0.0,), arrivals=(ONCE, ONCE), rate=8000.0, out_bytes=1000, label_bytes=0, shared=True)
    sources = (world.sources[0], replace(world.sources[1], device=2))
    return replace(world, sources=sources, sharing=sharing)  # type: ignore[arg-type]


@pytest.mark.parametrize(("sharing", "done"), [("fifo", [2.0, 3.0]), ("fair", [3.0, 3.0])])
def test_two_senders_take_turns_or_share(sharing, done):
    world = two_senders(sharing)
    finished = run(world, fixed(world, placement=AT_D1), 1)
    assert sorted(finished.tasks.done_s) == pytest.approx(done)
    assert finished.links.busy_s.sum() == pytest.approx(2.0)


def test_fair_links_of_other_rates_have_equal_time():
    world = two_senders("fair")
    fast = tuple(
        replace(link, rate=ConstantRate(32000.0)) if link.source == LAST else link for link in world.links
    )
    tasks = run(replace(world, links=fast), fixed(world, placement=AT_D1), 1).tasks
    assert sorted(tasks.done_s) == pytest.approx([1.5, 2.25])


# --- what senders measure


@dataclass(frozen=True)
class Notes:
    """Offers everything, sends at once, and notes what it was told of the link."""

    seen: list[tuple[float, float]]

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        return Place(OFFER) if here.device == 0 else Place(-1)

    def sends(self, here: Here, peers: tuple[Peer, ...], task: Task, rng: Generator) -> int:
        self.seen.append((peers[0].rate_bps, peers[0].delay_s))
        return peers[0].device if peers else NOBODY


def test_a_sender_knows_only_what_it_measured():
    arrivals = Arrivals("constant", 0.1, phase_s=10.0)
    world = one_hop(rate=Trace([0.0, 2.0], [8000.0, 2000.0], 100.0), latency_s=0.5, arrivals=arrivals)
    rule = Notes([])
    policy = Policy("notes", (row(1),), where=rule, sends=rule, signals=Signals(estimator="last"))
    run(replace(world, work_conserving=False), policy, 1)
    assert rule.seen[:2] == [pytest.approx((8000.0, 1.5)), pytest.approx((2000.0, 4.5))]


@dataclass(frozen=True)
class Looks:
    """A controller that notes what it sees of its links."""

    seen: list[tuple[int, dict[int, tuple[float, float, float]]]]

    def turns(self, load: Load, knobs: Knobs, rng: Generator) -> Knobs:
        links = {peer.device: (peer.rate_bps, peer.delay_s, peer.latency_s) for peer in load.peers}
        self.seen.append((load.device, links))
        return knobs


def test_a_controller_sees_each_of_its_links():
    """d1 sends 1000 bytes to d0 at 1.1 s, when that link has become four times as slow, and nothing to d2."""
    world = line(3, (0.1, 0.1), arrivals=(Arrivals("file"), ONCE), out_bytes=1000.0, rate=8000.0, latency_s=0.5)
    slow = Trace([0.0, 1.05], [8000.0, 2000.0], 100.0)
    links = tuple(replace(link, rate=slow) if link.target == 0 else link for link in world.links)
    rule = Looks([])
    signals = Signals(estimator="last", control_s=1.0)
    policy = replace(fixed(world, placement=(FREE, 0)), turns=rule, signals=signals)
    run(replace(world, links=links, label_bytes=0.0), policy, 1)
    told = [seen for device, seen in rule.seen if device == 1]
    assert told[0] == {0: (8000.0, 1.5, 0.5), 2: (8000.0, 1.5, 0.5)}
    assert told[-1] == {0: pytest.approx((2000.0, 4.5, 0.5)), 2: (8000.0, 1.5, 0.5)}
    assert all(list(seen) == [1] for device, seen in rule.seen if device == 0)


def test_estimators():
    rates = [4.0, 1.0, 2.0]
    found = {
        name: [of_rate(Signals(estimator=name, estimate_last=2, delay_weight=0.5), 8.0)(rates[0])]  # type: ignore[arg-type]
        for name in ("last", "ewma", "harmonic")
    }
    assert found == {"last": [4.0], "ewma": [6.0], "harmonic": [pytest.approx(16 / 3)]}
    few = of_rate(Signals(estimator="harmonic", estimate_last=2), 8.0)
    assert [few(rate) for rate in rates] == pytest.approx([16 / 3, 1.6, 4 / 3])
    delays = of_delay(Signals(estimator="harmonic", estimate_last=2), 1.0)
    assert [delays(delay) for delay in (3.0, 5.0)] == pytest.approx([2.0, 4.0])
