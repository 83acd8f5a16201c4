"""From a scenario, a design, policies and seeds to runs, each with its key; all faults come together.

The key of a run is a digest of what it means: the resolved scenario without its policies and seed, the recipe with
every parameter (and the source text of a recipe of the user's own), the seed, and the version of mdisim. Rows of a
sweep that mean the same share one run: a policy that knows nothing of the parameter that moves is run once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import pandas as pd

from mdisim import __version__
from mdisim.experiments.prepare import ExperimentError, Ground, check_seeds, source_of
from mdisim.experiments.sweep.design import Design, Point, column, unit_of
from mdisim.experiments.sweep.work import Cell, Place, Stem, Task
from mdisim.folders import digest, plain
from mdisim.policies.policy import Policy, Recipe
from mdisim.profiles.profile import Half
from mdisim.scenario import Scenario, ScenarioError
from mdisim.scenario.faults import Document, Fault
from mdisim.scenario.models import Policy as Stated
from mdisim.scenario.nearest import nearest
from mdisim.scenario.overrides import apply, assignments
from mdisim.scenario.yamlio import compose

AnyRecipe = Recipe | str | Mapping[str, Any]
Recipes = Iterable[AnyRecipe] | Mapping[str, AnyRecipe]

KEY_DIGITS = 32  # of SHA-256's 64: 128 bits
MOST_FAULTS = 20  # told; the rest are counted
RESERVED = {"policy": "policies (--policies)", "run.seed": "seeds (--seeds)"}


@dataclass(frozen=True, eq=False)
class Plan:
    """The runs of a sweep. `table` has a row for each, in order: point, the paths' values, policy, seed, key.

    `tasks` are what is to be done, by key: as many as there are different keys. `units` has the SI unit of each
    path, "" where it has none.
    """

    scenario: Scenario
    table: pd.DataFrame
    tasks: Mapping[str, Task]
    units: Mapping[str, str]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the design."""
        return tuple(self.units)

    @property
    def identity(self) -> str:
        """What is asked for, as 64 hexadecimal digits."""
        return digest([list(self.table.columns), self.table.to_numpy().tolist()])


def lay_out(
    scenario: Scenario,
    design: Design,
    policies: Recipes | None,
    seeds: Sequence[int],
    checked: Callable[[int, int], None] = lambda done, total: None,
) -> Plan:
    """Check every point, and every policy at the first; an ExperimentError holds all faults, each once.

    `checked` is told how many points have been looked at, and how many there are.
    """
    check_seeds(seeds)
    faults = design.faults() + [
        f"{path}: {would} would do, in place of a path of the design"
        for path, would in RESERVED.items()
        if path in {**design.grid, **design.zip, **design.random, **design.latin}
    ]
    _refuse(faults)
    named = _compared(scenario, design) if policies is None else _labelled(policies)
    points = design.points()
    checked(0, len(points))
    rows: list[dict[str, Any]] = []
    tasks: dict[str, Task] = {}
    for number, point in enumerate(points):
        cells, found = _cells(scenario, point, named, known_good=number > 0)
        faults += [str(_of_the_design(fault, design)) for fault in found]
        for label, cell in cells:
            for seed in seeds:
                key = key_of(cell, seed)
                tasks.setdefault(key, Task(key, cell, seed, _told(point, label, seed)))
                rows.append({"point": number, "policy": label, "seed": int(seed), "key": key})
        checked(number + 1, len(points))
    _refuse(faults)
    units = {path: unit_of([point[path] for point in points]) for path in points[0]}
    return Plan(scenario, _table(points, rows), tasks, units)


def key_of(cell: Cell, seed: int) -> str:
    """What a run is called: equal for runs that mean the same."""
    return digest([cell.place.digest, cell.code, int(seed), __version__])[:KEY_DIGITS]


def cell_of(scenario: Scenario, recipe: Recipe, stem: Stem, half: Half = "test") -> Cell:
    """A recipe at the place of a scenario that grew from a stem."""
    return _cell(_place(scenario, stem, half), recipe)


def _place(scenario: Scenario, stem: Stem, half: Half = "test") -> Place:
    """What a scenario that grew from a stem means without its policies and its seed."""
    spec = scenario.spec
    bare = {"policy": Stated(name="local"), "compare": (), "run": spec.run.model_copy(update={"seed": 0})}
    meant = replace(scenario, spec=spec.model_copy(update=bare)).digest
    return Place.of(scenario, stem, meant, half)


def _cell(place: Place, recipe: Recipe) -> Cell:
    return Cell(place, _code(recipe), recipe)


def stem_of(scenario: Scenario, grown: Scenario) -> Stem:
    """What workers should read of a scenario that grew from another: that one, if their profiles are the same."""
    return Stem.of(scenario if scenario.profile.digest == grown.profile.digest else grown)


