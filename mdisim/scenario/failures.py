"""What fails in a run, as people write it: the faults section."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from mdisim.faults import OnCrash, OnOutage
from mdisim.scenario.sections import AboveZero, Flag, Positive, Section
from mdisim.scenario.units import Duration, DurationOrZero


class Event(Section):
    """Something that happens to a device or to a link."""

    kind: str


class Timed(Event):
    """Something that comes at a time, perhaps again and again; or at random."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["at"]}, {"required": ["mean_up", "mean_down"]}],
            "dependentRequired": {"for": ["at"], "every": ["at", "for"]},
        }
    )

    at: DurationOrZero | None = None
    """When it comes first."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long it lasts; for good by default."""
    every: Duration | None = None
    """After how long it comes again, from beginning to beginning; only once by default."""
    mean_up: Duration | None = None
    """At random, in place of at: how long all is well on average."""
    mean_down: Duration | None = None
    """At random: how long it lasts on average. Both times are exponential."""


class Crash(Timed):
    """A device fails, and what it holds is lost."""

    example: ClassVar[str] = "{kind: crash, device: worker, at: 2 min, for: 1 min}"

    kind: Literal["crash"]
    device: str
    """The device; the name of several stands for each of them, each at random by itself."""


class Outage(Timed):
    """A link carries nothing."""

    example: ClassVar[str] = "{kind: outage, between: [phone, edge], at: 1 min, for: 5 s}"

    kind: Literal["outage"]
    between: Annotated[tuple[str, ...], Field(json_schema_extra={"minItems": 2, "maxItems": 2})]
    """The devices at both ends; the name of several stands for each of them."""
    both: Flag = True
    """Whether the other direction fails too, at the same times."""


class Slowdown(Timed):
    """A device works at a share of its speed."""

    example: ClassVar[str] = "{kind: slowdown, device: worker, factor: 0.5, at: 1 min, for: 2 min}"

    kind: Literal["slowdown"]
    device: str
    """The device; the name of several stands for each of them, each at random by itself."""
    factor: AboveZero
    """The factor on its speed, such as 0.5."""


class Leave(Timed):
    """A device finishes what it holds and takes no more."""

    example: ClassVar[str] = "{kind: leave, device: worker, at: 4 min}"

    kind: Literal["leave"]
    device: str
    """The device; the name of several stands for each of them, each at random by itself."""


class Join(Event):
    """A device is there only from a time on."""

    example: ClassVar[str] = "{kind: join, device: worker, at: 1 min}"

    kind: Literal["join"]
    device: str
    """The device; the name of several stands for each of them."""
    at: Duration
    """When it comes."""


AnyEvent = Annotated[Crash | Outage | Slowdown | Leave | Join, Field(discriminator="kind")]


class Faults(Section):
    """What fails, and what becomes of the tasks that it hits."""

    example: ClassVar[str] = f"{{on_crash: requeue, events: [{Crash.example}]}}"

    on_crash: OnCrash = "requeue"
    """Tasks at a device that crashes go back to the device that sent them, begin again at their source, or end."""
    on_outage: OnOutage = "wait"
    """Messages on a link that fails wait for it, or for another way; or fare as in on_crash."""
    missed_gossips: Positive = 3
    """A failure is noticed after so many periods without news."""
    reroute: Flag = True
    """Whether ways then lead around what is down."""
    events: tuple[AnyEvent, ...] = ()
    """What fails, and when."""
