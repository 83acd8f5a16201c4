import pickle
import sys
from dataclasses import dataclass

import pytest

from mdisim.policies import RECIPES, Ddi, Local, MdiExit, Policy, row
from mdisim.scenario import ScenarioError


@dataclass(frozen=True)
class Mine:
    """A policy of one's own, as a user would write it."""

    patience: int
    wait_s: float = 0.5
    slow_bps: float = 1e6

    def build(self, setting):
        return Policy("mine", (row(setting.n_exits, 0.5),))


def build_nothing(setting):
    """Not a class."""


RULE = f"{__name__}:Mine"


def test_every_named_policy_can_be_had_by_name(scenario):
    made = scenario()
    for name, kind in RECIPES.items():
        needs = {"device": "worker"} if name == "remote" else {}
        assert type(made.recipe({"name": name, **needs})) is kind


def test_what_the_scenarios_policy_states_holds_for_those_that_are_compared(scenario):
    made = scenario(overrides=["policy={name: mdi-exit, exit_threshold: 0.9, adapt: none, alpha: 0.3}"])
    assert made.recipe("mdi-exit") == made.recipe()
    assert made.recipe("local") == Local(exit_threshold=0.9, adapt="none", alpha=0.3)
    assert made.recipe({"name": "ddi", "adapt": "rate"}) == Ddi(exit_threshold=0.9, adapt="rate", alpha=0.3)


def test_a_policy_may_be_given_as_a_mapping(scenario):
    made = scenario()
    assert made.recipe({"name": "mdi-exit", "alpha": 0.3}) == MdiExit(alpha=0.3)
    assert made.recipe() == MdiExit()


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("loca", "policy loca: name: no policy 'loca'; did you mean 'local'?"),
        (
            {"name": "local", "alhpa": 1},
            "policy local: alhpa: local has no parameter 'alhpa'; did you mean 'alpha'?",
        ),
        ({"name": "local", "alpha": "x"}, "policy local: alpha: expected a number, not 'x'"),
        ({"name": 3}, "policy 3: name: expected a text, not 3: put it in quotes"),
        ({}, "policy: missing key 'name': one of "),
    ],
)
def test_a_policy_given_from_outside_has_faults_too(scenario, policy, message):
    with pytest.raises(ScenarioError) as error:
        scenario().recipe(policy)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("alpha: true", "expected a number, not true"),
        ("alpha: '0.1'", "expected a number, not '0.1'"),
        ("alpha: 2", "2 is out of range: it must be at most 1"),
        ("alpha: .nan", "nan"),
        ("out_queue_limit: 2.5", "expected a whole number, not 2.5"),
        ("optimistic: 1", "expected true or false, not 1"),
        ("gate: [queue]", "is not known here"),
        ("control_s: 0", "0 is out of range: it must be at least 0.0001"),
        ("control_s: -1 s", "'-1 s' is negative"),
        ("exit_threshold: high", "expected a number or a list, not 'high'"),
        ("exit_threshold: [0.8, high]", "expected a number, not 'high'"),
        ("exit_threshold: {a: 1}", "expected a number or a list, not a mapping"),
    ],
)
def test_parameters_are_checked_against_their_types_and_bounds(scenario, parameter, message):
    with pytest.raises(ScenarioError) as error:
        scenario(("policy: mdi-exit", f"policy: {{name: mdi-exit, {parameter}}}"))
    (fault,) = error.value.faults
    assert message in fault.message
    assert fault.path.startswith(f"policy.{parameter.partition(':')[0]}")


def test_a_class_of_ones_own_needs_leave_to_run(scenario):
    change = ("policy: mdi-exit", f"policy: {{rule: '{RULE}', patience: 3, wait_s: 20 ms}}")
    with pytest.raises(ScenarioError, match="would import and run code; say --allow-code"):
        scenario(change)
    made = scenario(change, allow_code=True)
    assert made.recipe() == Mine(patience=3, wait_s=0.02)
    assert made.resolved()["policy"] == {"rule": RULE, "patience": 3, "wait_s": 0.02, "slow_bps": 1e6}


@pytest.mark.parametrize("place", ["scenarios", "."])
def test_a_class_beside_the_scenario_or_in_the_current_folder_is_found(scenario, tmp_path, monkeypatch, place):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    module = f"beside_{len(place)}"
    (tmp_path / place / f"{module}.py").write_text(f"from {__name__} import Mine\n")
    change = ("policy: mdi-exit", f"policy: {{rule: '{module}:Mine', patience: 3}}")
    with pytest.raises(ScenarioError, match="beside the scenario, in the current folder or on PYTHONPATH"):
        scenario(("policy: mdi-exit", "policy: {rule: 'beside_none:Mine'}"), allow_code=True)
    assert scenario(change, allow_code=True, folder=tmp_path / "scenarios").recipe() == Mine(patience=3)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (f"{{rule: '{RULE}'}}", "missing key 'patience': Mine needs it"),
        (f"{{rule: '{RULE}', patience: 1, name: local}}", "a policy has a name or a rule, not both"),
        (f"{{rule: '{RULE}', patience: 1, patiense: 1}}", "has no parameter 'patiense'; did you mean 'patience'?"),
        (f"{{rule: '{__name__}:Nothing'}}", "could not import"),
        ("{rule: 'no.such.module:Mine'}", "could not import 'no.such.module:Mine': ModuleNotFoundError"),
        (f"{{rule: '{RULE}', patience: 1, slow_bps: 8}}", "8 is in bit/s; with its unit it cannot be mistaken"),
        ("{rule: Mine}", "'Mine' is not package.module:Class"),
        (f"{{rule: '{__name__}:build_nothing'}}", "is not a dataclass with a method build(setting) -> Policy"),
    ],
)
def test_a_class_of_ones_own_with_faults(scenario, policy, message):
    with pytest.raises(ScenarioError) as error:
        scenario(("policy: mdi-exit", f"policy: {policy}"), allow_code=True)
    assert message in str(error.value)


def test_compared_policies_come_by_label(scenario):
    made = scenario(("policy: mdi-exit", "policy: local\ncompare: [local, {name: mdi-exit, label: own}]"))
    assert made.compared() == {"local": Local(), "own": MdiExit()}
    assert scenario().compared() == {"mdi-exit": MdiExit()}


def test_scenarios_and_their_errors_cross_a_process_pool(scenario):
    made = scenario(overrides=["run.seed=3"])
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(ScenarioError) as error:
        scenario(("at: source", "at: sorce"))
    assert pickle.loads(pickle.dumps(error.value)).faults == error.value.faults


def test_a_name_is_that_of_a_policy_or_a_label_of_the_scenario(scenario):
    compared = f"compare=[mdi-exit, {{rule: '{RULE}', patience: 3, label: sooner}}]"
    made = scenario(overrides=[compared], allow_code=True)
    assert made.recipe("sooner") == Mine(patience=3)
    with pytest.raises(ScenarioError, match="no policy 'soner'; did you mean 'sooner'"):
        made.recipe("soner")
    with pytest.raises(ScenarioError, match="a rule of your own stands under compare with a label"):
        made.recipe("no.module:Rule")


def test_a_slow_rate_that_was_meant_so_is_written_with_its_unit(scenario):
    made = scenario(
        ("policy: mdi-exit", f"policy: {{rule: '{RULE}', patience: 3, slow_bps: 300 bps}}"), allow_code=True
    )
    assert made.recipe() == Mine(patience=3, slow_bps=300.0)
    again = made.recipe(made.resolved()["policy"])
    assert (made.resolved()["policy"]["slow_bps"], again) == ("300.0 bps", made.recipe())
