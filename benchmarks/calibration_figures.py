"""The figures of `calibration.py` that are not mdisim's own: missed deadlines, and queues under load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from scipy.special import stdtrit

from mdisim.report import look, save
from mdisim.report.style import beside, line_of, page

Floats = NDArray[np.float64]
MOST_MS = 600.0
LOADS = {
    "outage_probability": ("outage probability", 1.0, 1.02),
    "latency_mean_s": ("mean latency (ms)", 1e3, MOST_MS),
    "latency_p95_s": ("p95 latency (ms)", 1e3, MOST_MS),
    "channel_utilisation_max": ("load of the channel (%)", 100.0, 102.0),
    "on_device_share": ("answered on the phones (%)", 100.0, 102.0),
    "in_time_accuracy": ("right within 200 ms (%)", 100.0, 102.0),
}


@look()
def deadlines(t_tar_s: Floats, curves: Mapping[str, Mapping[str, Floats]]) -> Figure:
    """Missed-deadline probability [3, m] over deadlines [m]: a panel for each title, a line for each name."""
    figure = page(2.5)
    panels = figure.subplots(1, len(curves), sharey=True)
    for ax, (title, lines) in zip(panels, curves.items(), strict=True):
        for number, (name, (value, low, high)) in enumerate(lines.items()):
            style = line_of(number)
            ax.plot(1e3 * t_tar_s, value, label=name, **style)
            ax.fill_between(1e3 * t_tar_s, low, high, color=style["color"], alpha=0.18, linewidth=0.0)
        ax.set(title=title, xlabel="t_tar (ms)", ylim=(-0.02, 1.02))
        ax.margins(x=0.0)
    panels[0].set_ylabel("missed-deadline probability")
    beside(panels[-1])
    return figure


@look()
def queues(runs: pd.DataFrame) -> Figure:
    """Outage, latencies, load and right answers in time over the arrival rate, with intervals over seeds."""
    figure = page(3.9)
    panels = figure.subplots(2, 3, sharex=True)
    for ax, (measure, (title, scale, top)) in zip(panels.flat, LOADS.items(), strict=True):
        for number, policy in enumerate(runs["policy"].unique()):
            by_rate = runs[runs["policy"] == policy].groupby("rate")[measure]
            n, mean, spread = by_rate.size(), scale * by_rate.mean(), scale * by_rate.std(ddof=1)
            half = stdtrit(n - 1, 0.975) * spread / np.sqrt(n)
            style = line_of(number)
            ax.plot(mean.index, mean, label=policy, **style)
            ax.fill_between(mean.index, mean - half, mean + half, color=style["color"], alpha=0.18, linewidth=0.0)
        ax.set_title(title)
        ax.set_ylim(-0.02 * top, top)
        ax.margins(x=0.0)
    for ax in panels[1]:
        ax.set_xlabel("images per second")
    beside(panels[0, -1])
    return figure


def write(figure: Figure, path: Path) -> None:
    """A PNG of 64 colours."""
    save(figure, path)
    with Image.open(path) as image:
        few = image.convert("RGB").quantize(64)
    few.save(path, optimize=True)
