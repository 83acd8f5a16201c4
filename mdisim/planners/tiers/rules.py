"""The rules of the policies of three tiers: which tier a sample is given to, and what an unsure answer does.

Row 0 of their plans is the mobile's, 1 the edge's, 2 the cloud's; row 3, where there is one, is a probe's. Losses
come as what `picks` sees, [3]: smaller is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mdisim.policies.protocols import Memory
from mdisim.policies.views import CONTINUE, INPUT, KEEP, Here, Knobs, Outcome, Peer, Place, Seen, Task, pure

PROBE = 3
Three = tuple[float, float, float]


@pure
def least(losses: NDArray[np.float64]) -> int:
    """The number of the least, the lowest of equals."""
    best = 0
    for i in range(1, len(losses)):
        if losses[i] < losses[best]:
            best = i
    return best


@pure
def drawn(chances: tuple[float, ...], u: float) -> int:
    """The number that a uniform number falls to; rounding leaves nothing over, as the last takes the rest."""
    total = 0.0
    for i in range(len(chances) - 1):
        total += chances[i]
        if u < total:
            return i
    return len(chances) - 1


@dataclass(frozen=True)
class Nearest:
    """The tier of the least loss; with probability `noise` one drawn by `shares` instead."""

    shares: Three
    noise: float = 0.0

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: Memory, rng: Generator
    ) -> int:
        """Return the row."""
        if self.noise > 0.0 and rng.random() < self.noise:
            return drawn(self.shares, rng.random())
        return least(seen.features)


@dataclass(frozen=True)
class Drawn:
    """A tier drawn by its share, whatever the sample."""

    shares: Three

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: Memory, rng: Generator
    ) -> int:
        """Return the row."""
        return drawn(self.shares, rng.random())


@dataclass(frozen=True)
class Confused:
    """What if a router confused the pools so: for each pool (the least loss) the chances of the three tiers."""

    chances: tuple[Three, Three, Three]

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: Memory, rng: Generator
    ) -> int:
        """Return the row."""
        return drawn(self.chances[least(seen.features)], rng.random())


@dataclass(frozen=True)
class Sooner:
    """The tier of the least expected time plus loss, a loss of one counting as so many seconds.

    Expected is what the source has heard: for a neighbour the inputs that wait for the way, at its measured rate,
    then those ahead there at its mean time of a stage, then the stages of the tier (`stages` [3]). A tier that is
    no neighbour tells nothing: it counts with the unloaded seconds of the way and the prefix (`far_s` [2], edge
    and cloud), whatever waits there or on the way.
    """

    stages: tuple[int, int, int]
    devices: tuple[int, int]
    far_s: tuple[float, float]
    loss_s: float

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: Memory, rng: Generator
    ) -> int:
        """Return the row."""
        own_s = here.service_s * self.stages[0]
        best = 0
        best_s = own_s + own_s * ahead(here.queue, here.busy, here.cores) + self.loss_s * seen.features[0]
        for tier in range(1, 3):
            due_s = self.far_s[tier - 1]
            for i in range(len(peers)):
                if peers[i].device == self.devices[tier - 1]:
                    peer = peers[i]
                    prefix_s = peer.service_s * self.stages[tier]
                    way_s = (here.out_queue + 1) * 8.0 * seen.input_bytes / peer.rate_bps + peer.latency_s
                    due_s = way_s + prefix_s + prefix_s * ahead(peer.queue, peer.busy, peer.cores)
            due_s += self.loss_s * seen.features[tier]
            if due_s < best_s:
                best = tier
                best_s = due_s
        return best


@pure
def ahead(queue: int, busy: int, cores: int) -> float:
    """How many services must end before one more task may begin, a share of them where there are many cores."""
    return max(0, queue + busy + 1 - cores) / cores


@dataclass(frozen=True)
class Refreshed:
    """Centroids that follow what probes show: the nearest of those in the memory, a few samples being probes.

    The memory is the number of probes since the centroids last moved; then, for each pool, of how many of these it
    was the pool, its centroid [d], and the sum of their features [d]. A probe's exits tell its pool; after `every`
    probes each centroid moves to their mean, by `weight`, if the pool was among them.
    """

    alpha: float
    beta: float
    mobile_exit: int
    edge_exit: int
    every: int
    share: float
    weight: float

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: Memory, rng: Generator
    ) -> int:
        """Return the row."""
        if rng.random() < self.share:
            return PROBE
        d = len(seen.features)
        best = 0
        least_square = inf
        for pool in range(3):
            first = 2 + pool * (1 + 2 * d)
            square = 0.0
            for j in range(d):
                gap = seen.features[j] - memory[first + j]
                square += gap * gap
            if square < least_square:
                best = pool
                least_square = square
        return best

    def learns(self, outcome: Outcome, memory: Memory) -> Memory:
        """Count a probe to its pool, and move the centroids when it is time."""
        if outcome.row != PROBE:
            return memory
        d = len(outcome.seen.features)
        pool = 2
        if outcome.scores[self.mobile_exit] >= self.alpha:
            pool = 0
        elif outcome.scores[self.edge_exit] >= self.beta:
            pool = 1
        at = 1 + pool * (1 + 2 * d)
        memory[at] += 1.0
        for j in range(d):
            memory[at + 1 + d + j] += outcome.seen.features[j]
        memory[0] += 1.0
        if memory[0] >= self.every:
            memory[0] = 0.0
            for pool in range(3):
                at = 1 + pool * (1 + 2 * d)
                count = memory[at]
                for j in range(d):
                    if count > 0.0 and memory[at + 1 + j] == inf:
                        memory[at + 1 + j] = memory[at + 1 + d + j] / count
                    elif count > 0.0:
                        mean = memory[at + 1 + d + j] / count
                        memory[at + 1 + j] += self.weight * (mean - memory[at + 1 + j])
                    memory[at + 1 + d + j] = 0.0
                memory[at] = 0.0
        return memory


@dataclass(frozen=True)
class Escalates:
    """Guarded: to the tier of the row at birth, and one tier up, with the input, when its exit has let it pass.

    `devices` are edge and cloud, `stages` [2] how many the mobile and the edge run. What a tier's exit has let
    pass and could not be sent up is sent up again.
    """

    devices: tuple[int, int]
    stages: tuple[int, int]

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        """Return the tier's device at birth and after its exit, and go on in between."""
        edge, cloud = self.devices
        if here.device == cloud:
            return Place(CONTINUE)
        if here.device == edge:
            up = task.stage == self.stages[1] or (task.stage == 0 and task.passed >= self.stages[1])
            return Place(cloud, INPUT) if up else Place(CONTINUE)
        if task.row > 0:
            return Place(self.devices[task.row - 1])
        if task.stage == self.stages[0] or (task.stage == 0 and task.passed >= self.stages[0]):
            return Place(edge, INPUT)
        return Place(KEEP) if task.stage == 0 else Place(CONTINUE)
