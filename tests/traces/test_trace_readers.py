"""Every format with files made by hand, whose traces are known; and what is refused, in one message."""

import os

import numpy as np
import pytest
from made_files import IRISH, KNOWN, OBOE

from mdisim.traces import Trace, TraceError, doubts, format_of, load, read, shipped
from mdisim.traces.formats import FORMATS


@pytest.fixture
def made(tmp_path):
    def make(content):
        path = tmp_path / "some.trace"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def refusal(path, *args, **options):
    """The message of a TraceError, which begins with the file's name."""
    with pytest.raises(TraceError) as caught:
        read(path, *args, **options)
    message = str(caught.value)
    assert message.startswith(str(path)), message
    return message.removeprefix(f"{path}: ")


# --- the formats


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("told", [True, False], ids=["named", "told apart"])
def test_each_format_is_read_as_it_is_meant(made, name, told):
    content, times, rates, duration_s = KNOWN[name]
    path = made(content)
    trace = read(path, name if told else None)
    np.testing.assert_allclose(trace.time_s, times, rtol=1e-15)
    np.testing.assert_allclose(trace.rate_bps, rates, rtol=1e-15)
    assert trace.duration_s == duration_s
    assert format_of(path) == name


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
    ],
    ids=["BOM", "CRLF", "CR", "no last newline", "empty lines at the end"],
)
def test_the_ways_of_writing_lines_do_not_matter(made, name, change):
    content = KNOWN[name][0]
    assert read(made(change(content))) == read(made(content))


def test_our_own_notes_end_and_columns_are_read(made):
    trace = read(made("# source: a train: the 7.15\n# licence: CC0\n# by hand\n# duration_s: 9\n# end: stop\n"
                      "latency_s, loss ,time_s,rate_bps\n0.02,0,0,1\n0.03,0.5,4,2\n"))  # fmt: skip
    assert trace == Trace([0, 4], [1, 2], 9, "stop", [0.02, 0.03], [0, 0.5])
    assert dict(trace.notes) == {"source": "a train: the 7.15", "licence": "CC0", "note": "by hand"}


def test_without_a_duration_the_last_rate_holds_as_long_as_the_one_before(made):
    assert read(made("time_s,rate_bps\n0,1\n2,2\n5,3\n")).duration_s == 8.0
    assert read(made("# duration_s: 2.5\ntime_s,rate_bps\n0,1\n")) == Trace([0], [1], 2.5)
    assert "line such as '# duration_s: 60'" in refusal(made("time_s,rate_bps\n0,1\n"))


