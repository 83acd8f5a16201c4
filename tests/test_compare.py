"""Simulating and comparing: the same work for every policy, the textbook's intervals, any number of jobs."""

from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from worlds import drawn, fixed, line, scenario_file

from mdisim import bounds, engine, metrics, policies
from mdisim.engine import RuleError
from mdisim.experiments import cases
from mdisim.experiments.compare import Auto, Comparison, compare
from mdisim.experiments.executors import Engine, Serial
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.simulate import simulate
from mdisim.experiments.steadiness import BINS, doubts, in_system, settled_s
from mdisim.experiments.sweep.crew import RunError
from mdisim.experiments.written import cell, quantity, stated
from mdisim.folders import ResultsError
from mdisim.policies.policy import Policy
from mdisim.policies.rules import KeepOrOffer
from mdisim.scenario import Scenario, ScenarioError
from mdisim.statistics import t_interval
from mdisim.world import Arrivals, Jitter

WORLD = line(2, (0.01, 0.02), outputs=drawn(200, 2), jitter=Jitter("exponential"), duration_s=4.0, warmup_s=1.0)
HERE, THERE, AGAIN = fixed(WORLD, name="here"), fixed(WORLD, 0.5, (0, 1), "there"), fixed(WORLD, name="again")


def by_hand(values: dict[str, list[float]]) -> Comparison:
    rows = [
        {"policy": label, "seed": seed, "delay_s": value, "verdict": "stable"}
        for label, column in values.items()
        for seed, value in enumerate(column)
    ]
    return Comparison(pd.DataFrame(rows), {label: {"policy": label, "parameters": {}} for label in values})


# --- simulate


def test_a_run_is_a_function_of_the_seed():
    one, same, other = (simulate(WORLD, THERE, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.tasks, same.tasks)
    assert not one.tasks["born_s"].equals(other.tasks["born_s"])


def test_simulate_a_file_a_scenario_and_its_own_policy_and_seed(tmp_path):
    path = scenario_file(tmp_path)
    scenario = Scenario.load(path)
    runs = [simulate(path), simulate(scenario, "mdi-exit"), simulate(scenario, {"name": "mdi-exit"}, seed=3),
            simulate(scenario, policies.MdiExit())]  # fmt: skip
    for run in runs[1:]:
        pd.testing.assert_frame_equal(run.tasks, runs[0].tasks)
    assert (runs[0].seed, runs[0].policy, runs[0].parameters["exit_threshold"]) == (3, "mdi-exit", 0.8)
    assert runs[0].origin.given == path.read_text()
    assert Scenario.from_text(runs[0].origin.resolved).digest == runs[0].origin.digest == scenario.digest
    assert len({run.identity for run in runs}) == 1
    assert simulate(scenario, seed=4).identity != runs[0].identity


def test_progress_is_a_share_that_grows():
    told = []
    simulate(WORLD, HERE, seed=1, progress=told.append)
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] <= 1


@pytest.mark.parametrize(
    ("policy", "seed", "message"),
    [
        ("local", 1, "needs a policy as an object, not 'local'"),
        (None, 1, "needs a policy as an object"),
        (policies.MdiExit, 1, "is no policy"),
        (7, 1, "7 is no policy"),
        (HERE, -1, r"seeds are \[-1\]"),
        (HERE, 0.5, r"seeds are \[0.5\]"),
        (HERE, None, "has no seed of its own"),
        (policies.Remote(device="d7"), 1, "policy remote: .*'d7'"),
    ],
)
def test_what_a_world_by_hand_needs(policy, seed, message):
    with pytest.raises(ExperimentError, match=message):
        simulate(WORLD, policy, seed)


def test_an_unknown_policy_is_told(tmp_path):
    with pytest.raises(ScenarioError, match="mdi-exit"):
        simulate(scenario_file(tmp_path), "mdi-exti")


# --- compare


