"""What waits to be sent: messages for a named device, offered tasks, and who may go first. All by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import pytest
from numpy.random import Generator
from worlds import fixed, line

from mdisim.engine import run
from mdisim.faults import Fault, Faults
from mdisim.policies import (
    CONTINUE,
    KEEP,
    NOBODY,
    OFFER,
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
from mdisim.world import Arrivals, World, setting

SLOW = {"rate": 8000.0, "out_bytes": 1000, "label_bytes": 1000, "duration_s": 60.0}  # 1 s for each message


def at(*times_s: float) -> Arrivals:
    return Arrivals("file", times_s=times_s)


def free(rule: object, K: int = 1, **signals: object) -> Policy:
    given = Signals(gossip_s=0.0, **signals)  # type: ignore[arg-type]
    return Policy("free", (row(K, inf),), where=rule, sends=rule, signals=given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class OwnAreOffered:
    """What arrives at d1 is offered, and nobody ever takes it; what arrives elsewhere is sent to d1."""

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        return Place(OFFER) if here.device == task.source == 1 else Place(1)

    def sends(self, here: Here, peers: tuple[Peer, ...], task: Task, rng: Generator) -> int:
        return NOBODY


def test_a_label_passes_an_offer_that_nobody_takes() -> None:
    world = line(2, (0.5,), arrivals=(at(1.0, 1.0, 1.0), at(0.5)), work_conserving=False, **SLOW)  # type: ignore[arg-type]
    done = run(world, free(OwnAreOffered()), 1)
    others = done.tasks[done.tasks.source == "d0"]
    assert others.done_s.tolist() == pytest.approx([1 + 1 + 0.5 + 1, 1 + 2 + 0.5 + 1, 1 + 3 + 0.5 + 1])
    assert done.tasks.status[done.tasks.source == "d1"].tolist() == ["in-flight"]


def test_labels_do_not_count_in_the_output_queue() -> None:
    """Three labels of 1 s each are ready at 2.1, 2.2 and 2.3 s at d1, which has one task on offer."""
    world = line(2, (0.1,), arrivals=(at(1.0, 1.01, 1.02), at(0.5)), work_conserving=False, **SLOW)  # type: ignore[arg-type]
    fast = replace(world.links[0], rate=replace(world.links[0].rate, rate_bps=8e6))  # type: ignore[type-var]
    done = run(replace(world, links=(fast, world.links[1])), free(OwnAreOffered()), 1)
    d1 = done.timeline[done.timeline.device == "d1"]
    assert d1[(d1.time_s > 0.6)].out_queue.unique().tolist() == [1]


def test_planned_tasks_count_in_the_output_queue() -> None:
    world = line(2, (0.1,), arrivals=at(1.0, 1.0, 1.0), **SLOW)  # type: ignore[arg-type]
    d0 = run(world, fixed(world, placement=1), 1).timeline.query("device == 'd0'")
    for time_s, waiting in ((1.5, 2), (2.5, 1), (3.5, 0)):
        assert d0.out_queue[d0.time_s > time_s].iloc[0] == waiting


@dataclass(frozen=True)
class ToFirst:
    """The source's tasks are offered and go to the first neighbour that is shown."""

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        return Place(OFFER) if here.device == task.source else Place(CONTINUE)

    def sends(self, here: Here, peers: tuple[Peer, ...], task: Task, rng: Generator) -> int:
        return peers[0].device


@pytest.mark.parametrize(("sender", "devices"), [("link", ["d0", "d2", "d0", "d2"]), ("device", ["d0"] * 4)])
def test_a_task_is_granted_only_over_a_free_sender(sender: str, devices: list[str]) -> None:
    """d1 has four tasks for d0 and d2; each transfer takes 1 s. A sender for each link sends two at once."""
    world = line(3, (0.0,), arrivals=(at(), at(1.0, 1.0, 1.0, 1.0)), sender=sender, work_conserving=False, **SLOW)  # type: ignore[arg-type]
    done = run(world, free(ToFirst()), 1).tasks
    assert done.device.tolist() == devices
    sent_after = [1, 1, 2, 2] if sender == "link" else [1, 2, 3, 4]
    assert (done.done_s - 1.0 - 1.0).tolist() == pytest.approx(sent_after)  # the label takes 1 s, too


