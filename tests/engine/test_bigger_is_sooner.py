"""In a line with a planned placement, a faster link or device never delays any sample."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from worlds import drawn, fixed, line

from mdisim.engine import run
from mdisim.world import Arrivals, ConstantRate, Jitter, World

SOME = examples(20)


@st.composite
def lines(draw: st.DrawFn) -> World:
    K = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return line(
        K, rng.uniform(0.001, 0.03, (K, K)), arrivals=Arrivals("poisson", 60.0), outputs=drawn(50, K),
        work=rng.uniform(0.2, 3, (50, K)), size=rng.uniform(0.2, 3, (50, K + 1)),
        rate=float(rng.uniform(5e5, 5e6)),
        jitter=draw(st.sampled_from([Jitter(), Jitter("exponential")])), label_bytes=0,
        sender=draw(st.sampled_from(["device", "link"])), duration_s=2.0, drain=True, drain_limit_s=inf,
    )  # fmt: skip


def done_s(world: World, threshold: float) -> np.ndarray:
    policy = fixed(world, threshold, placement=tuple(range(world.n_exits)))
    return run(world, policy, 1).tasks.done_s.to_numpy()


@SOME
@given(lines(), st.floats(0, 1), st.floats(1, 10), st.data())
def test_a_faster_device_never_delays_a_sample(
    world: World, threshold: float, factor: float, data: st.DataObject
) -> None:
    stage_s = world.stage_s.copy()
    stage_s[data.draw(st.integers(0, len(world.devices) - 1))] /= factor
    faster = replace(world, stage_s=stage_s)
    assert (done_s(faster, threshold) <= done_s(world, threshold) + 1e-12).all()


@SOME
@given(lines(), st.floats(0, 1), st.floats(1, 10))
def test_more_bandwidth_never_delays_a_sample(world: World, threshold: float, factor: float) -> None:
    links = tuple(replace(link, rate=ConstantRate(link.rate.mean_bps() * factor)) for link in world.links)
    wider = replace(world, links=links)
    assert (done_s(wider, threshold) <= done_s(world, threshold) + 1e-12).all()
