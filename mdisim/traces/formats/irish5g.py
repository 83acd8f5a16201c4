"""The Irish 4G and 5G logs (Raca et al., MMSys 2018 and 2020): a CSV row about every second, from a phone.

A row's bitrate holds from its second on until the next one that has a row, the last for a second; rows of one
second are averaged. DL_bitrate is what the phone received, in a download the link's capacity; UL_bitrate is then
only what acknowledgements took. PINGAVG, a time there and back, is twice the latency; a second without a ping has
that of the ping before (before the first: of the first).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from mdisim.traces.formats.knots import bridged, made
from mdisim.traces.formats.page import Faults, Page, not_a_quantity, shown, to_floats
from mdisim.traces.trace import Floats, Trace, TraceError

TIME, PING, ABSENT = "Timestamp", "PINGAVG", "-"
COLUMNS = ("DL_bitrate", "UL_bitrate")
_STAMP = re.compile(r"([0-9]{4})\.([0-9]{2})\.([0-9]{2})_([0-9]{2})\.([0-9]{2})\.([0-9]{2})")


def parse(page: Page, column: str = COLUMNS[0], gap: str | None = None) -> Trace:
    """Read the bitrate in that column."""
    if column not in COLUMNS:
        raise TraceError(f"no column {column!r} of bitrates; {' or '.join(COLUMNS)} would do")
    names = [name.strip() for name in page.lines[0].split(",")]
    for name in (TIME, column):
        if names.count(name) != 1:
            raise TraceError(f"{page.where}: line 1: has {names.count(name)} columns {name}; one would do")
    wanted = [TIME, column, *([PING] if PING in names else [])]
    stamps, bitrates, *pings = _cells(page, [names.index(name) for name in wanted], len(names))
    faults = Faults(page.where)
    seconds = _seconds(stamps, faults)
    rates = _quantities(column, bitrates, faults)
    ping_ms = _pings(pings[0], faults) if pings else None
    faults.refuse()
    second, first, row_of = np.unique(seconds, return_index=True, return_inverse=True)
    stamps_s = second.astype(np.float64)
    time_s, rate_bps, bridges = bridged(page, stamps_s, _mean(rates, row_of) * 1e3, gap, (first + 2).tolist())
    longest = {"longest gap": f"{np.diff(stamps_s).max(initial=1.0):.0f} s"}
    notes = page.notes("irish5g", column=column, **longest, **bridges)
    latency_s = None if ping_ms is None else _mean(ping_ms, row_of) / 2e3
    if latency_s is not None and len(time_s) > len(stamps_s):  # in an outage as before it
        latency_s = latency_s[np.searchsorted(stamps_s, time_s, side="right") - 1]
    return made(page, time_s, rate_bps, float(time_s[-1]) + 1.0, notes, latency_s)


def _cells(page: Page, wanted: list[int], width: int) -> list[list[str]]:
    """The words in the columns wanted, a list for each; of the others nothing is kept."""
    faults = Faults(page.where)
    columns: list[list[str]] = [[] for _ in wanted]
    for number, line in enumerate(page.lines[1:], 2):
        row = line.split(",")
        if len(row) != width:
            faults.add(number, f"has {len(row)} cells, but there are {width} columns")
            continue
        for column, k in zip(columns, wanted, strict=True):
            column.append(row[k].strip())
    faults.refuse()
    if not columns[0]:
        raise TraceError(f"{page.where}: has column names but no rows; a row for each second would do")
    return columns


def _seconds(words: list[str], faults: Faults) -> NDArray[np.int64]:
    """Time stamps as seconds since the first one."""
    matches = [_STAMP.fullmatch(word) for word in words]
    texts = ["{}-{}-{}T{}:{}:{}".format(*match.groups()) if match else "NaT" for match in matches]
    try:
        stamps = np.array(texts, dtype="datetime64[s]")
    except ValueError:  # such as a 13th month
        stamps = np.array([_stamp(text) for text in texts])
    bad = np.isnat(stamps)
    faults.mark(bad, 2, lambda row: f"{TIME} is {shown(words[row])}; one such as 2019.12.16_07.22.43 would do")
    faults.refuse()
    falls = np.diff(stamps, prepend=stamps[:1]) < np.timedelta64(0, "s")
    faults.mark(falls, 2, lambda row: f"{TIME} {words[row]} comes after {words[row - 1]}; times must not fall")
    seconds: NDArray[np.int64] = (stamps - stamps[0]).astype(np.int64)
    return seconds


def _stamp(text: str) -> np.datetime64:
    try:
        return np.datetime64(text, "s")
    except ValueError:
        return np.datetime64("NaT", "s")


def _quantities(name: str, words: list[str], faults: Faults) -> Floats:
    values = to_floats(words)
    bad = ~(np.isfinite(values) & (values >= 0.0))
    faults.mark(bad, 2, lambda row: not_a_quantity(name, words[row]))
    return values


def _pings(words: list[str], faults: Faults) -> Floats | None:
    """The latest ping at each row in milliseconds, or None if there was no ping at all."""
    there = np.flatnonzero([word != ABSENT for word in words])
    if not len(there):
        return None
    values = _quantities(PING, ["0" if word == ABSENT else word for word in words], faults)
    latest = np.searchsorted(there, np.arange(len(words)), side="right") - 1
    return values[there[np.maximum(latest, 0)]]


def _mean(values: Floats, group: NDArray[np.int64]) -> Floats:
    """The mean of each group of rows."""
    return np.bincount(group, values) / np.bincount(group)
