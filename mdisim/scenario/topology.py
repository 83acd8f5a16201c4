"""Which devices a topology joins: the shapes that are known by name, and some graphs of networkx."""

from __future__ import annotations

from itertools import pairwise

from mdisim.scenario.faults import Finding
from mdisim.scenario.graphs import GRAPHS, Ends, generated
from mdisim.scenario.nearest import hint, listed, nearest
from mdisim.scenario.network import TOPOLOGIES, Network, Pair
from mdisim.scenario.roster import Roster


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
        case name if name in GRAPHS:
            return generated(name, network.arguments, n, found)
        case name:
            near = nearest(name, (*TOPOLOGIES, *GRAPHS))
            there_are = f"there are {', '.join((*TOPOLOGIES, *GRAPHS))}"
            say = f"unknown topology {name!r}; " + (hint(name, near) if near else there_are)
            found.append(Finding(("network", "topology"), say))
            return []
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
