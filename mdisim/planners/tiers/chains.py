"""From tier to tier: how far each of a chain of devices computes a sample, and what the next one gets of it.

A tier that is not sure sends the hidden state, from which the next goes on, or the raw input, from which the next
begins again: a hidden state of a transformer can be a thousand times as large as its input. What cascades and
bandits have in common: the rows of a plan, the rule for beginning again, and the abstract cost of each exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator

from mdisim.planners.tiers.prefixes import TierError
from mdisim.policies.plan import Row
from mdisim.policies.policy import Setting
from mdisim.policies.scores import Floats
from mdisim.policies.views import CONTINUE, FREE, INPUT, Here, Knobs, Peer, Place, Task

Forward = Literal["hidden", "input"]
FORWARD = "what an unsure tier sends on: the hidden state, or the raw input, so that the next tier begins again"


class Chain(NamedTuple):
    """Devices in order, [T], the first FREE for the source itself; and how many stages are done after each, [T].

    A tier whose `ends` is that of the tier before it, or 0, computes nothing.
    """

    devices: tuple[int, ...]
    ends: tuple[int, ...]

    def spans(self, again: bool) -> list[tuple[int, int, int]]:
        """For each tier that computes: its device, its first stage, and the one after its last; from 0."""
        starts = (0, *self.ends[:-1])
        tiers = zip(self.devices, starts, self.ends, strict=True)
        return [(device, 0 if again else start, end) for device, start, end in tiers if end > start]


@dataclass(frozen=True)
class BeginsAgain:
    """A tier that is not sure sends the raw input to the next, which computes from stage 1.

    `devices` [T] are those of the tiers, the first FREE; `ends` [rows][T] the stages that each computes.
    """

    devices: tuple[int, ...]
    ends: tuple[tuple[int, ...], ...]

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        """Go on to the end of this tier; then send the input to the next, again if it could not be sent."""
        tier = 0
        for i in range(1, len(self.devices)):
            if self.devices[i] == here.device:
                tier = i
        end = self.ends[task.row][tier]
        again = task.stage == 0 and task.passed >= end and tier < len(self.devices) - 1
        if task.stage < end and not again:
            return Place(CONTINUE)
        return Place(self.devices[tier + 1], INPUT)


def chain_row(chain: Chain, thresholds: Sequence[float], heads: Sequence[bool], forward: Forward) -> Row:
    """The plan row of a chain; without devices where a tier begins again, which only a rule can say."""
    placement = [FREE] * len(thresholds)
    if forward == "hidden":
        for device, start, end in chain.spans(again=False):
            placement[start:end] = [device] * (end - start)
    return Row(tuple(thresholds), tuple(heads), tuple(placement))


def rule_of(chains: Sequence[Chain], forward: Forward) -> BeginsAgain | None:
    """The rule for these rows' chains, all over the same devices; None where the plan says it all."""
    if forward == "hidden":
        return None
    return BeginsAgain(chains[0].devices, tuple(chain.ends for chain in chains))


def stop_costs(setting: Setting, chain: Chain, forward: Forward) -> Floats:
    """The abstract cost of a sample that stops at each exit, [K]: layers and offloads, a mean over the sources."""
    costs = np.zeros((len(setting.sources), setting.n_exits))
    for cost, source in zip(costs, setting.sources, strict=True):
        here, spent, done = source, 0.0, 0
        for device, start, end in chain.spans(forward == "input"):
            there = source if device == FREE else device
            so_far = spent + setting.offload_cost[here, there] + np.cumsum(setting.stage_cost[there, start:end])
            cost[done:end] = so_far[done - start :]
            here, spent, done = there, float(so_far[-1]), end
    return np.asarray(costs.mean(axis=0))


def whole_cost(setting: Setting, device: int) -> float:
    """The abstract cost of a sample that one device computes whole, a mean over the sources."""
    way = np.mean([setting.offload_cost[source, device] for source in setting.sources])
    return float(way + setting.stage_cost[device].sum())


def need_chain(name: str, setting: Setting, chain: Chain, forward: Forward) -> None:
    """Raise a TierError where a tier cannot be reached, or lacks a stage that it would compute."""
    for source in setting.sources:
        here = source
        for device, start, end in chain.spans(forward == "input"):
            there = source if device == FREE else device
            if not np.isfinite(setting.transfer_s[here, there, 0]):
                raise TierError(
                    f"{name}: no route from {setting.devices[here]} to {setting.devices[there]}: add a link"
                )
            if setting.holds is not None and not setting.holds[there, start:end].all():
                lacks = start + int(np.argmin(setting.holds[there, start:end])) + 1
                raise TierError(
                    f"{name} runs stages {start + 1} to {end} at {setting.devices[there]}, which lacks {lacks}"
                )
            here = there
