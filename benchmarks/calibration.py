"""What calibrated confidences gain and cost in offloading: tables in Markdown, figures on demand.

    python benchmarks/calibration.py [--seeds 5] [--jobs 2] [--plots docs/figures]

Without queues everything follows from the test half's answers and the unloaded times, one image at a time, and
runs are held against it. Intervals there are percentiles of resampled test halves (95 %); the calibration half
stays as it is. With queues they are Student's t over seeds. A batch has 512 images.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibration_answers import (
    CUT,
    DEADLINES_S,
    DRAWS,
    MANY,
    MODES,
    Floats,
    answers,
    calibrated,
    deadline_curves,
    missed,
    missed_band,
    partition,
    promises,
)
from numpy.random import Generator
from scipy.special import stdtrit

import mdisim
from mdisim.calibration import calibrate, exit_rows, outage, stops_at
from mdisim.world import World

PROFILES = ("cifar10-overconfident", "cifar10-overconfident-noise20", "cifar10-overconfident-blur1")
TARGETS = np.linspace(0.5, 0.95, 10).round(2)
LATE_S = np.array([0.045, 0.055, 0.065, 0.075])
SHOWN = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95)
NETWORKS = {
    "3G, 1.1 Mbit/s": ("calibration", ("network.link.rate=1.1 Mbps",)),
    "4G, 5.85 Mbit/s": ("calibration", ("network.link.rate=5.85 Mbps",)),
    "WiFi, 18.8 Mbit/s": ("calibration", ()),
    "WAN, 93.6 Mbit/s, 10 ms": ("calibration-wan", ()),
    "WAN, 73.3 Mbit/s, 180 ms": (
        "calibration-wan", ("network.links.1.rate=73.3 Mbps", "network.links.1.latency=90 ms"),
    ),
    "WAN, 60 Mbit/s, 216 ms": (
        "calibration-wan", ("network.links.1.rate=60 Mbps", "network.links.1.latency=108 ms"),
    ),
}  # fmt: skip
RATES = (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22)
LOADS = {"latency_mean_s": 1e3, "latency_p95_s": 1e3, "channel_utilisation_max": 100.0, "in_time_accuracy": 100.0}
QUEUED = ("on_device_share", "device_accuracy", "outage_probability", *LOADS)


# --- tables without queues


def cell(found: Iterable[float], digits: int, scale: float = 1.0) -> str:
    value, low, high = (scale * x for x in found)
    return f"{value:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def eces(worlds: Mapping[str, World], rng: Generator) -> list[dict[str, str]]:
    lines = []
    for (name, world), mode in product(worlds.items(), MODES):
        said, _ = calibrated(world, mode, 0.9)
        rows = exit_rows(said.confidence, said.prediction == said.label[:, None], p_tar=0.9, rng=rng, draws=DRAWS)
        cells = [cell((r["ece"], r["ece_low"], r["ece_high"]), 1, 100) for r in rows]
        lines.append({"profile": name, "confidences": mode} | {f"exit {k}": c for k, c in enumerate(cells, 1)})
    return lines


def kept(found: Mapping[tuple[str, float], Floats]) -> list[dict[str, str]]:
    """P_dev, accuracy on the device and outage at some targets."""
    lines = []
    for p, mode in product(SHOWN, MODES):
        share, accuracy, outages = found[mode, p]
        cells = {"P_dev %": cell(share, 1, 100), "Acc_dev %": cell(accuracy, 1, 100), "outage": cell(outages, 2)}
        lines.append({"p_tar": f"{p:g}", "confidences": mode} | cells)
    return lines


def checked(world: World, seeds: range, jobs: int, rng: Generator) -> list[dict[str, str]]:
    """The closed form beside the shuffled test half, as the papers count, and runs of the simulator."""
    lines = []
    for p, mode in product((0.8, 0.85, 0.9), MODES):
        said = answers(world, mode, p)
        shuffled = outage.outage_probability(said.correct, said.on_device, p, rng=rng)
        scenario = mdisim.Scenario.load("calibration", [f"policy.p_tar={p}", "run.duration=2 h"])
        runs = mdisim.compare(scenario, {mode: partition(mode, p)}, seeds, jobs).runs
        lines.append({
            "p_tar": f"{p:g}", "confidences": mode,
            "closed form": f"{said.promise()[2]:.3f}", "test half, shuffled": f"{shuffled.value:.3f}",
            "simulated": interval(runs["outage_probability"], 1, 3),
            "mean time, closed (ms)": f"{1e3 * said.time_s.mean():.2f}",
            "simulated (ms)": interval(runs["latency_mean_s"], 1e3, 2),
        })  # fmt: skip
    return lines


def interval(values: pd.Series[float], scale: float, digits: int) -> str:
    """Mean and half width of the 95 % Student t interval."""
    n = len(values)
    half = stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n)
    return f"{scale * values.mean():.{digits}f} ± {scale * half:.{digits}f}"


def late(world: World, rng: Generator) -> list[dict[str, str]]:
    """Missed deadlines over p_tar and t_tar, with the device's accuracy."""
    lines = []
    for p in (0.8, 0.85, 0.9, 0.95):
        bands = {mode: missed_band(answers(world, mode, p), LATE_S, True, rng) for mode in MODES}
        for i, t_s in enumerate(LATE_S):
            cells = {mode: cell(band[:, i], 2) for mode, band in bands.items()}
            lines.append({"p_tar": f"{p:g}", "t_tar (ms)": f"{1e3 * t_s:.0f}"} | cells)
    return lines


