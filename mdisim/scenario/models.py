"""The scenario as people write it: frozen pydantic models, one per section, with every default and its meaning.

The texts below the fields are the descriptions in the JSON Schema and in messages. Nothing here knows of
files, profiles or arrays; what needs them is checked in `checks` and built in `building`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le
from pydantic import AllowInfNan, BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints

from mdisim.scenario.units import (
    Bandwidth,
    Bytes,
    Duration,
    DurationOrZero,
    EnergyPerBit,
    PerSecond,
    Power,
)

MAX_DEVICES = 1000
MAX_POPULATION = 1_000_000
TOPOLOGIES = ("mesh", "ring", "star", "line", "edges")

Flag = Annotated[bool, Strict()]
Natural = Annotated[int, Strict(), Ge(0)]
Positive = Annotated[int, Strict(), Ge(1)]
Share = Annotated[float, Strict(), AllowInfNan(False)]
DeviceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class Section(BaseModel):
    """A mapping with known keys only; `example` shows one in messages."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    example: ClassVar[str] = "{key: value}"


class PowerDraw(Section):
    """What a device draws; by default what the catalogue says of its kind, or nothing."""

    example: ClassVar[str] = "{busy: 10 W, idle: 5 W}"

    busy: Power | None = None
    """Drawn by a computing core."""
    idle: Power | None = None
    """Drawn by the idle device."""


class Device(Section):
    """One device, or several alike."""

    example: ClassVar[str] = "{kind: jetson-nano}"

    kind: str
    """The device kind, as named in the profile's cost table, such as jetson-nano."""
    count: Annotated[Positive, Le(MAX_DEVICES)] = 1
    """How many there are; more than one are called NAME-1, NAME-2 and so on."""
    cores: Positive = 1
    """Tasks computed at a time."""
    speed: Annotated[Share, Gt(0)] = 1.0
    """A factor on the speed of the kind: 2 halves every stage's time."""
    queue_limit: Natural | None = None
    """Tasks that may wait for a core; more are dropped. No limit by default."""
    holds: tuple[Positive, ...] | None = None
    """The stages that this device can run, counted from 1; all by default."""
    layer_cost: Annotated[Share, Ge(0)] = 1.0
    """The abstract price of running a layer here."""
    power: PowerDraw = PowerDraw()
    """What the device draws."""


class Link(Section):
    """What a link is like, both ways."""

    example: ClassVar[str] = "{rate: 20 Mbps, latency: 2 ms}"

    rate: Bandwidth
    """How fast it transmits, such as 20 Mbps."""
    latency: DurationOrZero = 0.0
    """What passes after a transmission until it has arrived; it does not occupy the link."""
    offload_cost: Annotated[Share, Ge(0)] = 0.0
    """The abstract price of a task sent over it."""
    energy: EnergyPerBit = 0.0
    """What a bit costs to transmit."""


class Pair(Section):
    """A link between two devices, or what is different about it; what is left out is as `network.link` says."""

    example: ClassVar[str] = "{from: phone, to: edge, rate: 20 Mbps}"

    from_: Annotated[str, Field(alias="from")]
    """The device at one end; the name of several stands for each of them."""
    to: str
    """The device at the other end."""
    both: Flag = True
    """Whether the other direction is meant too."""
    rate: Bandwidth | None = None
    """As in network.link."""
    latency: DurationOrZero | None = None
    """As in network.link."""
    offload_cost: Annotated[Share, Ge(0)] | None = None
    """As in network.link."""
    energy: EnergyPerBit | None = None
    """As in network.link."""


class Network(Section):
    """How the devices are joined."""

    example: ClassVar[str] = "{topology: mesh, link: {rate: 20 Mbps, latency: 2 ms}}"

    topology: Annotated[str, Field(examples=list(TOPOLOGIES))]
    """mesh, ring, star, line, edges (the pairs under links, and no others), or a graph generator of networkx."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of a networkx generator, such as {m: 2, seed: 1}; the number of devices is put in for n."""
    directed: Flag = False
    """Whether a ring is passed in one direction only."""
    center: str | None = None
    """The device in the middle of a star; the first one by default."""
    link: Link | None = None
    """What every link is like."""
    links: tuple[Pair, ...] = ()
    """With topology edges: the links. With any other: pairs that differ from network.link."""
    medium: Literal["shared", "point-to-point"] = "point-to-point"
    """Whether all links share one channel and take turns on it, as in one WiFi cell."""
    duplex: Literal["full", "half"] | None = None
    """Whether both directions of a point-to-point link transmit at once (full, the default) or take turns."""
    sender: Literal["device", "link"] = "device"
    """Whether a device sends one message at a time, or one on each of its links."""


class Constant(Section):
    """Samples come in equal gaps."""

    kind: Literal["constant"]
    rate: PerSecond
    """Samples per second, such as 40/s."""


class Poisson(Section):
    """Samples come independently of each other."""

    kind: Literal["poisson"]
    rate: PerSecond
    """Samples per second on average, such as 40/s."""


