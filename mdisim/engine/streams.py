"""Random numbers by name: one seed spawns streams that do not know of each other.

A change of policy leaves arrivals, samples, jitter and faults as they were, so policies are compared on the
same work (common random numbers). Factors on service times are drawn per (sample, stage, attempt), never in
the order of events.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import repeat

import numpy as np
from numpy.random import Generator

from mdisim.world import Arrivals, Jitter, World

BLOCK = 1024


def stream(seed: int, name: str, *keys: int) -> Generator:
    """The generator of this name; the same in every process and in any order of asking."""
    key = (zlib.crc32(name.encode()), *keys)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def sample_rows(n: int, order: str, rng: Generator) -> Iterator[int]:
    """Which of n samples is offered next, without end."""
    while True:
        if order == "bootstrap":
            yield from rng.integers(0, n, BLOCK).tolist()
            continue
        rows = rng.permutation(n) if order == "shuffled" else np.arange(n)
        for start in range(0, n, BLOCK):
            yield from rows[start : start + BLOCK].tolist()


def service_factors(jitter: Jitter, n_stages: int, rng: Generator) -> Iterator[list[float] | None]:
    """The factors [K] on the service times of each sample offered, without end; None means one."""
    if jitter.kind == "none":
        yield from repeat(None)
    while True:
        yield from jitter.factors(rng, (BLOCK, n_stages)).tolist()


def gaps_s(arrivals: Arrivals, rng: Generator, until_s: float) -> Iterator[float]:
    """The times between offered samples for arrivals that nothing in the simulation changes.

    Silence longer than `until_s` ends them.
    """
    if arrivals.kind == "constant":
        yield from repeat(1.0 / arrivals.rate_per_s)
    elif arrivals.kind == "poisson":
        while True:
            yield from rng.exponential(1.0 / arrivals.rate_per_s, BLOCK).tolist()
    elif arrivals.kind == "file":
        times = np.asarray(arrivals.times_s)
        for start in range(0, len(times), BLOCK):
            before = times[start - 1] if start else 0.0
            yield from np.diff(times[start : start + BLOCK], prepend=before).tolist()
    elif arrivals.kind == "on-off":
        yield from _on_off_gaps_s(arrivals, rng, until_s)


def _on_off_gaps_s(arrivals: Arrivals, rng: Generator, until_s: float) -> Iterator[float]:
    """Poisson while on, silent while off; both lengths exponential; starts on."""
    silent = 0.0
    left = rng.exponential(arrivals.on_s)
    while silent <= until_s:
        gap = rng.exponential(1.0 / arrivals.rate_per_s)
        if gap < left:
            left -= gap
            yield silent + gap
            silent = 0.0
        else:  # memoryless: what was left of the gap is drawn anew in the next on period
            silent += left + rng.exponential(arrivals.off_s)
            left = rng.exponential(arrivals.on_s)


class Feed:
    """What a source offers, by index: the sample's row and the factors on its service times."""

    def __init__(self, world: World, number: int, seed: int) -> None:
        source, jitter = world.sources[number], world.jitter
        self.rows = sample_rows(len(world.samples), source.order, stream(seed, "samples", number))
        self.factors = service_factors(jitter, world.n_exits, stream(seed, "service", number))
        self.gaps_s = gaps_s(source.arrivals, stream(seed, "arrivals", number), world.window.duration_s)
        self._jitter, self._n_stages, self._seed, self._number = jitter, world.n_exits, seed, number

    def factors_again(self, index: int, attempt: int) -> list[float] | None:
        """The factors of a sample that starts over."""
        if self._jitter.kind == "none":
            return None
        rng = stream(self._seed, "service", self._number, index, attempt)
        return [float(f) for f in self._jitter.factors(rng, (self._n_stages,))]
