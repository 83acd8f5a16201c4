"""Errors of ours have one base, say what a program needs by class and attributes, and are not read as text."""

import ast
import builtins
import inspect
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from worlds import SCENARIO, scenario_file

import mdisim
from mdisim import errors
from mdisim.cli import main
from mdisim.errors import InputError, MdisimError, PolicyError, RunError
from mdisim.planners import RECIPES
from mdisim.scenario import Scenario, ScenarioError
from mdisim.scenario.models import Policy as Stated
from mdisim.scenario.recipes import recipe_of

ROOT = Path(mdisim.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
PROTOCOL = {"AttributeError", "KeyboardInterrupt", "OSError"}  # `__getattr__`, a signal, a named file
OURS = {name for name, kind in vars(errors).items() if inspect.isclass(kind)}
READS = {"split", "rsplit", "partition", "rpartition", "startswith", "endswith", "replace", "removeprefix",
         "removesuffix", "find", "index", "match", "search", "fullmatch", "findall", "sub"}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path, kind: type) -> Iterator:
    return (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kind))


def error_classes() -> dict[str, set[str]]:
    """The bases of every class of the package whose name ends in Error."""
    found = {}
    for path in MODULES:
        for node in nodes(path, ast.ClassDef):
            if node.name.endswith("Error"):
                assert node.name not in found, f"{node.name} is defined twice"
                found[node.name] = {ast.unparse(base) for base in node.bases}
    return found


def test_every_error_of_ours_derives_from_bad_input_or_a_failed_run():
    classes = error_classes()
    assert len(classes) > 25

    def roots(name: str) -> set[str]:
        return {name} if name in OURS else set().union(*(roots(base) for base in classes[name]))

    for name in classes.keys() - {"MdisimError"}:
        assert roots(name) & {"InputError", "PolicyError", "RunError"}, name
    assert issubclass(InputError, MdisimError)
    assert issubclass(InputError, ValueError)
    assert issubclass(PolicyError, InputError)
    assert issubclass(RunError, MdisimError)
    assert issubclass(RunError, RuntimeError)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_what_is_raised_on_purpose_is_an_error_of_ours(path):
    internal = {
        "engine/later.py",
        "profiles/build/encoder.py",
        "traces/presets.py",
    }  # caught there, or a fault of ours
    for node in nodes(path, ast.Raise):
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if isinstance(raised, ast.Name) and name_of(path) not in internal:
            builtin = raised.id[0].isupper() and raised.id in dir(builtins)
            assert not builtin or raised.id in PROTOCOL, f"line {node.lineno}: {raised.id}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_decided_by_the_words_of_an_error(path):
    """No text of an exception is searched or taken apart; its class and its attributes say what matters."""
    for handler in nodes(path, ast.ExceptHandler):
        texts = {
            f"str({handler.name})",
            f"repr({handler.name})",
            f"{handler.name}.message",
            f"{handler.name}.args[0]",
        }
        for node in ast.walk(handler):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
                assert ast.unparse(node.comparators[0]) not in texts, f"line {node.lineno}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READS:
                read = {ast.unparse(part) for part in (node.func.value, *node.args)}
                assert not read & texts, f"line {node.lineno}"


def with_policy(folder: Path, policy: str) -> Path:
    """A scenario of a phone and an edge server, in a file, with this policy."""
    lines = [line for line in SCENARIO.splitlines() if not line.startswith(("policy", "compare"))]
    return scenario_file(folder, "\n".join([*lines, f"policy: {policy}", ""]))


# --- what the command line makes of them

POLICY = """
from dataclasses import dataclass

import mdisim
from mdisim.policies import Policy, row


class TooFarError({base}):
    pass


@dataclass(frozen=True)
class Raises:
    def where(self, here, peers, task, knobs, rng):
        raise TooFarError("it is too far")


@dataclass(frozen=True)
class Mine:
    late: bool = False
    far: bool = False

    def build(self, setting):
        if self.far:
            raise mdisim.PolicyError("no words", "far")
        if not self.late:
            raise TooFarError("it is too far")
        return Policy("mine", (row(setting.n_exits, 0.5),), where=Raises())
"""


