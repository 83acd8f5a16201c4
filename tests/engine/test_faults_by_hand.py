"""Faults in worlds so small that a person can say what becomes of every sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, nextafter

import numpy as np
import pandas as pd
import pytest
from numpy.random import Generator
from worlds import drawn, fixed, line

from mdisim.engine import run
from mdisim.engine.breakdowns import drawn as drawn_faults
from mdisim.engine.breakdowns import silent_s
from mdisim.faults import Fault, Faults, merged, slowed
from mdisim.policies import (
    CONTINUE,
    OFFER,
    RECIPES,
    Here,
    Knobs,
    MdiExit,
    Peer,
    Place,
    Policy,
    Signals,
    Task,
    row,
)
from mdisim.traces import Trace
from mdisim.world import Arrivals, Window, World, setting

ONCE = Arrivals("file", times_s=(1.0,))
AT_D1 = 1
FORTH = 0  # the number of the link d0 -> d1 in a line
GOSSIP_S = 0.1  # of a Policy by default, so that 3 missed are noticed at the 3rd tenth of a second


def broken(world: World, *events: Fault, **rules: object) -> World:
    return replace(world, faults=Faults(events, **rules))  # type: ignore[arg-type]


def pair(**changes: object) -> World:
    """A sample born at d0 at 1 s, 1,000 bytes on a link of 1,000 bytes/s; d1 takes 4 s for it."""
    given = {"arrivals": ONCE, "rate": 8000.0, "out_bytes": 1000, "label_bytes": 0, "duration_s": 60.0}
    return line(2, (4.0,), **(given | changes))  # type: ignore[arg-type]


def outcome(world: World, policy: Policy | None = None) -> pd.Series:
    return run(world, policy or fixed(world, placement=AT_D1), 1).tasks.iloc[0]


def crash(at_s: float, for_s: float = inf, device: int = AT_D1) -> Fault:
    return Fault("crash", device, at_s=at_s, for_s=for_s)


def test_a_crash_loses_the_running_task_and_the_sender_sends_it_again():
    task = outcome(broken(pair(), crash(3.04, 0.1)))  # noticed at 3.3, when d1 is back; sent 3.3-4.3, served 4 s
    assert (task.status, task.retries, task.hops) == ("answered", 1, 2)
    assert task.done_s == pytest.approx(3.3 + 1 + 4)
    assert task.compute_s == pytest.approx(4)
    assert task.wait_s == pytest.approx(1.3)  # from 2 s, when it began there, until its loss was noticed


def test_what_is_dropped_ends_at_the_crash():
    task = outcome(broken(pair(), crash(3.04), on_crash="drop"))
    assert (task.status, task.done_s) == ("crash", pytest.approx(3.04))


def test_a_sample_that_starts_again_passes_all_stages_again():
    world = line(2, (1.0, 4.0), arrivals=ONCE, rate=8000.0, out_bytes=1000, label_bytes=0, duration_s=60.0)
    policy = fixed(world, placement=(0, 1))
    again = outcome(broken(world, crash(4.04, 0.1), on_crash="restart"), policy)
    assert again.done_s == pytest.approx(4.3 + 1 + 1 + 4)
    given_back = outcome(broken(world, crash(4.04, 0.1)), policy)
    assert given_back.done_s == pytest.approx(4.3 + 1 + 4)


def test_a_message_to_a_device_that_is_down_is_lost_until_that_is_noticed():
    task = outcome(
        broken(pair(), crash(1.5, 10.0))
    )  # arrives at 2.0, noticed by then: it waits for d1's next word
    assert task.done_s == pytest.approx(11.6 + 1 + 4)


def test_what_the_source_holds_is_lost_with_it():
    world = pair(arrivals=Arrivals("file", times_s=(1.0, 4.0)))
    tasks = run(broken(world, crash(3.04, device=0)), fixed(world), 1).tasks
    assert tasks.status.tolist() == ["crash", "source-down"]
    assert tasks.done_s.tolist() == pytest.approx([3.3, 4.0])
    assert np.isnan(tasks.admitted_s[1])


def test_a_link_in_outage_sends_anew_when_it_is_back():
    task = outcome(broken(pair(), Fault("outage", links=(FORTH,), at_s=1.5, for_s=2.0)))
    assert task.done_s == pytest.approx(3.6 + 1 + 4)  # it is heard again with the next gossip
    assert task.bytes_sent == 1000  # what was cut does not count


@pytest.mark.parametrize(("rule", "end"), [("requeue", 1.8 + 1 + 4), ("restart", 1.8 + 1 + 4), ("drop", 1.5)])
def test_rules_for_what_an_outage_cuts(rule, end):
    task = outcome(broken(pair(), Fault("outage", links=(FORTH,), at_s=1.5, for_s=0.05), on_outage=rule))
    assert task.done_s == pytest.approx(end)
    assert task.status == ("outage" if rule == "drop" else "answered")


def triangle() -> World:
    """Three devices, each linked to each; the sample goes from d0 to d1."""
    world = pair()
    three = line(3, (4.0,), arrivals=ONCE, rate=8000.0, out_bytes=1000, label_bytes=0, duration_s=60.0)
    extra = [replace(three.links[0], source=a, target=b, channel=9 + a) for a, b in ((0, 2), (2, 0))]
    hops = np.array([[-1, 1, 2], [0, -1, 2], [0, 1, -1]])
    return replace(three, links=(*three.links, *extra), next_hop=hops, route_bytes=1000.0, window=world.window)


def test_ways_lead_around_a_link_that_is_known_to_be_out():
    out = Fault("outage", links=(FORTH,), at_s=1.5)
    assert outcome(broken(triangle(), out)).done_s == pytest.approx(1.8 + 2 + 4)  # noticed at 1.8, then two hops
    stays = outcome(broken(triangle(), out, reroute=False))
    assert stays.status == "in-flight"


def test_a_slow_device_takes_longer_while_it_is_slow():
    slow = Fault("slowdown", AT_D1, at_s=3.0, for_s=2.0, factor=0.5)
    assert outcome(broken(pair(), slow)).done_s == pytest.approx(2 + 1 + 2 + 2)  # 1 s of 4 done, 1 in 2 s, 2 left
    twice = outcome(broken(pair(), slow, replace(slow, at_s=4.0)))
    assert twice.done_s == pytest.approx(2 + 1 + 1 + 1 + 1 + (4 - 1 - 0.5 - 0.25 - 0.5))


def test_a_slowdown_multiplies_the_trace_of_a_device():
    world = pair()
    traced = replace(world.devices[1], speed=Trace([0.0, 3.0], [1.0, 0.5], 100.0))
    slow = Fault("slowdown", AT_D1, at_s=4.0, factor=0.5)
    world = replace(world, devices=(world.devices[0], traced))
    assert outcome(broken(world, slow)).done_s == pytest.approx(2 + 1 + 1 + (4 - 1 - 0.5) / 0.25)


def test_who_leaves_finishes_what_it_holds_and_gets_no_more():
    world = pair(arrivals=Arrivals("file", times_s=(1.0, 5.0)), label_bytes=1000)
    tasks = run(broken(world, Fault("leave", AT_D1, at_s=3.0)), fixed(world, placement=AT_D1), 1).tasks
    assert tasks.status.tolist() == ["answered", "in-flight"]
    assert tasks.done_s[0] == pytest.approx(1 + 1 + 4 + 1)
    assert tasks.hops[1] == 0


def test_who_joins_later_is_used_from_then_on():
    world = pair()
    assert outcome(broken(world, Fault("leave", AT_D1, at_s=0.0, for_s=10.0))).done_s == pytest.approx(10 + 1 + 4)


def test_a_label_that_is_lost_is_sent_again():
    world = pair(label_bytes=1000)  # the label leaves d1 at 6 and would arrive at 7
    task = outcome(broken(world, crash(6.5, 1.0, device=0)))  # lost at 7, noticed at 7.3; d0 is heard again at 7.6
    assert (task.status, task.retries) == ("answered", 1)
    assert task.done_s == pytest.approx(7.6 + 1)


def test_neighbours_notice_after_the_stated_number_of_missed_gossips():
    outputs, arrivals = drawn(50, 2), Arrivals("constant", 30.0, phase_s=0.0)
    world = line(2, (0.01, 0.05), arrivals=arrivals, outputs=outputs, rate=1e7, duration_s=30.0)
    policy = MdiExit(exit_threshold=1.0, offload_first=True).build(setting(world))
    lost = [
        int(
            run(broken(world, crash(10.0, 10.0), missed_gossips=n, on_crash="drop"), policy, 1)
            .tasks.status.eq("crash")
            .sum()
        )
        for n in (1, 5, 20)
    ]
    assert 0 < lost[0] < lost[1] < lost[2]
    tasks = run(broken(world, crash(10.0, 10.0), on_crash="drop"), policy, 1).tasks
    assert not tasks[(tasks.born_s > 10.5) & (tasks.born_s < 19.9)].status.eq("crash").any()


@pytest.mark.parametrize("period_s", [0.01, 0.083, 0.1, 1.0])
def test_silence_is_counted_in_whole_periods(period_s):
    assert 29 * 0.01 / 0.01 < 29  # a quotient is rounded; the instant of the 29th word is what it is
    for k in range(1, 500):
        word_s = k * period_s
        assert silent_s(word_s, period_s, 3) == (k + 3) * period_s
        assert silent_s(nextafter(word_s, 0.0), period_s, 3) == (k + 2) * period_s
        assert silent_s(nextafter(word_s, inf), period_s, 3) == (k + 3) * period_s


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_policy_works_on_under_faults(name):
    arrivals, outputs = Arrivals("poisson", 20.0), drawn(200, 3)
    world = line(4, (0.01, 0.02, 0.02), arrivals=arrivals, outputs=outputs, rate=1e7, duration_s=40.0, drain=True)
    events = (
        Fault("crash", 2, mean_up_s=5.0, mean_down_s=1.0),
        Fault("outage", links=(2,), mean_up_s=3.0, mean_down_s=0.5),
        Fault("slowdown", 1, mean_up_s=5.0, mean_down_s=5.0, factor=0.5),
    )
    recipe = RECIPES[name](device="d1") if name == "remote" else RECIPES[name]()
    tasks = run(broken(world, *events), recipe.build(setting(world)), 1).tasks
    assert (tasks.status == "answered").mean() > 0.9
    assert not (tasks.status == "in-flight").any()


def test_faults_of_a_run_that_drains_are_those_until_its_last_sample_has_ended():
    """What is drawn for the time after was listed once, as if it had happened, and nobody recovers from that."""
    world = line(2, (0.01,), arrivals=Arrivals("poisson", 20.0), duration_s=40.0, drain=True)
    done = run(broken(world, Fault("slowdown", 0, mean_up_s=2.0, mean_down_s=1.0, factor=0.5)), fixed(world), 1)
    assert done.tasks.done_s.max() < 45.0
    assert done.faults.start_s.between(0.0, done.tasks.done_s.max()).all()
    assert len(done.faults) > 5


@dataclass(frozen=True)
class IfThere:
    """Offer while there is a neighbour, and send to the first; else compute here."""

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        return Place(OFFER) if peers and here.device == 0 else Place(CONTINUE)

    def sends(self, here: Here, peers: tuple[Peer, ...], task: Task, rng: Generator) -> int:
        return peers[0].device


def if_there() -> Policy:
    return Policy("if-there", (row(1),), where=IfThere(), sends=IfThere())


@pytest.mark.parametrize(
    ("event", "rules", "end", "retries"),
    [
        (Fault("crash", AT_D1, at_s=3.04), {}, 3.3 + 4, 1),
        (Fault("outage", links=(FORTH,), at_s=1.5), {"on_outage": "requeue"}, 1.8 + 4, 1),
        (Fault("outage", links=(FORTH,), at_s=1.5), {"on_outage": "restart"}, 1.8 + 4, 1),
        (Fault("outage", links=(FORTH,), at_s=1.5), {"on_outage": "wait"}, 1.8 + 4, 0),
    ],
)
def test_what_is_tried_again_is_decided_by_who_knows_of_the_failure(event, rules, end, retries):
    world = replace(pair(), work_conserving=False)
    task = outcome(broken(world, event, **rules), if_there())
    assert (task.status, task.retries) == ("answered", retries)
    assert task.done_s == pytest.approx(end)


def star_of(out: Fault | None) -> pd.DataFrame:
    """A source between two helpers, one of which may be cut off; MDI-Exit must work on with the other."""
    world = line(
        3, np.array([[0.02, 0.02], [0.002, 0.002], [0.002, 0.002]]), arrivals=Arrivals("poisson", 35.0), rate=2e7,
        outputs=drawn(200, 2), out_bytes=20_000, duration_s=60.0, drain=True,
    )  # fmt: skip
    hops = np.array([[-1, 1, 2], [0, -1, 0], [0, 0, -1]])
    links = [
        replace(world.links[0], source=a, target=b, channel=i)
        for i, (a, b) in enumerate([(0, 1), (1, 0), (0, 2), (2, 0)])
    ]
    world = replace(world, links=tuple(links), next_hop=hops, route_bytes=20_000.0)
    policy = MdiExit(exit_threshold=0.99, gossip_s=0.5).build(setting(world))
    return run(broken(world, out) if out else world, policy, 1).tasks


def test_a_helper_that_is_cut_off_for_good_chokes_nobody():
    before = star_of(None)
    for out in (Fault("outage", links=(2, 3), at_s=20.0), Fault("crash", 2, at_s=20.0)):
        tasks = star_of(out)
        assert (tasks.status == "answered").all()
        later = tasks[tasks.born_s > 25]
        assert (later.done_s - later.born_s).mean() < 2 * (before.done_s - before.born_s).mean()
        assert (later.hops > 0).mean() > 0.5 * (before.hops > 0).mean()


def test_what_a_dead_relay_passed_on_is_sent_again_by_its_sender():
    world = line(3, (1.0, 4.0), arrivals=ONCE, rate=8000.0, out_bytes=1000, label_bytes=0, duration_s=60.0)
    policy = fixed(world, placement=(0, 2))
    for crash_s in (3.54, 2.54):  # while it passes the message on; before the message has reached it
        task = outcome(broken(world, crash(crash_s, 0.1)), policy)
        assert task.compute_s == pytest.approx(5)  # no stage runs twice
    assert outcome(broken(world, crash(3.54, 0.1)), policy).done_s == pytest.approx(3.8 + 2 + 4)


def test_a_device_that_has_spoken_is_not_taken_for_dead():
    flap = (crash(1.05, 0.07), crash(1.29, 0.05))
    world = pair(arrivals=Arrivals("file", times_s=(1.32,)))
    assert outcome(broken(world, *flap)).hops == 1
    assert outcome(broken(world, crash(1.05, 0.37))).hops == 1  # known from 1.3 on, and sent when it is back


def test_a_ring_of_one_way_links_lives_with_faults():
    world = line(3, (0.01, 0.02), arrivals=Arrivals("poisson", 20.0), outputs=drawn(100, 2), duration_s=20.0)
    links = tuple(replace(world.links[0], source=d, target=(d + 1) % 3, channel=d) for d in range(3))
    hops = np.array([[-1, 1, 1], [2, -1, 2], [0, 0, -1]])
    ring = replace(world, links=links, next_hop=hops, route_bytes=1000.0, window=Window(20.0, drain=True))
    policy = MdiExit().build(setting(ring))
    events = (crash(5.0, 2.0), Fault("outage", links=(2,), at_s=10.0, for_s=2.0))
    assert (run(broken(ring, *events), policy, 1).tasks.status == "answered").all()


@dataclass(frozen=True)
class Watching:
    """Keeps everything and notes what its neighbours look like."""

    seen: list[Peer]

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        if here.device == 0:
            self.seen.extend(peers)
        return Place(CONTINUE)


def test_nobody_sees_what_became_of_a_device_before_it_is_known():
    busy = Arrivals("constant", 10.0, phase_s=0.1)
    world = pair(arrivals=(Arrivals("file", times_s=(2.9, 3.1)), busy), duration_s=3.2)
    rule = Watching([])
    policy = Policy("watching", (row(1),), where=rule, signals=Signals(gossip_s=0.0))
    run(broken(world, crash(3.0)), policy, 1)
    assert [peer.busy for peer in rule.seen] == [1, 1]
    assert rule.seen[1].queue >= rule.seen[0].queue > 10


def test_every_policy_meets_the_same_faults():
    world = broken(
        pair(), Fault("crash", 1, mean_up_s=5.0, mean_down_s=1.0), Fault("outage", links=(0,), at_s=3.0)
    )
    tables = [run(world, fixed(world, placement=place), 7).faults for place in (0, 1)]
    pd.testing.assert_frame_equal(*tables)
    assert len(drawn_faults(world, 7)) == len(tables[0])
    assert tables[0].kind.tolist().count("outage") == 1


def test_random_faults_last_as_long_as_they_should():
    fault = Fault("crash", 0, mean_up_s=9.0, mean_down_s=1.0)
    periods = np.array(fault.periods(1e5, np.random.default_rng(0)))
    down_s = (periods[:, 1] - periods[:, 0]).sum()
    assert down_s / 1e5 == pytest.approx(0.1, abs=4 * 0.1 * np.sqrt(2 / len(periods)))
    assert (periods[1:, 0] > periods[:-1, 1]).all()


def test_periods():
    assert Fault("crash", 0, at_s=2.0, for_s=1.0, every_s=5.0).periods(13.0, np.random.default_rng(0)) == [
        (2.0, 3.0), (7.0, 8.0), (12.0, 13.0)
    ]  # fmt: skip
    assert merged([(3.0, 4.0), (1.0, 2.0), (1.5, 3.0), (6.0, 7.0)]) == [(1.0, 4.0), (6.0, 7.0)]
    times, factors = slowed([((1.0, 3.0), 0.5), ((2.0, inf), 0.5)], 10.0)
    assert (times.tolist(), factors.tolist()) == ([0.0, 1.0, 2.0, 3.0], [1.0, 0.5, 0.25, 0.5])
