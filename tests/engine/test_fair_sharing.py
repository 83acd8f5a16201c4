"""Fair sharing of a channel equals a fluid simulation by brute force, whatever the flows and the rate."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from channel_flows import ends_s
from drawn_worlds import trace
from examples import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from mdisim.traces import Trace
from mdisim.world import ConstantRate, Rate

SOME = examples(150)


def fluid_ends_s(starts_s: list[float], bits: list[float], rates: list[Rate], cuts_s: list[float]) -> list[float]:
    """When each flow ends: step from one change to the next, with n flows each at an n-th of its rate."""
    now, left, ends = 0.0, list(bits), [inf] * len(bits)
    while True:
        active = [i for i, start_s in enumerate(starts_s) if start_s <= now < cuts_s[i] and ends[i] == inf]
        changes = [t for t in (*starts_s, *cuts_s, *knots_s(rates, now)) if t > now and t < inf]
        within = (now + min([*changes, now + 1.0])) / 2  # at a knot itself rounding may show either rate
        shares = {i: rates[i].rate_at(within) / len(active) for i in active}
        due = {i: now + left[i] / share for i, share in shares.items() if share}
        then = min([*changes, *due.values()], default=inf)
        if then == inf or all(ends[i] < inf or cuts_s[i] <= now for i in range(len(bits))):
            return ends
        for i, share in shares.items():
            left[i] -= share * (then - now)
            if due.get(i, inf) <= then + 1e-12:
                ends[i] = then
        now = then


def knots_s(rates: list[Rate], now: float) -> list[float]:
    """The next change of each rate."""
    found = []
    for rate in rates:
        if isinstance(rate, Trace):
            lap = now // rate.duration_s
            knots = np.concatenate([(lap + k) * rate.duration_s + rate.time_s for k in (0, 1)])
            found += [float(t) for t in knots[knots > now + 1e-12]][:1]
    return found


FLOWS = st.lists(st.tuples(st.floats(0, 2), st.floats(1e4, 1e6)), min_size=1, max_size=8)


@SOME
@given(FLOWS, st.integers(0, 2**32 - 1), st.booleans(), st.data())
def test_fair_sharing_is_a_fluid(
    flows: list[tuple[float, float]], seed: int, traced: bool, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    common = trace(rng, data.draw(st.integers(1, 8)))
    rates: list[Rate] = [common if traced else ConstantRate(float(rng.uniform(1e5, 1e7))) for _ in flows]
    starts_s, bits = [start for start, _ in flows], [amount for _, amount in flows]
    cuts_s = [start + data.draw(st.floats(0.01, 1)) if rng.random() < 0.3 else inf for start in starts_s]
    expected = fluid_ends_s(starts_s, bits, rates, cuts_s)
    assume(all(abs(end_s - cut_s) > 1e-9 for end_s in expected for cut_s in cuts_s if end_s < inf))
    assert ends_s(starts_s, bits, rates, cuts_s) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_two_flows_halve_the_rate_while_both_last() -> None:
    rate = ConstantRate(1e6)
    assert ends_s([0.0, 0.5], [1e6, 1e6], [rate, rate], [inf, inf]) == pytest.approx([1.5, 2.0])


def test_an_outage_of_the_trace_halts_all() -> None:
    rate = Trace(np.array([0.0, 1.0, 3.0]), np.array([1e6, 0.0, 2e6]), 10.0)
    assert ends_s([0.0, 0.0], [1e6, 2e6], [rate, rate], [inf, inf]) == pytest.approx([3.5, 4.0])
