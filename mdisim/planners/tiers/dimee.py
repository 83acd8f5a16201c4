"""DIMEE: each sample goes, before any layer has run, to the tier of the pool that it looks like.

After D. J. Bajpai, M. K. Hanawal, "Distributed Inference on Mobile Edge and Cloud: An Early Exit based Clustering
Approach", arXiv 2410.05338 (ICC 2025). Verified are three nested prefixes of one network, pools told by early
exits, and assignment by distance between embeddings. Our readings are two thresholds for the pools, class means,
Euclid's distance, an answer at the assigned tier whatever its confidence, and the costs. Every default is ours.

The way to the cloud follows from the network's routes. With a link of its own a sample in the cloud pays that
link's offload price (the published o_c); where the edge relays, each hop adds its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from mdisim.planners.tiers.pool_plans import PoolPlanner, RouterName
from mdisim.planners.tiers.pooled import Plan, Pooled, Share, lost
from mdisim.planners.tiers.prefixes import CLOUD, TIERS, Prefixes, TierError
from mdisim.planners.tiers.routers import Centroids, Priced
from mdisim.planners.tiers.rules import Confused, Drawn, Refreshed, Sooner, Three
from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy, Setting, Signals
from mdisim.policies.protocols import Memory, Picks
from mdisim.policies.scores import Floats

GOSSIP_S = 0.1
LEAST_POOL = 10  # no sample moves its pool's centroid by more than a tenth


@dataclass(frozen=True, kw_only=True)
class Dimee(Pooled):
    """DIMEE (Bajpai, Hanawal): to the mobile, the edge or the cloud, by which pool's centroid is nearest.

    A source picks the tier at birth, before any layer has run, from the sample's features; that tier computes from
    stage 1 and its exit answers. Pools and centroids are planned on the calibration half: easy is what the
    mobile's exit is sure of (alpha), moderate what the edge's is (beta), hard the rest. Thresholds save most
    within `drop_budget` there, the router's own mistakes included.

    `load_weight_s` lets a tier's expected delay count besides. With `refresh` centroids follow probes: what is
    answered at a tier shows that tier's exit alone (the mobile's: easy or not; the edge's: not even that; guarded,
    what began at the mobile shows its pool), and is what the router thought belonged there, so that its mean would
    draw each centroid to where it is already. A probe runs in the cloud with all three exits evaluated.

    Source: D. J. Bajpai, M. K. Hanawal, "Distributed Inference on Mobile Edge and Cloud: An Early Exit based
    Clustering Approach", ICC 2025, arXiv 2410.05338. Known here are the abstract, a public summary and the
    authors' public code (Div290/DIMEE on GitHub), which trains the exits and has neither routing nor costs.

    Reconstructed: the full text was not at hand. Verified are three nested prefixes of one network, pools told by
    early exits, and assignment by distance between embeddings. Inferred are the two thresholds, class means as
    centroids, Euclid's distance, the mean of the embedding layer's output as features, tiers of 3, 6 and 12
    layers, and that the assigned tier's answer stands (`mode: pure`). Ours are the search for thresholds, with the
    0.3 points of the abstract as its budget, all prices, the other routers, `guarded`, noise, confusion, load and
    refreshed centroids.
    """

    name: ClassVar[str] = "dimee"

    router: Annotated[
        RouterName,
        Meaning("class means, as published; or, with a price on each tier's cost that suits the budget: class "
                "means, several a pool, logistic regression, a perceptron; or what a tier is expected to lose, "
                "by linear regression, without or with the confidence of a linear probe of the class"),
    ] = "centroid"  # fmt: skip
    budget_on: Annotated[
        Literal["routed", "pools"],
        Meaning("whose drop the budget is, with class means: the router's, or the pools'"),
    ] = "routed"
    least_pool: Annotated[
        int,
        Ge(1),
        Meaning("a pool of fewer calibration samples has no centroid, and its tier is given nothing", "samples"),
    ] = LEAST_POOL
    confusion: Annotated[
        tuple[Three, Three, Three] | None,
        Meaning("what if: for each pool (easy, moderate, hard) the chances of mobile, edge and cloud; no router"),
    ] = None
    load_weight_s: Annotated[
        float | None,
        Gt(0),
        Meaning("take the tier of the least expected delay plus loss; the mean gap between the two least losses "
                "counts as so many seconds; only losses count if left out", "s"),
    ] = None  # fmt: skip
    gossip_s: Annotated[float, Ge(0), Meaning("period of telling queue lengths; 0 is always fresh", "s")] = (
        GOSSIP_S
    )
    refresh: Annotated[
        int | None, Ge(1), Meaning("after so many probes centroids move; never if left out", "probes")
    ] = None
    probe: Annotated[float, Share, Meaning("samples that are probes, with refresh", "share")] = 0.05
    refresh_weight: Annotated[float, Share, Meaning("how far centroids move to the probes' mean", "share")] = 0.5

    def need(self, setting: Setting) -> None:
        """Raise what `build` would, without the search."""
        self._check()
        self.known(setting)
        if self.confusion is None:
            self._features(setting)
        else:
            self._chances(self.confusion)

    def plan(self, setting: Setting) -> Plan:
        """Search and fit on the calibration half; to be looked at, or to be built from."""
        self.need(setting)
        if self.confusion is not None:
            return self._confused(setting, self._chances(self.confusion))
        known = self.known(setting)
        made = self.planner().assignment(known, self._features(setting), self.router)
        weights = np.eye(len(TIERS))[made.assigned]
        return Plan(self.report(known, made.alpha, made.beta, weights), made.losses, made.router)

    def planner(self) -> PoolPlanner:
        """How thresholds are searched."""
        return replace(super().planner(), budget_on=self.budget_on, least_pool=self.least_pool)

    def policy(self, setting: Setting, plan: Plan) -> Policy:
        """Lay out a plan, and the variants."""
        policy = replace(super().policy(setting, plan), signals=Signals(gossip_s=self.gossip_s))
        if isinstance(plan.router, Priced):
            policy = replace(policy, details={**policy.details, "price": plan.router.price})
        if self.refresh is None:
            return policy
        assert isinstance(plan.router, Centroids)
        rule, prefixes = self._refreshed(setting, plan), self.prefixes(setting)
        return replace(
            policy,
            plan=(*policy.plan, probe_row(prefixes, setting.n_exits)),
            picks=rule,
            learns=rule,
            sight=None,
            memory=remembered(plan.router),
        )

    def picks(self, setting: Setting, plan: Plan) -> Picks:
        """The rule that chooses a row."""
        if self.confusion is not None:
            return Confused(self.confusion)
        if self.load_weight_s is not None:
            return self._sooner(setting, plan, self.load_weight_s)
        return super().picks(setting, plan)

    def _check(self) -> None:
        asked = {
            "noise": self.noise > 0.0,
            "confusion": self.confusion is not None,
            "load_weight_s": self.load_weight_s is not None,
            "refresh": self.refresh is not None,
        }
        several = [name for name, is_asked in asked.items() if is_asked]
        if len(several) > 1:
            say = f"{self.name}: {' and '.join(several)} do not go together; one of them would do"
            raise TierError(say, several[0])
        if self.refresh is not None and self.router != "centroid":
            say = f"{self.name}: refresh moves class means; router centroid would do, not {self.router}"
            raise TierError(say, "router")
        if self.refresh is not None and self.require_correct:
            raise TierError(
                f"{self.name}: refresh has no labels and cannot tell which exits are right; it goes without "
                "require_correct",
                "require_correct",
            )

    def _features(self, setting: Setting) -> Floats:
        if setting.features is None:
            raise TierError(
                f"{self.name} routes by features, which this profile lacks; a profile with features would do, or "
                "oracle-pools, all-mobile, all-edge, all-cloud, or random-pools with like: oracle-pools"
            )
        return setting.features

    def _chances(self, confusion: tuple[Three, Three, Three]) -> Floats:
        chances = np.array(confusion)
        if (chances < 0.0).any() or not np.allclose(chances.sum(axis=1), 1.0):
            raise TierError(
                f"{self.name}: confusion has rows that are no chances of three tiers; numbers from 0 that add up "
                "to 1 in each row would do",
                "confusion",
            )
        return chances

    def _confused(self, setting: Setting, chances: Floats) -> Plan:
        known, planner = self.known(setting), self.planner()
        alpha, beta = planner.oracle(known)
        pool = planner.pools(known, alpha, beta)
        return Plan(self.report(known, alpha, beta, chances[pool]), lost(pool), None)

    def _sooner(self, setting: Setting, plan: Plan, weight_s: float) -> Sooner:
        """The rule of expected delay plus loss, with what it cannot hear laid out."""
        prefixes = self.prefixes(setting)
        far_s = [
            float(setting.transfer_s[list(setting.sources), device, 0].mean())
            + float(setting.stage_s[device, : last + 1].sum() + setting.head_s[device, last])
            for last, device in list(zip(prefixes.exits, prefixes.devices, strict=True))[1:]
        ]
        mobile, edge, cloud = (last + 1 for last in prefixes.exits)
        _, first, second = prefixes.devices
        return Sooner(
            (mobile, edge, cloud), (first, second), (far_s[0], far_s[1]), weight_s / mean_gap(plan.losses)
        )

    def _refreshed(self, setting: Setting, plan: Plan) -> Refreshed:
        mobile, edge, _ = self.prefixes(setting).exits
        alpha, beta = plan.report.alpha, plan.report.beta
        assert self.refresh is not None
        return Refreshed(alpha, beta, mobile, edge, self.refresh, self.probe, self.refresh_weight)


def mean_gap(losses: Floats) -> float:
    """The mean difference between the two least losses of each of n samples; 1 where there is none to be had."""
    least, second, _ = np.sort(losses, axis=1).T
    gap = float((second - least).mean())
    return gap if 0.0 < gap < inf else 1.0


def probe_row(prefixes: Prefixes, K: int) -> Row:
    """The plan of a probe: whole in the cloud, the exits of all tiers evaluated, the last one answers."""
    return Row((inf,) * K, tuple(k in prefixes.exits for k in range(K)), (prefixes.devices[CLOUD],) * K)


def remembered(router: Centroids) -> Memory:
    """The memory that `Refreshed` starts with; an empty pool's centroid is infinitely far."""
    d = router.points.shape[1]
    memory = np.zeros(1 + len(TIERS) * (1 + 2 * d))
    for pool in range(len(TIERS)):
        first = 2 + pool * (1 + 2 * d)
        memory[first : first + d] = router.points[router.pool == pool][0] if pool in router.pool else inf
    return memory


