"""Instants are exact, sources are not in step unless that is stated, and nobody is always first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice, takewhile
from math import sqrt, ulp

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import drawn, fixed, line

from mdisim.engine import run
from mdisim.engine.streams import instants_s, stream
from mdisim.policies import MdiExit
from mdisim.traces import Trace
from mdisim.world import Arrivals, Device, Link, Source, Window, World, setting

SEEDS = 2000
SOME = settings(max_examples=30, deadline=None)


def offered_s(world: World, seed: int = 1) -> np.ndarray:
    return run(world, fixed(world), seed).tasks.born_s.to_numpy()


def starts_s(arrivals: Arrivals, most: int = 1) -> list[list[float]]:
    """The first instants of this source, for many seeds."""
    return [list(islice(instants_s(arrivals, stream(seed, "arrivals"), 1e9), most)) for seed in range(SEEDS)]


# --- instants


@SOME
@given(st.lists(st.floats(0.0, 99.0, exclude_max=True), min_size=1, max_size=50))
def test_the_instants_of_a_file_are_the_instants_of_the_samples(times_s: list[float]) -> None:
    world = line(arrivals=Arrivals("file", times_s=tuple(sorted(times_s))))
    assert offered_s(world).tolist() == sorted(times_s)


@pytest.mark.parametrize("order", [1, -1])
def test_files_that_share_an_instant_meet_there(order: int) -> None:
    assert 0.3 + (0.9 - 0.3) == 0.9000000000000001  # so it would be late, were gaps summed again
    files = [Arrivals("file", times_s=times_s) for times_s in ((0.3, 0.9), (0.9,))][::order]
    assert sorted(offered_s(line(2, arrivals=files))) == [0.3, 0.9, 0.9]


def test_a_long_file_and_long_constant_arrivals_do_not_drift() -> None:
    times_s = np.sort(np.random.default_rng(0).uniform(0, 1e4, 100_000))
    as_file = line(stage_s=(1e-3,), arrivals=Arrivals("file", times_s=tuple(times_s.tolist())), duration_s=1e4)
    np.testing.assert_array_equal(offered_s(as_file), times_s)
    constant = line(stage_s=(1e-3,), arrivals=Arrivals("constant", 10.0, phase_s=0.3), duration_s=1e4)
    found = offered_s(constant)
    assert len(found) == 99_997
    for k in (*range(100), 99_996):
        assert abs(Fraction(found[k]) - (Fraction(0.3) + Fraction(k, 10))) <= Fraction(ulp(found[k]))


@SOME
@given(st.floats(0.01, 0.7))
def test_ticks_come_at_multiples_of_their_period(period_s: float) -> None:
    world = line(2, (0.01, 0.01), arrivals=Arrivals("policy"), outputs=drawn(20, 2), duration_s=5.0)
    timeline = run(world, MdiExit(control_s=period_s).build(setting(world)), 1).timeline
    multiples = list(takewhile(lambda t: t < 5.0, (k * period_s for k in range(1, 501))))
    assert timeline.time_s.unique().tolist() == multiples


def rounded(n: int) -> Iterator[tuple[Trace, float]]:
    """Rates and starts of a message of 1 kB such that start + (end - start) is not the end."""
    rng = np.random.default_rng(0)
    while n:
        rate, start_s = Trace([0.0, 0.7], rng.uniform(5e3, 2e4, 2), 100.0), float(rng.uniform(0.3, 0.7))
        end_s = rate.finish_s(start_s, 8000.0)
        if start_s + (end_s - start_s) != end_s:
            n -= 1
            yield rate, start_s


@pytest.mark.parametrize("sharing", ["fifo", "fair"])
def test_a_transmission_ends_when_the_rate_says(sharing: str) -> None:
    for rate, start_s in rounded(10):
        once = Arrivals("file", times_s=(start_s,))
        world = line(2, (0.0,), arrivals=once, rate=rate, out_bytes=1000.0, label_bytes=0.0, duration_s=10.0)
        world = replace(world, sharing=sharing)  # type: ignore[arg-type]
        assert run(world, fixed(world, placement=1), 1).tasks.done_s.tolist() == [rate.finish_s(start_s, 8000.0)]


# --- phases


def test_a_stated_phase_is_when_the_first_sample_comes() -> None:
    for phase_s in (0.0, 0.3, 12.5):
        world = line(arrivals=Arrivals("constant", 2.0, phase_s=phase_s))
        assert offered_s(world)[:3].tolist() == [phase_s, phase_s + 0.5, phase_s + 1.0]


def test_phases_are_drawn_uniformly_over_one_gap() -> None:
    first_s, second_s = np.array(starts_s(Arrivals("constant", 4.0), 2)).T
    np.testing.assert_allclose(second_s - first_s, 0.25, rtol=1e-12)
    counts, _ = np.histogram(first_s, bins=10, range=(0.0, 0.25))
    assert counts.sum() == SEEDS
    assert ((counts - SEEDS / 10) ** 2 / (SEEDS / 10)).sum() < 27.9  # chi squared, nine degrees: p = 0.001


def test_alike_sources_are_not_in_step() -> None:
    for arrivals in (Arrivals("constant", 10.0), Arrivals("policy")):
        world = line(4, (0.01, 0.01), arrivals=[arrivals] * 4, outputs=drawn(20, 2))
        policy = MdiExit(adapt="none", initial_gap_s=0.1, exit_threshold=0.0).build(setting(world))
        first_s = [run(world, policy, seed).tasks.groupby("source", observed=True).born_s.min() for seed in (1, 2)]
        starts = np.concatenate(first_s)
        assert len(set(starts)) == 8
        assert starts.max() < 0.1


def test_a_policy_sets_the_gaps_from_a_stated_phase_on() -> None:
    world = line(2, (0.01, 0.01), arrivals=Arrivals("policy", phase_s=3.0), outputs=drawn(20, 2))
    policy = MdiExit(adapt="none", initial_gap_s=0.25).build(setting(world))
    assert run(world, policy, 1).tasks.born_s.tolist()[:3] == [3.0, 3.25, 3.5]


def test_on_off_sources_begin_as_they_go_on() -> None:
    """On a quarter of the time from the start, and so at a quarter of their rate, whatever came before."""
    short_s, rate_per_s, on_s, off_s = 0.5, 40.0, 1.0, 3.0
    arrivals = Arrivals("on-off", rate_per_s, on_s=on_s, off_s=off_s)
    first_s = starts_s(arrivals, 100)
    offered = np.array([np.searchsorted(some, short_s) for some in first_s])
    mean = rate_per_s * short_s * on_s / (on_s + off_s)
    assert offered.mean() == pytest.approx(mean, abs=4 * offered.std() / sqrt(SEEDS))


# --- ties


def two_cameras(phases_s: tuple[float | None, float | None] = (0.0, 0.0), *, swapped: bool = False) -> World:
    """Two cameras of 80 samples a second each, before a server of 100 a second with room for three."""
    ends = ((0, 2), (2, 0), (1, 2), (2, 1))
    base = line(3, (0.01,), rate=80e6, latency_s=0.001, duration_s=30.0)
    sources = [Source(d, Arrivals("constant", 80.0, phase_s=phase_s)) for d, phase_s in enumerate(phases_s)]
    return replace(
        base,
        devices=(Device("cam-1", "unit"), Device("cam-2", "unit"), Device("server", "unit", queue_limit=3)),
        links=tuple(Link(a, b, base.links[0].rate, 0.001, i) for i, (a, b) in enumerate(ends)),
        sources=tuple(sources[::-1] if swapped else sources),
        next_hop=np.array([[-1, 2, 2], [2, -1, 2], [0, 1, -1]]),
    )


def lost(world: World, seed: int) -> pd.Series:
    """The share of each camera's samples that found the server full."""
    tasks = run(world, fixed(world, placement=2), seed).tasks
    full = tasks.status.eq("queue-full").groupby(tasks.source, observed=True).mean()
    return full.sort_index(key=lambda names: names.astype(str))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_sources_in_step_none_is_always_first(seed: int) -> None:
    share = lost(two_cameras(), seed)
    assert share.mean() == pytest.approx(0.375, abs=0.002)  # 60 of 160 a second
    assert abs(share["cam-1"] - share["cam-2"]) < 0.06  # a fair coin 2,400 times: 4.2 deviations


