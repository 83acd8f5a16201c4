"""The text of a trace file, the numbers in its columns, and the faults found in it, each with its line."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdisim.traces.trace import Floats, TraceError

TOLD = 5
_NOTED = 100
WIDEST_LINE = 10_000  # characters; the widest of the formats has lines of about 200
MOST_LINES = 5_000_000
_CHUNK_LINES = 10_000
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Faults:
    """What is wrong with one file: how many faults, and the first few of each kind in words."""

    def __init__(self, where: str, counted: str = "line") -> None:
        self.where = where
        self.counted = counted
        self.count = 0
        self._told: list[tuple[int, str]] = []

    def add(self, number: int, sentence: str) -> None:
        """Note a fault of one line; they come in the order of their lines."""
        self.count += 1
        if len(self._told) < _NOTED:
            self._told.append((number, sentence))

    def mark(self, bad: NDArray[np.bool_], first: int, tell: Callable[[int], str]) -> None:
        """Note a fault for each row that is bad; row 0 stands in line `first`, and `tell` says what it is."""
        rows = np.flatnonzero(bad)
        self.count += len(rows)
        self._told += [(int(row) + first, tell(int(row))) for row in rows[:TOLD]]

    def refuse(self) -> None:
        """Raise a TraceError with the first faults and their number, if there are any."""
        if not self.count:
            return
        told = [f"{self.counted} {number}: {sentence}" for number, sentence in sorted(self._told)[:TOLD]]
        more = self.count - len(told)
        raise TraceError(f"{self.where}: " + "\n  ".join([*told, f"and {more} more"] if more else told))


@dataclass(frozen=True)
class Page:
    """A file's text, and where it is from."""

    where: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without empty ones at the end; none is absurdly long."""
        text = self.text.rstrip()
        if text.count("\n") >= MOST_LINES:
            raise TraceError(f"{self.where}: has more than {MOST_LINES} lines; a part of it would do")
        lines = text.split("\n")
        longest = max(map(len, lines))
        if longest > WIDEST_LINE:
            number = 1 + next(i for i, line in enumerate(lines) if len(line) == longest)
            raise TraceError(f"{self.where}: line {number} has {longest} characters; this is no trace's text")
        return lines

    def numbers(self, names: Sequence[str], first: int = 0, separator: str | None = None) -> Floats:
        """The lines from number `first` (from 0) on as finite numbers of 0 or more, [lines, names]."""
        faults, lines, width = Faults(self.where), self.lines[first:], len(names)
        values = np.zeros((len(lines), width))
        for start in range(0, len(lines), _CHUNK_LINES):
            chunk = lines[start : start + _CHUNK_LINES]
            known = _regular(chunk, separator, width)
            if known is None:
                rows = [line.split(separator) for line in chunk]
                even = np.array([len(row) == width for row in rows])
                faults.mark(~even, first + start + 1, partial(_uneven, rows, names))
                words = [row if len(row) == width else ["0"] * width for row in rows]
                known = to_floats([*chain.from_iterable(words)]).reshape(-1, width)
            values[start : start + _CHUNK_LINES] = known
        faults.refuse()
        for k, name in enumerate(names):
            bad = ~(np.isfinite(values[:, k]) & (values[:, k] >= 0.0))
            faults.mark(bad, first + 1, partial(_no_quantity, lines, separator, k, name))
        faults.refuse()
        return values + 0.0  # no negative zeros

    def notes(self, form: str, **more: object) -> Mapping[str, str]:
        """What a trace is to remember of the file that it was read from."""
        return {"read from": f"{Path(self.where).name} ({form})"} | {
            key: str(value) for key, value in more.items()
        }


def _regular(lines: list[str], separator: str | None, width: int) -> Floats | None:
    """Lines that are all numbers, `width` in each, as NumPy reads them at once; None if they are anything else."""
    if not lines[0].strip():  # NumPy skips empty lines, and warns where there are no others
        return None
    try:
        values = np.loadtxt(lines, delimiter=separator, comments=None, ndmin=2)
    except ValueError:
        return None
    return values if values.shape == (len(lines), width) else None


def _uneven(rows: list[list[str]], names: Sequence[str], row: int) -> str:
    there = f"has {len(rows[row])} value{'s' * (len(rows[row]) != 1)}" if rows[row] else "is empty"
    return f"{there}; {len(names)} would do: {', '.join(names)}"


def _no_quantity(lines: list[str], separator: str | None, k: int, name: str, row: int) -> str:
    return not_a_quantity(name, lines[row].split(separator)[k])


def to_floats(words: list[str]) -> Floats:
    """Words as numbers, NaN where one is no number as a trace file writes it."""
    try:
        values = np.fromiter(map(float, words), dtype=np.float64, count=len(words))
    except ValueError:
        values = None
    letters = "".join(words)
    if values is None or "_" in letters or not letters.isascii():
        plain = [word.strip(" \t") for word in words]
        values = np.array([float(word) if _NUMBER.fullmatch(word) else nan for word in plain])
    return values


def shown(word: object) -> str:
    """A value as a message shows it: quoted, and cut short, however long or deep it is."""
    return reprlib.repr(word)


def not_a_quantity(name: str, word: object) -> str:
    """The sentence for a value that is no time, rate or latency."""
    return f"{name} is {shown(word)}; a finite number, 0 or more, would do"
