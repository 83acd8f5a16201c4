"""Three tiers under load: latency, accuracy and in-time accuracy against the arrival rate, in Markdown.

    python benchmarks/tier_load.py [--seeds 5] [--plot docs/figures/tier-load.png]

Drop is against the last exit on the same answered samples, so that it is known where all-cloud is overloaded, too.
A rate is held if every run is stable, the mean of the 95th percentiles of latency is at most the limit, and the
drop is not shown to be above 0.3 points (its 95 % interval over seeds reaches down to them), there and at every
lower rate. Beyond its first rate with overloaded runs alone a policy is not followed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

import mdisim
from mdisim import metrics
from mdisim.policies import Policy
from mdisim.world import World, setting

SCENARIO = "dimee-load"
SAMPLES, WARMUP_S = 4000, 3  # of a run, about
RATES = (5, 10, 20, 40, 60, 80, 120, 160, 200, 220, 240, 260, 280, 300, 320)
BURSTS = (10, 60, 80, 120)  # means of one second in four
BUDGET, LIMIT_S = 0.003, 0.2
WEIGHTS_S = (0.05, 0.2, 1.0)
POLICIES: dict[str, dict[str, Any]] = {
    "all-cloud": {"name": "all-cloud"},
    "dimee": {"name": "dimee"},
    **{f"load-aware {w:g} s": {"name": "dimee", "load_weight_s": w} for w in WEIGHTS_S},
    "guarded": {"name": "dimee", "mode": "guarded"},
    "all-edge": {"name": "all-edge"},
    "all-mobile": {"name": "all-mobile"},
    "cascade": {"name": "cascade"},
}
POISSON, BURSTY = "{{kind: poisson, rate: {0}/s}}", "{{kind: on-off, rate: {1}/s, on: 1 s, off: 3 s}}"


def measured(world: World, policy: Policy, seed: int) -> dict[str, float | str]:
    """One run: its verdict, latency, what is right, and what the last exit would have had right besides."""
    run = mdisim.simulate(world, policy, seed)
    tasks = run.tasks[metrics.answered(run)]
    outputs = world.samples.outputs
    best = (outputs.prediction[:, -1] == outputs.label)[tasks["sample"].to_numpy()]
    found = run.summary()
    names = ("verdict", "latency_mean_s", "latency_p95_s", "accuracy", "in_time_accuracy")
    return {name: found[name] for name in names} | {"drop": float((best - tasks["correct"].astype(float)).mean())}


def swept(arrivals: str, rates: tuple[int, ...], seeds: int) -> pd.DataFrame:
    """One row for each policy, rate and seed, up to a policy's first rate without a stable run."""
    policies: dict[str, Policy] = {}
    rows: list[dict[str, Any]] = []
    for rate in rates:
        window = (f"run.duration={WARMUP_S + SAMPLES / rate:g} s", f"run.warmup={WARMUP_S} s")
        scenario = mdisim.Scenario.load(
            SCENARIO, [f"workload.0.arrivals={arrivals.format(rate, 4 * rate)}", *window]
        )
        world = scenario.build()
        if not rows:
            at = setting(world)
            policies = {label: scenario.recipe(recipe).build(at) for label, recipe in POLICIES.items()}
        for label, policy in list(policies.items()):
            runs = [measured(world, policy, seed) for seed in range(seeds)]
            rows += [{"policy": label, "rate": rate, "seed": seed, **run} for seed, run in enumerate(runs)]
            if all(run["verdict"] == "overloaded" for run in runs):
                del policies[label]
    return pd.DataFrame(rows)


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Over the seeds, and the share of them that are stable."""
    known = rows.assign(stable=rows["verdict"] == "stable").drop(columns=["verdict", "seed"])
    by = known.groupby(["policy", "rate"], sort=False)
    low = by["drop"].mean() - half_width(by["drop"])
    return by.mean().assign(drop_low=low).reset_index()


def half_width(values: Any) -> Any:
    """That of the 95 % Student t interval of a mean, of a column or of groups."""
    n = values.count()
    return stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n)


def interval(values: pd.Series[float], scale: float, digits: int) -> str:
    """Mean and half width of the 95 % Student t interval."""
    if values.count() < 2:
        return "nothing answered"
    return f"{scale * values.mean():.{digits}f} ± {scale * half_width(values):.{digits}f}"


def held(found: pd.DataFrame, *, latency: bool, accuracy: bool) -> str:
    """The largest rate that is held, the lower ones being held as well."""
    best = "none"
    for row in found.itertuples():
        late, wrong = row.latency_p95_s > LIMIT_S, row.drop_low > BUDGET
        if row.stable < 1.0 or (latency and late) or (accuracy and wrong):
            break
        best = f"{row.rate}/s"
    return best


def largest(rows: pd.DataFrame) -> str:
    lines = ["| policy | stable | p95 within 200 ms | and drop within 0.3 points | drop |",
             "|---|---|---|---|---|"]  # fmt: skip
    for label, found in means(rows).groupby("policy", sort=False):
        stable = rows[(rows["policy"] == label) & (rows["verdict"] == "stable")]
        drop = interval(stable.groupby("seed")["drop"].mean(), 100, 2) if len(stable) else ""
        kept = [held(found, latency=late, accuracy=right) for late, right in ((0, 0), (1, 0), (1, 1))]
        lines.append(f"| {label} | {' | '.join(kept)} | {drop} |")
    return "\n".join(lines)


def table(rows: pd.DataFrame, rates: tuple[int, ...]) -> str:
    """What each policy achieves at some rates."""
    lines = ["| rate | policy | stable runs | mean (ms) | p95 (ms) | drop (points) | in-time accuracy (%) |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for (rate, label), one in rows[rows["rate"].isin(rates)].groupby(["rate", "policy"], sort=False):
        stable = int((one["verdict"] == "stable").sum())
        cells = [f"{rate}/s", str(label), f"{stable} of {len(one)}", interval(one["latency_mean_s"], 1e3, 0)]
        cells += [interval(one["latency_p95_s"], 1e3, 0), interval(one["drop"], 100, 2)]
        lines.append(f"| {' | '.join(cells)} | {interval(one['in_time_accuracy'], 100, 1)} |")
    return "\n".join(lines)


def plot(rows: pd.DataFrame, path: Path) -> None:
    """Latency, drop and in-time accuracy over the rate, the first two where most runs are stable."""
    from matplotlib.ticker import FuncFormatter

    from mdisim.report import look, save
    from mdisim.report.style import PALE, line_of, mark_of, page

    panels = {
        "latency_p95_s": ("p95 latency (ms)", 1e3),
        "drop": ("drop (points)", 100.0),
        "in_time_accuracy": ("right and in time (%)", 100.0),
    }
    with look():
        figure = page(2.9)
        axes = figure.subplots(1, 3)
        for ax, (measure, (title, scale)) in zip(axes, panels.items(), strict=True):
            for number, (label, found) in enumerate(means(rows).groupby("policy", sort=False)):
                told = found if measure == "in_time_accuracy" else found[found["stable"] > 0.5]
                ax.plot(
                    told["rate"], scale * told[measure], label=label, **line_of(number), **_mark(mark_of(number))
                )
            ax.set(title=title, xlabel="sentences per second")
        axes[0].set(yscale="log", ylim=(20, 2000), yticks=[20, 50, 100, 200, 500, 1000, 2000])
        axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes[0].minorticks_off()
        axes[0].axhline(1e3 * LIMIT_S, color=PALE, linewidth=0.8)
        axes[1].axhline(100 * BUDGET, color=PALE, linewidth=0.8)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5)
        save(figure, path)


def _mark(style: dict[str, Any]) -> dict[str, Any]:
    """The mark alone, small: the line has the colour."""
    return {name: value for name, value in style.items() if name != "color"} | {"markersize": 3.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    poisson = swept(POISSON, RATES, given.seeds)
    print(f"Largest rate held\n\n{largest(poisson)}\n\nPoisson\n\n{table(poisson, (10, 60, 120, 200, 240, 280))}")
    if given.plot:
        plot(poisson, given.plot)
    bursty = swept(BURSTY, BURSTS, given.seeds)
    print(f"\nBursts\n\n{table(bursty, BURSTS)}")


if __name__ == "__main__":
    main()
