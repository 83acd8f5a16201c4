"""What policies share that cut the network where that is expected to be fastest, and the first of them.

`branchynet-partition` cuts once, for the mean rates of the links (R. G. Pacheco, R. S. Couto, IEEE ISCC 2020). It
is planned without queues, by `partition.expected_s`. What sending takes is the setting's unloaded time of the way,
with latency and packing, which the paper leaves out. The answer's way back is left out, as it is there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdisim.planners.partitions.partition import Chain, Floats, PartitionError, expected_s, leaving, shortest_cut
from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy, Setting
from mdisim.policies.scores import SCORES, scored
from mdisim.policies.views import FREE


class Tiers(NamedTuple):
    """Who runs what: the devices before the cut (one, or each source its own), and the cloud after it."""

    devices: tuple[int, ...]
    cloud: int
    placed: int


@dataclass(frozen=True, kw_only=True)
class Partitioned:
    """What both have in common."""

    name: ClassVar[str]
    family: ClassVar[str] = "partitions"

    cloud: Annotated[str, Meaning("the device that runs what comes after the cut, without early exits")]
    score: Annotated[
        Literal["certainty", "max-softmax"],
        Meaning("what is compared with the threshold; certainty is one minus BranchyNet's entropy over ln C"),
    ] = "certainty"
    skip: Annotated[tuple[int, ...], Meaning("early exits that are not evaluated, counted from 1")] = ()

    def tiers(self, setting: Setting, device: str = "") -> Tiers:
        """Who runs what; a PolicyError where the cloud is also the device, or no way leads there."""
        cloud = setting.device(self.cloud, "cloud")
        devices = (setting.device(device, "device"),) if device else setting.sources
        if cloud in devices:
            raise PartitionError(
                f"cloud {self.cloud!r} is the device before the cut, too; another device would do", "cloud"
            )
        ways = [(a, cloud) for a in (*devices, *setting.sources)]
        ways += [(a, b) for a in setting.sources for b in devices if device]
        for a, b in ways:
            if not np.isfinite(setting.transfer_s[a, b, 0]):
                raise PartitionError(
                    f"{self.name}: no route from {setting.devices[a]} to {setting.devices[b]}: add a link"
                )
        return Tiers(devices, cloud, devices[0] if device else FREE)

    def scores(self, setting: Setting) -> Floats:
        """The scores of the calibration half, [n, K]; a PolicyError where it is empty or lacks what they need."""
        if not len(setting.calibration.label):
            raise PartitionError(f"{self.name} learns from a calibration half; a profile that has one would do")
        return scored(SCORES[self.score], setting.calibration, (True,) * setting.n_exits)

    def wanted(self, n_exits: int, threshold: float | tuple[float, ...], called: str) -> tuple[float, ...]:
        """The score wanted at each exit, [K]: infinite where none is evaluated, and at the last."""
        early = threshold if isinstance(threshold, tuple) else (threshold,) * (n_exits - 1)
        if len(early) not in (n_exits - 1, n_exits):
            raise PartitionError(
                f"{called} has {len(early)} values, but the profile has {n_exits} exits: give one value, or "
                f"{n_exits - 1} (the last exit always answers)",
                called,
            )
        for one in early[: n_exits - 1]:
            if not 0.0 <= one <= 1.0:
                raise PartitionError(
                    f"{called} {one:g} is outside the scores, 0 to 1; to leave exits out, name them in skip",
                    called,
                )
        for number in self.skip:
            if not 1 <= number < n_exits:
                raise PartitionError(f"skip names exit {number}; early exits are 1 to {n_exits - 1}", "skip")
        return (*(inf if k + 1 in self.skip else early[k] for k in range(n_exits - 1)), inf)


def chain_of(setting: Setting, tiers: Tiers, scores: Floats, wanted: tuple[float, ...]) -> Chain:
    """The network's stages as a chain, a mean over the devices; to bring the input to a device counts as stage 1.

    The last head is a part of the last stage: it is paid wherever that runs.
    """
    devices = list(tiers.devices)
    bring_s = 0.0 if tiers.placed == FREE else setting.transfer_s[list(setting.sources), tiers.placed, 0].mean()
    device_s, head_s = setting.stage_s[devices].mean(axis=0), setting.head_s[devices].mean(axis=0)
    cloud_s = setting.stage_s[tiers.cloud].copy()
    device_s[0] += bring_s
    device_s[-1] += head_s[-1]
    cloud_s[-1] += setting.head_s[tiers.cloud, -1]
    branches = np.where(np.isfinite(wanted), head_s, 0.0)
    return Chain(device_s, cloud_s, branches, leaving(scores, wanted), setting.out_bytes)


def way_of(setting: Setting, tiers: Tiers) -> Floats:
    """The unloaded time to send each cut to the cloud, [K+1], a mean over the devices; 0 for the last.

    The input goes from the source itself. Infinite where a device lacks a stage before the cut, or the cloud
    one after it; a PartitionError where that is so at every cut.
    """
    seconds = setting.transfer_s[list(tiers.devices), tiers.cloud].mean(axis=0)
    seconds[0] = setting.transfer_s[list(setting.sources), tiers.cloud, 0].mean()
    seconds[-1] = 0.0
    return np.where(possible(setting, tiers), seconds, inf)


def possible(setting: Setting, tiers: Tiers) -> NDArray[np.bool_]:
    """Whether each cut leaves every stage where it may run, [K+1]; a PartitionError where none does."""
    K = setting.n_exits
    holds = np.ones((len(setting.devices), K), dtype=bool) if setting.holds is None else setting.holds
    here, there = np.all(holds[list(tiers.devices)], axis=0), holds[tiers.cloud]
    cuts = np.array([bool(here[:cut].all() and there[cut:].all()) for cut in range(K + 1)])
    if not cuts.any():
        raise PartitionError(
            f"no cut leaves every stage where it may run: {setting.devices[tiers.devices[0]]} would have to hold "
            f"all before the cut, and {setting.devices[tiers.cloud]} all after it"
        )
    return cuts


def row_of(tiers: Tiers, wanted: tuple[float, ...], cut: int) -> Row:
    """The plan of one cut: heads are evaluated before it, on the device; in the cloud the last one alone."""
    K = len(wanted)
    heads = (*(k < cut and wanted[k] < inf for k in range(K - 1)), True)
    return Row(wanted, heads, (tiers.placed,) * cut + (tiers.cloud,) * (K - cut), no_exits_at=(tiers.cloud,))


def accuracies(setting: Setting, scores: Floats, wanted: tuple[float, ...]) -> Floats:
    """The share of the calibration half that is answered rightly at each cut, [K+1]."""
    outputs, K = setting.calibration, setting.n_exits
    right = outputs.prediction == outputs.label[:, None]
    leaves = scores >= np.array(wanted)
    shares = []
    for cut in range(K + 1):
        here = leaves & (np.arange(K) < cut)
        here[:, -1] = True
        shares.append(right[np.arange(len(right)), here.argmax(axis=1)].mean())
    return np.array(shares)


@dataclass(frozen=True, kw_only=True)
class BranchyNetPartition(Partitioned):
    """BranchyNet partitioning (Pacheco, Couto, ISCC 2020): the cut of the least expected time, by shortest path.

    The cut is planned once, before the run, without queues and for the mean rates of the links. Early exits before
    the cut, on the device; none in the cloud. With all exits in `skip` it is Neurosurgeon's choice. Several
    sources share one cut, the best for their mean.

    Source: R. G. Pacheco, R. S. Couto, "Inference Time Optimization Using BranchyNet Partitioning", IEEE ISCC
    2020, arXiv 2005.04099, doi 10.1109/ISCC50000.2020.9219647. The expected time, the graph, and that equal cuts
    are decided for the device follow the authors' public code (pachecobeto95/POPEX on GitHub).

    Reconstructed: from that code, not from the paper's text. The threshold is ours; what it is compared with is
    their normalised entropy, turned so that more is surer. The chance to leave at each exit is that of the
    calibration half. What sending takes is the unloaded time of the way, with latency and packing, which the paper
    leaves out; the answer's way back is left out, as there. One cut for several sources is ours.
    """

    name: ClassVar[str] = "branchynet-partition"

    device: Annotated[str, Meaning("the device before the cut; the source if left empty")] = ""
    exit_threshold: Annotated[
        float | tuple[float, ...],
        Meaning("a sample leaves at an exit of this score or more; or one per exit", "score"),
    ] = 0.8

    def build(self, setting: Setting) -> Policy:
        """Lay out a plan of one row; a PolicyError where no cut leaves every stage where it may run."""
        tiers = self.tiers(setting, self.device)
        wanted = self.wanted(setting.n_exits, self.exit_threshold, "exit_threshold")
        chain = chain_of(setting, tiers, self.scores(setting), wanted)
        way_s = way_of(setting, tiers)
        cut = shortest_cut(chain, way_s)
        return Policy(
            self.name,
            (row_of(tiers, wanted, cut),),
            score=SCORES[self.score],
            details=asdict(self) | {"cut": cut, "expected_s": float(expected_s(chain, way_s)[cut])},
        )