def test_over_phases_none_is_favoured() -> None:
    shares = pd.DataFrame(
        [lost(replace(two_cameras((None, None)), window=Window(5.0)), seed) for seed in range(40)]
    )
    assert shares["cam-1"].between(0.0, 0.752).all()
    assert shares["cam-1"].mean() == pytest.approx(0.375, abs=4 * 0.375 / sqrt(40))


@pytest.mark.parametrize("phases_s", [(0.0, 0.0), (None, None), (0.0, None)])
def test_the_order_of_the_workload_means_nothing(phases_s: tuple[float | None, float | None]) -> None:
    tables = []
    for swapped in (False, True):
        world = two_cameras(phases_s, swapped=swapped)
        tasks = run(world, fixed(world, placement=2), 1).tasks.astype({"source": str})
        tables.append(tasks.sort_values(["born_s", "source"]).reset_index(drop=True))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_ties_of_one_source_keep_the_order_of_its_file() -> None:
    twice = Arrivals("file", times_s=(1.0,) * 8)
    world = line(1, (0.1,), arrivals=twice, order="sequential")
    world = replace(world, sources=(world.sources[0],) * 2)
    tasks = run(world, fixed(world), 1).tasks
    waits = tasks.groupby("source", observed=True).wait_s
    assert all((wait.diff().dropna() > 0.0).all() for _, wait in waits)
    first, second = (np.sort(wait) for _, wait in waits)
    assert first[0] < second[-1]
    assert second[0] < first[-1]  # neither goes wholly before the other


def test_at_one_instant_samples_are_offered_last() -> None:
    """Each of the 64 looks a second comes before the sample of its own instant, and counts the one before."""
    steady = Arrivals("constant", 64.0, phase_s=0.0)
    world = line(1, (2.0**-7,), arrivals=steady, duration_s=500 / 64)
    timeline = run(world, fixed(world), 1).timeline
    assert timeline.offered.tolist() == [1] * 499
    assert timeline.answered.tolist() == [1] * 499
