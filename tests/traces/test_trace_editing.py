"""Traces made of traces: by hand, and the bits that they move."""

from math import inf, nan

import numpy as np
import pytest
from drawn_traces import traces
from examples import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from mdisim.traces import Trace, TraceError, cut, joined, resampled, scaled, shifted, stretched

SOME = examples(50)
TWO = Trace([0, 1], [8, 4], 3, "loop", [0.1, 0.2], [0.0, 0.5])
numbers = st.floats(0, 1000)
factors = st.floats(0.001, 1000)


def ended(end):
    return Trace(TWO.time_s, TWO.rate_bps, TWO.duration_s, end, TWO.latency_s, TWO.loss)


def close(bits, trace):
    """Two amounts that may differ by the rounding of times and sums."""
    return pytest.approx(bits, rel=1e-9, abs=1e-9 + 1e-11 * trace.rate_bps.max() * (1000 + trace.duration_s))


# --- by hand


def test_by_hand():
    assert scaled(TWO, 2) == Trace([0, 1], [16, 8], 3, "loop", [0.1, 0.2], [0, 0.5])
    assert scaled(TWO, mean_bps=32 / 3).rate_bps.tolist() == [16, 8]
    assert stretched(TWO, 2) == Trace([0, 2], [8, 4], 6, "loop", [0.1, 0.2], [0, 0.5])
    assert shifted(TWO, 0.5) == Trace([0, 0.5, 2.5], [8, 4, 8], 3, "loop", [0.1, 0.2, 0.1], [0, 0.5, 0])
    assert shifted(TWO, -1) == Trace([0, 1, 2], [4, 8, 4], 3, "loop", [0.2, 0.1, 0.2], [0.5, 0, 0.5])
    assert shifted(TWO, 4) == Trace([0, 2], [4, 8], 3, "loop", [0.2, 0.1], [0.5, 0])
    assert cut(TWO, 0.5, 2) == Trace([0, 0.5], [8, 4], 1.5, "loop", [0.1, 0.2], [0, 0.5])
    assert joined(TWO, TWO) == Trace([0, 1, 3, 4], [8, 4, 8, 4], 6, "loop", [0.1, 0.2] * 2, [0, 0.5] * 2)
    coarse = resampled(TWO, 2)
    assert coarse == Trace([0, 2], [6, 4], 3, "loop", [(0.1 + 0.2) / 2, 0.2], [0.25, 0.5])


def test_beyond_its_end_a_piece_repeats_holds_or_has_stopped():
    assert cut(TWO, 2, 7) == Trace([0, 1, 2, 4], [4, 8, 4, 8], 5, "loop", [0.2, 0.1, 0.2, 0.1], [0.5, 0, 0.5, 0])
    assert cut(ended("hold"), 2, 7) == Trace([0], [4], 5, "hold", [0.2], [0.5])
    assert cut(ended("stop"), 2, 7) == Trace([0, 1], [4, 0], 5, "stop", [0.2, 0.2], [0.5, 0.5])
    assert cut(ended("stop"), 5, 7) == Trace([0], [0], 2, "stop", [0.2], [0.5])
    assert shifted(ended("hold"), 9) == Trace([0], [4], 2, "hold", [0.2], [0.5])
    assert shifted(ended("stop"), 2) == Trace([0], [4], 1, "stop", [0.2], [0.5])


def test_a_step_of_the_traces_own_leaves_it_as_it_is():
    """Three tenths are not three times a tenth to a computer: no rate leaks over that difference."""
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    trace = Trace(times, [0, 9, 0, 9, 0, 9, 0, 9], 0.8)
    again = resampled(trace, 0.1)
    assert again.time_s.tolist() == times
    np.testing.assert_allclose(again.rate_bps, trace.rate_bps)
    assert not again.rate_bps[::2].any()


def test_notes_go_along():
    noted = Trace([0], [1], 1, notes={"source": "here"})
    for made in (
        scaled(noted, 2),
        stretched(noted, 2),
        shifted(noted, 0.5),
        cut(noted, 0, 3),
        resampled(noted, 0.1),
    ):
        assert made.notes == {"source": "here"}
    assert joined(noted, TWO_BARE).notes == {"source": "here"}


