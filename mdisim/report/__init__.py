"""Figures: networks, traces, runs over time, calibration and cuts; they need the extra `plot`.

The functions draw on axes or a figure that they are given, or make one, and return it; `save` writes it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdisim.report.calibration import promise, reliability
    from mdisim.report.networks import network
    from mdisim.report.partitions import cuts
    from mdisim.report.style import FigureError, look, save, writable
    from mdisim.report.timelines import throughput, timeline
    from mdisim.report.traces import save_traces, trace

__all__ = [
    "FigureError",
    "cuts",
    "look",
    "network",
    "promise",
    "reliability",
    "save",
    "save_traces",
    "throughput",
    "timeline",
    "trace",
    "writable",
]

_HOMES = {
    "FigureError": "style",
    "cuts": "partitions",
    "look": "style",
    "network": "networks",
    "promise": "calibration",
    "reliability": "calibration",
    "save": "style",
    "save_traces": "traces",
    "throughput": "timelines",
    "timeline": "timelines",
    "trace": "traces",
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