def test_packets_are_counted_exactly_in_any_bins(made):
    stamps = np.sort(np.random.default_rng(1).integers(0, 5_000, 3_000))
    path = made("\n".join(map(str, stamps)))
    for bin_s in (0.001, 0.1, 0.7, 1.0, 99.0):
        trace = read(path, bin_s=bin_s)
        assert trace.duration_s == stamps[-1] / 1e3
        assert trace.bits(trace.duration_s) == pytest.approx(12_000 * len(stamps))
        ends = [*trace.time_s[1:].tolist(), trace.duration_s]
        for end_s in ends[:: max(len(ends) // 50, 1)]:
            packets = np.count_nonzero(stamps <= round(end_s * 1e3))
            assert trace.bits(end_s - 1e-15) == pytest.approx(12_000 * packets, rel=1e-9)


def test_a_packet_counts_in_the_bin_that_ends_with_it_and_one_at_0_in_the_first(made):
    assert read(made("1")).rate_bps.tolist() == [12e6]  # 12 Mbit/s, as mahimahi's own README has it
    trace = read(made("0\n100\n200\n201"))
    assert trace.time_s.tolist() == [0, 0.1]
    np.testing.assert_allclose(trace.rate_bps * trace.widths_s, [24_000, 24_000])


def test_an_outage_of_a_hundred_years_is_one_knot(made):
    trace = read(made("100\n3153600000000\n"))
    assert len(trace) == 3
    assert trace.rate_at(1e9) == 0.0
    assert trace.bits(trace.duration_s) == pytest.approx(24_000)


def test_pensieves_stamps_end_intervals(made):
    assert read(made("1 5\n2 7\n")) == Trace([0, 1], [5e6, 7e6], 2)
    assert read(made("0 5\n1 5\n2 7\n")) == Trace([0, 1], [5e6, 7e6], 2)
    twice = read(made("0 5\n1 5\n1 6\n2 7\n"))
    assert twice == Trace([0, 1], [5e6, 7e6], 2)
    assert twice.notes["left out"] == "1 line of no duration"
    assert "begins at 500 s, though the longest step is 1 s" in refusal(made("500 5\n501 6\n502 7\n"))


def test_steps_of_no_duration_are_left_out(made):
    text = '[{"duration_ms": 0, "bandwidth_kbps": 5}, {"duration_ms": 1000, "bandwidth_kbps": 8}]'
    assert read(made(text)) == Trace([0], [8e3], 1)


def test_sabres_latency_is_from_a_request_to_the_first_bit_and_so_there_and_back(made):
    text = '[{"duration_ms": 500, "bandwidth_kbps": 8, "latency_ms": 20}, '
    text += '{"duration_ms": 500, "bandwidth_kbps": 8, "latency_ms": 100}]'
    np.testing.assert_allclose(read(made(text)).latency_s, [0.01, 0.05])


def test_an_irish_logs_pings_go_there_and_back_and_its_uplink_is_asked_for(made):
    path = made(IRISH)
    np.testing.assert_allclose(read(path).latency_s, [0.04, 0.04, 0.03])
    assert read(path, column="UL_bitrate").rate_bps.tolist() == [10e3, 40e3, 0]
    assert read(path).notes["longest gap"] == "3 s"
    assert read(made(IRISH.replace("80.0", "-").replace("60.0", "-"))).latency_s is None


def test_oboes_chunks_and_their_copy_for_pensieve_are_the_same_trace(made):
    copied = "".join(
        f"{int(end) / 1e3} {int(rate) / 1e3}\n" for end, rate in map(str.split, OBOE.split("\n")[1::2])
    )
    assert read(made(OBOE)) == read(made(copied))


# --- telling formats apart


@pytest.mark.parametrize("text", ["0 5\n10 5\n", "0 5\n1 5\n2 7\n3 7\n", "0 5\n600 5\n"])
def test_lines_in_pairs_of_one_rate_are_ambiguous(made, text):
    assert "--format pensieve or oboe" in refusal(made(text))
    assert isinstance(read(made(text), "pensieve"), Trace)


@pytest.mark.parametrize(
    "text", ["hello\n", "1 2 3\n", "1,2\n", "-1\n", "time,rate\n0,1\n", "# only: words\n", "nan 5"]
)
def test_what_is_no_format_is_said_with_what_would_do(made, text):
    message = refusal(made(text))
    assert "time_s,rate_bps" in message
    assert "--format" in message


def test_a_name_that_is_no_format_or_an_option_that_is_not_the_formats_is_refused(made):
    with pytest.raises(TraceError, match="no format 'csv'; there are mdisim, mahimahi"):
        read(made("1"), "csv")
    assert "column is for iperf3 and irish5g files" in refusal(made("1"), column="DL_bitrate")
    assert "bin_s is for mahimahi files" in refusal(made(IRISH), bin_s=0.1)
    for bin_s in (0, -1, 0.0005, 1e300, float("nan"), float("inf")):
        with pytest.raises(TraceError, match="whole milliseconds"):
            read(made("1"), bin_s=bin_s)
    with pytest.raises(TraceError, match="DL_bitrate or UL_bitrate would do"):
        read(made(IRISH), column="PINGAVG")


# --- faults


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("mdisim", "time_s,rate_bps\n0,1\n1,x\n", "line 3: rate_bps is 'x'; a finite number, 0 or more, would do"),
        ("mdisim", "time_s,rate_bps\n0,1\n1,1e400\n", "line 3: rate_bps is '1e400'; a finite"),
        ("mdisim", "time_s,rate_bps\n0,1\n1,nan\n", "line 3: rate_bps is 'nan'; a finite"),
        ("mdisim", "time_s,rate_bps\n0,1\n1,-2\n", "line 3: rate_bps is '-2'; a finite"),
        ("mdisim", "time_s,rate_bps\n0,1\n1,1_0\n", "line 3: rate_bps is '1_0'; a finite"),
        ("mdisim", "time_s,rate_bps\n0,1\n1\n", "line 3: has 1 value; 2 would do: time_s, rate_bps"),
        ("mdisim", "time_s,rate_bps\n0,1\n\n2,3\n", "line 3: has 1 value; 2 would do"),
        ("mdisim", "# a: b\ntime_s,rate_bps\n0,1\n2,3\n1,3\n", "line 5: time_s 1.0 comes after 2.0; times must"),
        ("mdisim", "time_s,rate_bps\n5,1\n6,1\n", "line 2: time_s begins at 5; 0 would do"),
        ("mdisim", "time_s,rate_bps,loss\n0,1,1\n1,1,0\n", "line 2: loss is 1; a share below 1 would do"),
        ("mdisim", "time_s,rate_bps,speed\n0,1,1\n", "line 1: 'speed' is no column of an mdisim trace"),
        ("mdisim", "time_s,rate_bps,rate_bps\n0,1,1\n", "each name once"),
        ("mdisim", "time_s,latency_s\n0,1\n", "line 1: time_s and rate_bps are needed"),
        ("mdisim", "time_s,rate_bps\n", "has column names but no rows"),
        ("mdisim", "# duration_s: 1\ntime_s,rate_bps\n0,1\n2,1\n", "duration_s is '1'; seconds after the last"),
        ("mdisim", "# end: never\ntime_s,rate_bps\n0,1\n2,1\n", "end is 'never'; loop, hold, stop would do"),
        ("mdisim", "time_s,rate_bps\n0,1e308\n1e308,1\n", "is the most"),
        ("mahimahi", "1\n2.5\n", "line 2: '2.5' is no whole number of milliseconds"),
        ("mahimahi", "1\n5\n4\n", "line 3: 4 comes after 5; times must not fall"),
        ("mahimahi", "1\n\n4\n", "line 2: is empty; 1 would do: milliseconds"),
        ("mahimahi", "0\n0\n", "ends at 0 ms"),
        ("mahimahi", "1\n99999999999999999999\n", "line 2: '99999999999999999999' is no whole number"),
        ("pensieve", "0 1\n2 1\n1 3\n", "line 3: 1 s comes after 2 s; times must rise"),
        ("pensieve", "0 1\n", "has no interval of time"),
        ("pensieve", "0 1\n1 2 3\n", "line 2: has 3 values; 2 would do: seconds, Mbit/s"),
        ("pensieve", "0 1\n1 1e305\n2 3\n", "is the most"),
        ("json", '[{"duration_ms": 1,\n "bandwidth_kbps": }]', "line 2: is not JSON: "),
        ("json", '[{"duration_ms": 1}]', "step 1: has no bandwidth_kbps; every step needs it"),
        ("json", '[{"duration_ms": 1, "bandwidth_kbps": "5"}]', "step 1: bandwidth_kbps is '5'; a finite"),
        ("json", '[{"duration_ms": true, "bandwidth_kbps": 5}]', "step 1: duration_ms is True; a finite"),
        ("json", '[{"duration_ms": 1e400, "bandwidth_kbps": 5}]', "step 1: duration_ms is inf; a finite"),
        ("json", '[{"duration_ms": 1' + "0" * 400 + ', "bandwidth_kbps": 5}]', "step 1: duration_ms is 1000"),
        ("json", '[{"duration_ms": 1' + "0" * 5000 + ', "bandwidth_kbps": 5}]', "no JSON of finite numbers"),
        ("json", '[{"duration_ms": NaN, "bandwidth_kbps": 5}]', "NaN is no number"),
        ("json", '[{"duration_ms": 0, "bandwidth_kbps": 5}]', "lasts no time"),
        ("json", "{}", "is no list of steps"),
        ("json", "[]", "is no list of steps"),
        ("json", "[1]", "step 1: is 1; steps with duration_ms and bandwidth_kbps"),
        ("json", "[" * 100_000, "is no JSON of finite numbers in one list"),
        ("irish5g", IRISH.replace("2020.01.01", "2020.13.01"), "line 5: Timestamp is '2020.13.01_00.00.02'; one"),
        ("irish5g", IRISH.replace("2020.01.01", "2018.01.01"), "line 5: Timestamp 2018.01.01_00.00.02 comes"),
        ("irish5g", IRISH.replace(",3000,", ",-,"), "line 3: DL_bitrate is '-'; a finite"),
        ("irish5g", IRISH.replace("80.0", "inf"), "line 3: PINGAVG is 'inf'; a finite"),
        ("irish5g", IRISH.replace(",1,3000", ",3000"), "line 3: has 5 cells, but there are 6 columns"),
        ("irish5g", IRISH.split("\n")[0], "has column names but no rows"),
        ("irish5g", IRISH.replace("CellID", "DL_bitrate"), "line 1: has 2 columns DL_bitrate; one would do"),
        ("oboe", OBOE[:-9], "line 5: has no partner"),
        ("oboe", OBOE.replace("500 3000", "500 3001"), "line 2: 3001 kbit/s, but 3000 in line 1; a chunk has"),
        ("oboe", OBOE.replace("600", "400"), "line 3: 400 ms comes after 500 ms; times must not fall"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_and_what_would_do(made, name, text, told):
    assert told in refusal(made(text), name)


def test_of_many_faults_the_first_five_are_told_and_counted(made):
    rows = [f"{t},{'x' if t % 2 else 1}" for t in range(30_000)]
    message = refusal(made("time_s,rate_bps\n" + "\n".join(rows)))
    assert [line.split(":")[0] for line in message.split("\n  ")] == [
        *(f"line {n}" for n in (3, 5, 7, 9, 11)),
        "and 14995 more",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"1\n2\x003\n", "is no text but binary (byte 3 is 0)"),
        ("1\n2\n".encode("utf-16"), "is no text but binary"),
        (b"1\n\xff\xfe2\n", "is no text in UTF-8 (byte 2)"),
        (b"1 " * 10_000, "line 1 has 19999 characters; this is no trace's text"),
        (b"1\n" * 5_000_002, "has more than 5000000 lines"),
    ],
    ids=["empty", "blank", "null", "UTF-16", "Latin-1", "one line", "lines"],
)
def test_what_is_no_text_of_a_trace_is_refused_at_once(made, content, told):
    assert told in refusal(made(content))


def test_what_is_no_file_is_refused(made, tmp_path):
    assert "no such file" in refusal(tmp_path / "none")
    assert "is no regular file" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in refusal(tmp_path / "pipe")
    assert "above the limit of 3;" in refusal(made("1\n2\n"), limit_bytes=3)
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    assert "above the limit" in refusal(huge)


def test_no_message_is_longer_than_a_page(made):
    for text in (
        "x" * 9_000,
        "time_s,rate_bps\n0," + "9" * 9_000,
        "[" + '"' + "a" * 100_000 + '"]',
        "5\n" + "y" * 9_000,
    ):
        assert len(refusal(made(text))) < 600


# --- any table, and what iperf3 prints

STAMPS = """time,throughput,area
2023-04-20 13:57:01 CDT,14,rural
2023-04-20 13:57:02 CDT,20,rural
2023-04-20 13:57:03 CDT,11,rural
2023-04-20 16:20:10 CDT,24,urban
2023-04-20 16:20:11 CDT,10,urban
"""
NAMED = {"time": "time", "rate": "throughput", "unit": "Mbps"}


def test_a_gap_in_a_table_is_refused_or_made_what_is_asked_for(made):
    path = made(STAMPS)
    assert "line 5: comes 8587 s after line 4" in refusal(path, **NAMED)
    outage, hold, cut = (read(path, **NAMED, gap=gap) for gap in ("outage", "hold", "cut"))
    assert outage == Trace([0, 1, 2, 3, 8589, 8590], [14e6, 20e6, 11e6, 0, 24e6, 10e6], 8591)
    assert hold == Trace([0, 1, 2, 8589, 8590], [14e6, 20e6, 11e6, 24e6, 10e6], 8591)
    assert cut == Trace([0, 1, 2, 3, 4], [14e6, 20e6, 11e6, 24e6, 10e6], 5)
    assert outage.notes["gaps"] == "1, 8587 s in all, as outage"


def test_a_gap_in_an_irish_log_is_one_too(made):
    late = IRISH.replace("2020.01.01_00.00.02", "2020.01.01_01.00.00")
    rows = late + "2020.01.01_01.00.01,1,8,0,I,60.0\n2020.01.01_01.00.02,1,8,0,I,60.0\n"
    assert "times the median step" in refusal(made(rows))
    outage = read(made(rows), gap="outage")
    assert outage.rate_bps.tolist() == [1e6, 4e6, 0, 0, 8e3, 8e3]
    np.testing.assert_allclose(outage.latency_s, [0.04, 0.04, 0.04, 0.03, 0.03, 0.03])


@pytest.mark.parametrize(
    ("text", "columns", "separated"),
    [
        ("when;Throughput [kbit/s];RSRP\n5;1000;-90\n7;2000;-91\n", ("when", "Throughput [kbit/s]"), "semicolons"),
        ("when\tr\n5\t1000\n7\t2000\n", ("when", "r"), "tabs"),
        ("5 1000\n7 2000\n", ("1", "2"), "blanks"),
        ('"when","r, down"\n5,1000\n5,\n7,1000\n7,3000\n', ("when", "r, down"), "commas"),
        ("when,r\n23:59:58,1000\n00:00:00,2000\n", ("when", "r"), "commas"),
    ],
)
def test_any_table_is_read_by_its_columns(made, text, columns, separated):
    trace = read(made(text), time=columns[0], rate=columns[1], unit="kbit/s")
    assert trace == Trace([0, 2], [1e6, 2e6], 4)
    assert f"separated by {separated}" in trace.read_as


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("a,b\n0,1\n1,2\n", {"time": "a"}, "give rate and unit, too"),
        ("a,b\n0,1\n1,2\n", {"time": "a", "rate": "c", "unit": "bps"}, "no column 'c'"),
        ("a,b\n0,1\n1,2\n", {"time": "a", "rate": "b", "unit": "Mbp"}, "no unit 'Mbp'"),
        ("a,b\n0,1\n1,x\n", {"time": "a", "rate": "b", "unit": "bps"}, "line 3: b is 'x'"),
        ("a,b\n0,1\n\n1,2,3\n", {"time": "a", "rate": "b", "unit": "bps"}, "line 4: has 3 cells"),
        ("a,b\n2,1\n1,2\n", {"time": "a", "rate": "b", "unit": "bps"}, "line 3: a 1 comes after 2"),
        ("a,b\n01/02/2020 10:00:00,1\n", {"time": "a", "rate": "b", "unit": "bps"}, "a is '01/02/2020 10:00:00'"),
        ("a,b\n10:00:00 CET,1\n10:00:01 CEST,2\n", {"time": "a", "rate": "b", "unit": "bps"}, "several zones"),
        ("0 1\n1 2\n", {"time": "a", "rate": "b", "unit": "bps"}, "give 1 to 2, not 'a'"),
        ("a,b\n0,1\n1,2\n", {"time": "a", "rate": "b", "unit": "bps", "format": "oboe"}, "leave out format"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(made, text, options, told):
    assert told in refusal(made(text), **options)


def test_columns_that_are_not_known_are_told_with_the_way_to_name_them(made):
    for text in ("time_s,rate_mbps\n0,1\n1,2\n", "Time (UTC);Rate [Mbit/s]\n1;2\n2;3\n"):
        assert "--time COLUMN --rate COLUMN --unit Mbps" in refusal(made(text))
    assert "separated by semicolons, are 'Time (UTC)', 'Rate [Mbit/s]'" in refusal(made(text))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("8e6", "nan"), "interval 2: bits_per_second is 'nan'"),
        (lambda text: text.replace('"omitted": false', '"omitted": true'), "all are omitted"),
        (lambda text: text.replace('"sum"', '"sum_sent"'), "interval 1: has no 'sum'"),
        (lambda text: '{"error": "unable to connect"}', "unable to connect"),
        (lambda text: "{}", "give what iperf3 --json printed"),
        (lambda text: text[:-9], "is not JSON"),
    ],
)
def test_what_iperf3_did_not_measure_is_refused(made, change, told):
    assert told in refusal(made(change(KNOWN["iperf3"][0])))


