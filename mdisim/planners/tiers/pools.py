"""Easy, moderate, hard: pools of samples told by two exits, what becomes of each, and which thresholds pay best.

After D. J. Bajpai, M. K. Hanawal, arXiv 2410.05338: easy is what the mobile's exit is sure of (confidence of alpha
or more), moderate what only the edge's exit is sure of (beta), hard is the rest. Pure functions of a calibration
half; the forms of pools and searches are reconstructions, as the paper's body could not be had. Costs are those of
the abstract ledger, layers and offloads; a drop is in accuracy, paired with the cloud's answer to the same sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdisim.planners.tiers.prefixes import CLOUD, EDGE, MOBILE, TIERS, Prefixes, tier_costs
from mdisim.policies.policy import Setting
from mdisim.policies.scores import Floats, Ints

POOLS = ("easy", "moderate", "hard")
BOUND = 0.95  # of the upper confidence bound that a report states
SIZE, FINER = 15, 7  # ranks of each of the three kinds at first; ranks of a finer grid
ROUNDS, BEST = 4, 30  # how often grids get finer, and around how many pairs
Route = Callable[[float, list[float]], Ints]
Pair = tuple[int, int]


class Evidence(NamedTuple):
    """What n samples show at the exits of the three tiers, and what the tiers cost.

    `confidence` and `right` are [n, 3]; `cost` [3] is that of a sample which a tier answers alone; `climb` [2]
    that of going up to the edge and, from there, to the cloud, with the input. `label` [n] is the true class,
    `group` [n] the same number, from 0, for samples that belong together, such as phrases of one sentence.
    """

    confidence: Floats
    right: NDArray[np.bool_]
    cost: Floats
    climb: Floats
    label: Ints
    group: Ints


class Consequences(NamedTuple):
    """For each sample, and each tier that it may be given to, [n, 3] or [n]: who answers, the cost, what is lost.

    `lost` is 1 where the cloud alone would have been right and this answer is wrong, -1 the other way round.
    """

    tier: Ints
    cost: Floats
    lost: Floats
    confidence: Floats


@dataclass(frozen=True)
class Aim:
    """What thresholds are to achieve: the largest saving within a drop budget, or, with `mu`, the largest reward.

    The reward is the mean of the answer's confidence less `mu` times its cost. With a `confidence` the upper bound
    of the drop must keep the budget, not its estimate: a normal one, one-sided. Pairs that differ come in hundreds
    where a budget can be resolved at all, so that it is close, and an empirical Bernstein bound would add 0.09
    points at 20,000 samples and 95 %, a third of the usual budget. Groups are counted as wholes, as what belongs
    together errs together. The variance counts for no less than a mean of the budget must have, budget x (1 -
    budget): so a few samples without any difference prove nothing. After thresholds have been chosen by it the
    bound is none any more, on this half: the best of many is partly lucky, and only other samples can judge it.
    """

    drop_budget: float = 0.003
    mu: float | None = None
    confidence: float | None = None

    def worth(self, cost: Floats, lost: Floats, sure: Floats, group: Ints, all_cloud: float) -> float:
        """What is to be largest, of answers to n samples; minus infinity where the budget is not kept."""
        if self.mu is not None:
            return float(sure.mean() - self.mu * cost.mean())
        if budgeted(lost, group, self.drop_budget, self.confidence) > self.drop_budget:
            return -inf
        return 1.0 - float(cost.mean()) / all_cloud


def budgeted(lost: Floats, group: Ints, budget: float, confidence: float | None) -> float:
    """What must keep the budget: the mean of what each sample loses [n], or its upper bound of this confidence."""
    drop = float(lost.mean())
    if confidence is None:
        return drop
    least = max(0.0, budget * (1.0 - budget)) / len(lost)
    return upper_bound(drop, max(squared_error(lost, group), least), confidence)


def squared_error(values: Floats, group: Ints) -> float:
    """The squared standard error of a mean of values [n] that are independent from group to group [n] alone."""
    sums = np.bincount(group, values - values.mean())
    return float(sums @ sums) / len(values) ** 2


def upper_bound(mean: float, error2: float, confidence: float) -> float:
    """The one-sided upper confidence bound of a mean with this squared error, by the normal approximation."""
    return mean + NormalDist().inv_cdf(confidence) * sqrt(error2)


def evidence(setting: Setting, prefixes: Prefixes) -> Evidence:
    """What the calibration half shows at the tiers' exits."""
    outputs, exits = setting.calibration, list(prefixes.exits)
    cost = tier_costs(setting, prefixes)
    _, edge, cloud = prefixes.devices
    up = setting.offload_cost[edge, cloud] + setting.stage_cost[cloud].sum()
    return Evidence(
        np.asfortranarray(outputs.confidence[:, exits], dtype=np.float64),
        np.asfortranarray(outputs.prediction[:, exits] == outputs.label[:, None]),
        cost,
        np.array([cost[EDGE], up]),
        outputs.label,
        groups(setting),
    )


