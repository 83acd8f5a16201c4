"""Policies are compared on the same work: arrivals, samples and jitter do not depend on what is decided."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_worlds import OPEN, worlds
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator
from worlds import drawn, fixed, line

from mdisim.engine import run
from mdisim.engine.breakdowns import drawn as drawn_faults
from mdisim.engine.streams import feeds, sample_rows, service_factors, stream
from mdisim.faults import Fault, Faults, Period
from mdisim.policies import RECIPES, MdiExit
from mdisim.policies.views import Here, Knobs
from mdisim.world import UNREACHABLE, Arrivals, Device, Jitter, Link, Source, World, setting

SOME = examples(8)
OFFERED = ["sample", "source", "born_s"]
PROGRAM = """
import test_common_numbers as these
print(these.digest(these.busy_mesh(), 5))
"""


def every_policy(world: World) -> dict[str, pd.DataFrame]:
    return {
        name: run(world, (recipe(device="d0") if name == "remote" else recipe()).build(setting(world)), 3).tasks
        for name, recipe in RECIPES.items()
    }


@SOME
@given(worlds(OPEN))
def test_every_policy_is_offered_the_same_samples_at_the_same_times(world: World) -> None:
    first, *others = every_policy(world).values()
    for other in others:
        pd.testing.assert_frame_equal(first[OFFERED], other[OFFERED], check_exact=True)


@SOME
@given(st.integers(0, 99))
def test_every_policy_meets_the_same_jitter(seed: int) -> None:
    world = line(
        3, (0.01, 0.02, 0.01), outputs=drawn(50, 3), jitter=Jitter("lognormal", 1.0),
        arrivals=Arrivals("poisson", 40.0), duration_s=3.0, drain=True, drain_limit_s=inf,
    )  # fmt: skip
    build = {name: recipe for name, recipe in RECIPES.items() if name not in ("remote", "oracle")}
    first, *others = (
        run(world, recipe(exit_threshold=1.0).build(setting(world)), seed).tasks for recipe in build.values()
    )
    for other in others:
        np.testing.assert_allclose(first.compute_s, other.compute_s, rtol=1e-12)


def busy_mesh() -> World:
    arrivals = (Arrivals("poisson", 60.0), Arrivals("on-off", 60.0, 0.2, 0.2))
    return line(
        4, (0.01, 0.02, 0.01), outputs=drawn(100, 3), jitter=Jitter("exponential"), arrivals=arrivals,
        duration_s=5.0, shared=True,
    )  # fmt: skip


def digest(world: World, seed: int) -> str:
    """All tables of a run of MDI-Exit, to the last bit."""
    done = run(world, MdiExit(adapt="threshold").build(setting(world)), seed)
    text = "".join(
        table.to_csv(float_format="%.17g")
        for table in (done.tasks, done.timeline, done.devices, done.links, done.sources)
    )
    return hashlib.sha256(text.encode()).hexdigest()


def test_another_process_and_another_hash_seed_change_nothing() -> None:
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), str(here.parent.parent)])
    said = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("0", "4242")
    }
    assert said == {digest(busy_mesh(), 5)}


def test_another_seed_gives_another_run() -> None:
    assert digest(busy_mesh(), 5) != digest(busy_mesh(), 6)


def test_streams_do_not_know_of_each_other() -> None:
    keys: list[tuple[str | int, ...]] = [
        ("arrivals", "d0", 0), ("samples", "d0", 0), ("arrivals", "d1", 0), ("arrivals", "d0", 1),
        ("arrivals", "d0"), ("arrivals", "d", 0, 0), ("arrivals", "d0", "0"), ("arrivalsd0", 0),
    ]  # fmt: skip
    assert len({stream(1, *key).random() for key in keys}) == len(keys)
    assert stream(1, *keys[0]).random() == stream(1, *keys[0]).random()
    assert stream(1, *keys[0]).random() != stream(2, *keys[0]).random()


# --- by name: what is added, left out or put elsewhere in a list changes nothing else


class Flips:
    """Admits every other sample on average, and draws where it stands."""

    def admits(self, here: Here, knobs: Knobs, memory: np.ndarray, rng: Generator) -> bool:
        return bool(rng.random() < 0.5)


KINDS = (
    Arrivals("constant", 9.0),
    Arrivals("poisson", 9.0),
    Arrivals("on-off", 30.0, 0.5, 1.0),
    Arrivals("policy"),
)


def apart(names: tuple[str, ...]) -> World:
    """Devices that nothing joins; the n-th letter's source is of the n-th kind, wherever it stands."""
    base = line(len(names), (0.02, 0.01), jitter=Jitter("exponential"), duration_s=10.0)
    kinds = [KINDS[ord(name[0]) % len(KINDS)] for name in names]
    return replace(
        base,
        devices=tuple(Device(name, "unit") for name in names),
        links=(),
        sources=tuple(Source(d, kind) for d, kind in enumerate(kinds)),
        next_hop=np.full((len(names),) * 2, UNREACHABLE),
        faults=Faults(tuple(Fault("crash", d, mean_up_s=2.0, mean_down_s=0.5) for d in range(len(names)))),
    )


def by_device(world: World, seed: int) -> dict[str, pd.DataFrame]:
    tasks = run(world, replace(fixed(world), admits=Flips()), seed).tasks
    return {str(name): one.reset_index(drop=True) for name, one in tasks.astype({"device": str}).groupby("source")}


