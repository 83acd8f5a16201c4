"""What the named policies of a mesh share: exits, the source's control of rate or thresholds, and its clocks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Interval

from mdisim.errors import PolicyError
from mdisim.limits import SHORTEST_GAP_S
from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row, row
from mdisim.policies.policy import Policy, Setting, Signals
from mdisim.policies.protocols import Sends, Turns, Where
from mdisim.policies.rules import RateByQueue, ThresholdByQueue
from mdisim.policies.scores import SCORES, Floats, Score, scored
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
    family: ClassVar[str] = "mesh"
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
    initial_gap_s: Annotated[
        float, Ge(SHORTEST_GAP_S), Meaning("mu at the start: time between admissions", "s")
    ] = 0.05
    gap_max_s: Annotated[float, Ge(SHORTEST_GAP_S), Meaning("Alg 3 makes the gap no longer", "s")] = 5.0
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
        """Lay out the policy around these rules; a PolicyError where the parameters do not fit together."""
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
        """Refuse what would run and mean nothing."""
        self._scores(setting)
        early = self.thresholds(setting.n_exits)[:-1]
        patient = self.criterion() == SCORES["patience"]
        lowest, highest = (1.0, inf) if patient else (0.0, 1.0)
        for threshold in early:
            if not lowest <= threshold <= highest:
                raise PolicyError(
                    f"exit_threshold {threshold:g} is outside {self.score}'s scores, {lowest:g} to {highest:g}"
                    + ("; no-exit is the policy that never leaves early" if threshold > highest else ""),
                    "exit_threshold",
                )
        if patient and self.adapt == "threshold":
            raise PolicyError("adapt: threshold moves thresholds by shares of one; patience counts exits", "adapt")
        if 0.0 < self.gossip_s < TICK_S:
            say = f"gossip_s {self.gossip_s:g} is neither 0, always fresh, nor at least {TICK_S:g} s"
            raise PolicyError(say, "gossip_s")
        if self.threshold_min > self.threshold_max:
            say = f"threshold_min {self.threshold_min:g} is above threshold_max {self.threshold_max:g}"
            raise PolicyError(say, "threshold_min")
        if self.queue_low > self.queue_high:
            raise PolicyError(f"queue_low {self.queue_low:g} is above queue_high {self.queue_high:g}", "queue_low")

    def criterion(self) -> Score:
        """What is compared with the thresholds."""
        return SCORES[self.score]

    def thresholds(self, n_exits: int) -> tuple[float, ...]:
        """One threshold per exit, [K]; a PolicyError where the parameter has another number of them."""
        if not isinstance(self.exit_threshold, tuple):
            return (self.exit_threshold,) * n_exits
        if len(self.exit_threshold) not in (n_exits - 1, n_exits):
            raise PolicyError(
                f"exit_threshold has {len(self.exit_threshold)} values, but the profile has {n_exits} exits: give "
                f"one value, or {n_exits - 1} (the last exit always answers)",
                "exit_threshold",
            )
        return (*self.exit_threshold, inf)[:n_exits]

    def _scores(self, setting: Setting) -> Floats:
        """The scores of the calibration half, [n, K]; a PolicyError where it lacks what they need."""
        return scored(self.criterion(), setting.calibration, self._row(setting.n_exits).evaluated)

    def _row(self, n_exits: int, placement: int = FREE) -> Row:
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
