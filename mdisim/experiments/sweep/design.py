"""The points of a sweep: which values dotted paths take together. Text and numbers only; no scenario is looked at.

Each path of a grid is crossed with everything else. All paths of a zip move together, as do those drawn at random
and those of a Latin hypercube; each of these three is one block, crossed with the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import exp, isfinite, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import InputError
from mdisim.experiments.prepare import ExperimentError
from mdisim.scenario.units import DIMENSIONS, Dimension, parse, text
from mdisim.scenario.yamlio import YamlError, compose

DIGITS = 6  # of a drawn value: enough to tell points apart, few enough to read
FLAGS = ("log", "int")

Point = dict[str, Any]
Values = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Range:
    """Values from low to high, evenly or evenly in the logarithm; with a dimension, they are quantities."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    dimension: Dimension | None = None

    def at(self, share: float) -> Any:
        """The value at a share of the way, 0 up to 1, as a scenario would state it."""
        if self.whole and not self.log:
            return min(int(self.low + share * (self.high - self.low + 1)), int(self.high))
        if self.log:
            value = exp(log(self.low) + share * (log(self.high) - log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        if self.whole:
            return round(value)
        value = min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)
        return value if self.dimension is None else text(value, self.dimension)


@dataclass(frozen=True)
class Design:
    """What a sweep goes through; see `points`. `seed` is that of the draws, not of the runs."""

    grid: Values = field(default_factory=dict)
    zip: Values = field(default_factory=dict)
    random: Mapping[str, Any] = field(default_factory=dict)
    latin: Mapping[str, Any] = field(default_factory=dict)
    n_points: int | None = None
    seed: int = 0

    def faults(self) -> list[str]:
        """What is wrong with the design itself, whatever the scenario."""
        kinds: dict[str, Mapping[str, Any]] = {"grid": self.grid, "zip": self.zip, "random": self.random}
        kinds["latin"] = self.latin
        found = [
            f"--{kind} {path}: {values!r} is no list of values; [{values!r}] would do"
            for kind in ("grid", "zip")
            for path, values in kinds[kind].items()
            if isinstance(values, str) or not isinstance(values, Iterable)
        ]
        if found:
            return found
        found += [f"--{k} {p}: no values; one or more would do" for k in ("grid", "zip") for p in kinds[k]
                  if not len(kinds[k][p])]  # fmt: skip
        every = [path for paths in kinds.values() for path in paths]
        found += [f"{p}: stands in more than one place of the design; once would do" for p in _twice(every)]
        lengths = {path: len(values) for path, values in self.zip.items()}
        if len(set(lengths.values())) > 1:
            stated = ", ".join(f"{path} has {n}" for path, n in lengths.items())
            found.append(f"--zip: {stated}; as many values each would do, or --grid")
        for kind in ("random", "latin"):
            for path, bounds in kinds[kind].items():
                try:
                    range_of(bounds)
                except ExperimentError as error:
                    found.append(f"--{kind} {path}: {error}")
        drawn = bool(self.random or self.latin)
        if drawn and (self.n_points is None or self.n_points < 1):
            found.append(f"--points is {self.n_points}; how many points to draw must be said, such as --points 20")
        if self.n_points is not None and not drawn:
            found.append("--points says how many points --random and --latin draw, and there is neither")
        return found

    def points(self) -> list[Point]:
        """Every point, in order: the last path of a grid moves fastest, then zip, random and Latin blocks."""
        blocks: list[list[Point]] = [[{path: value} for value in values] for path, values in self.grid.items()]
        if self.zip:
            blocks.append(
                [dict(zip(self.zip, values, strict=True)) for values in zip(*self.zip.values(), strict=True)]
            )
        n = self.n_points or 0
        for number, (drawn, draw) in enumerate(((self.random, _anywhere), (self.latin, _in_strata))):
            if drawn:
                ranges = [range_of(bounds) for bounds in drawn.values()]
                shares = draw(np.random.default_rng([self.seed, number]), n, len(ranges))
                rows = [[r.at(float(s)) for r, s in zip(ranges, row, strict=True)] for row in shares]
                blocks.append([dict(zip(drawn, row, strict=True)) for row in rows])
        return [{path: value for part in parts for path, value in part.items()} for parts in product(*blocks)]


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _anywhere(rng: np.random.Generator, n: int, d: int) -> NDArray[np.float64]:
    """Shares drawn independently, [n, d]; the first points stay the same when more are asked for."""
    return rng.random((n, d))


def _in_strata(rng: np.random.Generator, n: int, d: int) -> NDArray[np.float64]:
    """A Latin hypercube (McKay, Beckman, Conover 1979): each nth part of each axis has one point, [n, d]."""
    strata = np.array([rng.permutation(n) for _ in range(d)]).T
    return (strata + rng.random((n, d))) / n


def range_of(bounds: Any) -> Range:
    """Read (low, high), which 'log' and 'int' may follow, in numbers or quantities in text; or 'low:high:log'."""
    stated = _bounds_in(bounds, bounds) if isinstance(bounds, str) else bounds
    parts = tuple(stated) if isinstance(stated, Sequence) else ()
    (low, high), flags = (parts[:2] if len(parts) >= 2 else (None, None)), parts[2:]
    if low is None or not set(flags) <= set(FLAGS):
        raise ExperimentError(f"{bounds!r} is no range; low:high would do, or low:high:log, low:high:int")
    dimension = None if isinstance(low, int | float) else dimension_of([low, high])
    if dimension is not None:
        low, high = (parse(bound, dimension, zero=True) for bound in (low, high))
    if any(isinstance(b, bool) or not isinstance(b, int | float) or not isfinite(b) for b in (low, high)):
        raise ExperimentError(f"{bounds!r} is no range; two numbers would do, or two quantities of one kind")
    if not low < high or ("log" in flags and low <= 0):
        say = "above zero and below it" if "log" in flags else "below it"
        raise ExperimentError(f"from {parts[0]} to {parts[1]} there is nothing; a low bound {say} would do")
    if "int" in flags and (dimension is not None or low != int(low) or high != int(high)):
        raise ExperimentError(f"{bounds!r} is of whole numbers, and its bounds are not")
    return Range(float(low), float(high), "log" in flags, "int" in flags, dimension)


def dimension_of(values: Iterable[Any]) -> Dimension | None:
    """What all of these texts are quantities of, if there is such a thing."""
    every = list(values)
    return next((d for d in DIMENSIONS if all(_fits(value, d) for value in every)), None)


def _fits(value: Any, dimension: Dimension) -> bool:
    try:
        parse(value, dimension, zero=True)
    except InputError:
        return False
    return True


def unit_of(values: Sequence[Any]) -> str:
    """The SI unit in which the column of one path is, where its values are quantities; else nothing."""
    dimension = dimension_of(values) if all(isinstance(value, str) for value in values) else None
    return dimension.si if dimension else ""


def column(values: Sequence[Any]) -> list[Any]:
    """The values of one path as a column of one type: numbers stay, quantities become SI numbers, else text."""
    kinds = {type(value) for value in values}
    if kinds <= {bool} or kinds <= {int}:
        return list(values)
    if kinds <= {int, float}:
        return [float(value) for value in values]
    dimension = dimension_of(values)
    if dimension is not None:
        return [parse(value, dimension, zero=True) for value in values]
    return [value if isinstance(value, str) else _written(value) for value in values]


def _written(value: Any) -> str:
    return json.dumps(value)


# --- as the command line writes it


def assignment(option: str, written: str) -> tuple[str, str]:
    """Split `path=values`."""
    path, equals, values = written.partition("=")
    if not equals or not all(part.strip() for part in path.split(".")):
        raise ExperimentError(f"{option} {written}: write path=values, such as policy.exit_threshold=0.8,0.9")
    return path.strip(), values


def values_of(option: str, written: str) -> tuple[str, list[Any]]:
    """Read `path=v1,v2`: the values are read as those of --set are, and lists and mappings may be among them."""
    path, values = assignment(option, written)
    try:
        return path, list(compose(f"[{values}]", written).data()) if values.strip() else []
    except YamlError as error:
        raise ExperimentError(f"{option} {written}: {error.message}") from None


def bounds_of(option: str, written: str) -> tuple[str, tuple[Any, ...]]:
    """Read `path=low:high[:log][:int]`."""
    path, values = assignment(option, written)
    try:
        return path, _bounds_in(values, written)
    except ExperimentError as error:
        raise ExperimentError(f"{option} {written}: {error}") from None


def _bounds_in(values: str, origin: str) -> tuple[Any, ...]:
    """The parts of low:high[:log][:int], each read as --set reads a value."""
    try:
        return tuple(compose(part, origin).data() if part else part for part in map(str.strip, values.split(":")))
    except YamlError as error:
        raise ExperimentError(error.message) from None
