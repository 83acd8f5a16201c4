"""Traces: rates over time, for links, channels and devices."""

from mdisim.traces.catalogue import catalogue, load, shipped
from mdisim.traces.editing import cut, joined, resampled, scaled, shifted, stretched
from mdisim.traces.files import format_of, left_out, read, write
from mdisim.traces.fitting import fit
from mdisim.traces.generators import KINDS
from mdisim.traces.measures import Statistics, autocorrelation_s, doubts, statistics
from mdisim.traces.model import Generator
from mdisim.traces.presets import Preset, preset, presets
from mdisim.traces.trace import ENDS, End, Trace, TraceError

__all__ = [
    "ENDS",
    "KINDS",
    "End",
    "Generator",
    "Preset",
    "Statistics",
    "Trace",
    "TraceError",
    "autocorrelation_s",
    "catalogue",
    "cut",
    "doubts",
    "fit",
    "format_of",
    "joined",
    "left_out",
    "load",
    "preset",
    "presets",
    "read",
    "resampled",
    "scaled",
    "shifted",
    "shipped",
    "statistics",
    "stretched",
    "write",
]
