"""Arrivals from a file: a CSV with one column, time_s, in seconds from the start of the run."""

from __future__ import annotations

from bisect import bisect_left
from math import isfinite
from pathlib import Path

from mdisim.errors import InputError
from mdisim.scenario.reading import content

HEADER = "time_s"
LIMIT_BYTES = 64 * 10**6


def times_s(path: Path) -> tuple[float, ...]:
    """Read the instants; `#` begins a comment. Raises InputError with a message that follows the file's name."""
    try:
        text = content(path, LIMIT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f": cannot be read as text: {error}") from None
    rows = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.split("#")[0].strip()]
    if not rows or rows[0][1] != HEADER:
        seen = f"{rows[0][1][:40]!r}" if rows else "nothing"
        raise InputError(f": the first line must be the column's name, {HEADER}, but is {seen}")
    if len(rows) == 1:
        raise InputError(": lists no arrivals")
    times = [0.0]
    for number, line in rows[1:]:
        times.append(_time_s(line.split("#")[0].strip(), number))
        if times[-1] < times[-2]:
            before = f"{times[-2]:g} s" if len(times) > 2 else "the start"
            raise InputError(f", line {number}: {times[-1]:g} s comes before {before}; sort the times")
    return tuple(times[1:])


def outside(times_s: tuple[float, ...], duration_s: float) -> str:
    """What is wrong where none of the instants, in order, falls in the run; it follows the file's name."""
    if times_s[0] < duration_s:
        return ""
    what = f": none of its arrivals falls in the run, which ends at {duration_s:g} s: they come from"
    cure = "subtract the first time, or lengthen run.duration"
    return f"{what} {times_s[0]:.12g} s to {times_s[-1]:.12g} s; {cure}"


def partly(times_s: tuple[float, ...], warmup_s: float, duration_s: float) -> list[str]:
    """What to say where not all of the instants, in order, fall in the run, or none is measured."""
    told, inside = [], bisect_left(times_s, duration_s)
    if inside < len(times_s):
        told.append(
            f": of its {len(times_s)} arrivals, {inside} fall in the run, which ends at {duration_s:g} s; the "
            f"last one comes at {times_s[-1]:.12g} s"
        )
    if bisect_left(times_s, warmup_s) == inside:
        told.append(f": no arrival is measured: all come in the warm-up of {warmup_s:g} s, or after the run")
    return told


def _time_s(text: str, number: int) -> float:
    try:
        time_s = float(text)
    except ValueError:
        raise InputError(f", line {number}: {text[:40]!r} is not a number of seconds") from None
    if not isfinite(time_s):
        raise InputError(f", line {number}: {text!r} is not a finite number of seconds")
    return time_s
