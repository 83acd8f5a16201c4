"""What DIMEE and its counterparts have in common, pools, their search and two modes; and the oracle among them."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Interval

from mdisim.planners.tiers.pool_plans import PoolPlanner
from mdisim.planners.tiers.pools import Aim, Evidence, PoolReport, evidence, pools, report
from mdisim.planners.tiers.prefixes import CLOUD, TIERS, Prefixes, Tiered, TierError, tier_row
from mdisim.planners.tiers.routers import Losses, Router
from mdisim.planners.tiers.rules import Escalates, Nearest
from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy, Setting, Sight
from mdisim.policies.protocols import Picks
from mdisim.policies.scores import Floats, Ints, Outputs
from mdisim.policies.views import FREE

Share = Interval(ge=0, le=1)


@dataclass(frozen=True)
class TruePools:
    """The pools themselves, which no router can know: a loss of 0 for the own pool's tier, else 1. A what-if."""

    alpha: float
    beta: float
    exits: tuple[int, int, int]
    require_correct: bool

    def seen(self, outputs: Outputs, features: Floats | None) -> Floats:
        """Return the losses, [n, 3]."""
        columns = list(self.exits)
        right = outputs.prediction[:, columns] == outputs.label[:, None]
        confidence = outputs.confidence[:, columns]
        return lost(pools(confidence, right, self.alpha, self.beta, require_correct=self.require_correct))


def lost(assigned: Ints) -> Floats:
    """A loss of 0 for the tier that a sample is given to, else 1, [n, 3]."""
    return 1.0 - np.eye(len(TIERS))[assigned]


class Plan(NamedTuple):
    """What is laid out: the report on the calibration half, the losses there [n, 3], the router (None: none)."""

    report: PoolReport
    losses: Floats
    router: Router | None