class OnOff(Section):
    """Poisson arrivals that are switched on and off, for exponential times."""

    kind: Literal["on-off"]
    rate: PerSecond
    """Samples per second while on."""
    on: Duration
    """The mean time on."""
    off: Duration
    """The mean time off."""


class FromFile(Section):
    """Samples come at the instants that a file lists."""

    kind: Literal["file"]
    path: str
    """A CSV file with one column time_s, from the folder of the scenario."""


class Closed(Section):
    """A fixed number of samples is about: each answer lets in the next."""

    kind: Literal["closed"]
    population: Annotated[Positive, Le(MAX_POPULATION)] = 1
    """How many are about at a time."""
    think: DurationOrZero = 0.0
    """What passes between an answer and the next sample."""


class ByPolicy(Section):
    """The policy sets the gap between samples (MDI-Exit, adapt: rate)."""

    kind: Literal["policy"]


Arrivals = Annotated[Constant | Poisson | OnOff | FromFile | Closed | ByPolicy, Field(discriminator="kind")]


class Source(Section):
    """Where samples are born, and when."""

    example: ClassVar[str] = "{at: phone, arrivals: {kind: poisson, rate: 40/s}}"

    at: str
    """The device; the name of several makes each of them a source."""
    arrivals: Arrivals
    """When samples come, such as {kind: poisson, rate: 40/s}."""
    deadline: Duration | None = None
    """An answer later than this is late: for goodput and accuracy in time."""
    order: Literal["shuffled", "bootstrap", "sequential"] = "shuffled"
    """How the test half is gone through: shuffled anew at each pass, drawn with replacement, or as it is."""
    priority: Annotated[Share, Gt(0)] = 1.0
    """The weight of this source, for policies that know of it."""


class Steady(Section):
    """Service times are the profile's own."""

    kind: Literal["none"]


class Lognormal(Section):
    """Service times times a lognormal factor with mean one."""

    kind: Literal["lognormal"]
    cv: Annotated[Share, Gt(0), Le(10)]
    """The coefficient of variation of the factor, such as 0.2."""


class Exponential(Section):
    """Service times times an exponential factor with mean one."""

    kind: Literal["exponential"]


Jitter = Annotated[Steady | Lognormal | Exponential, Field(discriminator="kind")]


class Policy(BaseModel):
    """A policy by name, with its parameters beside it; or one of your own, as rule: package.module:Class."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
    example: ClassVar[str] = "{name: mdi-exit, exit_threshold: 0.8}"

    name: str | None = None
    """A named policy; `mdisim policies` lists them with their parameters."""
    rule: str | None = None
    """A class of your own, package.module:Class; it is imported and run, so it needs --allow-code."""
    label: str | None = None
    """What to call it in tables and figures."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The keys that belong to the policy itself."""
        return dict(self.model_extra or {})

    @property
    def called(self) -> str:
        """What the policy is called: its label, its name, or its class."""
        return self.label or self.name or str(self.rule).rpartition(":")[2]


class Run(Section):
    """What is simulated and what is measured."""

    example: ClassVar[str] = "{duration: 10 min, warmup: 1 min, seed: 1}"

    duration: Duration
    """When the simulation ends, such as 10 min."""
    warmup: DurationOrZero = 0.0
    """Samples born before this are not measured."""
    seed: Natural = 0
    """The one seed of every random stream."""
    drain: Flag = False
    """Whether, after the end, the samples still about are brought to theirs."""
    drain_limit: Duration | None = None
    """How much longer draining may take; the duration again by default."""
    label_bytes: Bytes = 100.0
    """The size of an answer on its way back to the source."""
    work_conserving: Flag = True
    """Whether an idle core takes back a task that waits to be offered."""


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _several(value: object) -> object:
    return [value] if isinstance(value, dict) else value


NamedPolicy = Annotated[Policy, BeforeValidator(_named, json_schema_input_type=str | Policy)]
Sources = Annotated[
    tuple[Source, ...],
    Field(min_length=1),
    BeforeValidator(_several, json_schema_input_type=Source | list[Source]),
]


class Spec(Section):
    """A scenario: a network profile, devices, links, a workload, a policy, and what to run."""

    description: str | None = None
    """What this scenario shows."""
    profile: str
    """The network's profile: a name from `mdisim profiles`, or a path to a .npz from the scenario's folder."""
    costs: str | None = None
    """Which of the profile's cost tables; its only or first one by default."""
    feature_precision: Literal["float32", "float16", "int8"] = "float32"
    """How feature maps are sent: at all, half or a quarter of their bytes. The raw input is sent as it is."""
    devices: Annotated[dict[DeviceName, Device], Field(min_length=1)]
    """The devices by name."""
    network: Network | None = None
    """How the devices are joined; a single device needs none."""
    workload: Sources
    """One source of samples, or a list of them."""
    jitter: Jitter | None = None
    """A random factor on service times; none by default."""
    policy: NamedPolicy
    """The policy that runs: a name, or {name: ..., parameters}."""
    compare: tuple[NamedPolicy, ...] = ()
    """The policies that `mdisim compare` sets side by side."""
    run: Run
    """How long, and with which seed."""
