"""Traces made of traces: scaled, stretched, shifted, cut, resampled, joined. Latency and loss go with the rates.

Each is a pure function that returns a new trace with the notes of the (first) one given. Raises a TraceError where
the arguments mean nothing, or where the result would have more than ten million knots.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf, isfinite

import numpy as np

from mdisim.traces.trace import Floats, Trace, TraceError

MOST_KNOTS = 10_000_000
_COLUMNS = ("rate_bps", "latency_s", "loss")
_SLACK = 1e-12  # of the duration: what rounding leaves over is no step of its own
_ROUNDING = 1e-15


def scaled(trace: Trace, factor: float | None = None, *, mean_bps: float | None = None) -> Trace:
    """The same shape with all rates multiplied: by `factor`, or so that their mean is `mean_bps` [bit/s]."""
    if factor is None and mean_bps is not None:
        mean = trace.mean_bps()
        if not mean:
            raise TraceError("a trace that moves nothing cannot be scaled to a mean")
        factor = _number("mean_bps", mean_bps) / mean
    elif factor is None or mean_bps is not None:
        raise TraceError("a trace is scaled by a factor or to a mean_bps; name one of them")
    factor = _number("factor", factor)
    with np.errstate(over="ignore"):  # a trace of infinite rates is refused
        return replace(trace, rate_bps=trace.rate_bps * factor)


def stretched(trace: Trace, factor: float) -> Trace:
    """The same rates, each for `factor` times as long, so that they move `factor` times as many bits."""
    if not _number("factor", factor):
        raise TraceError("a trace cannot be stretched by 0; a factor above 0 would do")
    with np.errstate(over="ignore"):
        return replace(trace, time_s=trace.time_s * factor, duration_s=trace.duration_s * factor)


def shifted(trace: Trace, by_s: float) -> Trace:
    """The trace that does at 0 what the given one does at `by_s` seconds.

    A loop is rotated, forwards or back, and lasts as long as before. One that holds or stops loses its first
    `by_s` seconds: `by_s` is then 0 or more, as nothing is known of the time before, and of one that stops below
    its duration. Of one that holds and is over by then, the last rate is left.
    """
    if trace.end == "loop":
        by_s = _number("by_s", by_s, -inf) % trace.duration_s
        return _piece(trace, by_s, trace.duration_s) if by_s else trace
    left_s = trace.duration_s - _number("by_s", by_s)
    if trace.end == "hold":
        left_s = max(left_s, float(trace.widths_s[-1]))
    if left_s <= 0.0:
        raise TraceError(f"a trace of {trace.duration_s:g} s that stops has nothing left after {by_s:g} s")
    return _piece(trace, by_s, left_s)


def cut(trace: Trace, from_s: float, to_s: float) -> Trace:
    """What the trace does from `from_s` until `to_s` seconds; the piece ends as the whole does.

    `to_s` may lie beyond the trace's end: a loop is repeated, what holds goes on, what stops moves nothing more.
    """
    _number("from_s", from_s)
    if not from_s < _number("to_s", to_s):
        raise TraceError(f"a piece from {from_s:g} s to {to_s:g} s has no duration; a later end would do")
    return _piece(trace, from_s % trace.duration_s if trace.end == "loop" else from_s, to_s - from_s)


def _piece(trace: Trace, from_s: float, width_s: float) -> Trace:
    """So many seconds of a trace; `from_s` of a loop lies in its first lap."""
    times, knots = trace.time_s, np.arange(len(trace))
    if trace.end == "loop" and from_s + width_s > trace.duration_s:
        laps = (from_s + width_s) / trace.duration_s
        _affordable(laps * len(trace))
        times = (np.arange(ceil(laps))[:, np.newaxis] * trace.duration_s + times).ravel()
        knots = np.tile(knots, ceil(laps))
    stops = trace.end == "stop" and from_s + width_s > trace.duration_s
    if stops:
        times, knots = np.append(times, trace.duration_s), np.append(knots, knots[-1])
    first = int(np.searchsorted(times, from_s, side="right")) - 1
    starts = np.maximum(times[first:] - from_s, 0.0)
    holds = np.diff(starts, append=inf) > 0.0  # what rounding has left no width to moves nothing
    holds &= starts < width_s
    columns = {name: values[knots[first:][holds]] for name, values in _columns(trace).items()}
    if stops and holds[-1]:
        columns["rate_bps"][-1] = 0.0
    return _with(trace, starts[holds], width_s, columns)


def resampled(trace: Trace, step_s: float) -> Trace:
    """The trace in equal steps of `step_s` seconds, in each of which as many bits are moved as before.

    The last step is shorter where the duration is no multiple. Latency and loss are means over each step's time.
    """
    if not _number("step_s", step_s):
        raise TraceError("steps of 0 s will not do; a step above 0 would")
    count = trace.duration_s / step_s
    _affordable(count + len(trace))
    steps = _on_knots(trace, step_s * np.arange(max(ceil(count * (1.0 - _SLACK)), 1), dtype=np.float64))
    edges = np.union1d(steps, trace.time_s)
    widths = np.diff(edges, append=trace.duration_s)
    knots = np.searchsorted(trace.time_s, edges, side="right") - 1
    firsts = np.searchsorted(edges, steps)
    lasting = np.add.reduceat(widths, firsts)
    columns = {
        name: np.clip(np.add.reduceat(values[knots] * widths, firsts) / lasting, values.min(), values.max())
        for name, values in _columns(trace).items()
    }
    return _with(trace, steps, trace.duration_s, columns)


def _on_knots(trace: Trace, steps: Floats) -> Floats:
    """The times of steps, each moved to the knot that only rounding sets apart from it, lest rates leak across."""
    near = np.searchsorted(trace.time_s, steps * (1.0 - _ROUNDING))
    knots = trace.time_s[np.minimum(near, len(trace) - 1)]
    return np.where(np.abs(knots - steps) <= _ROUNDING * steps, knots, steps)


def joined(*traces: Trace) -> Trace:
    """The traces one after the other, each for its duration; the whole ends as the last one does.

    Either all of them have latencies (or losses) or none, as what is not known cannot be made up.
    """
    if not traces:
        raise TraceError("nothing to join; one trace or more would do")
    known = [tuple(_columns(trace)) for trace in traces]
    if len(set(known)) > 1:
        told = " and ".join(sorted({", ".join(names) for names in known}))
        raise TraceError(f"traces of {told} cannot be joined; the same columns in each would do")
    _affordable(sum(map(len, traces)))
    ends = np.cumsum([trace.duration_s for trace in traces])
    starts = np.concatenate(([0.0], ends[:-1]))
    columns = {name: np.concatenate([getattr(trace, name) for trace in traces]) for name in known[0]}
    times = np.concatenate([start + trace.time_s for start, trace in zip(starts, traces, strict=True)])
    return replace(_with(traces[0], times, float(ends[-1]), columns), end=traces[-1].end)


def _columns(trace: Trace) -> dict[str, Floats]:
    """What a trace knows beside its times."""
    return {name: getattr(trace, name) for name in _COLUMNS if getattr(trace, name) is not None}


def _with(trace: Trace, time_s: Floats, duration_s: float, columns: dict[str, Floats]) -> Trace:
    """Other knots, with the end and the notes of the trace."""
    rates, latency_s, loss = (columns.get(name) for name in _COLUMNS)
    assert rates is not None
    return Trace(time_s, rates, duration_s, trace.end, latency_s, loss, trace.notes)


def _affordable(knots: float) -> None:
    if knots > MOST_KNOTS:
        raise TraceError(f"this would make a trace of {knots:.3g} knots; {MOST_KNOTS} or fewer would do")


def _number(name: str, value: float, lowest: float = 0.0) -> float:
    if not (isfinite(value) and value >= lowest):
        raise TraceError(
            f"{name} is {value!r}; a finite number" + (", 0 or more," if lowest == 0.0 else "") + " would do"
        )
    return value
