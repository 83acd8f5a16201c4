"""The named policies: frozen dataclasses whose fields are the parameters that a scenario file may set.

To add one: a dataclass with a `build`, a docstring that says where it comes from (see `descriptions`), a line in
RECIPES. Users need neither: any object with a `build(setting) -> Policy` will do, and so will a Policy made of
their own rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge

from mdisim.policies.adaptive import TICK_S, Adaptive
from mdisim.policies.parameters import Meaning
from mdisim.policies.policy import Policy, Recipe, Setting
from mdisim.policies.protocols import Turns
from mdisim.policies.rules import Anywhere, DelayRatio, KeepOrOffer, WholeOffered, WholeToShortest
from mdisim.policies.scores import SCORES, Score


@dataclass(frozen=True)
class MdiExit(Adaptive):
    """MDI-Exit, reconstructed (Colocrese, Koyuncu, Seferoglu, arXiv 2408.05247): Alg 1 to 4.

    Each device decides for itself, from queue lengths. After a stage whose exit did not answer it keeps the next
    task or offers it (Alg 1); an offered task goes to a neighbour by the waits here and there and the way between
    (Alg 2). The source adapts the gap between its admissions (Alg 3) or its exit threshold (Alg 4).

    Source: M. Colocrese, E. Koyuncu, H. Seferoglu, "Early-Exit meets Model-Distributed Inference at Edge
    Networks", 2024, arXiv 2408.05247. That the venue is IEEE LANMAN 2024 is recalled, not checked. Known here are
    its abstract and first paragraph, public summaries, and the abstract of M. Colocrese's master thesis,
    "Distributed Inference with Early Exit at Edge Networks", Politecnico di Torino, 2023; neither a full text nor
    code of the authors was at hand.

    Reconstructed: the four algorithms, put together from these descriptions; whether the paper counts them so was
    not to be seen. Verified is that a sample leaves where its confidence exceeds the threshold, that decisions
    look at queue lengths, and that the source adapts either its rate or its threshold to its queues. Recalled are
    the largest softmax probability as confidence, the queues I and O of each device, T_O, the gate O_n > I_m, the
    ratio of Alg 2, the three regions of Alg 3 and 4, and averages of service and transfer times; less surely the
    exact form of the ratio, that steps are multiplicative, and that a task is kept where nothing else waits.
    Inferred is that the last exit always answers. Ours are that the source runs stage 1, the order of neighbours,
    the clock of retries, how a new threshold reaches the others, a largest threshold below 1, and every default:
    none of the paper's constants is known here.
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
        """Lay out Alg 1 to 4; a PolicyError where tasks may get stuck."""
        setting.need_neighbours(self.name, first_stays=not self.offload_first)
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

    Source: the baseline called No-EE, as recalled, in the paper on MDI-Exit (M. Colocrese, E. Koyuncu, H.
    Seferoglu, 2024, arXiv 2408.05247): the same system, which never leaves before the last exit.

    Reconstructed: that no other head is evaluated or paid is ours. All the rest is that of `mdi-exit`, and none of
    the paper's constants is known.
    """

    name: ClassVar[str] = "no-exit"
    early_exits: ClassVar[bool] = False


@dataclass(frozen=True)
class Local(Adaptive):
    """One worker: every stage at the source, early exits and the source's control as in MDI-Exit.

    Nothing is sent. A sample runs through without queueing again between stages.

    Source: the baseline called Local, one worker, as recalled, in the paper on MDI-Exit (M. Colocrese, E. Koyuncu,
    H. Seferoglu, 2024, arXiv 2408.05247).

    Reconstructed: more than that it is one worker is not known. That it keeps early exits and the source's
    control, that its stages follow one another without a queue, and every default are ours.
    """

    name: ClassVar[str] = "local"

    def build(self, setting: Setting) -> Policy:
        """Lay out a plan without a rule of placement: what is born here stays."""
        setting.need_whole(self.name, setting.sources)
        return self.policy(setting)


@dataclass(frozen=True, kw_only=True)
class Remote(Adaptive):
    """Every sample is sent, as input, to one device, which runs every stage.

    The plan names the device; no rule is asked where a sample goes. Early exits and the source's control are those
    of `mdi-exit`.

    Source: no paper; the plain baseline of offloading, a sample sent whole.

    Reconstructed: nothing of its own, as no paper stands behind it; the source's control is that of `mdi-exit`,
    with defaults of ours.
    """

    name: ClassVar[str] = "remote"

    device: Annotated[str, Meaning("the device that computes")]

    def build(self, setting: Setting) -> Policy:
        """Lay out the plan; a PolicyError where no device has that name, or it cannot run every stage."""
        device = setting.device(self.device, "device")
        setting.need_whole(self.name, (device,), "device")
        return self.policy(setting, placement=device)


@dataclass(frozen=True)
class Ddi(Adaptive):
    """Data-distributed inference: each sample goes, as input, to one device, which runs every stage.

    The device is chosen once, at birth, and the source is one of them. `join` takes the device of the shortest
    expected delay, as in join-the-shortest-queue; `offer` uses Alg 2 of MDI-Exit on whole samples.

    Source: the scheme that the paper on MDI-Exit (M. Colocrese, E. Koyuncu, H. Seferoglu, 2024, arXiv 2408.05247)
    is set against, in its abstract and introduction: every worker holds the whole network, the source divides the
    data among them and may keep a share, and each returns its labels.

    Reconstructed: how samples are divided is not known, nor whether the paper measures such a baseline. Both
    placements are ours, and so is that early exits and the source's control are those of `mdi-exit`, and every
    default. How many stages a sample will need is taken to be the mean of the calibration half at these
    thresholds.
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
        scores = self._scores(setting)
        if not len(scores):
            return float(setting.n_exits)
        leaves = scores > np.array(self._row(setting.n_exits).stamped())
        return float(np.mean(leaves.argmax(axis=1) + 1))


@dataclass(frozen=True)
class Random(Adaptive):
    """After each stage that did not exit, the next goes to a device drawn evenly: here or a neighbour.

    Queues are not looked at. Early exits and the source's control are those of `mdi-exit`.

    Source: no paper; a plain baseline of ours, for what it is worth to choose neighbours by their queues.

    Reconstructed: nothing of its own, as no paper stands behind it; the source's control is that of `mdi-exit`,
    with defaults of ours.
    """

    name: ClassVar[str] = "random"

    from_birth: Annotated[bool, Meaning("draw for the first stage too")] = False

    def build(self, setting: Setting) -> Policy:
        """Lay out the drawing rule; a PolicyError where tasks may get stuck."""
        setting.need_neighbours(self.name, first_stays=not self.from_birth)
        return self.policy(setting, where=Anywhere(self.from_birth))


@dataclass(frozen=True)
class Oracle(MdiExit):
    """MDI-Exit that knows the labels: a sample leaves at the first exit that is right.

    No policy can know this; it bounds what any exit rule could reach. `score` and thresholds do not matter, and
    Alg 4 has nothing to turn.

    Source: no paper; a bound of ours, which differs in its exit rule alone from MDI-Exit (M. Colocrese, E.
    Koyuncu, H. Seferoglu, 2024, arXiv 2408.05247).

    Reconstructed: nothing in the exit rule; all the rest is as reconstructed in `mdi-exit`, every default of which
    is ours.
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