def networks(p_tar: float, rng: Generator) -> list[dict[str, str]]:
    """Mean times on each network, and from which deadline on per-exit misses fewer than conventional."""
    lines = []
    for name, (scenario, changes) in NETWORKS.items():
        world = mdisim.Scenario.load(scenario, changes).build()
        said = {mode: answers(world, mode, p_tar) for mode in MODES}
        grid = np.linspace(0.0, 2 * said["per-exit"].time_s.mean(), 2001)
        curves = {mode: missed(one, grid, True, MANY, rng) for mode, one in said.items()}
        ahead = np.flatnonzero(curves["per-exit"] < curves["conventional"])
        lines.append(
            {"network": name}
            | {f"mean time, {mode} (ms)": f"{1e3 * one.time_s.mean():.1f}" for mode, one in said.items()}
            | {"curves cross at (ms)": f"{1e3 * grid[ahead[0]]:.1f}" if len(ahead) else "never"}
            | {f"floor, {mode}": f"{curve[-1]:.2f}" for mode, curve in curves.items()}
        )
    return lines


def markdown(title: str, lines: Iterable[Mapping[str, Any]]) -> str:
    frame = pd.DataFrame(list(lines))
    head = "| " + " | ".join(frame.columns) + " |"
    body = ["| " + " | ".join(str(x) for x in row) + " |" for row in frame.itertuples(index=False)]
    return "\n".join((f"**{title}**", "", head, "|" + "---|" * len(frame.columns), *body, ""))


# --- with queues


def capacities(p_tar: float) -> list[dict[str, str]]:
    """What the phones' cores and the channel could carry, in images per second of all phones."""
    world = mdisim.Scenario.load("calibration-queues").build()
    phones = len(world.sources)
    core_s = np.cumsum(world.stage_s[0] + world.head_s[0])
    sent_s = 8 * world.out_bytes[CUT] / world.links[0].rate.mean_bps()
    lines = []
    for mode in MODES:
        outputs, threshold = calibrated(world, mode, p_tar)
        stop = stops_at(outputs.confidence, threshold, CUT)
        busy_s = core_s[np.minimum(stop, CUT - 1)].mean()
        channel = f"{1 / (sent_s * (stop >= CUT).mean()):.0f}"
        lines.append({"confidences": mode, "phones": f"{phones / busy_s:.0f}", "channel": channel})
    return lines