def _table(points: Sequence[Point], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = {path: column([point[path] for point in points]) for path in points[0]}
    first = [{"point": row["point"]} | {p: v[row["point"]] for p, v in columns.items()} for row in rows]
    return pd.DataFrame([one | dict(row) for one, row in zip(first, rows, strict=True)])


def _told(point: Point, label: str, seed: int) -> str:
    return " ".join([*(f"{path}={value}" for path, value in point.items()), f"policy={label}", f"seed={seed}"])


def _refuse(faults: Iterable[str]) -> None:
    every = list(dict.fromkeys(faults))
    if every:
        more = [f"and {len(every) - MOST_FAULTS} more faults"] if len(every) > MOST_FAULTS else []
        raise ExperimentError("\n".join([*every[:MOST_FAULTS], *more]))


def _of_the_design(fault: Fault | str, design: Design) -> Fault | str:
    """The same fault, told of the option that it comes from."""
    if isinstance(fault, Fault) and fault.override:
        path = fault.override.partition("=")[0].strip()
        option = next(
            (name for name in ("grid", "zip", "random", "latin") if path in getattr(design, name)), "set"
        )
        return replace(fault, origin=f"--{option} {fault.override}")
    return fault


# --- policies at a point


def _labelled(given: Recipes) -> dict[str, AnyRecipe]:
    """The policies by label."""
    if isinstance(given, str):
        raise ExperimentError(f"policies must be several, not the text {given!r}; [{given!r}] would do")
    if isinstance(given, Mapping) and given:
        return dict(given)
    every = list(given)
    labels = [_label(one) for one in every]
    twice = next((label for i, label in enumerate(labels) if label in labels[:i]), None)
    if twice is not None:
        raise ExperimentError(f"two policies are called {twice!r}; give labels: {{'my label': policy, ...}}")
    if not every:
        raise ExperimentError("no policies; name one or more")
    return dict(zip(labels, every, strict=True))


def _compared(scenario: Scenario, design: Design) -> dict[str, AnyRecipe] | None:
    """The policies under `compare`, as `compare` has them; None is the scenario's own, which a path may name."""
    own = {*design.grid, *design.zip} & {"policy.name", "policy.rule", "policy.label"}
    return None if own else {p.called: p.called for p in scenario.spec.compare} or None


def _label(given: AnyRecipe) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, Mapping):
        return str(given.get("label") or given.get("name") or str(given.get("rule")).rpartition(":")[2])
    return str(getattr(given, "name", type(given).__name__))


def _cells(
    scenario: Scenario, point: Point, named: Mapping[str, AnyRecipe] | None, *, known_good: bool
) -> tuple[list[tuple[str, Cell]], list[Fault | str]]:
    """The cells of a point by label, or what is wrong with it."""
    own = {path: value for path, value in point.items() if named is not None and path.startswith("policy.")}
    try:
        grown = scenario.with_overrides({path: value for path, value in point.items() if path not in own})
    except ScenarioError as error:
        return [], [*error.faults]
    stem = stem_of(scenario, grown)
    if named is None:
        return [(grown.spec.policy.called, cell_of(grown, grown.recipe(), stem))], []
    place = _place(grown, stem)
    cells, unused = [], set(own)
    faults: list[Fault | str] = []
    for label, given in named.items():
        try:
            recipe, used = _recipe(grown, given, own)
            unused -= used
            if not known_good:
                Ground(grown.build(), grown).need(recipe)
            cells.append((label, _cell(place, recipe)))
        except ScenarioError as error:
            faults += error.faults
            unused.clear()
        except ExperimentError as error:
            faults.append(str(error))
            unused.clear()
    return cells, faults + [_of_none(grown, path, own[path], named) for path in sorted(unused)]


def _of_none(scenario: Scenario, path: str, value: Any, named: Mapping[str, AnyRecipe]) -> Fault:
    """The fault of a path that none of the policies knows."""
    stated = [scenario.stated(one) if isinstance(one, str) else one for one in named.values()]
    known = {name for one in stated if isinstance(one, Mapping) for name in _parameters(scenario, one)}
    near = nearest(path.split(".")[1], known)
    would = f"; did you mean {near[0]!r}?" if near else ""
    say = f"none of {', '.join(named)} has this parameter{would}"
    return Fault("policy", say, override=f"{path}={value}")


def _recipe(scenario: Scenario, given: AnyRecipe, own: Point) -> tuple[Recipe, set[str]]:
    """A policy with what a point says of policies, and which paths of the point it knows."""
    if isinstance(given, Policy):
        raise ExperimentError(
            f"policy {given.name} is laid out for one world, and a sweep goes through many; a recipe would do, "
            "such as its name or an object like MdiExit()"
        )
    if not isinstance(given, str | Mapping):
        if isinstance(given, type) or not is_dataclass(given) or not callable(getattr(given, "build", None)):
            raise ExperimentError(f"{given!r} is no policy; a name or an object such as MdiExit() would do")
        if own:
            say = "is an object, which paths do not reach; its name, or a mapping of its parameters, would do"
            raise ExperimentError(f"{', '.join(own)}: policy {_label(given)} {say}")
        return given, set()
    stated = scenario.stated(given) if isinstance(given, str) else dict(given)
    known = _parameters(scenario, stated)
    used = {path: value for path, value in own.items() if path.split(".")[1] in known}
    document = Document("policy", compose(json.dumps({"policy": stated}), "policy"))
    stated = apply(document, assignments(used)).root.data()["policy"]
    return scenario.recipe(stated), set(used)


def _parameters(scenario: Scenario, stated: Mapping[str, Any]) -> set[str]:
    """The names of a policy's parameters; a ScenarioError where there is no such policy."""
    return {f.name for f in fields(scenario.recipe_class(stated))}  # type: ignore[arg-type]


def _code(recipe: Recipe) -> str:
    """A digest of all that a recipe is."""
    return digest(_meant(recipe))


def _meant(value: Any) -> Any:
    """A value as plain data; of objects with fields, also what they are: two kinds may have the same fields."""
    kind = type(value)
    if is_dataclass(kind):
        parts = {f.name: _meant(getattr(value, f.name)) for f in fields(kind)}
        return [kind.__module__, kind.__qualname__, source_of(kind), parts]
    if isinstance(value, Mapping):
        return {str(key): _meant(part) for key, part in value.items()}
    return [_meant(part) for part in value] if isinstance(value, list | tuple) else plain(value)
