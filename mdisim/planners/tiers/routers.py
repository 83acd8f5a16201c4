"""Routers: what a mobile can tell of a sample before any layer has run, as a loss for each tier.

A router is fitted on the calibration half to the pools that exits tell (or to what each tier loses), and sees
features alone. What it makes of the samples is worked out before a run, [n, 3], and the tier of the least loss is
taken, the lowest of equals. `centroid` is the one of D. J. Bajpai, M. K. Hanawal, arXiv 2410.05338 (class means;
that the distance is Euclid's is inferred); the others are ours, to tell what the features would give. Those that
foresee losses stand in `loss_routers`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple, Protocol

import numpy as np

from mdisim.planners.tiers.exact import Moves
from mdisim.planners.tiers.prefixes import CLOUD, EDGE, MOBILE, TierError
from mdisim.policies.scores import Floats, Ints, Outputs

SEED = 0  # of what is fitted by chance, k-means and the perceptron, and of the draw of folds
PER_POOL = 8  # centroids
HIDDEN = 32  # neurons
PASSES = 15
FOLDS = 4
TELLS = 1e-12  # two prices so close, as a share, cannot be told apart


class Router(Protocol):
    """A fitted router."""

    def losses(self, features: Floats) -> Floats:
        """Return what each tier's loss is, [n, 3]; infinite where a tier is not to be given anything."""


Fit = Callable[[Floats, Ints], Router]
Scaling = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Losses:
    """The sight of a router's losses."""

    router: Router

    def seen(self, outputs: Outputs, features: Floats | None) -> Floats:
        """Return the losses, [n, 3]; a TierError where there are no features."""
        if features is None:
            raise TierError("the router needs features, which these samples lack")
        with one_thread():
            return self.router.losses(features)


@dataclass(frozen=True, eq=False)
class Centroids:
    """Euclid's distance to the nearest centroid of each pool: `points` [p, d], and the `pool` [p] of each."""

    points: Floats
    pool: Ints

    def losses(self, features: Floats) -> Floats:
        """Return the distances, [n, 3]; infinite from an empty pool."""
        far = np.full((len(features), 3), np.inf)
        for point, pool in zip(self.points, self.pool, strict=True):
            distance = np.sqrt(((features - point) ** 2).sum(axis=1))
            far[:, pool] = np.minimum(far[:, pool], distance)
        return far


def class_means(features: Floats, pool: Ints) -> Centroids:
    """One centroid a pool: its mean. An empty pool has none."""
    there = np.unique(pool)
    return Centroids(np.array([features[pool == p].mean(axis=0) for p in there]), there)


def populous(pool: Ints, least: int) -> Ints:
    """The numbers of the samples whose pool has `least` samples or more; of all samples where none has.

    A mean of fewer says more of them than of their pool.
    """
    counts = np.bincount(pool, minlength=3)
    there = counts[pool] >= least
    return np.flatnonzero(there | (not there.any()))


def several_means(features: Floats, pool: Ints) -> Centroids:
    """Several centroids a pool, by k-means from some of its samples: pools need not be round."""
    from scipy.cluster.vq import kmeans2

    rng = np.random.default_rng(SEED)
    points, of = [], []
    for p in np.unique(pool):
        own = features[pool == p]
        first = own[rng.permutation(len(own))[:PER_POOL]]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "One of the clusters is empty")  # its centroid stays where it was
            points.append(kmeans2(own, first, iter=PASSES, minit="matrix")[0])
        of += [p] * len(first)
    return Centroids(np.concatenate(points), np.array(of))


@dataclass(frozen=True, eq=False)
class Classifier:
    """One minus the probability of each pool, as a classifier of standardised features has it."""

    model: Any
    scaled: Scaling

    def losses(self, features: Floats) -> Floats:
        """Return the losses, [n, 3]; infinite for pools that the classifier has never seen."""
        losses = np.full((len(features), 3), np.inf)
        losses[:, self.model.classes_] = 1.0 - self.model.predict_proba(self.scaled(features))
        return losses


