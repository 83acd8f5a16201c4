"""The scenario as people write it: frozen pydantic models, one per section, with every default and its meaning.

The texts below the fields are the descriptions in the JSON Schema and in messages. Nothing here knows of
files, profiles or arrays; what needs them is checked in `checks` and built in `building`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Le
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from mdisim.scenario.failures import Faults
from mdisim.scenario.network import NamedReplay, Network
from mdisim.scenario.sections import (
    MAX_DEVICES,
    MAX_POPULATION,
    AboveZero,
    DeviceName,
    Flag,
    Name,
    Natural,
    Number,
    Positive,
    Price,
    Section,
    Seed,
    named,
)
from mdisim.scenario.units import Bytes, Duration, DurationOrZero, PerSecond, Power


class PowerDraw(Section):
    """What a device draws; by default what the catalogue says of its kind, or nothing."""

    example: ClassVar[str] = "{busy: 10 W, idle: 5 W}"

    busy: Power | None = None
    """Drawn by each computing core, on top of the idle power."""
    idle: Power | None = None
    """Drawn by the device all the time, also while it computes or is down."""


class Speed(Section):
    """A speed that varies."""

    example: ClassVar[str] = "{trace: lte-driving, mean: 1}"

    trace: NamedReplay
    """The speed over time, in any unit: a trace by name or path, or {name: ..., start: ...}."""
    mean: AboveZero = 1.0
    """The mean factor on the speed of the kind that the trace is scaled to."""


def _speed_is(value: object) -> str:
    return Speed.__name__ if isinstance(value, dict | Speed) else "number"


AnySpeed = Annotated[
    Annotated[AboveZero, Tag("number")] | Annotated[Speed, Tag(Speed.__name__)], Discriminator(_speed_is)
]


class Device(Section):
    """One device, or several alike."""

    example: ClassVar[str] = "{kind: jetson-nano}"

    kind: str
    """The device kind, as named in the profile's cost table, such as jetson-nano."""
    count: Annotated[Positive, Le(MAX_DEVICES)] = 1
    """How many there are; more than one are called NAME-1, NAME-2 and so on."""
    cores: Positive = 1
    """Tasks computed at a time."""
    speed: AnySpeed = 1.0
    """A factor on the speed of the kind: 2 halves every stage's time; or {trace: ...}, a factor over time."""
    queue_limit: Natural | None = None
    """Tasks that may wait for a core; more are dropped. No limit by default."""
    holds: tuple[Positive, ...] | None = None
    """The stages that this device can run, counted from 1; all by default."""
    layer_cost: Price = 1.0
    """The abstract price of running a layer here."""
    power: PowerDraw = PowerDraw()
    """What the device draws."""


class Constant(Section):
    """Samples come in equal gaps."""

    kind: Literal["constant"]
    rate: PerSecond
    """Samples per second, such as 40/s."""
    phase: DurationOrZero | None = None
    """When the first sample comes; by default each source draws its own, at random within one gap."""


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
    """A CSV file with one column time_s, in seconds from the start of the run, some of which must come before its
    end; from the scenario's folder or else the current one."""


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
    phase: DurationOrZero | None = None
    """When the first sample comes; by default each source draws its own, at random within the first gap."""


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
    priority: AboveZero = 1.0
    """The weight of this source, for policies that know of it."""


class Steady(Section):
    """Service times are the profile's own."""

    kind: Literal["none"]


class Lognormal(Section):
    """Service times times a lognormal factor with mean one."""

    kind: Literal["lognormal"]
    cv: Annotated[Number, Gt(0), Le(10)]
    """The coefficient of variation of the factor, such as 0.2."""


class Exponential(Section):
    """Service times times an exponential factor with mean one."""

    kind: Literal["exponential"]


Jitter = Annotated[Steady | Lognormal | Exponential, Field(discriminator="kind")]


class Compression(Section):
    """An autoencoder on the way: feature maps are encoded before they are sent and decoded where they arrive."""

    example: ClassVar[str] = "{ratio: 0.03125, encode: 5 ms, decode: 5 ms, stages: [1]}"

    ratio: Annotated[Number, Gt(0), Le(1)]
    """The share of a feature map's bytes that is sent."""
    encode: DurationOrZero = 0.0
    """What encoding takes at the sender."""
    decode: DurationOrZero = 0.0
    """What decoding takes at the receiver."""
    stages: tuple[Positive, ...] | None = None
    """The stages, counted from 1, whose feature maps are encoded; all by default. The raw input never is."""


class Policy(BaseModel):
    """A policy by name, with its parameters beside it; or one of your own, as rule: package.module:Class."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True, defer_build=True)
    example: ClassVar[str] = "{name: mdi-exit, exit_threshold: 0.8}"

    name: str | None = None
    """A named policy; `mdisim policies` lists them with their parameters."""
    rule: str | None = None
    """A class of your own, package.module:Class; it is imported and run, so it needs --allow-code."""
    label: Name | None = None
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
    seed: Seed = 0
    """The one seed of every random stream."""
    drain: Flag = False
    """Whether, after the end, the samples still about are brought to theirs."""
    drain_limit: Duration | None = None
    """How much longer draining may take; the duration again by default."""
    label_bytes: Bytes = 100.0
    """The size of an answer on its way back to the source."""
    work_conserving: Flag = True
    """Whether an idle core takes back a task that waits to be offered."""


def _several(value: object) -> object:
    return [value] if isinstance(value, dict) else value


NamedPolicy = Annotated[Policy, BeforeValidator(named, json_schema_input_type=str | Policy)]
Sources = Annotated[
    tuple[Source, ...],
    Field(min_length=1),
    BeforeValidator(_several, json_schema_input_type=Source | list[Source]),
]


class Spec(Section):
    """A scenario: a network profile, devices, links, a workload, a policy, and what to run."""

    format: int | None = None
    """The format of this file: 1. A file that does not say is of the format of the version that reads it."""
    description: str | None = None
    """What this scenario shows."""
    profile: str
    """The network's profile: a name from `mdisim profiles`, or a path to a .npz from the scenario's folder."""
    costs: str | None = None
    """Which of the profile's cost tables; its only or first one by default."""
    feature_precision: Literal["float32", "float16", "int8", "json"] = "float32"
    """How feature maps are sent: whole, at half or a quarter of their bytes, or as text, 20 bytes a number. The
    raw input is sent as it is."""
    compression: Compression | None = None
    """An encoder of feature maps, on top of feature_precision; none by default."""
    devices: Annotated[dict[DeviceName, Device], Field(min_length=1)]
    """The devices by name."""
    network: Network | None = None
    """How the devices are joined; a single device needs none."""
    workload: Sources
    """One source of samples, or a list of them."""
    jitter: Jitter | None = None
    """A random factor on service times; none by default."""
    faults: Faults | None = None
    """What fails, and what becomes of the tasks that it hits; nothing fails by default."""
    policy: NamedPolicy
    """The policy that runs: a name, or {name: ..., parameters}."""
    compare: tuple[NamedPolicy, ...] = ()
    """The policies that `mdisim compare` sets side by side."""
    run: Run
    """How long, and with which seed."""
