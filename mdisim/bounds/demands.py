"""What answers ask of devices and links, as kinds of samples: the demand of a throughput bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import InputError
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy
from mdisim.policies.scores import Floats, Ints, Outputs, counted, scored
from mdisim.policies.views import FREE
from mdisim.world import World

if TYPE_CHECKING:
    from mdisim.results import Run

ANY = -1
LARGEST = 2**62  # whole number that is surely exact
Mask = NDArray[np.bool_]


class BoundError(InputError):
    """A bound that makes no sense as asked; the message says what would do."""


@dataclass(frozen=True, eq=False)
class Kind:
    """Answered samples that evaluate the same exits: m of them, or m groups of samples that are alike.

    `share` [m] of all answers; `stops` [m]: the exit, from 0; `work` [m, K] and `size` [m, K+1]: their factors on
    stage times and bytes; `source` [m]: where they are born, or ANY. `heads` [K]: which exits they evaluate on
    their way; at the devices `unpaid` none but the last is paid for. Of kinds with different `choice` a policy
    may choose one for each sample: their samples are the same ones.
    """

    share: Floats
    stops: Ints
    work: Floats
    size: Floats
    source: Ints
    heads: tuple[bool, ...]
    unpaid: tuple[int, ...] = ()
    choice: int = 0

    @property
    def shares(self) -> Floats:
        """The share of all answers that are of this kind and stop at each exit, [K]."""
        return np.bincount(self.stops, weights=self.share, minlength=len(self.heads)).astype(np.float64)

    def means(self) -> tuple[Floats, Floats]:
        """The mean work on each stage, [K], and size of each cut, [K], over those that need it."""
        needs = (np.arange(len(self.heads)) <= self.stops[:, None]) * self.share[:, None]
        total = needs.sum(axis=0)
        safe = np.where(total > 0.0, total, 1.0)
        return (needs * self.work).sum(axis=0) / safe, (needs * self.size[:, :-1]).sum(axis=0) / safe


Demand = tuple[Kind, ...]


def of_shares(world: World, shares: Sequence[float], heads: Sequence[bool] | None = None) -> Demand:
    """The demand of answers of which these shares [K] stop at each exit; without `heads` all are evaluated.

    Where samples differ in work or size, each counts as light as the lightest: who knows the samples can do
    better, with `planned`. Raises BoundError where the shares do not fit.
    """
    given, K = np.asarray(shares, dtype=float), world.n_exits
    if given.shape != (K,) or (given < 0.0).any() or abs(given.sum() - 1.0) > 1e-6:
        raise BoundError(f"exit shares are {list(shares)}; {K} shares that add up to 1 would do, one per exit")
    asked = (True,) * K if heads is None else tuple(bool(head) for head in heads)
    work, size = (
        np.ones((1, width)) if factors is None else factors.min(axis=0, keepdims=True)
        for factors, width in ((world.samples.work, K), (world.samples.size, K + 1))
    )
    stops = np.arange(K)
    return (Kind(given / given.sum(), stops, work[stops * 0], size[stops * 0], np.full(K, ANY), asked),)


def lightest(world: World) -> Demand:
    """What any policy asks at least: each answer at one exit, whichever, whose head alone is evaluated."""
    K = world.n_exits
    sample, count = _groups(world.samples.alike)
    share = count / count.sum()
    return tuple(
        _kind(world, tuple(k == j for j in range(K)), (), sample, np.full(len(sample), k), share, choice=k)
        for k in range(K)
    )


def planned(world: World, policy: Policy) -> Demand:
    """The demand of a policy on the world's samples, at the thresholds that it begins with.

    A policy that picks rows may pick any for each sample.
    """
    rows = range(len(policy.plan)) if policy.picks is not None else (policy.knobs.row,)
    scores_of = cache(partial(scored, policy.score, calibrated(world, policy)))
    stops: dict[int, Ints] = {}
    for number in rows:
        row = policy.plan[number]
        scores = scores_of(counted(policy.score, row.evaluated))
        wanted = np.array(row.stamped(policy.knobs.thresholds))
        leaves = (scores > wanted if policy.strictly else scores >= wanted) & row.evaluated
        leaves[:, -1] = True
        stops[number] = leaves.argmax(axis=1)
    sample, count = _groups(world.samples.alike, *stops.values())
    share = count / count.sum()
    return tuple(
        _kind(world, *_evaluated(policy.plan[number]), sample, stop[sample], share, choice=number)
        for number, stop in stops.items()
    )


def answered(world: World, policy: Policy, run: Run, which: Mask) -> Demand:
    """The demand of these answers of a run: a mask of its tasks. Empty where there are none."""
    tasks = run.tasks[which]
    names = {name: number for number, name in enumerate(run.sources["source"])}
    source = tasks["source"].map(names).to_numpy(dtype=np.int64)
    sample, rows, stops = (tasks[name].to_numpy(dtype=np.int64) for name in ("sample", "row", "exit"))
    kinds = []
    for heads, unpaid in dict.fromkeys(_evaluated(policy.plan[row]) for row in np.unique(rows)):
        alike = [number for number, row in enumerate(policy.plan) if _evaluated(row) == (heads, unpaid)]
        here = np.flatnonzero(np.isin(rows, alike))
        first, count = _groups(world.samples.alike[sample[here]], stops[here], source[here])
        one = here[first]
        kinds.append(_kind(world, heads, unpaid, sample[one], stops[one] - 1, count / len(rows), source[one]))
    return tuple(kinds)


def planned_stages(world: World, policy: Policy) -> Mask:
    """Which stages each device may run by a policy's plan, [D, K]: anywhere what a rule places."""
    can = np.zeros((len(world.devices), world.n_exits), dtype=bool)
    for row in policy.plan:
        at = [source.device for source in world.sources]
        for k, device in enumerate(row.placement):
            if device != FREE:
                at = [device]
            elif policy.where is not None:
                at = list(range(len(world.devices)))
            can[at, k] = True
    return can


def calibrated(world: World, policy: Policy) -> Outputs:
    """What the network says of the world's samples, as the policy sees it."""
    given = world.samples.outputs
    return given if policy.calibration is None else policy.calibration.calibrated(given)


def _evaluated(row: Row) -> tuple[tuple[bool, ...], tuple[int, ...]]:
    return row.evaluated, row.no_exits_at


def _kind(
    world: World,
    heads: tuple[bool, ...],
    unpaid: tuple[int, ...],
    sample: Ints,
    stops: Ints,
    share: Floats,
    source: Ints | None = None,
    choice: int = 0,
) -> Kind:
    """The kind of these groups of samples [m], given by one sample of each and its share of all answers."""
    m, K, given = len(sample), world.n_exits, world.samples
    born = np.full(m, ANY) if source is None else source
    work = np.ones((m, K)) if given.work is None else given.work[sample]
    size = np.ones((m, K + 1)) if given.size is None else given.size[sample]
    return Kind(share, stops, work, size, born, heads, unpaid, choice)


def _groups(*columns: Ints) -> tuple[Ints, Floats]:
    """Where each distinct row of some columns [n] of numbers from 0 comes first, [m], and how often it comes."""
    key, keys = np.zeros(len(columns[0]), dtype=np.int64), 1
    for column in columns:
        values = int(column.max(initial=0)) + 1
        if keys * values > LARGEST:  # few of them are there: count those
            key = np.unique(key, return_inverse=True)[1]
            keys = int(key.max(initial=0)) + 1
        key, keys = key * values + column, keys * values
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    return first, count.astype(float)
