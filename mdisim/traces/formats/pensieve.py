"""Pensieve's traces: two columns, seconds and Mbit/s; Lumos5G and many others have the same form.

A stamp marks the end of an interval: rate i holds from stamp i-1 until stamp i, and after the last the trace
begins again (Pensieve's sim/env.py, which never uses the first line's rate, as its stamp is 0). A first stamp
above 0, as in Lumos5G's 5G files, ends an interval that begins at 0.
"""

from __future__ import annotations

import numpy as np

from mdisim.traces.formats.knots import ended_trace
from mdisim.traces.formats.page import Page
from mdisim.traces.trace import Trace


def parse(page: Page) -> Trace:
    """Read the trace."""
    seconds, mbps = page.numbers(["seconds", "Mbit/s"]).T
    return ended_trace(page, seconds, mbps * 1e6, float(seconds[0]), page.notes("pensieve"))


def text(trace: Trace) -> str:
    """A first line at 0, as Pensieve expects, then a line for the end of each rate."""
    ends = np.append(trace.time_s, trace.duration_s).tolist()
    mbps = (np.append(trace.rate_bps[:1], trace.rate_bps) / 1e6).tolist()
    return "".join(f"{end!r}\t{rate!r}\n" for end, rate in zip(ends, mbps, strict=True))
