"""The graph generators of networkx that a topology may name, with what each takes.

A generator that is called by name with any arguments may never end or fill the memory. So there is this list: each
argument is of a kind with bounds, and the number of nodes is worked out, and compared with that of the devices,
before networkx is called. All of these take time in proportion to the links they make, or to the pairs of devices;
those of small worlds only while few of the pairs are linked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite, prod
from typing import Any

from mdisim.scenario.faults import Finding
from mdisim.scenario.nearest import hint, one_of
from mdisim.scenario.sections import MAX_DEVICES
from mdisim.scenario.units import shown

AT = ("network", "arguments")
Ends = tuple[int, int]


@dataclass(frozen=True)
class Kind:
    """What an argument may be: in words, and as a test."""

    words: str
    fits: Callable[[Any], bool]


def _is_whole(value: Any, least: int = 0, most: int = MAX_DEVICES) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any, most: float) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and 0 <= value <= most
    )


def _are_whole(value: Any, least: int) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_DEVICES and all(_is_whole(v, least) for v in value)


WHOLE = Kind(f"a whole number from 0 to {MAX_DEVICES}", _is_whole)
COUNT = Kind(f"a whole number from 1 to {MAX_DEVICES}", lambda value: _is_whole(value, 1))
LINKS = Kind(f"a whole number from 0 to {MAX_DEVICES**2}", lambda value: _is_whole(value, 0, MAX_DEVICES**2))
SHARE = Kind("a number from 0 to 1", lambda value: _is_number(value, 1.0))
LENGTH = Kind("a number from 0 to 1000", lambda value: _is_number(value, 1000.0))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
STEPS = Kind(f"a list of whole numbers from 1 to {MAX_DEVICES}", lambda value: _are_whole(value, 1))
SIDES = Kind(f"a list of whole numbers from 2 to {MAX_DEVICES}", lambda value: _are_whole(value, 2))
SEED = Kind("a whole number from 0 to 4294967295", lambda value: _is_whole(value, 0, 2**32 - 1))


@dataclass(frozen=True)
class Graph:
    """What a generator takes: what must be stated, what may be, and how many nodes it makes of that.

    Where the nodes are as many as its argument n says, the number of devices is put in for n.
    """

    needs: Mapping[str, Kind] = field(default_factory=dict)
    may: Mapping[str, Kind] = field(default_factory=dict)
    nodes: Callable[[Mapping[str, Any]], int] | None = None

    def given(self, arguments: Mapping[str, Any], devices: int) -> dict[str, Any]:
        """The arguments with what is put in for those that are left out."""
        put_in = {"n": devices} if self.nodes is None else {}
        return put_in | ({"seed": 0} if "seed" in self.may else {}) | dict(arguments)

    def wrong(self, arguments: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong with each of the arguments that are stated, and which are missing."""
        known = {**self.needs, **self.may, **({"n": COUNT} if self.nodes is None else {})}
        for key, value in arguments.items():
            if key not in known:
                yield Finding((*AT, key), f"unknown argument {key!r}; {hint(key, known, 'there are')}", True)
            elif not known[key].fits(value):
                yield Finding((*AT, key), f"expected {known[key].words}, not {shown(value)}")
        for key in self.needs:
            if key not in arguments:
                yield Finding(AT, f"missing argument {key!r}: {self.needs[key].words}")


_TREE = {"r": COUNT, "h": Kind("a whole number from 0 to 10", lambda value: _is_whole(value, 0, 10))}
_SMALL_WORLD = {"k": Kind("a whole number from 1 to 100", lambda value: _is_whole(value, 1, 100)), "p": SHARE}
_SEEDED = {"seed": SEED}
GRAPHS: Mapping[str, Graph] = {
    "path_graph": Graph(),
    "cycle_graph": Graph(),
    "complete_graph": Graph(),
    "wheel_graph": Graph(),
    "circulant_graph": Graph({"offsets": STEPS}),
    "complete_bipartite_graph": Graph({"n1": COUNT, "n2": COUNT}, nodes=lambda given: given["n1"] + given["n2"]),
    "balanced_tree": Graph(_TREE, nodes=lambda given: sum(given["r"] ** level for level in range(given["h"] + 1))),
    "grid_2d_graph": Graph({"m": COUNT, "n": COUNT}, {"periodic": FLAG}, lambda given: given["m"] * given["n"]),
    "grid_graph": Graph({"dim": SIDES}, {"periodic": FLAG}, lambda given: prod(given["dim"])),
    "hypercube_graph": Graph({"n": COUNT}, nodes=lambda given: 2 ** given["n"]),
    "barabasi_albert_graph": Graph({"m": COUNT}, _SEEDED),
    "gnp_random_graph": Graph({"p": SHARE}, {**_SEEDED, "directed": FLAG}),
    "erdos_renyi_graph": Graph({"p": SHARE}, {**_SEEDED, "directed": FLAG}),
    "gnm_random_graph": Graph({"m": LINKS}, {**_SEEDED, "directed": FLAG}),
    "watts_strogatz_graph": Graph(_SMALL_WORLD, _SEEDED),
    "newman_watts_strogatz_graph": Graph(_SMALL_WORLD, _SEEDED),
    "random_geometric_graph": Graph({"radius": LENGTH}, _SEEDED),
    "random_labeled_tree": Graph({}, _SEEDED),
}


def generated(name: str, arguments: Mapping[str, Any], devices: int, found: list[Finding]) -> list[Ends]:
    """The directed pairs of a graph of networkx; its nodes, in their order, are the devices."""
    graph = GRAPHS[name]
    wrong = list(graph.wrong(arguments))
    if wrong:
        found += wrong
        return []
    given = graph.given(arguments, devices)
    nodes = given["n"] if graph.nodes is None else graph.nodes(given)
    if nodes != devices:
        say = f"{name} of {_told(given)} has {nodes} nodes, but there are {devices} devices"
        found.append(Finding(AT if arguments else ("network", "topology"), say))
        return []
    return _made(name, given, found)


def _made(name: str, given: Mapping[str, Any], found: list[Finding]) -> list[Ends]:
    import networkx as nx

    try:
        graph = getattr(nx, name)(**given)
    except Exception as error:  # such as more links a node than there are nodes
        found.append(Finding(AT, f"networkx could not make a {name} of {_told(given)}: {error}"))
        return []
    places = {node: number for number, node in enumerate(graph.nodes)}
    pairs = [(places[a], places[b]) for a, b in graph.edges() if a != b]
    back = [] if graph.is_directed() else [(b, a) for a, b in pairs]
    return list(dict.fromkeys(sorted(pairs + back)))


def _told(given: Mapping[str, Any]) -> str:
    return one_of(f"{key}={shown(value)}" for key, value in given.items())
