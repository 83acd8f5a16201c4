"""Policies are compared on the same work: arrivals, samples and jitter do not depend on what is decided."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_worlds import OPEN, worlds
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from worlds import drawn, line

from mdisim.engine import run
from mdisim.engine.streams import sample_rows, service_factors, stream
from mdisim.policies import RECIPES, MdiExit
from mdisim.world import Arrivals, Jitter, World, setting

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
    assert stream(1, "arrivals", 0).random() != stream(1, "samples", 0).random()
    assert stream(1, "arrivals", 0).random() != stream(1, "arrivals", 1).random()
    assert stream(1, "arrivals", 0).random() == stream(1, "arrivals", 0).random()


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
