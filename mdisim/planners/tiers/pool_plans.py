"""Thresholds and a router together: what the calibration half says of the system as it would run.

By default a drop budget is that of the router's own assignments, not of the pools that it aims at: a weak router
must be given safer thresholds than an oracle. The published router, class means, has nothing to turn but the
thresholds, and is searched over a grid of them. Ours take the oracle's thresholds and one price for all tiers'
costs beside, which is what is searched, by cross-fitted assignments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from mdisim.planners.tiers.exact import Options, Walk, walked
from mdisim.planners.tiers.loss_routers import expected_loss, probed_loss
from mdisim.planners.tiers.pools import (
    Aim,
    Consequences,
    Evidence,
    Route,
    consequences,
    given,
    pools,
    search,
    worth,
)
from mdisim.planners.tiers.prefixes import CLOUD, EDGE, MOBILE
from mdisim.planners.tiers.routers import (
    FITS,
    Fit,
    Priced,
    Router,
    Turns,
    class_means,
    crossfitted,
    nearest,
    one_thread,
    populous,
    priced,
    quick_centroids,
)
from mdisim.planners.tiers.thresholds import Shown, best_pair
from mdisim.policies.scores import Floats, Ints

RouterName = Literal["centroid", "priced-centroid", "centroids", "linear", "mlp", "linear-drop", "probe-drop"]


class Assignment(NamedTuple):
    """Thresholds, the fitted router, and its losses on the calibration half, [n, 3], cross-fitted if trained."""

    alpha: float
    beta: float
    router: Router
    losses: Floats

    @property
    def assigned(self) -> Ints:
        """Where each sample goes, [n]."""
        return nearest(self.losses)


@dataclass(frozen=True)
class PoolPlanner:
    """What is searched for, and how pools are told. Thresholds that are given stay as they are."""

    aim: Aim
    alpha: float | None = None
    beta: float | None = None
    require_correct: bool = False
    guarded: bool = False
    budget_on: Literal["routed", "pools"] = "routed"
    least_pool: int = 1

    def pools(self, known: Evidence, alpha: float, beta: float) -> Ints:
        """The pools at these thresholds, [n]."""
        return pools(known.confidence, known.right, alpha, beta, require_correct=self.require_correct)

    def oracle(self, known: Evidence) -> tuple[float, float]:
        """The thresholds that pay best where every sample goes to its own pool's tier, from which none goes up."""
        if self.alpha is not None and self.beta is not None:
            return self.alpha, self.beta
        tried = tuple(None if given is None else (given,) for given in (self.alpha, self.beta))
        found = best_pair(self._shown(known), ((MOBILE,), (EDGE,)), self.aim, (tried[0], tried[1]))
        return found.thresholds[0], found.thresholds[1]

    def assignment(self, known: Evidence, features: Floats, router: RouterName) -> Assignment:
        """Thresholds and a router of this kind.

        `budget_on` is for class means alone: the price of the others is always that of what they do themselves.
        """
        with one_thread():
            return self._means(known, features) if router == "centroid" else self._priced(known, features, router)

    def _shown(self, known: Evidence) -> Shown:
        """What pools are told by; an exit that must be right, and is not, is never sure."""
        scores = np.where(known.right | (not self.require_correct), known.confidence, -np.inf)
        return Shown(scores, known.right, known.cost, known.group, known.confidence)

    def _search(self, known: Evidence, route: Route) -> tuple[float, float]:
        if self.alpha is not None and self.beta is not None:
            return self.alpha, self.beta
        return search(known, self.aim, route, alpha=self.alpha, beta=self.beta, guarded=self.guarded)

    def _means(self, known: Evidence, features: Floats) -> Assignment:
        """Not cross-fitted: a sample moves the centroid of its own pool by one `least_pool`th at most."""
        if self.budget_on == "pools":
            alpha, beta = self.oracle(known)
        else:
            quick = quick_centroids(features, self.least_pool)
            alpha, beta = self._search(
                known, lambda a, betas: quick(np.array([self.pools(known, a, b) for b in betas]))
            )
        pool = self.pools(known, alpha, beta)
        own = populous(pool, self.least_pool)
        router = class_means(features[own], pool[own])
        return Assignment(alpha, beta, router, router.losses(features))

    def _priced(self, known: Evidence, features: Floats, name: RouterName) -> Assignment:
        """A router of the oracle's pools, or of what each tier alone would lose, and the price that pays best."""
        alpha, beta = self.oracle(known)
        lost = consequences(known, alpha, beta).lost[:, :CLOUD]
        if name == "linear-drop":
            fit = _Some(expected_loss, features, lost)
        elif name == "probe-drop":
            fit = _Some(probed_loss, features, known.label, lost)
        else:
            fit = _Some(partial(self._fitted, FITS[name]), features, self.pools(known, alpha, beta))
        all_of = consequences(known, alpha, beta, guarded=self.guarded)
        cost = known.cost / known.cost[CLOUD]
        losses = crossfitted(fit, features, known.group)
        price = self._price(known, all_of, losses, cost)
        router = Priced(fit(np.arange(len(features))), cost, price)
        return Assignment(alpha, beta, router, priced(losses, cost, price))

    def _fitted(self, fit: Fit, features: Floats, pool: Ints) -> Router:
        """A router of the pools that are large enough to tell what belongs there."""
        own = populous(pool, self.least_pool)
        return fit(features[own], pool[own])

    def _price(self, known: Evidence, all_of: Consequences, losses: Floats, cost: Floats) -> float | None:
        """The price that pays best; None, all to the cloud, if none pays more."""
        turns = Turns.of(losses, cost)
        options = Options(all_of.cost, all_of.lost, all_of.confidence, known.group)
        found = walked(Walk(options, turns.moves, turns.moved, self.aim), turns.start)
        none = given(known, np.full(len(losses), CLOUD), -np.inf, -np.inf)
        pays_more = found.worth > worth(self.aim, known, none)
        return float(turns.prices[found.at[0]]) if pays_more else None


class _Some:
    """A way to fit a router to some of the samples."""

    def __init__(self, fit: Callable[..., Router], *parts: Any) -> None:
        self.fit, self.parts = fit, parts

    def __call__(self, own: Ints) -> Router:
        return self.fit(*(part[own] for part in self.parts))
