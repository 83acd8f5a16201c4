"""Where the devices of a network stand in its picture: each of the usual shapes as people draw it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import pi
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from mdisim.world import World

if TYPE_CHECKING:
    Graph = nx.Graph[int]
else:
    Graph = nx.Graph

Places = dict[int, tuple[float, float]]
SPRINGS = 150  # above so many devices, shortest paths between all of them take too long


def places(world: World) -> NDArray[np.float64]:
    """Where the devices stand, [D, 2]; neighbours are about 1 apart, parts that are not joined side by side."""
    graph: Graph = nx.Graph()
    graph.add_nodes_from(range(len(world.devices)))
    graph.add_edges_from((link.source, link.target) for link in world.links)
    first = {source.device for source in world.sources}
    found = np.zeros((len(graph), 2))
    left = 0.0
    for part in sorted(nx.connected_components(graph), key=min):
        laid = _laid(graph.subgraph(sorted(part)).copy(), first, world)
        x = [place[0] for place in laid.values()]
        for device, (across, up) in laid.items():
            found[device] = left + across - min(x), up
        left += max(x) - min(x) + 1.0
    return found


def _laid(graph: Graph, first: set[int], world: World) -> Places:
    """The places of devices that are all joined."""
    n, m = graph.number_of_nodes(), graph.number_of_edges()
    devices = sorted(graph)
    degrees = sorted(dict(graph.degree()).values())
    if n < 3 or (m == n - 1 and degrees[-1] == 2):
        return _in_line(graph)
    tiers = _tiers(graph, first, world)
    if len(tiers) > 2:
        return _columns(tiers)
    if m == n - 1 and degrees[-1] == n - 1:
        centre = max(devices, key=graph.degree)
        return {centre: (0.0, 0.0)} | _circle([d for d in devices if d != centre])
    if m == n - 1:
        return _tree(graph, devices[0])
    if degrees[0] == degrees[-1] == 2:
        return _circle(list(nx.dfs_preorder_nodes(graph, devices[0])))
    if m == n * (n - 1) // 2:
        return _circle(devices)
    return _columns(tiers) if tiers else _springs(graph)


def _in_line(graph: Graph) -> Places:
    ends = [device for device in sorted(graph) if graph.degree(device) < 2]
    return {device: (float(i), 0.0) for i, device in enumerate(nx.dfs_preorder_nodes(graph, ends[0]))}


def _circle(devices: Sequence[int]) -> Places:
    """From the top on, clockwise."""
    n = len(devices)
    radius = max(1.0, 0.5 / np.sin(pi / n)) if n > 1 else 1.0
    turn = pi / 2 - 2 * pi * np.arange(n) / n
    return {d: (radius * float(np.cos(t)), radius * float(np.sin(t))) for d, t in zip(devices, turn, strict=True)}


def _tree(graph: Graph, root: int) -> Places:
    """Leaves side by side, each other device above the middle of those below it."""
    below = nx.bfs_tree(graph, root)
    depth = nx.shortest_path_length(below, root)
    across: dict[int, float] = {}
    leaves = 0
    for device in nx.dfs_postorder_nodes(below, root):
        children = [across[child] for child in below.successors(device)]
        across[device] = sum(children) / len(children) if children else float(leaves)
        leaves += not children
    height = max(1.0, leaves / (2.0 * max(depth.values())))
    return {device: (across[device], -height * depth[device]) for device in graph}


def _tiers(graph: Graph, first: set[int], world: World) -> list[list[int]]:
    """Tiers, the sources' first; none where neighbouring ones are not wholly joined, or devices within one are."""
    alike = {(frozenset(graph[d]), world.devices[d].kind) for d in first if d in graph}
    tier = [d for d in graph if (frozenset(graph[d]), world.devices[d].kind) in alike]
    tiers = [sorted(layer) for layer in nx.bfs_layers(graph, tier)] if tier else []
    between = sum(len(a) * len(b) for a, b in pairwise(tiers))
    inside = any(graph.subgraph(layer).number_of_edges() for layer in tiers)
    return [] if inside or between != graph.number_of_edges() else tiers


def _columns(tiers: list[list[int]]) -> Places:
    """Tiers from left to right."""
    apart = max(1.5, max(map(len, tiers)) / 4)
    return {
        device: (apart * i, (len(tier) - 1) / 2 - j)
        for i, tier in enumerate(tiers)
        for j, device in enumerate(tier)
    }


def _springs(graph: Graph) -> Places:
    """Any other shape: straight distances as much like those in the network as can be."""
    n = len(graph)
    if n > SPRINGS:
        laid = nx.spring_layout(graph, seed=0)
    else:
        laid = nx.kamada_kawai_layout(graph, pos=nx.circular_layout(graph))
    points = np.array([laid[device] for device in graph])
    lengths = [np.hypot(*(laid[a] - laid[b])) for a, b in graph.edges()]
    points = points / (float(np.median(lengths)) or 1.0)
    return {device: (float(x), float(y)) for device, (x, y) in zip(graph, points, strict=True)}
