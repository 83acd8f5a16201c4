"""Oboe's traces: for each chunk of a video session two lines, when it began and when it ended, with its kbit/s.

Between chunks nothing was measured. A chunk's rate holds from the end of the chunk before until its own end, the
first from 0: so do the copies of these traces that have been made for Pensieve, which keep each chunk's end.
"""

from __future__ import annotations

import numpy as np

from mdisim.traces.formats.knots import ended_trace, in_unit
from mdisim.traces.formats.page import Faults, Page
from mdisim.traces.trace import Trace, TraceError


def parse(page: Page) -> Trace:
    """Read the trace."""
    stamps, kbps = page.numbers(["milliseconds", "kbit/s"]).T
    if len(stamps) % 2:
        raise TraceError(f"{page.where}: line {len(stamps)}: has no partner; Oboe's chunks have two lines each")
    faults = Faults(page.where)
    falls = np.diff(stamps, prepend=0.0) < 0.0
    faults.mark(
        falls, 1, lambda row: f"{stamps[row]:g} ms comes after {stamps[row - 1]:g} ms; times must not fall"
    )
    differs = np.repeat(kbps[::2] != kbps[1::2], 2)
    differs[::2] = False
    faults.mark(
        differs, 1, lambda row: f"{kbps[row]:g} kbit/s, but {kbps[row - 1]:g} in line {row}; a chunk has one rate"
    )
    faults.refuse()
    return ended_trace(page, stamps[1::2] / 1e3, kbps[1::2] * 1e3, float(stamps[0]) / 1e3, page.notes("oboe"))


def text(trace: Trace) -> str:
    """A chunk for each rate, one after the other without gaps."""
    edges = in_unit("milliseconds", np.append(trace.time_s, trace.duration_s), 1e3).tolist()
    kbps = (trace.rate_bps / 1e3).tolist()
    pairs = zip(edges[:-1], edges[1:], kbps, strict=True)
    return "".join(f"{start!r} {rate!r}\n{end!r} {rate!r}\n" for start, end, rate in pairs)