def loaded(seeds: range, jobs: int) -> pd.DataFrame:
    """Every run's measures by rate, policy and seed; those of a system that does not keep up are NaN."""
    tables = []
    for rate in RATES:
        scenario = mdisim.Scenario.load("calibration-queues", [f"workload.0.arrivals.rate={rate}/s"])
        runs = mdisim.compare(scenario, seeds=seeds, jobs=jobs).runs
        stable = (runs["verdict"] == "stable").groupby(runs["policy"]).transform("all")
        delays = [name for name in QUEUED if name != "in_time_accuracy" and name != "channel_utilisation_max"]
        tables.append(runs[["policy", "seed", *QUEUED]].assign(rate=4 * rate))
        tables[-1].loc[~stable, delays] = np.nan
    return pd.concat(tables, ignore_index=True)


def queue_lines(runs: pd.DataFrame, measure: str, scale: float, digits: int) -> list[dict[str, str]]:
    lines = []
    for rate, at_rate in runs.groupby("rate"):
        by_seed = at_rate.pivot(index="seed", columns="policy", values=measure)[runs["policy"].unique()]
        cells = {p: interval(v, scale, digits) if v.notna().all() else "-" for p, v in by_seed.items()}
        lines.append({"images/s": f"{rate:g}"} | cells)
    return lines


def draw(folder: Path, found: Mapping[str, Mapping[tuple[str, float], Floats]], world: World, runs: pd.DataFrame,
         rng: Generator) -> None:  # fmt: skip
    import calibration_figures as figures

    from mdisim.report.calibration import promise, reliability

    fitted = calibrate(
        world.calibration.outputs, mode="per-exit", p_tar=0.9, device_exits=CUT, cloud_fallback="final"
    )
    figures.write(reliability(world.samples.outputs, fitted)[0, 0].figure, folder / "calibration-reliability.png")
    for name, of in zip(("promise", "promise-noise20", "promise-blur1"), found.values(), strict=True):
        share, accuracy, outages = (
            {mode: np.array([of[mode, p][i] for p in TARGETS]).T for mode in MODES} for i in range(3)
        )
        axes = promise(TARGETS, accuracy, outages, share)
        figures.write(axes[0].figure, folder / f"calibration-{name}.png")
    curves = deadline_curves(world, rng)
    figures.write(figures.deadlines(DEADLINES_S, curves), folder / "calibration-deadline.png")
    figures.write(figures.queues(runs), folder / "calibration-queues.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--plots", type=Path, help="a folder for the figures")
    asked = parser.parse_args()
    seeds, rng = range(asked.seeds), np.random.default_rng(1)
    worlds = {name: mdisim.Scenario.load("calibration", [f"profile={name}"]).build() for name in PROFILES}
    print(markdown("ECE in %, test half, p_tar 0.9", eces(worlds, rng)), flush=True)
    found = {
        name: {(mode, p): promises(answers(world, mode, p), rng) for mode, p in product(MODES, TARGETS)}
        for name, world in worlds.items()
    }
    for name, of in found.items():
        print(markdown(f"The promise, {name}", kept(of)), flush=True)
    world = worlds[PROFILES[0]]
    lines = checked(world, seeds, asked.jobs, rng)
    print(markdown("Closed form, shuffled test half, simulated", lines), flush=True)
    print(markdown("Missed deadlines", late(world, rng)), flush=True)
    for p_tar in (0.85, 0.9):
        print(markdown(f"Networks, p_tar {p_tar}", networks(p_tar, rng)), flush=True)
    print(markdown("With queues: images per second that could be carried", capacities(0.9)), flush=True)
    runs = loaded(seeds, asked.jobs)
    for measure in QUEUED:
        scale = LOADS.get(measure, 1.0 if measure == "outage_probability" else 100.0)
        print(markdown(f"With queues: {measure}", queue_lines(runs, measure, scale, 2 if scale == 1 else 1)))
    if asked.plots:
        draw(asked.plots, found, world, runs, rng)


if __name__ == "__main__":
    main()
