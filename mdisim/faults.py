"""What may fail, and what becomes of the tasks that it hits. Nothing here moves: the engine draws and applies it.

Faults do not depend on the policy: they are drawn from their own random stream, so that compared policies meet
the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

import numpy as np
from numpy.random import Generator

Kind = Literal["crash", "leave", "outage", "slowdown"]
OnCrash = Literal["requeue", "restart", "drop"]
OnOutage = Literal["wait", "requeue", "restart", "drop"]
Period = tuple[float, float]


@dataclass(frozen=True)
class Fault:
    """One thing that fails, and when.

    A device that crashes loses what it holds; one that leaves finishes what it holds, and is known to be gone
    at once. A link in outage carries nothing. A slow device works at `factor` of its speed. `device` numbers
    the device, `links` the directed links, which fail together. It fails at `at_s`, for `for_s`, and again
    every `every_s`; or at random, up for `mean_up_s` and down for `mean_down_s` on average, both exponential. A
    device that joins late has left at 0.
    """

    kind: Kind
    device: int = -1
    links: tuple[int, ...] = ()
    at_s: float = 0.0
    for_s: float = inf
    every_s: float = inf
    mean_up_s: float = 0.0
    mean_down_s: float = 0.0
    factor: float = 1.0

    @property
    def random(self) -> bool:
        """Whether it is drawn."""
        return self.mean_up_s > 0.0

    def periods(self, until_s: float, rng: Generator) -> list[Period]:
        """From when to when it fails, until the end; the last period may end after it."""
        found: list[Period] = []
        if self.random:
            start_s = float(rng.exponential(self.mean_up_s))
            while start_s < until_s:
                end_s = start_s + float(rng.exponential(self.mean_down_s))
                found.append((start_s, end_s))
                start_s = end_s + float(rng.exponential(self.mean_up_s))
            return found
        start_s, count = self.at_s, 0
        while start_s < until_s:
            found.append((start_s, start_s + self.for_s))
            if not isfinite(self.every_s):
                break
            count += 1
            start_s = self.at_s + count * self.every_s
        return found


@dataclass(frozen=True)
class Faults:
    """What fails in a run, and the rules for the tasks that it hits.

    `on_crash` is for tasks at a device that crashes (running, queued, waiting to be sent) and for messages
    that reach a device that is down: `requeue` gives the task back to the device that sent it, as it was
    sent; `restart` begins the sample again at its source; `drop` ends it. `on_outage` is for messages on a
    link when it fails, or sent over it before that is known: with `wait` the sender sends them anew or decides
    again; the others are as above. A label that is lost counts as its task. The loss is noticed, as the
    failure itself is, after `missed_gossips` periods without news. With `reroute` ways then lead around what
    is down.
    """

    events: tuple[Fault, ...] = ()
    on_crash: OnCrash = "requeue"
    on_outage: OnOutage = "wait"
    missed_gossips: int = 3
    reroute: bool = True

    def __bool__(self) -> bool:
        """Whether anything may fail."""
        return bool(self.events)


def merged(periods: list[Period]) -> list[Period]:
    """Periods in order, those that touch or overlap made one."""
    done: list[Period] = []
    for start_s, end_s in sorted(periods):
        if done and start_s <= done[-1][1]:
            done[-1] = (done[-1][0], max(done[-1][1], end_s))
        else:
            done.append((start_s, end_s))
    return done


def slowed(
    slow: list[tuple[Period, float]], until_s: float
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """The product of factors over time: from each time [n] on, the factor [n]; 1 where nothing is slow."""
    edges = {0.0} | {edge for period, _ in slow for edge in period if 0.0 <= edge < until_s}
    times = np.array(sorted(edges))
    factors = np.ones(len(times))
    for (start_s, end_s), factor in slow:
        factors[(times >= start_s) & (times < end_s)] *= factor
    return times, factors
