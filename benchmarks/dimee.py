"""DIMEE and its rivals on held-out samples: saving and accuracy against all-cloud, in Markdown; figures on demand.

    python benchmarks/dimee.py [--tiers 2,4] [--splits 5] [--seeds 3] [--jobs 2] [--plots docs/figures]
    python benchmarks/dimee.py --set profile=sst2-mpnet12 --tiers 3,6

Thresholds and routers come from the calibration half at a budget of 0.3 points, kept by the drop's estimate or,
with `, 95 %` behind the name, by its upper bound. Everything told is of samples held out. Intervals, and the
one-sided 95 % upper bound of a drop, count what belongs together (the phrases of a sentence) as one. A star: a
saving above 43 % with a bound below 0.3 points. The test half is simulated too, each sample met once, and held
against the table. Other halves are drawn from the same samples, groups staying whole, so that they overlap:
their range says how much depends on the draw, not more.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dimee_answers import bandits, contenders, geometry, signals, simulated, split, table

import mdisim

BUDGET, SAVING = 0.003, 0.43
OFFLOADS = ((1, 2), (2, 3), (2, 4), (3, 5), (4, 6))
LAYERS = ((1, 1, 1), (1, 0.5, 0.25))
SWEPT = (
    "dimee, centroid", "dimee, probe-drop, 95 %", "oracle-pools, 95 %", "cascade, 95 %", "all-edge", "all-mobile",
)  # fmt: skip
SETTINGS = ("costs=bert-128",)
SLOW = ("cost_mean", "cost_saving", "latency_mean_s", "sent_per_sample_bytes", "energy_per_sample_j")


def markdown(title: str, lines: Iterable[Mapping[str, Any]]) -> str:
    """A titled table."""
    frame = pd.DataFrame(list(lines)).fillna("")
    head = "| " + " | ".join(frame.columns) + " |"
    body = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in frame.itertuples(index=False)]
    return "\n".join((f"**{title}**", "", head, "|" + "---|" * len(frame.columns), *body, ""))


def points(value: float, digits: int = 2) -> str:
    """A share in hundredths."""
    return f"{100 * value:.{digits}f}"


def ranged(values: pd.Series[float], digits: int) -> str:
    """The mean, and the least and the largest."""
    told = (points(value, digits) for value in (values.mean(), values.min(), values.max()))
    return "{} ({} to {})".format(*told)


def met(rows: Any) -> Any:
    """Whether the published headline is reached, the drop by its upper bound."""
    return (rows["saving"] > SAVING) & (rows["bound"] < BUDGET)


def exits(scenario: mdisim.Scenario) -> list[dict[str, str]]:
    """The accuracy of every exit on both halves."""
    halves = {half: scenario.profile.half(half).correct.mean(axis=0) for half in ("calibration", "test")}
    return [
        {"accuracy %": half} | {f"exit {k}": points(x) for k, x in enumerate(means, 1)}
        for half, means in halves.items()
    ]


def headline(rows: pd.DataFrame) -> list[dict[str, str]]:
    """A line a policy on the test half as shipped, and what a random router does with the same shares."""
    lines = []
    there = rows[(rows["split"] < 0) & (rows["way"] == "there")]
    for label, all_of in there.groupby("policy", sort=False):
        one, chance = all_of.iloc[0], all_of[all_of["noise"] == 1.0]
        line = {"policy": str(label), "tiers %": _shares(one)} | _outcome(one)
        if len(chance):
            line["random: saving %; drop"] = (
                f"{points(chance['saving'].item(), 1)}; {points(chance['drop'].item())}"
            )
            line["worth of routing"] = f"{points(one['worth'])} ± {points(one['worth_half'])}"
        lines.append(line)
    return lines


def _outcome(one: pd.Series[Any]) -> dict[str, str]:
    return {
        "saving %": points(one["saving"], 1),
        "drop (95 %)": f"{points(one['drop'])} ({points(one['low'])} to {points(one['high'])})",
        "bound": points(one["bound"]) + (" *" if met(one) else ""),
    }


def _shares(one: pd.Series[Any]) -> str:
    parts = [one[tier] for tier in ("mobile", "edge", "cloud")]
    return " / ".join(points(part, 0) for part in parts) if np.isfinite(parts).all() else ""


def both_ways(rows: pd.DataFrame) -> list[dict[str, str]]:
    """A line a policy on both halves in turn: as shipped, and over other halves the mean and the range."""
    lines = []
    for label, all_of in rows[rows["way"] == "both"].groupby("policy", sort=False):
        own, chance = (all_of[all_of["noise"] == q] for q in (0.0, 1.0))
        one, others = own.iloc[0], own[own["split"] >= 0]
        line = {"policy": str(label)} | _outcome(one) | {"random: drop": "", "worth of routing": ""}
        if len(chance):
            line["random: drop"] = points(chance["drop"].iloc[0])
            line["worth of routing"] = f"{points(one['worth'])} ± {points(one['worth_half'])}"
        if len(others):
            line |= {
                "others: saving %": ranged(others["saving"], 1),
                "others: drop": ranged(others["drop"], 2),
                "worst bound": points(others["bound"].max()),
                "met": f"{int(met(others).sum())} of {len(others)}",
            }
        lines.append(line)
    return lines


def with_noise(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Saving and drop of the shipped halves as routers get worse."""
    lines = []
    shipped = rows[(rows["split"] < 0) & (rows["way"] == "there") & rows["policy"].isin(SWEPT[:3])]
    for label, one in shipped.groupby("policy", sort=False):
        line = {"router": str(label)}
        for row in one.itertuples():
            line[f"q = {row.noise:g}"] = f"{points(row.drop)} (saving {points(row.saving, 1)})"
        lines.append(line)
    return lines


