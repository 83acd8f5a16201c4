"""What each system of `calibration.py` answers where nothing waits, and the papers' measures of it with intervals.

Everything follows from the test half's answers and the unloaded times. Intervals are percentiles of resampled
test halves (95 %); the calibration half stays as it is. A batch has 512 images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

import mdisim
from mdisim.calibration import closed, outage, stops_at
from mdisim.calibration.outage import BATCH
from mdisim.planners.partitions.calibrated import CalibratedPartition
from mdisim.policies.scores import Outputs
from mdisim.world import World, setting

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
CUT = 4
MODES = {"conventional": "none", "global": "global", "per-exit": "per-exit"}
BETTER = "cifar10-mobilenetv2"  # the same images in the same order, by a better network
DRAWS, BATCHES, MANY = 200, 400, 20_000
DEADLINES_S = np.linspace(0.035, 0.085, 201)


@dataclass(frozen=True)
class Answers:
    """What one system says of each test image and how long it takes without queues, [n]."""

    p_tar: float
    on_device: Bools
    correct: Bools
    time_s: Floats

    def of(self, rows: NDArray[np.int64]) -> Answers:
        return Answers(self.p_tar, self.on_device[rows], self.correct[rows], self.time_s[rows])

    def promise(self) -> tuple[float, float, float]:
        """On-device probability, device accuracy, outage probability of a batch."""
        share = outage.on_device_probability(self.on_device)
        accuracy = outage.device_accuracy(self.correct, self.on_device)
        return share, accuracy, closed.outage(share, accuracy if share else 1.0, self.p_tar, BATCH)


def partition(mode: str, p_tar: float, device: str = "") -> CalibratedPartition:
    return CalibratedPartition(cloud="cloud", device=device, cut=CUT, p_tar=p_tar, mode=MODES[mode])


def calibrated(world: World, mode: str, p_tar: float) -> tuple[Outputs, float]:
    """The test half as the policy sees it, and its threshold."""
    policy = partition(mode, p_tar, _exits_at(world)).build(setting(world))
    assert policy.calibration is not None
    return policy.calibration.calibrated(world.samples.outputs), policy.plan[0].thresholds[0]


def answers(world: World, mode: str, p_tar: float) -> Answers:
    """Every test image, as it comes out where nothing waits."""
    outputs, threshold = calibrated(world, mode, p_tar)
    stop = stops_at(outputs.confidence, threshold, CUT)
    right = outputs.prediction[np.arange(len(stop)), stop] == outputs.label
    return Answers(p_tar, stop < CUT, right, times_s(world)[stop])


def times_s(world: World, sent: int = CUT) -> Floats:
    """From birth to the answer's return, for each exit [K]; those between the cut and the last never answer.

    What is sent to the cloud is the feature map after stage `sent`, or with 0 the image.
    """
    names = [device.name for device in world.devices]
    at, cloud, born = names.index(_exits_at(world) or names[0]), names.index("cloud"), world.sources[0].device
    ways = setting(world).transfer_s
    here = np.cumsum(world.stage_s[at] + world.head_s[at])
    tail = world.stage_s[cloud, sent:].sum() + world.head_s[cloud, -1]
    here[CUT:] = here[CUT - 1] + ways[at, cloud, sent] + tail + _label_s(world, cloud, at)
    return np.asarray(here + (0.0 if at == born else ways[born, at, 0] + _label_s(world, at, born)))


def _exits_at(world: World) -> str:
    return "edge" if any(device.name == "edge" for device in world.devices) else ""


def _label_s(world: World, a: int, b: int) -> float:
    links = [world.links[i] for i in world.route(a, b)]
    return sum(8 * world.label_bytes / link.rate.mean_bps() + link.latency_s for link in links)


def resampled(said: Answers, rng: Generator) -> Iterable[Answers]:
    n = len(said.correct)
    return (said.of(rng.integers(0, n, n)) for _ in range(DRAWS))


def promises(said: Answers, rng: Generator) -> Floats:
    """P_dev, device accuracy and outage, each with the ends of its interval, [3 measures, 3]."""
    drawn = np.array([one.promise() for one in resampled(said, rng)])
    return np.column_stack([said.promise(), *np.nanquantile(drawn, (0.025, 0.975), axis=0)])


# --- missed deadlines


def missed(said: Answers, t_tar_s: Floats, of_device: bool, batches: int, rng: Generator) -> Floats:
    """The share of batches that are late or not accurate enough, at each deadline; batches are drawn anew."""
    rows = rng.integers(0, len(said.correct), (batches, BATCH))
    asked = said.on_device[rows] if of_device else np.ones(rows.shape, dtype=bool)
    kept = (said.correct[rows] & asked).sum(axis=1) >= said.p_tar * asked.sum(axis=1) - 1e-9
    good_s = np.sort(said.time_s[rows].mean(axis=1)[kept])
    return np.asarray(1 - np.searchsorted(good_s, t_tar_s, side="right") / batches)


def missed_band(said: Answers, t_tar_s: Floats, of_device: bool, rng: Generator) -> Floats:
    """The curve with the ends of its intervals, [3, deadlines]."""
    drawn = [missed(one, t_tar_s, of_device, BATCHES, rng) for one in resampled(said, rng)]
    value = missed(said, t_tar_s, of_device, MANY, rng)
    return np.stack([value, *np.quantile(drawn, (0.025, 0.975), axis=0)])


def deadline_curves(world: World, rng: Generator) -> dict[str, dict[str, Floats]]:
    """Missed deadlines of the device's answers, of all answers, and of all with a better network in the cloud."""
    cases = {
        "answers of the device,\np_tar 0.85": (0.85, True, False),
        "all answers,\np_tar 0.8": (0.8, False, False),
        "all, a better network in\nthe cloud, p_tar 0.8": (0.8, False, True),
    }
    curves: dict[str, dict[str, Floats]] = {}
    for (title, (p_tar, of_device, better)), mode in product(cases.items(), MODES):
        said = answers(world, mode, p_tar)
        said = helped(world, said) if better else said
        curves.setdefault(title, {})[mode] = missed_band(said, DEADLINES_S, of_device, rng)
    return curves


def helped(world: World, said: Answers) -> Answers:
    """The same with another, better network in the cloud, which gets the image and begins at its first stage."""
    other = mdisim.Scenario.load("calibration", [f"profile={BETTER}"]).build().samples.outputs
    if not np.array_equal(other.label, world.samples.outputs.label):
        raise ValueError(f"{BETTER} holds other images; a profile of the same test set would do")
    correct = np.where(said.on_device, said.correct, other.prediction[:, -1] == other.label)
    return replace(said, correct=correct, time_s=np.where(said.on_device, said.time_s, times_s(world, 0)[-1]))
