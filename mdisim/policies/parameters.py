"""What a named policy's parameters are called, mean, are measured in and default to."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import BaseMetadata, Ge, Gt, Interval, Le, Lt

REQUIRED = "required"


@dataclass(frozen=True)
class Meaning:
    """What a parameter means, in a sentence, and its unit."""

    text: str
    unit: str = ""


@dataclass(frozen=True)
class Parameter:
    """One line of `mdisim policies NAME`."""

    name: str
    meaning: str
    unit: str
    default: Any
    allowed: str


def parameters(recipe: type) -> list[Parameter]:
    """The parameters of a named policy (a dataclass whose fields are annotated with a Meaning)."""
    hints = get_type_hints(recipe, include_extras=True)
    return [
        _parameter(f.name, hints[f.name], REQUIRED if f.default is MISSING else f.default) for f in fields(recipe)
    ]


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    kind, notes = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    meaning = next((n for n in notes if isinstance(n, Meaning)), Meaning(""))
    return Parameter(name, meaning.text, meaning.unit, default, _allowed(kind, notes))


def _allowed(kind: Any, notes: tuple[Any, ...]) -> str:
    if get_origin(kind) is Literal:
        return " | ".join(str(v) for v in get_args(kind))
    if kind is bool:
        return "true | false"
    bounds = []
    for note in notes:
        parts = list(note) if isinstance(note, Interval) else [note]
        bounds += [_bound(p) for p in parts if isinstance(p, BaseMetadata)]
    return ", ".join(bounds)


def _bound(note: BaseMetadata) -> str:
    match note:
        case Ge(ge=v):
            return f">= {v}"
        case Gt(gt=v):
            return f"> {v}"
        case Le(le=v):
            return f"<= {v}"
        case Lt(lt=v):
            return f"< {v}"
    return str(note)
