"""Models in files: a TOML table for each, with what it is of, where from, its kind and its parameters.

`presets.toml` holds those that come with the package. A table may have `up_s` and `outage_s` beside the
parameters of any kind: the model then has outages.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from math import inf
from typing import Any, get_args, get_type_hints

from mdisim.files import content
from mdisim.policies.parameters import REQUIRED, Parameter, parameters
from mdisim.traces.generators import KINDS, Outages
from mdisim.traces.model import Generator, kebab, unknown
from mdisim.traces.trace import TraceError

SUFFIX = ".toml"
SHIPPED = "presets.toml"
LIMIT_BYTES = 1_000_000
OUTAGES = ("up_s", "outage_s")
SHAPES = ("a number", "a list of numbers", "a list of rows of numbers")


@dataclass(frozen=True)
class Preset:
    """A model with its name, what it is of, where its parameters are from, and the step it is drawn with [s]."""

    name: str
    model: Generator
    what: str = ""
    source: str = ""
    step_s: float = 1.0


def presets() -> dict[str, Preset]:
    """The presets that come with the package, by name."""
    text = resources.files("mdisim.traces").joinpath(SHIPPED).read_text(encoding="utf-8")
    return {preset.name: preset for preset in _presets(text, SHIPPED)}


def preset(name_or_path: str | os.PathLike[str]) -> Preset:
    """A preset by its name, or the one in a TOML file by its path.

    Raises a TraceError with the nearest name, or with what is wrong in the file.
    """
    text = os.fspath(name_or_path)
    if not text.endswith(SUFFIX):
        known = presets()
        if text not in known:
            raise TraceError(unknown("preset", text, known) + f"; a path to a {SUFFIX} would do, too")
        return known[text]
    try:
        raw = content(text, LIMIT_BYTES).decode("utf-8")
    except OSError as error:
        raise TraceError(f"{text}: cannot be read: {error.strerror}; the path of a preset would do") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{text}: is no text in UTF-8; what `mdisim trace fit` writes would do") from error
    except ValueError as error:
        raise TraceError(f"{text}: {error}; what `mdisim trace fit` writes would do") from error
    found = _presets(raw, text)
    if len(found) != 1:
        raise TraceError(f"{text}: has {len(found)} tables; a file with one would do")
    return found[0]


def made(kind: str, values: Mapping[str, Any]) -> Generator:
    """The model of that kind with these parameters; with `up_s` and `outage_s` it has outages.

    Raises a TraceError that names the parameter.
    """
    if kind not in KINDS:
        raise TraceError(unknown("kind", kind, KINDS))
    known = {told.name: told for told in takes(kind)}
    for name in values:
        if name not in known:
            raise TraceError(f"{kind}: {unknown('parameter', name, known)}")
    lacking = [name for name, told in known.items() if told.default == REQUIRED and name not in values]
    if lacking:
        raise TraceError(f"{kind}: needs {', '.join(f'{name} [{known[name].unit or 1}]' for name in lacking)}")
    model = KINDS[kind](**{name: _typed(kind, name, values[name]) for name in values if name not in OUTAGES})
    cut = [_typed(kind, name, values[name]) for name in OUTAGES if name in values]
    if len(cut) == 1:
        raise TraceError(f"{kind}: {' and '.join(OUTAGES)} go together; give both or neither")
    return Outages(model, *cut) if cut else model


def takes(kind: str) -> list[Parameter]:
    """The parameters of a kind, and those of outages, which any may have."""
    outages = [told for told in parameters(Outages) if told.name in OUTAGES]
    return parameters(KINDS[kind]) + [
        Parameter(told.name, told.meaning, told.unit, "no outages", told.allowed) for told in outages
    ]


def hint(kind: str, name: str) -> Any:
    """The type of a parameter of a kind, without its notes."""
    return get_type_hints(Outages if name in OUTAGES else KINDS[kind])[name]


def values(model: Generator) -> tuple[str, dict[str, Any]]:
    """The kind and the parameters that make this model."""
    if isinstance(model, Outages):
        kind, inner = values(model.of)
        return kind, inner | {"up_s": model.up_s, "outage_s": model.outage_s}
    return kebab(type(model).__name__), {field.name: getattr(model, field.name) for field in fields(model)}


def toml(preset: Preset) -> str:
    """The table of a preset."""
    kind, given = values(preset.model)
    lines = {"what": preset.what, "source": preset.source, "step_s": preset.step_s, "kind": kind}
    lines |= {name: value for name, value in given.items() if value != inf}  # which JSON cannot say: the default
    written = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in lines.items())
    return f"[{json.dumps(preset.name, ensure_ascii=False)}]\n" + "".join(written)


def _presets(text: str, where: str) -> list[Preset]:
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers of thousands of digits
        raise TraceError(f"{where}: is no TOML ({error}); what `mdisim trace fit` writes would do") from error
    return [_preset(name, table, where) for name, table in tables.items()]


def _preset(name: str, table: Any, where: str) -> Preset:
    at = f"{where}: [{name}]"
    if not isinstance(table, dict) or "kind" not in table:
        raise TraceError(f"{at} has no kind; a table with one of {', '.join(KINDS)} would do")
    rest = dict(table)
    what, source, step_s, kind = (rest.pop(key, default) for key, default in (
        ("what", ""), ("source", ""), ("step_s", 1.0), ("kind", "")))  # fmt: skip
    if isinstance(step_s, bool) or not isinstance(step_s, int | float) or not step_s > 0.0:
        raise TraceError(f"{at}: step_s is {step_s!r}; seconds above 0 would do")
    try:
        return Preset(name, made(str(kind), rest), str(what), str(source), float(step_s))
    except TraceError as error:
        raise TraceError(f"{at}: {error}") from error


def _typed(kind: str, name: str, value: Any) -> Any:
    """The value as the field's type: numbers as float, lists as tuples."""
    wanted = hint(kind, name)
    if wanted is bool:
        if not isinstance(value, bool):
            raise TraceError(f"{kind}: {name} is {value!r}; true or false would do")
        return value
    depth, inner = 0, wanted
    while get_args(inner):
        depth, inner = depth + 1, get_args(inner)[0]
    try:
        return _tuples(value, depth)
    except (TypeError, ValueError):
        raise TraceError(f"{kind}: {name} is {value!r}; {SHAPES[depth]} would do") from None


def _tuples(value: Any, depth: int) -> Any:
    if depth:
        if not isinstance(value, list | tuple):
            raise TypeError(value)
        return tuple(_tuples(item, depth - 1) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)
