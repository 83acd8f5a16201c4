"""`check` refuses what could not run: every named policy in worlds and profiles that lack something.

What loads as a scenario runs, and what does not is refused by building or running the policy, too, for the same
reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import pytest
from damaged_worlds import PLACES, SAMPLES, SOUND, K, damaged, labelled, profiles, profiles_in, text_of

from mdisim.engine import RuleError, simulation
from mdisim.experiments.prepare import ExperimentError, Ground
from mdisim.policies import FREE, Recipe, Setting, row
from mdisim.policies import Policy as Built
from mdisim.scenario import Scenario, ScenarioError
from mdisim.scenario.models import Policy
from mdisim.scenario.recipes import recipe_of

DAMAGED = damaged()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return profiles_in(tmp_path_factory.mktemp("profiles"))


def loaded(text: str, folder: Path) -> tuple[Scenario | None, set[str]]:
    """The scenario, or what is wrong with it."""
    try:
        return Scenario.from_text(text, folder=folder, allow_code=True), set()
    except ScenarioError as error:
        return None, {fault.message for fault in error.faults}


def recipes(stated: list[dict[str, Any]]) -> dict[str, Recipe]:
    """The policies by label."""
    made = {one["label"]: recipe_of(Policy.model_validate(one), code=None)[0] for one in stated}
    return {label: recipe for label, recipe in made.items() if recipe is not None}


STATED = {"places": labelled(PLACES), "samples": labelled(SAMPLES)}
MADE = {name: recipes(stated) for name, stated in STATED.items()}


def failure(ground: Ground, recipe: Recipe) -> str | None:
    """Why a policy cannot be laid out, or stops in its run; None if it runs."""
    try:
        simulation.Simulation(ground.world, ground.policy(recipe), 1, lambda _: None).run()
    except ExperimentError as error:
        return str(error).partition(": ")[2]
    except RuleError as error:
        return f"in the run: {error}"
    return None


def compared(scenario: dict[str, Any], policies: str, folder: Path) -> None:
    """Check all policies at once, and run each."""
    assert len(MADE[policies]) == len(STATED[policies])
    plain, _ = loaded(text_of(scenario), folder)
    if plain is None:
        return  # it is refused whatever the policy
    _, told = loaded(text_of(scenario, compare=STATED[policies]), folder)
    ground = Ground.of(plain)
    failed = {label: failure(ground, recipe) for label, recipe in MADE[policies].items()}
    assert {label: why for label, why in failed.items() if why is not None and why not in told} == {}
    assert told - set(failed.values()) == set()


@pytest.fixture(autouse=True)
def _few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "OBSERVATIONS", 5)


@pytest.mark.parametrize("what", DAMAGED)
def test_check_knows_what_a_run_would_meet_in_a_damaged_world(what: str, folder: Path) -> None:
    compared(DAMAGED[what], "places", folder)


@pytest.mark.parametrize("name", profiles())
def test_check_knows_what_a_run_would_meet_in_a_poor_profile(name: str, folder: Path) -> None:
    compared(SOUND | {"profile": f"./{name}.npz"}, "samples", folder)


@pytest.mark.parametrize(
    ("what", "policy", "message"),
    [
        (
            "mobile lacks 2",
            {"name": "calibrated-partition", "cloud": "cloud", "cut": 2},
            "calibrated-partition runs stages 1 to 2 at mobile, which lacks 2",
        ),
        (
            "cloud lacks 1",
            {"name": "calibrated-partition", "cloud": "cloud", "cut": 2, "offload": "input"},
            "calibrated-partition runs stages 1 to 4 at cloud, which lacks 1",
        ),
        ("cloud lacks 1", {"name": "calibrated-partition", "cloud": "cloud", "cut": 2}, None),
        (
            "nothing",
            {"name": "calibrated-partition", "cloud": "mobile"},
            "cloud 'mobile' is the device before the cut, too; another device would do",
        ),
        (
            "born at the edge, too, an island",
            {"name": "remote", "device": "cloud"},
            "remote plans stage 1 for cloud: no route from edge: add a link",
        ),
        (
            "a line around cloud, mobile and cloud lack 4",
            {"name": "random"},
            "random may bring a task that needs stage 4 to mobile, where neither the device nor a neighbour holds "
            "it: let one of them hold it, or add a link",
        ),
        ("a line around cloud, mobile and edge lack 4", {"name": "random"}, None),
        (
            "a line around cloud, mobile and cloud lack 4",
            {"name": "mdi-exit"},
            "mdi-exit may bring a task that needs stage 4 to mobile, where neither the device nor a neighbour "
            "holds it: let one of them hold it, or add a link",
        ),
    ],
)
def test_what_check_says(what: str, policy: dict[str, Any], message: str | None, folder: Path) -> None:
    _, told = loaded(text_of(DAMAGED[what], compare=[policy]), folder)
    assert told == ({message} if message else set())


@pytest.mark.parametrize("given", [{"alpha": 0.8, "beta": 0.8}, {}])
def test_a_score_that_needs_logits_is_missed_before_the_search(given: dict[str, float], folder: Path) -> None:
    policy = {"name": "cascade", "score": "certainty", **given}
    _, told = loaded(text_of(SOUND | {"profile": "./no-logits.npz"}, compare=[policy]), folder)
    assert len(told) == 1
    assert "score 'certainty' needs logits" in told.pop()


# --- policies of one's own


@dataclass(frozen=True)
class Mine:
    """A plan for so many exits at one device, or something else altogether."""

    exits: int = K
    device: int = 0
    leaves: bool = False
    nothing: bool = False

    def build(self, setting: Setting) -> Any:
        threshold = -inf if self.leaves else 0.5
        return None if self.nothing else Built("mine", (row(self.exits, threshold, placement=self.device),))


@pytest.mark.parametrize(
    ("what", "policy", "message"),
    [
        ("nothing", {"exits": 5}, "row 0 of the plan of mine is for 5 exits, but the profile has 4"),
        ("nothing", {"device": 7}, "mine plans stage 1 for device 7; there are 3, counted from 0"),
        ("nothing", {"nothing": True}, "its build returned None; a Policy would do"),
        ("cloud lacks 3", {"device": 2}, "mine plans stage 3 for cloud, which lacks it"),
        ("cloud lacks 3", {"device": 2, "leaves": True}, None),
        ("mobile lacks 3", {"device": FREE}, "mine plans stage 3 for mobile, which lacks it"),
        (
            "born at the edge, too, an island",
            {"device": 2},
            "mine plans stage 1 for cloud: no route from edge: add a link",
        ),
    ],
)
def test_a_plan_of_ones_own_is_looked_at_too(
    what: str, policy: dict[str, Any], message: str | None, folder: Path
) -> None:
    stated = {"rule": f"{__name__}:Mine", "label": "mine", **policy}
    _, told = loaded(text_of(DAMAGED[what], compare=[stated]), folder)
    assert told == ({message} if message else set())
    plain, _ = loaded(text_of(DAMAGED[what]), folder)
    assert plain is not None
    ground = Ground.of(plain)
    if message is None:
        simulation.Simulation(ground.world, ground.policy(Mine(**policy)), 1, lambda _: None).run()
    else:
        with pytest.raises(ExperimentError, match=re.escape(message)):
            ground.policy(Mine(**policy))
