"""Upper confidence bounds: the one rule by which every bandit here picks an arm, which is a row of the plan.

The memory of a source holds, for each arm, how often an answer told of it and the sum of its rewards, and then how
many answers there were. It changes when an answer is back, never when a row is picked: while the first answers are
on their way the arm that is due is picked again, and an arm not heard of yet comes before all others. So no arm
starves as long as its samples are answered. What an answer tells, `gains` says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from mdisim.policies.protocols import Memory
from mdisim.policies.views import Here, Knobs, Peer, Seen, pure

FIRST = "in which order arms come that no answer has told of yet; drawn is ours, for where samples are lost"


def blank(cells: int, levels: int = 1) -> Memory:
    """The memory before the first answer: plays and sums of `cells` arms, and the answers of each level."""
    return np.zeros(2 * cells + levels)


@pure
def upper(
    total: float, plays: float, rounds: float, factor: float, rounds_plus: float, plays_plus: float
) -> float:
    """An arm's mean reward, and `factor` x sqrt(ln(rounds + `rounds_plus`) / (plays + `plays_plus`)) on top."""
    return total / plays + factor * math.sqrt(math.log(rounds + rounds_plus) / (plays + plays_plus))


@dataclass(frozen=True)
class UpperConfidence:
    """The arm of the largest index, the first of equals; before that, each arm until an answer told of it.

    `first` is the order in which arms not heard of come: in-order (as published for all but UEE-UCB), last-first,
    or drawn, evenly, which is ours: an arm whose samples are all lost then holds up no other. With `levels`, rows
    are numbered level by level, the level being how many tasks wait here, the last for all above; each has its
    own memory unless `common`.
    """

    arms: int
    factor: float
    rounds_plus: float = 0.0
    plays_plus: float = 0.0
    first: str = "in-order"
    levels: int = 1
    common: bool = False

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: Memory, rng: Generator
    ) -> int:
        """Return the row."""
        level = min(here.queue, self.levels - 1)
        own = 0 if self.common else level
        cells = self.arms if self.common else self.levels * self.arms
        start = own * self.arms
        unheard = 0
        for arm in range(self.arms):
            if memory[start + arm] == 0.0:
                unheard += 1
        if unheard > 0:
            skip = 0
            if self.first == "last-first":
                skip = unheard - 1
            elif self.first == "drawn":
                skip = int(rng.integers(0, unheard))
            for arm in range(self.arms):
                if memory[start + arm] == 0.0:
                    if skip == 0:
                        return level * self.arms + arm
                    skip -= 1
        rounds = float(memory[2 * cells + own])
        best = 0
        highest = -math.inf
        for arm in range(self.arms):
            total, plays = float(memory[cells + start + arm]), float(memory[start + arm])
            index = upper(total, plays, rounds, self.factor, self.rounds_plus, self.plays_plus)
            if index > highest:
                best = arm
                highest = index
        return level * self.arms + best
