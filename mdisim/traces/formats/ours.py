"""Our own traces: a CSV of time_s and rate_bps, perhaps with latency_s and loss, below lines of `# key: value`.

Two keys are read: `# duration_s: 60` (without it the last rate holds as long as the one before; a trace of one
row needs it) and `# end: loop`, `hold` or `stop` (`loop` without it). The others, such as source and licence, are
kept as the trace's notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import cast

import numpy as np

from mdisim.traces.formats.knots import need_within
from mdisim.traces.formats.page import Faults, Page, shown, to_floats
from mdisim.traces.trace import ENDS, End, Floats, Trace, TraceError

NEEDED = ("time_s", "rate_bps")
COLUMNS = (*NEEDED, "latency_s", "loss")
DURATION, END, FREE = "duration_s", "end", "note"


def parse(page: Page) -> Trace:
    """Read the trace."""
    above = next((i for i, line in enumerate(page.lines) if line.strip() and line.lstrip()[0] != "#"), None)
    if above is None:
        raise TraceError(f"{page.where}: has no line of column names; {','.join(NEEDED)} would do")
    notes = _notes(page.lines[:above])
    names = [name.strip() for name in page.lines[above].split(",")]
    if unknown := [name for name in names if name not in COLUMNS]:
        raise TraceError(
            f"{page.where}: line {above + 1}: {shown(unknown[0])} is no column of an mdisim trace; these are "
            f"{', '.join(COLUMNS)}. Any table: mdisim trace convert --time COLUMN --rate COLUMN --unit Mbps"
        )
    if len(set(names)) < len(names) or not set(NEEDED) <= set(names):
        raise TraceError(f"{page.where}: line {above + 1}: {' and '.join(NEEDED)} are needed, each name once")
    if len(page.lines) == above + 1:
        raise TraceError(f"{page.where}: has column names but no rows; one such as 0,20e6 would do")
    values = page.numbers(names, above + 1, ",")
    columns = {name: values[:, k] for k, name in enumerate(names)}
    _check(page.where, columns, above + 2)
    duration_s, end = _duration(page.where, notes, columns["time_s"]), _end(page.where, notes)
    need_within(page.where, columns["time_s"], columns["rate_bps"], duration_s)
    try:
        return Trace(duration_s=duration_s, end=end, notes=notes, **columns)  # type: ignore[arg-type]
    except TraceError as error:
        raise TraceError(f"{page.where}: {error}") from error


def _notes(lines: list[str]) -> dict[str, str]:
    """The header's keys and values; what has no key is a note."""
    notes: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.lstrip().lstrip("#").partition(":")
        key, value = (
            (key.strip(), value.strip()) if colon and key.strip() else (FREE, line.lstrip().lstrip("#").strip())
        )
        if value:
            notes[key] = f"{notes[key]} {value}" if key in notes else value
    return notes


def _check(where: str, columns: Mapping[str, Floats], first: int) -> None:
    faults, times = Faults(where), columns["time_s"]
    if times[0] != 0.0:
        faults.add(first, f"time_s begins at {times[0]:.12g}; 0 would do: subtract the first time from each")
    still = np.diff(times, prepend=-1.0) <= 0.0
    faults.mark(
        still,
        first,
        lambda row: f"time_s {float(times[row])!r} comes after {float(times[row - 1])!r}; times must rise",
    )
    if "loss" in columns:
        loss = columns["loss"]
        faults.mark(loss >= 1.0, first, lambda row: f"loss is {loss[row]:g}; a share below 1 would do")
    faults.refuse()


def _duration(where: str, notes: dict[str, str], times: Floats) -> float:
    given = notes.pop(DURATION, None)
    if given is None and len(times) == 1:
        raise TraceError(f"{where}: has one row; a line such as '# {DURATION}: 60' would say how long it holds")
    if given is None:
        return float(2.0 * times[-1] - times[-2])
    duration_s = float(to_floats([given])[0])
    if not (isfinite(duration_s) and duration_s > times[-1]):
        raise TraceError(
            f"{where}: {DURATION} is {shown(given)}; seconds after the last row's {times[-1]:g} would do"
        )
    return duration_s


def _end(where: str, notes: dict[str, str]) -> End:
    given = notes.pop(END, ENDS[0])
    if given not in ENDS:
        raise TraceError(f"{where}: {END} is {shown(given)}; {', '.join(ENDS)} would do")
    return cast(End, given)


def text(trace: Trace) -> str:
    """The trace with every digit, so that reading it back gives an equal one."""
    head = {_one_line(key.replace(":", " ")): _one_line(value) for key, value in trace.notes.items()}
    head |= {DURATION: repr(trace.duration_s), END: trace.end}
    columns = {name: getattr(trace, name) for name in COLUMNS}
    known = {name: values.tolist() for name, values in columns.items() if values is not None}
    lines = [f"# {key}: {value}" for key, value in head.items() if key]
    rows = (",".join(map(repr, row)) for row in zip(*known.values(), strict=True))
    return "\n".join([*lines, ",".join(known), *rows]) + "\n"


def _one_line(words: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())
