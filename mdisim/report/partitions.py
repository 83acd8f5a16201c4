"""Where a network is best cut, as a figure: over the rate of the link, for devices of several speeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from mdisim.planners.partitions.partition import UPLINKS_BPS, Chain, Floats, cuts_over
from mdisim.report.style import FigureError, axes, beside, line_of, look

RATES_BPS: Floats = np.geomspace(1e5, 1e9, 801)
GAMMAS = (10.0, 100.0, 1000.0)  # of BranchyNet partitioning
APART = 0.09  # between lines at the same cut


@look()
def cuts(
    chain: Chain,
    slower: Sequence[float] = GAMMAS,
    rates_bps: Sequence[float] | Floats | None = None,
    latency_s: float = 0.0,
    marks_bps: Mapping[str, float] = UPLINKS_BPS,
    ax: Axes | None = None,
) -> Axes:
    """Draw the best cut of a chain over the rate of the link, one line for each device.

    A device takes `slower` times as long as the chain's own: gamma, where that is as fast as the cloud. The
    cuts are those of `best_cuts` in `mdisim.planners.partitions.partition`, from the input at the bottom to all
    layers on the device at the top; lines at the same cut are drawn a little apart. `marks_bps` are rates with
    a name, shown as vertical lines where they are within `rates_bps` [bit/s, rising]. Returns the axes. Raises
    a FigureError without rates or devices, and where rates do not rise.
    """
    rates = RATES_BPS if rates_bps is None else np.asarray(rates_bps, dtype=np.float64)
    if not len(slower) or len(rates) < 2 or rates[0] <= 0.0 or not (np.diff(rates) > 0.0).all():
        raise FigureError("a figure of cuts needs a device and two rates or more, above 0 and rising")
    ax = axes(ax, 2.8)
    best = cuts_over(chain, rates, slower, latency_s)
    for number, factor in enumerate(slower):
        shift = APART * (number - (len(slower) - 1) / 2)
        ax.step(rates / 1e6, best[number] + shift, where="mid", label=f"γ = {factor:g}", **line_of(number))
    for name, mark in marks_bps.items():
        if rates[0] <= mark <= rates[-1]:
            ax.axvline(mark / 1e6, color="0.6", linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
            ax.annotate(name, (mark / 1e6, 1.0), (2.0, -1.0), xycoords=ax.get_xaxis_transform(),
                        textcoords="offset points", ha="left", va="top", fontsize=7.0)  # fmt: skip
    K = chain.n_layers
    ax.set(xscale="log", xlabel="rate of the link (Mbps)", ylabel="cut after", ylim=(-0.5, K + 1.0))
    ax.set_xlim(rates[0] / 1e6, rates[-1] / 1e6)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(range(K + 1), chain.names or ["input", *(f"stage {k}" for k in range(1, K)), "all"])
    beside(ax)
    return ax
