"""Mahimahi's packet-delivery traces: a line for each opportunity to send 1500 bytes, its time in milliseconds.

The file begins again at its last time (mahimahi's link_queue.cc). A trace holds rates, not instants, so that the
opportunities are counted in bins: one at time s belongs to the bin that ends at or after s, as it is at s that the
packet is through; one at 0 belongs to the first bin. The bits in each bin are exact, and so is their sum.
"""

from __future__ import annotations

import numpy as np

from mdisim.traces.formats.knots import made
from mdisim.traces.formats.page import MOST_LINES, Faults, Page, shown
from mdisim.traces.trace import Floats, Trace, TraceError

PACKET_BITS = 12_000.0
BIN_S = 0.1
_LARGEST = 2.0**53
_SLACK = 1e-6  # of a packet: what rounding adds to the bits of narrow bins late in a trace
_SLACK_MS = 1e-6


def parse(page: Page, bin_s: float = BIN_S) -> Trace:
    """Read the trace in bins of `bin_s` seconds, whole milliseconds; the last bin takes the rest and is longer."""
    width_ms = round(bin_s * 1e3) if 0.0 < bin_s < _LARGEST else 0
    if width_ms < 1 or abs(width_ms - bin_s * 1e3) > 1e-6:
        raise TraceError(f"bins of {bin_s} s will not do; whole milliseconds would, such as 0.1")
    stamps = page.numbers(["milliseconds"])[:, 0]
    faults = Faults(page.where)
    odd = (stamps != np.floor(stamps)) | (stamps > _LARGEST)
    faults.mark(odd, 1, lambda row: f"{shown(page.lines[row])} is no whole number of milliseconds")
    falls = np.diff(stamps, prepend=0.0) < 0.0
    faults.mark(falls, 1, lambda row: f"{stamps[row]:.0f} comes after {stamps[row - 1]:.0f}; times must not fall")
    faults.refuse()
    last_ms = int(stamps[-1])
    if not last_ms:
        raise TraceError(f"{page.where}: ends at 0 ms; a last time above 0 would do, as the trace repeats there")
    last_bin = max(last_ms // width_ms - 1, 0)
    bins = np.clip((stamps.astype(np.int64) + width_ms - 1) // width_ms - 1, 0, last_bin)
    filled, packets = np.unique(bins, return_counts=True)
    starts = np.union1d(np.append(filled, 0), filled + 1)  # an outage is one knot, however many bins it is long
    starts = starts[starts <= last_bin]
    counts = np.zeros(len(starts))
    counts[np.searchsorted(starts, filled)] = packets
    time_ms: Floats = (starts * width_ms).astype(np.float64)
    widths_s = np.diff(time_ms, append=float(last_ms)) / 1e3
    notes = page.notes("mahimahi", bin_s=width_ms / 1e3)
    return made(page, time_ms / 1e3, PACKET_BITS * counts / widths_s, last_ms / 1e3, notes)


def text(trace: Trace) -> str:
    """Each packet at the first whole millisecond by which its bits can have been moved, the last one at the end.

    The last line tells how long the trace is, so that one packet stands there even after an outage, and the
    number of packets is rounded up. Raises a TraceError where the format cannot hold the trace at all.
    """
    last_ms = round(min(trace.duration_s * 1e3, _LARGEST))
    edges_bits = np.concatenate(([0.0], np.cumsum(trace.rate_bps * trace.widths_s)))
    packets = max(1.0 if edges_bits[-1] else 0.0, float(np.ceil(edges_bits[-1] / PACKET_BITS - _SLACK)))
    if not packets or not 0 < last_ms < _LARGEST:
        raise TraceError(
            f"{packets:.0f} packets in {trace.duration_s:g} s; one or more in 1 ms to 2^53 ms would do"
        )
    if packets > MOST_LINES:
        raise TraceError(
            f"{packets:.0f} packets of 1500 bytes are more than {MOST_LINES} lines; a part of the trace would do"
        )
    wanted = np.minimum(PACKET_BITS * (np.arange(1.0, packets + 1.0) - _SLACK), edges_bits[-1])
    k = np.searchsorted(edges_bits[1:], wanted)
    at_ms = (trace.time_s[k] + (wanted - edges_bits[k]) / trace.rate_bps[k]) * 1e3
    stamps = np.minimum(np.ceil(at_ms - _SLACK_MS), last_ms).astype(np.int64)
    stamps[-1] = last_ms
    return "\n".join(map(str, stamps.tolist())) + "\n"
