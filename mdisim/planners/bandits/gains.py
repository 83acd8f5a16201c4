"""What each bandit learns from a sample's answer: the published rewards, and which arms an answer tells of.

Each reward is one function of plain numbers: `learns` uses it for one sample, `rewards` for the table [n, rows] of
what every arm would have earned with every sample, which regret is reckoned with. C_i is the confidence of exit i,
C_L that of the last; a sample that left early has no C_L. Prices are in units of confidence and belong to the
rewards: the abstract ledger of a run knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdisim.policies.protocols import Memory
from mdisim.policies.scores import Floats, Outputs
from mdisim.policies.views import Outcome, pure


def table(reward: Callable[..., float], *columns: Any) -> Floats:
    """A reward for each sample, [n], of arguments that are numbers or arrays [n]."""
    return np.asarray(np.frompyfunc(reward, len(columns), 1)(*columns), dtype=np.float64)


# --- SplitEE, SplitEE-S, I-SplitEE: where to split


@pure
def split_reward(own: float, final: float, threshold: float, price: float, offload: float) -> float:
    """C_i - price_i where exit i is sure, else C_L - o - price_i (SplitEE, arXiv 2309.09195, and its code)."""
    return own - price if own >= threshold else final - offload - price


@dataclass(frozen=True)
class SplitGains:
    """Arm i splits after exit i: `thresholds` and `prices` [arms] of that exit, and the price of an offload.

    With `shallower` every exit up to the arm's has been evaluated, and every arm up to it learns. Where such an
    arm would have offloaded a sample that was not, nobody has seen C_L, and the confidence of the deepest exit
    evaluated stands for it; the authors' code takes C_L from its table of all confidences.
    """

    thresholds: tuple[float, ...]
    prices: tuple[float, ...]
    offload: float
    shallower: bool = False

    def learns(self, outcome: Outcome, memory: Memory) -> Memory:
        """Return the memory with the rewards that this answer tells of."""
        cells = len(self.prices)
        final = float(outcome.scores[outcome.exit])
        for arm in range(0 if self.shallower else outcome.row, outcome.row + 1):
            own = float(outcome.scores[arm])
            memory[arm] += 1.0
            memory[cells + arm] += split_reward(own, final, self.thresholds[arm], self.prices[arm], self.offload)
        memory[2 * cells] += 1.0
        return memory

    def rewards(self, outputs: Outputs) -> Floats:
        """What each arm would have earned with each sample, [n, arms]."""
        said, final = outputs.confidence, outputs.confidence[:, -1]
        arms = enumerate(zip(self.thresholds, self.prices, strict=True))
        return np.column_stack([table(split_reward, said[:, i], final, t, p, self.offload) for i, (t, p) in arms])


# --- AdaEE, CeeBERT: which threshold for one exit


@pure
def gain_reward(own: float, final: float, threshold: float, offload: float, positive: bool) -> float:
    """0 where the exit is sure, else C_L - C_i - o (CeeBERT), or, if `positive`, max(C_L - C_i, 0) - o (AdaEE)."""
    if own >= threshold:
        return 0.0
    return (max(final - own, 0.0) if positive else final - own) - offload


@dataclass(frozen=True)
class ThresholdGains:
    """Arms are the `thresholds` of one exit, counted from 0."""

    exit: int
    thresholds: tuple[float, ...]
    offload: float
    positive: bool = False

    def learns(self, outcome: Outcome, memory: Memory) -> Memory:
        """Return the memory with this answer's reward."""
        arm, cells = outcome.row, len(self.thresholds)
        own, final = float(outcome.scores[self.exit]), float(outcome.scores[outcome.exit])
        memory[arm] += 1.0
        memory[cells + arm] += gain_reward(own, final, self.thresholds[arm], self.offload, self.positive)
        memory[2 * cells] += 1.0
        return memory

    def rewards(self, outputs: Outputs) -> Floats:
        """What each arm would have earned with each sample, [n, arms]."""
        own, final = outputs.confidence[:, self.exit], outputs.confidence[:, -1]
        return np.column_stack(
            [table(gain_reward, own, final, t, self.offload, self.positive) for t in self.thresholds]
        )


# --- CeeBERT with two exits: which pair of thresholds


@pure
def cascade_reward(
    first: float, second: float, final: float, alpha: float, beta: float, offload: float, offload_more: float
) -> float:
    """0 where exit 1 is sure; C_2 - C_1 - o_1 where exit 2 is; else C_L - C_1 - o_1 - o_2 (CeeBERT's code)."""
    if first >= alpha:
        return 0.0
    if second >= beta:
        return second - first - offload
    return final - first - offload - offload_more


