"""The integral of a trace: when so many bits are moved, held against a scan with exact fractions."""

from array import array
from fractions import Fraction
from math import inf, log2

import numpy as np
import pytest
from drawn_traces import dyadic_traces, eighths, traces
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from mdisim.traces import Trace, TraceError

SOME = examples(60)
numbers = st.floats(0, 1000)
amounts = st.floats(0, 1e11)


def scanned(trace, start_s, bits):
    """When the bits are moved, knot by knot in fractions: the plainest way there is."""
    if not bits:
        return start_s
    now, left, lap = Fraction(start_s), Fraction(bits), 0
    edges = [Fraction(t) for t in (*trace.time_s.tolist(), trace.duration_s)]
    rates = [Fraction(rate) for rate in trace.rate_bps.tolist()]
    if trace.end == "loop" and not any(rates):
        return inf
    while True:
        for k, rate in enumerate(rates):
            end = edges[k + 1] + lap * edges[-1]
            if end > now:
                if rate and left <= rate * (end - now):
                    return float(now + left / rate)
                left, now = left - rate * (end - now), end
        if trace.end != "loop":
            rate = rates[-1] if trace.end == "hold" else 0
            return float(now + left / rate) if rate else inf
        lap += 1


@given(dyadic_traces(), eighths, eighths)
@SOME
def test_a_transfer_ends_when_a_scan_says_so(trace, start_s, bits):
    assert trace.finish_s(start_s, bits) == scanned(trace, start_s, bits)


@given(dyadic_traces(), st.integers(0, 400))
@SOME
def test_the_time_in_which_something_moves_is_counted_eighth_by_eighth(trace, eighth):
    moving = [trace.rate_at(i / 8.0) > 0.0 for i in range(eighth)]
    assert trace.moving_s(eighth / 8.0) == sum(moving) / 8.0


@given(dyadic_traces(), eighths, eighths, eighths)
@SOME
def test_moving_two_amounts_together_is_moving_one_after_the_other(trace, start_s, one, other):
    between = trace.finish_s(start_s, one)
    assert trace.finish_s(start_s, one + other) == (trace.finish_s(between, other) if between < inf else inf)


@given(traces(), numbers, amounts)
@SOME
def test_between_start_and_finish_lie_the_bits(trace, start_s, bits):
    finish_s = trace.finish_s(start_s, bits)
    if finish_s < inf:
        moved = trace.bits(finish_s) - trace.bits(start_s)
        rounding = 1e-12 * trace.rate_bps.max() * finish_s
        assert moved == pytest.approx(bits, rel=1e-9, abs=1e-9 + rounding)
        assert finish_s >= start_s
    else:
        assert trace.bits(1e6) - trace.bits(start_s) < bits or not trace.rate_bps.any()


@given(traces(), numbers, amounts, amounts)
@SOME
def test_more_bits_are_never_moved_sooner(trace, start_s, one, other):
    few, many = sorted((one, other))
    assert trace.finish_s(start_s, few) <= trace.finish_s(start_s, many) * (1 + 1e-12)


@given(traces(), numbers, numbers, amounts)
@SOME
def test_starting_later_never_ends_sooner(trace, one, other, bits):
    early, late = sorted((one, other))
    first, second = trace.finish_s(early, bits), trace.finish_s(late, bits)
    rounding_bits = 1e-9 + 1e-12 * trace.bits(min(first, 1e9))
    assert second == inf or trace.bits(first) <= trace.bits(second) + rounding_bits


@given(st.floats(1, 1e9), numbers, amounts, st.sampled_from(("loop", "hold")))
@SOME
def test_a_constant_rate_is_a_division(rate_bps, start_s, bits, end):
    trace = Trace([0.0], [rate_bps], 10.0, end)
    assert trace.finish_s(start_s, bits) == pytest.approx(start_s + bits / rate_bps, rel=1e-12)
    assert trace.mean_bps() == pytest.approx(rate_bps)


@given(traces(ends=("loop",)), numbers)
@SOME
def test_a_loop_repeats(trace, time_s):
    lap_bits = trace.bits(trace.duration_s)
    assert trace.bits(time_s + trace.duration_s) == pytest.approx(
        trace.bits(time_s) + lap_bits, rel=1e-9, abs=1e-6 * trace.rate_bps.max()
    )


def test_an_outage_is_waited_out_and_its_start_is_when_the_bits_before_it_are_through():
    trace = Trace([0, 1, 3], [8, 0, 4], 4)
    assert trace.finish_s(0.0, 8) == 1.0
    assert trace.finish_s(0.0, 9) == 3.25
    assert trace.finish_s(2.0, 4) == 4.0
    assert trace.finish_s(2.0, 5) == 4.125
    assert trace.finish_s(2.0, 4 + 10 * 12) == 44.0
    assert [trace.rate_at(t) for t in (0, 0.99, 1, 3, 4, 5.5)] == [8, 8, 0, 4, 8, 0]


