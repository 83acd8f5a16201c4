"""The largest rate: closed forms, confidence, and what a search says of itself."""

import json
from math import isnan

import pandas as pd
import pytest
from worlds import line

from mdisim import cli
from mdisim.experiments.judging import Care, Judge, Judged, Rates
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.search import _bisect, search_rate
from mdisim.experiments.targets import Target, targets_of
from mdisim.profiles import synthesise, write
from mdisim.scenario import Scenario
from mdisim.statistics import Interval

QUEUE = """\
profile: ./one.npz
devices: {server: {kind: unit}}
workload: {at: server, arrivals: {kind: poisson, rate: 20/s}}
jitter: {kind: exponential}
policy: local
run: {duration: 40 s, warmup: 5 s}
"""
KNOWN = ("latency_mean_s", "accuracy", "sent_per_sample_bytes", "throughput_per_s", "goal")
SURE = Interval(1.0, 0.9, 1.1)


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    """M/M/1 with a mean service time of 10 ms."""
    folder = tmp_path_factory.mktemp("queue")
    made = synthesise(n=400, exits=1, accuracy=(0.9,), stage_s=(0.01,), head_s=0.0, out_bytes=(1e3, 0.0), seed=0)
    write(made, folder / "one.npz")
    (folder / "queue.yaml").write_text(QUEUE)
    return folder / "queue.yaml"


def test_the_rate_of_an_mm1_queue_at_a_mean_latency(queue):
    care = Care(most=15, tolerance=0.04)
    found = search_rate(queue, None, "latency_mean_s <= 25 ms", care=care, jobs=1)
    assert found.rate_per_s == pytest.approx(100 - 1 / 0.025, rel=0.06)  # mean sojourn 1 / (mu - lambda)
    assert found.low_per_s <= 60 <= found.high_per_s
    assert found.points["rate_per_s"].is_unique
    assert len(found.runs) == found.points["seeds"].sum()
    near = (found.points["rate_per_s"] - 60).abs() <= 5
    far = found.points["rate_per_s"].idxmin()
    assert found.points["seeds"][near].max() > found.points["seeds"][far]


def test_a_target_that_is_always_met_ends_where_the_queue_does(queue):
    found = search_rate(queue, "local", "accuracy >= 0.5", care=Care(batch=2, most=4, tolerance=0.1), jobs=1)
    assert 80 < found.rate_per_s <= 100  # it must be shown in 35 s that it keeps up, and above 100/s it does not
    verdicts = found.points.set_index("rate_per_s")["verdict"]
    assert set(verdicts[verdicts.index > 100]) == {"overloaded"}
    assert verdicts[found.rate_per_s] in ("stable", "backlogged")  # nine of ten runs are stable


@pytest.mark.parametrize("kind", ["constant", "poisson"])
@pytest.mark.parametrize("start_per_s", [80.0, 101.9])
def test_no_rate_is_found_above_what_can_be_done(queue, kind, start_per_s):
    """One server of 10 ms a sample: 100 per second, and not a sample more."""
    scenario = Scenario.load(queue, {"workload.arrivals.kind": kind, "jitter": {"kind": "none"}})
    care = Care(batch=2, most=2, tolerance=0.01)
    found = search_rate(scenario, None, "accuracy >= 0.5", care=care, start_per_s=start_per_s, jobs=1)
    assert (98 if kind == "constant" else 85) < found.rate_per_s <= 100
    assert 100 <= found.high_per_s <= 106  # what is decided to be too much is so


def test_a_target_that_is_never_met_has_no_rate(queue):
    found = search_rate(queue, None, "latency_mean_s <= 5 ms", care=Care(batch=2, most=2), start_per_s=1.0, jobs=1)
    assert isnan(found.rate_per_s)
    assert not found.points["met"].any()