@pytest.fixture
def own(tmp_path):
    """Write a policy of one's own that raises an error with this base, and a scenario that uses it."""

    def write(base: str, late: bool = False, far: bool = False) -> list[str]:
        module = f"{tmp_path.name}_{len(list(tmp_path.iterdir()))}"  # where modules are found, earlier ones stay
        (tmp_path / f"{module}.py").write_text(POLICY.format(base=base))
        policy = f"{{rule: {module}:Mine, late: {str(late).lower()}, far: {str(far).lower()}}}"
        return [str(with_policy(tmp_path, policy)), "--allow-code"]

    return write


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("base", "code"),
    [
        ("mdisim.PolicyError", 2),
        ("mdisim.InputError", 2),
        ("mdisim.ExperimentError", 2),
        ("mdisim.RunError", 1),
        ("mdisim.RuleError", 1),
        ("mdisim.MdisimError", 1),
    ],
)
def test_an_error_derived_from_ours_is_told_in_one_message(own, capsys, command, base, code):
    assert main([command, *own(base)]) == code
    said = capsys.readouterr().err
    assert "it is too far" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("base", ["ValueError", "RuntimeError", "Exception"])
def test_an_error_of_ones_own_keeps_its_traceback(own, base):
    with pytest.raises(Exception, match="it is too far") as error:
        main(["check", *own(base)])
    assert type(error.value).__name__ == "TooFarError"
    with pytest.raises(Exception, match="it is too far") as error:
        main(["run", *own(base, late=True)])
    assert type(error.value).__name__ == "TooFarError"


def test_a_rule_that_fails_ends_the_run_with_exit_code_1(own, capsys):
    assert main(["run", *own("mdisim.RuleError", late=True)]) == 1
    assert capsys.readouterr().err.endswith("Error: it is too far\n")


# --- what errors carry


def test_a_policy_error_points_at_its_parameter_whatever_it_says(own):
    path, _ = own("mdisim.PolicyError", far=True)
    with pytest.raises(ScenarioError) as error:
        Scenario.load(path, allow_code=True)
    (fault,) = error.value.faults
    assert (fault.path, fault.message) == ("policy.far", "no words")
    assert fault.source[fault.column - 1 :] == "true}"


def test_errors_keep_what_they_carry_when_they_are_pickled():
    error = pickle.loads(pickle.dumps(PolicyError("too far", "edge")))
    assert (str(error), error.parameter) == ("too far", "edge")
    assert InputError("too far").parameter == ""


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ("{name: mdi-exit, threshold_min: 0.99}", "policy.threshold_min"),
        ("{name: mdi-exit, gossip_s: 0.00001}", "policy.gossip_s"),
        ("{name: mdi-exit, adapt: threshold, score: patience, exit_threshold: 2}", "policy.adapt"),
        ("{name: remote, device: nobody}", "policy.device"),
        ("{name: all-edge, edge: edge, cloud: nobody}", "policy.cloud"),
        ("{name: branchynet-partition, cloud: edge, skip: [9]}", "policy.skip"),
        ("{name: calibrated-partition, cloud: edge, cut: 9}", "policy.cut"),
        ("{name: split-ee, cloud: edge, deepest: 1}", "policy.deepest"),
        ("{name: queue-aware, cloud: edge, thresholds: [0.5]}", "policy.thresholds"),
    ],
)
def test_policies_name_the_parameter_at_fault(tmp_path, policy, path):
    with pytest.raises(ScenarioError) as error:
        Scenario.load(with_policy(tmp_path, policy))
    assert {fault.path for fault in error.value.faults} == {path}


LITERALS = [
    (name, parameter, [str(choice) for choice in get_args(hint)])
    for name, recipe in RECIPES.items()
    for parameter, hint in get_type_hints(recipe).items()
    if get_origin(hint) is Literal
]


def test_what_a_parameter_may_be_is_told_from_its_type():
    assert len(LITERALS) > 50
    for name, parameter, choices in LITERALS:
        _, found = recipe_of(Stated.model_validate({"name": name, parameter: "neither"}), code=None)
        said = next(finding.message for finding in found if finding.path == (parameter,))
        assert said == f"'neither' is not known here; it can be {', '.join(choices)}", (name, parameter)