def test_after_its_end_a_trace_begins_again_holds_or_stops():
    kinds = {end: Trace([0, 1], [8, 4], 2, end) for end in ("loop", "hold", "stop")}
    assert {end: trace.finish_s(0.0, 16) for end, trace in kinds.items()} == {
        "loop": 2.5,
        "hold": 3.0,
        "stop": inf,
    }
    assert {end: trace.rate_at(2.5) for end, trace in kinds.items()} == {"loop": 8, "hold": 4, "stop": 0}
    assert {end: trace.bits(3.0) for end, trace in kinds.items()} == {"loop": 20, "hold": 16, "stop": 12}


@pytest.mark.parametrize("width_s", [0.1, 0.7, 1.0])
@pytest.mark.parametrize("laps", [1, 3, 354, 564, 100_001])
def test_whole_laps_end_at_the_end_of_the_last_one(width_s, laps):
    """Also where a lap's bits are no round number; an outage at the end of a lap is not waited for."""
    whole = Trace([0.0], [3.3], width_s)
    assert whole.finish_s(0.0, laps * whole.bits(width_s)) == pytest.approx(laps * width_s, rel=1e-12)
    dyadic = Trace([0.0, 1.0], [4.0, 0.0], 3.0)
    assert dyadic.finish_s(0.0, laps * 4.0) == 3.0 * (laps - 1) + 1.0


def test_bits_too_few_to_show_in_the_sum_wait_for_the_end_of_the_outage():
    trace = Trace([0, 1, 2, 3], [1, 0, 0, 2], 4)
    assert trace.finish_s(1.5, 1e-300) == 3.0
    assert Trace([0, 1, 2], [1, 0, 0], 3).finish_s(1.5, 1e-300) == 3.0
    assert Trace([0, 1, 2], [1, 0, 0], 3, "stop").finish_s(1.5, 1e-300) == inf


def test_nothing_comes_through_a_dead_link():
    for end in ("loop", "hold", "stop"):
        assert Trace([0, 1], [0, 0], 2, end).finish_s(0.5, 1) == inf
    assert Trace([0], [0], 1).finish_s(0.5, 0) == 0.5


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"time_s": []}, "one knot or more"),
        ({"time_s": [1, 2]}, "begin at 0"),
        ({"time_s": [0, 0]}, "rise"),
        ({"time_s": [0, np.nan]}, "rise"),
        ({"rate_bps": [1, -1]}, "at least 0"),
        ({"rate_bps": [1, inf]}, "finite"),
        ({"rate_bps": [1]}, "one rate_bps per time"),
        ({"duration_s": 1}, "lasts longer"),
        ({"duration_s": inf}, "lasts longer"),
        ({"end": "repeat"}, "loop or hold or stop"),
        ({"loss": [0, 1]}, "below 1"),
        ({"latency_s": [0, -1]}, "latency_s"),
    ],
)
def test_what_is_no_trace_is_refused(parts, told):
    with pytest.raises(TraceError, match=told):
        Trace(**({"time_s": [0, 1], "rate_bps": [1, 2], "duration_s": 2} | parts))


class Counted:
    """A list of numbers that counts how often one is looked at."""

    def __init__(self, values):
        self.values, self.looks = values, 0

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        self.looks += 1
        return self.values[index]


def looks(knots, ask):
    """How many numbers of its tables a trace looks at, at most, to answer any of many questions."""
    rng = np.random.default_rng(1)
    trace = Trace(np.arange(knots), rng.integers(0, 9, knots), knots)
    tables = [Counted(array("d", table)) for table in trace._knots]
    trace.__dict__["_knots"] = tuple(tables)
    counts = []
    for _ in range(200):
        before = sum(table.looks for table in tables)
        ask(trace, rng)
        counts.append(sum(table.looks for table in tables) - before)
    return max(counts)


@pytest.mark.parametrize(
    "ask",
    [
        lambda trace, rng: trace.finish_s(rng.uniform(0, 2 * len(trace)), rng.uniform(0, 9 * len(trace))),
        lambda trace, rng: trace.bits(rng.uniform(0, 2 * len(trace))),
        lambda trace, rng: trace.rate_at(rng.uniform(0, 2 * len(trace))),
    ],
    ids=["finish_s", "bits", "rate_at"],
)
def test_a_million_knots_cost_a_few_looks_more_than_ten(ask):
    few, many = looks(10, ask), looks(1_000_000, ask)
    assert many <= 4 * log2(1_000_000)
    assert many <= 5 * few
