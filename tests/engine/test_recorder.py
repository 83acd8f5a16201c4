"""What is recorded on the way says the same as the tables at the end, and recording changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from drawn_worlds import faults, policies, worlds
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from worlds import fixed, line

from mdisim.engine import run
from mdisim.results import TABLES, Run
from mdisim.world import Arrivals, World

ANY = examples(40)


def test_a_sample_of_two_stages_and_a_link() -> None:
    world = line(
        2, (0.5, 0.25), arrivals=Arrivals("file", times_s=(1.0,)), rate=8000.0, out_bytes=1000, label_bytes=100
    )
    events = run(world, fixed(world, placement=(0, 1)), 1, record=True).events
    assert events is not None
    assert events[["kind", "stage", "start_s", "end_s", "bytes_sent"]].to_numpy().tolist() == [
        ["compute", 1, 1.0, 1.5, 0.0],
        ["send", 2, 1.5, 2.5, 1000.0],
        ["compute", 2, 2.5, 2.75, 0.0],
        ["send", 0, 2.75, 2.85, 100.0],
    ]
    assert events["device"].tolist() == ["d0", "d0", "d1", "d1"]
    assert events["link"].astype(object).fillna("").tolist() == ["", "d0 -> d1", "", "d1 -> d0"]


@ANY
@given(st.data(), worlds(), st.integers(0, 99), st.booleans())
def test_events_and_tables_agree(data: st.DataObject, world: World, seed: int, failing: bool) -> None:
    if failing:
        world = replace(world, faults=data.draw(faults(world)))
    policy = data.draw(policies(world))
    recorded, plain = run(world, policy, seed, record=True), run(world, policy, seed)
    assert plain.events is None
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(recorded, name), getattr(plain, name))
    add_up(recorded)
    take_turns(recorded, world)


def add_up(done: Run) -> None:
    events = done.events
    assert events is not None
    assert events["start_s"].is_monotonic_increasing
    assert (events["end_s"] >= events["start_s"]).all()
    tasks = done.tasks[done.tasks["status"] == "answered"]
    seconds = (events["end_s"] - events["start_s"])[(events["kind"] == "compute") & ~events["cut"]]
    of_task = seconds.groupby(events["task"]).sum().reindex(tasks.index, fill_value=0.0)
    np.testing.assert_allclose(of_task, tasks["compute_s"], rtol=0, atol=1e-9)
    sent = events["bytes_sent"].groupby(events["task"]).sum().reindex(tasks.index, fill_value=0.0)
    np.testing.assert_allclose(sent, tasks["bytes_sent"], rtol=0, atol=1.0)  # the table holds whole bytes
    last = events.groupby("task")["end_s"].max().reindex(tasks.index)
    assert (last <= tasks["done_s"] + 1e-9).all()


def take_turns(done: Run, world: World) -> None:
    """Never more services at once than cores, nor more than one transmission on a link."""
    events = done.events
    assert events is not None
    cores = {device.name: device.cores for device in world.devices}
    for where, most in (("device", cores), ("link", dict.fromkeys(events["link"].cat.categories, 1))):
        kind = events[events["kind"] == ("compute" if where == "device" else "send")]
        for name, of_one in kind.groupby(where, observed=True):
            assert at_once(of_one) <= most[name]


def at_once(events: pd.DataFrame) -> int:
    changes = [(time, 1) for time in events["start_s"]] + [(time, -1) for time in events["end_s"]]
    return int(np.cumsum([change for _, change in sorted(changes)]).max(initial=0))


def test_events_are_kept(tmp_path) -> None:
    world = line(2, (0.1,), arrivals=Arrivals("constant", rate_per_s=1.0), duration_s=5.0)
    done = run(world, fixed(world), 1, record=True)
    loaded = Run.load(done.save(tmp_path / "run"))
    pd.testing.assert_frame_equal(loaded.events, done.events)
    plain = run(world, fixed(world), 1)
    assert Run.load(plain.save(tmp_path / "plain")).events is None
