"""Sweeps: what a design lays out, what is refused, what runs once, what is kept, and what a table says."""

import json
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import ALONE, line, scenario_file

from mdisim import cli, policies
from mdisim.errors import InputError
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.simulate import simulate
from mdisim.experiments.sweep import store
from mdisim.experiments.sweep.design import Design, bounds_of, column, values_of
from mdisim.experiments.sweep.plan import lay_out
from mdisim.experiments.sweep.store import Store
from mdisim.experiments.sweep.sweep import Sweep, Tally, begin, sweep
from mdisim.experiments.sweep.work import Outcome, Stem, Task
from mdisim.folders import ResultsError
from mdisim.profiles import synthesise, write
from mdisim.report import save_page
from mdisim.scenario import Scenario

RULES = """
from dataclasses import dataclass, replace
from typing import ClassVar

from mdisim.policies import MdiExit


@dataclass(frozen=True)
class Fails:
    cumulative: ClassVar[bool] = False

    def score(self, outputs, heads):
        raise RuntimeError("no luck")


@dataclass(frozen=True)
class Early:
    level: float = 0.5


@dataclass(frozen=True)
class Late:
    level: float = 0.5


@dataclass(frozen=True)
class Moody:
    luck: float = 1.0
    part: object = None

    def build(self, setting):
        policy = MdiExit().build(setting)
        return policy if self.luck > 0.5 else replace(policy, score=Fails())
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return scenario_file(tmp_path_factory.mktemp("scene"), ALONE)


@pytest.fixture(scope="module")
def scenario(path):
    return Scenario.load(path, {"run.duration": "2 s"})


GRID = {"policy.exit_threshold": [0.7, 0.9], "network.link.rate": ["10 Mbps", "20 Mbps"]}


@pytest.fixture(scope="module")
def swept(scenario, tmp_path_factory):
    return sweep(scenario, grid=GRID, policies=["mdi-exit", "local"], seeds=2, jobs=1,
                 out=tmp_path_factory.mktemp("results") / "out")  # fmt: skip


# --- designs


def test_a_grid_is_crossed_and_a_zip_moves_together():
    points = Design(grid={"a": [1, 2], "b": [3, 4]}, zip={"c": [5, 6], "d": [7, 8]}).points()
    assert len(points) == 8
    assert points[0] == {"a": 1, "b": 3, "c": 5, "d": 7}
    assert points[1] == {"a": 1, "b": 3, "c": 6, "d": 8}
    assert Design().points() == [{}]


@given(st.integers(1, 40), st.integers(0, 5))
def test_a_latin_hypercube_has_one_point_in_each_part_of_each_axis(n, seed):
    design = Design(latin={"a": (0.0, 1.0), "b": (1.0, 1000.0, "log")}, n_points=n, seed=seed)
    points = design.points()
    a = np.array([p["a"] for p in points])
    b = np.log10([p["b"] for p in points]) / 3
    for shares in (a, b):
        parts = np.sort(np.floor(np.clip(shares, 0, 1 - 1e-9) * n + 1e-4))  # values are rounded to six digits
        assert np.abs(parts - np.arange(n)).max() <= 1
    assert points == design.points()


def test_draws_stay_in_their_bounds_and_carry_their_units():
    drawn = {"rate": ("1 Mbps", "50 Mbps", "log"), "n": (1, 3, "int"), "x": (0.5, 0.75)}
    points = Design(random=drawn, n_points=200).points()
    assert {p["n"] for p in points} == {1, 2, 3}
    assert all(0.5 <= p["x"] <= 0.75 for p in points)
    rates = column([p["rate"] for p in points])
    assert all(1e6 <= rate <= 50e6 for rate in rates)
    assert np.median(rates) == pytest.approx(np.sqrt(50) * 1e6, rel=0.4)
    assert Design(random=drawn, n_points=20).points() == points[:20]


@pytest.mark.parametrize(
    ("text", "parts"),
    [("0.3:0.95", (0.3, 0.95)), ("1 ms:1 s:log", ("1 ms", "1 s", "log")), (" 1 : 3 : int", (1, 3, "int"))],
)
def test_a_range_as_text_means_the_same(text, parts):
    for kind in ("random", "latin"):
        written, told = (Design(**{kind: {"a": given}}, n_points=5) for given in (text, parts))
        assert (written.faults(), written.points()) == ([], told.points())


def test_columns_have_one_type():
    assert column(["10 Mbps", "1 kbps"]) == [10e6, 1e3]
    assert column([1, 2.5]) == [1.0, 2.5]
    assert column(["a", 1, [2]]) == ["a", "1", "[2]"]
    assert column([True, False]) == [True, False]


def test_values_are_read_as_set_reads_them():
    assert values_of("--grid", "a.b=0.5, 2 Mbps,[1,2],{c: x}") == ("a.b", [0.5, "2 Mbps", [1, 2], {"c": "x"}])
    assert bounds_of("--random", "a=1 ms:1 s:log") == ("a", ("1 ms", "1 s", "log"))


# --- what is refused


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"grid": {"policy.exit_treshold": [0.5]}}, "--grid policy.exit_treshold=0.5: .*mean 'exit_threshold'"),
        ({"grid": {"network.link.rate": [20]}}, "--grid network.link.rate=20: .*has no unit"),
        ({"grid": {"run.seed": [1]}}, r"run.seed: seeds \(--seeds\) would do"),
        ({"grid": {"policy": ["local"]}}, r"policy: policies \(--policies\) would do"),
        ({"grid": {"run.duration": "2 s"}}, r"\['2 s'\] would do"),
        ({"grid": {"run.duration": []}}, "no values"),
        ({"grid": {"a": [1]}, "zip": {"a": [2]}}, "a: stands in more than one place"),
        ({"zip": {"a": [1, 2], "b": [1]}}, "a has 2, b has 1"),
        ({"random": {"a": (1, 2)}}, "--points 20"),
        ({"points": 3}, "there is neither"),
        ({"random": {"a": (2, 1)}, "points": 1}, "from 2 to 1 there is nothing"),
        ({"latin": {"a": (0, 1, "log")}, "points": 1}, "above zero"),
        ({"latin": {"a": ("1 ms", "1 Mbps")}, "points": 1}, "quantities of one kind"),
        ({"random": {"a": (0.5, 2, "int")}, "points": 1}, "its bounds are not"),
        ({"random": {"a": (1, 2, "lin")}, "points": 1}, "low:high:log"),
        ({"random": {"a": "0.3-0.9"}, "points": 1}, "'0.3-0.9' is no range"),
        ({"seeds": []}, "seeds are"),
        ({"policies": "local"}, r"\['local'\] would do"),
        ({"policies": []}, "name one or more"),
        ({"policies": {}}, "name one or more"),
        ({"policies": ["local", "local"]}, "two policies are called 'local'"),
        ({"policies": ["lcal"]}, "did you mean 'local'"),
        ({"policies": [{"name": "remote", "device": "fone"}]}, "'fone'"),
        ({"policies": ["local"], "grid": {"policy.out_queue_limit": [1]}}, "none of local has this parameter"),
        ({"policies": ["mdi-exit"], "grid": {"policy.treshold": [0.5]}}, "did you mean 'exit_threshold'"),
        ({"policies": [policies.MdiExit]}, "is no policy"),
        ({"policies": [policies.MdiExit()], "grid": {"policy.alpha": [0.1]}}, "is an object"),
        ({"jobs": 0}, "jobs is 0"),
        ({"jobs": "2"}, "jobs is '2'; a whole number"),
        ({"backend": "slurm"}, "no backend 'slurm'"),
        ({"address": "tcp://x:1"}, "backend dask would do"),
        ({"shard": "3/3"}, "0/50 to 49/50 would do"),
        ({"shard": 3}, "0/50 to 49/50 would do"),
        ({"shard": "0/2"}, "--out"),
        ({"keep_runs": True}, "--out"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept_over_is_told_before_anything_runs(scenario, design, message):
    told = []
    with pytest.raises(ExperimentError, match=message):
        sweep(scenario, **({"jobs": 1} | design), progress=told.append)
    assert all(tally.checking for tally in told)


def test_all_faults_come_at_once(scenario):
    bad = {"policy.exit_threshold": [0.5, "x"], "run.duration": ["2 s", "2", "3"]}
    with pytest.raises(ExperimentError) as told:
        sweep(scenario, grid=bad)
    assert sorted(line.partition(":")[0] for line in str(told.value).splitlines()) == [
        '--grid policy.exit_threshold="x"', '--grid run.duration="2"', '--grid run.duration="3"',
    ]  # fmt: skip


def test_the_policies_under_compare_are_swept(tmp_path):
    scenario = Scenario.load(scenario_file(tmp_path), {"run.duration": "2 s"})
    grid = {"policy.exit_threshold": [0.7, 0.9]}
    alone, named = (lay_out(scenario, Design(grid=grid), p, [0]).table for p in (None, ["local", "strict"]))
    pd.testing.assert_frame_equal(alone, named)
    own = lay_out(scenario, Design(grid={"policy.name": ["local", "mdi-exit"]}), None, [0]).table
    assert own["policy"].tolist() == ["local", "mdi-exit"]


def test_a_world_by_hand_has_no_paths():
    with pytest.raises(ExperimentError, match="a Scenario would do"):
        sweep(line())


# --- what runs


def test_one_row_a_run_in_the_order_of_the_design(swept, scenario):
    runs = swept.runs
    assert len(runs) == 16
    assert runs.columns[:6].tolist() == ["point", *GRID, "policy", "seed", "status"]
    assert runs.columns[-2:].tolist() == ["message", "key"]
    assert runs["network.link.rate"].tolist() == ([10e6] * 4 + [20e6] * 4) * 2
    assert runs["policy"].tolist() == ["mdi-exit"] * 2 + ["local"] * 2 + (["mdi-exit"] * 2 + ["local"] * 2) * 3
    assert (runs["status"] == "done").all()
    row = runs.iloc[5]
    at = scenario.with_overrides({"policy.exit_threshold": 0.7, "network.link.rate": "20 Mbps"})
    measures = simulate(at, "mdi-exit", seed=1).summary()
    assert row[list(measures)].to_dict() == pytest.approx(measures, nan_ok=True)


def test_what_means_the_same_runs_once(scenario):
    grid = {"policy.out_queue_limit": [1, 10]}  # of MDI-Exit alone
    runs = sweep(scenario, grid=grid, policies=["mdi-exit", "local"], seeds=1, jobs=1).runs
    assert runs.groupby("policy")["key"].nunique().to_dict() == {"mdi-exit": 2, "local": 1}
    twice = lay_out(scenario, Design(grid={"policy.exit_threshold": [0.8, 0.80]}), None, [0])
    assert (len(twice.table), len(twice.tasks)) == (2, 1)


def test_a_key_changes_with_what_a_run_means_and_with_nothing_else(scenario, path):
    def keys(s, seeds=(0,), policies=None, **design):
        return lay_out(s, Design(**design), policies, list(seeds)).table["key"].tolist()

    (key,) = keys(scenario)
    other = Scenario.load(path, {"run.duration": "2000 ms", "run.seed": 7, "compare": ["local", "mdi-exit"]})
    assert keys(other, policies=["mdi-exit"]) == [key]
    assert keys(scenario, grid={"network.link.rate": ["20 Mbps"]}) == [key]
    others = [keys(scenario, (1,)), keys(scenario, grid={"policy.exit_threshold": [0.81]}),
              keys(scenario, grid={"network.link.rate": ["21 Mbps"]})]  # fmt: skip
    assert len({key, *(k for (k,) in others)}) == 4


def test_parts_of_a_recipe_are_told_apart_by_their_kind(moody):
    import lucky  # on the path for the while of a test

    recipes = {"a": lucky.Moody(part=lucky.Early(0.5)), "b": lucky.Moody(part=lucky.Late(0.5)),
               "c": lucky.Moody(part=(lucky.Early(0.5),)), "d": lucky.Moody(part=(lucky.Late(0.5),))}  # fmt: skip
    assert len(lay_out(moody, Design(), recipes, [0]).tasks) == 4
    assert len(lay_out(moody, Design(), {**recipes, "e": lucky.Moody(part=lucky.Early(0.5))}, [0]).tasks) == 4


def test_a_profile_that_is_made_anew_is_read_anew(tmp_path):
    """In one process, which keeps what it has read."""
    path, found = scenario_file(tmp_path, ALONE), []
    for last in (0.9, 0.6):
        made = synthesise(n=400, exits=3, accuracy=(0.4, 0.5, last), stage_s=(0.01, 0.01, 0.02), head_s=0.001,
                          out_bytes=(3000.0, 20000.0, 10000.0, 0.0), seed=0, name="demo")  # fmt: skip
        write(made, tmp_path / "demo.npz")
        short = {"run.duration": "4 s", "policy": {"name": "no-exit"}}
        found += [sweep(Scenario.load(path, short), seeds=1, jobs=1).runs.iloc[0]]
    assert found[0]["key"] != found[1]["key"]
    assert found[0]["accuracy"] > 0.8 > 0.7 > found[1]["accuracy"]


def test_a_profile_that_changes_meanwhile_is_told(tmp_path):
    stem = Stem.of(Scenario.load(scenario_file(tmp_path, ALONE)))
    assert stem.grow().profile.digest == stem.profile
    with pytest.raises(ExperimentError, match=r"its profile .*demo.npz is not the one"):
        replace(stem, profile="0" * 64).grow()


def test_a_sweep_loads_and_reads_as_parquet(swept):
    again = Sweep.load(swept.directory)
    pd.testing.assert_frame_equal(again.runs, swept.runs)
    assert again.paths == tuple(GRID)
    assert len(pd.read_parquet(swept.directory / "parts")) == 16
    log = [json.loads(one) for one in (swept.directory / "log.jsonl").read_text().splitlines()]
    assert {one["key"] for one in log} == set(swept.runs["key"])
    assert "16 done" in repr(again)


def test_a_finished_sweep_runs_nothing_again(swept, scenario):
    before = {p: p.stat().st_mtime_ns for p in (swept.directory / "parts").iterdir()}
    told = []
    again = sweep(scenario, grid=GRID, policies=["mdi-exit", "local"], seeds=2, jobs=1, out=swept.directory,
                  progress=told.append)  # fmt: skip
    pd.testing.assert_frame_equal(again.runs, swept.runs)
    assert told[-1] == Tally(16, 16, 0, 16)
    assert before == {p: p.stat().st_mtime_ns for p in (swept.directory / "parts").iterdir()}


def test_a_sweep_that_was_changed_is_whole_after_a_kill(scenario, tmp_path, monkeypatch):
    """Killed after each of the files that are replaced: the same again makes all of them that of the new one."""
    plans = [lay_out(scenario, Design(grid={"policy.exit_threshold": [x]}), None, [0]) for x in (0.7, 0.8)]
    replaces = Path.replace
    for survives in range(4):
        out = tmp_path / str(survives)
        begin(plans[0], out)
        left = iter([True] * survives)

        def killed(path, target, left=left, out=out):
            if Path(target).parent == out and not next(left, False):
                raise KeyboardInterrupt
            return replaces(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", killed)
            with pytest.raises(KeyboardInterrupt):
                begin(plans[1], out, force=True)
        begin(plans[1], out, force=True)
        pd.testing.assert_frame_equal(pd.read_parquet(out / "plan.parquet"), plans[1].table)


def test_a_summary_goes_when_runs_are_done_again(scenario, tmp_path):
    first = sweep(scenario, seeds=2, jobs=1, out=tmp_path)
    for key in first.runs["key"]:
        (tmp_path / "parts" / f"{key}.parquet").unlink()

    def killed(tally):
        if not tally.checking and tally.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(scenario, seeds=2, jobs=1, out=tmp_path, progress=killed)
    assert Sweep.load(tmp_path).runs["status"].tolist() == ["done", "pending"]


def test_two_processes_do_not_do_the_same(scenario, tmp_path):
    first = sweep(scenario, seeds=1, jobs=1, out=tmp_path)
    with Store(tmp_path).alone():
        with pytest.raises(ResultsError, match=r"another process is at work on these runs.*--shard"):
            sweep(scenario, seeds=1, jobs=1, out=tmp_path)
        sweep(scenario, seeds=1, jobs=1, out=tmp_path, shard=(0, 2))
    again = sweep(scenario, seeds=1, jobs=1, out=tmp_path)
    pd.testing.assert_frame_equal(again.runs, first.runs)


@pytest.mark.parametrize("shard", ["", "-1-of-2"])
def test_force_changes_nothing_where_another_is_at_work(scenario, tmp_path, shard):
    sweep(scenario, seeds=1, jobs=1, out=tmp_path)
    with Store(tmp_path, shard).alone():
        before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        with pytest.raises(ResultsError, match="another process is at work on these runs"):
            sweep(scenario, seeds=2, jobs=1, out=tmp_path, force=True)
        assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert len(sweep(scenario, seeds=2, jobs=1, out=tmp_path, force=True).runs) == 2


def test_a_shard_that_was_faster_with_force_is_no_other(scenario, tmp_path, monkeypatch):
    begin(lay_out(scenario, Design(), None, [0]), tmp_path / "out")
    plan = lay_out(scenario, Design(), None, [1])
    give = store._give_files
    with ExitStack() as works:

        def late(*arguments):
            monkeypatch.setattr(store, "_give_files", give)
            works.enter_context(begin(plan, tmp_path / "out", (0, 2), force=True).alone())
            give(*arguments)

        monkeypatch.setattr(store, "_give_files", late)
        begin(plan, tmp_path / "out", (1, 2), force=True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "plan.parquet"), plan.table)


def test_shards_and_the_whole_write_aside_each_for_itself(tmp_path):
    task = Task("abc", None, 0, "a run")
    (Store(tmp_path).parts / ".abc").mkdir()  # somebody else is writing there
    Store(tmp_path, "-0-of-2").put(task, Outcome("done", {"accuracy": 1.0}))
    assert Store(tmp_path).finished() == {"abc"}


def test_another_sweep_needs_force_and_keeps_what_both_have(scenario, tmp_path):
    out = tmp_path / "out"
    first = sweep(scenario, grid={"policy.exit_threshold": [0.7, 0.8]}, seeds=1, jobs=1, out=out)
    with pytest.raises(ResultsError, match="holds another sweep"):
        sweep(scenario, grid={"policy.exit_threshold": [0.8, 0.9]}, seeds=1, jobs=1, out=out)
    told = []
    more = sweep(scenario, grid={"policy.exit_threshold": [0.8, 0.9]}, seeds=1, jobs=1, out=out, force=True,
                 progress=told.append)  # fmt: skip
    assert told[-1] == Tally(2, 2, 0, 1)
    assert more.runs["key"][0] == first.runs["key"][1]
    pd.testing.assert_frame_equal(Sweep.load(out).runs, more.runs)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ResultsError, match="not a directory of results"):
        sweep(scenario, seeds=1, jobs=1, out=tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def damage(path, at=0.5):
    raw = bytearray(path.read_bytes())
    raw[int(at * len(raw))] ^= 4
    path.write_bytes(raw)


@pytest.mark.parametrize("at", [0.0, 0.2, 0.4, 0.6, 0.8, 0.9999, None])
def test_a_part_that_is_damaged_is_named_and_run_again(scenario, tmp_path, at):
    first = sweep(scenario, seeds=2, jobs=1, out=tmp_path / "out")
    part = tmp_path / "out" / "parts" / f"{first.runs['key'][1]}.parquet"
    before, told = part.read_bytes(), []
    if at is None:
        part.write_bytes(before[:100])
    else:
        damage(part, at)
    with pytest.warns(UserWarning, match=f"{part}: is damaged"):
        again = sweep(scenario, seeds=2, jobs=1, out=tmp_path / "out", progress=told.append)
    assert told[-1] == Tally(2, 2, 0, 1)
    assert part.read_bytes() == before
    pd.testing.assert_frame_equal(again.runs, first.runs)


def test_a_sweep_under_way_with_a_damaged_part_is_not_shown(scenario, tmp_path):
    key = sweep(scenario, seeds=2, jobs=1, out=tmp_path).runs["key"][1]
    (tmp_path / "summary.parquet").unlink()
    damage(tmp_path / "parts" / f"{key}.parquet")
    with pytest.raises(ResultsError, match=f"{key}.parquet: is damaged"):
        Sweep.load(tmp_path)


@pytest.mark.parametrize("name", ["plan.parquet", "scenario.yaml", "resolved.yaml", "summary.parquet"])
def test_what_else_is_damaged_is_written_again(scenario, tmp_path, name):
    first = sweep(scenario, seeds=1, jobs=1, out=tmp_path)
    if name == "plan.parquet":  # it is read where there is no summary yet
        (tmp_path / "summary.parquet").unlink()
    before = (tmp_path / name).read_bytes()
    damage(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: is damaged"):
        save_page(tmp_path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sweep(scenario, seeds=1, jobs=1, out=tmp_path)
    assert [name in str(one.message) for one in told] == [True] * (name != "summary.parquet")
    assert (tmp_path / name).read_bytes() == before
    pd.testing.assert_frame_equal(Sweep.load(tmp_path).runs, first.runs)


def test_a_sweep_whose_provenance_is_damaged_is_not_touched(scenario, tmp_path):
    sweep(scenario, seeds=1, jobs=1, out=tmp_path)
    damage(tmp_path / "provenance.json")
    for force in (False, True):
        with pytest.raises(ResultsError, match=r"provenance\.json: is damaged"):
            sweep(scenario, seeds=1, jobs=1, out=tmp_path, force=force)
    assert len(list(tmp_path.glob("parts/*.parquet"))) == 1


def test_shards_together_are_the_whole(scenario, swept, tmp_path):
    out, how = tmp_path / "out", {"grid": GRID, "policies": ["mdi-exit", "local"], "seeds": 2, "jobs": 1}
    parts = [sweep(scenario, **how, out=out, shard=f"{i}/3") for i in (2, 0)]
    assert [(p.runs["status"] == "pending").sum() for p in parts] == [11, 5]
    assert not (out / "summary.parquet").exists()
    assert (Sweep.load(out).runs["status"] == "pending").sum() == 5
    sweep(scenario, **how, out=out, shard=(1, 3))
    assert (out / "summary.parquet").read_bytes() == (swept.directory / "summary.parquet").read_bytes()


def test_whole_runs_are_kept_where_asked_for(scenario, tmp_path):
    """Also those that were done before without their tables; and each states the policy and seed that it had."""
    from mdisim.results import Run

    sweep(scenario, seeds=1, jobs=1, out=tmp_path / "out", policies=["mdi-exit", "local"])
    done = sweep(scenario, seeds=1, jobs=1, out=tmp_path / "out", policies=["mdi-exit", "local"], keep_runs=True)
    for row in done.runs.to_dict("records"):
        folder = tmp_path / "out" / "runs" / row["key"]
        run = Run.load(folder)
        assert run.summary()["accuracy"] == row["accuracy"]
        assert run.policy == row["policy"]
        pd.testing.assert_frame_equal(simulate(Scenario.load(folder / "resolved.yaml")).tasks, run.tasks)


# --- what fails


@pytest.fixture
def moody(path, tmp_path, monkeypatch):
    (tmp_path / "lucky.py").write_text(RULES)
    monkeypatch.syspath_prepend(tmp_path)
    return Scenario.load(path, {"policy": {"rule": "lucky:Moody"}, "run.duration": "2 s"}, allow_code=True)


def test_a_run_that_fails_is_a_row(moody, tmp_path):
    done = sweep(moody, grid={"policy.luck": [1.0, 0.0]}, seeds=2, jobs=1, out=tmp_path / "out")
    assert done.runs["status"].tolist() == ["done", "done", "failed", "failed"]
    assert done.failures["message"].unique().tolist() == ["RuntimeError: no luck"]
    assert done.failures["accuracy"].isna().all()
    assert done.table("accuracy")["seeds"].tolist() == [2, 0]
    log = (tmp_path / "out" / "log.jsonl").read_text()
    assert log.count("Traceback") == 2
    told = []
    sweep(moody, grid={"policy.luck": [1.0, 0.0]}, seeds=2, jobs=1, out=tmp_path / "out", retry_failed=True,
          progress=told.append)  # fmt: skip
    assert told[-1] == Tally(4, 4, 2, 2)


def test_a_sweep_of_which_everything_failed_has_a_table_too(moody):
    done = sweep(moody, grid={"policy.luck": [0.0]}, seeds=1, jobs=1)
    assert set(done.runs["status"]) == {"failed"}
    assert done.table("accuracy")["seeds"].tolist() == [0]
    assert done.table("accuracy")["accuracy"].isna().all()
    assert done.table("accuracy")["verdict"].isna().all()
    assert done.records(["verdict"])[0]["verdict"] is None


def test_a_table_has_the_worst_verdict_over_the_seeds(swept):
    last = swept.runs.index[-1]
    given = replace(swept, runs=swept.runs.assign(verdict="stable"))
    given.runs.loc[last, "verdict"] = "backlogged"
    table = given.table("verdict")
    assert table["verdict"].tolist() == ["stable"] * 7 + ["backlogged"]
    assert given.table("accuracy")["verdict"].tolist() == table["verdict"].tolist()


# --- tables and the command line


def test_a_table_has_students_intervals(swept):
    table = swept.table(["latency_mean_s"])
    assert len(table) == 8
    two = swept.runs.loc[:1, "latency_mean_s"]
    assert table["latency_mean_s"][0] == pytest.approx(two.mean())
    half = 12.706204736432095 * two.std() / np.sqrt(2)  # 97.5 % quantile, one degree of freedom
    assert table["latency_mean_s_high"][0] == pytest.approx(two.mean() + half)
    assert swept.records(["accuracy", "verdict"])[0].keys() == {
        *GRID, "policy", "seeds", "accuracy", "accuracy_low", "accuracy_high", "verdict",
    }  # fmt: skip
    with pytest.raises(ExperimentError, match="no measure 'acuracy'"):
        swept.table("acuracy")


def told(capsys, *arguments):
    code = cli.main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_command_sweeps_and_goes_on(path, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(path.parent)
    command = ("sweep", "two.yaml", "--set", "run.duration=2 s", "--grid", "policy.exit_threshold=0.7,0.9",
               "--seeds", 2, "--jobs", 1, "--out", tmp_path / "out")  # fmt: skip
    code, out, err = told(capsys, *command)
    assert code == 0
    for words in ("policy.exit_threshold", "0.7", "mdi-exit", "verdict", "4 runs: 4 done", "written to"):
        assert words in out
    assert "4 of 4" in err
    code, out, _ = told(capsys, *command, "--json")
    assert code == 0
    assert [row["policy.exit_threshold"] for row in json.loads(out)] == [0.7, 0.9]
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert (facts["kind"], facts["paths"]) == ("sweep", {"policy.exit_threshold": ""})


def test_a_dry_run_counts_what_is_missing_and_writes_nothing(path, tmp_path, capsys):
    kept = tmp_path / "out"
    command = ("sweep", path, "--policies", "mdi-exit,local", "--jobs", 1, "--seeds", 2, "--out", kept)
    design = ("--grid", "policy.exit_threshold=0.6,0.8")
    code, out, _ = told(capsys, *command, *design, "--dry-run", "--json")
    facts = json.loads(out)
    assert (code, kept.exists()) == (0, False)
    assert (facts["points"], facts["runs"], facts["before"]) == (2, 2 * 2 * 2, 0)
    assert facts["seconds"] == pytest.approx(8 * facts["run_s"])
    assert facts["first_points"] == [{"policy.exit_threshold": 0.6}, {"policy.exit_threshold": 0.8}]
    assert told(capsys, *command, *design)[0] == 0
    parts = sorted(kept.rglob("*"))
    assert json.loads(told(capsys, *command, *design, "--dry-run", "--json")[1])["before"] == facts["runs"]
    code, out, _ = told(capsys, *command, *design, "--dry-run")
    assert (code, sorted(kept.rglob("*"))) == (0, parts)
    assert "runs: 8, of them from before: 8; points: 2; policies: 2; seeds: 2" in out


def test_the_end_of_a_long_sweep_fits_a_screen(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LINES", "24")
    rates = ",".join(f"{n} Mbps" for n in range(5, 45))
    arguments = ["sweep", str(path), "--grid", f"network.link.rate={rates}", "--seeds", "1", "--jobs", "1"]
    assert (
        cli.main([*arguments, "--set", "run.duration=1 s", "--set", "run.warmup=0 s", "--out", str(tmp_path)]) == 0
    )
    out = capsys.readouterr().out
    assert len(out.splitlines()) <= 24
    assert "network.link.rate (Mbps)" in out
    assert " of 40 rows; for all: mdisim report" in " ".join(out.split())


def test_a_shard_without_runs_is_no_fault(path, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(path.parent)
    code, out, err = told(
        capsys, "sweep", "two.yaml", "--seeds", 1, "--jobs", 1, "--shard", "1/2", "--out", tmp_path
    )
    assert (code, "Error" in err) == (0, False)
    assert "1 runs: 1 pending" in out


def test_a_command_of_which_everything_failed_says_why_and_exits_with_1(
    moody, path, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(path.parent)
    code, out, err = told(capsys, "sweep", "two.yaml", "--set", "policy={rule: 'lucky:Moody', luck: 0}",
                          "--allow-code", "--seeds", 1, "--jobs", 1, "--out", tmp_path / "out")  # fmt: skip
    assert code == 1
    assert "1 runs: 1 failed" in out
    assert "failed 1 times: RuntimeError: no luck" in err
    assert err.endswith("Error: 1 of 1 runs failed\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--grid", "x"), "write path=values"),
        (("--grid", "run.seed=1,2"), "--seeds"),
        (("--grid", "a=[1"), "--grid a=[1"),
        (("--grid", "policy.exit_threshold=0.5", "--grid", "policy.exit_threshold=0.6"), "stands there twice"),
        (("--random", "policy.exit_threshold=0:1"), "--points"),
        (("--measures", "acuracy"), "did you mean 'accuracy'?"),
        (("--shard", "5"), "0/50 to 49/50 would do"),
        (("--backend", "slurm"), "slurm"),
        (("--jobs", "0"), "--jobs"),
    ],
)  # fmt: skip
def test_bad_input_exits_with_2_and_writes_nothing(path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(path.parent)
    before = sorted(Path().rglob("*"))
    code, out, err = told(capsys, "sweep", "two.yaml", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert sorted(Path().rglob("*")) == before


def test_a_store_knows_nothing_of_files_that_are_not_its_own(tmp_path):
    store = Store(tmp_path)
    (store.parts / ".abc").write_bytes(b"half a par")
    (store.parts / "notes.txt").write_text("x")
    assert store.finished() == set()
    assert store.read([]).empty