TWO_BARE = Trace([0, 1], [8, 4], 3)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda: scaled(TWO), "name one of them"),
        (lambda: scaled(TWO, 1, mean_bps=1), "name one of them"),
        (lambda: scaled(TWO, -1), "factor is -1; a finite number, 0 or more"),
        (lambda: scaled(TWO, nan), "factor is nan"),
        (lambda: scaled(TWO, 1e308), "finite"),
        (lambda: scaled(Trace([0], [0], 1), mean_bps=5), "moves nothing"),
        (lambda: stretched(TWO, 0), "a factor above 0 would do"),
        (lambda: stretched(TWO, 1e308), "rise|lasts longer"),
        (lambda: shifted(TWO, inf), "by_s is inf"),
        (lambda: shifted(ended("hold"), -1), "by_s is -1; a finite number, 0 or more"),
        (lambda: shifted(ended("stop"), 3), "nothing left after 3 s"),
        (lambda: cut(TWO, 2, 2), "has no duration"),
        (lambda: cut(TWO, -1, 2), "from_s is -1"),
        (lambda: cut(TWO, 0, 1e12), "10000000 or fewer would do"),
        (lambda: cut(Trace([0], [1], 0.1), 0, 1e308), "10000000 or fewer would do"),
        (lambda: resampled(TWO, 0), "a step above 0 would"),
        (lambda: resampled(TWO, 1e-320), "10000000 or fewer would do"),
        (lambda: joined(), "one trace or more"),
        (lambda: joined(TWO, TWO_BARE), "the same columns in each"),
    ],
)
def test_what_means_nothing_is_refused(edit, told):
    with pytest.raises(TraceError, match=told):
        edit()


# --- bits


@given(traces(), factors, numbers)
@SOME
def test_a_scaled_trace_moves_so_many_times_the_bits(trace, factor, time_s):
    assert scaled(trace, factor).bits(time_s) == pytest.approx(factor * trace.bits(time_s), rel=1e-9)
    if trace.mean_bps():
        assert scaled(trace, mean_bps=factor).mean_bps() == pytest.approx(factor)


@given(traces(), factors, numbers)
@SOME
def test_a_stretched_trace_does_the_same_more_slowly(trace, factor, time_s):
    slow = stretched(trace, factor)
    assert slow.bits(factor * time_s) == close(factor * trace.bits(time_s), slow)


@given(traces(), numbers, numbers)
@SOME
def test_a_shifted_trace_does_at_0_what_the_whole_does_then(trace, by_s, time_s):
    assume(trace.end != "stop" or by_s < trace.duration_s)
    moved = shifted(trace, by_s)
    assert moved.bits(time_s) == close(trace.bits(by_s + time_s) - trace.bits(by_s), trace)
    if trace.end == "loop":
        assert moved.duration_s == trace.duration_s
        assert shifted(moved, -by_s).bits(time_s) == close(trace.bits(time_s), trace)


@given(traces(), numbers, st.floats(0.01, 100))
@SOME
def test_a_piece_moves_what_the_whole_moves_meanwhile(trace, from_s, width_s):
    piece = cut(trace, from_s, from_s + width_s)
    for time_s in np.linspace(0, piece.duration_s, 5):
        assert piece.bits(float(time_s)) == close(trace.bits(from_s + time_s) - trace.bits(from_s), trace)
    middle = piece.time_s + piece.widths_s / 2
    for known in ("latency", "loss"):
        for k in np.flatnonzero(piece.widths_s > 1e-6):
            of = [
                getattr(t, f"{known}_at")(float(s)) for t, s in ((piece, middle[k]), (trace, from_s + middle[k]))
            ]
            assert of[0] == of[1]


@given(traces(), st.floats(0.5, 200))
@SOME
def test_in_every_step_a_resampled_trace_moves_the_same_bits(trace, step_s):
    coarse = resampled(trace, step_s)
    assert (coarse.duration_s, coarse.end) == (trace.duration_s, trace.end)
    np.testing.assert_allclose(coarse.time_s, step_s * np.arange(len(coarse)), rtol=1e-14)
    for edge in (*coarse.time_s.tolist(), coarse.duration_s * 0.999999):
        if edge in coarse.time_s:
            assert coarse.bits(edge) == close(trace.bits(edge), trace)
    assert coarse.mean_bps() == pytest.approx(trace.mean_bps())
    if trace.latency_s is not None:
        assert np.sum(coarse.latency_s * coarse.widths_s) == pytest.approx(
            np.sum(trace.latency_s * trace.widths_s)
        )


@given(st.lists(traces(columns=False), min_size=1, max_size=4))
@SOME
def test_joined_traces_move_their_bits_one_after_the_other(parts):
    whole = joined(*parts)
    assert whole.end == parts[-1].end
    at_s = bits = 0.0
    for part in parts:
        assert whole.bits(at_s + part.duration_s / 3) == close(bits + part.bits(part.duration_s / 3), whole)
        at_s, bits = at_s + part.duration_s, bits + part.mean_bps() * part.duration_s
    assert whole.duration_s == pytest.approx(at_s)
    assert whole.mean_bps() * whole.duration_s == pytest.approx(bits)


@given(traces(ends=("loop", "stop")), st.floats(0.001, 0.999))
@SOME
def test_a_trace_cut_in_two_and_joined_again_is_the_trace(trace, share):
    at_s = share * trace.duration_s
    again = joined(cut(trace, 0, at_s), cut(trace, at_s, trace.duration_s))
    for time_s in np.linspace(0, trace.duration_s, 7):
        assert again.bits(float(time_s)) == close(trace.bits(float(time_s)), trace)
