"""Thresholds and a router together: what the calibration half says of the system as it would run.

By default a drop budget is that of the router's own assignments, not of the pools that it aims at: a weak router
must be given safer thresholds than an oracle. The published router, class means, has nothing to turn but the
thresholds, and is searched over a grid of them. Ours take the oracle's thresholds and one price for all tiers'
costs beside, which is what is searched, by cross-fitted assignments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from mdisim.planners.tiers.loss_routers import expected_loss, probed_loss
from mdisim.planners.tiers.pools import Aim, Consequences, Evidence, consequences, pools, search, worth
from mdisim.planners.tiers.prefixes import CLOUD
from mdisim.planners.tiers.routers import (
    FITS,
    Priced,
    Router,
    class_means,
    crossfitted,
    nearest,
    one_thread,
    priced,
    prices,
    quick_centroids,
)
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

    def pools(self, known: Evidence, alpha: float, beta: float) -> Ints:
        """The pools at these thresholds, [n]."""
        return pools(known.confidence, known.right, alpha, beta, require_correct=self.require_correct)

    def oracle(self, known: Evidence) -> tuple[float, float]:
        """The thresholds that pay best where every sample goes to its own pool's tier, from which none goes up."""
        return replace(self, guarded=False)._search(known, partial(self.pools, known))

    def assignment(self, known: Evidence, features: Floats, router: RouterName) -> Assignment:
        """Thresholds and a router of this kind.

        `budget_on` is for class means alone: the price of the others is always that of what they do themselves.
        """
        with one_thread():
            return self._means(known, features) if router == "centroid" else self._priced(known, features, router)

    def _search(self, known: Evidence, route: Callable[[float, float], Ints]) -> tuple[float, float]:
        if self.alpha is not None and self.beta is not None:
            return self.alpha, self.beta
        return search(known, self.aim, route, alpha=self.alpha, beta=self.beta, guarded=self.guarded)

    def _means(self, known: Evidence, features: Floats) -> Assignment:
        """Not cross-fitted: of thousands of samples none moves its own centroid to speak of."""
        if self.budget_on == "pools":
            alpha, beta = self.oracle(known)
        else:
            quick = quick_centroids(features)
            alpha, beta = self._search(known, lambda a, b: quick(self.pools(known, a, b)))
        router = class_means(features, self.pools(known, alpha, beta))
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
            fit = _Some(FITS[name], features, self.pools(known, alpha, beta))
        all_of = consequences(known, alpha, beta, guarded=self.guarded)
        cost = known.cost / known.cost[CLOUD]
        losses = crossfitted(fit, features, known.group)
        price = self._price(known, all_of, losses, cost)
        router = Priced(fit(np.arange(len(features))), cost, price)
        return Assignment(alpha, beta, router, priced(losses, cost, price))

    def _price(self, known: Evidence, all_of: Consequences, losses: Floats, cost: Floats) -> float | None:
        """The price that pays best; None, all to the cloud, if none pays more."""
        best, chosen = worth(self.aim, known, all_of, np.full(len(losses), CLOUD)), None
        for price in prices(losses, cost).tolist():
            value = worth(self.aim, known, all_of, nearest(priced(losses, cost, price)))
            if value > best:
                best, chosen = value, price
        return chosen


class _Some:
    """A way to fit a router to some of the samples."""

    def __init__(self, fit: Callable[..., Router], *parts: Any) -> None:
        self.fit, self.parts = fit, parts

    def __call__(self, own: Ints) -> Router:
        return self.fit(*(part[own] for part in self.parts))
