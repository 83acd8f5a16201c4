"""What pydantic found wrong, in words: one message for each error, and the nearest name for what is misspelt.

What a value may be comes from its annotation; pydantic's own sentences are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mdisim.scenario.faults import Finding, Path
from mdisim.scenario.nearest import hint, nearest, one_of
from mdisim.scenario.units import shown

_TEXT = "a text"
_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": _TEXT,
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
}
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def phrases(model: type[BaseModel], errors: Iterable[ErrorDetails]) -> list[Finding]:
    """Put every error of a model's validation into words.

    A key that is missing because it was misspelt is reported once.
    """
    found: list[Finding] = []
    guessed: set[tuple[Path, str]] = set()
    every = list(errors)
    for error in every:
        if error["type"] == "extra_forbidden":
            *above, key = error["loc"]
            known, around = (_keys(_models_at(model, tuple(path))) for path in (above, above[:-1]))
            near = nearest(str(key), known)
            guessed |= {(tuple(above), one) for one in near}
            astray = not near and key in around and above[-1] in around
            would = f"it stands beside {above[-1]!r}, not under it" if astray else hint(str(key), known)
            found.append(Finding(error["loc"], f"unknown key {key!r}; {would}", True))
    for error in every:
        *above, last = error["loc"] or ("",)
        if error["type"] == "missing" and (tuple(above), last) not in guessed:
            found.append(Finding(tuple(above), _missing(_models_at(model, tuple(above)), str(last)), True))
        elif last == "[key]":
            name = "a device's name is made of letters, digits, '-' and '_'"
            found.append(Finding(tuple(above), f"{above[-1]!r} will not do: {name}", True))
        elif error["type"] in ("union_tag_invalid", "union_tag_not_found") and isinstance(error["input"], dict):
            found.append(Finding((*error["loc"], "kind"), phrase(error, kinds_at(model, error["loc"]))))
        elif error["type"] == "too_short" and error["input"]:
            continue  # it is not empty, but none of its items is sound
        elif error["type"] not in ("missing", "extra_forbidden"):
            found.append(Finding(error["loc"], phrase(error, kinds_at(model, error["loc"]))))
    return found


def phrase(error: ErrorDetails, kinds: Iterable[Any] = ()) -> str:
    """Say what is wrong with one value; `kinds` are what its annotation allows, as `kinds_at` finds them."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    every = list(kinds)
    if kind in _EXPECTED:
        return expected([wanted(error, every)], value)
    if kind in _BOUNDS:
        return f"{shown(value)} is out of range: it must be {_bound(error)}"
    if kind == "literal_error":
        return f"{shown(value)} is not known here; {_choice(value, _choices(every))}"
    if kind == "union_tag_invalid":
        given = context.get("tag", value)
        return f"{shown(given)} is not known here; {_choice(given, _tags_of(every))}"
    if kind == "union_tag_not_found":
        return f"missing key 'kind': one of {one_of(sorted(_tags_of(every)))}"
    if kind == "too_short":
        return "is empty; at least one is needed"
    return error["msg"]


def wanted(error: ErrorDetails, kinds: Iterable[Any] = ()) -> str:
    """What a value should have been, as a noun; empty where that is no matter of one noun."""
    kind, every = error["type"], list(kinds)
    if kind in _EXPECTED:
        return _EXPECTED[kind] + _example(kind, _models(every))
    if kind in _BOUNDS:
        return f"a number {_bound(error)}"
    return one_of(_choices(every)) if kind == "literal_error" else ""


def expected(nouns: Sequence[str], value: object) -> str:
    """Say that something else was expected; a number where a text is due wants quotes."""
    quotes = isinstance(value, int | float) and nouns[0] == _TEXT
    return f"expected {' or '.join(nouns)}, not {shown(value)}{': put it in quotes' if quotes else ''}"


def _bound(error: ErrorDetails) -> str:
    name, words = _BOUNDS[error["type"]]
    return f"{words} {error['ctx'][name]:.9g}"


def _choices(kinds: Iterable[Any]) -> list[str]:
    return [str(choice) for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]


def _tags_of(kinds: Iterable[Any]) -> list[str]:
    return [tag for model in _models(kinds) for tag in _tags(model)]


def _choice(given: object, names: list[str]) -> str:
    near = nearest(given, names) if isinstance(given, str) else []
    every = f"it can be {one_of(names)}"
    return f"did you mean {near[0]!r}? ({every})" if near else every


def _example(kind: str, models: Iterable[type[BaseModel]]) -> str:
    examples = [getattr(m, "example", "") for m in models] if _EXPECTED[kind] == "a mapping" else []
    return f" such as {examples[0]}" if len(examples) == 1 and examples[0] else ""


def _missing(models: list[type[BaseModel]], key: str) -> str:
    about = [f.description for m in models for name, f in m.model_fields.items() if (f.alias or name) == key]
    meaning = about[0] if about and about[0] else ""
    return f"missing key {key!r}" + (f": {meaning[0].lower()}{meaning[1:].removesuffix('.')}" if meaning else "")


def _keys(models: Iterable[type[BaseModel]]) -> list[str]:
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def kinds_at(root: Any, path: Path) -> list[Any]:
    """The types that a path from an annotation may lead to, unions taken apart.

    The tag of a union, which pydantic puts into a path, chooses one of its models: a kind, or where there are no
    kinds the name of the model. Other labels of a union's branches lead no further.
    """
    inside: list[Any] = _flat([root])
    for part in path:
        models = _models(inside)
        tagged = [m for m in models if part in _tags(m)] if len(models) > 1 else []
        called = [m for m in models if part == m.__name__]
        below = [kind for one in inside for kind in _step(one, part)]
        inside = _flat(tagged or called or below or [kind for kind in inside if get_origin(kind) is Literal])
    return inside


def _models_at(model: type[BaseModel], path: Path) -> list[type[BaseModel]]:
    return _models(kinds_at(model, path))


def _step(kind: Any, part: str | int) -> list[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = _fields(kind).get(str(part))
        return [field.annotation] if field else []
    if get_origin(kind) is dict:
        return [get_args(kind)[1]]
    if get_origin(kind) in (tuple, list):
        return [get_args(kind)[0]]
    return []


def _fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _flat(kinds: Iterable[Any]) -> list[Any]:
    flat = []
    for kind in kinds:
        if get_origin(kind) is Annotated:
            flat += _flat(get_args(kind)[:1])
        elif get_origin(kind) in (Union, UnionType):
            flat += _flat(get_args(kind))
        else:
            flat.append(kind)
    return flat


def _models(kinds: Iterable[Any]) -> list[type[BaseModel]]:
    return [k for k in _flat(kinds) if isinstance(k, type) and issubclass(k, BaseModel)]
