"""Shipped traces are found by name and any by path; they are what their commands and their table say."""

import json
import re
import shlex
from pathlib import Path

import pytest

import mdisim
from mdisim.cli import main
from mdisim.traces import KINDS, TraceError, catalogue, load, presets, scaled, shipped, statistics, write

FOLDER = Path(mdisim.__file__).parents[1] / "traces"
README = FOLDER / "README.md"
ROW = ("name", "what", "duration_s", "mean_bps", "cv", "outage_share", "end", "source")
IN_A_WORKING_COPY = pytest.mark.skipif(not README.is_file(), reason="not in a working copy")


def told(capsys, *arguments):
    code = main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def commands():
    text = README.read_text(encoding="utf-8") if README.is_file() else ""
    return re.findall(r"^mdisim trace synth .* --out .*$", text, re.MULTILINE)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_trace_is_complete(name):
    trace = load(name)
    assert (trace.duration_s, trace.end) == (600.0, "loop")
    assert trace.mean_bps() > 0
    assert set(trace.notes) == {"what", "made by", "source", "licence"}
    assert trace.notes["what"] == presets()[name].what


def test_there_is_a_trace_for_each_preset():
    assert shipped() == sorted(presets())
    assert not set(presets()) & set(KINDS)
    assert {"3g-bus", "lte-driving", "lte-walking", "5g-static", "5g-driving", "home-broadband", "wifi"} <= {
        *shipped()
    }


@IN_A_WORKING_COPY
def test_the_commands_of_the_readme_make_the_shipped_files_byte_for_byte(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in commands():
        assert main(shlex.split(command)[1:]) == 0, capsys.readouterr().err
    for name in shipped():
        assert (tmp_path / f"{name}.csv").read_bytes() == (FOLDER / f"{name}.csv").read_bytes(), name


@pytest.mark.parametrize("name", shipped())
def test_the_command_in_a_file_makes_the_same_again(name, tmp_path, capsys):
    command = load(name).notes["made by"]
    assert main([*shlex.split(command)[1:], "--out", str(tmp_path / "again.csv")]) == 0
    assert load(tmp_path / "again.csv") == load(name)


@IN_A_WORKING_COPY
def test_the_table_of_the_readme_is_of_these_files():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in README.read_text().splitlines()]
    name, seen = "", []
    for row in rows:
        if len(row) == 10 and row[1] in ("logs", "model", "shipped"):
            name = row[0] or name
            if row[1] == "shipped":
                measured = statistics(load(name))
                assert float(row[3]) * 1e6 == pytest.approx(measured.mean_bps, rel=0.01)
                assert float(row[4]) == pytest.approx(measured.cv, abs=0.01)
                assert float(row[8]) * 1e6 == pytest.approx(measured.p50_bps, rel=0.02)
                seen.append(name)
    assert sorted(seen) == shipped()


def test_a_path_is_read_and_a_shipped_name_is_never_a_file(tmp_path, monkeypatch):
    slow = scaled(load("wifi"), factor=0.5)
    write(slow, tmp_path / "mine.csv")
    write(slow, tmp_path / "wifi")
    assert load(tmp_path / "mine.csv") == load(str(tmp_path / "mine.csv")) == slow
    assert load("wifi") != slow
    monkeypatch.chdir(tmp_path)
    assert load("mine.csv") == load("./wifi") == slow
    assert load("wifi") != slow


def test_an_unknown_name_and_a_missing_file_say_so(tmp_path):
    with pytest.raises(TraceError, match=r"no trace 'lte-drivin'; did you mean 'lte-driving'\?.*path of a file"):
        load("lte-drivin")
    for missing in ("none.csv", tmp_path / "none"):
        with pytest.raises(TraceError, match="no such file"):
            load(missing)


def test_the_catalogue_is_a_table():
    rows = catalogue()
    assert [row["name"] for row in rows] == shipped()
    assert all(tuple(row) == ROW for row in rows)
    assert json.loads(json.dumps(rows)) == rows


# --- the commands


