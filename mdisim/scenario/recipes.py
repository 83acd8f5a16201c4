"""From a policy in the scenario to a recipe: a known name or a class of the user's own, and its parameters.

A recipe's parameters are the fields of a frozen dataclass, checked one by one against their types and bounds.
A parameter whose name ends in _s, _bytes or _bps may be written with a unit, too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import lru_cache
from importlib import import_module, invalidate_caches
from pathlib import Path as File
from typing import Any, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from mdisim.errors import InputError
from mdisim.planners import RECIPES
from mdisim.policies.policy import Recipe
from mdisim.scenario.faults import Finding, Path
from mdisim.scenario.models import Policy
from mdisim.scenario.nearest import hint
from mdisim.scenario.phrases import expected, kinds_at, phrase, wanted
from mdisim.scenario.reading import Folders
from mdisim.scenario.units import BANDWIDTH, DATA, TIME, Dimension, check_limit, parse

SLOW_BPS = 1000  # below it a number was hardly meant in bit/s
UNITS: Mapping[str, Dimension] = {"_s": TIME, "_bytes": DATA, "_bps": BANDWIDTH}


def recipe_of(policy: Policy, *, code: Folders | None) -> tuple[Recipe | None, list[Finding]]:
    """Return the recipe with its parameters set, or what is wrong with it."""
    kind, found = class_of(policy, code=code)
    if kind is None:
        return None, found
    known = {f.name: f for f in fields(kind) if f.init}  # type: ignore[arg-type]
    called = policy.name or kind.__name__
    found = [_not_known(key, called, known) for key in policy.parameters if key not in known]
    found += [
        Finding((), f"missing key {name!r}: {called} needs it", True)
        for name, field in known.items()
        if name not in policy.parameters and _needed(field)
    ]
    hints = _hints(kind)
    values = {}
    for name, value in policy.parameters.items():
        if name in known:
            values[name], more = _value(name, value, hints[name])
            found += more
    if found:
        return None, found
    try:
        return kind(**values), []
    except InputError as error:
        return None, [Finding((error.parameter,), str(error))]


def sharing(policy: Policy, common: Policy) -> Policy:
    """The policy with every parameter of `common` that it has too and does not state itself.

    So what stands under `policy:` holds for all that are compared, and their difference is theirs alone.
    """
    kind = RECIPES.get(policy.name or "")
    if kind is None:
        return policy
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    shared = {key: value for key, value in common.parameters.items() if key in known}
    return Policy.model_validate(shared | policy.model_dump(exclude_none=True))


def written(policy: Policy, recipe: Recipe) -> dict[str, Any]:
    """The policy with every parameter, as plain data that reads back to the same recipe."""
    named = {k: v for k, v in (("name", policy.name), ("rule", policy.rule), ("label", policy.label)) if v}
    parameters: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))  # type: ignore[call-overload]
    slow = {key: f"{value!r} bps" for key, value in parameters.items() if key.endswith("_bps") and _slow(value)}
    return named | parameters | slow


def class_of(policy: Policy, *, code: Folders | None) -> tuple[type[Recipe] | None, list[Finding]]:
    """Return the class of the recipe, or what is wrong with its name or rule."""
    if policy.name is not None and policy.rule is not None:
        return None, [Finding(("rule",), "a policy has a name or a rule, not both", True)]
    if policy.rule is not None:
        return _imported(policy.rule, code)
    if policy.name is None:
        return None, [Finding((), f"missing key 'name': one of {', '.join(RECIPES)}", True)]
    if policy.name not in RECIPES:
        return None, [Finding(("name",), f"no policy {policy.name!r}; {hint(policy.name, RECIPES, 'there are')}")]
    return RECIPES[policy.name], []


def _imported(rule: str, code: Folders | None) -> tuple[type[Recipe] | None, list[Finding]]:
    """Import a class of the user's own; only where the user allowed that code is run."""
    module, colon, name = rule.partition(":")
    if not colon or not module or not name.isidentifier():
        say = f"{rule!r} is not package.module:Class"
    elif code is None:
        say = f"{rule!r} would import and run code; say --allow-code (in Python: allow_code=True) if you trust it"
    else:
        sys.path.extend(place for place in map(str, code) if place not in sys.path)  # worker processes get it, too
        invalidate_caches()
        try:
            import_module(module)
            say = _mistaken(module, code)
            if say:
                return None, [Finding(("rule",), say)]
            kind = getattr(sys.modules[module], name)
        except Exception as error:
            would = "; beside the scenario, in the current folder or on PYTHONPATH it would be found"
            absent = isinstance(error, ModuleNotFoundError) and str(error.name) in (module, module.split(".")[0])
            why = f"{type(error).__name__}: {error}{would if absent else ''}"
            return None, [Finding(("rule",), f"could not import {rule!r}: {why}")]
        if isinstance(kind, type) and is_dataclass(kind) and callable(getattr(kind, "build", None)):
            return cast(type[Recipe], kind), []
        say = f"{rule!r} is not a dataclass with a method build(setting) -> Policy"
    return None, [Finding(("rule",), say)]


