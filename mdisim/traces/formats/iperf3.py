"""What iperf3 --json (-J) prints: one object with a list of intervals, each with the rate of all streams together.

A rate holds from its interval's start to its end, the last one until that interval's end, however short it is.
Intervals that iperf3 marks as omitted (-O, the slow start) are no part of the measuring: its clock begins again
after them. iperf3 may write `nan` where JSON has no such word, as for a share of no packets; of a rate that is
refused, and beside it counted in the notes.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from mdisim.traces.formats.knots import made
from mdisim.traces.formats.page import MOST_LINES, Faults, Page, not_a_quantity, shown, to_floats
from mdisim.traces.trace import Trace, TraceError

INTERVALS, OMITTED = "intervals", "omitted"
START, END, RATE = "start", "end", "bits_per_second"
COLUMNS = ("sum", "sum_bidir_reverse")  # this way, and with --bidir the other
_NAN = re.compile(r"([:\[,]\s*)([+-]?(?:nan|inf(?:inity)?))(?=\s*[,}\]])", re.IGNORECASE)
_WOULD_DO = "give what iperf3 --json printed"


def parse(page: Page, column: str = COLUMNS[0]) -> Trace:
    """Read the rate of all streams together; `column` is which way, where both were measured."""
    if column not in COLUMNS:
        raise TraceError(f"no column {column!r} of an iperf3 result; give {' or '.join(COLUMNS)}")
    every, not_numbers = _intervals(page)
    kept = [(number, one) for number, one in enumerate(every, 1) if not _omitted(one, column)]
    faults = Faults(page.where, "interval")
    rows = np.array([_row(one, column, number, faults) for number, one in kept]).reshape(-1, 3)
    faults.refuse()
    held = rows[rows[:, 1] > rows[:, 0]]
    if not len(held):
        raise TraceError(f"{page.where}: has no interval that is measured; all are omitted or last no time")
    start_s, end_s, rate_bps = held.T
    falls = np.diff(start_s, prepend=start_s[0] - 1.0) <= 0.0
    faults.mark(falls, 1, lambda row: f"starts at {start_s[row]:g} s, not after the one before it")
    faults.refuse()
    left_out = len(every) - len(held)
    more: dict[str, object] = {"left out": f"{left_out} omitted or empty intervals"} if left_out else {}
    more |= {"not a number": f"{not_numbers} values beside the rates"} if not_numbers else {}
    first = float(start_s[0])
    return made(page, start_s - first, rate_bps, float(end_s[-1]) - first, page.notes("iperf3", **more))


def _intervals(page: Page) -> tuple[list[Any], int]:
    """The intervals, and how many values in the file are no numbers."""
    if page.text.count("{") > MOST_LINES:
        raise TraceError(f"{page.where}: has more than {MOST_LINES} intervals; give a part of it")
    text, count = _NAN.subn(r'\1"\2"', page.text)
    try:
        read = json.loads(text)
    except json.JSONDecodeError as error:
        raise TraceError(f"{page.where}: line {error.lineno}: is not JSON: {error.msg}; {_WOULD_DO}") from error
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{page.where}: is no JSON that can be read: {error}; {_WOULD_DO}") from error
    if isinstance(read, dict) and isinstance(read.get("error"), str) and not read.get(INTERVALS):
        raise TraceError(f"{page.where}: iperf3 measured nothing, it says: {shown(read['error'])}")
    intervals = read.get(INTERVALS) if isinstance(read, dict) else None
    if not isinstance(intervals, list) or not intervals:
        raise TraceError(f"{page.where}: has no list of {INTERVALS}; {_WOULD_DO}")
    return intervals, count


def _omitted(interval: Any, column: str) -> bool:
    total = interval.get(column) if isinstance(interval, dict) else None
    return isinstance(total, dict) and total.get(OMITTED) is True


def _row(interval: Any, column: str, number: int, faults: Faults) -> list[float]:
    """Start and end in seconds, and the rate in bits per second."""
    total = interval.get(column) if isinstance(interval, dict) else None
    if not isinstance(total, dict):
        faults.add(number, f"has no {column!r}; {_WOULD_DO}")
        return [0.0, 0.0, 0.0]
    values = []
    for key in (START, END, RATE):
        value = total.get(key)
        number_there = isinstance(value, int | float) and not isinstance(value, bool)
        read = to_floats([str(value)])[0] if number_there else np.nan
        if not (np.isfinite(read) and read >= 0.0):
            faults.add(number, not_a_quantity(key, value))
            return [0.0, 0.0, 0.0]
        values.append(float(read))
    return values
