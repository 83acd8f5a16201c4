"""Random numbers by name: one seed spawns streams that do not know of each other.

Streams are keyed by the names of devices, sources and faults, never by their place in a list, so that adding,
removing or reordering one leaves the draws of all others as they were. A change of policy leaves arrivals,
samples, jitter and faults as they were, so policies are compared on the same work (common random numbers).
Factors on service times are drawn per (sample, stage, attempt), never in the order of events.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import count, repeat

import numpy as np
from numpy.random import Generator

from mdisim.world import Arrivals, Jitter, Source, World

BLOCK = 1024
Key = str | int


def stream(seed: int, *keys: Key) -> Generator:
    """The generator of these keys; the same in every process and in any order of asking."""
    digest = blake2b(json.dumps(keys).encode(), digest_size=16).digest()
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int.from_bytes(digest, "little"),)))


def numbered(names: Iterable[tuple[Key, ...]]) -> list[tuple[Key, ...]]:
    """Tell equal names apart: each with the number of equal ones before it."""
    seen = Counter[tuple[Key, ...]]()
    made = []
    for name in names:
        made.append((*name, seen[name]))
        seen[name] += 1
    return made


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


def uniform(rng: Generator) -> Iterator[float]:
    """Numbers in [0, 1), without end."""
    while True:
        yield from rng.random(BLOCK).tolist()


def instants_s(arrivals: Arrivals, rng: Generator, until_s: float) -> Iterator[float]:
    """When samples are offered, in order, for arrivals that nothing in the simulation changes.

    Constant arrivals come at phase + k / rate, each instant worked out by itself; those of a file are the
    file's; the others are running sums of gaps. On-off arrivals end soon after `until_s`.
    """
    match arrivals.kind:
        case "constant":
            first_s = phase_s(arrivals, 1.0 / arrivals.rate_per_s, rng)
            yield from (first_s + k / arrivals.rate_per_s for k in count())
        case "poisson":
            yield from _poisson_s(arrivals.rate_per_s, rng)
        case "file":
            yield from arrivals.times_s
        case "on-off":
            yield from _on_off_s(arrivals, rng, until_s)


def phase_s(arrivals: Arrivals, gap_s: float, rng: Generator) -> float:
    """When the first sample of equal gaps comes: as stated, or at random within one gap."""
    return gap_s * rng.random() if arrivals.phase_s is None else arrivals.phase_s


def _poisson_s(rate_per_s: float, rng: Generator) -> Iterator[float]:
    now_s = 0.0
    while True:
        gaps_s = rng.exponential(1.0 / rate_per_s, BLOCK)
        gaps_s[0] += now_s
        instants = np.cumsum(gaps_s).tolist()
        yield from instants
        now_s = instants[-1]


def _on_off_s(arrivals: Arrivals, rng: Generator, until_s: float) -> Iterator[float]:
    """Poisson while on, silent while off, both lengths exponential; on at first with the long-run probability.

    Both are memoryless: the rest of the first period is drawn as any other, and the gap that an off period cuts
    is drawn anew after it.
    """
    now_s = 0.0
    if rng.random() * (arrivals.on_s + arrivals.off_s) >= arrivals.on_s:
        now_s = rng.exponential(arrivals.off_s)
    while now_s <= until_s:
        off_s = now_s + rng.exponential(arrivals.on_s)
        while (now_s := now_s + rng.exponential(1.0 / arrivals.rate_per_s)) < off_s:
            yield now_s
        now_s = off_s + rng.exponential(arrivals.off_s)


class Feed:
    """What a source offers, by index: the instant, the sample's row and the factors on its service times.

    `ties` are drawn for each sample: of those offered at one instant, the lowest is offered first.
    """

    def __init__(self, world: World, source: Source, seed: int, keys: tuple[Key, ...]) -> None:
        jitter = world.jitter
        self._seed, self._keys = seed, keys
        self._arrivals, self._jitter, self._n_stages = source.arrivals, jitter, world.n_exits
        self.rows = sample_rows(len(world.samples), source.order, self.stream("samples"))
        self.factors = service_factors(jitter, world.n_exits, self.stream("service"))
        self.instants_s = instants_s(source.arrivals, self.stream("arrivals"), world.window.duration_s)
        self.ties = uniform(self.stream("ties"))

    def stream(self, name: str, *keys: Key) -> Generator:
        """A stream of this source's own."""
        return stream(self._seed, name, *self._keys, *keys)

    def first_s(self, gap_s: float) -> float:
        """When the first sample comes where the policy sets the gaps; `gap_s` is its first."""
        return phase_s(self._arrivals, gap_s, self.stream("arrivals"))

    def factors_again(self, index: int, attempt: int) -> list[float] | None:
        """The factors of a sample that starts over."""
        if self._jitter.kind == "none":
            return None
        rng = self.stream("service", index, attempt)
        return [float(f) for f in self._jitter.factors(rng, (self._n_stages,))]


def feeds(world: World, seed: int) -> list[Feed]:
    """The feed of each source; its streams are keyed by its device's name, and by which source there it is."""
    keys = numbered((world.devices[source.device].name,) for source in world.sources)
    return [Feed(world, source, seed, key) for source, key in zip(world.sources, keys, strict=True)]
