"""From what a format states to a trace's knots, and to the numbers of another unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mdisim.limits import BANDWIDTH, TIME
from mdisim.traces.formats.page import Faults, Page
from mdisim.traces.trace import Floats, Trace, TraceError

MOST_STEPS_LATE = 10.0
GAPS = ("outage", "hold", "cut")  # what may be made of a gap
MOST_MEDIANS = 10.0  # of a step, which is then no step but a gap: nobody measured


def ended_trace(page: Page, end_s: Floats, rate_bps: Floats, start_s: float, notes: Mapping[str, str]) -> Trace:
    """The trace of rates that hold until their stamps, [n] seconds: each from the stamp before, the first from 0.

    A rate whose stamp repeats the one before, or is 0, has no time to hold in, moves nothing and is left out.
    `start_s` is when the measuring began: far above 0 it would be a guess that the first rate held until then.
    """
    faults = Faults(page.where)
    widths = np.diff(end_s, prepend=0.0)
    faults.mark(widths < 0.0, 1, lambda row: f"{end_s[row]:g} s comes after {end_s[row - 1]:g} s; times must rise")
    faults.refuse()
    held = widths > 0.0
    if not held.any():
        raise TraceError(f"{page.where}: has no interval of time; a second line with a later time would do")
    longest = float(widths[1:].max(initial=0.0)) or float(end_s[-1])
    if start_s > MOST_STEPS_LATE * longest:
        raise TraceError(
            f"{page.where}: line 1: begins at {start_s:g} s, though the longest step is {longest:g} s; "
            "times that begin near 0 would do: subtract the first from each"
        )
    ends, used = end_s[held], rate_bps[held]
    left_out = int((~held[1:]).sum())
    more = {"left out": f"{left_out} line{'s' * (left_out > 1)} of no duration"} if left_out else {}
    return made(page, np.concatenate(([0.0], ends[:-1])), used, float(ends[-1]), {**notes, **more})


def bridged(
    page: Page, time_s: Floats, rate_bps: Floats, gap: str | None, lines: Sequence[int]
) -> tuple[Floats, Floats, dict[str, object]]:
    """Times and rates of what was measured row by row, [n] each, with every gap made what `gap` says, and a note.

    A gap is a step of more than ten median steps. `outage`: the rate before it holds for a median step, then it is
    zero; `hold`: it holds; `cut`: the time of the gap is left out; None refuses. `lines` are those of the rows in
    the file.
    """
    if gap is not None and gap not in GAPS:
        raise TraceError(f"{page.where}: gap is {gap!r}; give {' or '.join(GAPS)}")
    steps = np.diff(time_s)
    usual_s = float(np.median(steps)) if len(steps) else 0.0
    wide = steps > MOST_MEDIANS * usual_s
    if not wide.any():
        return time_s, rate_bps, {}
    if gap is None:
        faults = Faults(page.where)
        for i in np.flatnonzero(wide).tolist():
            faults.add(
                lines[i + 1],
                f"comes {steps[i]:g} s after line {lines[i]}, {steps[i] / usual_s:.0f} times the median step of "
                f"{usual_s:g} s; give --gap outage (a rate of 0 between), --gap cut or --gap hold",
            )
        faults.refuse()
    told: dict[str, object] = {"gaps": f"{int(wide.sum())}, {steps[wide].sum():.6g} s in all, as {gap}"}
    if gap == "cut":
        time_s = np.concatenate(([0.0], np.cumsum(np.where(wide, usual_s, steps))))
    if gap == "outage":
        before = time_s[:-1][wide] + usual_s
        places = np.flatnonzero(wide) + 1
        time_s, rate_bps = np.insert(time_s, places, before), np.insert(rate_bps, places, 0.0)
    return time_s, rate_bps, told


def made(
    page: Page,
    time_s: Floats,
    rate_bps: Floats,
    duration_s: float,
    notes: Mapping[str, str],
    latency_s: Floats | None = None,
) -> Trace:
    """A looping trace, or a TraceError that names the file."""
    need_within(page.where, time_s, rate_bps, duration_s)
    try:
        return Trace(time_s, rate_bps, duration_s, "loop", latency_s, None, notes)
    except TraceError as error:
        raise TraceError(f"{page.where}: {error}") from error


def need_within(where: str, time_s: Floats, rate_bps: Floats, duration_s: float) -> None:
    """Refuse rates and times beyond what either may be, so that the bits they move can be added up, too."""
    for name, values, limit in (
        ("rate_bps", rate_bps, BANDWIDTH),
        ("time_s", np.append(time_s, duration_s), TIME),
    ):
        largest = float(np.max(values, initial=0.0))
        if not largest <= limit.most:
            raise TraceError(
                f"{where}: {name} is {largest:g}; {limit.most:g}, which is {limit.most_told}, is the most"
            )


def in_unit(what: str, values: Floats, factor: float) -> Floats:
    """Numbers in another unit, to be written; a TraceError if one is too large for it."""
    with np.errstate(over="ignore"):
        made = values * factor
    if not np.isfinite(made).all():
        raise TraceError(f"it has {what} beyond what a number can hold; smaller ones would do")
    return made