@dataclass(frozen=True, kw_only=True)
class Pooled(Tiered):
    """What the three have in common."""

    alpha: Annotated[
        float | None, Ge(0), Meaning("easy is what the mobile's exit is so sure of; searched if left out", "score")
    ] = None
    beta: Annotated[
        float | None,
        Ge(0),
        Meaning("moderate is what the edge's exit is so sure of; searched if left out", "score"),
    ] = None
    drop_budget: Annotated[
        float, Interval(ge=-1, le=1), Meaning("thresholds save most within this drop against the cloud", "share")
    ] = 0.003
    budget_confidence: Annotated[
        float | None,
        Interval(gt=0, lt=1),
        Meaning("the drop's upper bound of this confidence must keep the budget, not its estimate", "share"),
    ] = None
    mu: Annotated[
        float | None, Ge(0), Meaning("thresholds of the largest confidence less mu times cost, whatever the drop")
    ] = None
    require_correct: Annotated[bool, Meaning("to make a sample easy or moderate an exit must be right, too")] = (
        False
    )
    mode: Annotated[
        Literal["pure", "guarded"],
        Meaning("answer whatever the confidence, or go up a tier with the input when it is below the threshold"),
    ] = "pure"
    noise: Annotated[
        float, Share, Meaning("how often the tier is drawn by the shares, to see what routing is worth", "share")
    ] = 0.0

    @property
    def guarded(self) -> bool:
        """Whether an unsure answer goes up a tier."""
        return self.mode == "guarded"

    def build(self, setting: Setting) -> Policy:
        """Search, fit and lay out; a TierError where tiers, samples or parameters do not allow it."""
        return self.policy(setting, self.plan(setting))

    def need(self, setting: Setting) -> None:
        """Raise what `build` would, without the search."""
        self.known(setting)

    def plan(self, setting: Setting) -> Plan:
        """Search and fit on the calibration half; to be looked at, or to be built from."""
        known, planner = self.known(setting), self.planner()
        alpha, beta = planner.oracle(known)
        pool = planner.pools(known, alpha, beta)
        return Plan(self.report(known, alpha, beta, np.eye(len(TIERS))[pool]), lost(pool), None)

    def policy(self, setting: Setting, plan: Plan) -> Policy:
        """Lay out a plan."""
        prefixes, thresholds = self.prefixes(setting), (plan.report.alpha, plan.report.beta)
        stages = (prefixes.exits[0] + 1, prefixes.exits[1] + 1)
        return Policy(
            self.name,
            tuple(self._row(prefixes, tier, setting.n_exits, thresholds) for tier in range(len(TIERS))),
            picks=self.picks(setting, plan),
            where=Escalates(prefixes.devices[1:], stages) if self.guarded else None,
            sight=self._sight(prefixes, plan),
            details=self.details(setting) | plan.report.facts(),
        )

    def known(self, setting: Setting) -> Evidence:
        """What the calibration half shows; a TierError where there is none, nothing to save, or no way up."""
        if not len(setting.calibration.label):
            raise TierError(f"{self.name} learns from a calibration half; a profile that has one would do")
        known = evidence(setting, self.prefixes(setting))
        if not known.cost[CLOUD] > 0.0:
            raise TierError(
                f"{self.name}: {self.cloud} costs nothing, and there is nothing to save; a layer_cost there, or "
                "an offload_cost on the way, above 0 would do"
            )
        if self.guarded and not np.isfinite(known.climb).all():
            raise TierError(
                f"{self.name}: no route from {self.edge} to {self.cloud}, which mode guarded needs: add a link"
            )
        return known

    def planner(self) -> PoolPlanner:
        """How thresholds are searched."""
        aim = Aim(self.drop_budget, self.mu, self.budget_confidence)
        return PoolPlanner(aim, self.alpha, self.beta, self.require_correct, self.guarded)

    def report(self, known: Evidence, alpha: float, beta: float, weights: Floats) -> PoolReport:
        """What becomes of samples that are given to the tiers by these weights [n, 3], but for the noise."""
        weights = (1.0 - self.noise) * weights + self.noise * weights.mean(axis=0)
        pool = self.planner().pools(known, alpha, beta)
        return report(known, pool, weights, alpha, beta, guarded=self.guarded)

    def picks(self, setting: Setting, plan: Plan) -> Picks:
        """The rule that chooses a row."""
        return Nearest(plan.report.shares, self.noise)

    def _sight(self, prefixes: Prefixes, plan: Plan) -> Sight:
        if plan.router is not None:
            return Losses(plan.router)
        return TruePools(plan.report.alpha, plan.report.beta, prefixes.exits, self.require_correct)

    def _row(self, prefixes: Prefixes, tier: int, K: int, thresholds: tuple[float, float]) -> Row:
        """The plan of what is given to a tier; guarded, exits of the tiers above may have to answer."""
        if not self.guarded or tier == CLOUD:
            return tier_row(prefixes, tier, K)
        wanted = dict(zip(prefixes.exits[tier:], (*thresholds[tier:], -inf), strict=True))
        heads = tuple(k in wanted for k in range(K))
        return Row(tuple(wanted.get(k, inf) for k in range(K)), heads, (FREE,) * K)


@dataclass(frozen=True, kw_only=True)
class OraclePools(Pooled):
    """Every sample goes to the tier of its own pool, which no router can know before computing: DIMEE's bound.

    The pools are told by what the exits of mobile and edge will say of the sample, and thresholds save most within
    `drop_budget` on the calibration half.

    Source: no paper; a bound of ours on the routers of DIMEE (D. J. Bajpai, M. K. Hanawal, "Distributed Inference
    on Mobile Edge and Cloud: An Early Exit based Clustering Approach", ICC 2025, arXiv 2410.05338), whose pools it
    takes.

    Reconstructed: that early exits tell the pools is verified; that two thresholds do (alpha and beta), and where
    the tiers end, is inferred. The search for thresholds, its budget and all prices are ours.
    """

    name: ClassVar[str] = "oracle-pools"
