"""The network as people write it: links, what differs about some of them, how they are laid and shared."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from mdisim.scenario.sections import Flag, Loss, Positive, Price, Section, named
from mdisim.scenario.units import Bandwidth, Bytes, DurationOrZero, EnergyPerBit, SomeBytes

TOPOLOGIES = ("mesh", "ring", "star", "line", "tree", "tiers", "graphml", "edges")


class Replay(Section):
    """A trace that is replayed."""

    example: ClassVar[str] = "{name: lte-driving, start: 30 s}"

    name: str
    """A trace from `mdisim traces`, or a path from the scenario's folder or else the current one: mine.csv."""
    start: DurationOrZero = 0.0
    """Where in the trace a run begins."""
    end: Literal["loop", "hold", "stop"] | None = None
    """At the end: begin again, stay at the last rate, or stop; by default as the trace says of itself."""
    format: str | None = None
    """The format of the file, where its content does not tell."""


class LinkReplay(Replay):
    """A trace that a link follows."""

    example: ClassVar[str] = "{name: lte-driving, mean: 10 Mbps}"

    mean: Bandwidth | None = None
    """Scale the rates so that this is their mean; as they are by default."""


NamedReplay = Annotated[Replay, BeforeValidator(named, json_schema_input_type=str | Replay)]
NamedLinkReplay = Annotated[LinkReplay, BeforeValidator(named, json_schema_input_type=str | LinkReplay)]


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("rate_or_trace", "{why}", {"why": message})


class Link(Section):
    """What a link is like, both ways: it has a constant rate, or follows a trace."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["rate"]}, {"required": ["trace"]}]})
    example: ClassVar[str] = "{rate: 20 Mbps, latency: 2 ms}"

    rate: Bandwidth | None = None
    """How fast it transmits, such as 20 Mbps."""
    trace: NamedLinkReplay | None = None
    """How fast it transmits over time, in place of a rate: a trace by name or path, or {name: ..., mean: ...}."""
    latency: DurationOrZero = 0.0
    """What passes after a transmission until it has arrived; it does not occupy the link. A trace's adds to it."""
    loss: Loss = 0.0
    """The share of packets that is lost and sent again, such as 1 %; 99 % at most. A trace's comes on top."""
    packet: SomeBytes | None = None
    """The size of a packet; by default every message is one packet."""
    offload_cost: Price = 0.0
    """The abstract price of a task sent over it."""
    energy: EnergyPerBit = 0.0
    """What a bit costs to transmit."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Link:
        if self.rate is None and self.trace is None:
            raise _wrong("missing key 'rate' or 'trace': how fast it transmits, such as "
                         "{rate: 20 Mbps} or {trace: lte-driving}")  # fmt: skip
        if self.rate is not None and self.trace is not None:
            raise _wrong("a link has a rate or follows a trace, not both: leave one of them out")
        return self


class Pair(Section):
    """A link between two devices, or what is different about it; what is left out is as `network.link` says."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["rate", "trace"]}})
    example: ClassVar[str] = "{from: phone, to: edge, rate: 20 Mbps}"

    from_: Annotated[str, Field(alias="from")]
    """The device at one end; the name of several stands for each of them."""
    to: str
    """The device at the other end."""
    both: Flag = True
    """Whether the other direction is meant too."""
    rate: Bandwidth | None = None
    """As in network.link, and in place of a trace there."""
    trace: NamedLinkReplay | None = None
    """As in network.link, and in place of a rate there."""
    latency: DurationOrZero | None = None
    """As in network.link."""
    loss: Loss | None = None
    """As in network.link."""
    packet: SomeBytes | None = None
    """As in network.link."""
    offload_cost: Price | None = None
    """As in network.link."""
    energy: EnergyPerBit | None = None
    """As in network.link."""

    @model_validator(mode="after")
    def _not_both(self) -> Pair:
        if self.rate is not None and self.trace is not None:
            raise _wrong("a link has a rate or follows a trace, not both: leave one of them out")
        return self


class Message(Section):
    """What it costs to make a message of a tensor, and a tensor of a message."""

    example: ClassVar[str] = "{overhead: 60 B, serialise: 1 ms, serialise_rate: 200 MB/s}"

    overhead: Bytes = 0.0
    """Added to each message, such as the headers around it."""
    serialise: DurationOrZero = 0.0
    """What packing takes at the sender, and unpacking at the receiver, whatever the size."""
    serialise_rate: Bandwidth | None = None
    """How fast either goes through the bytes on top of that; no time at all by default."""


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Tier = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_one_or_several, json_schema_input_type=str | list[str]),
]


class Network(Section):
    """How the devices are joined."""

    example: ClassVar[str] = "{topology: mesh, link: {rate: 20 Mbps, latency: 2 ms}}"

    topology: Annotated[str, Field(examples=list(TOPOLOGIES))]
    """mesh, ring, star, line, tree, tiers, graphml, edges (the pairs under links), or one of networkx's graphs:
    path_graph, cycle_graph, complete_graph, wheel_graph, circulant_graph, complete_bipartite_graph, balanced_tree,
    grid_2d_graph, grid_graph, hypercube_graph, barabasi_albert_graph, gnp_random_graph, erdos_renyi_graph,
    gnm_random_graph, watts_strogatz_graph, newman_watts_strogatz_graph, random_geometric_graph,
    random_labeled_tree."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of a graph of networkx, such as {m: 2, seed: 1}; where n is the number of nodes, that of the
    devices is put in for it, and 0 for seed."""
    directed: Flag = False
    """Whether a ring is passed in one direction only."""
    center: str | None = None
    """The device in the middle of a star; the first one by default."""
    branching: Positive | None = None
    """How many devices stand below each one of a tree, which is filled row by row; 2 by default."""
    tiers: tuple[Tier, ...] = ()
    """Tiers of devices, each linked to all of the next: names or lists of names, such as [phone, edge, cloud]."""
    file: str | None = None
    """A GraphML file, from the scenario's folder; its edges may carry what is known of a link, such as rate."""
    link: Link | None = None
    """What every link is like."""
    links: tuple[Pair, ...] = ()
    """With topology edges: the links. With any other: pairs that differ from network.link. A pair that is one of
    several in another entry (a name of several devices, or both directions) overrides that one, in whatever order
    they stand; else each link is stated once."""
    medium: Literal["shared", "point-to-point"] = "point-to-point"
    """Whether all links share one channel, as in one WiFi cell."""
    duplex: Literal["full", "half"] | None = None
    """Whether both directions of a point-to-point link have a channel each (full, the default) or share one."""
    sharing: Literal["fifo", "fair"] = "fifo"
    """Whether links that share a channel take turns on it, or transmit at once at equal shares of their rates."""
    sender: Literal["device", "link"] = "device"
    """Whether a device sends one message at a time, or one on each of its links."""
    message: Message | None = None
    """What it costs to make messages; nothing by default."""
    route_size: SomeBytes | None = None
    """Ways lead where a message of this size is fastest; the largest feature map that is sent by default."""
