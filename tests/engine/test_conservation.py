"""Whatever the world and the policy: every sample ends once, and times, bytes and queues add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from drawn_worlds import faults, policies, worlds
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from mdisim.engine import run
from mdisim.engine.job import RECORD, Status
from mdisim.engine.simulation import Simulation
from mdisim.engine.tables import tables
from mdisim.policies import Policy
from mdisim.results import STATUSES, Run
from mdisim.world import World

ANY = examples(60)
SOME = examples(15)
PARTS = ["wait_s", "compute_s", "transfer_s"]


def simulated(world: World, policy: Policy, seed: int) -> tuple[Simulation, Run]:
    simulation = Simulation(world, policy, seed, lambda _: None)
    simulation.run()
    return simulation, tables(simulation, seed)


@ANY
@given(st.data(), worlds(), st.integers(0, 99))
def test_whatever_happens_adds_up(data: st.DataObject, world: World, seed: int) -> None:
    simulation, done = simulated(world, data.draw(policies(world)), seed)
    every_sample_ends_once(simulation)
    times_add_up(done.tasks)
    nothing_works_more_than_all_the_time(done, world)
    bytes_add_up(simulation, done)
    queues_keep_their_limits(done, world)


def every_sample_ends_once(simulation: Simulation) -> None:
    log = np.frombuffer(simulation.log.tasks, dtype=RECORD)
    for s, origin in enumerate(simulation.sources):
        assert sorted(log["index"][log["source"] == s]) == list(range(origin.index))


def times_add_up(tasks: pd.DataFrame) -> None:
    assert set(tasks.status) <= set(STATUSES)
    answered = tasks[tasks.status == "answered"]
    assert (answered.done_s >= answered.born_s).all()
    np.testing.assert_allclose(answered[PARTS].sum(axis=1), answered.done_s - answered.born_s, rtol=0, atol=1e-9)
    assert (tasks[[*PARTS, "bytes_sent", "cost", "energy_j", "hops"]] >= 0).all(axis=None)
    assert (answered.exit >= 1).all()
    assert (tasks[tasks.status != "answered"].exit == 0).all()
    assert tasks.born_s.is_monotonic_increasing
    assert tasks[tasks.status == "in-flight"].done_s.isna().all()


def nothing_works_more_than_all_the_time(done: Run, world: World) -> None:
    assert done.devices.utilisation.between(0, 1 + 1e-9).all()
    assert done.links.utilisation.between(0, 1 + 1e-9).all()
    if len(world.links):
        assert (done.links.groupby("channel").utilisation.sum() <= 1 + 1e-9).all()
    assert done.timeline.utilisation.between(-1e-9, 1 + 1e-9).all()


def bytes_add_up(simulation: Simulation, done: Run) -> None:
    if (done.tasks.status == "in-flight").any():
        return
    log = np.frombuffer(simulation.log.tasks, dtype=RECORD)
    assert log["bytes_sent"].sum() == pytest.approx(sum(link.bytes for link in simulation.links))
    assert log["hops"].sum() == sum(link.transfers for link in simulation.links)


def queues_keep_their_limits(done: Run, world: World) -> None:
    limits = done.timeline.device.map({d.name: d.queue_limit for d in world.devices}).astype(float)
    assert (done.timeline.queue <= limits).all()
    if all(np.isinf(d.queue_limit) for d in world.devices):
        assert not (done.tasks.status == "queue-full").any()


@ANY
@given(st.data(), worlds(), st.integers(0, 99))
def test_whatever_fails_adds_up(data: st.DataObject, world: World, seed: int) -> None:
    failing = replace(world, faults=data.draw(faults(world)))
    simulation, done = simulated(failing, data.draw(policies(world)), seed)
    every_sample_ends_once(simulation)
    times_add_up(done.tasks)
    nothing_works_more_than_all_the_time(done, world)
    queues_keep_their_limits(done, world)
    nobody_is_forgotten(simulation)


@ANY
@given(st.data(), worlds(), st.integers(0, 99))
def test_when_faults_have_passed_every_sample_ends(data: st.DataObject, world: World, seed: int) -> None:
    window = replace(world.window, drain=True, drain_limit_s=300.0)
    passing = replace(world, faults=data.draw(faults(world, passing=True)), window=window, work_conserving=True)
    _, done = simulated(passing, data.draw(policies(world)), seed)
    assert not (done.tasks.status == "in-flight").any()


def nobody_is_forgotten(simulation: Simulation) -> None:
    """Whoever holds a sample at the end, somebody does: each is in flight, and what left no trace has ended."""
    log = np.frombuffer(simulation.log.tasks, dtype=RECORD)
    in_flight = log[log["status"] == Status.IN_FLIGHT]
    assert len(in_flight) == len(simulation.live)
    lost = log[np.isin(log["status"], (Status.CRASH, Status.OUTAGE, Status.SOURCE_DOWN))]
    assert (lost["done_s"] >= lost["born_s"]).all()


@SOME
@given(st.data(), worlds(), st.integers(0, 99))
def test_the_same_seed_gives_the_same_tables(data: st.DataObject, world: World, seed: int) -> None:
    policy = data.draw(policies(world))
    first, second = run(world, policy, seed), run(world, policy, seed)
    for name in ("tasks", "timeline", "devices", "links", "sources"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)
