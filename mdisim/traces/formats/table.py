"""Any table with a column of times and a column of rates, which the user names, with the unit of the rates.

Times are seconds, or stamps of a clock such as `2023-04-20 13:57:01`, also with a zone, which is the same in every
row. A rate holds from its row's time until the next row's, the last as long as the median step. Rows of one time
are averaged; rows without a rate are left out. Columns are separated by commas, semicolons, tabs or blanks, as the
first line is. Where the first line has no names, columns are numbered from 1.
"""

from __future__ import annotations

import csv
import re
from datetime import datetime, timedelta

import numpy as np

from mdisim.traces.formats.knots import bridged, made
from mdisim.traces.formats.page import Faults, Page, not_a_quantity, shown, to_floats
from mdisim.traces.trace import Floats, Trace, TraceError

OPTIONS = ("time", "rate", "unit", "gap")
SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", " ": "blanks"}
_SIZES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BITS = {"bps": 1.0, "bit/s": 1.0, "b/s": 1.0, "bits/s": 1.0, "bits/sec": 1.0, "B/s": 8.0, "Bytes/s": 8.0}
UNITS = {f"{p}{unit}": size * bits for p, size in _SIZES.items() for unit, bits in _BITS.items()}
ABSENT = ("", "-", "nan", "NaN", "NA", "N/A", "null", "None")
_STAMP = re.compile(
    r"(?:([0-9]{4})[-/.]([0-9]{2})[-/.]([0-9]{2})[ T_])?([0-9]{1,2}):([0-9]{2}):([0-9]{2}(?:[.,][0-9]+)?)"
    r"\s*(Z|[+-][0-9]{2}:?[0-9]{2}|[A-Z]{2,5})?"
)
_HALF_A_DAY_S, _DAY_S = 43_200.0, 86_400.0


def parse(page: Page, time: str, rate: str, unit: str, gap: str | None = None) -> Trace:
    """Read the rates in the column `rate` at the times in the column `time`."""
    if unit not in UNITS:
        raise TraceError(f"{page.where}: no unit {unit!r} of rates; give one such as bps, kbps, Mbps, Gbps, MB/s")
    lines = [(n, line) for n, line in enumerate(page.lines, 1) if line.strip() and line.lstrip()[0] != "#"]
    separator = _separator(lines[0][1]) if lines else ","
    rows = [(number, _words(line, separator)) for number, line in lines]
    names = [name.strip() for name in rows[0][1]] if rows else []
    named = not all(map(_is_value, names))
    body = rows[1:] if named else rows
    at = [_place(page, wanted, names, named, separator) for wanted in (time, rate)]
    if not body:
        raise TraceError(f"{page.where}: has column names but no rows")
    faults = Faults(page.where)
    cells = [_cells(number, row, at, len(names), faults) for number, row in body]
    faults.refuse()
    there = [i for i, (_, written) in enumerate(cells) if written not in ABSENT]
    if not there:
        raise TraceError(f"{page.where}: column {rate!r} has no rate in any row")
    numbers = [body[i][0] for i in there]
    seconds = _seconds([cells[i][0] for i in there], numbers, time, faults)
    rates = to_floats([cells[i][1] for i in there])
    for i in np.flatnonzero(~(np.isfinite(rates) & (rates >= 0.0))):
        faults.add(numbers[i], not_a_quantity(rate, cells[there[i]][1]))
    faults.refuse()
    time_s, first, row_of = np.unique(seconds - seconds[0], return_index=True, return_inverse=True)
    rate_bps = np.bincount(row_of, rates) / np.bincount(row_of) * UNITS[unit]
    if len(time_s) < 2:
        raise TraceError(f"{page.where}: has rows of one time only; a trace needs two times")
    lines_of = [numbers[i] for i in first]
    time_s, rate_bps, bridges = bridged(page, time_s, rate_bps, gap, lines_of)
    duration_s = float(time_s[-1] + np.median(np.diff(time_s)))
    more = _left_out(len(cells) - len(there), len(there) - len(first)) | bridges
    notes = page.notes(f"{SEPARATORS[separator]}, {time} and {rate} in {unit}", **more)
    return made(page, time_s, rate_bps, duration_s, notes)


def read_as(page: Page, time: str, rate: str, unit: str) -> str:
    """How a table is read, in words."""
    first = next((line for line in page.lines if line.strip() and line.lstrip()[0] != "#"), "")
    return f"a table separated by {SEPARATORS[_separator(first)]}: times in {time!r}, rates in {rate!r} in {unit}"