def test_a_granted_task_may_wait_for_a_busy_channel() -> None:
    world = line(3, (0.0,), arrivals=(at(), at(1.0, 1.0)), sender="link", shared=True, **SLOW)  # type: ignore[arg-type]
    done = run(replace(world, label_bytes=0.0), free(ToFirst()), 1).tasks
    assert (done.device.tolist(), done.done_s.tolist()) == (["d0", "d2"], pytest.approx([2.0, 3.0]))


@dataclass(frozen=True)
class NeverSent:
    """Tasks are offered where there is a neighbour, else kept; nobody takes one."""

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        return Place(OFFER) if peers else Place(KEEP)

    def sends(self, here: Here, peers: tuple[Peer, ...], task: Task, rng: Generator) -> int:
        return NOBODY


def test_what_is_offered_is_placed_again_when_the_last_neighbour_is_known_to_be_gone() -> None:
    world = line(2, (2.0,), arrivals=at(1.0, 2.0), work_conserving=False, **SLOW)  # type: ignore[arg-type]
    gone = replace(world, faults=Faults((Fault("leave", 1, at_s=5.0),)))
    tasks = run(gone, free(NeverSent()), 1).tasks
    assert tasks.done_s.tolist() == pytest.approx([5.0 + 2.0, 5.0 + 4.0])
    assert tasks.transfer_s.tolist() == pytest.approx([4.0, 3.0])  # in the output queue
    assert tasks.wait_s.tolist() == pytest.approx([0.0, 2.0])  # for the core


def test_time_in_the_output_queue_is_no_waiting_for_a_core() -> None:
    """d0 is busy from 1 to 3 s; its second task is offered meanwhile, and taken back at 3 s."""
    world = line(2, (2.0,), arrivals=at(1.0, 1.5), **SLOW)  # type: ignore[arg-type]
    tasks = run(world, free(NeverSent()), 1).tasks
    assert tasks.done_s.tolist() == pytest.approx([3.0, 5.0])
    assert tasks.wait_s.tolist() == pytest.approx([0.0, 0.0])
    assert tasks.transfer_s.tolist() == pytest.approx([0.0, 1.5])


def pair_without(device: int, at_s: float) -> World:
    world = line(2, (4.0,), arrivals=at(1.0), **SLOW)  # type: ignore[arg-type]
    return replace(world, faults=Faults((Fault("leave", device, at_s=at_s),), on_crash="drop"))


@pytest.mark.parametrize(("leaves", "at_s"), [(1, 1.5), (0, 6.5)])
def test_what_is_on_its_way_to_a_device_that_leaves_arrives(leaves: int, at_s: float) -> None:
    """The task travels from 1 to 2 s to d1, the answer from 6 to 7 s to d0. Who leaves meanwhile gets it."""
    world = pair_without(leaves, at_s)
    task = run(world, fixed(world, placement=1), 1).tasks.iloc[0]
    assert (task.status, task.done_s, task.retries) == ("answered", pytest.approx(7.0), 0)


def test_mdi_exit_alone_starves_no_task() -> None:
    """One device, stages of 10 ms, at nine tenths of what it sustains: no sample is passed for long by newer ones.

    Each sample needs two stages and joins the queue twice, so it waits about twice as long as in one pass. Were
    the second stages offered, up to eleven of them would wait until the queue is empty.
    """
    world = line(1, (0.01, 0.01), arrivals=Arrivals("poisson", 45.0), duration_s=400.0)
    alone = run(world, MdiExit(exit_threshold=1.0, adapt="none").build(setting(world)), 1).tasks
    plain = run(world, fixed(world), 1).tasks
    longest = [float((one.done_s - one.born_s).quantile(0.999)) for one in (alone, plain)]
    assert longest[0] < 2.0 * longest[1]
