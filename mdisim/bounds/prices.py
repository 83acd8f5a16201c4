"""Bounds by prices: whatever the seconds of devices and the bits of links are said to cost, nobody can do better.

At given prices each answer has a cheapest way. If all that there is costs one, and an answer c on average, there
are at most 1 / c answers: by the weak duality of linear programmes this holds for any prices. At those of the
optimum for samples that are alike it is that optimum, and near it where they are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mdisim.bounds.demands import ANY, Demand, Kind
from mdisim.policies.scores import Floats
from mdisim.world import World


@dataclass(frozen=True, eq=False)
class Prices:
    """What a core-second of each device [D], a bit on each link [L] and a birth at each source [S] cost.

    `all` is the price of everything there is in a second. Stages cannot be run where `can` [D, K] is false, and
    nothing can be sent over links whose price is infinite.
    """

    second: Floats
    bit: Floats
    birth: Floats
    all: float
    can: np.ndarray


def most_by_prices(world: World, demand: Demand, prices: Prices, mix: Sequence[float] | None) -> float:
    """At most so many answers per second, at these prices."""
    costs: dict[int, list[Floats]] = {}
    for kind in demand:
        costs.setdefault(kind.choice, []).append(kind.share * _cheapest(world, kind, prices, mix))
    chosen = np.min([np.concatenate(parts) for parts in costs.values()], axis=0)
    mean = float(chosen.sum())
    return prices.all / mean if mean > 0.0 else float("inf")


def _cheapest(world: World, kind: Kind, prices: Prices, mix: Sequence[float] | None) -> Floats:
    """The least cost of each sample of a kind, [m], from its own source, or from any."""
    way = _ways(world, prices)
    by_source = np.array([
        prices.birth[s] + _from(world, kind, prices, way, source.device) for s, source in enumerate(world.sources)
    ])  # fmt: skip
    free = by_source.min(axis=0)
    if mix is not None:
        free = np.sum([share * costs for share, costs in zip(mix, by_source, strict=True) if share], axis=0)
    own = by_source[np.maximum(kind.source, 0), np.arange(len(kind.share))]
    return np.where(kind.source == ANY, free, own)


def _ways(world: World, prices: Prices) -> Floats:
    """The cheapest way of a bit from each device to each, [D, D], with what is lost and sent again."""
    D = len(world.devices)
    way = np.full((D, D), np.inf)
    np.fill_diagonal(way, 0.0)
    for link, price in zip(world.links, prices.bit, strict=True):
        way[link.source, link.target] = min(way[link.source, link.target], price / (1.0 - link.loss))
    for via in range(D):
        way = np.minimum(way, way[:, via, None] + way[None, via, :])
    return way


def _from(world: World, kind: Kind, prices: Prices, way: Floats, home: int) -> Floats:
    """The least cost of each sample [m] born at a device: in one pass, or beginning again after a stage."""
    bits = _bits(world, kind)
    born = np.full((len(way), len(kind.share)), np.inf)
    born[home] = 0.0
    least, after = _pass(world, kind, prices, way, home, _moved(born, way, bits[0]), 0)
    for j in range(1, world.n_exits if world.head_s[:, :-1].any() else 1):  # only heads make it worth while
        begun = _moved(after[j - 1], way, bits[0])
        least = np.minimum(least, _pass(world, kind, prices, way, home, begun, j)[0])
    return least


def _bits(world: World, kind: Kind) -> Floats:
    """The bits of each sample's cuts, [K+1, m]; of a label in the last."""
    sizes = world.out_bytes * kind.size + world.packing.overhead_bytes
    sizes[:, -1] = world.label_bytes + world.packing.overhead_bytes
    return np.ascontiguousarray(8.0 * sizes.T)


def _pass(
    world: World, kind: Kind, prices: Prices, way: Floats, home: int, at: Floats, passed: int
) -> tuple[Floats, list[Floats]]:
    """The least cost of an answer [m] after so much `at` each device [D, m], and what it is after each stage.

    The heads of the first `passed` exits have been paid for.
    """
    K, bits = world.n_exits, _bits(world, kind)
    least, after = np.full(len(kind.share), np.inf), []
    for k in range(K):
        at = at + (prices.second * world.stage_s[:, k])[:, None] * kind.work[:, k]
        at[~prices.can[:, k]] = np.inf
        if kind.heads[k] and k >= passed:
            paid = [d not in kind.unpaid or k == K - 1 for d in range(len(way))]
            at = at + (prices.second * world.head_s[:, k] * paid)[:, None]
        after.append(at)
        answer = _moved(at, way[:, [home]], bits[K])[0] if world.label_bytes else at.min(axis=0)
        least = np.where(kind.stops == k, answer, least)
        at = _moved(at, way, bits[k + 1]) if k < K - 1 else at
    return least, after


def _moved(at: Floats, way: Floats, bits: Floats) -> Floats:
    """The least cost at each device that ways lead to, if a message of so many bits [m] may be sent on."""
    found = np.full((way.shape[1], len(bits)), np.inf)
    for a, b in np.argwhere(np.isfinite(way)):
        np.minimum(found[b], at[a] + bits * way[a, b], out=found[b])
    return found
