"""A policy: the rules that decide during a run, and the plan, scores and answers laid out before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import PolicyError
from mdisim.policies.plan import Row
from mdisim.policies.protocols import Admits, Learns, Memory, Picks, Sends, Turns, Where
from mdisim.policies.scores import Answer, Floats, MaxSoftmax, Outputs, OwnExit, Score, need_score
from mdisim.policies.views import Knobs


@dataclass(frozen=True)
class Signals:
    """How often devices speak, retry and control, and how quickly their averages move.

    `gossip_s` 0 keeps news of peers always fresh. The weights are those of a new measurement in the moving
    averages of service times and of link delays and rates. What a sender expects of a link is such an average
    (`ewma`) of its own transfers there, or the `last` one, or of the `estimate_last` ones the `harmonic` mean of
    the rates and the mean of the delays. `announce` says how a source's moved thresholds reach the others:
    stamped on each sample when it is admitted, or with the next gossip. `optimistic` raises the own copy of a
    peer's queue by one after each task sent there.
    """

    gossip_s: float = 0.1
    retry_s: float = 0.02
    control_s: float = 0.5
    service_weight: float = 0.05
    delay_weight: float = 0.2
    estimator: Literal["ewma", "last", "harmonic"] = "ewma"
    estimate_last: int = 5
    announce: Literal["stamp", "gossip"] = "stamp"
    optimistic: bool = False


class Sight(Protocol):
    """What a router makes of each sample, worked out before the run: distances to pools, say."""

    def seen(self, outputs: Outputs, features: Floats | None) -> Floats:
        """Return what `picks` sees of each sample, [n, d].

        `features` [n, d'] is what can be known before any layer has run; one that looks at `outputs` [n, K] knows
        what no router can, and is a bound.
        """


class Calibration(Protocol):
    """What makes a network's confidences trustworthy, fitted before the run."""

    def calibrated(self, outputs: Outputs) -> Outputs:
        """Return outputs with calibrated confidences, and the predictions that go with them."""


@dataclass(frozen=True)
class Policy:
    """What the engine runs. A policy without rules is a fixed plan: nothing is asked during the run.

    `strictly` compares scores with `>` in place of `>=` (MDI-Exit). `controls` names the devices that have
    a controller. `knobs` are what every controller starts with; `memory` is what every source starts with.
    With a `sight`, a router sees what that makes of the samples in place of their features.
    With a `calibration`, scores, answers and what is logged are those of the calibrated outputs.
    `details` are the parameters it was made with, for the record. Raises a PolicyError where the score cannot be
    used, or where it, or `learns`, needs to know which exits were evaluated and the plan cannot say.
    """

    name: str
    plan: tuple[Row, ...]
    where: Where | None = None
    sends: Sends | None = None
    turns: Turns | None = None
    admits: Admits | None = None
    picks: Picks | None = None
    learns: Learns | None = None
    score: Score = MaxSoftmax()
    answer: Answer = OwnExit()
    calibration: Calibration | None = field(default=None, compare=False)
    sight: Sight | None = field(default=None, compare=False)
    strictly: bool = False
    signals: Signals = Signals()
    controls: Literal["sources", "all"] = "sources"
    knobs: Knobs = Knobs((), 0.05, 0)
    memory: Memory = field(default_factory=lambda: np.zeros(0), compare=False)
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Refuse a score of another form, and one that counts exits where a rule decides which are evaluated."""
        need_score(self.score)
        who = f"score {type(self.score).__name__}" if self.score.cumulative else "learns"
        unknown = [number for number, row in enumerate(self.plan) if not row.is_known]
        if unknown and (self.score.cumulative or self.learns is not None):
            raise PolicyError(
                f"{who} of {self.name} needs to know which exits are evaluated, but row {unknown[0]} of its plan "
                "has devices without exits and leaves stages to a rule: plan a device for each early exit, or "
                "leave no_exits_at empty"
            )


@dataclass(frozen=True)
class Setting:
    """What may be known before a run, in plain numbers: devices, stage costs, links, the calibration half.

    `stage_s` and `head_s` are [D, K] seconds, `out_bytes` [K+1]; `transfer_s` [D, D, K+1] is the unloaded time to
    carry each cut from a to b (infinite where no route leads). `calibration` holds the network's outputs on the
    calibration half, `features` [n, d] what a router may see of it, `group` [n] which of its samples belong
    together; `holds` [D, K] which stages each device may run (None: all); `neighbours` [D, D] is True where a link
    leads from a to b (None: from each to all); `priorities` are the sources'. In abstract units, `stage_cost`
    [D, K] is the price of a stage's layers, and `offload_cost` [D, D] that of sending a task from a to b (infinite
    where no route leads).
    """

    devices: tuple[str, ...]
    sources: tuple[int, ...]
    n_exits: int
    stage_s: Floats
    head_s: Floats
    out_bytes: Floats
    transfer_s: Floats
    stage_cost: Floats
    offload_cost: Floats
    calibration: Outputs
    features: Floats | None = None
    group: NDArray[np.int64] | None = None
    holds: NDArray[np.bool_] | None = None
    neighbours: NDArray[np.bool_] | None = None
    priorities: tuple[float, ...] = ()

    def need_whole(self, policy: str, devices: Iterable[int], parameter: str = "") -> None:
        """Raise a PolicyError where one of these devices lacks a stage that this policy would run there.

        `parameter` is the policy's parameter that names the device, if one does.
        """
        for device in devices:
            if self.holds is not None and not self.holds[device].all():
                stage = int(np.argmin(self.holds[device])) + 1
                say = f"{policy} runs every stage at {self.devices[device]}, which lacks stage {stage}"
                raise PolicyError(say, parameter)

    def need_neighbours(self, policy: str, *, first_stays: bool) -> None:
        """Raise a PolicyError where a task may come to a device at which nobody near runs its next stage.

        A task goes on where it is or at a neighbour, wherever that stage is held; with `first_stays` the first
        stage runs at the source if that holds it.
        """
        D = len(self.devices)
        holds = np.ones((D, self.n_exits), dtype=bool) if self.holds is None else self.holds
        near = np.ones((D, D), dtype=bool) if self.neighbours is None else self.neighbours | np.eye(D, dtype=bool)
        at = set(self.sources)
        for stage in range(self.n_exits):
            then: set[int] = set()
            for here in sorted(at):
                stays = first_stays and stage == 0 and holds[here, 0]
                able = [here] if stays else np.flatnonzero(near[here] & holds[:, stage]).tolist()
                if not able:
                    raise PolicyError(
                        f"{policy} may bring a task that needs stage {stage + 1} to {self.devices[here]}, where "
                        "neither the device nor a neighbour holds it: let one of them hold it, or add a link"
                    )
                then.update(able)
            at = then

    def device(self, name: str, parameter: str = "") -> int:
        """The number of a device, which a policy's `parameter` names; a PolicyError says which there are."""
        if name in self.devices:
            return self.devices.index(name)
        say = f"device {name!r} is not in this scenario; there are {', '.join(self.devices)}"
        raise PolicyError(say, parameter)


class Recipe(Protocol):
    """A named policy and its parameters: a frozen dataclass that lays out a Policy for a given setting.

    One that searches long may have a method `need(setting)` besides, which raises what `build` would, and soon;
    its `build` calls that first. What has none is built to be checked (see `fit`).
    """

    def build(self, setting: Setting) -> Policy:
        """Lay out the policy."""
