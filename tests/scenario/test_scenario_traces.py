import pytest

from mdisim.scenario import Scenario, ScenarioError


def test_a_path_that_set_names_may_lie_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "walk.csv").write_text("time_s,rate_bps\n0,2000000\n10,2000000\n")
    monkeypatch.chdir(tmp_path)
    replayed = Scenario.load("mdi-exit-2-node", ["network.link={latency: 2 ms, trace: {name: walk.csv}}"])
    assert replayed.build().links[0].rate.mean_bps() == pytest.approx(2e6)
    with pytest.raises(ScenarioError, match=r"run\.csv: no such file"):
        Scenario.load("mdi-exit-2-node", ["network.link={latency: 2 ms, trace: {name: run.csv}}"])