def linear(features: Floats, pool: Ints) -> Router:
    """Multinomial logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return _classifier(LogisticRegression(max_iter=1000), features, pool)


def perceptron(features: Floats, pool: Ints) -> Router:
    """A small multi-layer perceptron: one hidden layer, a few passes."""
    from sklearn.neural_network import MLPClassifier

    batch = min(256, len(pool))
    model = MLPClassifier((HIDDEN,), alpha=1e-3, batch_size=batch, max_iter=PASSES, random_state=SEED)
    return _classifier(model, features, pool)


def _classifier(model: Any, features: Floats, pool: Ints) -> Router:
    if len(np.unique(pool)) == 1:
        return class_means(features, pool)  # there is nothing to tell apart
    from sklearn.exceptions import ConvergenceWarning

    scaled = standard(features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the passes are few on purpose
        model.fit(scaled(features), pool)
    return Classifier(model, scaled)


@dataclass(frozen=True, eq=False)
class Priced:
    """Another router's losses plus what each tier costs (`cost` [3], that of the cloud being 1) at a price.

    A price below zero leans to the cloud. A price of None gives all to it.
    """

    router: Router
    cost: Floats
    price: float | None

    def losses(self, features: Floats) -> Floats:
        """Return the priced losses, [n, 3]."""
        return priced(self.router.losses(features), self.cost, self.price)


def priced(losses: Floats, cost: Floats, price: float | Floats | None) -> Floats:
    """Losses [n, 3] plus costs [3] at a price; at None all but the cloud is out of the question."""
    if price is None:
        return np.where(np.arange(3) == 2, 0.0, np.full(losses.shape, np.inf))
    return np.asarray(losses + price * cost)


class Turns(NamedTuple):
    """How samples turn to dearer tiers as the price of cost falls.

    `prices` [v] fall, one between any two at which samples turn; `moved` [v] of the moves are made at each, from
    the `start` [n] at the highest.
    """

    prices: Floats
    moved: Ints
    start: Ints
    moves: Moves

    @classmethod
    def of(cls, losses: Floats, cost: Floats) -> Turns:
        """Of n samples with these losses, [n, 3], and tiers with these costs, [3]."""
        turns = np.zeros((len(losses), 3))  # the prices at which two tiers are equal; 0 where they never are
        for column, (a, b) in zip(turns.T, combinations(range(3), 2), strict=True):
            with np.errstate(invalid="ignore", divide="ignore"):  # of pools that are empty, and equal costs
                equal = (losses[:, a] - losses[:, b]) / (cost[b] - cost[a])
            column[:] = np.where(np.isfinite(equal), equal, 0.0)
        turns = -np.sort(-turns, axis=1)
        between = [turns[:, 0] + 1.0, *((turns[:, j] + turns[:, j + 1]) / 2 for j in (0, 1)), turns[:, 2] - 1.0]
        tiers = np.column_stack([nearest(priced(losses, cost, price[:, None])) for price in between])
        sample, turn = np.nonzero(tiers[:, 1:] != tiers[:, :-1])
        value = turns[sample, turn]
        order = np.argsort(-value, kind="stable")
        moves = Moves._make(one[order] for one in (value, sample, tiers[sample, turn], tiers[sample, turn + 1]))
        edges = np.unique(value)[::-1]
        if not len(edges):
            return cls(np.zeros(1), np.zeros(1, dtype=np.int64), tiers[:, 0], moves)
        prices = np.concatenate([edges[:1] + 1.0, (edges[:-1] + edges[1:]) / 2, edges[-1:] - 1.0])
        wide = np.append(True, np.append(edges[:-1] - edges[1:] > TELLS * (1.0 + np.abs(edges[1:])), True))
        moved = np.searchsorted(-moves.value, -prices, side="right")
        return cls(prices[wide], moved[wide], tiers[:, 0], moves)


def standard(features: Floats) -> Scaling:
    """What gives features the mean 0 and the spread 1, as it does these [n, d]; what never changes keeps its 0."""
    spread = features.std(axis=0)
    return partial(_scaled, mean=features.mean(axis=0), spread=np.where(spread > 0, spread, 1.0))


def _scaled(features: Floats, mean: Floats, spread: Floats) -> Floats:
    return (features - mean) / spread


def crossfitted(fit: Callable[[Ints], Router], features: Floats, group: Ints) -> Floats:
    """The losses of each sample, [n, 3], by a router that was fitted without it, and without its group [n].

    What is trained fits its own samples better than others, and so it does what is like them: phrases of one
    sentence, say. Thresholds chosen there would not keep their budget. Groups are dealt to folds in an order drawn
    by chance: in a file sorted by class some folds would lack a class. `fit` is given the numbers of the samples
    to fit to.
    """
    n = len(features)
    counts = np.bincount(group)
    order = np.random.default_rng(SEED).permutation(len(counts))
    fold = np.empty_like(counts)
    fold[order] = (np.cumsum(counts[order]) - counts[order]) * min(FOLDS, n) // n
    fold = fold[group]
    losses = np.empty((n, 3))
    for one in np.unique(fold):
        own = np.flatnonzero(fold == one)
        router = fit(np.flatnonzero(fold != one) if len(own) < n else own)
        losses[own] = router.losses(features[own])
    return losses


def one_thread() -> Any:
    """A context in which linear algebra keeps to one thread.

    The matrices are small, threads fight where runs share the cores, and sums in another order end otherwise.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def nearest(losses: Floats) -> Ints:
    """The tier of the least loss, the lowest of equals, [n]."""
    return np.asarray(losses.argmin(axis=1))


def quick_centroids(features: Floats, least: int) -> Callable[[Ints], Ints]:
    """What the class means' router gives each sample to, [b, n], from its pools [b, n]: for many pools at once.

    The easy samples are the same in all of them, as at one alpha. |z - mu|^2 = |z|^2 - 2 z.mu + |mu|^2,
    and the first is the same for each pool. In single precision, as a search asks thousands of times; what is laid
    out in the end is not. Pools of fewer than `least` samples are left out, as by `populous`.
    """
    rows = (features - features.mean(axis=0)).astype(np.float32)
    columns = np.ascontiguousarray(rows.T)

    def assigned(pools: Ints) -> Ints:
        b = len(pools)
        members = np.concatenate([pools[:1] == MOBILE, pools == EDGE, pools == CLOUD]).astype(np.float32)
        counts = members.sum(axis=1)  # [1 + 2 b]
        means = (members @ rows) / np.maximum(counts, np.float32(1.0))[:, None]
        size = np.stack([np.full(b, counts[0]), counts[1 : 1 + b], counts[1 + b :]])
        there = (size > 0) & ((size >= least) | (size < least).all(axis=0))  # [3, b]
        far = 0.5 * (means**2).sum(axis=1)[:, None] - means @ columns
        mobile, edge, cloud = far[:1], far[1 : 1 + b], far[1 + b :]
        if not there.all():
            mobile = np.where(there[0, :, None], mobile, np.float32(np.inf))
            edge[~there[1]] = cloud[~there[2]] = np.inf
        lower = (edge < mobile).view(np.int8)
        return np.where(cloud < np.minimum(mobile, edge), np.int8(CLOUD), lower)

    return assigned


FITS: dict[str, Fit] = {
    "centroid": class_means,
    "priced-centroid": class_means,
    "centroids": several_means,
    "linear": linear,
    "mlp": perceptron,
}
