"""Figures of runs, comparisons, sweeps, networks, traces, calibration and cuts, and pages that hold them.

They need the extra `plot`; the events of a run, as a file for timeline viewers (`event_trace`), need none.

The functions draw on axes or a figure that they are given, or make one, and return it; `save` writes it. Axes
that are to be given have the look of all others if they are made within `look`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdisim.report.calibration import promise, reliability
    from mdisim.report.delays import latencies
    from mdisim.report.events import EventsError, event_trace, save_event_trace
    from mdisim.report.forests import differences
    from mdisim.report.frontiers import frontier, swept
    from mdisim.report.loads import exits, utilisation
    from mdisim.report.networks import network
    from mdisim.report.pages.writing import PageError, page, save_page
    from mdisim.report.partitions import cuts
    from mdisim.report.style import FigureError, look, save, writable
    from mdisim.report.timelines import over_time, throughput, timeline
    from mdisim.report.traces import save_traces, trace

__all__ = [
    "EventsError",
    "FigureError",
    "PageError",
    "cuts",
    "differences",
    "event_trace",
    "exits",
    "frontier",
    "latencies",
    "look",
    "network",
    "over_time",
    "page",
    "promise",
    "reliability",
    "save",
    "save_event_trace",
    "save_page",
    "save_traces",
    "swept",
    "throughput",
    "timeline",
    "trace",
    "utilisation",
    "writable",
]

_HOMES = {
    "EventsError": "events",
    "FigureError": "style",
    "PageError": "pages.writing",
    "cuts": "partitions",
    "differences": "forests",
    "event_trace": "events",
    "exits": "loads",
    "frontier": "frontiers",
    "latencies": "delays",
    "look": "style",
    "network": "networks",
    "over_time": "timelines",
    "page": "pages.writing",
    "promise": "calibration",
    "reliability": "calibration",
    "save": "style",
    "save_event_trace": "events",
    "save_page": "pages.writing",
    "save_traces": "traces",
    "swept": "frontiers",
    "throughput": "timelines",
    "timeline": "timelines",
    "trace": "traces",
    "utilisation": "loads",
    "writable": "style",
}


def __getattr__(name: str) -> object:
    """Load a figure from its module, and so the libraries that draw."""
    if name in _HOMES:
        return getattr(import_module(f"mdisim.report.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mdisim.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Complete the public names, and only these."""
    return __all__