@dataclass(frozen=True, kw_only=True)
class RandomPools(Dimee):
    """The same shares as DIMEE would have with these parameters, whatever the sample: what is routing worth?

    Saving is not accuracy: this one saves nearly as much as DIMEE does. Not exactly, as its shares are those of
    the calibration half, and a router's on other samples differ a little.

    Source: no paper; a control of ours for DIMEE (D. J. Bajpai, M. K. Hanawal, ICC 2025, arXiv 2410.05338).

    Reconstructed: nothing in the draw; its shares come from a plan of `dimee` or `oracle-pools`, reconstructed as
    said there.
    """

    name: ClassVar[str] = "random-pools"

    like: Annotated[
        Literal["dimee", "oracle-pools"], Meaning("whose shares; those of oracle-pools need no features")
    ] = "dimee"

    def need(self, setting: Setting) -> None:
        """Raise what `build` would, without the search."""
        if self.like == "dimee":
            super().need(setting)
        else:
            Pooled.need(self, setting)

    def plan(self, setting: Setting) -> Plan:
        """Lay out the other's plan, and then leave it to chance."""
        other = super().plan(setting) if self.like == "dimee" else Pooled.plan(self, setting)
        report = other.report
        weights = np.tile(report.shares, (len(other.losses), 1))
        return other._replace(
            report=self.report(self.known(setting), report.alpha, report.beta, weights), router=None
        )

    def policy(self, setting: Setting, plan: Plan) -> Policy:
        """Lay out a plan without any variant: nothing is seen, heard or learnt."""
        return replace(Pooled.policy(self, setting, plan), sight=None, signals=Signals(gossip_s=self.gossip_s))

    def picks(self, setting: Setting, plan: Plan) -> Picks:
        """The rule that chooses a row."""
        return Drawn(plan.report.shares)
