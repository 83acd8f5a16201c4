"""`mdisim compare` and the bounds of `mdisim check`: options, screens, formats, and how they refuse."""

import json

import pytest
from worlds import scenario_file

from mdisim import bounds, cli
from mdisim.cli import output
from mdisim.experiments import cases
from mdisim.experiments.compare import Comparison


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A folder with a scenario in it, which is the working directory."""
    scenario_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cases, "cores", lambda: 1)  # where --jobs is left out: processes take long to start
    return tmp_path


def told(capsys, *arguments):
    """The exit code, stdout and stderr of a command."""
    code = cli.main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_differences_are_marked_and_the_mark_is_explained(scene, capsys):
    code, out, _ = told(capsys, "compare", "two.yaml", "--seeds", 3, "--out", "out")
    assert code == 0
    assert "throughput bound share (%)" in out
    assert "*: differs from local, paired by seed (t test, p < 0.05, adjusted by Holm for 1 compared)." in out
    assert told(capsys, "compare", "two.yaml", "--seeds", 1, "--out", "one")[1].count("±") == 0


def test_a_narrow_screen_has_tables_one_below_the_other(scene, capsys, monkeypatch):
    names = "local,mdi-exit,ddi,no-exit,random"
    monkeypatch.setattr(output, "PIPED_WIDTH", 80)
    _, out, _ = told(capsys, "compare", "two.yaml", "--seeds", 2, "--policies", names, "--out", "out")
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("verdict") == 2  # three and two
    for name in names.split(","):
        assert name in out
    monkeypatch.setattr(output, "PIPED_WIDTH", 200)
    assert (
        told(capsys, "compare", "two.yaml", "--seeds", 2, "--policies", names, "--out", "out")[1].count("verdict")
        == 1
    )


def test_seeds_until_an_interval_is_narrow(scene, capsys):
    arguments = ("compare", "two.yaml", "--seeds", "auto", "--most", 6, "--out", "out", "--until")
    assert told(capsys, *arguments, "latency_mean_s=0.0001%")[0] == 0
    done = Comparison.load("out")
    assert (len(done.seeds), done.until.relative, done.until.of) == (6, 1e-6, "mean")
    out = told(capsys, *arguments, "latency_mean_s_difference=10", "--force")[1]
    done = Comparison.load("out")
    assert (len(done.seeds), done.until.absolute, done.until.of) == (5, 10.0, "difference")
    assert "5 seeds" in out


def test_the_warm_up_that_mser_finds_is_told(scene, capsys):
    _, out, _ = told(capsys, "compare", "two.yaml", "--seeds", 2, "--warmup", "mser", "--out", "out")
    assert f"the first {Comparison.load('out').warmup_s:.4g} s of each run are left out (mser)" in out


def test_the_verdict_is_a_measure(scene, capsys):
    asked = ("compare", "two.yaml", "--seeds", 2, "--force", "--measures")
    code, out, _ = told(capsys, *asked, "latency_p95_s,verdict")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  latency")] == ["latency"] * 2
    assert out.count("verdict") == 1
    code, out, _ = told(capsys, *asked, "verdict")
    assert code == 0
    assert "difference" not in out
    assert "stable" in next(line for line in out.splitlines() if "verdict" in line)
    code, out, _ = told(capsys, *asked, "verdict", "--json")
    assert {row["verdict"] for row in json.loads(out)} <= {"stable", "backlogged", "overloaded"}
    assert "verdict" in told(capsys, *asked, "verdict,accuracy", "--format", "latex")[1]
    assert told(capsys, *asked, "verdikt")[0] == 2


def test_what_is_asked_for_names_the_directory(scene, capsys):
    def directory(*more):
        code, out, _ = told(capsys, "compare", "two.yaml", "--measures", "accuracy", "--seeds", *more)
        assert code == 0
        return out.split("written to ")[1].strip()

    auto = ("auto", "--most", 2, "--until")
    asked = [(2,), (2, "--warmup", "mser"), (*auto, "accuracy=900%"), (*auto, "accuracy=800%")]
    assert len({directory(*more) for more in asked}) == 4
    assert directory(2) == directory(2)


def test_tables_for_papers(scene, capsys):
    arguments = ("compare", "two.yaml", "--seeds", 2, "--out", "out", "--measures", "latency_mean_s", "--format")
    done = Comparison.load("out") if told(capsys, *arguments, "table")[0] == 0 else None
    assert told(capsys, *arguments, "markdown")[1] == done.markdown(["latency_mean_s"])
    assert told(capsys, *arguments, "latex")[1] == done.latex(["latency_mean_s"])


def test_doubts_are_told_and_do_not_spoil_what_programs_read(scene, capsys):
    busy = ("--set", "workload.0.arrivals.rate=300/s", "--seeds", 1, "--policies", "local", "--out", "out")
    assert "warning: local is overloaded" in told(capsys, "compare", "two.yaml", *busy)[1]
    _, out, err = told(capsys, "compare", "two.yaml", *busy, "--json")
    assert json.loads(out)[0]["verdict"] == "overloaded"
    assert err.startswith("warning: local is overloaded")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seeds", "many"), "--seeds"),
        (("--seeds", "auto"), "--seeds auto needs --until, such as --until latency_mean_s=5%"),
        (("--seeds", "auto", "--until", "latency_mean_s"), "not 'latency_mean_s'"),
        (("--seeds", "auto", "--until", "latency_means=5%"), "did you mean 'latency_mean_s'?"),
        (("--seeds", "auto", "--until", "latency_mean_s=-5%"), "latency_mean_s=-5%: a number above 0 would do"),
        (("--seeds", "auto", "--until", "accuracy_difference=nan"), "such as --until accuracy_difference=5%"),
        (("--until", "latency_mean_s=5%"), "say --seeds auto, too"),
        (("--warmup", "long"), "--warmup"),
        (("--format", "html"), "--format"),
    ],
)
def test_what_cannot_be_asked(scene, capsys, arguments, message):
    code, out, err = told(capsys, "compare", "two.yaml", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_check_tells_as_what_a_trace_was_read_and_doubts_it(scene, capsys):
    (scene / "kbps.txt").write_text("0 1200\n1 800\n2 1500\n3 950\n500 800\n")
    arguments = ("check", "two.yaml", "--set", "network.link={trace: kbps.txt, latency: 2 ms}")
    lines = [line for line in told(capsys, *arguments)[1].splitlines() if line.startswith("#")]
    assert "# trace kbps.txt: read as pensieve (seconds, Mbit/s until then), mean 802 Mbit/s" in lines
    assert any(line.startswith("# warning: trace kbps.txt: one rate holds for 497 s") for line in lines)
    (facts,) = json.loads(told(capsys, *arguments, "--json")[1])
    assert facts["traces"][0]["mean_bps"] == pytest.approx(400.85e9 / 500)


def test_check_tells_the_bounds(scene, capsys):
    _, out, _ = told(capsys, "check", "two.yaml")
    lines = [line for line in out.splitlines() if line.startswith("#")]
    assert lines[0] == "# two.yaml: no issues found"
    heads = [line.split(":")[0] for line in lines[1:]]
    assert heads[-2:] == ["# any policy", "# offered"]
    named = [head.removeprefix("# exits of ").removesuffix(", tasks placed at best") for head in heads[:-2]]
    assert sorted(", ".join(named).split(", ")) == ["local", "mdi-exit", "strict"]
    assert len({line.partition(":")[2] for line in lines[1:-2]}) == len(named)  # equal bounds share a line
    assert "answers/s (limited by phone, " in lines[1]
    assert lines[-1] == "# offered: 40.0/s"
    (facts,) = json.loads(told(capsys, "check", "two.yaml", "--json")[1])
    by_name = {bound["policy"]: bound for bound in facts["bounds"]}
    assert by_name["any policy"]["throughput_bound_per_s"] >= by_name["strict"]["throughput_bound_per_s"] > 0.0
    assert by_name["strict"]["accuracy_bound"] == by_name["any policy"]["accuracy_bound"] <= 1.0


def test_check_leaves_out_bounds_that_take_too_long(scene, capsys, monkeypatch):
    """The accuracy bound needs no linear programme, and stays."""
    whole = json.loads(told(capsys, "check", "two.yaml", "--json")[1])[0]["bounds"]
    monkeypatch.setattr(bounds, "MOST_UNKNOWNS", 10)
    small = json.loads(told(capsys, "check", "two.yaml", "--json")[1])[0]["bounds"]
    assert [bound["accuracy_bound"] for bound in small] == [bound["accuracy_bound"] for bound in whole]
    assert all(bound["throughput_bound_per_s"] is None and bound["unknowns"] > 10 for bound in small)
    code, out, _ = told(capsys, "check", "two.yaml")
    assert code == 0
    assert "the throughput bound is left out" in out


def test_check_plans_what_searches_only_where_asked(capsys):
    """DIMEE's thresholds take seconds; whether it fits the scenario is known before."""
    short = ("check", "dimee", "--set", "compare=[all-cloud, cascade]", "--set", "policy={name: cascade}")
    code, out, _ = told(capsys, *short)
    assert code == 0
    assert "left out: the bounds of cascade, which search" in out
    quick = {one["policy"]: one for one in json.loads(told(capsys, *short, "--json")[1])[0]["bounds"]}
    whole = {one["policy"]: one for one in json.loads(told(capsys, *short, "--bounds", "--json")[1])[0]["bounds"]}
    assert quick["cascade"]["throughput_bound_per_s"] is None
    assert 0.0 < whole["cascade"]["throughput_bound_per_s"] <= whole["any policy"]["throughput_bound_per_s"]
    assert {name for name in quick if quick[name] != whole[name]} == {"cascade"}
