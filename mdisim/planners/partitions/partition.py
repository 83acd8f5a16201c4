"""Where to cut a chain of layers between a device and a cloud, for the least expected time without queues.

After R. G. Pacheco, R. S. Couto, "Inference time optimization using BranchyNet partitioning", IEEE ISCC 2020
(arXiv 2005.04099). Layers before the cut and their
branches run on the device; what leaves at none of these is sent, and the cloud runs the rest, without branches.
Cut 0 sends the input, cut K sends nothing. A layer may be a single one or a whole stage of a profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.errors import PolicyError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIE_S = 1e-9  # per layer in the cloud: equal cuts are decided for the device, as the paper's authors do
UPLINKS_BPS: Mapping[str, float] = MappingProxyType(
    {"3G": 1.10e6, "4G": 5.85e6, "Wi-Fi": 18.8e6}
)  # their averages


class PartitionError(PolicyError):
    """A chain that cannot be, or cannot be cut; the message says what would do."""


@dataclass(frozen=True, eq=False)
class Chain:
    """A chain of K layers, its time on both sides, and its branches.

    `device_s`, `cloud_s` [K]: seconds of each layer. `head_s` [K]: seconds on the device of the branch after it,
    0 where there is none. `leave` [K]: the chance to leave there, given that it is reached. `out_bytes` [K+1]: the
    input, then what each layer gives. `names` [K+1] say what is sent at each cut. Raises a PartitionError where
    shapes differ, a time is negative or not finite, or a chance is not within [0, 1].
    """

    device_s: Floats
    cloud_s: Floats
    head_s: Floats
    leave: Floats
    out_bytes: Floats
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Take arrays of plain numbers, and check them."""
        K = len(self.cloud_s)
        if not K:
            raise PartitionError("a chain has no layers; 1 layer or more would do")
        lengths = {"device_s": K, "cloud_s": K, "head_s": K, "leave": K, "out_bytes": K + 1}
        for name, length in lengths.items():
            values = np.array(getattr(self, name), dtype=np.float64)
            if values.shape != (length,):
                raise PartitionError(
                    f"{name} of a chain is {values.shape}; {length} values for {K} layers would do"
                )
            if not (np.isfinite(values) & (values >= 0.0)).all():
                raise PartitionError(f"{name} of a chain has values below 0 or not finite; 0 or more would do")
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        if (self.leave > 1.0).any():
            raise PartitionError("a chance to leave is above 1; values from 0 to 1 would do")
        if self.names and len(self.names) != K + 1:
            raise PartitionError(f"{len(self.names)} names for {K + 1} cuts; one for each, or none, would do")

    @property
    def n_layers(self) -> int:
        """K."""
        return len(self.cloud_s)

    @cached_property
    def survival(self) -> Floats:
        """The chance to be still there after the branches before each cut, [K+1]."""
        return np.concatenate([[1.0], np.cumprod(1.0 - self.leave)])

    def slower(self, factor: float) -> Chain:
        """The same chain on a device that takes `factor` times as long: gamma, if it is as fast as the cloud."""
        return replace(self, device_s=factor * self.device_s, head_s=factor * self.head_s)


def leaving(scores: ArrayLike, thresholds: ArrayLike) -> Floats:
    """The chance to leave at each exit, given that it is reached, [K], from scores [n, K] and thresholds [K].

    A sample leaves at the first exit whose score is its threshold or more; infinite: no branch there. Where no
    sample arrives it is 0. Raises a PartitionError where there are no samples.
    """
    s, wanted = np.asarray(scores, dtype=np.float64), np.asarray(thresholds, dtype=np.float64)
    if s.ndim != 2 or not len(s) or wanted.shape != s.shape[1:]:
        raise PartitionError(f"scores are {s.shape} and thresholds {wanted.shape}; n x K and K would do")
    leaves = s >= wanted
    gone = np.logical_or.accumulate(leaves, axis=1)
    reached = np.concatenate([[len(s)], len(s) - gone.sum(axis=0)[:-1]])
    left = gone.sum(axis=0) - (len(s) - reached)
    return np.asarray(left / np.maximum(reached, 1))


def way_s(out_bytes: ArrayLike, rate_bps: ArrayLike, latency_s: float = 0.0) -> Floats:
    """The time to send each cut [..., K+1], for one rate or rates [...]; 0 for the last, which sends nothing."""
    rate = np.asarray(rate_bps, dtype=np.float64)[..., None]
    seconds = 8.0 * np.asarray(out_bytes, dtype=np.float64) / rate + latency_s
    seconds[..., -1] = 0.0
    return np.asarray(seconds)


def expected_s(chain: Chain, way_s: ArrayLike) -> Floats:
    """The expected time of each cut, [..., K+1], where sending takes `way_s` [..., K+1]; infinite: no such cut.

    E[T | cut s] = sum over l < s of S(l) (device_s[l] + head_s[l]) + S(s) (way_s[s] + sum over l >= s of
    cloud_s[l]), with S(l) the chance that layer l is needed. No queues, and no way back for the answer.
    """
    way = np.asarray(way_s, dtype=np.float64)
    needed = chain.survival
    local = np.concatenate([[0.0], np.cumsum(needed[:-1] * (chain.device_s + chain.head_s))])
    rest = np.append(np.cumsum(chain.cloud_s[::-1])[::-1], 0.0)
    possible = np.isfinite(way)
    return np.where(possible, local + needed * (np.where(possible, way, 0.0) + rest), np.inf)


