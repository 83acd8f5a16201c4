"""The linear programme: the most answers per second that devices and links can carry, wherever tasks go.

Tasks flow. Of each kind of sample, and for each device, there are the rates at which samples are born, at which
stages are run, answers are given and samples begin again with their input; for each link, the rates at which
inputs, feature maps and labels are sent. What flows into a device flows out; devices, channels and senders have so
much time. Who goes where is free, and known beforehand, as no policy can. What has begun again flows in a layer of
its own, since heads are paid for only once: in the first pass at every stage, later where that was not reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.bounds.demands import Demand, Kind, Mask
from mdisim.bounds.prices import Prices, most_by_prices
from mdisim.bounds.resources import Period, Resource, resources, silent, still
from mdisim.errors import RunError
from mdisim.policies.scores import Floats
from mdisim.world import Link, World

Columns = NDArray[np.int64]
FULL = 1e-9  # of a resource's time: what is left of one that limits


@dataclass(frozen=True)
class Bound:
    """The most answers per second, and the devices, channels, senders and sources that allow no more.

    `used`: the share of its time that each of these has to work at that rate.
    """

    per_s: float
    limited_by: tuple[str, ...]
    used: dict[str, float] = field(repr=False)


@dataclass
class Rows:
    """Rows of a sparse matrix, and their right-hand sides."""

    right: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    rows: list[Columns] = field(default_factory=list)
    columns: list[Columns] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)

    def new(self, shape: tuple[int, ...], right: float = 0.0, name: str = "") -> Columns:
        """The numbers of new rows."""
        first, many = len(self.right), int(np.prod(shape))
        self.right += [right] * many
        self.names += [name] * many
        return np.arange(first, first + many).reshape(shape)

    def add(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """Add entries; rows, columns and values are broadcast to one another."""
        each = np.broadcast_arrays(np.asarray(rows), np.asarray(columns), np.asarray(values, dtype=float))
        self.rows.append(each[0].ravel())
        self.columns.append(each[1].ravel())
        self.values.append(each[2].ravel())

    def matrix(self, n_columns: int) -> tuple[NDArray[Any], NDArray[Any], Floats]:
        """The sparse matrix: where each row starts, its columns and its values; equal entries are added."""
        place = np.concatenate(self.rows) * n_columns + np.concatenate(self.columns)
        place, which = np.unique(place, return_inverse=True)
        starts = np.searchsorted(place, np.arange(len(self.right)) * n_columns)
        return starts, place % n_columns, np.bincount(which, np.concatenate(self.values)).astype(np.float64)


class Flows:
    """The columns of one kind of sample: rates of tasks, in the layers of the first pass and of later ones."""

    def __init__(self, world: World, first: int) -> None:
        D, K, L, S = len(world.devices), world.n_exits, len(world.links), len(world.sources)
        self.end = first
        self.born = self._columns(S)
        self.run, self.stopped = self._columns(2, D, K), self._columns(2, D, K)
        self.again, self.paid = self._columns(D, K), self._columns(D, K)  # out of the first layer; in the second
        self.sent, self.labels = self._columns(2, L, K), self._columns(L)

    def _columns(self, *shape: int) -> Columns:
        first, self.end = self.end, self.end + int(np.prod(shape))
        return np.arange(first, self.end).reshape(shape)


def most(
    world: World,
    demand: Demand,
    period: Period,
    mix: Sequence[float] | None = None,
    offered_per_s: Sequence[float] | None = None,
    only: Mask | None = None,
) -> Bound:
    """Solve the linear programme for a demand; where samples are not alike, for their means, and price them."""
    choices = sorted({kind.choice for kind in demand})
    flows: list[Flows] = []
    for _ in demand:
        flows.append(Flows(world, flows[-1].end if flows else len(choices)))
    n = flows[-1].end
    there = list(resources(world, period))
    limits, equal, highest = _limits(world, demand, flows, there), Rows(), np.full(n, np.inf)
    unit_s = float(np.median([v for vs in limits.values for v in vs if v > 0.0] or [1.0]))
    limits.values = [values / unit_s for values in limits.values]  # rates are per unit_s: near one
    caps = _offered(limits, flows, world, offered_per_s, unit_s)
    named, can = len(limits.right), _can(world, period, only)
    for kind, flow in zip(demand, flows, strict=True):
        rate = choices.index(kind.choice)
        _conserve(equal, world, flow)
        _answer(equal, limits, kind, flow, rate)
        highest[flow.run[:, ~can]] = highest[flow.again[:, 0]] = 0.0
        highest[flow.sent[:, silent(world, period)]] = highest[flow.labels[silent(world, period)]] = 0.0
    for s in range(len(world.sources) if mix is not None else 0):
        row = equal.new((1,))
        equal.add(row, [flow.born[s] for flow in flows], 1.0)
        equal.add(row, range(len(choices)), -float(np.asarray(mix)[s]))
    bound, prices = _solved(len(choices), limits, equal, highest, unit_s, named)
    alike = world.samples.work is None and world.samples.size is None and len(choices) == 1
    if alike or not 0.0 < bound.per_s < np.inf:
        return bound
    per_s = most_by_prices(world, demand, _prices(world, there, prices, caps, can, period), mix)
    return Bound(per_s, bound.limited_by, bound.used)


def _solved(
    rates: int, limits: Rows, equal: Rows, highest: Floats, unit_s: float, named: int
) -> tuple[Bound, list[float]]:
    """The solution, and the prices of the first `named` limits."""
    import highspy

    n, first = len(highest), len(equal.right)
    starts, columns, values = zip(equal.matrix(n), limits.matrix(n), strict=True)
    programme = highspy.HighsLp()
    programme.num_col_, programme.num_row_ = n, first + len(limits.right)
    programme.col_cost_ = np.where(np.arange(n) < rates, -1.0, 0.0)
    programme.col_lower_, programme.col_upper_ = np.zeros(n), highest
    programme.row_lower_ = np.concatenate([equal.right, np.full(len(limits.right), -np.inf)])
    programme.row_upper_ = np.concatenate([equal.right, limits.right])
    programme.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    programme.a_matrix_.start_ = np.concatenate([starts[0], starts[1] + len(columns[0]), [sum(map(len, columns))]])
    programme.a_matrix_.index_, programme.a_matrix_.value_ = np.concatenate(columns), np.concatenate(values)
    solver: Any = _silent()
    solver.passModel(programme)
    solver.run()
    status = solver.getModelStatus()
    if status in (highspy.HighsModelStatus.kUnbounded, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        return Bound(float("inf"), (), {}), []  # nothing at all is always a solution
    if status != highspy.HighsModelStatus.kOptimal:
        say = solver.modelStatusToString(status)
        raise RunError(f"the linear programme of a throughput bound was not solved: {say}")
    found = solver.getSolution()
    full, prices = np.array(found.row_value)[first:][:named], -np.array(found.row_dual)[first:][:named]
    used: dict[str, float] = {}
    tight = []
    for name, share, price in zip(limits.names[:named], full.tolist(), prices.tolist(), strict=True):
        used[name] = max(used.get(name, 0.0), share)
        if 1.0 - share < FULL and price > 0.0 and name not in tight:
            tight.append(name)
    per_s = -solver.getInfo().objective_function_value / unit_s
    return Bound(per_s, tuple(tight), used), np.maximum(prices, 0.0).tolist()


def _silent() -> Any:
    """A HiGHS solver that prints nothing."""
    import highspy

    class Silent(highspy.Highs):  # its own initialiser prints a banner before it can be silenced
        def __init__(self) -> None:
            super(highspy.Highs, self).__init__()
            self.setOptionValue("output_flag", False)

    return Silent()


def _prices(
    world: World, there: list[Resource], prices: list[float], caps: dict[int, float], can: Mask,
    period: Period,
) -> Prices:  # fmt: skip
    """What everything costs, if the limits cost so much: first those of resources, then those of sources."""
    second, bit = np.zeros(len(world.devices)), np.zeros(len(world.links))
    birth = np.zeros(len(world.sources))
    for resource, price in zip(there, prices[: len(there)], strict=True):
        for d, share in resource.devices.items():
            second[d] += price * share
        for i, share in resource.links.items():
            bit[i] += price * share
    for (s, rate), price in zip(caps.items(), prices[len(there) :], strict=True):
        birth[s] = price / rate
    bit[silent(world, period)] = np.inf
    return Prices(second, bit, birth, sum(prices), can)


def _can(world: World, period: Period, only: Mask | None) -> Mask:
    """Which stages each device holds, and has the time and the leave to run: [D, K]."""
    can = np.array([device.holds or (True,) * world.n_exits for device in world.devices], dtype=bool)
    can[still(world, period)] = False
    return can if only is None else can & only


def _conserve(equal: Rows, world: World, flow: Flows) -> None:
    """What a device gets of tasks that need a stage, it runs, sends, or begins again; every label gets home."""
    K, D = world.n_exits, len(world.devices)
    homes = [source.device for source in world.sources]
    start, end = ([getattr(link, of) for link in world.links] for of in ("source", "target"))
    task = equal.new((2, D, K + 1))  # needs stage k; after the last stage it stops
    equal.add(task[0, homes, 0], flow.born, 1.0)
    equal.add(task[:, :, :K], flow.run, -1.0)
    equal.add(task[:, :, 1:], flow.run, 1.0)
    equal.add(task[:, :, 1:], flow.stopped, -1.0)
    equal.add(task[0, :, :K], flow.again, -1.0)
    equal.add(task[1, :, :1], flow.again, 1.0)
    equal.add(task[:, start, :K], flow.sent, -1.0)
    equal.add(task[:, end, :K], flow.sent, 1.0)
    if world.label_bytes:
        label = equal.new((D,))
        equal.add(label[:, None], flow.stopped, 1.0)
        equal.add(label[start], flow.labels, -1.0)
        equal.add(label[end], flow.labels, 1.0)
        equal.add(label[homes], flow.born, -1.0)


def _answer(equal: Rows, limits: Rows, kind: Kind, flow: Flows, rate: int) -> None:
    """Samples stop at the exits as they do; who gets to a head has paid for it, in the first pass or later."""
    K = len(kind.shares)
    stops = equal.new((K,))
    equal.add(stops, flow.stopped, 1.0)
    equal.add(stops, rate, -kind.shares)
    pays = limits.new((K,))
    limits.add(pays, flow.run[0], -1.0)
    limits.add(pays, flow.paid, -1.0)
    limits.add(pays, rate, np.where(kind.heads, kind.shares[::-1].cumsum()[::-1], 0.0))
    there = limits.new(flow.paid.shape)
    limits.add(there, flow.paid, 1.0)
    limits.add(there, flow.run[1], -1.0)


def _limits(world: World, demand: Demand, flows: list[Flows], there: list[Resource]) -> Rows:
    """A row for the time of each device, channel and sender, each as a share of what there is."""
    limits, means = Rows(), [kind.means() for kind in demand]
    for resource in there:
        row = limits.new((1,), 1.0, resource.name)
        for kind, flow, (work, size) in zip(demand, flows, means, strict=True):
            for d, share in resource.devices.items():
                heads, stages = world.head_s[d] * kind.heads, work * world.stage_s[d]
                if d in kind.unpaid:
                    heads[:-1] = 0.0
                limits.add(row, flow.run[:, d], share * np.array([stages + heads, stages]))
                limits.add(row, flow.paid[d], share * heads)
            for i, share in resource.links.items():
                link = world.links[i]
                limits.add(row, flow.sent[:, i], share * _bits(world, link, world.out_bytes[:-1] * size))
                limits.add(row, flow.labels[i], share * _bits(world, link, world.label_bytes))
    return limits


def _bits(world: World, link: Link, size_bytes: Floats | float) -> Floats:
    """The mean bits of a message on a link, its header and what is lost and sent again included."""
    return np.asarray(8.0 * (size_bytes + world.packing.overhead_bytes) / (1.0 - link.loss))


def _offered(
    limits: Rows, flows: list[Flows], world: World, offered_per_s: Sequence[float] | None, unit_s: float
) -> dict[int, float]:
    """No more is born at a source than is offered there: the rates that are limits."""
    caps = {s: rate for s, rate in enumerate(offered_per_s or ()) if np.isfinite(rate) and rate > 0.0}
    for s, rate in caps.items():
        row = limits.new((1,), 1.0, f"offered at {world.devices[world.sources[s].device].name}")
        limits.add(row, [flow.born[s] for flow in flows], 1.0 / (rate * unit_s))
    return caps
