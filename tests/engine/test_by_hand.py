"""Worlds so small that a person can say when everything happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import simpy
from numpy.random import Generator
from worlds import drawn, fixed, line, surely_last

from mdisim.engine import RuleError, run
from mdisim.policies import (
    CONTINUE,
    INPUT,
    NOBODY,
    OFFER,
    Here,
    Knobs,
    Load,
    MdiExit,
    Outcome,
    Peer,
    Place,
    Policy,
    Seen,
    Signals,
    Task,
    row,
)
from mdisim.world import Arrivals, Device, Link, Samples, World, setting

ONCE = Arrivals("file", times_s=(1.0,))
TWICE = Arrivals("file", times_s=(1.0, 1.0))
EACH_SECOND = Arrivals("constant", 1.0, phase_s=1.0)


@dataclass(frozen=True)
class Always:
    """One answer to every question of where."""

    device: int
    payload: int = 0

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        if self.payload == INPUT and (task.stage == 0 or here.device == self.device):
            return Place(CONTINUE)
        return Place(self.device, self.payload)


@dataclass(frozen=True)
class SendsTo:
    """One answer to every question of whom to send to."""

    device: int = NOBODY

    def sends(self, here: Here, peers: tuple[Peer, ...], task: Task, rng: Generator) -> int:
        return self.device


@dataclass(frozen=True)
class ByFeature:
    """The row is the sample's first feature."""

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: np.ndarray, rng: Generator
    ) -> int:
        return int(seen.features[0])


@dataclass(frozen=True)
class Refuses:
    """Take no more than a given number of waiting tasks."""

    most: int = 0

    def admits(self, here: Here, knobs: Knobs, memory: np.ndarray, rng: Generator) -> bool:
        return here.queue + here.busy < self.most


def star(rows: int, **changes: object) -> World:
    """d0 in the middle, d1 and d2 around it on channels of their own; sample i has feature i modulo rows."""
    world = line(2, (0.5,), arrivals=TWICE, rate=8000.0, out_bytes=1000, label_bytes=0, order="sequential")
    samples = Samples(surely_last(rows, 1), features=np.arange(rows, dtype=float)[:, None])
    rate = world.links[0].rate
    pairs = ((0, 1), (1, 0), (0, 2), (2, 0))
    return replace(
        world,
        devices=tuple(Device(f"d{d}", "unit") for d in range(3)),
        links=tuple(Link(a, b, rate, channel=i) for i, (a, b) in enumerate(pairs)),
        samples=samples,
        stage_s=np.full((3, 1), 0.5),
        head_s=np.zeros((3, 1)),
        next_hop=np.array([[-1, 1, 2], [0, -1, 0], [0, 0, -1]]),
        **changes,
    )


def tasks(world: World, policy: Policy) -> pd.DataFrame:
    return run(world, policy, 1).tasks


# --- time on the way


def test_two_hops_there_and_the_label_two_hops_back() -> None:
    world = line(3, (0.5,), arrivals=ONCE, rate=8000.0, out_bytes=1000, latency_s=0.1, label_bytes=100)
    task = tasks(world, fixed(world, placement=2)).iloc[0]
    assert task.done_s - 1.0 == pytest.approx(2 * (1.0 + 0.1) + 0.5 + 2 * (0.1 + 0.1))
    assert (task.hops, task.bytes_sent, task.device) == (4, 2200, "d2")
    assert (task.wait_s, task.compute_s) == (0.0, 0.5)


def test_labels_of_no_bytes_do_not_travel() -> None:
    world = line(2, (0.5,), arrivals=ONCE, rate=8000.0, out_bytes=1000, label_bytes=0)
    task = tasks(world, fixed(world, placement=1)).iloc[0]
    assert task.done_s == pytest.approx(1.0 + 1.0 + 0.5)
    assert task.hops == 1


def test_latency_does_not_occupy_the_link() -> None:
    world = line(2, (0.001,), arrivals=TWICE, rate=8000.0, out_bytes=1000, latency_s=5.0, label_bytes=0)
    assert tasks(world, fixed(world, placement=1)).done_s.tolist() == pytest.approx([7.001, 8.001])


def test_a_shared_channel_carries_one_transmission_at_a_time() -> None:
    arrivals = (ONCE, Arrivals("file", times_s=(1.5,)))
    apart = line(3, (0.5,), arrivals=arrivals, rate=8000.0, label_bytes=0)
    shared = line(3, (0.5,), arrivals=arrivals, rate=8000.0, label_bytes=0, shared=True)
    policy = fixed(apart, placement=2)
    assert sorted(tasks(apart, policy).done_s) == pytest.approx([3.0, 4.0])  # d1's own first, d0's behind it
    assert sorted(tasks(shared, policy).done_s) == pytest.approx([3.5, 4.5])  # d0 -> d1, d1 -> d2, d1 -> d2


