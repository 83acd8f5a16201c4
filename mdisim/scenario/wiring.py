"""From a network section to directed links between numbered devices."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import combinations
from typing import Any, NamedTuple

from mdisim import world
from mdisim.scenario import graphml
from mdisim.scenario.faults import Finding, Path
from mdisim.scenario.graphs import Ends
from mdisim.scenario.network import TOPOLOGIES, Link, Network, Pair
from mdisim.scenario.replays import Traces
from mdisim.scenario.roster import Roster
from mdisim.scenario.sections import MAX_LOSS
from mdisim.scenario.topology import joined

Features = dict[str, Any]  # the fields of a world.Link that are known so far
FILE = ("network", "file")
PLAIN = {  # a key of the scenario, and its name there
    "latency": "latency_s",
    "loss": "loss",
    "packet": "packet_bytes",
    "offload_cost": "offload_cost",
    "energy": "nj_per_bit",
}


class Entry(NamedTuple):
    """What is stated of some links: where, of which pairs of devices, and what.

    `links` are those of the `pairs` that there are; `called` begins messages about it.
    """

    path: Path
    pairs: frozenset[Ends]
    links: list[Ends]
    features: Features
    called: str


def wired(network: Network, there: Roster, traces: Traces) -> tuple[tuple[world.Link, ...], list[Finding]]:
    """Lay the links of a network, and say what is wrong with it (then the links are not to be used)."""
    found = _needless(network)
    ends = joined(network, there, found)
    every, more = ({}, []) if network.link is None else _features(network.link, ("network", "link"), traces)
    found += more
    laid: dict[Ends, Features] = {pair: dict(every) for pair in ends}
    entries: list[Entry] = []
    for path, pair in _stated(network, there, traces, found):
        entries.append(_entry(path, pair, network, there, laid, traces, found))
        laid |= {one: dict(every) for one in entries[-1].links if one not in laid}
    for entry in sorted(entries, key=lambda entry: (entry.path != FILE, -len(entry.pairs))):
        for one in entry.links:
            laid[one] |= entry.features
    say = "has no rate: give it one here, or to all in network.link"
    lacking = [entry for entry in entries if any("rate" not in laid[one] for one in entry.links)]
    found += [Finding(entry.path, entry.called + say) for entry in lacking] + _twice(entries, there)
    if any("rate" not in laid[pair] for pair in ends):
        found.append(Finding(("network",), "missing key 'link': what every link is like, such as "
                             f"{Link.example}", True))  # fmt: skip
    if found:
        return (), found
    channels = _channels(network, list(laid))
    links = tuple(world.Link(*pair, channel=channels[pair], **laid[pair]) for pair in laid)
    return links, _unfair(network, links, there)


def _entry(
    path: Path,
    pair: Pair,
    network: Network,
    there: Roster,
    laid: Collection[Ends],
    traces: Traces,
    found: list[Finding],
) -> Entry:
    """What a pair says, and of which links."""
    called = f"{network.file}, edge from {pair.from_!r} to {pair.to!r}: " if path == FILE else ""
    features, wrong = _features(pair, path, traces)
    pairs = _pairs(pair, path, there, wrong)
    links = pairs
    if network.topology != "edges" and path != FILE:
        links = [one for one in pairs if one in laid]
        if pairs and not links:
            say = f"topology {network.topology} has no link between {pair.from_!r} and {pair.to!r}"
            wrong.append(Finding(path, f"{say}; topology edges can have any"))
    found += [one._replace(message=called + one.message) for one in wrong]
    return Entry(path, frozenset(pairs), links, features, called)


def _twice(entries: list[Entry], there: Roster) -> list[Finding]:
    """Links that two entries of the scenario state, neither of which is about some of the other's pairs only."""
    holders: dict[Ends, list[Entry]] = {}
    for entry in entries:
        for one in entry.links if entry.path != FILE else ():
            holders.setdefault(one, []).append(entry)
    found: dict[tuple[Path, Path], Finding] = {}
    for (a, b), several in holders.items():
        for first, second in combinations(several, 2):
            key = (first.path, second.path)
            if key in found or first.pairs < second.pairs or second.pairs < first.pairs:
                continue
            place = ".".join(map(str, first.path))
            say = f"the link from {there.names[a]!r} to {there.names[b]!r} is stated in {place} already"
            cure = "leave one of them out; only an entry for some of another's links may differ from it"
            found[key] = Finding(second.path, f"{say}: {cure}")
    return list(found.values())


