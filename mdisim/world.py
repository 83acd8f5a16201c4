"""The world a policy acts in: resolved arrays, and the physics as pure functions of plain numbers.

Devices, links, channels and sources are numbered in the order of the scenario; times are seconds, sizes bytes,
rates bits per second. Nothing here moves: the engine holds what changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import InputError
from mdisim.faults import Faults
from mdisim.policies.policy import Setting
from mdisim.policies.scores import Floats, Outputs
from mdisim.rates import Conditions as Conditions  # known under this name, too, as are the next two
from mdisim.rates import ConstantRate as ConstantRate
from mdisim.rates import Rate as Rate

UNREACHABLE = -1


@dataclass(frozen=True)
class Device:
    """A place that computes: `cores` tasks at a time, one queue of at most `queue_limit` waiting tasks.

    `holds` [K] says which stages it may run; `layer_cost` is the abstract price of a layer here; `idle_w` is
    drawn all the time, and `busy_w` by each computing core on top of it; NaN where that is not known. `speed`
    is a factor on the device's speed over time, 1 everywhere if it is None.
    """

    name: str
    kind: str
    cores: int = 1
    queue_limit: float = float("inf")
    holds: tuple[bool, ...] = ()
    layer_cost: float = 1.0
    busy_w: float = 0.0
    idle_w: float = 0.0
    speed: Rate | None = None


@dataclass(frozen=True)
class Link:
    """A directed link; links with the same channel number share it.

    `latency_s` comes after transmission and does not occupy the link; `offload_cost` is the abstract price of
    a task sent over it, `nj_per_bit` its energy in nanojoules. Of the packets of a message, each of at most
    `packet_bytes`, a share `loss` is lost, every time anew, and sent again until it arrives. With `conditions`
    latency and loss come on top of that, as they are when a transmission begins or ends.
    """

    source: int
    target: int
    rate: Rate
    latency_s: float = 0.0
    channel: int = 0
    offload_cost: float = 0.0
    nj_per_bit: float = 0.0
    loss: float = 0.0
    packet_bytes: float = float("inf")
    conditions: Conditions | None = None


@dataclass(frozen=True)
class Packing:
    """What it costs to make a message of a tensor, and a tensor of a message.

    `overhead_bytes` are added to each message. Each end takes `serialise_s`, plus the bytes at
    `serialise_bps`; for the cut after stage k the sender takes `encode_s[k]` more and the receiver
    `decode_s[k]` ([K+1], 0 the input; empty: none). The sender of a device is busy meanwhile, its cores and
    the channel are not.
    """

    overhead_bytes: float = 0.0
    serialise_s: float = 0.0
    serialise_bps: float = float("inf")
    encode_s: tuple[float, ...] = ()
    decode_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class Arrivals:
    """How samples come: constant, poisson, on-off, file, closed or policy.

    `rate_per_s` for constant, poisson and on-off (while on); `on_s` and `off_s` are mean lengths; `times_s` are
    read from a file; `population` and `think_s` belong to a closed loop; with `policy` the knob `gap_s` rules
    and the gaps are constant. Constant arrivals and those of a policy begin at `phase_s`; if that is None, at
    random within one gap, so that alike sources are not in step.
    """

    kind: Literal["constant", "poisson", "on-off", "file", "closed", "policy"]
    rate_per_s: float = 0.0
    on_s: float = 0.0
    off_s: float = 0.0
    times_s: tuple[float, ...] = ()
    population: int = 1
    think_s: float = 0.0
    phase_s: float | None = None


@dataclass(frozen=True)
class Source:
    """A device where samples are born; `order` shuffles the samples anew at each pass, or bootstraps."""

    device: int
    arrivals: Arrivals
    deadline_s: float = float("inf")
    order: Literal["shuffled", "bootstrap", "sequential"] = "shuffled"
    priority: float = 1.0


@dataclass(frozen=True)
class Jitter:
    """A random factor on service times with mean one; `cv` is the coefficient of variation of a lognormal."""

    kind: Literal["none", "lognormal", "exponential"] = "none"
    cv: float = 0.0

    def factors(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Draw independent factors."""
        if self.kind == "exponential":
            return rng.standard_exponential(shape)
        if self.kind == "lognormal":
            s2 = float(np.log1p(self.cv**2))
            return np.asarray(np.exp(rng.standard_normal(shape) * s2**0.5 - s2 / 2))
        return np.ones(shape)


@dataclass(frozen=True)
class Samples:
    """The samples that are offered: the network's outputs, and each one's own compute and byte factors.

    `work` [n, K] multiplies stage times, `size` [n, K+1] multiplies bytes (input, then each cut); None means
    one everywhere. `features` [n, d] are what a router may see. Samples of one `group` [n] belong together, as the
    phrases of a sentence do: None means that each stands alone.
    """

    outputs: Outputs
    work: Floats | None = None
    size: Floats | None = None
    features: Floats | None = None
    group: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.outputs.label)

    @cached_property
    def alike(self) -> NDArray[np.int64]:
        """A number for each sample [n], the same for those of the same work and size."""
        factors = [given for given in (self.work, self.size) if given is not None]
        if not factors:
            return np.zeros(len(self), dtype=np.int64)
        return np.unique(np.hstack(factors), axis=0, return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True)
