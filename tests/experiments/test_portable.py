"""Results have with them what they were made of: moved elsewhere, they run again and mean the same."""

import json
import shutil

import pandas as pd
import pytest
from worlds import ALONE, scenario_file

from mdisim import policies
from mdisim.experiments.compare import Comparison, compare
from mdisim.experiments.simulate import simulate
from mdisim.experiments.sweep.sweep import Sweep, sweep
from mdisim.folders import ResultsError
from mdisim.report.pages.writing import page
from mdisim.results import Run
from mdisim.scenario import Scenario, ScenarioError

SHORT = {"run.duration": "2 s"}
STEPS = "time_s,rate_bps\n0,20e6\n1,10e6\n"


@pytest.fixture
def scene(tmp_path):
    """A scenario with a profile, a trace and arrivals in files, in a folder that can go."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "walk.csv").write_text(STEPS)
    (here / "times.csv").write_text("time_s\n0.5\n1.2\n1.4\n")
    text = ALONE.replace("{rate: 20 Mbps, latency: 2 ms}", "{trace: walk.csv, latency: 2 ms}")
    return scenario_file(here, text.replace("{kind: poisson, rate: 40/s}", "{kind: file, path: times.csv}"))


def moved(tmp_path, scene):
    """The results at another place, where nothing of the first one is left."""
    shutil.rmtree(scene.parent)
    return (tmp_path / "out").rename(tmp_path / "elsewhere")


def check(folder, tmp_path, digest):
    text = (folder / "resolved.yaml").read_text()
    assert str(tmp_path) not in text
    assert Scenario.load(folder / "resolved.yaml").digest == digest
    assert str(tmp_path) not in page(folder)


def test_a_run_runs_again_elsewhere(tmp_path, scene):
    scenario = Scenario.load(scene, SHORT)
    digest, first = Scenario.load(scene, SHORT | {"run.seed": 3}).digest, simulate(scenario, seed=3)
    first.save(tmp_path / "out")
    there = moved(tmp_path, scene)
    check(there, tmp_path, digest)
    loaded = Run.load(there)
    assert loaded.origin == first.origin
    again = simulate(Scenario.load(there / "resolved.yaml"))
    assert again.summary() == pytest.approx(first.summary(), nan_ok=True)
    loaded.save(tmp_path / "copy")
    assert Scenario.load(tmp_path / "copy" / "resolved.yaml").digest == digest


def test_a_comparison_runs_again_elsewhere(tmp_path, scene):
    scenario = Scenario.load(scene, SHORT)
    compare(scenario, ["local"], seeds=1).save(tmp_path / "out")
    digest, there = scenario.digest, moved(tmp_path, scene)
    check(there, tmp_path, digest)
    assert Comparison.load(there).origin.digest == digest


def test_a_sweep_has_the_files_of_its_points_too(tmp_path, scene):
    (scene.parent / "other.csv").write_text(STEPS.replace("10e6", "5e6"))
    scenario = Scenario.load(scene, SHORT)
    grid = {"network.link.trace.name": ["walk.csv", "other.csv"]}
    sweep(scenario, grid=grid, seeds=1, jobs=1, out=tmp_path / "out", keep_runs=True)
    digest, there = scenario.digest, moved(tmp_path, scene)
    check(there, tmp_path, digest)
    assert sorted(path.name.partition("-")[0] for path in (there / "inputs").iterdir()) == [
        "demo", "other", "times", "walk",
    ]  # fmt: skip
    digests = {Scenario.load(run / "resolved.yaml").digest for run in (there / "runs").iterdir()}
    assert len(digests) == 2
    assert len(Sweep.load(there).runs) == 2
    assert not any((run / "inputs").exists() for run in (there / "runs").iterdir())


def test_a_graph_is_stored_with_its_traces(tmp_path, scene):
    (scene.parent / "net.graphml").write_text(
        """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
        <key id="t" for="edge" attr.name="trace" attr.type="string"/><graph edgedefault="undirected">
        <node id="phone"/><node id="edge"/>
        <edge source="phone" target="edge"><data key="t">walk.csv</data></edge></graph></graphml>"""
    )
    drawn = {"network": {"topology": "graphml", "file": "net.graphml"}}
    scenario = Scenario.load(scene, SHORT | drawn)
    simulate(scenario).save(tmp_path / "out")
    digest = scenario.digest
    check(moved(tmp_path, scene), tmp_path, digest)


@pytest.mark.parametrize("given", [2, "'1'", "true", "[1]"])
def test_a_scenario_of_another_format_is_refused_in_one_line(tmp_path, given):
    path = scenario_file(tmp_path, f"format: {given}\nnew_key: 3\n{ALONE}")
    with pytest.raises(ScenarioError, match="this version reads format 1") as error:
        Scenario.load(path)
    assert len(error.value.faults) == 1
    stated, bare = scenario_file(tmp_path, f"format: 1\n{ALONE}"), tmp_path / "bare.yaml"
    bare.write_text(ALONE)
    assert Scenario.load(stated).digest == Scenario.load(bare).digest


def test_results_of_another_format_are_refused_in_one_line(tmp_path, scene):
    simulate(Scenario.load(scene, SHORT)).save(tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text())
    (tmp_path / "out" / "provenance.json").write_text(json.dumps(facts | {"format": 3}))
    with pytest.raises(ResultsError, match="is of format 3; this version reads results of format 2") as error:
        Run.load(tmp_path / "out")
    assert "\n" not in str(error.value)


def test_what_is_resolved_of_a_run_has_its_policy_and_its_seed(tmp_path, scene):
    """Not those of the scenario; a recipe of its own parameters, too."""
    scenario = Scenario.load(scene, SHORT)
    for number, policy in enumerate(("local", {"name": "random"}, policies.MdiExit(exit_threshold=0.61))):
        run = simulate(scenario, policy, seed=7)
        run.save(tmp_path / str(number))
        again = simulate(Scenario.load(tmp_path / str(number) / "resolved.yaml"))
        assert (again.seed, again.policy, again.parameters) == (7, run.policy, run.parameters)
        pd.testing.assert_frame_equal(again.tasks, run.tasks)
