"""Thresholds that follow the queue: how sure one exit must be is learned for each number of tasks that wait.

After the public code of M. K. Hanawal's group (Buffer_based_threshold, 2025), the nearest that it has to a
discrete-event model: one server with a buffer of ten, and an exit before the slow rest. Theirs looks at the queue
when a sample is served; here it is that of the source when the sample is born, which is when its row is picked.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, sqrt
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval

from mdisim.planners.bandits.devices import Offloading, Thresholds, exit_of, one_exit_row
from mdisim.planners.bandits.gains import QueueGains
from mdisim.planners.bandits.ucb import UpperConfidence
from mdisim.planners.tiers.prefixes import TierError
from mdisim.policies.parameters import Meaning
from mdisim.policies.policy import Policy, Setting


@dataclass(frozen=True, kw_only=True)
class QueueBandit(Offloading):
    """One exit on the source, and a row for each queue length and arm."""

    exit: Annotated[
        int | None, Ge(1), Meaning("the exit on the source, from 1; a third of all if left out", "exits")
    ] = None
    queue_max: Annotated[
        int, Interval(ge=1, le=1000), Meaning("queue lengths told apart; longer ones count as the last", "tasks")
    ] = 10
    exploration: Annotated[float, Ge(0), Meaning("a of the index: mean + sqrt(a ln(rounds) / plays)")] = 2.0

    def of_rows(self, setting: Setting, rows: list[float], picks: UpperConfidence, gains: QueueGains) -> Policy:
        """The policy of these thresholds, [levels x arms]."""
        at, K = gains.exit, setting.n_exits
        chain = self.chain(setting, at + 1)
        plan = [one_exit_row(chain, at, threshold, self.forward, K) for threshold in rows]
        return self.laid_out(setting, [chain] * len(plan), plan, picks, gains)


@dataclass(frozen=True, kw_only=True)
class QueueAware(QueueBandit):
    """The queue-aware threshold bandit: one UCB for each number of tasks that wait at the source.

    The source picks a threshold at birth, by the memory of its queue length, and learns when the answer is back.
    With q others waiting r = C_L - C_i - w q / q_max - 0.5 p where the sample was offloaded, else minus the price
    of the exit, 0.

    Source: the public code of M. K. Hanawal's group (Div290/Buffer_based_threshold on GitHub, 2025); a paper on it
    is not known here. Its constants are thresholds 0.55, 0.65, ..., 0.95, q_max 10, w 0.1, p 0.0001, a 2, exit 4.
    The reward at another queue length is known as well, so that there the same threshold learns at every length
    (`shared`).

    Reconstructed: theirs is one server with a buffer of ten, which looks at the queue when a sample is served;
    here it is the source's queue when the sample is born, and the rest runs in the cloud. Longer queues count as
    the longest. A third of the way stands for exit 4 of 12.
    """

    name: ClassVar[str] = "queue-aware"

    thresholds: Annotated[
        Thresholds, Meaning("the arms: from which confidence on the exit answers", "confidence")
    ] = (0.55, 0.65, 0.75, 0.85, 0.95)  # fmt: skip
    queue_price: Annotated[float, Ge(0), Meaning("w: price of a full queue", "confidence")] = 0.1
    exit_price: Annotated[float, Ge(0), Meaning("price of leaving at the exit", "confidence")] = 0.0
    slow_s: Annotated[float, Ge(0), Meaning("time that the rest counts for", "s")] = 0.5
    price_per_s: Annotated[float, Ge(0), Meaning("p: price of that time", "confidence/s")] = 1e-4
    shared: Annotated[bool, Meaning("a threshold learns at every queue length at once")] = True

    def build(self, setting: Setting) -> Policy:
        """Lay out an arm per threshold and queue length; a TierError where the devices do not allow it."""
        at, arms = exit_of(self.name, setting, self.exit, 3), len(self.thresholds)
        if arms < 2:
            raise TierError(f"{self.name}: {arms} thresholds are no choice; two or more would do", "thresholds")
        rows = list(self.thresholds) * self.queue_max
        slope, base = self.queue_price / self.queue_max, self.price_per_s * self.slow_s
        gains = QueueGains(at, tuple(rows), self.queue_max, self.exit_price, slope, base, shared=self.shared)
        picks = UpperConfidence(arms, sqrt(self.exploration), first=self.first, levels=self.queue_max)
        return self.of_rows(setting, rows, picks, gains)


@dataclass(frozen=True, kw_only=True)
class QueueLinear(QueueBandit):
    """The parametric form: the threshold is t_1 q + t_2, and one UCB chooses the pair.

    The source picks the pair at birth and learns when the answer is back; q is its queue length and counts the
    sample itself. r = max(C_L - C_i, 0) - (mu q - kappa) where the sample was offloaded, else 0.

    Source: the public code of M. K. Hanawal's group (Div290/Buffer_based_threshold on GitHub, 2025), the
    parametric form of `queue-aware`; a paper on it is not known here. Its constants are mu 0.01, kappa 0.05, the
    index mean + sqrt(2 ln(t+1) / (plays + 1)), and all pairs on a grid of 0.01 with t_1 > 0 whose thresholds stay
    within 0.5 and 1 up to a full queue: 105 of them.

    Reconstructed: theirs looks at its one server's queue when a sample is served; here it is the source's queue
    when the sample is born, and the rest runs in the cloud. Longer queues count as the longest. The exit, a third
    of the way, is that of `queue-aware`.
    """

    name: ClassVar[str] = "queue-linear"

    exploration: Annotated[
        float, Ge(0), Meaning("a of the index: mean + sqrt(a ln(rounds + 1) / (plays + 1))")
    ] = 2.0
    mu: Annotated[float, Ge(0), Meaning("price of each task in the queue", "confidence")] = 0.01
    kappa: Annotated[
        float, Interval(ge=-1, le=1), Meaning("what an offload is worth with an empty queue", "confidence")
    ] = 0.05
    grid: Annotated[float, Interval(ge=0.001, le=0.1), Meaning("step of t_1 and t_2", "confidence")] = 0.01
    lowest: Annotated[float, Interval(ge=0, le=1), Meaning("least threshold of an empty queue", "confidence")] = (
        0.5
    )

    def build(self, setting: Setting) -> Policy:
        """Lay out a row per pair and queue length; a TierError where the devices do not allow it."""
        at, pairs = exit_of(self.name, setting, self.exit, 3), self.pairs()
        if len(pairs) < 2:
            say = f"{self.name}: grid {self.grid:g} leaves {len(pairs)} pairs; a finer one would do"
            raise TierError(say, "grid")
        rows = [slope * queue + least for queue in range(1, self.queue_max + 1) for slope, least in pairs]
        gains = QueueGains(
            at, tuple(rows), self.queue_max, 0.0, self.mu, -self.kappa, shortest=1.0, positive=True, common=True
        )
        picks = UpperConfidence(
            len(pairs), sqrt(self.exploration), rounds_plus=1.0, plays_plus=1.0, first=self.first,
            levels=self.queue_max, common=True,
        )  # fmt: skip
        return self.of_rows(setting, rows, picks, gains)

    def pairs(self) -> list[tuple[float, float]]:
        """The arms, (t_1, t_2), by t_2 and then t_1."""
        steps = floor((1.0 - self.lowest) / self.grid + 1e-9)
        leasts = [self.lowest + self.grid * i for i in range(steps + 1)]
        found = [(least, floor((1.0 - least) / (self.grid * self.queue_max) + 1e-9)) for least in leasts]
        return [(self.grid * i, least) for least, most in found for i in range(1, most + 1)]
