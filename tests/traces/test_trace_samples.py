"""Published traces, where a checkout has them beside it."""

import json
from pathlib import Path

import numpy as np
import pytest

from mdisim.traces import TraceError, format_of, read, statistics, write

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = REPOSITORY.parent / "shared" / "traces"
FOLDERS = {
    "mahimahi": ("mahimahi/*.up", "mahimahi/*.down"),
    "pensieve": ("confiwent/*/trace*", "confiwent/*/norway*", "confiwent/*/oboe*", "lumos5g/*/?g_trace*"),
    "json": ("sabre/*/*.json",),
    "irish5g": ("irish5g/*.csv",),
    "oboe": ("oboe/trace*",),
}

published = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the published traces are not beside this checkout")


def samples(form):
    return [path for pattern in FOLDERS[form] for path in sorted(SAMPLES.glob(pattern))]


@published
@pytest.mark.parametrize("form", FOLDERS)
def test_published_traces_are_told_apart_and_read(form, tmp_path):
    assert samples(form)
    for path in samples(form):
        assert format_of(path) == form
        trace = read(path)
        found = statistics(trace)
        assert 1 <= found.duration_s <= 10_000
        assert 1e4 <= found.mean_bps <= 1e9
        assert 0 <= found.p5_bps <= found.p50_bps <= found.p95_bps <= found.max_bps
        write(trace, tmp_path / "ours.csv")
        assert read(tmp_path / "ours.csv") == trace


@published
def test_packets_of_published_traces_are_all_there():
    for path in samples("mahimahi"):
        trace, stamps = read(path), np.loadtxt(path)
        assert trace.duration_s == stamps[-1] / 1e3
        assert trace.bits(trace.duration_s - 1e-12) == pytest.approx(12_000 * len(stamps))


@published
def test_pensieve_steps_of_published_traces_move_what_pensieve_moves():
    """Its simulator divides each step's time with the rate at the step's end, from the second line on."""
    for path in samples("pensieve"):
        seconds, mbps = np.loadtxt(path).T
        first = 0 if seconds[0] else 1
        ends = np.diff(seconds, prepend=0.0)
        trace = read(path)
        assert trace.bits(trace.duration_s - 1e-12) == pytest.approx(1e6 * np.dot(mbps[first:], ends[first:]))


@published
def test_published_steps_come_back_as_they_were(tmp_path):
    for path in samples("json"):
        write(read(path), tmp_path / "steps.json", "json")
        given, written = (json.loads(p.read_text()) for p in (path, tmp_path / "steps.json"))
        assert written == [step for step in given if step["duration_ms"]]


@published
def test_an_oboe_session_is_its_copy_for_pensieve():
    session = read(SAMPLES / "oboe" / "trace_0.txt")
    copy = read(SAMPLES / "confiwent" / "traces_oboe" / "oboe_trace_0.txt")
    np.testing.assert_array_equal(session.time_s, copy.time_s)
    np.testing.assert_allclose(session.rate_bps, copy.rate_bps, rtol=1e-15)
    assert session.duration_s == copy.duration_s


@published
def test_texts_beside_the_traces_are_no_traces():
    for path in [*SAMPLES.glob("*/README*"), *SAMPLES.glob("*/LICENSE"), *SAMPLES.glob("*/COPYING")]:
        with pytest.raises(TraceError, match="in no format that can be told"):
            read(path)