def best_cuts(chain: Chain, way_s: ArrayLike) -> Ints:
    """The cuts of the least expected time, [...], by looking at them all; equals go to the device.

    Raises a PartitionError where there is no cut at all.
    """
    ties_s = TIE_S * np.arange(chain.n_layers, -1.0, -1.0)
    times_s = expected_s(chain, way_s) + ties_s
    if not np.isfinite(times_s).any(axis=-1).all():
        raise PartitionError("no cut is possible; a way to send at least one of them, or none, would do")
    return np.asarray(times_s.argmin(axis=-1), dtype=np.int64)


def shortest_cut(chain: Chain, way_s: ArrayLike) -> int:
    """The same for one way [K+1], as the paper has it: by Dijkstra's algorithm in a graph of layers.

    One row of vertices is the device; the cloud has a row for each chance with which samples come there, since
    how often its layers are needed depends on the branches before the cut. Raises a PartitionError as above.
    """
    import networkx as nx

    K, needed, way = chain.n_layers, [float(s) for s in chain.survival], np.asarray(way_s, dtype=np.float64)
    device, end = None, "end"
    graph: nx.DiGraph[object] = nx.DiGraph()
    graph.add_nodes_from([(device, 0), end])
    for k in range(K + 1):
        row = needed[k] if k < K else device
        if k < K:
            graph.add_edge((device, k), (device, k + 1), weight=needed[k] * (chain.device_s[k] + chain.head_s[k]))
            for cloud in set(needed[: k + 1]):
                graph.add_edge((cloud, k), (cloud, k + 1), weight=cloud * chain.cloud_s[k] + TIE_S)
        if np.isfinite(way[k]):
            graph.add_edge((device, k), (row, k) if k < K else end, weight=needed[k] * way[k])
    graph.add_edges_from([((cloud, K), end) for cloud in set(needed[:K])], weight=0.0)
    try:
        path = nx.dijkstra_path(graph, (device, 0), end)
    except nx.NetworkXNoPath as error:
        raise PartitionError(
            "no cut is possible; a way to send at least one of them, or none, would do"
        ) from error
    return sum(isinstance(vertex, tuple) and vertex[0] is device for vertex in path) - 1


def cuts_over(
    chain: Chain, rates_bps: Sequence[float] | Floats, slower: Sequence[float], latency_s: float = 0.0
) -> Ints:
    """The best cut for each device, `slower` [G] times as slow, and each rate [R]: [G, R]."""
    ways = way_s(chain.out_bytes, np.asarray(rates_bps, dtype=np.float64), latency_s)
    return np.array([best_cuts(chain.slower(factor), ways) for factor in slower], dtype=np.int64)


_B_ALEXNET = (  # layer, multiply-accumulates, bytes of its output in float32
    ("conv1", 32 * 32 * 32 * 5 * 5 * 3, 32 * 32 * 32 * 4),
    ("pool1", 0, 16 * 16 * 32 * 4),
    ("conv2", 16 * 16 * 64 * 5 * 5 * 32, 16 * 16 * 64 * 4),
    ("pool2", 0, 8 * 8 * 64 * 4),
    ("conv3", 8 * 8 * 96 * 3 * 3 * 64, 8 * 8 * 96 * 4),
    ("conv4", 8 * 8 * 96 * 3 * 3 * 96, 8 * 8 * 96 * 4),
    ("pool5", 8 * 8 * 64 * 3 * 3 * 96, 4 * 4 * 64 * 4),  # with conv5 before it
    ("all", 1024 * 256 + 256 * 128 + 128 * 10, 10 * 4),
)


def b_alexnet(whole_s: float, leave: Mapping[str, float], input_bytes: float = 32 * 32 * 3 * 4) -> Chain:
    """B-AlexNet for CIFAR-10, in the variant of the ISCC paper's authors, on a device as fast as the cloud.

    The whole backbone takes `whole_s` seconds, shared by multiply-accumulates; `leave` names the layers with
    a branch after them and the chance to leave there (the branches' own times are not published: 0). Sizes
    follow from the architecture. Raises a PartitionError for a layer that it has not, and for the last.
    """
    layers = [name for name, _, _ in _B_ALEXNET]
    strange = sorted(set(leave) - set(layers[:-1]))
    if strange:
        raise PartitionError(f"B-AlexNet has no branch after {strange[0]!r}; {', '.join(layers[:-1])} would do")
    macs = np.array([count for _, count, _ in _B_ALEXNET], dtype=np.float64)
    seconds = whole_s * macs / macs.sum()
    chances = np.array([leave.get(name, 0.0) for name in layers])
    sent = np.array([input_bytes, *(size for _, _, size in _B_ALEXNET)], dtype=np.float64)
    return Chain(seconds, seconds, np.zeros(len(layers)), chances, sent, ("input", *layers))
