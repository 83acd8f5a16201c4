"""Writing and reading back: what each format can hold comes back, and a file is written whole or not at all."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from drawn_traces import traces
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdisim.traces import Trace, TraceError, left_out, read, write
from mdisim.traces.formats import WRITTEN, mahimahi

SOME = settings(examples(40), suppress_health_check=list(HealthCheck))
words = st.text(max_size=20)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("written") / "some.trace"


def there_and_back(trace, path, form):
    write(trace, path, form)
    return read(path, form)


@given(trace=traces(), notes=st.dictionaries(words, words, max_size=3))
@SOME
def test_our_own_format_loses_nothing(trace, notes, path):
    assert there_and_back(replace(trace, notes=notes), path, "mdisim") == trace
    assert read(path) == trace


def test_our_own_format_keeps_the_notes(path):
    notes = {"source": "a train: the 7.15", "licence": "CC0", "made": "by hand"}
    back = there_and_back(Trace([0], [1], 2, notes=notes), path, "mdisim")
    assert dict(back.notes) == notes


def test_notes_cannot_change_the_trace(path):
    notes = {
        "duration_s": "1",
        "end": "stop",
        "two\nlines": "0,0\n1,1",
        "a:b": "c",
        "": "nobody's",
        "é\u2028": "\x85",
    }
    assert there_and_back(Trace([0, 1], [1, 2], 9, notes=notes), path, "mdisim") == Trace([0, 1], [1, 2], 9)


@pytest.mark.parametrize("form", ["pensieve", "json", "oboe"])
@given(trace=traces(ends=("loop",)))
@SOME
def test_other_formats_of_rates_lose_at_most_a_last_digit(trace, path, form):
    back = there_and_back(trace, path, form)
    np.testing.assert_allclose(back.time_s, trace.time_s, rtol=1e-13)
    np.testing.assert_allclose(back.rate_bps, trace.rate_bps, rtol=1e-14)
    assert back.duration_s == pytest.approx(trace.duration_s, rel=1e-13)
    if form == "json" and trace.latency_s is not None:
        np.testing.assert_allclose(back.latency_s, trace.latency_s, rtol=1e-14)


@given(
    stamps=st.lists(st.integers(0, 200_000), min_size=1, max_size=300), bin_s=st.sampled_from((0.001, 0.1, 0.25))
)
@SOME
def test_packets_come_back_in_the_same_bins(stamps, bin_s, path):
    path.write_text("\n".join(map(str, sorted([*stamps, max(stamps) + 1]))))
    trace = read(path, bin_s=bin_s)
    write(trace, path, "mahimahi")
    back = read(path, bin_s=bin_s)
    assert back.duration_s == trace.duration_s
    np.testing.assert_array_equal(back.time_s, trace.time_s)
    np.testing.assert_allclose(back.rate_bps, trace.rate_bps)


@pytest.mark.parametrize("stamps", ["10867", "1\n10867", "199999\n199999\n199999"])
def test_no_packet_comes_of_rounding(stamps, path):
    path.write_text(stamps + "\n")
    write(read(path, "mahimahi", bin_s=0.001), path, "mahimahi")
    assert path.read_text() == stamps + "\n"


@given(trace=traces(ends=("loop",), most=4))
@SOME
def test_a_packet_stands_at_the_first_millisecond_by_which_it_is_through(trace, path):
    rate_bps = np.minimum(trace.rate_bps, 1e5)
    trace = replace(trace, rate_bps=rate_bps, latency_s=None, loss=None)
    if not rate_bps.any():
        return
    write(trace, path, "mahimahi")
    stamps = np.array(path.read_text().split(), dtype=int)
    assert len(stamps) == pytest.approx(trace.bits(trace.duration_s) / 12_000, abs=1 + 1e-6)
    assert stamps[-1] == round(trace.duration_s * 1e3)
    assert (np.diff(stamps) >= 0).all()
    for number in range(1, len(stamps), 7):
        assert stamps[number - 1] == pytest.approx(
            ceil(trace.finish_s(0.0, (number - 1e-6) * 12_000) * 1e3 - 1e-6),
            abs=1 if number < len(stamps) else 0,
        )


def test_a_constant_rate_as_packets(path):
    write(Trace([0], [1e-3], 2), path, "mahimahi")  # the least bit is a packet
    assert path.read_text() == "2000\n"
    write(Trace([0], [12e6], 0.005), path, "mahimahi")
    assert path.read_text() == "1\n2\n3\n4\n5\n"
    write(Trace([0, 0.002], [18e6, 0], 0.010), path, "mahimahi")
    assert path.read_text() == "1\n2\n10\n"  # the last line says where the trace repeats


def test_what_packets_cannot_tell_is_refused_and_the_file_left_as_it_was(path):
    path.write_text("before")
    for trace, told in (
        (Trace([0], [0], 1), "0 packets in 1 s; one or more"),
        (Trace([0], [1e6], 1e-5), "in 1e-05 s"),
        (Trace([0], [1e-300], 1e300), "in 1e\\+300 s; one or more in 1 ms"),
        (Trace([0], [1e12], 3600), "a part of the trace would do"),
    ):
        with pytest.raises(TraceError, match=told):
            write(trace, path, "mahimahi")
    with pytest.raises(TraceError, match="no format to write 'irish5g'; there are mdisim, mahimahi"):
        write(Trace([0], [1], 1), path, "irish5g")
    assert path.read_text() == "before"
    assert [child.name for child in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("form", ["json", "oboe"])
def test_numbers_too_large_for_the_unit_are_refused(path, form):
    with pytest.raises(TraceError, match="milliseconds beyond what a number can hold"):
        write(Trace([0], [0], 1e308), path, form)


def test_what_is_left_out_is_told():
    full = Trace([0], [1], 1, "stop", [0.1], [0.2])
    assert {form: left_out(full, form) for form in WRITTEN} == {
        "mdisim": [],
        "mahimahi": ["latency_s", "loss", "that it ends in stop"],
        "pensieve": ["latency_s", "loss", "that it ends in stop"],
        "json": ["loss", "that it ends in stop"],
        "oboe": ["latency_s", "loss", "that it ends in stop"],
    }
    assert left_out(Trace([0], [1], 1), "mahimahi") == []


def test_the_text_of_each_format(path):
    trace = Trace([0, 0.5], [2e6, 0], 2, "loop", [0.02, 0.02])
    texts = {}
    for form in ("mdisim", "pensieve", "json", "oboe"):
        write(trace, path, form)
        texts[form] = path.read_text()
    assert texts == {
        "mdisim": "# duration_s: 2.0\n# end: loop\ntime_s,rate_bps,latency_s\n0.0,2000000.0,0.02\n0.5,0.0,0.02\n",
        "pensieve": "0.0\t2.0\n0.5\t2.0\n2.0\t0.0\n",
        "json": '[\n  {"duration_ms": 500.0, "bandwidth_kbps": 2000.0, "latency_ms": 40.0},\n'
        '  {"duration_ms": 1500.0, "bandwidth_kbps": 0.0, "latency_ms": 40.0}\n]\n',
        "oboe": "0.0 2000.0\n500.0 2000.0\n500.0 0.0\n2000.0 0.0\n",
    }
    assert mahimahi.text(trace).splitlines()[-1] == "2000"
