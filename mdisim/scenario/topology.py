"""Which devices a topology joins: the shapes that are known by name, and the graphs of networkx."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from itertools import pairwise
from typing import Any

from mdisim.errors import InputError
from mdisim.scenario.faults import Finding
from mdisim.scenario.nearest import hint, listed, nearest, one_of
from mdisim.scenario.network import TOPOLOGIES, Network, Pair
from mdisim.scenario.roster import Roster
from mdisim.scenario.sections import MAX_DEVICES

Ends = tuple[int, int]


def joined(network: Network, there: Roster, found: list[Finding]) -> list[Ends]:
    """The directed pairs that a topology joins."""
    n = len(there.names)
    match network.topology:
        case "edges":
            if not network.links:
                found.append(Finding(("network",), "missing key 'links': topology edges needs its pairs, such as "
                                     f"[{Pair.example}]", True))  # fmt: skip
            return []
        case "graphml":
            if network.file is None:
                say = "missing key 'file': topology graphml needs one, such as net.graphml"
                found.append(Finding(("network",), say, True))
            return []
        case "mesh":
            one_way = [(a, b) for a in range(n) for b in range(a + 1, n)]
        case "ring":
            one_way = [(a, (a + 1) % n) for a in range(n) if n > 1]
        case "line":
            one_way = [(a, a + 1) for a in range(n - 1)]
        case "star":
            center = _center(network, there, found)
            one_way = [(center, b) for b in range(n) if b != center]
        case "tree":
            branching = network.branching or 2
            one_way = [((b - 1) // branching, b) for b in range(1, n)]
        case "tiers":
            tiers = _tiers(network, there, found)
            one_way = [(a, b) for tier, below in pairwise(tiers) for a in tier for b in below]
        case generator:
            return _generated(generator, network.arguments, n, found)
    back = [] if network.directed else [(b, a) for a, b in one_way]
    return list(dict.fromkeys(sorted(one_way + back)))


def _center(network: Network, there: Roster, found: list[Finding]) -> int:
    if network.center is None:
        return 0
    members = there.members(network.center)
    if not members:
        found.append(Finding(("network", "center"), there.unknown(network.center)))
    elif len(members) > 1:
        say = f"{network.center!r} are {len(members)} devices; name one, such as {there.names[members[0]]!r}"
        found.append(Finding(("network", "center"), say))
    return members[0] if members else 0


def _tiers(network: Network, there: Roster, found: list[Finding]) -> list[list[int]]:
    """The devices of each tier; each device is in one."""
    if not network.tiers:
        say = "missing key 'tiers': topology tiers needs them in order, such as [phone, edge, cloud]"
        found.append(Finding(("network",), say, True))
        return []
    placed: dict[int, str] = {}
    tiers: list[list[int]] = []
    for number, tier in enumerate(network.tiers):
        tiers.append([])
        for i, name in enumerate(tier):
            path, members = ("network", "tiers", number, i), there.members(name)
            twice = [there.names[d] for d in members if d in placed]
            if not members:
                found.append(Finding(path, there.unknown(name)))
            elif twice:
                found.append(Finding(path, f"{twice[0]!r} stands in the tiers already: name each device once"))
            placed |= dict.fromkeys(members, name)
            tiers[-1] += members
    lacking = [name for d, name in enumerate(there.names) if d not in placed]
    if lacking and not found:
        say = f"{listed(lacking[:5])} {'is' if len(lacking) == 1 else 'are'} in no tier: name each device once"
        found.append(Finding(("network", "tiers"), say))
    return tiers


def generators() -> dict[str, Callable[..., Any]]:
    """The graph generators of networkx by name."""
    import networkx as nx

    named = {name: getattr(nx, name) for name in dir(nx) if not name.startswith("_")}
    return {
        name: made
        for name, made in named.items()
        if callable(made) and str(getattr(made, "__module__", "")).startswith("networkx.generators")
    }


def _moderate(arguments: dict[str, Any]) -> None:
    """Refuse numbers that no graph of so few devices has, of nodes or of links, before networkx counts to them."""
    for key, value in arguments.items():
        numbers = value if isinstance(value, list) else [value]
        if key != "seed" and any(isinstance(number, int) and number > MAX_DEVICES**2 for number in numbers):
            raise InputError(f"{key} is above {MAX_DEVICES**2}")


def _generated(name: str, arguments: dict[str, Any], n: int, found: list[Finding]) -> list[Ends]:
    """The pairs of a networkx graph; its nodes, in their order, are the devices."""
    known = generators()
    if name not in known:
        near = nearest(name, TOPOLOGIES) or nearest(name, known)
        there_are = f"there are {one_of(TOPOLOGIES)}, and the graph generators of networkx"
        say = f"unknown topology {name!r}; " + (hint(name, near) if near else there_are)
        found.append(Finding(("network", "topology"), say))
        return []
    takes = signature(known[name]).parameters
    given = {k: v for k, v in {"n": n, "seed": 0}.items() if k in takes} | arguments
    try:
        _moderate(arguments)
        graph = known[name](**given)
        places = {node: number for number, node in enumerate(graph.nodes)}
        pairs = [(places[a], places[b]) for a, b in graph.edges() if a != b]
        directed = graph.is_directed()
    except Exception as error:
        say = f"networkx could not make a {name} of {given}: {error}"
        found.append(Finding(("network", "arguments" if arguments else "topology"), say))
        return []
    if len(places) != n:
        say = f"{name} of {given} has {len(places)} nodes, but there are {n} devices"
        found.append(Finding(("network", "arguments" if arguments else "topology"), say))
        return []
    back = [] if directed else [(b, a) for a, b in pairs]
    return list(dict.fromkeys(sorted(pairs + back)))
