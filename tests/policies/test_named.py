"""The named policies lay out what their parameters say, and refuse what would mean nothing."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import drawn, line

from mdisim import engine
from mdisim.policies import RECIPES, Local, MdiExit, Oracle, Remote
from mdisim.policies.policy import Setting
from mdisim.world import setting


@pytest.fixture
def given() -> Setting:
    return setting(line(2, (0.01, 0.01, 0.01), outputs=drawn(200, 3)))


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"exit_threshold": 1.2}, "exit_threshold 1.2 is outside max-softmax's scores, 0 to 1; no-exit is"),
        ({"exit_threshold": -0.1}, "exit_threshold -0.1 is outside"),
        ({"exit_threshold": float("nan")}, "exit_threshold nan is outside"),
        ({"exit_threshold": (0.5, 0.5, 0.5, 0.5)}, "exit_threshold has 4 values"),
        ({"score": "patience"}, "exit_threshold 0.8 is outside patience's scores, 1 to inf"),
        ({"score": "patience", "exit_threshold": 2.0, "adapt": "threshold"}, "adapt: threshold moves"),
        ({"threshold_min": 0.9, "threshold_max": 0.1}, "threshold_min 0.9 is above threshold_max 0.1"),
        ({"queue_low": 40.0}, "queue_low 40 is above queue_high 30"),
        ({"gossip_s": 1e-9}, "gossip_s 1e-09 is neither 0"),
    ],
)
@pytest.mark.parametrize("kind", [MdiExit, Local])
def test_what_means_nothing_is_refused(kind: Any, parameters: dict[str, Any], says: str, given: Setting) -> None:
    with pytest.raises(ValueError, match="^" + says):
        kind(**parameters).build(given)


def test_oracle_does_not_look_at_its_threshold() -> None:
    world = line(1, (0.01, 0.01, 0.01), outputs=drawn(200, 3), duration_s=5.0)
    runs = [
        engine.run(world, Oracle(exit_threshold=t, adapt=a).build(setting(world)), 1).tasks
        for t, a in ((0.0, "none"), (1.0, "threshold"))
    ]
    patient = Oracle(exit_threshold=2.0, score="patience", adapt="threshold").build(setting(world))
    assert engine.run(world, patient, 1).tasks.equals(runs[0])
    assert runs[0].equals(runs[1])
    outputs = world.samples.outputs
    first = (outputs.prediction == outputs.label[:, None])[runs[0]["sample"]].argmax(axis=1)
    some = (outputs.prediction == outputs.label[:, None])[runs[0]["sample"]].any(axis=1)
    answered = runs[0]["status"] == "answered"
    assert (runs[0]["exit"][some & answered] == first[some & answered] + 1).all()


@pytest.mark.parametrize("name", ["local", "ddi", "remote"])
def test_whole_samples_need_devices_that_hold_every_stage(name: str, given: Setting) -> None:
    holds = given.holds
    assert holds is not None
    holds[0, 1] = False
    recipe = Remote(device="d0") if name == "remote" else RECIPES[name]()
    with pytest.raises(ValueError, match=f"{name} runs every stage at d0, which lacks stage 2"):
        recipe.build(given)