class Window:
    """What is simulated and what is measured: samples born in [warmup_s, duration_s).

    With `drain` no sample is offered after `duration_s`, and the run goes on until all have ended, but at
    most `drain_limit_s` longer: as long again as `duration_s` if that is None.
    """

    duration_s: float
    warmup_s: float = 0.0
    drain: bool = False
    drain_limit_s: float | None = None

    @property
    def end_s(self) -> float:
        """When the run stops at the latest."""
        if not self.drain:
            return self.duration_s
        return self.duration_s + (self.duration_s if self.drain_limit_s is None else self.drain_limit_s)


@dataclass(frozen=True, eq=False)
class World:
    """Everything that holds still during a run.

    `stage_s`, `head_s` [D, K] seconds; `out_bytes` [K+1] (the input, then the feature map after each stage);
    `layers` [K] per stage; `next_hop` [D, D] is the neighbour on the route, UNREACHABLE where there is none,
    for messages of `route_bytes`. Links of one channel take turns on it, or share it: with `fair` each of n
    transmissions on a channel moves at an n-th of its link's rate. `traces` names the traces with their digests.
    """

    devices: tuple[Device, ...]
    links: tuple[Link, ...]
    sources: tuple[Source, ...]
    samples: Samples
    stage_s: Floats
    head_s: Floats
    out_bytes: Floats
    layers: Floats
    next_hop: NDArray[np.int64]
    window: Window
    calibration: Samples
    jitter: Jitter = Jitter()
    label_bytes: float = 100.0
    work_conserving: bool = True
    sender: Literal["device", "link"] = "device"
    sharing: Literal["fifo", "fair"] = "fifo"
    packing: Packing = Packing()
    faults: Faults = Faults()
    route_bytes: float = 0.0
    profile: str = ""
    profile_digest: str = field(default="", repr=False)
    traces: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_exits(self) -> int:
        """K, the number of stages and exits."""
        return int(self.stage_s.shape[1])

    @property
    def stage_cost(self) -> Floats:
        """The abstract price of each stage at each device, [D, K]: its layers times the device's price of one."""
        return np.outer([device.layer_cost for device in self.devices], self.layers)

    @cached_property
    def link_between(self) -> dict[tuple[int, int], int]:
        """The number of the directed link from one device to another."""
        return {(link.source, link.target): i for i, link in enumerate(self.links)}

    def route(self, source: int, target: int) -> list[int]:
        """The links on the way; empty if source is target; an InputError if none leads there."""
        links = []
        here = source
        while here != target:
            there = int(self.next_hop[here, target])
            if there == UNREACHABLE:
                raise InputError(
                    f"no route from {self.devices[source].name} to {self.devices[target].name}: add a link"
                )
            links.append(self.link_between[here, there])
            here = there
        return links


def service_s(stage_s: float, work: float, jitter: float, head_s: float) -> float:
    """The time of one task on one core: stage time x the sample's own work x jitter, plus its exit's head."""
    return stage_s * work * jitter + head_s


def setting(world: World) -> Setting:
    """What a policy may know of a world before the run."""
    K = world.n_exits
    carry, price = _carried(world)
    neighbours = np.zeros(world.next_hop.shape, dtype=bool)
    for ends in world.link_between:
        neighbours[ends] = True
    return Setting(
        devices=tuple(d.name for d in world.devices),
        sources=tuple(s.device for s in world.sources),
        n_exits=K,
        stage_s=world.stage_s,
        head_s=world.head_s,
        out_bytes=world.out_bytes,
        transfer_s=carry,
        stage_cost=world.stage_cost,
        offload_cost=price,
        calibration=world.calibration.outputs,
        features=world.calibration.features,
        group=world.calibration.group,
        holds=np.array([device.holds or (True,) * K for device in world.devices]),
        neighbours=neighbours,
        priorities=tuple(s.priority for s in world.sources),
    )


def _carried(world: World) -> tuple[Floats, Floats]:
    """The mean unloaded time of each cut from a to b, [D, D, K+1], and the price of sending a task, [D, D].

    All ways are walked at the same time, a hop at a time. Both are infinite where no way leads.
    """
    reached = world.next_hop != UNREACHABLE
    np.fill_diagonal(reached, True)
    carry = np.where(reached[:, :, None], 0.0, np.full(world.n_exits + 1, np.inf))
    price = np.where(reached, 0.0, np.inf)
    number = np.full(world.next_hop.shape, -1)
    for ends, i in world.link_between.items():
        number[ends] = i
    hop_s = np.array([_transfer_s(link, world) for link in world.links])
    hop_cost = np.array([link.offload_cost for link in world.links])
    start, end = np.nonzero(reached & ~np.eye(len(reached), dtype=bool))
    here, goal = start, end
    while len(here):
        there = world.next_hop[here, goal]
        link = number[here, there]
        carry[start, end] += hop_s[link]
        price[start, end] += hop_cost[link]
        going = there != goal
        start, end, here, goal = start[going], end[going], there[going], goal[going]
    carry[~np.eye(len(reached), dtype=bool)] += _packing_s(world)
    return carry, price


def _transfer_s(link: Link, world: World) -> Floats:
    """The mean unloaded time of each cut on a link, [K+1] seconds."""
    bits = 8.0 * (world.out_bytes + world.packing.overhead_bytes) / (1.0 - link.loss)
    return np.asarray(bits / link.rate.mean_bps() + link.latency_s)


def _packing_s(world: World) -> Floats:
    """What both ends of a way take to pack and unpack each cut, [K+1] seconds."""
    packing = world.packing
    both = 2.0 * (packing.serialise_s + 8.0 * world.out_bytes / packing.serialise_bps)
    return np.asarray(both + np.array(packing.encode_s or 0.0) + np.array(packing.decode_s or 0.0))