@SOME
@given(st.permutations("abcdefgh"), st.integers(1, 7), st.integers(0, 99))
def test_a_device_meets_the_same_whatever_else_is_in_the_scenario(order: list[str], n: int, seed: int) -> None:
    """Arrivals, samples, jitter, decisions and faults of each device, in a whole run."""
    whole, part = by_device(apart(tuple(order)), seed), by_device(apart(tuple(sorted(order[:n]))), seed)
    assert len(part) == n
    for name, tasks in part.items():
        pd.testing.assert_frame_equal(tasks, whole[name].assign(source=tasks.source), check_exact=True)
        assert {"refused", "answered"} <= set(tasks.status)


def test_a_second_source_at_a_device_leaves_the_first_as_it_was() -> None:
    alone, poisson = line(3), Source(1, Arrivals("poisson", 5.0))
    both = replace(alone, sources=(poisson, *alone.sources, poisson, poisson))
    first, *others = feeds(alone, 1)[:1] + feeds(both, 1)
    found = [
        [list(islice(one, 5)) for one in (feed.instants_s, feed.rows, feed.ties)] for feed in (first, *others)
    ]
    assert found[0] == found[2]
    assert len({str(one) for one in found}) == 4


@SOME
@given(st.integers(0, 99))
def test_packets_lost_do_not_depend_on_the_number_of_a_device(seed: int) -> None:
    lossy = line(2, arrivals=Arrivals("poisson", 5.0), duration_s=10.0)
    lossy = replace(lossy, links=tuple(replace(link, loss=0.3, packet_bytes=100.0) for link in lossy.links))
    ends = ((0, 1), (1, 0), (1, 2), (2, 1))
    turned = replace(
        lossy,
        devices=(Device("new", "unit"), *lossy.devices),
        links=tuple(Link(a, b, lossy.links[0].rate, channel=b, loss=0.3, packet_bytes=100.0) for a, b in ends),
        sources=(Source(0, Arrivals("poisson", 5.0)), *(replace(one, device=1) for one in lossy.sources)),
        stage_s=np.full((3, 1), 0.01),
        head_s=np.zeros((3, 1)),
        next_hop=np.array([[-1, 1, 1], [0, -1, 2], [1, 1, -1]]),
    )
    before = run(lossy, fixed(lossy, placement=1), seed).tasks
    after = run(turned, fixed(turned, placement=2), seed).tasks
    after = after[after.source == "d0"]
    ended = (before.status == "answered").to_numpy() & (after.status == "answered").to_numpy()
    assert after.bytes_sent[ended].tolist() == before.bytes_sent[ended].tolist()
    assert ended.sum() >= len(before) - 2  # the end of the run may find the last one on its way
    assert before.bytes_sent.nunique() > 5


def periods(world: World, seed: int) -> dict[str, list[Period]]:
    """When each random fault of a world comes, by what fails."""
    found: dict[str, list[Period]] = {}
    for number, period in drawn_faults(world, seed):
        fault = world.faults.events[number]
        ends = [world.devices[d].name for n in fault.links for d in (world.links[n].source, world.links[n].target)]
        found.setdefault(f"{fault.kind} {ends or world.devices[fault.device].name}", []).append(period)
    return found


@SOME
@given(st.permutations(range(7)), st.integers(0, 7), st.integers(0, 99))
def test_faults_come_when_they_come_whatever_else_fails(order: list[int], n: int, seed: int) -> None:
    again = {"mean_up_s": 5.0, "mean_down_s": 1.0}
    faults = [
        *(Fault(kind, d, **again) for kind in ("crash", "slowdown") for d in (0, 1)),  # type: ignore[arg-type]
        *(Fault("outage", links=links, **again) for links in ((0, 1), (2,), (3,))),
    ]
    world = line(3, duration_s=50.0)
    whole = periods(replace(world, faults=Faults(tuple(faults))), seed)
    some = tuple(faults[i] for i in order[:n])
    once = (Fault("crash", 0, at_s=3.0, for_s=1.0),) if n % 2 else ()  # nothing is drawn for it
    wanted = periods(replace(world, faults=Faults(some)), seed)
    assert wanted.items() <= whole.items()
    found = periods(replace(world, faults=Faults((*once, *some))), seed)
    for name in found:
        assert [one for one in found[name] if one != (3.0, 4.0)] == wanted.get(name, [])
    assert len({str(one) for one in whole.values()}) == len(faults)


@pytest.mark.parametrize("n", [7, 1024, 2500])
def test_each_pass_offers_every_sample_once_in_a_new_order(n: int) -> None:
    rows = sample_rows(n, "shuffled", np.random.default_rng(0))
    first, second = ([next(rows) for _ in range(n)] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(n))
    assert first != second


def test_bootstrap_repeats_samples_and_sequential_does_not_shuffle() -> None:
    drawn_ = sample_rows(50, "bootstrap", np.random.default_rng(0))
    assert len({next(drawn_) for _ in range(50)}) < 50
    in_order = sample_rows(3, "sequential", np.random.default_rng(0))
    assert [next(in_order) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize(("jitter", "cv"), [(Jitter("exponential"), 1.0), (Jitter("lognormal", 0.5), 0.5)])
def test_jitter_has_mean_one_and_its_own_spread(jitter: Jitter, cv: float) -> None:
    source = service_factors(jitter, 2, np.random.default_rng(0))
    factors = np.array([next(source) for _ in range(20_000)])
    assert factors.mean() == pytest.approx(1.0, abs=0.02)
    assert factors.std() == pytest.approx(cv, abs=0.02)
