"""The JSON Schema of scenario files, with the parameters of every named policy, for completion in editors."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from mdisim.planners import RECIPES
from mdisim.policies.parameters import parameters
from mdisim.scenario.models import Spec
from mdisim.scenario.recipes import UNITS
from mdisim.scenario.units import DIMENSIONS, Quantity, text

LABEL = {"label": {"type": "string", "description": "What to call it in tables and figures."}}


def schema() -> dict[str, Any]:
    """Return the schema of the file as written: quantities are texts with a unit, names are texts."""
    made: dict[str, Any] = _tidy(Spec.model_json_schema(by_alias=True, mode="validation"))
    made["$defs"]["Policy"] = {
        "description": "A policy by name with its parameters, or a class of your own.",
        "oneOf": [*(_named(name, kind) for name, kind in RECIPES.items()), _ruled()],
    }
    names = {"type": "string", "enum": sorted(RECIPES)}
    for holder in (made["properties"]["policy"], made["properties"]["compare"]["items"]):
        holder["anyOf"] = [names if one == {"type": "string"} else one for one in holder["anyOf"]]
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mdisim scenario"}
    return about | made


def _named(name: str, kind: type[Any]) -> dict[str, Any]:
    """One named policy: its parameters, each with its meaning, and no other keys."""
    properties = _tidy(TypeAdapter(kind).json_schema()["properties"])
    for parameter in parameters(kind):
        stated = properties[parameter.name] = _also_with_unit(parameter.name, properties[parameter.name])
        stated["description"] = parameter.meaning + (f" ({parameter.unit})" if parameter.unit else "")
    return {
        "type": "object",
        "title": name,
        "description": (kind.__doc__ or name).partition("\n\n")[0],
        "properties": {"name": {"const": name}, **LABEL, **properties},
        "required": ["name"],
        "additionalProperties": False,
    }


def _ruled() -> dict[str, Any]:
    about = "package.module:Class; it is imported and run, so it needs --allow-code."
    return {
        "type": "object",
        "title": "rule",
        "properties": {"rule": {"type": "string", "description": about}, **LABEL},
        "required": ["rule"],
        "not": {"required": ["name"]},
    }


def _also_with_unit(name: str, parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter whose name ends in a unit is a number, or a quantity in text."""
    dimension = next((d for ending, d in UNITS.items() if name.endswith(ending)), None)
    if dimension is None:
        return parameter
    number = {key: value for key, value in parameter.items() if key != "default"}
    default = {key: value for key, value in parameter.items() if key == "default"}
    return {"anyOf": [number, Quantity(dimension, zero=True).schema()], **default}


def _tidy(schema: Any) -> Any:
    """Leave out titles that only repeat the key, and write defaults of quantities with their units."""
    if isinstance(schema, list):
        return [_tidy(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    dimension = next((d for d in DIMENSIONS if d.name == schema.get("title")), None)
    if dimension is not None and isinstance(schema.get("default"), float):
        schema = schema | {"default": text(schema["default"], dimension)}
    return {key: _tidy(value) for key, value in schema.items() if key != "title" or dimension is not None}
