"""Imports point one way, heavy libraries stay in their rooms, and the public names are exactly these."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mdisim

ROOT = Path(mdisim.__file__).parent
LAYERS = (  # from the leaf up: a module imports what stands with it or before it
    {"errors", "limits"},
    {"policies"},
    {"files", "printable"},
    {"faults", "rates"},
    {"world"},
    {"routes"},
    {"statistics", "growth"},
    {
        "folders",
        "results",
        "metrics",
        "ledgers",
        "promises",
        "recovery",
        "regret",
        "traces",
        "profiles",
        "calibration",
    },
    {"bounds"},
    {"planners"},
    {"scenario", "engine"},
    {"experiments"},
    {"report", "cli", "__main__"},
)
SIDE_BY_SIDE = {("engine", "scenario"), ("scenario", "engine"), ("profiles", "results"), ("results", "profiles")}
ROOMS = {  # a library, and the only places that know it
    "pydantic": {"scenario"},
    "pydantic_core": {"scenario"},
    "yaml": {"scenario"},
    "simpy": {"engine"},
    "torch": {"profiles.build"},
    "PIL": {"profiles.build"},
    "seaborn": {"report"},
    "matplotlib": {"report"},
    "click": {"cli"},
    "rich": {"cli"},
    "sklearn": {"planners"},
    "threadpoolctl": {"planners"},
    "transformers": {"profiles.build"},
    "jinja2": {"report"},
    "joblib": {"experiments"},
    "distributed": {"experiments"},
    "optuna": {"experiments"},
}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Every module named in an import anywhere in the file, but for those that only a type checker follows."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module
            deeper = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from deeper if node.module == "mdisim" else (node.module,)


def layer(name: str) -> int:
    room = name.partition(".")[0]
    found = [i for i, rooms in enumerate(LAYERS) if room in rooms]
    assert found, f"{name} has no layer: give it one in {Path(__file__).name}"
    return found[0]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path):
    here = name_of(path)
    ours = {name.removeprefix("mdisim.") for name in imported(path) if name.startswith("mdisim.")}
    for name in ours - {"__version__"}:
        assert layer(name) <= layer(here), f"{here} imports {name}, which stands above it"
        pair = (here.partition(".")[0], name.partition(".")[0])
        assert pair not in SIDE_BY_SIDE, f"{here} imports {name}: neither needs the other"


def rooms_of(paths: list[Path]) -> set[str]:
    return {name_of(path).partition(".")[0] for path in paths}


def test_every_module_has_a_layer():
    assert rooms_of(MODULES) == set().union(*LAYERS)


def test_the_table_of_rooms_says_what_they_import():
    page = (ROOT.parent / "docs" / "inside" / "design.md").read_text(encoding="utf-8")
    table = page.partition("| room |")[2].partition("\n\n")[0]
    told = set()
    for first, last in re.findall(r"^\| (`[^|]+) \| [^|]+ \| ([^|]+) \|$", table, re.MULTILINE):
        rooms = {name.removesuffix(".py").strip("/") for name in re.findall(r"`([\w./]+)`", first)}
        told |= rooms
        paths = [path for path in MODULES if name_of(path).partition(".")[0] in rooms]
        ours = {name.removeprefix("mdisim.") for path in paths for name in imported(path) if "mdisim." in name}
        used = {name.partition(".")[0] for name in ours - {"__version__", "errors", "limits"}} - rooms
        names = set(re.findall(r"`(\w+)`", last))
        assert used.isdisjoint(names) if last.startswith("all") else used == names, (first, used)
    assert told == rooms_of(MODULES) - {"__main__"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_libraries_stay_in_their_rooms(path):
    here = name_of(path)
    for name in {name.partition(".")[0] for name in imported(path)} & set(ROOMS):
        rooms = ROOMS[name]
        assert any(f"{here}.".startswith(f"{room}.") for room in rooms), (
            f"{here} imports {name}: {rooms} alone may"
        )


def test_the_public_names_are_exactly_these():
    assert mdisim.__all__ == sorted(mdisim.__all__)
    assert mdisim.__all__ == [
        "Auto", "Comparison", "ExperimentError", "InputError", "MdisimError", "Policy", "PolicyError",
        "Profile", "ProfileError", "ResultsError", "RuleError", "Run", "RunError", "Scenario", "ScenarioError",
        "Search", "Sweep", "Trace", "TraceError", "Tuning", "World", "__version__", "bounds", "calibration",
        "compare", "metrics", "policies", "profiles", "promises", "recovery", "report", "run", "search_rate",
        "simulate", "statistics", "sweep", "traces", "tune",
    ]  # fmt: skip
    assert dir(mdisim) == mdisim.__all__
    for name in mdisim.__all__:
        assert getattr(mdisim, name) is not None
    with pytest.raises(AttributeError, match="'simulat'"):
        _ = mdisim.simulat


def test_public_names_come_from_where_they_are_at_home():
    assert mdisim.simulate.__module__ == "mdisim.experiments.simulate"
    assert mdisim.Run.__module__ == "mdisim.results"
    assert mdisim.policies is importlib.import_module("mdisim.policies")
    namespace: dict[str, object] = {}
    exec("from mdisim import *", namespace)
    assert set(mdisim.__all__) <= set(namespace)


def test_a_name_loads_no_more_than_it_needs():
    report = (
        "import sys, mdisim; mdisim.World; print(*({'pandas', 'simpy', 'pydantic', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_everything_works_without_the_extras():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'PIL', 'seaborn', 'matplotlib', 'distributed']));"
        "import mdisim; [getattr(mdisim, name) for name in mdisim.__all__]; import mdisim.cli"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_the_types_are_for_users_too():
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "Typing :: Typed" in project["classifiers"]
    assert (ROOT / "py.typed").read_bytes() == b""  # as PEP 561 has it


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project.get("version", mdisim.__version__) == mdisim.__version__
