"""The figures of `dimee.py`: saving against drop, with a random router beside each, and both over prices."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from calibration_figures import write
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mdisim.report import look
from mdisim.report.direct import Canvas
from mdisim.report.style import INK, PALE, beside, line_of, mark_of, page

BUDGET, SAVING, SURE = 0.3, 43.0, ", 95 %"
LINEAR = 1.0  # points; beyond that the axis of drops is logarithmic
TICKS = (-0.5, 0.0, 0.3, 0.5, 1.0, 2.0, 5.0)
KINDS = {
    "budget kept by the bound (*)": 0, "budget kept by the estimate": 5, "oracle pools": 2, "DIMEE, guarded": 0,
    "one tier": 3, "cascades": 4, "bandits": 1,
}  # fmt: skip
BY_ESTIMATE = ("dimee, centroid", "dimee, probe-drop")
ONE_TIER = ("all-edge", "all-mobile", "all-cloud")


def draw(folder: Path, profile: str, rows: pd.DataFrame, runs: pd.DataFrame, prices: pd.DataFrame) -> None:
    """Write what there are numbers for; the first is named after the profile."""
    write(frontier(100 * _shipped(rows), 100 * _learners(runs)), folder / f"dimee-{profile}.png")
    if len(prices):
        write(over_prices(prices), folder / "dimee-prices.png")


def _shipped(rows: pd.DataFrame) -> pd.DataFrame:
    own = rows[(rows["split"] < 0) & (rows["way"] == "there")].set_index(["policy", "noise"])
    return own[["saving", "drop", "low", "high"]]


def _learners(runs: pd.DataFrame) -> pd.DataFrame:
    if runs.empty:
        return runs
    return runs.groupby("policy", sort=False)[["saving", "drop", "low", "high"]].mean()


@look()
def frontier(shipped: pd.DataFrame, learners: pd.DataFrame) -> Figure:
    """Saving and drop, in points and with intervals, of routers at the left and of their rivals at the right."""
    figure = page(5.0)
    left, right = figure.subplots(1, 2, sharey=True)
    own = shipped.xs(0.0, level="noise")
    guarded, sure = own.index.str.contains("guarded"), own.index.str.endswith(SURE)
    routers = own[own.index.str.startswith("dimee") & ~guarded & (sure | own.index.isin(BY_ESTIMATE))]
    chance = shipped.xs(1.0, level="noise").loc[routers.index]
    for label in routers.index:
        sides = routers.loc[label], chance.loc[label]
        left.plot(*([one[side] for one in sides] for side in ("saving", "drop")), color=PALE, linewidth=0.6)
    left.plot(chance["saving"], chance["drop"], "x", color=INK, markersize=3.5, label="random, same shares")
    by_bound = routers.index.str.endswith(SURE)
    _marks(left, routers[~by_bound], "budget kept by the estimate")
    _marks(left, routers[by_bound], "budget kept by the bound (*)")
    left.set_title("DIMEE by router")
    others = {
        "oracle pools": own[own.index.str.startswith("oracle-pools")],
        "DIMEE, guarded": own[guarded & sure],
        "one tier": own[own.index.isin(ONE_TIER)],
        "cascades": own[own.index.str.match("cascade|patience|beem") & sure],
        "bandits": learners,
    }
    for label, part in others.items():
        if len(part):
            _marks(right, part, label)
    right.set_title("rivals")
    for ax in (left, right):
        ax.axhline(BUDGET, color=INK, linestyle=(0, (1, 1.5)), linewidth=1.0, zorder=1)
        ax.axvline(SAVING, color=INK, linestyle=(0, (1, 1.5)), linewidth=1.0, zorder=1)
        ax.set_yscale("symlog", linthresh=LINEAR, linscale=1.6)
        ax.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
        ax.minorticks_off()
        ax.margins(x=0.12)
        ax.set_xlabel("saving against all-cloud (%)")
        ax.legend(loc="upper left", fontsize=6.5, handlelength=1.2)
    left.set_ylabel("drop in accuracy (points)")
    _names(left, routers)
    _names(right, pd.concat([part for part in others.values() if len(part)]))
    return figure


def _marks(ax: Axes, of: pd.DataFrame, label: str) -> None:
    style = mark_of(KINDS[label])
    ax.vlines(of["saving"], of["low"], of["high"], color=style["color"], linewidth=0.8, zorder=3)
    ax.plot(of["saving"], of["drop"], **style, linestyle="none", label=label, zorder=4)


def _names(ax: Axes, of: pd.DataFrame) -> None:
    canvas = Canvas(ax)
    for row in of.itertuples():
        canvas.take_mark(row.saving, row.drop)
        canvas.take_line([row.saving] * 2, [row.low, row.high])
    for row in of.itertuples():
        name = row.Index.removeprefix("dimee, ")
        short = name.removesuffix(SURE) + ("*" if name.endswith(SURE) else "")
        canvas.name(short, [(row.saving, row.drop)], INK)


@look()
def over_prices(rows: pd.DataFrame) -> Figure:
    """Saving above, the drop's one-sided 95 % upper bound below, over prices; a column for each lambda."""
    own = rows[rows["noise"] == 0.0]
    structures = list(own["layers"].unique())  # what drops by more than half a point is not shown below
    figure = page(4.2)
    panels = figure.subplots(2, len(structures), sharex=True, sharey="row")
    for column, layers in zip(panels.T, structures, strict=True):
        part = own[own["layers"] == layers]
        for number, (label, one) in enumerate(part.groupby("policy", sort=False)):
            style = line_of(number) | mark_of(number)
            at = range(len(one))
            column[0].plot(at, 100 * one["saving"], **style, label=str(label))
            column[1].plot(at, 100 * one["bound"], **style)
        column[0].set_title(f"price of a layer: {layers}")
        column[1].axhline(BUDGET, color=INK, linestyle=(0, (1, 1.5)), linewidth=1.0)
        column[1].set_ylim(-0.2, 0.5)
        column[1].set_xticks(range(part["prices"].nunique()), [f"({x})" for x in part["prices"].unique()])
        column[1].set_xlabel("(o_e, o_c), layers")
    panels[0, 0].set_ylabel("saving (%)")
    panels[1, 0].set_ylabel("upper bound of the drop (points)")
    beside(panels[0, -1])
    return figure