def test_a_search_as_files_and_as_a_command(queue, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["search", str(queue), "--target", "latency_mean_s <= 25 ms", "--jobs", "1", "--seeds", "4",
                 "--tolerance", "0.5", "--start", "50/s", "--set", "run.duration=20 s"]  # fmt: skip
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    for words in (
        "local in queue: latency_mean_s <= 0.025",
        "largest rate",
        "between",
        "written to results/queue-",
    ):
        assert words in out
    assert cli.main([*arguments, "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    (found,) = (tmp_path / "results").iterdir()
    assert facts == json.loads((found / "search.json").read_text())
    assert facts["targets"] == ["latency_mean_s <= 0.025"]
    assert cli.main([*arguments, "--policy", "no-exit", "--out", str(found)]) == 2
    assert "holds other results" in capsys.readouterr().err


# --- bisection, with an oracle in place of runs


def oracle(limit, unsure=0.0):
    """Judges by a limit; within a share of it, only by the mean."""

    def judge(rate):
        return Judged(rate, rate <= limit, abs(rate - limit) >= unsure * limit, 1.0, (), None)

    return judge


@pytest.mark.parametrize("start", [1.0, 60.0, 900.0])
@pytest.mark.parametrize("limit", [2.7, 60.0, 333.3])
def test_bisection_finds_the_limit_from_anywhere(start, limit):
    tried = _bisect(oracle(limit), start, Care(), lambda _: None)
    met = max(one.rate_per_s for one in tried if one.met)
    missed = min(one.rate_per_s for one in tried if not one.met)
    assert met <= limit <= missed
    assert missed - met <= 0.01 * missed


@pytest.mark.parametrize(
    ("others", "runs", "verdict"),
    [
        ({"overloaded": 1}, 10, "met"),
        ({"overloaded": 4}, 40, "met"),
        ({"overloaded": 5}, 40, "missed"),
        ({"no samples": 5}, 5, "missed"),
        ({"backlogged": 1}, 10, "met"),
        ({"backlogged": 5}, 40, "open"),  # not shown to keep up, nor not to
        ({"backlogged": 30, "overloaded": 4}, 40, "open"),
        ({"backlogged": 30, "overloaded": 5}, 40, "missed"),
    ],
)
def test_nine_of_ten_runs_are_enough(queue, others, runs, verdict):
    scenario = Scenario.load(queue)
    targets = targets_of("accuracy >= 0.5", ("accuracy",))
    judge = Judge(scenario, None, targets, Rates.of(scenario), Care(most=40))
    told = [name for name, times in others.items() for _ in range(times)]
    given = pd.DataFrame({"accuracy": 0.9, "verdict": told + ["stable"] * (runs - len(told))})
    assert judge._verdict(given)[0] == verdict


def test_what_is_decided_closes_in_on_what_is_not():
    tried = _bisect(oracle(60.0, unsure=0.05), 20.0, Care(), lambda _: None)
    sure = max(one.rate_per_s for one in tried if one.met and one.decided)
    missed = min(one.rate_per_s for one in tried if not one.met and one.decided)
    assert 50 < sure < 57.1
    assert 62.9 < missed < 68


# --- targets and rates


@pytest.mark.parametrize(
    ("written", "found", "verdict"),
    [
        ("goal <= 1.2", SURE, "met"),
        ("goal <= 1.05", SURE, "open"),
        ("goal <= 0.8", SURE, "missed"),
        ("goal >= 0.8", SURE, "met"),
        ("goal >= 1.2", SURE, "missed"),
        ("goal >= 1", Interval(1.0, 1.0, 1.0), "met"),
        ("goal <= 1", Interval(1.0, 1.0, 1.0), "met"),
        ("goal <= 1", Interval(1.0, float("nan"), float("nan")), "open"),
        ("goal <= 1", Interval(float("nan"), float("nan"), float("nan")), "missed"),
    ],
)
def test_an_interval_meets_misses_or_leaves_open(written, found, verdict):
    assert Target.of(written, KNOWN).verdict(found) == verdict


@pytest.mark.parametrize("written", ["goal <= 100 ms", "goal >= 100 ms"])
def test_rounding_misses_no_target(written):
    target = Target.of(written.replace("goal", "latency_mean_s"), KNOWN)
    delay_s = 300.1 - 300.0  # 0.10000000000002274
    assert target.met_by(delay_s)
    assert target.violation(delay_s) == 0.0
    assert target.verdict(Interval(delay_s, delay_s, delay_s)) == "met"
    off_s = delay_s + (1e-6 if "<=" in written else -1e-6)
    assert not target.met_by(off_s)
    assert target.verdict(Interval(off_s, off_s, off_s)) == "missed"


def test_targets_carry_units():
    assert Target.of("latency_mean_s<=20 ms", KNOWN).bound == pytest.approx(0.02)
    assert Target.of("throughput_per_s >= 60/min", KNOWN).bound == pytest.approx(1.0)
    assert str(Target.of("accuracy >= 0.9", KNOWN)) == "accuracy >= 0.9"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("latency_mean_s < 20 ms", "'latency_p95_s <= 200 ms' would do"),
        ("acuracy >= 0.9", "did you mean 'accuracy'?"),
        ("accuracy >= high", "'high' is no number"),
        ("latency_mean_s <= 20 Mbps", "is a bandwidth"),
        ("accuracy >= inf", "is not finite"),
        ((), "no target"),
    ],
)
def test_what_is_no_target(written, message):
    with pytest.raises(ExperimentError, match=message.replace("?", r"\?")):
        targets_of(written, KNOWN)


def test_rates_of_several_sources_keep_their_proportions(queue):
    several = {
        "devices.server.count": 2,
        "network": {"topology": "line", "link": {"rate": "1 Mbps", "latency": "0 ms"}},
        "workload": [
            {"at": "server-1", "arrivals": {"kind": "poisson", "rate": "10/s"}},
            {"at": "server", "arrivals": {"kind": "constant", "rate": "5/s"}},
        ],
    }
    rates = Rates.of(Scenario.load(queue, several))
    assert rates.total_per_s == 20.0
    assert rates.overrides(40.0) == {"workload.0.arrivals.rate": "20 /s", "workload.1.arrivals.rate": "10 /s"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenario": line()}, "a Scenario would do"),
        ({"target": "latency_mean_s <= 1 s", "jobs": 0}, "jobs is 0"),
    ],
)
def test_what_cannot_be_searched(queue, arguments, message):
    with pytest.raises(ExperimentError, match=message):
        search_rate(**({"scenario": queue} | arguments))


def test_a_controlled_source_has_no_rate_to_search(queue):
    scenario = Scenario.load(queue, {"workload.arrivals": {"kind": "policy"}, "policy": "mdi-exit"})
    with pytest.raises(ExperimentError, match="arrivals are policy; poisson or constant would do"):
        search_rate(scenario, None, "accuracy >= 0.5", jobs=1)


def test_care_that_leads_nowhere_is_refused():
    for wrong in ({"batch": 1}, {"batch": 9, "most": 8}, {"tolerance": 0.0}, {"confidence": 1.0}):
        with pytest.raises(ExperimentError):
            Care(**wrong)