@pytest.mark.parametrize(("sender", "done"), [("device", [2.5, 3.5]), ("link", [2.5, 2.5])])
def test_one_sender_for_each_device_or_each_link(sender: str, done: list[float]) -> None:
    policy = Policy("star", (row(1, placement=1), row(1, placement=2)), picks=ByFeature())
    assert tasks(star(2, sender=sender), policy).done_s.tolist() == pytest.approx(done)


@pytest.mark.parametrize("sender", ["device", "link"])
def test_one_link_sends_one_message_at_a_time(sender: str) -> None:
    policy = Policy("star", (row(1, placement=1),))
    assert tasks(star(1, sender=sender), policy).done_s.tolist() == pytest.approx([2.5, 3.5])


def test_a_sample_that_starts_again_pays_again() -> None:
    world = line(2, (1.0, 2.0), arrivals=ONCE, rate=8000.0, out_bytes=(1000, 10, 0), label_bytes=0)
    policy = Policy("again", (row(2),), where=Always(1, INPUT))
    task = tasks(world, policy).iloc[0]
    assert task.compute_s == pytest.approx(1.0 + 3.0)  # stage 1 here, both stages there
    assert task.done_s == pytest.approx(1.0 + 1.0 + 1.0 + 3.0)
    assert task.bytes_sent == 1000


def test_a_label_without_a_way_back_is_an_error() -> None:
    there = line(2, (0.5,), arrivals=ONCE)
    one_way = replace(there, links=there.links[:1], next_hop=np.array([[-1, 1], [-1, -1]]))
    with pytest.raises(RuleError, match="no route leads back to device 0"):
        run(one_way, fixed(one_way, placement=1), 1)
    silent = replace(one_way, label_bytes=0)
    assert tasks(silent, fixed(silent, placement=1)).status.item() == "answered"


# --- queues, cores and ties


def test_a_service_ends_before_a_sample_is_offered_at_the_same_instant() -> None:
    in_step = Arrivals("constant", 1.0, phase_s=0.0)
    world = line(1, (1.0,), arrivals=in_step, queue_limit=0, duration_s=10.0, drain=True)
    done = tasks(world, fixed(world))
    assert (done.status == "answered").all()
    assert (done.wait_s == 0.0).all()


def test_cores_work_side_by_side_and_a_full_queue_drops() -> None:
    burst = Arrivals("file", times_s=(1.0,) * 5)
    world = line(1, (1.0,), arrivals=burst, cores=2, queue_limit=2)
    done = tasks(world, fixed(world))
    assert done.status.tolist() == ["answered"] * 4 + ["queue-full"]
    assert done.done_s.tolist() == [2.0, 2.0, 3.0, 3.0, 1.0]


def test_a_refusal_is_a_record_and_shifts_no_sample() -> None:
    burst = Arrivals("file", times_s=(1.0, 1.0, 5.0))
    world = line(1, (1.0,), arrivals=burst, order="sequential")
    done = tasks(world, replace(fixed(world), admits=Refuses(1)))
    assert done.status.tolist() == ["answered", "refused", "answered"]
    assert done["sample"].tolist() == [0, 1, 2]
    assert done.admitted_s.isna().tolist() == [False, True, False]


def test_a_closed_loop_of_one_never_waits() -> None:
    world = line(2, (0.1, 0.2), arrivals=Arrivals("closed"), rate=8000.0, out_bytes=(9, 100, 0), label_bytes=100)
    done = tasks(world, fixed(world, placement=(0, 1)))
    finished = done[done.status == "answered"]
    np.testing.assert_allclose(finished.done_s - finished.born_s, 0.1 + 0.1 + 0.2 + 0.1, rtol=1e-9)
    np.testing.assert_array_equal(finished.born_s.to_numpy()[1:], finished.done_s.to_numpy()[:-1])
    assert len(finished) == 199 or len(finished) == 200


def test_a_closed_loop_thinks_between_samples() -> None:
    world = line(1, (0.25,), arrivals=Arrivals("closed", think_s=0.75), duration_s=10.5)
    assert tasks(world, fixed(world)).born_s.tolist() == [float(t) for t in range(11)]


def test_heads_are_paid_where_the_row_evaluates_them() -> None:
    world = line(1, (1.0, 1.0, 1.0), arrivals=ONCE, head_s=(0.1, 0.2, 0.3))
    assert tasks(world, fixed(world)).compute_s.item() == pytest.approx(3.6)
    assert tasks(world, fixed(world, early_exits=False)).compute_s.item() == pytest.approx(3.3)


