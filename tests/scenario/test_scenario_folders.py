"""Files and modules that `--set` names may lie in the current folder; what is written names them from anywhere."""

import sys

import pytest
from plain_scenario import TEXT

from mdisim.scenario import Scenario, ScenarioError

GRAPH = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="undirected">
<node id="source"/><node id="worker"/><edge source="source" target="worker"/></graph></graphml>"""
RULE = """from dataclasses import dataclass
from mdisim.policies import Policy, row

@dataclass(frozen=True)
class Mine:
    def build(self, setting):
        return Policy("{name}", (row(setting.n_exits, 0.5),))
"""
FILES = {
    "trace": "network.link={latency: 2 ms, trace: {name: walk.csv}}",
    "arrivals": "workload.arrivals={kind: file, path: arrivals.csv}",
    "graph": "network={topology: graphml, file: net.graphml, link: {rate: 20 Mbps}}",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, which holds files; the scenario lies in another."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (there / "given.yaml").write_text(Scenario.load("mdi-exit-2-node").text)
    (here / "walk.csv").write_text("time_s,rate_bps\n0,2000000\n10,2000000\n")
    (here / "arrivals.csv").write_text("time_s\n0.5\n1.5\n2.5\n")
    (here / "net.graphml").write_text(GRAPH)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(here)
    return here


@pytest.mark.parametrize("change", FILES.values(), ids=FILES)
def test_a_file_that_set_names_may_lie_in_the_current_folder(here, monkeypatch, change):
    made = Scenario.load("../there/given.yaml", [change])
    digest, resolved = made.digest, here.parent / "resolved.yaml"
    made.dump(resolved)
    monkeypatch.chdir(here.parent)
    assert Scenario.load(resolved).digest == digest
    assert made.with_overrides(["run.seed=7"]).with_overrides(["run.seed=1"]).build().links
    with pytest.raises(ScenarioError, match="no such file"):
        Scenario.load("there/given.yaml", [change])


def test_a_trace_in_other_units_is_refused_unless_its_mean_is_stated(here):
    (here / "walk.csv").write_text("time_s,rate_bps\n0,8\n10,8\n")
    with pytest.raises(ScenarioError, match="its mean is 8 bit/s; if rates are in other units, convert them"):
        Scenario.load("../there/given.yaml", [FILES["trace"]])
    stated = FILES["trace"].replace("walk.csv", "walk.csv, mean: 8 bps")
    assert Scenario.load("../there/given.yaml", [stated]).build().links[0].rate.mean_bps() == pytest.approx(8.0)


def test_a_file_beside_the_scenario_comes_first(here):
    (here.parent / "there" / "walk.csv").write_text("time_s,rate_bps\n0,5000000\n10,5000000\n")
    made = Scenario.load("../there/given.yaml", [FILES["trace"]])
    assert made.build().links[0].rate.mean_bps() == pytest.approx(5e6)


def test_a_rule_is_that_of_the_scenario_and_not_one_of_the_same_name(here):
    for folder, name in ((here, "from-here"), (here.parent / "there", "from-there")):
        (folder / "rule_of_two.py").write_text(RULE.format(name=name))
    change = ["policy={rule: rule_of_two:Mine}", "compare=[]"]
    made = Scenario.load("../there/given.yaml", change, allow_code=True)
    assert made.recipe().build(_Exits()).name == "from-there"
    for name in ("Mine", "Absent"):
        change[0] = f"policy={{rule: rule_of_two:{name}}}"
        with pytest.raises(ScenarioError, match=r"'rule_of_two' is .*there.* here, not .*here.*; another name"):
            Scenario.from_text(TEXT, folder=here, overrides=change, allow_code=True)


class _Exits:
    """All of a setting that the rule looks at."""

    n_exits = 2
