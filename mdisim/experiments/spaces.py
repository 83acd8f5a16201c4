"""What a parameter may be while it is tuned: between two bounds, or one of a few values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import BaseMetadata, Ge, Gt, Interval, Le, Lt

from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.sweep.design import Range, range_of
from mdisim.scenario.nearest import hint

EDGE = 1e-6  # of the range: how far inside a bound that is not itself allowed


@dataclass(frozen=True)
class Space:
    """A parameter's name, and its range or else its values."""

    name: str
    range: Range | None = None
    values: tuple[Any, ...] = ()

    def asked(self, trial: Any) -> Any:
        """The value that a trial of Optuna suggests."""
        if self.range is None:
            return trial.suggest_categorical(self.name, list(self.values))
        if self.range.whole:
            return trial.suggest_int(self.name, int(self.range.low), int(self.range.high), log=self.range.log)
        return trial.suggest_float(self.name, self.range.low, self.range.high, log=self.range.log)


def spaces_of(kind: type, given: Iterable[str] | Mapping[str, Any]) -> tuple[Space, ...]:
    """The spaces of a recipe's parameters, as stated or by their own bounds; an ExperimentError has all faults."""
    stated = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given)
    hints = get_type_hints(kind, include_extras=True)
    hinted = {f.name: _parted(hints[f.name]) for f in fields(kind) if f.init}
    own = {name: _annotated(name, *parts) for name, parts in hinted.items()}
    if not stated:
        bounded = ", ".join(name for name, space in own.items() if space is not None)
        raise ExperimentError(f"no parameters to tune; of those with bounds there are {bounded or 'none'}")
    spaces, faults = [], []
    for name, value in stated.items():
        try:
            spaces.append(_space(name, value, own, whole=name in hinted and hinted[name][0] is int))
        except ExperimentError as error:
            faults.append(str(error))
    if faults:
        raise ExperimentError("\n".join(faults))
    return tuple(spaces)


def _space(name: str, stated: Any, own: Mapping[str, Space | None], *, whole: bool) -> Space:
    if name not in own:
        raise ExperimentError(f"no parameter {name!r}; {hint(name, own, 'there are')}")
    if stated is None:
        space = own[name]
        if space is None:
            raise ExperimentError(f"parameter {name} has no two bounds of its own; {name}=low:high would do")
        return space
    if isinstance(stated, tuple | str):
        try:
            read = range_of(stated)
        except ExperimentError as error:
            raise ExperimentError(f"parameter {name}: {error}") from None
        return Space(name, Range(read.low, read.high, read.log, read.whole or whole))
    if isinstance(stated, Sequence) and len(stated) > 1:
        return Space(name, values=tuple(stated))
    raise ExperimentError(f"parameter {name}: {stated!r} is no range and no list; low:high or v1,v2 would do")


def _parted(hinted: Any) -> tuple[Any, tuple[Any, ...]]:
    """A parameter's type and the notes on it."""
    return (get_args(hinted)[0], get_args(hinted)[1:]) if get_origin(hinted) is Annotated else (hinted, ())


def _annotated(name: str, kind: Any, notes: tuple[Any, ...]) -> Space | None:
    """The space that a parameter's annotation tells; None where that is endless."""
    if get_origin(kind) is Literal:
        return Space(name, values=get_args(kind))
    if kind is bool:
        return Space(name, values=(False, True))
    low, high = _bounds(notes, EDGE if kind is float else 1.0)
    if kind not in (int, float) or low == -inf or high == inf:
        return None
    return Space(name, Range(low, high, whole=kind is int))


def _bounds(notes: Iterable[Any], edge: float) -> tuple[float, float]:
    """The bounds that annotations set; one that is not itself allowed is moved inwards."""
    low, high = -inf, inf
    for note in notes:
        for part in list(note) if isinstance(note, Interval) else [note]:
            match part if isinstance(part, BaseMetadata) else None:
                case Ge(ge=v):
                    low = max(low, float(v))  # type: ignore[arg-type]
                case Gt(gt=v):
                    low = max(low, float(v) + edge)  # type: ignore[arg-type]
                case Le(le=v):
                    high = min(high, float(v))  # type: ignore[arg-type]
                case Lt(lt=v):
                    high = min(high, float(v) - edge)  # type: ignore[arg-type]
    return low, high