def test_the_list_shows_traces_and_kinds_of_models(capsys):
    code, out, err = told(capsys, "traces")
    assert (code, err) == (0, "")
    assert all(name in out for name in (*shipped(), *KINDS))
    assert json.loads(told(capsys, "traces", "--json")[1]) == catalogue()


def test_a_trace_is_described_with_its_model(capsys):
    _, out, _ = told(capsys, "traces", "lte-driving")
    for word in ("LTE downlink", "p95_bps", "made by", "licence", "slow_s", "outage_s"):
        assert word in out
    (row,) = json.loads(told(capsys, "traces", "lte-driving", "--json")[1])
    assert row["mean_bps"] == statistics(load("lte-driving")).mean_bps
    assert row["model"]["kind"] == "quantiles"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_described_by_its_parameters(kind, capsys):
    rows = json.loads(told(capsys, "traces", kind, "--json")[1])
    assert all(row["meaning"] for row in rows)
    assert kind in told(capsys, "traces", kind)[1]


def test_an_unknown_trace_is_told(capsys):
    code, _, err = told(capsys, "traces", "wify")
    assert (code, "did you mean 'wifi'?" in err) == (2, True)


def test_parameters_are_set_with_units_lists_and_rows(tmp_path, capsys):
    out = tmp_path / "x.csv"
    arguments = ("trace", "synth", "markov", "--set", "rates_bps=1 Mbps,5 Mbps", "--set", "sojourn_s=2 s,500 ms",
                 "--set", "transitions=0,1;1,0", "--duration", "1 min", "--out", out)  # fmt: skip
    assert told(capsys, *arguments)[0] == 0
    trace = load(out)
    assert set(trace.rate_bps) == {1e6, 5e6}
    assert trace.duration_s == 60.0
    again = shlex.split(trace.notes["made by"])[1:]
    assert told(capsys, *again, "--out", tmp_path / "again.csv")[0] == 0
    assert load(tmp_path / "again.csv") == trace


def test_a_preset_can_be_changed_and_scaled(tmp_path, capsys):
    draw = ("trace", "synth", "wifi", "--seed", 3)
    told(capsys, *draw, "--mean", "18.8 Mbps", "--out", tmp_path / "slow.csv")
    assert load(tmp_path / "slow.csv").mean_bps() == pytest.approx(18.8e6, abs=1)
    told(capsys, *draw, "--set", "up_s=60", "--set", "outage_s=60", "--out", tmp_path / "worse.csv")
    assert statistics(load(tmp_path / "worse.csv")).outage_share > 0.05


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("gaus-markov",), "no preset or kind 'gaus-markov'; did you mean 'gauss-markov'?"),
        (("none.toml",), "none.toml: cannot be read: "),
        (("gauss-markov",), "gauss-markov: needs mean_bps [bit/s], cv [1], correlation_s [s]"),
        (("wifi", "--set", "slow=3"), "quantiles: no parameter 'slow'; did you mean 'slow_s'?"),
        (("wifi", "--set", "slow_s"), "'slow_s' is not PARAMETER=VALUE"),
        (("wifi", "--set", "slow_s=3 Mbps"), "'3 Mbps' is a bandwidth"),
        (("wifi", "--set", "slow_share=3 s"), "'3 s' is not a number"),
        (("wifi", "--set", "slow_share=3"), "quantiles: slow_share is 3; >= 0, <= 1 would do"),
        (("wifi", "--set", "smooth=maybe"), "smooth is 'maybe'; true or false would do"),
        (("wifi", "--duration", "ten"), "'ten' is not a number with a unit"),
        (("wifi", "--duration", "0"), "a trace of 0 s in steps of 1 s cannot be"),
        (("wifi", "--step", "7"), "outages: steps of 7 s are longer than outage_s"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_message(arguments, says, tmp_path, capsys):
    code, out, err = told(capsys, "trace", "synth", *arguments, "--out", tmp_path / "x.csv")
    assert (code, out) == (2, "")
    assert says in err
    assert not (tmp_path / "x.csv").exists()
