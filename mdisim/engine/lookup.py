"""What a run looks up again and again, as sequences that are quick to index by stage, then by sample."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy
from mdisim.policies.scores import Floats, Heads, counted, scored
from mdisim.policies.views import Seen
from mdisim.world import World

NOTHING = np.zeros(0)
Columns: TypeAlias = "list[memoryview[float]]"  # K columns of n floats


class Tables:
    """The plan, scores and factors of one run as sequences that are quick to index by stage, then sample."""

    def __init__(self, world: World, policy: Policy) -> None:
        given = world.samples.outputs
        self.outputs = given if policy.calibration is None else policy.calibration.calibrated(given)
        self.score = policy.score
        self._scores: dict[tuple[Heads, Heads], Columns] = {}
        self._columns: dict[Heads, Columns] = {}
        self._unscored = _columns(np.full((len(world.samples), 1), np.nan))[0]
        features = world.samples.features
        self.features = features if policy.sight is None else policy.sight.seen(self.outputs, features)
        self.work = None if world.samples.work is None else _columns(world.samples.work)
        self.size = None if world.samples.size is None else _columns(world.samples.size)
        self.out_bytes = [float(b) for b in world.out_bytes]
        self.holds = [device.holds or (True,) * world.n_exits for device in world.devices]

    def scores_at(self, row: Row, device: int) -> Columns:
        """The scores of samples of a row at a device, by exit, then sample; NaN where an exit is not evaluated."""
        return self._scores_of(row.evaluated, row.evaluated_at(device))

    def scores_of(self, row: Row) -> Columns:
        """The same for what a row evaluates at any device."""
        return self._scores_of(row.evaluated, row.evaluated)

    def _scores_of(self, heads: Heads, shown: Heads) -> Columns:
        """Rows of the same heads share their columns, and all rows do unless the score is cumulative."""
        if (heads, shown) not in self._scores:
            key = counted(self.score, heads)
            if key not in self._columns:
                self._columns[key] = _columns(scored(self.score, self.outputs, key))
            columns = zip(self._columns[key], shown, strict=True)
            self._scores[heads, shown] = [one if head else self._unscored for one, head in columns]
        return self._scores[heads, shown]

    def bytes_at(self, stage: int, sample: int) -> float:
        """What must travel for a task that needs this stage next: the input, or the last feature map."""
        size_bytes = self.out_bytes[stage]
        return size_bytes if self.size is None else size_bytes * self.size[stage][sample]

    def seen(self, sample: int) -> Seen:
        """What a router sees of a sample."""
        features = NOTHING if self.features is None else self.features[sample]
        return Seen(features, self.bytes_at(0, sample))


def _columns(matrix: Floats) -> list[memoryview[float]]:
    """A matrix [n, K] as K typed columns: plain floats come out, and no list of objects is held."""
    whole = np.asarray(matrix, dtype=np.float64)
    return [memoryview(whole[:, k].tobytes()).cast("d") for k in range(whole.shape[1])]
