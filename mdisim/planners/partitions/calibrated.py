"""Calibration-aided offloading: exits on the device, the rest of the backbone in the cloud, confidences to trust.

R. G. Pacheco, R. S. Couto, O. Simeone, "Calibration-aided edge inference offloading via adaptive model
partitioning of deep neural networks", ICC 2021 (arXiv 2010.16335), and its sequel in JNCA 217, 2023. A sample
leaves at the first exit on the device whose confidence is `p_tar` or more, else the cloud finishes: `p_tar` is the
threshold and the promised accuracy at once, which holds only for calibrated exits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval, Le
from numpy.random import Generator

from mdisim.errors import PolicyError
from mdisim.planners.partitions.partition import PartitionError
from mdisim.planners.tiers.chains import Chain, need_chain
from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy, Setting, Signals
from mdisim.policies.protocols import Where
from mdisim.policies.scores import ANSWERS, Ints, Outputs
from mdisim.policies.views import CONTINUE, FREE, INPUT, Here, Knobs, Peer, Place, Task
from mdisim.profiles.halves import two_parts

if TYPE_CHECKING:
    from mdisim.calibration import CalibratedExits

Method = Literal["temperature", "vector", "matrix", "dirichlet", "platt", "beta", "isotonic", "histogram"]
Threshold = Literal["p-tar", "grid-search", "learn-then-test", "upper-confidence", "conformal"]
AboveZero = Interval(gt=0, lt=1)
SEED = 0  # of the draw of groups to fit to, and to plan on


@dataclass(frozen=True)
class CalibratedHeads:
    """The calibrated outputs of the exits that are run; the others keep what the network said."""

    exits: CalibratedExits
    heads: tuple[int, ...]

    def calibrated(self, outputs: Outputs) -> Outputs:
        """Return outputs with the confidences and predictions of the heads calibrated, and without logits."""
        of_heads = self.exits.calibrated(these(outputs, self.heads))
        confidence, prediction = outputs.confidence.copy(), outputs.prediction.copy()
        confidence[:, self.heads] = of_heads.confidence
        prediction[:, self.heads] = of_heads.prediction
        return Outputs(None, confidence, prediction, outputs.label)


def these(outputs: Outputs, heads: tuple[int, ...], rows: slice | Ints = slice(None)) -> Outputs:
    """What some exits say of some samples."""
    columns = list(heads)
    return Outputs(
        None if outputs.logits is None else outputs.logits[rows][:, columns],
        outputs.confidence[rows][:, columns],
        outputs.prediction[rows][:, columns],
        outputs.label[rows],
    )


@dataclass(frozen=True)
class ThenCloud:
    """Once no exit on the device was sure enough: to the cloud with the feature map, or with the raw input.

    With the input the cloud begins again at stage 1. `tail_s` and `whole_s` are what the cloud takes for the
    rest and for the whole. The way there is reckoned with the measured rate of the link to the cloud; where
    there is no such link, `feature_way_s` and `input_way_s` are those of the unloaded way.
    """

    cut: int
    device: int
    cloud: int
    always_input: bool
    tail_s: float
    whole_s: float
    feature_way_s: float
    input_way_s: float

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        """Send what arrives and is computed sooner."""
        if here.device == self.cloud:
            return Place(CONTINUE)
        if task.stage < self.cut:
            at_home = self.device == FREE or here.device == self.device
            return Place(CONTINUE) if at_home else Place(self.device)
        if self.always_input:
            return Place(self.cloud, INPUT)
        feature_way_s, input_way_s = self.feature_way_s, self.input_way_s
        for i in range(len(peers)):
            if peers[i].device == self.cloud:
                feature_way_s = 8.0 * task.feature_bytes / peers[i].rate_bps
                input_way_s = 8.0 * task.input_bytes / peers[i].rate_bps
        if input_way_s + self.whole_s < feature_way_s + self.tail_s:
            return Place(self.cloud, INPUT)
        return Place(self.cloud)


@dataclass(frozen=True, kw_only=True)
class CalibratedPartition:
    """Exits on the device up to a cut, the rest of the backbone in the cloud (Pacheco, Couto, Simeone).

    A sample leaves at the first exit on the device whose calibrated confidence is at least `p_tar`, which is the
    threshold and the promised accuracy at once; else the cloud finishes. Calibrators are fitted before the run, on
    the calibration half. `mode: none` is the conventional system. With `device` an edge between the source and the
    cloud decides (three tiers).

    Source: R. G. Pacheco, R. S. Couto, O. Simeone, "Calibration-aided edge inference offloading via adaptive model
    partitioning of deep neural networks", ICC 2021, arXiv 2010.16335, and its sequel in the Journal of Network and
    Computer Applications 217, 2023, 103679, doi 10.1016/j.jnca.2023.103679, which has the three tiers. It follows
    the programs, data and figures that the authors published (on GitHub, pachecobeto95/early_exit_calibration and
    DR_EENN).

    Reconstructed: neither full text was at hand. Verified in their programs are the rule with one `p_tar` for all
    exits, branches on the device alone, both ways to answer in the cloud (in different programs), temperature
    scaling, and the modes none, global, per-exit and all-samples. Ours are the exact search for temperatures, its
    guards against few or one-sided samples, the mode sequential, all other methods, sending the input instead of
    the feature map and the estimated rate that decides it, and planned thresholds, which follow work on risk
    control by Angelopoulos et al. and Jazbec et al., not these papers. `p_tar` of 0.8 is theirs; where the network
    is cut if nothing is said, and `gap`, are ours.
    """

    name: ClassVar[str] = "calibrated-partition"
    family: ClassVar[str] = "partitions"

    cloud: Annotated[str, Meaning("the device that finishes what no exit was sure of")]
    device: Annotated[str, Meaning("the device with the exits; the source if left empty")] = ""
    cut: Annotated[
        int | None, Ge(0), Meaning("the last stage on the device; 0 sends the input; all but the last if left out")
    ] = None
    skip: Annotated[tuple[int, ...], Meaning("exits on the device that are not evaluated, counted from 1")] = ()
    p_tar: Annotated[float, Gt(0), Le(1), Meaning("target confidence, and the accuracy promised", "share")] = 0.8
    method: Annotated[Method, Meaning("how confidences are calibrated")] = "temperature"
    mode: Annotated[
        Literal["none", "global", "per-exit", "all-samples", "sequential"],
        Meaning("which samples each exit is fitted to; none leaves it uncalibrated"),
    ] = "per-exit"
    threshold: Annotated[
        Threshold,
        Meaning("the threshold: p_tar itself, or planned on one half of the calibration samples, fitted on the "
                "other, so that p_tar (the first two) or gap (the last two) is kept"),
    ] = "p-tar"  # fmt: skip
    delta: Annotated[float, AboveZero, Meaning("with which risk a planned threshold may break it", "share")] = 0.1
    gap: Annotated[float, AboveZero, Meaning("accuracy that early exits may cost", "share")] = 0.05
    cloud_fallback: Annotated[
        Literal["final", "most-confident"],
        Meaning("who answers in the cloud: its own exit, or the surest of all that were run"),
    ] = "final"
    offload: Annotated[
        Literal["feature", "input", "fastest"],
        Meaning("what is sent: the feature map, the raw input (the cloud begins again), or what is sooner"),
    ] = "feature"

    def build(self, setting: Setting) -> Policy:
        """Fit and lay out; a PolicyError where names, cut or samples do not allow it."""
        K = setting.n_exits
        cut = self._cut(K)
        cloud = setting.device(self.cloud, "cloud")
        device = setting.device(self.device, "device") if self.device else FREE
        self._need_tiers(setting, cut, device, cloud)
        heads = (*(k for k in range(min(cut, K - 1)) if k + 1 not in self.skip), K - 1)
        recipe = replace(self, skip=tuple(self.skip))  # a list has no hash
        exits, threshold = _planned(recipe, _Same(setting.calibration), heads, _Same(setting.group))
        where = self._where(setting, cut, device, cloud) if self.offload != "feature" and 0 < cut < K else None
        placement = (device,) * cut + (cloud,) * (K - cut) if where is None else (FREE,) * K
        row = Row((threshold,) * K, tuple(k in heads for k in range(K)), placement, (cloud,))
        return Policy(
            name=self.name,
            plan=(row,),
            where=where,
            calibration=CalibratedHeads(exits, heads),
            answer=ANSWERS["most-confident" if self.cloud_fallback == "most-confident" else "own-exit"],
            signals=Signals(estimator="harmonic"),
            details=asdict(self) | {"planned_threshold": threshold},
        )

    def _cut(self, K: int) -> int:
        cut = K - 1 if self.cut is None else self.cut
        if cut > K:
            raise PolicyError(f"cut {cut} is beyond the last of {K} stages; 0 to {K} would do", "cut")
        strangers = [k for k in self.skip if not 1 <= k <= min(cut, K - 1)]
        if strangers:
            raise PolicyError(
                f"skip {strangers[0]} is no early exit on the device, which has 1 to {min(cut, K - 1)}",
                "skip",
            )
        return cut

    def _need_tiers(self, setting: Setting, cut: int, device: int, cloud: int) -> None:
        """Raise a PolicyError where a device cannot be reached or lacks a stage, or both are one."""
        before = setting.sources if device == FREE else (device,)
        if cut > 0 and cloud in before:
            raise PartitionError(
                f"cloud {self.cloud!r} is the device before the cut, too; another device would do"
            )
        devices, ends = ((cloud,), (setting.n_exits,)) if cut == 0 else ((device, cloud), (cut, setting.n_exits))
        need_chain(self.name, setting, Chain(devices, ends), "hidden" if self.offload == "feature" else "input")

    def planned(
        self, calibration: Outputs, heads: tuple[int, ...], group: Ints | None
    ) -> tuple[CalibratedExits, float]:
        """The fitted exits [heads] and the threshold, of a calibration half with its groups [n].

        Thresholds are planned on other samples, and groups, than the fit.
        """
        from mdisim.calibration import calibrate, risk

        n = len(calibration.label)
        planned = self.threshold != "p-tar"
        if not planned:
            to_fit = to_plan = np.arange(n)
        elif group is None:
            to_fit, to_plan = np.arange(0, n, 2), np.arange(1, n, 2)
        else:
            to_fit, to_plan = two_parts(n, group, np.random.default_rng(SEED))
        of_fit, of_plan = (None if group is None else group[rows] for rows in (to_fit, to_plan))
        exits = calibrate(
            these(calibration, heads, to_fit),
            self.method,
            self.mode,
            p_tar=self.p_tar,
            cloud_fallback=self.cloud_fallback,
            group=of_fit,
        )
        if not planned:
            return exits, self.p_tar
        rest = exits.calibrated(these(calibration, heads, to_plan))
        right = rest.prediction == rest.label[:, None]
        match self.threshold:
            case "grid-search":
                promise = risk.grid_search(rest.confidence, right, target=self.p_tar)
            case "learn-then-test":
                promise = risk.device_accuracy(
                    rest.confidence, right, target=self.p_tar, delta=self.delta, group=of_plan
                )
            case "upper-confidence":
                promise = risk.upper_confidence(
                    rest.confidence, right, limit=self.gap, delta=self.delta, group=of_plan
                )
            case _:
                promise = risk.conformal(rest.confidence, right, limit=self.gap, group=of_plan)
        return exits, promise.threshold

    def _where(self, setting: Setting, cut: int, device: int, cloud: int) -> Where:
        way_s = setting.transfer_s[setting.sources[0] if device == FREE else device, cloud]
        stage_s, head_s = setting.stage_s[cloud], float(setting.head_s[cloud, -1])
        return ThenCloud(
            cut,
            device,
            cloud,
            self.offload == "input",
            float(stage_s[cut:].sum()) + head_s,
            float(stage_s.sum()) + head_s,
            float(way_s[cut]),
            float(way_s[0]),
        )


class _Same:
    """Stands for an object, and equals what stands for the very same one: arrays have neither hash nor ==."""

    def __init__(self, it: Any) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.it is other.it

    def __hash__(self) -> int:
        return id(self.it)


@lru_cache(maxsize=32)
def _planned(
    recipe: CalibratedPartition, calibration: _Same, heads: tuple[int, ...], group: _Same
) -> tuple[CalibratedExits, float]:
    """What `planned` says, which takes long: points of a sweep mostly share their calibration half."""
    return recipe.planned(calibration.it, heads, group.it)
