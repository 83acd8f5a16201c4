"""Loading a scenario is quick: what it does not need stays on the shelf."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from mdisim.scenario import Scenario, find

HEAVY = "{'networkx', 'pandas', 'scipy', 'simpy', 'torch', 'pyarrow'}"


@pytest.mark.parametrize("name", ["mdi-exit-5-mesh", "lte-replay", "faults-5-mesh"])
def test_loading_imports_nothing_heavy(name):
    code = (
        f"import sys; from mdisim.scenario import Scenario; Scenario.load({name!r}).build();"
        f"print(*sorted({HEAVY} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_trace_is_read_once(monkeypatch):
    from mdisim import traces

    read = []
    load = traces.load
    monkeypatch.setattr(traces, "load", lambda *given, **more: read.append(given) or load(*given, **more))
    scenario = Scenario.load("lte-replay")
    first, again = scenario.build(), scenario.build()
    assert first.links[0].rate is again.links[0].rate
    assert scenario.digest == scenario.digest
    assert len(read) == 1


def test_the_constant_link_of_the_replay_has_the_same_mean():
    text = find("lte-replay").read_text(encoding="utf-8")
    setting = text.partition("--set '")[2].partition("'")[0]
    replayed, constant = (Scenario.load("lte-replay", given).build() for given in ((), [setting]))
    assert constant.links[0].rate.mean_bps() == pytest.approx(replayed.links[0].rate.mean_bps())
    assert np.array_equal(constant.next_hop, replayed.next_hop)
    assert [(link.latency_s, link.channel) for link in constant.links] == [
        (link.latency_s, link.channel) for link in replayed.links
    ]


def test_a_scenario_crosses_a_process_pool():
    scenario = Scenario.load("lte-replay")
    again = pickle.loads(pickle.dumps(scenario))
    assert again == scenario
    world = pickle.loads(pickle.dumps(scenario.build()))
    assert len({id(link.rate) for link in world.links}) == 1