def test_every_policy_meets_the_same_work():
    table = compare(WORLD, [HERE, THERE], seeds=range(3))
    offered = table.runs.pivot(index="seed", columns="policy", values="offered_per_s")
    assert (offered["here"] == offered["there"]).all()
    assert offered["here"].nunique() > 1
    assert list(table.policies) == ["here", "there"]
    assert table.seeds == (0, 1, 2)


def test_a_policy_differs_from_itself_by_exactly_nothing():
    table = compare(WORLD, [HERE, AGAIN], seeds=range(3)).table(["latency_mean_s"])["latency_mean_s"]
    assert table.loc["again", ["difference", "difference_low", "difference_high"]].tolist() == [0.0, 0.0, 0.0]
    assert table.loc["again", "low"] < table.loc["again", "mean"] < table.loc["again", "high"]


def test_one_run_is_what_simulate_says():
    row = compare(WORLD, {"mine": THERE}, seeds=[7]).runs.iloc[0]
    run = simulate(WORLD, THERE, 7)
    expected = run.summary() | bounds.measures(WORLD, THERE, run)
    assert row.drop(["policy", "seed"]).to_dict() == pytest.approx(expected, nan_ok=True)
    assert row["policy"] == "mine"


def test_intervals_by_hand():
    table = by_hand({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0]}).table(["delay_s"])["delay_s"]
    t = 4.302652729911275  # 97.5 % quantile, two degrees of freedom
    assert table.loc["a", "mean"] == 2.0
    assert table.loc["a", "high"] - 2.0 == pytest.approx(t / np.sqrt(3))
    assert table.loc["b", "difference"] == 2.0
    assert 2.0 - table.loc["b", "difference_low"] == pytest.approx(t / np.sqrt(3))


@given(st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 2), min_size=2, max_size=8))
def test_intervals_are_those_of_student(pairs):
    a, b = np.array(pairs).T
    table = by_hand({"a": a.tolist(), "b": b.tolist()}).table(["delay_s"])["delay_s"]
    n = len(a)
    for values, row, names in ((a, "a", ("low", "high")), (b - a, "b", ("difference_low", "difference_high"))):
        half = stats.t.ppf(0.975, n - 1) * stats.sem(values)
        expected = [values.mean() - half, values.mean() + half]
        assert table.loc[row, list(names)].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_one_seed_has_no_interval_and_nan_is_not_hidden():
    one = by_hand({"a": [1.0]}).table(["delay_s"])["delay_s"]
    assert one.loc["a", "mean"] == 1.0
    assert np.isnan(one.loc["a", ["low", "high"]].astype(float)).all()
    hole = by_hand({"a": [1.0, np.nan, 3.0]}).table(["delay_s"])["delay_s"]
    assert np.isnan(hole.loc["a", "mean"])