def columns(line: str) -> tuple[str, list[str]]:
    """What separates the words of a line, in words, and the words."""
    separator = _separator(line)
    return SEPARATORS[separator], [name.strip() for name in _words(line, separator)]


def _is_value(word: str) -> bool:
    """Whether a word is what a row may hold, and no column's name: a number, a stamp, or nothing."""
    return word in ABSENT or _STAMP.fullmatch(word) is not None or not np.isnan(to_floats([word])[0])


def _separator(line: str) -> str:
    """The first of the separators that splits the line; blanks only where nothing else does."""
    return next((one for one in SEPARATORS if one in line), ",")


def _words(line: str, separator: str) -> list[str]:
    return line.split() if separator == " " else next(csv.reader([line], delimiter=separator))


def _place(page: Page, wanted: str, names: list[str], named: bool, separator: str) -> int:
    """Which column is meant: by its name, or by its number from 1 where there are no names."""
    if named and names.count(wanted) == 1:
        return names.index(wanted)
    if not named and wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    between = f"the columns, separated by {SEPARATORS[separator]}"
    if not named:
        raise TraceError(
            f"{page.where}: line 1 has no names; {between}, are numbered: give 1 to {len(names)}, not {wanted!r}"
        )
    say = f"{'more than one' if names.count(wanted) else 'no'} column {shown(wanted)}"
    raise TraceError(f"{page.where}: line 1: {say}; {between}, are {', '.join(map(shown, names))}")


def _cells(number: int, row: list[str], at: list[int], width: int, faults: Faults) -> tuple[str, str]:
    if len(row) != width:
        faults.add(number, f"has {len(row)} cells, but there are {width} columns")
        return "", ""
    return row[at[0]].strip(), row[at[1]].strip()


def _left_out(without: int, doubled: int) -> dict[str, object]:
    told = [f"{without} rows without a rate"] if without else []
    told += [f"{doubled} rows of a time that was there already, averaged"] if doubled else []
    return {"left out": "; ".join(told)} if told else {}


# --- times


def _seconds(words: list[str], numbers: list[int], name: str, faults: Faults) -> Floats:
    """Times in seconds, not falling."""
    seconds = to_floats(words)
    if np.isnan(seconds).all():
        seconds = _of_clock(words, numbers, name, faults)
    else:
        for i in np.flatnonzero(~np.isfinite(seconds)):
            faults.add(numbers[i], f"{name} is {shown(words[i])}; give a finite number, as in the other rows")
    faults.refuse()
    for i in np.flatnonzero(np.diff(seconds) < 0.0) + 1:
        faults.add(numbers[i], f"{name} {words[i]} comes after {words[i - 1]}; sort the rows by time")
    faults.refuse()
    return seconds


def _of_clock(words: list[str], numbers: list[int], name: str, faults: Faults) -> Floats:
    """Stamps of a clock in seconds; without a date, a fall of half a day or more is midnight."""
    seconds, dated = np.zeros(len(words)), False
    zones: dict[str, None] = {}
    for i, (word, number) in enumerate(zip(words, numbers, strict=True)):
        match = _STAMP.fullmatch(word)
        try:
            seconds[i] = _stamp(match) if match else np.nan
        except (ValueError, OverflowError):  # such as a 13th month
            seconds[i] = np.nan
        if np.isnan(seconds[i]):
            faults.add(number, f"{name} is {shown(word)}; give seconds, or a stamp such as 2023-04-20 13:57:01")
        elif match is not None:
            zones.setdefault(match[7] or "none")
            dated = dated or match[1] is not None
    faults.refuse()
    if len(zones) > 1:
        raise TraceError(f"{faults.where}: {name} has several zones of time, {', '.join(zones)}; give one")
    if not dated:
        seconds += _DAY_S * np.cumsum(np.diff(seconds, prepend=seconds[0]) < -_HALF_A_DAY_S)
    return seconds


def _stamp(match: re.Match[str]) -> float:
    year, month, day, hours, minutes, written, _ = match.groups()
    date = datetime(int(year or 1), int(month or 1), int(day or 1))
    clock = timedelta(hours=int(hours), minutes=int(minutes), seconds=float(written.replace(",", ".")))
    return (date - datetime(1, 1, 1) + clock).total_seconds()
