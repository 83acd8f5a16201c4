"""The named policies: frozen dataclasses whose fields are the parameters that a scenario file may set.

To add one: a dataclass with a `build`, a line in RECIPES. Users need neither: any object with a
`build(setting) -> Policy` will do, and so will a Policy made of their own rules.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval

from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row, row
from mdisim.policies.policy import Policy, Recipe, Setting, Signals
from mdisim.policies.protocols import Sends, Turns, Where
from mdisim.policies.rules import (
    Anywhere,
    DelayRatio,
    KeepOrOffer,
    RateByQueue,
    ThresholdByQueue,
    WholeOffered,
    WholeToShortest,
)
from mdisim.policies.scores import SCORES, Score
from mdisim.policies.views import FREE, Knobs

Unit = Interval(ge=0, le=1)
TICK_S = 1e-4  # the shortest period of anything that ticks
ScoreName = Literal["max-softmax", "certainty", "margin", "patience"]


@dataclass(frozen=True)
class Adaptive:
    """What every named policy shares: exits, the source's control of rate or thresholds, and its clocks.

    Alg 3 and Alg 4 of MDI-Exit, reconstructed; every default is ours.
    """

    name: ClassVar[str]
    early_exits: ClassVar[bool] = True

    exit_threshold: Annotated[
        float | tuple[float, ...],
        Meaning("T_e: a sample leaves at an exit whose score exceeds it; or one per exit", "score"),
    ] = 0.8
    score: Annotated[ScoreName, Meaning("what is compared with the threshold")] = "max-softmax"
    adapt: Annotated[
        Literal["rate", "threshold", "none"],
        Meaning("what the source adapts: its admission rate (Alg 3; where arrivals are set to policy), its "
                "threshold (Alg 4), or nothing"),
    ] = "rate"  # fmt: skip
    queue_low: Annotated[float, Ge(0), Meaning("T_Q1: below this many tasks at the source, speed up", "tasks")] = (
        10.0
    )
    queue_high: Annotated[float, Ge(0), Meaning("T_Q2: from this many on, slow down", "tasks")] = 30.0
    alpha: Annotated[float, Unit, Meaning("step while the queues are short", "share")] = 0.1
    beta: Annotated[float, Unit, Meaning("step in between", "share")] = 0.02
    gamma: Annotated[float, Unit, Meaning("step back when the queues are long", "share")] = 0.1
    step: Annotated[
        Literal["multiplicative", "additive"], Meaning("steps of the present value, or of the initial gap (Alg 3) "
                                                       "and of one (Alg 4)")
    ] = "multiplicative"  # fmt: skip
    threshold_min: Annotated[float, Unit, Meaning("T_e^min: Alg 4 goes no lower", "score")] = 0.3
    threshold_max: Annotated[float, Unit, Meaning("T_e^max: Alg 4 goes no higher", "score")] = 0.95
    initial_gap_s: Annotated[float, Gt(0), Meaning("mu at the start: time between admissions", "s")] = 0.05
    gap_max_s: Annotated[float, Gt(0), Meaning("Alg 3 makes the gap no longer", "s")] = 5.0
    control_s: Annotated[float, Ge(TICK_S), Meaning("period of Alg 3 and 4", "s")] = 0.5
    count_in_service: Annotated[bool, Meaning("whether I_n counts the task in service")] = True
    announce: Annotated[
        Literal["stamp", "gossip"],
        Meaning("how a new threshold reaches the others: stamped on samples, or heard"),
    ] = "stamp"
    gossip_s: Annotated[float, Ge(0), Meaning("period of telling queue lengths; 0 is always fresh", "s")] = 0.1
    service_weight: Annotated[float, Unit, Meaning("weight of a new service time in Gamma_n", "share")] = 0.05
    delay_weight: Annotated[float, Unit, Meaning("weight of a new transfer in D_nm", "share")] = 0.2
    estimator: Annotated[
        Literal["ewma", "last", "harmonic"],
        Meaning("what a sender expects of a link: a moving average of its own transfers, the last, or the "
                "harmonic mean of the last few"),
    ] = "ewma"  # fmt: skip
    estimate_last: Annotated[int, Ge(1), Meaning("how many transfers the harmonic mean is of", "transfers")] = 5

    def policy(
        self,
        setting: Setting,
        *,
        where: Where | None = None,
        sends: Sends | None = None,
        placement: int = FREE,
        retry_s: float = 0.02,
        optimistic: bool = False,
    ) -> Policy:
        """Lay out the policy around these rules; a ValueError where the parameters do not fit together."""
        self._check(setting)
        return Policy(
            name=self.name,
            plan=(self._row(setting.n_exits, placement),),
            where=where,
            sends=sends,
            turns=self._turns(),
            score=self.criterion(),
            strictly=True,
            signals=Signals(
                gossip_s=self.gossip_s,
                retry_s=retry_s,
                control_s=self.control_s,
                service_weight=self.service_weight,
                delay_weight=self.delay_weight,
                estimator=self.estimator,
                estimate_last=self.estimate_last,
                announce=self.announce,
                optimistic=optimistic,
            ),
            knobs=Knobs(self._moving(setting.n_exits), self.initial_gap_s, 0),
            details=asdict(self),
        )

    def _check(self, setting: Setting) -> None:
        """Refuse what would run and mean nothing; each message begins with the parameter at fault."""
        self.criterion().score(setting.calibration)  # says so where the profile lacks what the score needs
        early = self.thresholds(setting.n_exits)[:-1]
        patient = self.criterion() == SCORES["patience"]
        lowest, highest = (1.0, inf) if patient else (0.0, 1.0)
        for threshold in early:
            if not lowest <= threshold <= highest:
                raise ValueError(
                    f"exit_threshold {threshold:g} is outside {self.score}'s scores, {lowest:g} to {highest:g}"
                    + ("; no-exit is the policy that never leaves early" if threshold > highest else "")
                )
        if patient and self.adapt == "threshold":
            raise ValueError("adapt: threshold moves thresholds by shares of one; patience counts exits")
        if 0.0 < self.gossip_s < TICK_S:
            raise ValueError(f"gossip_s {self.gossip_s:g} is neither 0, always fresh, nor at least {TICK_S:g} s")
        if self.threshold_min > self.threshold_max:
            raise ValueError(f"threshold_min {self.threshold_min:g} is above threshold_max {self.threshold_max:g}")
        if self.queue_low > self.queue_high:
            raise ValueError(f"queue_low {self.queue_low:g} is above queue_high {self.queue_high:g}")

    def criterion(self) -> Score:
        """What is compared with the thresholds."""
        return SCORES[self.score]

    def thresholds(self, n_exits: int) -> tuple[float, ...]:
        """One threshold per exit, [K]; a ValueError where the parameter has another number of them."""
        if not isinstance(self.exit_threshold, tuple):
            return (self.exit_threshold,) * n_exits
        if len(self.exit_threshold) not in (n_exits - 1, n_exits):
            raise ValueError(
                f"exit_threshold has {len(self.exit_threshold)} values, but the profile has {n_exits} exits: give "
                f"one value, or {n_exits - 1} (the last exit always answers)"
            )
        return (*self.exit_threshold, inf)[:n_exits]

    def _row(self, n_exits: int, placement: int) -> Row:
        return row(n_exits, self.thresholds(n_exits), early_exits=self.early_exits, placement=placement)

    def _moving(self, n_exits: int) -> tuple[float, ...]:
        return self.thresholds(n_exits) if self.adapt == "threshold" else ()

    def _turns(self) -> Turns | None:
        steps = (self.queue_low, self.queue_high, self.alpha, self.beta, self.gamma)
        additive = self.step == "additive"
        if self.adapt == "rate":
            return RateByQueue(
                *steps, self.count_in_service, additive, self.initial_gap_s, longest_s=self.gap_max_s
            )
        if self.adapt == "threshold":
            return ThresholdByQueue(
                *steps, self.threshold_min, self.threshold_max, self.count_in_service, additive
            )
        return None


@dataclass(frozen=True)
class MdiExit(Adaptive):
    """MDI-Exit, reconstructed (Colocrese, Koyuncu, Seferoglu, arXiv 2408.05247): Alg 1 to 4.

    Each worker decides exit, queue placement and offload from queue lengths; the source adapts its admission
    rate or its exit threshold. The paper's constants are not public: every default here is ours.
    """

    name: ClassVar[str] = "mdi-exit"

    out_queue_limit: Annotated[
        int, Ge(0), Meaning("T_O: with more waiting to be sent, tasks are kept", "tasks")
    ] = 10
    keep_when_empty: Annotated[bool, Meaning("keep the next task when nothing else waits here")] = True
    offload_first: Annotated[
        bool,
        Meaning("offer a sample's first stage too, with the input: lifts the cap of one over stage 1's time"),
    ] = False
    gate: Annotated[Literal["queue", "none"], Meaning("ask O_n > I_m before a task is sent")] = "queue"
    p_rule: Annotated[
        Literal["ratio-capped", "ratio-sum", "deterministic-only"],
        Meaning("chance of sending: min(1, W_n/(D+W_m)), W_n/(W_n+D+W_m), or only where W_n > D+W_m"),
    ] = "ratio-capped"
    neighbour_order: Annotated[
        Literal["random", "best-first"], Meaning("in which order neighbours are tried at each attempt")
    ] = "random"
    retry_s: Annotated[
        float, Ge(TICK_S), Meaning("an offered task that nobody took is tried again after", "s")
    ] = 0.02
    compute_delay: Annotated[
        Literal["average", "queued"], Meaning("W: queue length x Gamma, or the sum of what is queued")
    ] = "average"
    transfer_delay: Annotated[
        Literal["average", "per-task"],
        Meaning("D: average of measured transfers, or this task at the measured rate"),
    ] = "average"
    optimistic: Annotated[bool, Meaning("raise the own copy of I_m by one after each task sent there")] = False

    def build(self, setting: Setting) -> Policy:
        """Lay out Alg 1 and 2 at every device, Alg 3 or 4 at the sources."""
        return self.policy(
            setting,
            where=KeepOrOffer(self.out_queue_limit, self.keep_when_empty, self.offload_first),
            sends=self.sends(),
            retry_s=self.retry_s,
            optimistic=self.optimistic,
        )

    def sends(self) -> DelayRatio:
        """Alg 2 with these switches."""
        return DelayRatio(
            gated=self.gate == "queue",
            sum_weight=1.0 if self.p_rule == "ratio-sum" else 0.0,
            random_part=self.p_rule != "deterministic-only",
            best_first=self.neighbour_order == "best-first",
            count_in_service=self.count_in_service,
            queued_work=self.compute_delay == "queued",
            per_task_delay=self.transfer_delay == "per-task",
        )


@dataclass(frozen=True)
class NoExit(MdiExit):
    """The same system without early exits: every sample runs to the last exit and pays the last head alone.

    The baseline No-EE of the MDI-Exit paper.
    """

    name: ClassVar[str] = "no-exit"
    early_exits: ClassVar[bool] = False


@dataclass(frozen=True)
class Local(Adaptive):
    """One worker: every stage at the source, early exits and the source's control as in MDI-Exit.

    A sample runs through without queueing again between stages.
    """

    name: ClassVar[str] = "local"

    def build(self, setting: Setting) -> Policy:
        """Lay out a plan without a rule of placement: what is born here stays."""
        setting.need_whole(self.name, setting.sources)
        return self.policy(setting)


@dataclass(frozen=True, kw_only=True)
class Remote(Adaptive):
    """Every sample is sent, as input, to one device, which runs every stage."""

    name: ClassVar[str] = "remote"

    device: Annotated[str, Meaning("the device that computes")]

    def build(self, setting: Setting) -> Policy:
        """Lay out the plan; a ValueError where no device has that name, or it cannot run every stage."""
        device = setting.device(self.device)
        setting.need_whole(self.name, (device,))
        return self.policy(setting, placement=device)


@dataclass(frozen=True)
class Ddi(Adaptive):
    """Data-distributed inference: each sample goes, as input, to one device, which runs every stage.

    `join` takes the device of the shortest expected delay, as in join-the-shortest-queue; `offer` uses
    Alg 2 of MDI-Exit on whole samples.
    """

    name: ClassVar[str] = "ddi"

    placement: Annotated[Literal["join", "offer"], Meaning("shortest expected delay at birth, or Alg 2")] = "join"
    out_queue_limit: Annotated[int, Ge(0), Meaning("T_O, for placement by offer", "tasks")] = 10
    retry_s: Annotated[float, Ge(TICK_S), Meaning("retry period, for placement by offer", "s")] = 0.02

    def build(self, setting: Setting) -> Policy:
        """Lay out the placement of whole samples."""
        setting.need_whole(self.name, range(len(setting.devices)))
        if self.placement == "join":
            return self.policy(setting, where=WholeToShortest(self._stages(setting)))
        return self.policy(
            setting,
            where=WholeOffered(self.out_queue_limit),
            sends=DelayRatio(count_in_service=self.count_in_service),
            retry_s=self.retry_s,
        )

    def _stages(self, setting: Setting) -> float:
        """The mean number of stages that the calibration half needs at these thresholds."""
        score = self.criterion().score(setting.calibration)
        if not len(score):
            return float(setting.n_exits)
        leaves = score > np.array((*self.thresholds(setting.n_exits)[:-1], -inf))
        return float(np.mean(leaves.argmax(axis=1) + 1))


@dataclass(frozen=True)
class Random(Adaptive):
    """After each stage that did not exit, the next goes to a device drawn evenly: here or a neighbour."""

    name: ClassVar[str] = "random"

    from_birth: Annotated[bool, Meaning("draw for the first stage too")] = False

    def build(self, setting: Setting) -> Policy:
        """Lay out the drawing rule."""
        return self.policy(setting, where=Anywhere(self.from_birth))


@dataclass(frozen=True)
class Oracle(MdiExit):
    """MDI-Exit that knows the labels: a sample leaves at the first exit that is right.

    No policy can know this; it bounds what any exit rule could reach. `score` and thresholds do not matter,
    and Alg 4 has nothing to turn.
    """

    name: ClassVar[str] = "oracle"

    def criterion(self) -> Score:
        """One where right and zero where wrong."""
        return SCORES["hindsight"]

    def thresholds(self, n_exits: int) -> tuple[float, ...]:
        """Between wrong and right."""
        return (0.5,) * n_exits

    def _turns(self) -> Turns | None:
        return super()._turns() if self.adapt == "rate" else None


RECIPES: dict[str, type[Recipe]] = {
    "ddi": Ddi,
    "local": Local,
    "mdi-exit": MdiExit,
    "no-exit": NoExit,
    "oracle": Oracle,
    "random": Random,
    "remote": Remote,
}
