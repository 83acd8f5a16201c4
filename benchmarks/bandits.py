"""What bandits pay for learning: regret against the best fixed arm on the text profile's test half, in Markdown.

    python benchmarks/bandits.py [--seeds 20] [--plot docs/figures/bandits.png]

Each sentence comes once, shuffled by the seed, and is answered before the next one (`dimee-one-by-one`). First the
published constants, then prices of a layer from 0.002 to 0.1, and what each arm alone would be. Regret is the
pseudo regret of `mdisim.regret`: it grows by the difference of two arms' mean rewards, whichever sample it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

import mdisim
from mdisim import regret
from mdisim.policies import Policy
from mdisim.world import World, setting

SCENARIO = "dimee-one-by-one"
BANDITS = (
    "split-ee", "split-ee-s", "i-split-ee", "ada-ee", "cee-bert", "cee-bert-2", "uee-ucb", "queue-aware",
    "queue-linear",
)  # fmt: skip
PRICES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # of a layer, in units of confidence
SWEPT: dict[str, Callable[[float], dict[str, Any]]] = {  # o = 1 and 5 layers; UEE-UCB has no offload
    "split-ee": lambda price: {"name": "split-ee", "mu": price / 0.1},
    "i-split-ee": lambda price: {"name": "i-split-ee", "mu": price / 0.1},
    "uee-ucb": lambda price: {"name": "uee-ucb", "cost_weight": 6.0 * price},
}
SWEEP_SEEDS = 3
POINTS = 300  # of a curve
Floats = NDArray[np.float64]
LayOut = Callable[[str | dict[str, Any]], Policy]


class Learnt(NamedTuple):
    """One bandit over the seeds: `pseudo` [seeds, POINTS] after so many `rounds`, and what is told of it."""

    rounds: NDArray[np.int64]
    pseudo: Floats
    at_random: float  # regret of a round if arms were drawn evenly
    best: str
    arms: int
    last: Floats
    on_best: Floats  # share of rounds
    on_best_late: Floats  # in the last tenth
    accuracy: Floats
    saving: Floats


def learnt(world: World, policy: Policy, seeds: Sequence[int]) -> Learnt:
    """Let a bandit learn, a run for each seed. The queue is always empty: of several levels the first counts."""
    arms, levels = policy.picks.arms, getattr(policy.learns, "levels", 1)
    rewards = policy.learns.rewards(world.samples.outputs)
    means = rewards.mean(axis=0)[:arms]
    runs = [mdisim.simulate(world, policy, seed) for seed in seeds]
    found = [regret.of(run, rewards, levels) for run in runs]
    hit = np.array([one.picked == one.best[one.picked // arms] for one in found])
    n = hit.shape[1]
    rounds = np.unique(np.geomspace(1, n, POINTS).astype(np.int64))
    return Learnt(
        rounds=rounds,
        pseudo=np.array([one.pseudo[rounds - 1] for one in found]),
        at_random=float(means.max() - means.mean()),
        best=arm_name(policy, int(means.argmax())),
        arms=arms,
        last=np.array([one.pseudo[-1] for one in found]),
        on_best=hit.mean(axis=1),
        on_best_late=hit[:, -n // 10 :].mean(axis=1),
        accuracy=np.array([run.summary()["accuracy"] for run in runs]),
        saving=np.array([run.summary()["cost_saving"] for run in runs]),
    )


def arm_name(policy: Policy, arm: int) -> str:
    """What the arm stands for."""
    learns = policy.learns
    if policy.name == "cee-bert-2":
        return f"thresholds {learns.alphas[arm]:g}, {learns.betas[arm]:g}"
    if policy.name == "queue-linear":
        step = learns.thresholds[policy.picks.arms + arm] - learns.thresholds[arm]
        return f"{learns.thresholds[arm] - step:.2f} + {step:.2f} a task"
    if hasattr(learns, "thresholds") and hasattr(learns, "exit"):
        return f"threshold {learns.thresholds[arm]:g}"
    return f"exit {arm + 1}"


def interval(values: Floats, scale: float = 1.0, digits: int = 0) -> str:
    """Mean and half width of the 95 % Student t interval."""
    n = len(values)
    half = stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n)
    return f"{scale * values.mean():.{digits}f} ± {scale * half:.{digits}f}"


def table(found: dict[str, Learnt]) -> str:
    lines = [
        "| policy | arms | best fixed arm | regret | of drawing arms | rounds on the best arm | last tenth "
        "| accuracy | saving |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        drawn = one.at_random * one.rounds[-1]
        cells = [
            name, str(one.arms), one.best, interval(one.last), f"{100 * one.last.mean() / drawn:.0f} %",
            f"{interval(one.on_best, 100)} %", f"{interval(one.on_best_late, 100)} %",
            f"{interval(one.accuracy, 100, 2)}", f"{interval(one.saving, 100, 1)} %",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def swept(world: World, lay_out: LayOut) -> str:
    """What the price of a layer makes of the best arm and of the learner."""
    lines = [
        "| policy | a layer | best fixed arm | its lead | regret | rounds on the best arm | accuracy | saving |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, recipe in SWEPT.items():
        for price in PRICES:
            policy = lay_out(recipe(price))
            means = np.sort(policy.learns.rewards(world.samples.outputs).mean(axis=0))
            one = learnt(world, policy, range(SWEEP_SEEDS))
            lines.append(
                f"| {name} | {price:g} | {one.best} | {means[-1] - means[-2]:.4f} | {interval(one.last)} "
                f"| {interval(one.on_best, 100)} % | {interval(one.accuracy, 100, 2)} "
                f"| {interval(one.saving, 100, 1)} % |"
            )
    return "\n".join(lines)


def plot(found: dict[str, Learnt], path: Path) -> None:
    """Regret over rounds, a panel for each bandit, beside that of drawing arms."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter

    from mdisim.report import look, save
    from mdisim.report.style import INK, PALE, line_of, page

    with look():
        figure = page(5.2)
        axes = figure.subplots(3, 3, sharex=True, sharey=True)
        colour = line_of(0)["color"]
        for ax, (name, one) in zip(axes.flat, found.items(), strict=True):
            n = len(one.pseudo)
            mean = one.pseudo.mean(axis=0)
            half = stdtrit(n - 1, 0.975) * one.pseudo.std(axis=0, ddof=1) / np.sqrt(n)
            ax.fill_between(one.rounds, np.maximum(mean - half, 1e-3), mean + half, color=colour, alpha=0.25, lw=0)
            ax.plot(one.rounds, mean, color=colour)
            ax.plot(one.rounds, one.at_random * one.rounds, color=PALE, linestyle=(0, (4, 2)), linewidth=0.9)
            ax.set(xscale="log", yscale="log", xlim=(10, 3e4), ylim=(0.1, 4e3))
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.set_title(f"{name} ({one.arms} arms)")
            ax.text(0.98, 0.03, f"best: {one.best}", transform=ax.transAxes, ha="right", fontsize=7, color=INK)
        figure.supxlabel("sentences", fontsize=8)
        figure.supylabel("regret (confidence)", fontsize=8)
        keys = [
            Line2D([], [], color=colour, label="mean over seeds"),
            Patch(color=colour, alpha=0.25, lw=0, label="95 % interval"),
            Line2D([], [], color=PALE, linestyle=(0, (4, 2)), linewidth=0.9, label="arms drawn evenly"),
        ]
        figure.legend(handles=keys, loc="outside upper right", ncols=3)
        save(figure, path)


