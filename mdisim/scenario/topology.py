"""From a network section to directed links between numbered devices, and the routes over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdisim import world
from mdisim.scenario.faults import Finding
from mdisim.scenario.models import MAX_DEVICES, TOPOLOGIES, Link, Network, Pair
from mdisim.scenario.nearest import hint, nearest, one_of
from mdisim.scenario.roster import Roster

Ends = tuple[int, int]
Features = dict[str, Any]  # the fields of a Link that are known so far


def wired(network: Network, roster: Roster) -> tuple[tuple[world.Link, ...], list[Finding]]:
    """Lay the links of a network, and say what is wrong with it (then the links are not to be used)."""
    found = _needless(network)
    ends = _joined(network, roster, found)
    every = {} if network.link is None else _set(network.link)
    laid: dict[Ends, Features] = {pair: dict(every) for pair in ends}
    for number, pair in enumerate(network.links):
        for one in _between(pair, number, network, roster, laid, found):
            laid[one] = laid.get(one, every) | _set(pair)
            if "rate" not in laid[one]:
                say = "has no rate: give it one here, or to all in network.link"
                found.append(Finding(("network", "links", number), say))
    if any("rate" not in laid[pair] for pair in ends):
        found.append(Finding(("network",), "missing key 'link': what every link is like, such as "
                             f"{Link.example}", True))  # fmt: skip
    if found:
        return (), found
    channels = _channels(network, list(laid))
    return tuple(_link(pair, laid[pair], channels[pair]) for pair in laid), []


def routes(links: tuple[world.Link, ...], n_devices: int, size_bytes: float) -> NDArray[np.int64]:
    """The next device on the fastest way, [D, D], for a message of a size over unloaded links.

    Of equally fast ways the one with fewer hops, then the one through the device that comes first. It is
    world.UNREACHABLE where no way leads, and the device itself on the diagonal. (Floyd and Warshall.)
    """
    time_s = np.full((n_devices, n_devices), np.inf)
    hops = np.full((n_devices, n_devices), n_devices)
    step = np.full((n_devices, n_devices), world.UNREACHABLE)
    for link in links:
        time_s[link.source, link.target] = 8.0 * size_bytes / link.rate.mean_bps() + link.latency_s
        hops[link.source, link.target] = 1
        step[link.source, link.target] = link.target
    np.fill_diagonal(time_s, 0.0)
    np.fill_diagonal(hops, 0)
    np.fill_diagonal(step, np.arange(n_devices))
    for via in range(n_devices):
        time_via = time_s[:, via, None] + time_s[None, via, :]
        hops_via = hops[:, via, None] + hops[None, via, :]
        better = (time_via < time_s) | ((time_via == time_s) & (hops_via < hops) & np.isfinite(time_via))
        if better.any():
            time_s[better] = time_via[better]
            hops[better] = hops_via[better]
            step[better] = np.broadcast_to(step[:, via, None], better.shape)[better]
    return step


def _set(section: Link | Pair) -> Features:
    return {name: value for name in Link.model_fields if (value := getattr(section, name)) is not None}


def _link(ends: Ends, features: Features, channel: int) -> world.Link:
    return world.Link(
        source=ends[0],
        target=ends[1],
        rate=world.ConstantRate(features["rate"]),
        latency_s=features.get("latency", 0.0),
        channel=channel,
        offload_cost=features.get("offload_cost", 0.0),
        nj_per_bit=features.get("energy", 0.0),
    )


def _channels(network: Network, ends: list[Ends]) -> dict[Ends, int]:
    """Which links take turns: all, both directions of a pair, or none."""
    if network.medium == "shared":
        return dict.fromkeys(ends, 0)
    if network.duplex == "half":
        numbers: dict[Ends, int] = {}
        return {(a, b): numbers.setdefault((min(a, b), max(a, b)), len(numbers)) for a, b in ends}
    return {pair: number for number, pair in enumerate(ends)}


def _needless(network: Network) -> list[Finding]:
    """Keys that say nothing here: what is ignored would mislead."""
    shared, topology = network.medium == "shared", network.topology
    needless = {
        "directed": (network.directed and topology != "ring", "only a ring can be directed"),
        "center": (network.center is not None and topology != "star", "only a star has a center"),
        "duplex": (network.duplex is not None and shared, "on a shared medium all links take turns"),
        "arguments": (bool(network.arguments) and topology in TOPOLOGIES, f"topology {topology} takes none"),
    }
    return [
        Finding(("network", key), f"{why}: leave it out", True) for key, (is_so, why) in needless.items() if is_so
    ]


def _joined(network: Network, roster: Roster, found: list[Finding]) -> list[Ends]:
    """The directed pairs that a topology joins."""
    n = len(roster.names)
    match network.topology:
        case "edges":
            if not network.links:
                found.append(Finding(("network",), "missing key 'links': topology edges needs its pairs, such as "
                                     f"[{Pair.example}]", True))  # fmt: skip
            return []
        case "mesh":
            one_way = [(a, b) for a in range(n) for b in range(a + 1, n)]
        case "ring":
            one_way = [(a, (a + 1) % n) for a in range(n) if n > 1]
        case "line":
            one_way = [(a, a + 1) for a in range(n - 1)]
        case "star":
            center = _center(network, roster, found)
            one_way = [(center, b) for b in range(n) if b != center]
        case generator:
            return _generated(generator, network.arguments, n, found)
    back = [] if network.directed else [(b, a) for a, b in one_way]
    return list(dict.fromkeys(sorted(one_way + back)))


def _center(network: Network, roster: Roster, found: list[Finding]) -> int:
    if network.center is None:
        return 0
    members = roster.members(network.center)
    if not members:
        found.append(Finding(("network", "center"), roster.unknown(network.center)))
    elif len(members) > 1:
        say = f"{network.center!r} are {len(members)} devices; name one, such as {roster.names[members[0]]!r}"
        found.append(Finding(("network", "center"), say))
    return members[0] if members else 0


def _between(
    pair: Pair, number: int, network: Network, roster: Roster, laid: dict[Ends, Features], found: list[Finding]
) -> Iterator[Ends]:
    """The directed links that an entry of `links` is about."""
    path = ("network", "links", number)
    ends = {"from": roster.members(pair.from_), "to": roster.members(pair.to)}
    for key, name in (("from", pair.from_), ("to", pair.to)):
        if not ends[key]:
            found.append(Finding((*path, key), roster.unknown(name)))
    meant = [(a, b) for a in ends["from"] for b in ends["to"] if a != b]
    if all(ends.values()) and not meant:
        found.append(Finding((*path, "to"), f"a link from {pair.from_!r} to itself leads nowhere"))
    meant += [(b, a) for a, b in meant] if pair.both else []
    if network.topology == "edges":
        yield from meant
    elif meant and not any(one in laid for one in meant):
        say = f"topology {network.topology} has no link between {pair.from_!r} and {pair.to!r}"
        found.append(Finding(path, f"{say}; topology edges can have any"))
    else:
        yield from (one for one in meant if one in laid)


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
            raise ValueError(f"{key} is above {MAX_DEVICES**2}")


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
