"""Simulating and comparing: the same work for every policy, the textbook's intervals, any number of jobs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from worlds import drawn, fixed, line, scenario_file

from mdisim import policies
from mdisim.engine import RuleError
from mdisim.experiments.compare import Comparison, compare
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.simulate import simulate
from mdisim.folders import ResultsError
from mdisim.policies.policy import Policy
from mdisim.policies.rules import KeepOrOffer
from mdisim.scenario import Scenario, ScenarioError
from mdisim.world import Jitter

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
    summary = simulate(WORLD, THERE, 7).summary()
    assert row.drop(["policy", "seed"]).to_dict() == pytest.approx(summary, nan_ok=True)
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
        ({"policies": [HERE, THERE, HERE]}, "two policies are called 'here'; give labels"),
        ({"seeds": []}, r"seeds are \[\]"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"jobs": 0}, "jobs is 0"),
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
    names = ("", "_low", "_high", "_difference", "_difference_low", "_difference_high")
    assert [set(record) for record in records] == [
        {"policy", "verdict", "seeds", *(f"latency_p95_s{name}" for name in names)}
    ] * 2
