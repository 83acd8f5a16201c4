"""The rules: one decision each, as a frozen dataclass with one method.

They keep within what compiles to the same result to the last bit (see `check`): plain numbers, comparisons,
`math`, the views' fields, and scalar draws from the generator handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from numpy.random import Generator

from mdisim.policies.views import (
    CONTINUE,
    INPUT,
    KEEP,
    NOBODY,
    OFFER,
    Here,
    Knobs,
    Load,
    Peer,
    Place,
    Task,
    moved,
)


@dataclass(frozen=True)
class KeepOrOffer:
    """MDI-Exit, Alg 1: keep the next task when nothing else waits here or too much waits to be sent.

    `out_queue_limit` is T_O. A sample's first task stays at its source unless `offload_first`. A task that no
    known neighbour can run is kept: offered, it would wait behind every newer task of this device.
    """

    out_queue_limit: int = 10
    keep_when_empty: bool = True
    offload_first: bool = False

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        """Keep or offer."""
        if not here.holds:
            return Place(OFFER)
        if not peers or (task.stage == 0 and not self.offload_first):
            return Place(KEEP)
        if self.keep_when_empty and here.queue == 0 and here.busy < here.cores:
            return Place(KEEP)
        if here.out_queue > self.out_queue_limit:
            return Place(KEEP)
        return Place(OFFER)


@dataclass(frozen=True)
class DelayRatio:
    """MDI-Exit, Alg 2: send to a neighbour by the ratio of the wait here to the way and the wait there.

    With W = I x Gamma, a neighbour m is taken with probability W_n / (sum_weight W_n + D_nm + W_m), at most
    one; without `random_part` only when that ratio exceeds one. `gated` asks O_n > I_m first. I counts the task
    in service if `count_in_service`; W is the sum of the queued tasks' own costs if `queued_work`; D is the
    transmission time of this task at the measured rate if `per_task_delay`. Neighbours are tried in random
    order, or, if `best_first`, from the largest ratio down (the first of equals first). The
    first that is drawn gets the task.
    """

    gated: bool = True
    sum_weight: float = 0.0
    random_part: bool = True
    best_first: bool = False
    count_in_service: bool = True
    queued_work: bool = False
    per_task_delay: bool = False

    def sends(self, here: Here, peers: tuple[Peer, ...], task: Task, rng: Generator) -> int:
        """Return the chosen neighbour, or NOBODY for now."""
        own = here.queue + here.busy if self.count_in_service else here.queue
        serving_s = here.busy * here.service_s if self.count_in_service else 0.0
        stay_s = (here.backlog_s + serving_s if self.queued_work else own * here.service_s) / here.cores
        bytes_ = task.feature_bytes
        ratios = [0.0] * len(peers)
        for i in range(len(peers)):
            peer = peers[i]
            theirs = peer.queue + peer.busy if self.count_in_service else peer.queue
            if self.gated and here.out_queue <= theirs:
                continue
            way_s = 8.0 * bytes_ / peer.rate_bps + peer.latency_s if self.per_task_delay else peer.delay_s
            serving_s = peer.busy * peer.service_s if self.count_in_service else 0.0
            wait_s = (peer.backlog_s + serving_s if self.queued_work else theirs * peer.service_s) / peer.cores
            go_s = self.sum_weight * stay_s + way_s + wait_s
            if stay_s > 0.0:
                ratios[i] = stay_s / go_s if go_s > 0.0 else inf
        order = list(range(len(peers)))
        for i in range(len(peers)):
            j = i
            if self.best_first:
                for other in range(i + 1, len(peers)):
                    if ratios[order[other]] > ratios[order[j]]:
                        j = other
            else:
                j = int(rng.integers(i, len(peers)))
            chosen = order[j]
            order[j] = order[i]
            ratio = ratios[chosen]
            if ratio > 1.0 or (self.random_part and ratio > 0.0 and rng.random() < ratio):
                return peers[chosen].device
        return NOBODY


@dataclass(frozen=True)
class WholeToShortest:
    """DDI: a sample goes, as input, where it would be done soonest, and stays there.

    The expected delay of device m is D_nm(input) + (I_m + 1) Gamma_m: D counts the inputs that wait to be sent
    ahead, and Gamma is for a whole sample: the moving average of a stage times `stages`, the mean number that a
    sample needs. Ties go to the source, then to the first.
    """

    stages: float = 1.0

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        """Join the shortest expected delay at birth; go on there afterwards."""
        if task.stage > 0:
            return Place(CONTINUE)
        best = here.device
        best_s = (here.queue + here.busy + 1) * self.stages * here.service_s / here.cores
        for i in range(len(peers)):
            peer = peers[i]
            way_s = (here.out_queue + 1) * 8.0 * task.input_bytes / peer.rate_bps + peer.latency_s
            there_s = way_s + (peer.queue + peer.busy + 1) * self.stages * peer.service_s / peer.cores
            if there_s < best_s:
                best = peer.device
                best_s = there_s
        return Place(best, INPUT)


@dataclass(frozen=True)
class WholeOffered:
    """DDI by Alg 2: a sample is offered as input at birth, by the same gate as any task, and then stays.

    It is kept where no neighbour is known.
    """

    out_queue_limit: int = 10

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        """Offer at birth unless this device is idle or too much waits to be sent; go on there afterwards."""
        if task.stage > 0:
            return Place(CONTINUE)
        idle = here.queue == 0 and here.busy < here.cores
        if idle or not peers or here.out_queue > self.out_queue_limit:
            return Place(KEEP)
        return Place(OFFER, INPUT)


@dataclass(frozen=True)
class Anywhere:
    """A device drawn evenly from this one and its neighbours; the first stage stays unless `from_birth`."""

    from_birth: bool = False

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        """Draw a device."""
        if not peers or (task.stage == 0 and here.holds and not self.from_birth):
            return Place(KEEP)
        drawn = int(rng.integers(0, len(peers) + 1 if here.holds else len(peers)))
        return Place(KEEP) if drawn == len(peers) else Place(peers[drawn].device)


@dataclass(frozen=True)
class RateByQueue:
    """MDI-Exit, Alg 3: shorten the gap between admissions while the source's queues are short, else widen it.

    Q = I + O. Below `low` the gap shrinks by `alpha`, below `high` by `beta`, else it grows by `gamma`: each
    of the gap itself, or, if `additive`, of `unit_s`. It stays within
    [`least_s`, `longest_s`].
    """

    low: float
    high: float
    alpha: float
    beta: float
    gamma: float
    count_in_service: bool = True
    additive: bool = False
    unit_s: float = 0.05
    least_s: float = 1e-4
    longest_s: float = 5.0

    def turns(self, load: Load, knobs: Knobs, rng: Generator) -> Knobs:
        """Return the knobs with a new gap."""
        waiting = load.queue + load.out_queue + (load.busy if self.count_in_service else 0)
        change = self.gamma
        if waiting < self.low:
            change = -self.alpha
        elif waiting < self.high:
            change = -self.beta
        gap_s = knobs.gap_s + change * (self.unit_s if self.additive else knobs.gap_s)
        return Knobs(knobs.thresholds, min(self.longest_s, max(self.least_s, gap_s)), knobs.row)


@dataclass(frozen=True)
class ThresholdByQueue:
    """MDI-Exit, Alg 4: raise the thresholds while the source's queues are short, lower them when long.

    Q = I + O. Below `low` they rise by `alpha`, below `high` by `beta`, else they fall by `gamma`: each of the
    threshold itself, or, if `additive`, as it stands; always within [lowest, highest].
    """

    low: float
    high: float
    alpha: float
    beta: float
    gamma: float
    lowest: float
    highest: float
    count_in_service: bool = True
    additive: bool = False

    def turns(self, load: Load, knobs: Knobs, rng: Generator) -> Knobs:
        """Return the knobs with new thresholds."""
        waiting = load.queue + load.out_queue + (load.busy if self.count_in_service else 0)
        change = -self.gamma
        if waiting < self.low:
            change = self.alpha
        elif waiting < self.high:
            change = self.beta
        factor = 1.0 if self.additive else 1.0 + change
        step = change if self.additive else 0.0
        thresholds = moved(knobs.thresholds, factor, step, self.lowest, self.highest)
        return Knobs(thresholds, knobs.gap_s, knobs.row)
