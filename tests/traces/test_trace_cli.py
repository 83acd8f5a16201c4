"""`mdisim trace convert` and `mdisim trace stats`: what they print and write, and how they refuse."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mdisim import cli
from mdisim.traces import Trace, load, read, shipped, write

TRACE = Trace([0, 1], [8e6, 0], 4, "hold", [0.1, 0.2], notes={"source": "by hand"})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a trace in it, which is the working directory."""
    write(TRACE, tmp_path / "some.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys, *arguments):
    """The exit code, stdout and stderr of a command."""
    code = cli.main(["trace", *map(str, arguments)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_a_trace_is_converted_and_what_is_left_out_is_said(folder, capsys):
    code, out, _ = told(capsys, "convert", "some.csv", "out.txt", "--to", "pensieve")
    assert code == 0
    assert out.splitlines() == [
        "some.csv: read as mdisim (seconds, bit/s)",
        "some.csv: 2 knots, 4.00 s, mean 2.00 Mbit/s; written to out.txt (pensieve)",
        "left out, as pensieve has no place for it: latency_s, that it ends in hold",
    ]
    assert (folder / "out.txt").read_text() == "0.0\t8.0\n1.0\t8.0\n4.0\t0.0\n"
    code, out, _ = told(capsys, "convert", "out.txt", "back.csv")
    assert out.splitlines() == [
        "out.txt: read as pensieve (seconds, Mbit/s until then)",
        "out.txt: 2 knots, 4.00 s, mean 2.00 Mbit/s; written to back.csv (mdisim)",
    ]
    assert read("back.csv") == Trace([0, 1], [8e6, 0], 4)
    _, out, _ = told(capsys, "convert", "back.csv", "again.csv")  # whose notes say where it was read from once
    assert out.startswith("back.csv: read as mdisim (seconds, bit/s)\nback.csv: 2 knots")


def test_nothing_is_replaced_unless_told(folder, capsys):
    (folder / "out").write_text("before")
    code, _, err = told(capsys, "convert", "some.csv", "out")
    assert code == 2
    assert "out is there already" in err
    assert (folder / "out").read_text() == "before"
    assert told(capsys, "convert", "some.csv", "out", "--force")[0] == 0
    assert read("out") == TRACE


def test_a_shipped_trace_goes_by_its_name(folder, capsys):
    (name, *_) = shipped()
    assert told(capsys, "convert", name, "out.csv")[0] == 0
    assert read("out.csv") == load(name)


def test_the_bins_of_packets_and_the_column_of_a_log_are_options(folder, capsys):
    (folder / "packets").write_text("1\n400\n1000\n")
    told(capsys, "convert", "packets", "out", "--bin", "0.5")
    assert read("out").rate_bps.tolist() == [48e3, 24e3]
    code, _, err = told(capsys, "convert", "packets", "other", "--column", "UL_bitrate")
    assert code == 2
    assert "column is for iperf3 and irish5g files" in err
    assert not (folder / "other").exists()


@pytest.mark.parametrize(
    ("option", "value", "form"), [("bin", "0.1", "mahimahi"), ("column", "x", "iperf3 and irish5g")]
)
def test_options_of_other_formats_do_not_hide_a_shipped_trace(folder, capsys, option, value, form):
    code, _, err = told(capsys, "stats", "lte-driving", f"--{option}", value)
    assert code == 2
    assert "lte-driving.csv: is in the format mdisim" in err
    assert f"is for {form} files, leave it out" in err


def test_a_trace_too_long_to_measure_is_named(folder, capsys):
    (folder / "packets").write_text("1\n80000000000000\n")
    code, _, err = told(capsys, "stats", "./packets")
    assert code == 2
    assert err.startswith("Error: ./packets: 8e+10 s in steps of 1 s are more")


def test_statistics_as_a_table_and_as_json(folder, capsys):
    code, out, _ = told(capsys, "stats", "some.csv")
    assert code == 0
    head, _, row, told_as = [line.split("  ") for line in out.splitlines() if line.strip()]
    assert told_as == ["some.csv: read as mdisim (seconds, bit/s)"]
    cells = {key.strip() for key in head if key.strip()}
    assert cells == {"trace", "duration", "mean", "p5", "p50", "p95", "cv", "outage", "autocorrelation", "knots"}
    assert {"2.00 Mbit/s", "75.0 %", "1.73"} <= {cell.strip() for cell in row}
    code, out, _ = told(capsys, "stats", "--json", "some.csv", "some.csv")
    (found,) = json.loads(out)
    assert (found["trace"], found["read_as"]) == ("some.csv", "mdisim (seconds, bit/s)")
    asked = ("duration_s", "mean_bps", "p5_bps", "p50_bps", "p95_bps", "outage_share", "loss_mean")
    assert [found[key] for key in asked] == [4, 2e6, 0, 0, 8e6, 0.75, None]
    assert found["cv"] == pytest.approx(3**0.5)


def test_traces_are_drawn_on_demand(folder, capsys, monkeypatch):
    drawn = []
    module = SimpleNamespace(save_traces=lambda *given: drawn.append(given))
    monkeypatch.setitem(sys.modules, "mdisim.report.traces", module)
    code, out, err = told(capsys, "stats", "some.csv", "--plot", "out.png", "--json", "--step", "0.5")
    assert (code, err) == (0, "drawn in out.png\n")
    assert drawn == [({"some.csv": TRACE}, Path("out.png"), 0.5)]
    assert json.loads(out)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("stats", "none.csv"), "none.csv: no such file"),
        (("stats",), "FILE..."),
        (("stats", "some.csv", "--format", "csv"), "no format 'csv'; there are mdisim"),
        (("stats", "some.csv", "--step", "1e-300"), "a longer step would do"),
        (("convert", "some.csv", "out", "--to", "irish5g"), "no format to write 'irish5g'"),
        (("convert", "some.csv", "out", "--bin", "0"), "--bin"),
        (("convert", "some.csv", "none/out"), "there is no folder none"),
        (("convert", "some.csv", "out", "--format", "mahimahi"), "line 1: has 4 values; 1 would do: milliseconds"),
    ],
)
def test_bad_input_is_told_in_one_message(folder, capsys, arguments, reason):
    code, out, err = told(capsys, *arguments)
    assert (code, out) == (2, "")
    assert reason in err
    assert "Traceback" not in err
    assert not (folder / "out").exists()