def _stated(network: Network, there: Roster, traces: Traces, found: list[Finding]) -> Iterator[tuple[Path, Pair]]:
    """The pairs that a file states, and those that the scenario states."""
    if network.topology == "graphml" and network.file is not None:
        pairs, wrong = graphml.pairs(traces.folders, network.file, there)
        found += [Finding(FILE, one) for one in wrong]
        yield from ((FILE, pair) for pair in pairs)
    yield from ((("network", "links", number), pair) for number, pair in enumerate(network.links))


def _features(section: Link | Pair, path: Path, traces: Traces) -> tuple[Features, list[Finding]]:
    """What a section says of a link, in the words of world.Link."""
    stated = {ours: value for name, ours in PLAIN.items() if (value := getattr(section, name)) is not None}
    if section.rate is not None:
        return stated | {"rate": world.ConstantRate(section.rate), "conditions": None}, []
    if section.trace is None:
        return stated, []
    trace, found = traces.look(section.trace, section.trace.mean, (*path, "trace"))
    lost = 0.0 if trace is None or trace.loss is None else float(trace.loss.max())
    if lost > MAX_LOSS:
        found.append(Finding((*path, "trace", "name"), f"loses up to {lost:.9g} of all packets; a link may lose "
                             f"{MAX_LOSS:g} at most, and a rate of 0 would stop it altogether"))  # fmt: skip
    conditioned = trace is not None and (trace.latency_s is not None or trace.loss is not None)
    return stated | {"rate": trace, "conditions": trace if conditioned else None}, found


def _pairs(pair: Pair, path: Path, there: Roster, found: list[Finding]) -> list[Ends]:
    """The directed pairs of devices that a pair is about, each once."""
    ends = {"from": there.members(pair.from_), "to": there.members(pair.to)}
    for key, name in (("from", pair.from_), ("to", pair.to)):
        if not ends[key]:
            found.append(Finding((*path, key), there.unknown(name)))
    meant = [(a, b) for a in ends["from"] for b in ends["to"] if a != b]
    if all(ends.values()) and not meant:
        found.append(Finding((*path, "to"), f"a link from {pair.from_!r} to itself leads nowhere"))
    back = [(b, a) for a, b in meant] if pair.both else []
    return list(dict.fromkeys(meant + back))


def _unfair(network: Network, links: tuple[world.Link, ...], there: Roster) -> list[Finding]:
    """Links that share a channel at equal shares though they have no rate over time in common."""
    if network.sharing == "fifo":
        return []
    first: dict[int, world.Link] = {}
    for link in links:
        other = first.setdefault(link.channel, link)
        constant = isinstance(link.rate, world.ConstantRate) and isinstance(other.rate, world.ConstantRate)
        if link.rate is not other.rate and not constant:
            one, two = (f"{there.names[x.source]!r} to {there.names[x.target]!r}" for x in (other, link))
            say = f"the links from {one} and from {two} share a channel, but follow different rates over time"
            would = "let both follow one trace with the same mean, start and end, or give both constant rates"
            return [Finding(("network", "sharing"), f"{say}: {would}")]
    return []


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
        "duplex": (network.duplex is not None and shared, "on a shared medium all links share one channel"),
        "branching": (network.branching is not None and topology != "tree", "only a tree has a branching"),
        "tiers": (bool(network.tiers) and topology != "tiers", "only topology tiers has tiers"),
        "file": (network.file is not None and topology != "graphml", "only topology graphml is in a file"),
        "arguments": (bool(network.arguments) and topology in TOPOLOGIES, f"topology {topology} takes none"),
    }
    return [
        Finding(("network", key), f"{why}: leave it out", True) for key, (is_so, why) in needless.items() if is_so
    ]
