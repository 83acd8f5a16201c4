"""Runs over time: links, queues, rates and knobs under one another, and throughput with what failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke

from mdisim.recovery import BEFORE_S, SHARE, WINDOW_S, admitted_over_time, recovery, throughput_over_time
from mdisim.report.given import Runs, several
from mdisim.report.marks import bars, faults_of, shade, warmed_up
from mdisim.report.style import FigureError, axes, beside, grey, line_of, look, page
from mdisim.results import Run

Lines = dict[str, "pd.Series[float]"]
MOST_LINES = 6
MOST_TIMES = 8  # to recover, written out
WINDOWS = 60
PANEL_IN = 0.95


class Panel(NamedTuple):
    """What is drawn in one panel: its key, the axis' name, values by time [s], and whether they are means since
    the last time, and the same whoever is compared.
    """

    key: str
    name: str
    lines: Lines
    means: bool = False
    common: bool = False


@look()
def timeline(
    runs: Runs, figure: Figure | SubFigure | None = None, window_s: float | None = None
) -> Figure | SubFigure:
    """Draw runs over time, one panel under the other, and return the figure.

    The panels: the rates of links that follow traces [Mbps]; tasks that wait for a core, and to be sent; samples
    admitted and answered per second, in windows of `window_s` (a sixtieth of the run by default); the exit
    threshold; the gap between samples [ms] where a policy changes it. What no run has is left out. Of one run
    each of up to six devices has a line, of more their sum and the longest queue; several runs, by label, have
    a line each: the sum of their queues, answers only, the mean of their knobs. Faults are bars above with a
    shade through all panels; a dotted line ends the warm-up. Raises a FigureError where there is no run.
    """
    given = several(runs)
    until_s = max(run.duration_s for run in given.values())
    panels = _panels(given, until_s / WINDOWS if window_s is None else window_s)
    figure = page(PANEL_IN * len(panels) + 0.6) if figure is None else figure
    faults = faults_of(given.values())
    places = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    numbers = _numbers(panels)
    for ax, panel in zip(places, panels, strict=True):
        shade(ax, faults, until_s)
        warmed_up(ax, next(iter(given.values())))
        _fill(ax, panel, numbers)
    for ax, panel, above in zip(places, panels, [None, *panels], strict=False):
        if above is None or list(panel.lines) != list(above.lines):
            beside(ax)
    bars(places[0], faults, until_s)
    places[-1].set(xlim=(0.0, until_s), xlabel="time (s)")
    figure.align_ylabels(list(places))
    return figure


@look()
def over_time(runs: Runs, what: str = "queue", ax: Axes | None = None, window_s: float | None = None) -> Axes:
    """Draw one panel of `timeline` on axes of its own, and return these.

    `what` is one of link-rate, queue, out-queue, flow, threshold and gap. Raises a FigureError where the runs do
    not have it.
    """
    given = several(runs)
    until_s = max(run.duration_s for run in given.values())
    panels = {panel.key: panel for panel in _panels(given, until_s / WINDOWS if window_s is None else window_s)}
    if what not in panels:
        raise FigureError(f"nothing over time is called {what!r} here; {', '.join(panels)} would do")
    ax = axes(ax, 2.2)
    faults = faults_of(given.values())
    shade(ax, faults, until_s)
    bars(ax, faults, until_s)
    warmed_up(ax, next(iter(given.values())))
    _fill(ax, panels[what], _numbers(panels.values()))
    beside(ax)
    ax.set(xlim=(0.0, until_s), xlabel="time (s)")
    return ax


def _numbers(panels: Iterable[Panel]) -> dict[str, int]:
    """The number of each line, the same in all panels, also where some have nothing to show."""
    labels = dict.fromkeys(label for panel in panels if not panel.common for label in panel.lines)
    return {label: number for number, label in enumerate(labels)}


def _fill(ax: Axes, panel: Panel, numbers: Mapping[str, int]) -> None:
    for number, (label, values) in enumerate(panel.lines.items()):
        style = grey(number) if panel.common else line_of(numbers[label])
        if panel.means:
            _steps(ax, values, label, style)
        else:
            ax.plot(values.index, values, label=label, **style)
    ax.set_ylabel(panel.name)
    ax.set_ylim(bottom=0.0)


def _steps(ax: Axes, values: pd.Series[float], label: str, style: dict[str, Any]) -> None:
    """Values that hold since the time before."""
    times = values.index.to_numpy(dtype=float)
    if len(times):
        start_s = max(0.0, 2 * times[0] - times[1]) if len(times) > 1 else 0.0
        ax.step([start_s, *times], [values.iloc[0], *values], where="pre", label=label, **style)


@look()
def throughput(
    runs: Runs,
    window_s: float = WINDOW_S,
    share: float = SHARE,
    before_s: float = BEFORE_S,
    ax: Axes | None = None,
) -> Axes:
    """Draw answers per second over time, in windows of `window_s` [s], with what failed and when it was made good.

    A dot stands where `mdisim.recovery.recovery` with these arguments sees a run's throughput recovered from a
    fault, at the end of a line from the fault's start at the level to be reached, with the seconds in between
    where there are eight such or fewer; a line without a dot is not recovered by the end. One colour a run.
    """
    given = several(runs)
    ax = axes(ax, 2.6)
    until_s = max(run.duration_s for run in given.values())
    faults = faults_of(given.values())
    shade(ax, faults, until_s)
    bars(ax, faults, until_s)
    warmed_up(ax, next(iter(given.values())))
    found = {label: recovery(run, window_s, share, before_s) for label, run in given.items()}
    written = sum(int((table["recovery_s"] > 0.0).sum()) for table in found.values()) <= MOST_TIMES
    for number, (label, run) in enumerate(given.items()):
        style = line_of(number)
        _steps(ax, throughput_over_time(run, window_s), label, style)
        _recoveries(ax, found[label], share, run.duration_s, style["color"], written)
    ax.set(xlabel="time (s)", ylabel=f"answers per second\n(windows of {window_s:g} s)", xlim=(0.0, until_s))
    ax.set_ylim(bottom=0.0)
    beside(ax)
    return ax


def _recoveries(ax: Axes, table: pd.DataFrame, share: float, until_s: float, colour: str, written: bool) -> None:
    table = table[table["lowest_per_s"].notna() & (table["recovery_s"] != 0.0) & table["before_per_s"].notna()]
    for start_s, before, took_s in table[["start_s", "before_per_s", "recovery_s"]].itertuples(index=False):
        level, back_s = share * before, start_s + took_s
        ax.plot([start_s, until_s if np.isnan(took_s) else back_s], [level, level], color=colour, linewidth=0.7)
        if np.isnan(took_s):
            continue
        ax.plot(back_s, level, "o", color=colour, markersize=4.0, markeredgecolor="white", zorder=4)
        if written:
            ax.annotate(
                f"{took_s:g} s", (back_s, level), (3.0, -2.0), textcoords="offset points", ha="left", va="top",
                fontsize=7.0, color=colour, path_effects=[withStroke(linewidth=2.0, foreground="white")],
            )  # fmt: skip


# --- what the panels show


def _panels(runs: Mapping[str, Run], window_s: float) -> list[Panel]:
    """The panels that have something to show."""
    alone = len(runs) == 1
    sent, gaps = _queues(runs, "out_queue"), _knobs(runs, "gap_s", 1e3)
    flows = "samples\nper second" if alone else "answers\nper second"
    panels = [
        Panel("link-rate", "link rate\n(Mbps)", _link_rates(runs), means=True, common=True),
        Panel("queue", "waiting for\na core (tasks)", _queues(runs, "queue")),
        Panel(
            "out-queue",
            "waiting to be\nsent (tasks)",
            sent if any(values.any() for values in sent.values()) else {},
        ),
        Panel("flow", flows, _flows(runs, window_s), means=True, common=alone),
        Panel("threshold", "exit\nthreshold", _knobs(runs, "threshold")),
        Panel("gap", "gap between\nsamples (ms)", gaps if any(gap.nunique() > 1 for gap in gaps.values()) else {}),
    ]
    return [panel for panel in panels if panel.lines]


def _link_rates(runs: Mapping[str, Run]) -> Lines:
    """The rate of each link that follows a trace, in Mbps; what several runs have in common once."""
    kept: list[tuple[str, int, pd.Series[float]]] = []
    for run in runs.values():
        for link, rows in run.rates.groupby("link", sort=False):
            rate = rows.set_index("time_s")["rate_bps"] / 1e6
            alike = [known for name, _, known in kept if name == link]
            if not any(np.isclose(rate.mean(), known.mean(), rtol=0.01) for known in alike):
                kept.append((str(link), len(alike) + 1, rate))
    found: Lines = {f"{link} ({number})" if number > 1 else link: rate for link, number, rate in kept}
    if len(found) <= MOST_LINES:
        return found
    table = pd.DataFrame(found)
    return {f"mean of {len(found)}": table.mean(axis=1), "lowest": table.min(axis=1)}


def _queues(runs: Mapping[str, Run], column: str) -> Lines:
    """Of one run what waits at each device, of several the sum over devices."""
    tables = {label: _by_device(run, column) for label, run in runs.items()}
    if len(tables) > 1:
        return {label: table.sum(axis=1) for label, table in tables.items()}
    table = next(iter(tables.values()))
    if table.shape[1] <= MOST_LINES:
        return {str(device): table[device] for device in table}
    return {f"sum of {table.shape[1]} devices": table.sum(axis=1), "longest": table.max(axis=1)}


def _knobs(runs: Mapping[str, Run], column: str, factor: float = 1.0) -> Lines:
    """Of one run the knob of each device that has it, of several the mean; what is not finite is left out."""
    tables = {label: factor * _by_device(run, column).replace(np.inf, np.nan) for label, run in runs.items()}
    tables = {label: table.dropna(axis=1, how="all") for label, table in tables.items()}
    tables = {label: table for label, table in tables.items() if table.size}
    if len(runs) == 1 and tables:
        table = next(iter(tables.values()))
        if table.shape[1] <= MOST_LINES:
            return {str(device): table[device] for device in table}
    return {"mean" if len(runs) == 1 else label: table.mean(axis=1) for label, table in tables.items()}


def _by_device(run: Run, column: str) -> pd.DataFrame:
    """A column of the timeline, by time [s] and device."""
    return run.timeline.pivot(index="time_s", columns="device", values=column)


def _flows(runs: Mapping[str, Run], window_s: float) -> Lines:
    """Of one run samples admitted and answered per second, of several the answered ones."""
    if len(runs) > 1:
        return {label: throughput_over_time(run, window_s) for label, run in runs.items()}
    run = next(iter(runs.values()))
    return {"answered": throughput_over_time(run, window_s), "admitted": admitted_over_time(run, window_s)}