def test_work_factors_and_sizes_belong_to_the_sample() -> None:
    world = line(
        2, (1.0, 1.0), arrivals=ONCE, outputs=surely_last(1, 2), work=[[2.0, 3.0]], size=[[1.0, 0.5, 1.0]],
        rate=8000.0, out_bytes=1000, head_s=0.25, label_bytes=0,
    )  # fmt: skip
    task = tasks(world, fixed(world, placement=(0, 1))).iloc[0]
    assert task.compute_s == pytest.approx(2.0 + 3.0 + 2 * 0.25)  # the head's time has no factor
    assert task.transfer_s == pytest.approx(0.5)


# --- offering


def offering(device: int = NOBODY, **signals: float) -> Policy:
    return Policy("offering", (row(1),), where=Always(OFFER), sends=SendsTo(device), signals=Signals(**signals))


def test_an_idle_core_takes_an_offered_task_back() -> None:
    world = line(2, (0.5,), arrivals=ONCE)
    assert tasks(world, offering()).done_s.item() == pytest.approx(1.5)


def test_without_work_conservation_it_waits() -> None:
    world = line(2, (0.5,), arrivals=ONCE, work_conserving=False)
    assert tasks(world, offering()).status.item() == "in-flight"


def test_what_a_device_does_not_hold_it_does_not_take_back() -> None:
    world = line(2, (0.5,), arrivals=ONCE)
    lacking = replace(world, devices=(replace(world.devices[0], holds=(False,)), world.devices[1]))
    assert tasks(lacking, offering()).status.item() == "in-flight"
    assert tasks(lacking, offering(1)).device.item() == "d1"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The times of all events that were processed."""
    seen: list[float] = []
    step = simpy.Environment.step

    def counted(env: simpy.Environment) -> None:
        step(env)
        seen.append(env.now)

    monkeypatch.setattr(simpy.Environment, "step", counted)
    return iter([seen])


def test_nothing_is_retried_while_nothing_is_offered(steps: Iterator[list[float]]) -> None:
    world = line(3, (0.01, 0.01), arrivals=Arrivals("policy"), outputs=drawn(20, 2))
    run(world, MdiExit(initial_gap_s=10.0, adapt="none", retry_s=1e-3).build(setting(world)), 1)
    gossip, looking_on, samples = 100 / 0.1, 500, 9
    assert len(next(steps)) <= gossip + looking_on + 30 * samples


def test_a_fixed_plan_on_an_idle_world_has_only_the_events_of_its_samples(steps: Iterator[list[float]]) -> None:
    world = line(2, (0.01,), arrivals=ONCE)
    run(world, fixed(world, placement=1), 1)
    arrival, hops, service, looking_on, end = 1, 2, 1, 500, 1
    assert len(next(steps)) <= arrival + hops + service + looking_on + end


# --- what is measured


def test_the_window_begins_at_warmup_and_ends_at_duration() -> None:
    world = line(1, (0.5,), arrivals=EACH_SECOND, duration_s=10.0, warmup_s=4.25, busy_w=2, idle_w=1)
    device = run(world, fixed(world), 1).devices.iloc[0]
    assert device.busy_s == pytest.approx(0.25 + 5 * 0.5)
    assert device.utilisation == pytest.approx(2.75 / 5.75)
    assert device.energy_j == pytest.approx(2.75 * 2 + 5.75 * 1)


@pytest.mark.parametrize(("drain", "status"), [(False, "in-flight"), (True, "answered")])
def test_a_run_stops_at_its_duration_or_lets_all_finish(drain: bool, status: str) -> None:
    world = line(1, (3.0,), arrivals=Arrivals("file", times_s=(9.0, 12.0)), duration_s=10.0, drain=drain)
    assert tasks(world, fixed(world)).status.tolist() == [status]


def test_draining_has_its_own_limit() -> None:
    late = Arrivals("file", times_s=(9.0,))
    world = line(1, (3.0,), arrivals=late, drain=True, duration_s=10.0, drain_limit_s=1.0)
    assert tasks(world, fixed(world)).status.tolist() == ["in-flight"]


def test_cost_and_energy_follow_the_sample() -> None:
    world = line(
        2, (0.5, 0.5), arrivals=ONCE, rate=8000.0, out_bytes=1000, label_bytes=100, busy_w=4.0, nj_per_bit=1000.0,
        offload_cost=3.0,
    )  # fmt: skip
    task = tasks(world, fixed(world, placement=(0, 1))).iloc[0]
    assert task.cost == pytest.approx(2 * 1.0 + 3.0)  # two layers and one offload; a label is no offload
    assert task.energy_j == pytest.approx(1.0 * 4.0 + 1100 * 8 * 1e-6)


def test_memory_goes_in_and_comes_out() -> None:
    world = line(1, (1.0, 1.0), arrivals=Arrivals("file", times_s=(1.0, 5.0)))
    seen: list[list[float]] = []

    class Noting:
        def learns(self, outcome: Outcome, memory: np.ndarray) -> np.ndarray:
            known = np.isfinite(outcome.scores)
            assert ((outcome.predictions >= 0) == known).all()
            learnt = memory + np.array([1.0, outcome.delay_s, outcome.cost, known.sum()])
            seen.append(learnt.tolist())
            return learnt

    run(world, replace(fixed(world, 2.0), learns=Noting(), memory=np.zeros(4)), 1)
    assert seen == [[1.0, 2.0, 2.0, 2.0], [2.0, 4.0, 4.0, 4.0]]


# --- thresholds on the way


@dataclass(frozen=True)
class Lowers:
    """At the first control instant, every threshold falls to zero."""

    def turns(self, load: Load, knobs: Knobs, rng: Generator) -> Knobs:
        return Knobs((0.0,) * len(knobs.thresholds), knobs.gap_s, knobs.row)


@pytest.mark.parametrize(
    ("announce", "gossip_s", "exit_"),
    [("stamp", 0.1, 3), ("gossip", 0.1, 1), ("gossip", 0.0, 1), ("gossip", 50.0, 3)],
)
def test_a_new_threshold_is_stamped_or_heard(announce: str, gossip_s: float, exit_: int) -> None:
    """The sample reaches d1 at 2 s and leaves stage 1 at 4 s; the threshold falls at 3 s."""
    world = line(2, (2.0, 2.0, 2.0), arrivals=ONCE, rate=8000.0, out_bytes=1000, outputs=surely_last(1, 3))
    policy = Policy(
        "lowering", (row(3, 0.5, placement=1),), turns=Lowers(), knobs=Knobs((0.5,) * 3, 1.0, 0),
        signals=Signals(control_s=3.0, announce=announce, gossip_s=gossip_s),  # type: ignore[arg-type]
    )  # fmt: skip
    assert tasks(world, policy).exit.item() == exit_


# --- rules that answer the impossible


@dataclass(frozen=True)
class Picks:
    row: int

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: np.ndarray, rng: Generator
    ) -> int:
        return self.row


@dataclass(frozen=True)
class Turned:
    knobs: Knobs

    def turns(self, load: Load, knobs: Knobs, rng: Generator) -> Knobs:
        return self.knobs


IMPOSSIBLE = {
    "no such device": Policy("p", (row(2),), where=Always(7)),
    "no such place": Policy("p", (row(2),), where=Always(-9)),
    "offered without a sender": Policy("p", (row(2),), where=Always(OFFER)),
    "sent to no device": Policy("p", (row(2),), where=Always(OFFER), sends=SendsTo(9)),
    "sent to itself": Policy("p", (row(2),), where=Always(OFFER), sends=SendsTo(0)),
    "sent two hops": Policy("p", (row(2),), where=Always(OFFER), sends=SendsTo(2)),
    "sent to less than nobody": Policy("p", (row(2),), where=Always(OFFER), sends=SendsTo(-2)),
    "no such row": Policy("p", (row(2),), picks=Picks(1)),
    "a negative row": Policy("p", (row(2),), picks=Picks(-1)),
    "knobs with no such row": Policy("p", (row(2),), turns=Turned(Knobs((), 1.0, 3))),
    "too many thresholds": Policy("p", (row(2),), turns=Turned(Knobs((0.1,) * 5, 1.0, 0))),
    "a device by name": Policy("p", (row(2),), where=Always("edge")),  # type: ignore[arg-type]
    "a device in halves": Policy("p", (row(2),), where=Always(0.5)),  # type: ignore[arg-type]
    "no knobs": Policy("p", (row(2),), turns=Turned(None)),  # type: ignore[arg-type]
    "one threshold for all": Policy("p", (row(2),), turns=Turned(Knobs(0.5, 1.0, 0))),  # type: ignore[arg-type]
    "no number as a threshold": Policy("p", (row(2),), turns=Turned(Knobs((float("nan"),) * 2, 1.0, 0))),
    "texts as thresholds": Policy("p", (row(2),), turns=Turned(Knobs(("0.5",) * 2, 1.0, 0))),  # type: ignore[arg-type]
    "a row in halves": Policy("p", (row(2),), turns=Turned(Knobs((), 1.0, 0.0))),  # type: ignore[arg-type]
    "time stands still": Policy("p", (row(2),), turns=Turned(Knobs((), 0.0, 0))),
}


@pytest.mark.parametrize("policy", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_answers_are_errors_with_the_name_of_the_policy(policy: Policy) -> None:
    world = line(3, (0.5, 0.5), arrivals=Arrivals("constant", 5.0, phase_s=0.2), duration_s=10.0)
    with pytest.raises(RuleError, match=r"^p "):
        run(world, policy, 1)