def learners(runs: pd.DataFrame) -> list[dict[str, str]]:
    """A line a bandit, over seeds: mean and range."""
    return [
        {
            "policy": str(label), "saving %": ranged(one["saving"], 1), "drop": ranged(one["drop"], 2),
            "worst bound": points(one["bound"].max()), "met": f"{int(met(one).sum())} of {len(one)}",
        }
        for label, one in runs.groupby("policy", sort=False)
    ]  # fmt: skip


def disagreement(rows: pd.DataFrame, runs: pd.DataFrame) -> dict[str, float]:
    """The largest differences between the table and the runs, on the shipped halves."""
    own = rows[(rows["split"] < 0) & (rows["way"] == "there") & (rows["noise"] == 0.0)].set_index("policy")
    apart = runs.set_index("policy")[["saving", "drop", "bound"]] - own[["saving", "drop", "bound"]]
    return apart.abs().max().to_dict()


def swept(settings: tuple[str, ...], tiers: Mapping[str, int], case: tuple[Any, Any]) -> pd.DataFrame:
    """The contenders at one set of prices, on the shipped halves."""
    (o_e, o_c), layers = case
    prices = [f"devices.{name}.layer_cost={x}" for name, x in zip(("phone", "edge", "cloud"), layers, strict=True)]
    prices += [f"network.links.{i}.offload_cost={x}" for i, x in enumerate((o_e, o_c, o_c - o_e))]
    scenario = mdisim.Scenario.load("dimee-one-by-one", [*settings, *prices])
    stated = {name: parts for name, parts in contenders(tiers).items() if name in SWEPT}
    return table(scenario, None, stated, both=False).assign(
        prices=f"{o_e}, {o_c}", layers=", ".join(f"{x:g}" for x in layers)
    )


def sweep_lines(rows: pd.DataFrame) -> list[dict[str, str]]:
    """A line for each set of prices."""
    lines = []
    for (layers, prices), one in rows[rows["noise"] == 0.0].groupby(["layers", "prices"], sort=False):
        line = {"lambda": str(layers), "o_e, o_c": str(prices)}
        for row in one.itertuples():
            line[row.policy] = f"{points(row.saving, 1)}; {points(row.drop)}"
        lines.append(line)
    return lines


