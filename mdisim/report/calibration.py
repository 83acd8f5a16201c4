"""Calibration as figures: how far each exit's confidences may be trusted, and which promises are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from mdisim.calibration import CalibratedExits, Diagram, diagram, reaches
from mdisim.calibration.reliability import BINS
from mdisim.policies.scores import Outputs
from mdisim.profiles import Profile
from mdisim.report.style import INK, PALE, WIDTH_IN, FigureError, beside, line_of, look, page

Panels = NDArray[Any]
LEAST_IN, MOST_IN = 1.15, 2.0  # a panel's width
MARGIN_IN = 0.65
WIDE = 3  # panels, above which the legend is one line
FEW = 10  # samples, below which a bin is drawn pale
BAR = "#9fb8d3"
OVER: dict[str, Any] = {"facecolor": to_rgba("#d55e00", 0.35), "edgecolor": "#d55e00", "hatch": "////"}
UNDER: dict[str, Any] = {"facecolor": to_rgba("#0b3c5d", 0.35), "edgecolor": "#0b3c5d", "hatch": r"\\\\"}
IDEAL: dict[str, Any] = {"color": INK, "linestyle": (0, (4, 2)), "linewidth": 0.8}


@look()
def reliability(
    given: Profile | Outputs,
    calibrated: CalibratedExits | None = None,
    *,
    bins: int = BINS,
    exits: Sequence[int] | None = None,
    reached_at: float | None = None,
    device_exits: int | None = None,
    axes: ArrayLike | None = None,
) -> Panels:
    """Draw a reliability diagram for each exit; with `calibrated`, before in one row and after in the next.

    Of a profile the test half is drawn, of outputs all samples; with `reached_at` only those that reach the
    exit where that is the threshold of the exits before it, `device_exits` of which are on the device. In each
    panel, for `bins` equal bins of confidence, the bars are the share that is right, and the hatched gap ends
    at the bin's mean confidence: above the bar the exit is over-confident, within it under-confident; bins of
    fewer than 10 samples are pale. Above is how many samples each bin has, to a scale of its own; within the
    panel stands the ECE. `exits` count from 1, all if left out. `axes` are one for each row and exit; they are
    returned as [rows, exits]. Raises a FigureError where exits or axes do not fit.
    """
    outputs = _test_half(given) if isinstance(given, Profile) else given
    rows = {"": outputs} if calibrated is None else {"before": outputs, "after": calibrated.calibrated(outputs)}
    chosen = _chosen(exits, outputs.confidence.shape[1])
    panels = _panels(axes, len(rows), len(chosen))
    for (name, said), line in zip(rows.items(), panels, strict=True):
        counts = np.ones(said.confidence.shape, dtype=bool)
        if reached_at is not None:
            counts = reaches(said.confidence, reached_at, device_exits)
        for k, ax in zip(chosen, line, strict=True):
            _panel(ax, said, k - 1, counts[:, k - 1], bins)
        line[0].set_ylabel(f"{name}\nshare right" if name else "share right")
    for k, ax in zip(chosen, panels[0], strict=True):
        ax.child_axes[0].set_title(f"exit {k}")
    for ax in panels[-1]:
        ax.set_xlabel("confidence")
    if axes is None:
        _alone(panels)
    return panels


def _test_half(profile: Profile) -> Outputs:
    test = profile.half("test")
    if not test.n:
        raise FigureError(f"{profile.name} has no test samples; a profile with some, or outputs, would do")
    said, label = test.prediction.astype(np.int64), test.label.astype(np.int64)
    return Outputs(test.logits, test.confidence, said, label)


def _chosen(exits: Sequence[int] | None, there: int) -> list[int]:
    chosen = list(range(1, there + 1)) if exits is None else list(exits)
    if not chosen or not all(1 <= k <= there for k in chosen):
        raise FigureError(f"exits are {chosen}; some of 1 to {there} would do")
    return chosen


def _panels(axes: ArrayLike | None, rows: int, columns: int) -> Panels:
    """The axes that were given, or those of a new figure, [rows, columns]."""
    if axes is None:
        size_in = min(MOST_IN, max(LEAST_IN, (WIDTH_IN - MARGIN_IN) / columns))
        around_in = 1.05 if columns > WIDE else 1.5
        figure = page(rows * 1.2 * (size_in - 0.2) + around_in, max(size_in * columns + MARGIN_IN, 3.2))
        return np.asarray(figure.subplots(rows, columns, squeeze=False))
    found = np.asarray(axes, dtype=object)
    if found.size != rows * columns:
        raise FigureError(f"{found.size} axes for {rows} x {columns} diagrams; {rows * columns} would do")
    return found.reshape(rows, columns)


def _panel(ax: Axes, said: Outputs, k: int, counts: NDArray[np.bool_], bins: int) -> None:
    """The diagram of one exit over the samples that count, and how they are spread above it."""
    ax.plot([0, 1], [0, 1], **IDEAL)
    ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], axisbelow=True)
    ax.set_box_aspect(1)
    above = ax.inset_axes((0.0, 1.03, 1.0, 0.2), sharex=ax)
    above.set_axis_off()
    if not counts.any():
        _say(ax, "no samples")
        return
    found = diagram(said.confidence[counts, k], (said.prediction[:, k] == said.label)[counts], bins=bins)
    _bars(ax, found)
    above.bar(found.edges[:-1], found.count, np.diff(found.edges), align="edge", color=PALE, edgecolor="white",
              linewidth=0.4)  # fmt: skip
    error = float(np.nansum(np.abs(found.gap) * found.count)) / int(found.count.sum())
    _say(ax, f"ECE {100 * error:.1f} %")


def _say(ax: Axes, text: str) -> None:
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
    ax.text(0.05, 0.95, text, transform=ax.transAxes, va="top", fontsize=7.5, bbox=behind)


def _bars(ax: Axes, found: Diagram) -> None:
    """The bars of accuracy in the bins that have samples, with the gaps to the mean confidence."""
    for number in np.flatnonzero(found.count):
        left, width = found.edges[number], found.edges[number + 1] - found.edges[number]
        right, gap = found.accuracy[number], found.gap[number]
        pale: dict[str, Any] = {"alpha": 0.35} if found.count[number] < FEW else {}
        ax.bar(left, right, width, align="edge", color=BAR, edgecolor="white", linewidth=0.4, **pale)
        style = OVER if gap > 0 else UNDER
        ax.bar(left, gap, width, bottom=right, align="edge", linewidth=0.5, **style, **pale)


def _alone(panels: Panels) -> None:
    """Numbers at the outer axes only, and a legend below all panels."""
    for ax in panels[:, 1:].flat:
        ax.tick_params(labelleft=False)
    for ax in panels[:-1].flat:
        ax.tick_params(labelbottom=False)
    handles = [
        Patch(facecolor=BAR, label="share right"),
        Patch(label="over-confident by", **OVER),
        Patch(label="under-confident by", **UNDER),
        Line2D([], [], label="as it should be", **IDEAL),
        Patch(facecolor=PALE, label="samples"),
    ]
    columns = len(handles) if panels.shape[1] > WIDE else 2
    panels[0, 0].get_figure().legend(handles=handles, loc="outside lower center", ncols=columns)


@look()
def promise(
    p_tar: ArrayLike,
    device_accuracy: Mapping[str, ArrayLike],
    outage: Mapping[str, ArrayLike],
    on_device: Mapping[str, ArrayLike] | None = None,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw what becomes of the promise over `p_tar` [m], one line for each calibration in the mappings.

    The panels, which are returned: with `on_device`, the share that the device answers; the device's accuracy
    with the line of what is promised, y = p_tar; the outage probability. All are shares from 0 to 1, by name
    either values [m], or values, low and high ends of intervals [3, m]; NaN is left out. Raises a FigureError
    where shapes or axes do not fit.
    """
    at = np.atleast_1d(np.asarray(p_tar, dtype=float))
    drawn = {"accuracy on the device": device_accuracy, "outage probability": outage}
    if on_device is not None:
        drawn = {"answered on the device": on_device, **drawn}
    names = list(dict.fromkeys(name for lines in drawn.values() for name in lines))
    panels = list(page(2.3).subplots(1, len(drawn))) if axes is None else list(axes)
    if len(panels) != len(drawn):
        raise FigureError(f"{len(panels)} axes for {len(drawn)} panels; {len(drawn)} would do")
    for ax, (title, lines) in zip(panels, drawn.items(), strict=True):
        for name, values in lines.items():
            _curve(ax, at, values, name, line_of(names.index(name)))
        ax.set(title=title, xlabel="p_tar")
        ax.margins(x=0.0)
    promised: dict[str, Any] = {"color": PALE, "linewidth": 2.0, "zorder": 1, "label": "promised"}
    panels[-2].plot(at, at, **promised)
    panels[-1].plot([], [], **promised)  # for the legend
    panels[-1].set_ylim(-0.02, 1.02)
    beside(panels[-1])
    return panels


def _curve(ax: Axes, at: NDArray[np.float64], values: ArrayLike, name: str, style: Mapping[str, Any]) -> None:
    """One line, with a band where there are intervals."""
    found = np.asarray(values, dtype=float)
    if found.shape not in ((len(at),), (3, len(at))):
        raise FigureError(f"{name!r} is {found.shape}; {len(at)} values, or 3 x {len(at)} with ends, would do")
    value, *ends = found if found.ndim == 2 else [found]
    ax.plot(at, value, label=name, **style)
    if ends:
        ax.fill_between(at, *ends, color=style["color"], alpha=0.18, linewidth=0.0)