def groups(setting: Setting) -> Ints:
    """The group of each calibration sample, [n], from 0; each its own where nothing is known."""
    if setting.group is None:
        return np.arange(len(setting.calibration.label))
    return np.asarray(np.unique(setting.group, return_inverse=True)[1])


def pools(
    confidence: Floats, right: NDArray[np.bool_], alpha: float, beta: float, *, require_correct: bool = False
) -> Ints:
    """The pool of each sample, [n], from what the tiers' exits say, [n, 3]: 0 easy, 1 moderate, 2 hard.

    With `require_correct` an exit must be right besides, to count as sure.
    """
    easy, moderate = confidence[:, MOBILE] >= alpha, confidence[:, EDGE] >= beta
    if require_correct:
        easy, moderate = easy & right[:, MOBILE], moderate & right[:, EDGE]
    return np.where(easy, MOBILE, np.where(moderate, EDGE, CLOUD))


def consequences(known: Evidence, alpha: float, beta: float, *, guarded: bool = False) -> Consequences:
    """What becomes of each sample at each tier.

    Guarded, an answer whose confidence is below the threshold is not given: the sample goes up one tier with its
    input and is paid there again.
    """
    limits = (alpha, beta) if guarded else (-inf, -inf)
    each = [given(known, np.full(len(known.right), tier), *limits) for tier in (MOBILE, EDGE, CLOUD)]
    return Consequences._make(np.stack(one, axis=1) for one in zip(*each, strict=True))


def given(known: Evidence, assigned: Ints, alpha: float, beta: float | Floats) -> Consequences:
    """What becomes of samples that are given to these tiers [..., n], and go up where an exit is not so sure.

    With several assignments, [b, n], `beta` may be one for each, [b, 1].
    """
    to_edge = (assigned == MOBILE) & (known.confidence[:, MOBILE] < alpha)
    tier = np.where(to_edge, EDGE, assigned)
    to_cloud = (tier == EDGE) & (known.confidence[:, EDGE] < beta)
    tier = np.where(to_cloud, CLOUD, tier)
    cost = known.cost[assigned] + known.climb[0] * to_edge + known.climb[1] * to_cloud
    at = np.arange(assigned.shape[-1]), tier
    lost: Floats = known.right[:, CLOUD] - known.right[at].astype(np.float64)
    return Consequences(tier, cost, lost, known.confidence[at])


def _picked(all_of: Consequences, assigned: Ints) -> Consequences:
    """What becomes of samples that are given to these tiers, [..., n], where all is known already."""
    at = np.arange(assigned.shape[-1]) * len(TIERS) + assigned
    return Consequences._make(one.take(at) for one in all_of)


def worth(aim: Aim, known: Evidence, told: Consequences) -> float:
    """What the answers to n samples, [n], are worth to the aim."""
    return aim.worth(told.cost, told.lost, told.confidence, known.group, float(known.cost[CLOUD]))


def search(
    known: Evidence,
    aim: Aim,
    route: Route,
    *,
    alpha: float | None = None,
    beta: float | None = None,
    guarded: bool = False,
) -> tuple[float, float]:
    """The thresholds that pay best when samples are given to the tiers by `route(alpha, betas)`, [b, n].

    For routes that make something of the pools, which no prefix sum can follow: a grid over the ranks of distinct
    confidences, closest at both ends, where pools are small, and then finer ones around the best, several times.
    A threshold that is given stays. If nothing keeps the budget both are infinite: all to the cloud.
    """
    pure = consequences(known, inf, inf)
    values = [
        np.append(inf, np.unique(known.confidence[:, tier])[::-1]) if stated is None else np.array([stated])
        for tier, stated in ((MOBILE, alpha), (EDGE, beta))
    ]
    tried: dict[Pair, float] = {}
    grids: list[tuple[Ints, Ints]] = [(ranks(len(values[0])), ranks(len(values[1])))]
    for _ in range(1 + ROUNDS):
        around: dict[Pair, tuple[Ints, Ints]] = {}
        for rows, columns in grids:
            for x, i in enumerate(rows.tolist()):
                new = [j for j in columns.tolist() if (i, j) not in tried]
                a, betas = float(values[0][i]), [float(values[1][j]) for j in new]
                if new:
                    assigned = route(a, betas)
                    up = np.array(betas)[:, None]
                    told = given(known, assigned, a, up) if guarded else _picked(pure, assigned)
                    each = map(Consequences._make, zip(*told, strict=True))
                    tried |= {(i, j): worth(aim, known, one) for j, one in zip(new, each, strict=True)}
                around |= {(i, j): (_closer(rows, x), _closer(columns, y)) for y, j in enumerate(columns.tolist())}
        best = {tried[at]: grid for at, grid in around.items()}  # of equals one: they may be one wide plain
        grids = [best[value] for value in sorted(best, reverse=True)[:BEST]]
    i, j = max(tried, key=lambda at: tried[at])
    if tried[i, j] == -inf:
        return (inf if alpha is None else alpha), (inf if beta is None else beta)
    return float(values[0][i]), float(values[1][j])