def slow_phone(seeds: int, jobs: int) -> list[dict[str, str]]:
    """Both ledgers where they disagree."""
    runs = mdisim.compare(mdisim.Scenario.load("dimee-slow-phone"), seeds=range(seeds), jobs=jobs).runs
    means = runs.groupby("policy", sort=False)[list(SLOW)].mean().sort_values("cost_mean")
    return [
        {
            "policy": str(label), "layers' worth": f"{row.cost_mean:.1f}", "saving %": points(row.cost_saving, 0),
            "latency (ms)": f"{1e3 * row.latency_mean_s:.0f}", "bytes": f"{row.sent_per_sample_bytes:,.0f}",
            "joules": f"{row.energy_per_sample_j:.2f}",
        }
        for label, row in zip(means.index, means.itertuples(), strict=True)
    ]  # fmt: skip


def spread(work: Any, cases: Iterable[Any], jobs: int) -> pd.DataFrame:
    """The tables of all cases, one below the other."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        return pd.concat(list(pool.map(work, cases)), ignore_index=True)


def of_split(settings: tuple[str, ...], tiers: Mapping[str, int], seed: int | None) -> pd.DataFrame:
    """Every contender on one pair of halves."""
    return table(mdisim.Scenario.load("dimee-one-by-one", settings), seed, contenders(tiers))


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiers", default="2,4", help="the exits of mobile and edge, from 1")
    parser.add_argument("--splits", type=int, default=5, help="how many other pairs of halves")
    parser.add_argument("--seeds", type=int, default=3, help="of bandits; 0 leaves all runs out")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="as of mdisim")
    parser.add_argument("--sweep", action="store_true", help="prices too, and the scenario of the slow phone")
    parser.add_argument("--plots", type=Path, help="a folder for the figures")
    asked = parser.parse_args()
    settings = (*SETTINGS, *asked.set)
    tiers = dict(zip(("mobile_exit", "edge_exit"), map(int, asked.tiers.split(",")), strict=True))
    scenario = mdisim.Scenario.load("dimee-one-by-one", settings)
    name = f"{scenario.profile.name}, tiers {asked.tiers},{scenario.profile.n_exits}"
    print(markdown(f"Exits of {name}", exits(scenario)), flush=True)
    rows = spread(partial(of_split, settings, tiers), (None, *range(asked.splits)), asked.jobs)
    print(markdown(f"Saving, and drop in points: the test half, {name}", headline(rows)), flush=True)
    print(markdown(f"Both ways: each half judged by what the other planned, {name}", both_ways(rows)), flush=True)
    print(markdown("A router that errs: drop in points, and saving in %", with_noise(rows)), flush=True)
    told = [{k: f"{v:.3f}" if isinstance(v, float) else v for k, v in s.items()} for s in signals(scenario, tiers)]
    print(markdown("What can be told before computing: area under the ROC curve", told), flush=True)
    for what, value in geometry(scenario, tiers).items():
        print(f"{what}: {value:.3f}\n")
    facts: dict[str, Any] = {"profile": scenario.profile.name, "tiers": asked.tiers, "rows": records(rows)}
    runs = prices = pd.DataFrame()
    if asked.seeds:
        world = split(scenario, None)
        same = simulated(world, scenario, contenders(tiers), range(1, 2))
        facts["table_minus_runs"] = disagreement(rows, same)
        print(f"Table and runs differ by at most {facts['table_minus_runs']}\n", flush=True)
        runs = simulated(world, scenario, bandits(tiers), range(1, asked.seeds + 1))
        print(markdown(f"Bandits, {asked.seeds} seeds", learners(runs)), flush=True)
        facts["bandits"] = records(runs)
    if asked.sweep:
        prices = spread(partial(swept, settings, tiers), product(OFFLOADS, LAYERS), asked.jobs)
        print(markdown("Prices: saving in %; drop in points", sweep_lines(prices)), flush=True)
        print(markdown("Both ledgers, dimee-slow-phone", slow_phone(5, asked.jobs)), flush=True)
        facts["prices"] = records(prices)
    if asked.plots:
        import dimee_figures as figures

        figures.draw(asked.plots, scenario.profile.name, rows, runs, prices)
    print(json.dumps(facts))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain data, five digits a number."""
    short = {name: frame[name].map(lambda x: float(f"{x:.5g}")) for name in frame.select_dtypes(np.floating)}
    return frame.assign(**short).astype(object).where(frame.notna(), None).to_dict("records")


if __name__ == "__main__":
    main()