def _mistaken(module: str, code: Folders) -> str:
    """What is wrong where the module imported is not the scenario's, but installed or an earlier scenario's."""
    parts = module.split(".")
    files = (File(*parts, "__init__.py"), File(*parts).with_suffix(".py"))
    meant = next((folder / file for folder in code for file in files if (folder / file).exists()), None)
    taken = getattr(sys.modules[module], "__file__", None)
    if meant is None or (taken is not None and File(taken).resolve().parent == meant.resolve().parent):
        return ""
    return f"{module!r} is {taken} here, not {meant}; another name, or a process of its own, would do"


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    """The annotations of a class, which take long to work out."""
    return get_type_hints(kind, include_extras=True)


def _needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _not_known(key: str, called: str, known: Mapping[str, Any]) -> Finding:
    if not known:
        return Finding((key,), f"unknown key {key!r}; {called} has no parameters", True)
    return Finding((key,), f"{called} has no parameter {key!r}; {hint(key, sorted(known), 'it has')}", True)


def _value(name: str, value: Any, hinted: Any) -> tuple[Any, list[Finding]]:
    """Check one parameter; JSON is the strict mode in which a list is a tuple and 'true' is no number."""
    try:
        plain = _without_unit(name, value)
        return TypeAdapter(hinted).validate_json(json.dumps(plain), strict=True), []
    except ValidationError as error:
        return None, _in_words(name, hinted, error.errors(include_url=False))
    except InputError as error:
        return None, [Finding((name,), str(error))]


def _slow(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < SLOW_BPS


def _without_unit(name: str, value: Any) -> Any:
    ending = next((one for one in UNITS if name.endswith(one) and not name.endswith("_per_s")), "")
    dimension = UNITS.get(ending)
    if isinstance(value, str) and dimension is not None:
        return parse(value, dimension, zero=True)
    if dimension is BANDWIDTH and isinstance(value, int) and _slow(value):
        raise InputError(f"{value:g} is in bit/s; with its unit it cannot be mistaken, such as '{value:g} Mbps'")
    if dimension is not None and isinstance(value, int | float) and not isinstance(value, bool):
        check_limit(value, value, dimension)
    if isinstance(value, dict):
        return {key: _without_unit(key, one) for key, one in value.items()}
    return value


def _in_words(name: str, hinted: Any, errors: list[ErrorDetails]) -> list[Finding]:
    """One finding; of the branches of a union, the one that got furthest into the value speaks."""
    depth = max(_depth(error) for error in errors)
    deepest = [error for error in errors if _depth(error) == depth]
    path: Path = (name, *(part for part in deepest[0]["loc"] if isinstance(part, int)))
    kinds = [kinds_at(hinted, error["loc"]) for error in deepest]
    nouns = [*filter(None, dict.fromkeys(map(wanted, deepest, kinds)))]
    if len(deepest) == 1 or not nouns:
        return [Finding(path, phrase(deepest[0], kinds[0]))]
    return [Finding(path, expected(nouns, deepest[0]["input"]))]


def _depth(error: ErrorDetails) -> int:
    return sum(isinstance(part, int) for part in error["loc"])