def ranks(m: int) -> Ints:
    """Some of the ranks from 0 to m - 1: in even steps, and in growing ones from either end."""
    growing = np.geomspace(1, m, SIZE) - 1
    some = np.concatenate([growing, m - 1 - growing, np.linspace(0, m - 1, SIZE)])
    return np.unique(some.round().astype(np.int64))


def _closer(axis: Ints, at: int) -> Ints:
    """A finer axis between the neighbours of a rank."""
    low, high = axis[max(at - 1, 0)], axis[min(at + 1, len(axis) - 1)]
    return np.unique(np.linspace(low, high, FINER).round().astype(np.int64))


@dataclass(frozen=True, eq=False)
class PoolReport:
    """What thresholds and a router make of the calibration half; rows are pools where not said otherwise.

    `counts` [3] and `accuracy` [3, 3] by pool and tier; `confusion` [3, 3] the samples of each pool that are
    given to each tier, expected numbers where it is left to chance; `given_accuracy` [3, 3] is that of each tier
    (columns) on what is given to one (rows); NaN where there is nothing. `shares` [3] are given to, `answers` [3]
    answered by the tiers. `drop_bound` is the one-sided 95 % upper bound of the `drop`, for thresholds that were
    not chosen on the same samples; for those that were it is too low.
    """

    alpha: float
    beta: float
    counts: Ints
    accuracy: Floats
    confusion: Floats
    given_accuracy: Floats
    shares: tuple[float, float, float]
    answers: tuple[float, float, float]
    saving: float
    drop: float
    drop_bound: float

    def records(self) -> list[dict[str, Any]]:
        """One line a pool: its share, the accuracy of each tier on it, and the share that each tier is given."""
        total = float(self.counts.sum())
        return [
            {"pool": pool, "samples": int(self.counts[p]), "share": float(self.counts[p] / total)}
            | {f"accuracy_{tier}": float(self.accuracy[p, t]) for t, tier in enumerate(TIERS)}
            | {f"to_{tier}": float(self.confusion[p, t] / total) for t, tier in enumerate(TIERS)}
            for p, pool in enumerate(POOLS)
        ]

    def facts(self) -> dict[str, Any]:
        """What a policy notes among its details."""
        return {
            "thresholds": [self.alpha, self.beta],
            "pool_shares": (self.counts / self.counts.sum()).tolist(),
            "shares": list(self.shares),
            "pools_to_tiers": (self.confusion / self.counts.sum()).tolist(),
            "calibration_saving": self.saving,
            "calibration_drop": self.drop,
            "calibration_drop_bound": self.drop_bound,
        }


def report(
    known: Evidence, of_pool: Ints, weights: Floats, alpha: float, beta: float, *, guarded: bool = False
) -> PoolReport:
    """What becomes of samples of these pools [n] that are given to the tiers with these chances [n, 3]."""
    all_of = consequences(known, alpha, beta, guarded=guarded)
    belongs = np.eye(len(POOLS))[of_pool]
    lost = (weights * all_of.lost).sum(axis=1)
    by_chance = float(((weights * all_of.lost**2).sum(axis=1) - lost**2).sum()) / len(lost) ** 2
    answers = [float((weights * (all_of.tier == t)).sum() / len(of_pool)) for t in range(len(TIERS))]
    mobile, edge, cloud = weights.mean(axis=0).tolist()
    return PoolReport(
        alpha=alpha,
        beta=beta,
        counts=np.bincount(of_pool, minlength=len(POOLS)),
        accuracy=_means(belongs, known.right),
        confusion=belongs.T @ weights,
        given_accuracy=_means(weights, known.right),
        shares=(mobile, edge, cloud),
        answers=(answers[0], answers[1], answers[2]),
        saving=1.0 - float((weights * all_of.cost).sum(axis=1).mean() / known.cost[CLOUD]),
        drop=float(lost.mean()),
        drop_bound=upper_bound(float(lost.mean()), squared_error(lost, known.group) + by_chance, BOUND),
    )


def _means(weights: Floats, right: NDArray[np.bool_]) -> Floats:
    """The accuracy of each tier over samples weighted by each column, [3, 3]."""
    total = weights.sum(axis=0)[:, None]
    return np.asarray(np.divide(weights.T @ right, total, out=np.full((3, 3), np.nan), where=total > 0))