@dataclass(frozen=True)
class CascadeGains:
    """Arms are pairs of thresholds, `alphas` [arms] at the first exit and `betas` [arms] at the second, from 0.

    With `shared`, arms that would have led the sample to the same exit learn too, as far as the authors' notebook
    has it: after the first exit those of a lower alpha, or of the same; after the second those of a higher alpha
    and a lower beta; after the last those of which both are higher.
    """

    exits: tuple[int, int]
    alphas: tuple[float, ...]
    betas: tuple[float, ...]
    offload: float
    offload_more: float
    shared: bool = False

    def learns(self, outcome: Outcome, memory: Memory) -> Memory:
        """Return the memory with the rewards that this answer tells of."""
        cells, mine = len(self.alphas), outcome.row
        first, second = float(outcome.scores[self.exits[0]]), float(outcome.scores[self.exits[1]])
        final = float(outcome.scores[outcome.exit])
        for arm in range(cells):
            alpha, beta = self.alphas[arm] - self.alphas[mine], self.betas[arm] - self.betas[mine]
            if outcome.exit == self.exits[0]:
                same = alpha <= 0.0
            elif outcome.exit == self.exits[1]:
                same = alpha > 0.0 and beta < 0.0
            else:
                same = alpha > 0.0 and beta > 0.0
            if arm == mine or (same and self.shared):
                memory[arm] += 1.0
                memory[cells + arm] += cascade_reward(
                    first, second, final, self.alphas[arm], self.betas[arm], self.offload, self.offload_more
                )
        memory[2 * cells] += 1.0
        return memory

    def rewards(self, outputs: Outputs) -> Floats:
        """What each arm would have earned with each sample, [n, arms]."""
        said = [outputs.confidence[:, k] for k in (*self.exits, -1)]
        prices, arms = (self.offload, self.offload_more), zip(self.alphas, self.betas, strict=True)
        return np.column_stack([table(cascade_reward, *said, a, b, *prices) for a, b in arms])


# --- UEE-UCB: which exit, without labels


@pure
def dissent_reward(first: int, own: int, first_price: float, price: float) -> float:
    """1 where the exit says something else than the first one, plus what it costs less: g_1 - g_j (UEE-UCB)."""
    return (0.0 if own == first else 1.0) + first_price - price


@dataclass(frozen=True)
class DissentGains:
    """Arm j is exit j, at `prices` [arms]; every exit up to it has been evaluated, and learns."""

    prices: tuple[float, ...]

    def learns(self, outcome: Outcome, memory: Memory) -> Memory:
        """Return the memory with the dissent of every exit seen."""
        cells, first = len(self.prices), int(outcome.predictions[0])
        for arm in range(outcome.row + 1):
            own = int(outcome.predictions[arm])
            memory[arm] += 1.0
            memory[cells + arm] += dissent_reward(first, own, self.prices[0], self.prices[arm])
        memory[2 * cells] += 1.0
        return memory

    def rewards(self, outputs: Outputs) -> Floats:
        """What each arm would have earned with each sample, [n, arms]."""
        said, prices = outputs.prediction, self.prices
        return np.column_stack(
            [table(dissent_reward, said[:, 0], said[:, j], prices[0], price) for j, price in enumerate(prices)]
        )


# --- queue-aware thresholds


@pure
def queue_reward(
    own: float,
    final: float,
    threshold: float,
    queue: float,
    exits: float,
    slope: float,
    base: float,
    positive: bool,
) -> float:
    """- `exits` where the exit is sure, else the gain of confidence less `slope` x `queue` and less `base`."""
    if own >= threshold:
        return -exits
    return (max(final - own, 0.0) if positive else final - own) - slope * queue - base


@dataclass(frozen=True)
class QueueGains:
    """Arms are thresholds of one exit, from 0, for each queue length: `thresholds` [levels x arms].

    Level l stands for a queue of `shortest` + l tasks. With `shared`, the same arm of every level learns, as the
    reward at another queue length is known too. With `common` the levels have one memory.
    """

    exit: int
    thresholds: tuple[float, ...]
    levels: int
    exits: float
    slope: float
    base: float
    shortest: float = 0.0
    positive: bool = False
    shared: bool = False
    common: bool = False

    def learns(self, outcome: Outcome, memory: Memory) -> Memory:
        """Return the memory with the rewards that this answer tells of."""
        arms = len(self.thresholds) // self.levels
        mine, arm = outcome.row // arms, outcome.row % arms
        cells = arms if self.common else len(self.thresholds)
        own, final = float(outcome.scores[self.exit]), float(outcome.scores[outcome.exit])
        threshold = self.thresholds[outcome.row]
        for level in range(0 if self.shared else mine, self.levels if self.shared else mine + 1):
            cell = arm if self.common else level * arms + arm
            queue = self.shortest + level
            memory[cell] += 1.0
            memory[cells + cell] += queue_reward(
                own, final, threshold, queue, self.exits, self.slope, self.base, self.positive
            )
            memory[2 * cells + (0 if self.common else level)] += 1.0
        return memory

    def rewards(self, outputs: Outputs) -> Floats:
        """What each row would have earned with each sample, [n, levels x arms]."""
        own, final = outputs.confidence[:, self.exit], outputs.confidence[:, -1]
        arms, rest = len(self.thresholds) // self.levels, (self.exits, self.slope, self.base, self.positive)
        rows = enumerate(self.thresholds)
        return np.column_stack(
            [table(queue_reward, own, final, t, self.shortest + row // arms, *rest) for row, t in rows]
        )
