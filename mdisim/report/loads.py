"""Who does the work: how busy devices and channels are, and which exit answers where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from mdisim.experiments.comparison import Comparison
from mdisim.metrics import answered, channel_utilisation, device_utilisation
from mdisim.report.direct import columns, row_in, rows
from mdisim.report.given import Runs, several
from mdisim.report.measures import estimates
from mdisim.report.style import INK, axes, look, ramp, shades
from mdisim.results import Run

ROW_IN, BAR_IN = 0.24, 0.17
MOST_NUMBERS = 13  # columns; of more the shades alone are shown
OVERALL = {
    "device_utilisation_mean": "devices,\nmean",
    "device_utilisation_max": "busiest\ndevice",
    "channel_utilisation_max": "busiest\nchannel",
}
BAR = 0.78  # its height
MOST_DEVICES, MOST_BARS = 8, 60
EXITS_IN_ROW = 6


@look()
def utilisation(given: Runs | Comparison, ax: Axes | None = None) -> Axes:
    """Draw how busy devices and channels are as a table of shades, a row a policy, in per cent of the window.

    Of runs each device and then each channel has a column; links that share a channel are one. Of a
    Comparison, whose runs are not kept, the columns are the means over seeds of the devices' mean, the busiest
    device and the busiest channel. Up to 13 columns have their numbers, more a scale of shades. Returns the
    axes. Raises a FigureError where there is no run.
    """
    table, devices = _overall(given) if isinstance(given, Comparison) else _each(several(given))
    told = table.shape[1] <= MOST_NUMBERS
    names = [str(label) for label in table.index]
    ax = axes(ax, row_in(ROW_IN, names) * len(names) + (0.75 if told else 1.6))
    seaborn.heatmap(
        100.0 * table, vmin=0.0, vmax=100.0, cmap=ramp(), annot=told, fmt=".0f", cbar=False, linewidths=0.8,
        annot_kws={"fontsize": 7.0}, xticklabels=False, yticklabels=False, ax=ax,
    )  # fmt: skip
    ax.axvline(devices, color="white", linewidth=4.0)
    ax.set(xlabel="utilisation (%)", ylabel="")
    rows(ax, {i + 0.5: name for i, name in enumerate(names)}, len(names))
    columns(ax, [str(name) for name in table.columns])
    if not told:
        steps = (0, 25, 50, 75, 100)
        keys = [Patch(facecolor=shade, label=f"{s} %") for s, shade in zip(steps, shades(5), strict=True)]
        ax.legend(handles=keys, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(keys), borderaxespad=0.2,
                  handlelength=1.0, columnspacing=0.9)  # fmt: skip
    return ax


def _each(runs: Mapping[str, Run]) -> tuple[pd.DataFrame, int]:
    """The utilisation by run, of devices and then of channels, and how many of the columns are devices."""
    devices = pd.DataFrame({label: device_utilisation(run) for label, run in runs.items()}).T
    channels = pd.DataFrame(
        {label: channel_utilisation(run).rename(_channels(run.links)) for label, run in runs.items()}
    ).T
    return pd.concat([devices, channels], axis=1), devices.shape[1]


def _channels(links: pd.DataFrame) -> dict[Any, str]:
    """What each channel is called: the one for all, the way or the two ways that it is for, or its number."""
    found = {}
    for channel, names in links.groupby("channel")["link"]:
        ends = {tuple(sorted(name.split(" -> "))) for name in names}
        if links["channel"].nunique() == 1 and len(names) > 2:
            found[channel] = "channel"
        elif len(ends) == 1:
            (between,) = ends
            found[channel] = names.iloc[0].replace(" -> ", "\n→ ") if len(names) == 1 else "\n– ".join(between)
        else:
            found[channel] = f"channel {channel}"
    return found


def _overall(comparison: Comparison) -> tuple[pd.DataFrame, int]:
    found = {name: estimates(comparison.runs, ["policy"], measure)["mean"] for measure, name in OVERALL.items()}
    return pd.DataFrame(found), 2


@look()
def exits(runs: Runs, ax: Axes | None = None) -> Axes:
    """Draw which exit answers where: under each policy's name a bar a device, its parts the exits.

    Lengths are shares of all answers to samples born after the warm-up; a policy's bars add up to one. Devices
    that answer nothing are left out; of more than eight, those that answer least are one bar. Where that were
    more than 60 bars, each policy has one bar for all devices. Returns the axes. Raises a FigureError where
    there is no run.
    """
    given = several(runs)
    tables = {label: _shares(run) for label, run in given.items()}
    alone = len(tables) == 1
    if sum(len(table) + 1 for table in tables.values()) > MOST_BARS:
        tables = {"": pd.DataFrame({label: table.sum() for label, table in tables.items()}).T}
        alone = True
    n_exits = max(run.n_exits for run in given.values())
    high = sum(len(table) + (not alone) for table in tables.values())
    ax = axes(ax, row_in(BAR_IN, (str(name) for table in tables.values() for name in table.index)) * high + 0.9)
    at, names = 0, {}
    for label, table in tables.items():
        if not alone:
            ax.text(0.0, at + 0.3, f" {label}", va="center", fontsize=7.5, fontweight="bold")
            at += 1
        for name, shares in table.iterrows():
            _bar(ax, at, shares, n_exits)
            names[float(at)] = str(name)
            at += 1
    ax.set(ylim=(at - 0.4, -0.6), xlabel="share of the answers (%)")
    rows(ax, names, at + 0.2)
    ax.set_xlim(0.0, None)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    ax.grid(visible=False, axis="y")
    keys = [Patch(facecolor=shade, label=f"exit {k}") for k, shade in enumerate(shades(n_exits), 1)]
    ax.legend(handles=keys, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=EXITS_IN_ROW, borderaxespad=0.2,
              handlelength=1.0, columnspacing=0.9)  # fmt: skip
    return ax


def _shares(run: Run) -> pd.DataFrame:
    """The share of all answers by device and exit, devices in their order."""
    rows = run.tasks[answered(run)]
    table = pd.crosstab(rows["device"], rows["exit"]) / max(len(rows), 1)
    table = table.reindex(columns=range(1, run.n_exits + 1), fill_value=0.0)
    table = table[table.sum(axis=1) > 0.0]
    if len(table) <= MOST_DEVICES:
        return table
    most = table.sum(axis=1).nlargest(MOST_DEVICES - 1).index
    others = table[~table.index.isin(most)]
    kept = table[table.index.isin(most)]
    return pd.concat([kept, others.sum().to_frame(f"other {len(others)} devices").T])


def _bar(ax: Axes, at: float, shares: pd.Series[float], n_exits: int) -> None:
    """A bar of parts, with its length in words."""
    left = 0.0
    for share, shade in zip(shares, shades(n_exits), strict=True):
        if share > 0.0:
            ax.barh(at, share, BAR, left=left, color=[shade], edgecolor="white", linewidth=0.4)
            left += share
    ax.annotate(f"{100.0 * left:.1f}", (left, at), (2.0, 0.0), textcoords="offset points", va="center",
                fontsize=6.5, color=INK)  # fmt: skip