@pytest.mark.parametrize("first", ["2023-11-05 02:00:00,1", "0,NA"])
def test_a_first_row_of_stamps_or_without_a_rate_has_no_names(made, first):
    """Columns have numbers then, and the row counts: the rate of the next one second is 2 Mbit/s."""
    start = "2023-11-05 02:00:" if ":" in first else ""
    rows = [f"{start}{second:02},2" for second in (1, 2)]
    trace = read(made("\n".join([first, *rows]) + "\n"), time="1", rate="2", unit="Mbps")
    assert trace.rate_bps[-1] == 2e6
    assert trace.duration_s == (3.0 if ":" in first else 2.0)


def test_omitted_intervals_and_values_that_are_no_numbers_are_counted(made):
    notes = read(made(KNOWN["iperf3"][0])).notes
    assert notes["left out"] == "1 omitted or empty intervals"
    assert notes["not a number"] == "1 values beside the rates"


def test_a_rate_that_fills_most_of_a_trace_is_doubted():
    gap = Trace([0, 1, 2, 8589, 8590], [1, 2, 1, 2, 1], 8591)
    assert "one rate holds for 8587 s from 2 s on, 8587 times the median step" in doubts(gap)[0]
    assert doubts(Trace([0, 12, 20, 28, 36, 39, 44, 52], range(8), 60)) == []
    assert not any(doubts(load(name)) for name in shipped())
