"""Runs and comparisons made by hand for the tests of figures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

import numpy as np
import pandas as pd
from made_runs import made_run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from mdisim.experiments.comparison import Comparison
from mdisim.results import Run

LONG = "a policy with a name that is far longer than anybody would wish"


def answering(
    late_s: Sequence[float] = (),
    exits: Sequence[int] = (),
    devices: Sequence[str] = (),
    *,
    names: Sequence[str] = ("d0", "d1"),
    links: Sequence[tuple[str, int, float]] = (("d0 -> d1", 0, 0.25), ("d1 -> d0", 0, 0.5)),
    deadline_s: float = inf,
    policy: str = "by-hand",
) -> Run:
    """A run of samples that came at 50 s and took `late_s`, each at an exit (1) and on a device (d0).

    `links` are their name, channel and utilisation; the devices' utilisations are 0, 0.1 and so on.
    """
    base = made_run([50.0] * len(late_s), policy=policy)
    tasks = base.tasks.assign(
        done_s=50.0 + np.asarray(late_s, dtype=float),
        exit=list(exits) or 1,
        device=pd.Categorical(list(devices) or ["d0"] * len(late_s), list(names)),
    )
    return replace(
        base,
        tasks=tasks,
        devices=pd.DataFrame({"device": list(names), "utilisation": 0.1 * np.arange(len(names))}),
        links=pd.DataFrame(list(links), columns=["link", "channel", "utilisation"]),
        sources=pd.DataFrame({"source": ["d0"], "deadline_s": [deadline_s]}),
    )


def compared(values: Mapping[str, Mapping[str, Sequence[float]]]) -> Comparison:
    """A comparison of policies by label: of each measure, the values by seed."""
    rows = [
        pd.DataFrame(columns).assign(policy=label, seed=range(len(next(iter(columns.values())))))
        for label, columns in values.items()
    ]
    return Comparison(pd.concat(rows, ignore_index=True), {label: {"policy": label} for label in values})


def many(n: int = 15, seeds: int = 3) -> Comparison:
    """A comparison of policies that are all near to one another, every third with a long name."""
    rng = np.random.default_rng(1)
    return compared(
        {
            f"policy-{i}" if i % 3 else f"{LONG}, number {i}": {
                "throughput_per_s": 30.0 + i % 4 + rng.normal(0.0, 1.0, seeds),
                "accuracy": 0.8 + 0.01 * rng.random(seeds),
                "latency_p95_s": rng.random(seeds),
                "device_utilisation_mean": rng.random(seeds),
                "device_utilisation_max": rng.random(seeds),
                "channel_utilisation_max": rng.random(seeds),
            }
            for i in range(n)
        }
    )


def drawn(ax):
    """The figure of the axes, drawn as a picture would be."""
    figure = ax.get_figure(root=True)
    FigureCanvasAgg(figure).draw()
    return figure


def boxes(ax, texts):
    """Where these texts are once the figure is drawn, in pixels; a line that leads to one is no part of it."""
    renderer = drawn(ax).canvas.get_renderer()
    return [Text.get_window_extent(text, renderer) for text in texts]


def empty_axes(width_in: float = 6.9, height_in: float = 3.0):
    return Figure(figsize=(width_in, height_in), layout="constrained").add_subplot()
