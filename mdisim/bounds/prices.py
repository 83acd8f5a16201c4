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
from mdisim.policies.scores import Floats, Ints
from mdisim.world import World

MOST_NUMBERS = 1_000_000  # that are held at a time


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
    way = _ways(world, prices)
    costs: dict[int, list[Floats]] = {}
    for kind in demand:
        costs.setdefault(kind.choice, []).append(kind.share * _cheapest(world, kind, prices, way, mix))
    chosen = np.min([np.concatenate(parts) for parts in costs.values()], axis=0)
    mean = float(chosen.sum())
    return prices.all / mean if mean > 0.0 else float("inf")


def _cheapest(world: World, kind: Kind, prices: Prices, way: Floats, mix: Sequence[float] | None) -> Floats:
    """The least cost of each sample of a kind, [m], from its own source, or from any."""
    homes = np.array([source.device for source in world.sources])
    many = max(1, MOST_NUMBERS // (len(way) * len(kind.share)))  # sources at a time
    parts = [_from(world, kind, prices, way, homes[i : i + many]) for i in range(0, len(homes), many)]
    by_source = prices.birth[:, None] + np.concatenate(parts)
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


def _from(world: World, kind: Kind, prices: Prices, way: Floats, homes: Ints) -> Floats:
    """The least cost from each home [H] of each sample, [H, m]: in one pass, or beginning again after a stage."""
    bits = _bits(world, kind)
    born = np.full((len(homes), len(way), len(kind.share)), np.inf)
    born[np.arange(len(homes)), homes] = 0.0
    least, after = _pass(world, kind, prices, way, bits, homes, _moved(born, way, bits[0]), 0)
    for j in range(1, world.n_exits if world.head_s[:, :-1].any() else 1):  # only heads make it worth while
        begun = _moved(after[j - 1], way, bits[0])
        least = np.minimum(least, _pass(world, kind, prices, way, bits, homes, begun, j)[0])
    return least


def _bits(world: World, kind: Kind) -> Floats:
    """The bits of each sample's cuts, [K+1, m]; of a label in the last."""
    sizes = world.out_bytes * kind.size + world.packing.overhead_bytes
    sizes[:, -1] = world.label_bytes + world.packing.overhead_bytes
    return np.ascontiguousarray(8.0 * sizes.T)


def _pass(
    world: World, kind: Kind, prices: Prices, way: Floats, bits: Floats, homes: Ints, at: Floats, passed: int
) -> tuple[Floats, list[Floats]]:
    """The least cost of an answer [H, m] after so much `at` each device [H, D, m], and what it is by stage.

    The heads of the first `passed` exits have been paid for.
    """
    K = world.n_exits
    least, after = np.full((len(homes), len(kind.share)), np.inf), []
    for k in range(K):
        at = at + (prices.second * world.stage_s[:, k])[:, None] * kind.work[:, k]
        at[:, ~prices.can[:, k]] = np.inf
        if kind.heads[k] and k >= passed:
            paid = [d not in kind.unpaid or k == K - 1 for d in range(len(way))]
            at = at + (prices.second * world.head_s[:, k] * paid)[:, None]
        after.append(at)
        if (kind.stops == k).any():
            back = _delivered(at, way, homes, bits[K]) if world.label_bytes else at.min(axis=1)
            least = np.where(kind.stops == k, back, least)
        at = _moved(at, way, bits[k + 1]) if k < K - 1 else at
    return least, after


def _moved(at: Floats, way: Floats, bits: Floats) -> Floats:
    """The least cost [H, D, m] at each device, if a message of so many bits [m] may be sent on."""
    found = np.full(at.shape, np.inf)
    for b in range(len(way)):
        (near,) = np.nonzero(np.isfinite(way[:, b]))
        np.min(at[:, near] + way[near, b, None] * bits, axis=1, out=found[:, b])
    return found


def _delivered(at: Floats, way: Floats, homes: Ints, bits: Floats) -> Floats:
    """The least cost [H, m] if a label of so many bits [m] is sent home."""
    found = np.full(at.shape[::2], np.inf)
    for number, home in enumerate(homes):
        (near,) = np.nonzero(np.isfinite(way[:, home]))
        np.min(at[number, near] + way[near, home, None] * bits, axis=0, out=found[number])
    return found