def alone(world: World) -> str:
    """Every exit alone: its accuracy and how sure it is."""
    outputs = world.samples.outputs
    right = outputs.prediction == outputs.label[:, None]
    frame = pd.DataFrame(
        {
            "exit": np.arange(1, outputs.confidence.shape[1] + 1),
            "accuracy": [f"{100 * a:.2f}" for a in right.mean(axis=0)],
            "mean confidence": [f"{c:.3f}" for c in outputs.confidence.mean(axis=0)],
        }
    )
    rows = (f"| {' | '.join(map(str, row))} |" for row in frame.itertuples(index=False))
    return "\n".join((f"| {' | '.join(frame.columns)} |", "|---|---|---|", *rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    scenario = mdisim.Scenario.load(SCENARIO)
    world = scenario.build()
    at = setting(world)

    def lay_out(recipe: str | dict[str, Any]) -> Policy:
        return scenario.recipe(recipe).build(at)

    found = {name: learnt(world, lay_out(name), range(given.seeds)) for name in BANDITS}
    print(
        f"Exits alone\n\n{alone(world)}\n\nPublished constants, {given.seeds} seeds\n\n{table(found)}", flush=True
    )
    if given.plot:
        plot(found, given.plot)
    print(f"\nPrices, {SWEEP_SEEDS} seeds\n\n{swept(world, lay_out)}")


if __name__ == "__main__":
    main()
