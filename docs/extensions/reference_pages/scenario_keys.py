"""The keys of a scenario file as tables, from its JSON Schema: the same that editors and messages have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from mdisim.scenario import Scenario
from mdisim.scenario.sections import Section
from mdisim.scenario.units import DIMENSIONS
from reference_pages.markdown import code, plain, table

HEAD = ("Key", "Value", "Default", "Meaning")
TOP = "Scenario"
Schema = Mapping[str, Any]


def sections(*names: str) -> str:
    """The keys of a section; of several that differ in `kind`, each one's own, then what they share."""
    found = {name: section(name) for name in names}
    shared = _shared(list(found.values())) if len(found) > 1 else []
    parts = [_one(name, stated, shared) for name, stated in found.items()]
    if shared:
        parts.append(f"All of these have:\n\n{_keys(found[names[0]], shared)}")
    return "\n".join(parts)


def _one(name: str, stated: Schema, told: Sequence[str]) -> str:
    own = [key for key, value in stated.get("properties", {}).items() if "const" not in value and key not in told]
    return f"(scenario-{name.lower()})=\n{_introduced(name, stated)}\n\n{_keys(stated, own)}"


def section(name: str) -> Schema:
    """One section of the schema."""
    return _schema() if name == TOP else _schema()["$defs"][name]


@cache
def _schema() -> Schema:
    return Scenario.schema()


def units() -> str:
    """The units of each kind of quantity."""
    rows = [(plain(d.name), ", ".join(map(code, d.units)), code(d.si)) for d in DIMENSIONS]
    return table(("Quantity", "Units", "Inside"), rows)


def _shared(found: list[Schema]) -> list[str]:
    first, *others = (one.get("properties", {}) for one in found)
    return [key for key in first if key != "kind" and all(other.get(key) == first[key] for other in others)]


def _introduced(name: str, one: Schema) -> str:
    kind = one.get("properties", {}).get("kind", {}).get("const")
    example = examples().get(name, Section.example)
    said = ([f"**{code(f'kind: {kind}')}**"] if kind else []) + [plain(one.get("description", ""))]
    said += [f"Such as {code(example)}."] if example != Section.example else []
    return " ".join(said)


def examples() -> dict[str, str]:
    """What each section looks like, by name."""
    return {kind.__name__: kind.example for kind in _kinds(Section)}


def _kinds(kind: type[Section]) -> Iterator[type[Section]]:
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)


def _keys(one: Schema, keys: list[str]) -> str:
    if not keys:
        return ""
    rows = []
    for key in keys:
        said = one["properties"][key]
        default = "required" if key in one.get("required", ()) else _default(said.get("default"))
        rows.append((code(key), value(said), default, plain(said.get("description", ""))))
    return table(HEAD, rows)


def _default(given: Any) -> str:
    if isinstance(given, dict):
        given = {key: one for key, one in given.items() if one is not None}
    if given in (None, [], {}):
        return "optional"
    return code(str(given).lower() if isinstance(given, bool) else given)


def value(said: Schema) -> str:
    """What may stand there, in words."""
    match said:
        case {"$ref": ref}:
            return _reference(str(ref).rpartition("/")[2])
        case {"anyOf": choices} | {"oneOf": choices}:
            return " or ".join(dict.fromkeys(value(one) for one in choices if one.get("type") != "null"))
        case {"title": str(name), "examples": [example, *_]} if any(d.name == name for d in DIMENSIONS):
            return f"[{name}](#units), such as {code(example)}"
        case {"enum": values}:
            return " or ".join(map(code, values)) if len(values) < 10 else "a name"
        case {"type": "array", "items": items}:
            return f"list: {value(items)}"
        case {"type": "object", "patternProperties": each} if each:
            return f"names, each with a {value(next(iter(each.values())))}"
        case {"type": "object"}:
            return "mapping"
        case {"type": "boolean"}:
            return "`true` or `false`"
        case {"pattern": str(pattern)} if "%" in pattern:
            return "percentage, such as `1 %`"
        case {"type": "string"}:
            return "text"
        case {"type": "integer" | "number" as kind}:
            return ("whole number" if kind == "integer" else "number") + _bounds(said)
    raise ValueError(f"no words for {said}; a case here would do")


def _reference(name: str) -> str:
    if name == "Policy":
        return "[a policy](#policy)"
    kind = section(name).get("properties", {}).get("kind", {}).get("const")
    return f"[{code(f'kind: {kind}') if kind else 'mapping'}](#scenario-{name.lower()})"


def _bounds(said: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {said[name]}" for name, sign in signs.items() if name in said]
    return " " + " and ".join(found) if found else ""