def test_the_worst_verdict_counts():
    table = by_hand({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    table.runs["verdict"] = ["stable", "overloaded", "backlogged", "stable"]
    assert table.verdicts().to_dict() == {"a": "overloaded", "b": "backlogged"}
    both = table.table(["verdict", "delay_s"])
    assert both["verdict"]["worst"].to_dict() == {"a": "overloaded", "b": "backlogged"}
    assert both["delay_s"].shape == (2, 7)
    assert table.by_seed("verdict").to_numpy().tolist() == [["stable", "backlogged"], ["overloaded", "stable"]]
    assert [row["verdict"] for row in table.records(["verdict"])] == ["overloaded", "backlogged"]


def test_no_samples_is_worse_than_overload():
    assert metrics.worst(["stable", "no samples", "overloaded"]) == "no samples"
    assert metrics.worst(iter(["stable", "backlogged"])) == "backlogged"


def test_jobs_change_nothing():
    alone, together = (compare(WORLD, [HERE, THERE], seeds=range(2), jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(alone.runs, together.runs, check_exact=True)
    told = []
    compare(WORLD, [HERE], seeds=range(4), progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_rule_that_fails_ends_the_comparison(jobs):
    careless = Policy("careless", HERE.plan, where=KeepOrOffer(offload_first=True, keep_when_empty=False))
    with pytest.raises(RuleError, match="careless offers tasks but has no rule"):
        compare(WORLD, [HERE, careless], seeds=range(2), jobs=jobs)


class OddError(Exception):
    """Cannot be read again once it is pickled."""

    def __init__(self, what, why):
        super().__init__(f"{what}: {why}")


@dataclass(frozen=True)
class Raises:
    cumulative: ClassVar[bool] = False

    error: type
    told: tuple

    def score(self, outputs, heads):
        raise self.error(*self.told)

    __call__ = score


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("error", "told", "message"),
    [(OddError, ("no luck", "none left"), "no luck: none left"), (ZeroDivisionError, ("by 0",), "by 0")],
)
def test_what_a_rule_raises_is_told_whoever_runs_it(jobs, error, told, message):
    unlucky = replace(HERE, score=Raises(error, told))
    raised = RunError if (error, jobs) == (OddError, 2) else error
    with pytest.raises(raised, match=f"{'OddError: ' * (raised is RunError)}{message}$"):
        compare(WORLD, [unlucky], seeds=range(2), jobs=jobs)


class Deadly(Executor):
    """Processes that die of whatever they are given."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_exception(BrokenExecutor())
        return future


def test_a_run_that_outlasts_no_process_ends_the_comparison(monkeypatch):
    monkeypatch.setattr(cases, "engine", lambda where: nullcontext(Engine(lambda jobs: Deadly(), breaks=True)))
    with pytest.raises(RunError, match=r"here, seed \d: the process that ran it died, 2 times"):
        compare(WORLD, [HERE], seeds=range(2), jobs=2)


@pytest.mark.parametrize(("jobs", "processes"), [(None, 3), (2, 2)])
def test_no_number_of_jobs_is_all_cores(monkeypatch, jobs, processes):
    asked = []
    monkeypatch.setattr(cases, "cores", lambda: 3)
    monkeypatch.setattr(
        cases, "engine", lambda where: asked.append(where.jobs) or nullcontext(Engine(lambda _: Serial(), ahead=1))
    )
    compare(WORLD, [HERE, THERE], seeds=range(2), jobs=jobs)
    assert asked == [processes]


def test_a_number_of_seeds_is_so_many_from_zero():
    assert compare(WORLD, [HERE], seeds=2).seeds == compare(WORLD, [HERE], seeds=range(2)).seeds == (0, 1)


def test_policies_of_a_scenario_and_their_labels(tmp_path):
    scenario = Scenario.load(scenario_file(tmp_path))
    assert list(compare(scenario, seeds=[1]).policies) == ["local", "strict"]
    stated = ["mdi-exit", "strict", {"name": "ddi", "label": "whole"}, policies.Random()]
    table = compare(scenario, stated, seeds=[1])
    assert list(table.policies) == ["mdi-exit", "strict", "whole", "random"]
    assert [p["policy"] for p in table.policies.values()] == ["mdi-exit", "mdi-exit", "ddi", "random"]
    assert [table.policies[p]["parameters"]["exit_threshold"] for p in ("mdi-exit", "strict")] == [0.8, 0.95]


def test_a_name_means_what_the_scenario_states_under_it(tmp_path):
    scenario = Scenario.load(scenario_file(tmp_path), {"policy.exit_threshold": 0.6})
    assert simulate(scenario, "mdi-exit").parameters["exit_threshold"] == 0.6
    assert simulate(scenario, "oracle").parameters["exit_threshold"] == 0.6  # shared with the scenario's own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policies": "here"}, r"\['here'\] would do"),
        ({"policies": []}, "no policies"),
        ({"policies": {}}, "no policies"),
        ({"policies": [HERE, THERE, HERE]}, "two policies are called 'here'; give labels"),
        ({"seeds": []}, r"seeds are \[\]"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"seeds": 0}, r"seeds are \[\]"),
        ({"seeds": 1.5}, "seeds is 1.5"),
        ({"jobs": 0}, "jobs is 0"),
        ({"jobs": "2"}, "jobs is '2'; a whole number"),
    ],
)
def test_what_cannot_be_compared(arguments, message):
    with pytest.raises(ExperimentError, match=message):
        compare(WORLD, **({"policies": [HERE], "seeds": [1]} | arguments))


def test_an_unknown_measure_is_told_with_the_nearest():
    with pytest.raises(ExperimentError, match="did you mean 'latency_p95_s'"):
        compare(WORLD, [HERE], seeds=[1]).table(["latency_95_s"])


def test_a_comparison_as_files(tmp_path):
    scenario = Scenario.load(scenario_file(tmp_path))
    first = compare(scenario, seeds=range(2))
    again = Comparison.load(first.save(tmp_path / "out", command="mdisim compare"))
    pd.testing.assert_frame_equal(again.runs, first.runs)
    pd.testing.assert_frame_equal(again.table(), first.table())
    assert again.origin == first.origin
    assert again.identity == first.identity
    first.save(tmp_path / "out")
    with pytest.raises(ResultsError, match="holds other results"):
        compare(scenario, seeds=range(3)).save(tmp_path / "out")
    with pytest.raises(ResultsError, match="holds a run, not a comparison"):
        Comparison.load(simulate(scenario).save(tmp_path / "run"))


def test_records_say_the_unit_in_the_key():
    records = compare(WORLD, [HERE, THERE], seeds=range(2)).records(["latency_p95_s"])
    names = ("", "_low", "_high", "_difference", "_difference_low", "_difference_high", "_difference_p")
    assert [set(record) for record in records] == [
        {"policy", "verdict", "seeds", *(f"latency_p95_s{name}" for name in names)}
    ] * 2


# --- many comparisons at once


def test_p_values_are_paired_and_adjusted_over_the_policies():
    values = {
        "a": [1.0, 2.0, 3.0, 4.0],
        "b": [1.1, 2.2, 3.2, 4.3],
        "c": [1.0, 2.1, 3.0, 4.1],
        "d": [1.0, 2.0, 3.0, 4.0],
    }
    p = by_hand(values).table(["delay_s"])["delay_s"]["difference_p"]
    raw = [stats.ttest_rel(values[label], values["a"]).pvalue for label in "bc"]
    assert np.isnan(p["a"])
    assert p["b"] == pytest.approx(3 * raw[0])
    assert p["c"] == pytest.approx(2 * raw[1])
    assert p["d"] == 1.0


def test_intervals_that_hold_together_are_wider():
    table = by_hand({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0], "c": [1.0, 2.0, 4.0]})
    alone, together = (table.table(["delay_s"], simultaneous=both)["delay_s"].loc["b"] for both in (False, True))
    assert together["low"] == alone["low"]
    half = stats.t.ppf(1 - 0.025 / 2, 2) / np.sqrt(3)
    assert together["difference_high"] - together["difference"] == pytest.approx(half)


# --- as many seeds as it takes


def test_seeds_are_added_until_the_interval_is_narrow_enough():
    wide = compare(WORLD, [HERE, THERE], seeds=range(3)).table(["latency_mean_s"])["latency_mean_s"]
    goal = 0.5 * float((wide["high"] - wide["mean"]).max())
    done = compare(WORLD, [HERE, THERE], Auto("latency_mean_s", absolute=goal, first=3, at_most=60))
    table = done.table(["latency_mean_s"])["latency_mean_s"]
    assert 3 < len(done.seeds) <= 60
    assert done.seeds == tuple(range(len(done.seeds)))
    assert (table["high"] - table["mean"] <= goal).all()
    assert not any("not known" in warning for warning in done.warnings)
    plain = compare(WORLD, [HERE, THERE], done.seeds)
    pd.testing.assert_frame_equal(done.runs, plain.runs)


def test_seeds_end_where_they_are_told_to_and_it_is_said():
    told = []
    goal = Auto("latency_mean_s", relative=1e-9, first=2, at_most=5)
    done = compare(WORLD, [HERE, THERE], goal, progress=told.append)
    assert done.seeds == (0, 1, 2, 3, 4)
    assert "after 5 seeds the mean of latency_mean_s is not known within ± 1e-07 %" in done.warnings
    assert told == pytest.approx([i / 10 for i in range(1, 11)])


def test_what_never_varies_and_what_is_never_known_need_no_more_seeds():
    assert len(compare(WORLD, [HERE, AGAIN], Auto("latency_mean_s", relative=0.01, of="difference")).seeds) == 5
    lost = compare(WORLD, [HERE], Auto("recovery_max_s", relative=0.01, first=2))
    assert lost.seeds == (0, 1)
    assert any("recovery_max_s is not known" in warning for warning in lost.warnings)


def test_how_many_more_seeds_is_guessed_from_those_that_there_are():
    values = np.array([[1.0], [2.0], [3.0], [2.0]])  # 2 ± 1.3
    half = float(stats.t.ppf(0.975, 3) * stats.sem(values[:, 0]))
    assert Auto("x", absolute=half * 1.01).needed(values) == 4
    assert Auto("x", absolute=half / 1.2).needed(values) == 6
    assert Auto("x", absolute=half / 10).needed(values) == 8  # twice as many at most
    assert Auto("x", absolute=1e-200).needed(values) == 8
    assert Auto("x", relative=half / 1.2 / 2.0).needed(values) == 6
    assert Auto("x", relative=half / 1.2 / 2.0, at_most=5).needed(values) == 5
    pair = np.column_stack([np.full(4, 10.0), 10.0 + values[:, 0]])
    assert Auto("x", relative=half / 1.2 / 10.0, of="difference").needed(pair) == 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "one of relative and absolute"),
        ({"relative": 0.1, "absolute": 1.0}, "one of relative and absolute"),
        ({"relative": 0.0}, "above 0"),
        ({"relative": 0.1, "of": "median"}, "'mean' or 'difference'"),
        ({"relative": 0.1, "first": 1}, "two or more"),
        ({"relative": 0.1, "first": 9, "at_most": 8}, "no fewer after"),
    ],
)
def test_what_makes_no_sense_as_a_goal(given, message):
    with pytest.raises(ExperimentError, match=message):
        Auto("latency_mean_s", **given)


def test_a_goal_needs_a_measure_that_there_is():
    with pytest.raises(ExperimentError, match="did you mean 'latency_mean_s'"):
        compare(WORLD, [HERE], Auto("latency_mean", relative=0.1))


# --- warm-up, and whether the state is steady


def test_the_number_in_the_system_over_time_has_the_mean_of_the_summary():
    run = simulate(WORLD, THERE, 1)
    series = in_system(run)
    after = round(BINS * run.warmup_s / run.duration_s)
    assert series[after:].mean() == pytest.approx(metrics.in_system_mean(run), rel=1e-9)
    assert series.min() >= 0.0


def test_mser_chooses_the_longest_warm_up_of_all_policies():
    done = compare(WORLD, [HERE, THERE], seeds=range(2), warmup="mser")
    cuts = []
    for policy in (HERE, THERE):
        series = [in_system(simulate(WORLD, policy, seed)) for seed in (10_000, 10_001, 10_002)]
        cuts.append(settled_s(series, 4.0))
    assert done.warmup == "mser"
    assert done.warmup_s == max(cut for cut, settled in cuts if settled)
    assert done.identity == compare(WORLD, [HERE, THERE], seeds=range(2)).identity == ""
    with pytest.raises(ExperimentError, match="'stated' or 'mser'"):
        compare(WORLD, [HERE], warmup="long")


def test_what_is_overloaded_is_warned_of():
    busy = line(1, (0.03,), outputs=drawn(200, 1), duration_s=10.0)  # 50/s are offered, 33/s can be done
    done = compare(busy, [fixed(busy)], seeds=range(2), warmup="mser")
    assert any("fixed is overloaded" in warning for warning in done.warnings)
    assert any("finds no end of the warm-up" in warning for warning in done.warnings)
    assert done.warmup_s == 0.0


def noise(shape: np.ndarray, n: int = 6) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [shape + rng.normal(size=BINS) for _ in range(n)]


TIME = np.arange(BINS)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (np.full(BINS, 10.0), None),
        (10.0 + TIME / 100.0, "changes by .* from the first to the second half"),
        (10.0 - 9.0 * np.exp(-TIME / 60.0), "the warm-up of 5 s may be too short: by MSER-5 .* settles after"),
        (np.where(TIME < 40, 0.0, 10.0), None),  # before the warm-up ends, anything may be
        (10.0 + 0.3 * (TIME > 500), None),  # too little to matter
    ],
)
def test_doubts(shape, says):
    told = doubts({"a": noise(shape), "b": noise(np.full(BINS, 5.0))}, {"a": "stable", "b": "stable"}, 5.0, 100.0)
    assert len(told) == (says is not None)
    if says is not None:
        assert told[0].startswith("a")
        assert pd.Series(told).str.contains(says).all()
    assert doubts({"a": noise(shape, 2)}, {"a": "stable"}, 5.0, 100.0) == []  # two seeds cannot tell


def test_how_a_comparison_was_made_is_kept(tmp_path):
    scenario = Scenario.load(scenario_file(tmp_path))
    until = Auto("latency_mean_s", relative=1e-6, first=2, at_most=3)
    done = compare(scenario, None, until, warmup="mser")
    again = Comparison.load(done.save(tmp_path / "out"))
    assert (again.warmup, again.warmup_s, again.until, again.warnings) == (
        "mser", done.warmup_s, until, done.warnings
    )  # fmt: skip
    assert again.identity == done.identity
    plain = compare(scenario, None, range(3))
    assert len({done.identity, plain.identity, compare(scenario, None, range(3), warmup="mser").identity}) == 3
    assert Comparison.load(plain.save(tmp_path / "plain")).warmup_s == 1.0


# --- in print


def test_markdown_has_units_halves_and_marks():
    table = by_hand({"a": [0.010, 0.011, 0.012], "b|": [0.020, 0.0212, 0.0222]})
    assert table.markdown(["delay_s"]).splitlines() == [
        "| policy | delay (ms) | verdict |",
        "| --- | ---: | --- |",
        "| a | 11.0 ± 2.5 | stable |",
        r"| b\| | 21.1 ± 2.7 \* | stable |",
        "",
        r"Means over 3 seeds ± half of the 95 % interval. \*: differs from a, paired by seed (t test, p < 0.05, "
        "adjusted by Holm for 1 compared).",
    ]


def test_latex_is_a_tabular_with_what_must_be_escaped():
    table = by_hand({"a_1": [0.010, 0.011, 0.012], "50 %": [0.020, 0.0212, 0.0222]})
    table.runs["exit_1_share"] = [0.5, 0.6, 0.7, 0.5, 0.6, np.nan]
    assert table.latex(["delay_s", "exit_1_share"]).splitlines()[1:] == [
        r"\begin{tabular}{lrrl}",
        r"\toprule",
        r"policy & delay & exit 1 share & verdict \\",
        r" & (ms) & (\%) &  \\",
        r"\midrule",
        r"a\_1 & $11.0 \pm 2.5$ & $60 \pm 25$ & stable \\",
        r"50 \% & $21.1 \pm 2.7^{*}$ & -- & stable \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (12.3456, 0.4321, "12.35 ± 0.43"),
        (1234.5, 432.1, "1234 ± 432"),
        (100.0, 1e-12, "100.00 ± 0.00"),
        (0.0, 0.0123, "0.000 ± 0.012"),
        (0.0, 0.0, "0 ± 0"),
        (1.5, 0.0, "1.50 ± 0.00"),
        (0.12345, np.nan, "0.123"),
        (np.nan, np.nan, "-"),
        (-0.5, 9.6, "-0.5 ± 9.6"),
    ],
)
def test_cells(value, half, text):
    assert cell(value, half) == text


def test_one_seed_is_printed_without_intervals():
    assert by_hand({"a": [1.0], "b": [2.0]}).markdown(["delay_s"]).splitlines()[2:] == [
        "| a | 1.00 | stable |", "| b | 2.00 | stable |", "", "One seed: no intervals."
    ]  # fmt: skip


# --- the intervals are right


def test_intervals_cover_the_mean_of_an_mm1_queue():
    """40 comparisons of 4 short runs: the 95 % intervals of the mean number in the system, 99.9 % limits.

    At load 0.5 it is one. What is left out is nine relaxation times of the queue, which begins empty.
    `benchmarks/coverage.py` has a thousand comparisons of ten longer runs.
    """
    n, runs, mean_s = 40, 4, 0.01
    world = line(
        1, (mean_s,), arrivals=Arrivals("poisson", 0.5 / mean_s), jitter=Jitter("exponential"), order="bootstrap",
        warmup_s=1.0, duration_s=5.0,
    )  # fmt: skip
    policy = fixed(world)
    means = [in_system(engine.run(world, policy, seed))[200:].mean() for seed in range(n * runs)]
    _, low, high = t_interval(np.reshape(means, (runs, n)))
    covered = int(((low <= 1.0) & (high >= 1.0)).sum())
    least, most = stats.binom.interval(0.999, n, 0.95)
    assert least <= covered <= most


class Nothing:
    """A recipe that forgot to return its policy."""

    name = "nothing"

    def build(self, setting):
        """Give nothing."""


def test_a_build_that_returns_no_policy_is_told():
    with pytest.raises(ExperimentError, match="policy nothing: its build returned None; a Policy would do"):
        simulate(WORLD, Nothing(), seed=1)


def test_a_run_is_called_as_the_scenario_calls_its_policy(tmp_path):
    scenario = Scenario.load(scenario_file(tmp_path))
    labelled = scenario.with_overrides(["compare=[{name: local, label: alone}]"])
    assert simulate(labelled, "alone", seed=1).policy == "alone"
    assert simulate(scenario.with_overrides(["policy={name: local, label: mine}"]), seed=1).policy == "mine"


@pytest.mark.parametrize(
    ("measure", "value", "half", "text"),
    [
        ("latency_mean_s", 0.0283, 2.55e-15, "28.300 ± 0.000 ms"),
        ("latency_mean_s", 0.0044, 0.0, "4.40 ± 0.00 ms"),
        ("latency_p95_s", 7.36, np.nan, "7.36 s"),
        ("throughput_per_s", 20.0, np.nan, "20.0/s"),
        ("accuracy", 0.8421, 0.0123, "84.2 ± 1.2 %"),
        ("sent_per_sample_bytes", 23456.0, np.nan, "23.5 kB"),
        ("accuracy", np.nan, np.nan, "-"),
        ("knots", 8, np.nan, "8"),
    ],
)
def test_quantities_have_the_style_of_cells(measure, value, half, text):
    assert quantity(measure, value, half) == text


def test_what_was_stated_is_shown_as_it_was_stated():
    assert stated([5e6, 1e7], "bps") == ("Mbps", ["5", "10"])
    assert stated([0.7, 0.95]) == ("", ["0.7", "0.95"])
    assert stated(["wifi", 3, 5e6]) == ("", ["wifi", "3", "5000000"])
    assert stated([123456789.0, 1e-7], "/s") == ("/s", ["123457000", "1e-07"])
