"""Networks in GraphML files: nodes are devices, edges are links, and their attributes what is known of them.

The file is checked before it is parsed: networkx hands it to the standard library, which expands entities, and
so could be made to fill the memory by a small file.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator
from io import BytesIO
from typing import Any, NoReturn
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate

from pydantic import ValidationError

from mdisim.errors import InputError
from mdisim.scenario.nearest import hint, listed, nearest
from mdisim.scenario.network import Link, Pair
from mdisim.scenario.phrases import phrases
from mdisim.scenario.reading import Folders, content
from mdisim.scenario.replays import is_path
from mdisim.scenario.roster import Roster
from mdisim.scenario.units import BANDWIDTH, parse, shown
from mdisim.scenario.yamlio import YamlError, compose

LIMIT_BYTES = 16 * 10**6
MOST_FAULTS = 20
NAMES = ("name", "label")  # of a node, if its id is not the device's name
LIKE_RATES = ("rate", "speed", "bandwidth", "capacity", "throughput", "bps")  # in names of attributes


def pairs(folders: Folders, file: str, there: Roster) -> tuple[list[Pair], list[str]]:
    """Read the links of a graph from a file, and say what is wrong with it.

    An attribute of an edge is written as its key in `network.link` is in YAML; paths of traces begin at the
    file's folder. Attributes of other programs are passed over; see `cautions`.
    """
    try:
        graph = _graph(content(folders.file(file), LIMIT_BYTES))
    except InputError as error:
        return [], [f"{file}{error}"]
    names, wrong = _devices(graph, there)
    if graph.is_multigraph():
        wrong.append(": two edges join the same nodes; one would do")
    wrong += _misspelt(graph)
    made = []
    for a, b, attributes in [] if wrong else graph.edges(data=True):
        if len(wrong) > MOST_FAULTS:
            break
        stated = {**_defaults(graph, attributes), **attributes}
        pair, more = _pair(names[a], names[b], not graph.is_directed(), stated, os.path.dirname(file))
        wrong += more
        made += [pair] if pair else []
    return made, [file + one for one in wrong]


def cautions(folders: Folders, file: str) -> list[str]:
    """What edges without a rate of ours state that looks like one, and is not read."""
    graph = _graph(content(folders.file(file), LIMIT_BYTES))
    found: dict[str, str] = {}
    for *_, attributes in graph.edges(data=True):
        if not {"rate", "trace"} & {*attributes, *graph.graph.get("edge_default", {})}:
            for key, value in attributes.items():
                if key not in Link.model_fields and _is_like_a_rate(key, value):
                    found.setdefault(str(key), shown(value))
    if not found:
        return []
    (first, value), *_ = found.items()
    return [
        f"{file}: edges state {listed(found)}, such as {first} {value}, which is not read; the links have the "
        "scenario's rate. If it is their rate, name the attribute 'rate' and give it a unit, such as '10 Mbps'"
    ]


def _is_like_a_rate(key: str, value: Any) -> bool:
    if any(part in key.casefold() for part in LIKE_RATES):
        return True
    try:
        return isinstance(value, str) and parse(value, BANDWIDTH) > 0.0
    except InputError:
        return False


def _graph(text: bytes) -> Any:
    """Parse a graph that declares no entities."""
    import networkx as nx

    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(text, True)
    except ExpatError as error:
        raise InputError(f", line {error.lineno}: is not XML: {ErrorString(error.code)}") from None
    except LookupError as error:
        raise InputError(f": cannot be read: {error}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is drawn, not meant
            return nx.read_graphml(BytesIO(text))
    except Exception as error:
        raise InputError(f": is no GraphML that networkx can read: {error}") from None


def _refuse(*_: object) -> NoReturn:
    raise InputError(": has a document type (<!DOCTYPE ...>), which is not read here: leave it out")


def _devices(graph: Any, there: Roster) -> tuple[dict[str, str], list[str]]:
    """The device that each node is, by the node's id."""
    names: dict[str, str] = {}
    strangers: list[str] = []
    for node, attributes in graph.nodes(data=True):
        stated = [str(attributes[key]).strip() for key in NAMES if attributes.get(key) is not None]
        called = [*filter(None, stated), node]
        known = next((name for name in called if name in there.names), None)
        if known is None:
            strangers.append(called[0])
        else:
            names[node] = known
    wrong = [f": node {name!r} is no device; {hint(name, there.names, 'there are')}" for name in strangers[:5]]
    wrong += [f": {len(strangers) - 5} more nodes are no devices"] if len(strangers) > 5 else []
    taken = list(names.values())
    lacking = [name for name in there.names if name not in taken]
    if lacking and not strangers:
        wrong.append(f": no node has the id, name or label {listed(lacking[:5], 'or')}; every device needs one")
    twice = [name for name in there.names if taken.count(name) > 1]
    wrong += [f": two nodes are {name!r}; one would do" for name in twice]
    return names, wrong


def _misspelt(graph: Any) -> Iterator[str]:
    """Attributes that look much like one of ours: passed over they would mislead."""
    known = set(Link.model_fields)
    stated = {key for *_, attributes in graph.edges(data=True) for key in attributes}
    for key in sorted({*stated, *graph.graph.get("edge_default", {})} - known):
        if near := nearest(key, known):
            yield f": unknown attribute {key!r} of an edge; did you mean {near[0]!r}?"


def _defaults(graph: Any, attributes: Collection[str]) -> dict[str, Any]:
    """What holds for an edge that does not say otherwise; a trace says otherwise than a rate."""
    rates = {"rate", "trace"}
    every = graph.graph.get("edge_default", {})
    return {key: value for key, value in every.items() if not (key in rates and rates & set(attributes))}


def _pair(a: str, b: str, both: bool, attributes: dict[str, Any], folder: str) -> tuple[Pair | None, list[str]]:
    """One link, or what is wrong with it."""
    known = {key: _as_yaml(value) for key, value in attributes.items() if key in Link.model_fields and value != ""}
    try:
        pair = Pair.model_validate({"from": a, "to": b, "both": both, **known})
    except ValidationError as error:
        found = phrases(Pair, error.errors(include_url=False))
        keys = [".".join(map(str, one.path)) for one in found]
        said = [f"{key}: {one.message}" if key else one.message for key, one in zip(keys, found, strict=True)]
        return None, [f", edge from {a!r} to {b!r}: {one}" for one in said]
    if pair.trace is not None and is_path(pair.trace.name):
        at = pair.trace.model_copy(update={"name": os.path.join(folder, pair.trace.name)})
        pair = pair.model_copy(update={"trace": at})
    return pair, []


def _as_yaml(value: Any) -> Any:
    """What an attribute's text would be in YAML: a number, a text, a mapping."""
    if not isinstance(value, str):
        return value
    try:
        return compose(value, "edge").data()
    except YamlError:
        return value
