"""Bandits over three tiers: which pair of thresholds, or which exit, pays best is learned during the run.

CeeBERT with two exits is a cascade whose thresholds a UCB chooses; UEE-UCB knows one machine and one exit for all
samples, and here the layers up to that exit run where the tiers hold them. Neither needs a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import inf, sqrt
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Interval

from mdisim.planners.bandits.devices import Thresholds
from mdisim.planners.bandits.gains import CascadeGains, DissentGains
from mdisim.planners.bandits.ucb import FIRST, UpperConfidence, blank
from mdisim.planners.tiers.cascades import Chained
from mdisim.planners.tiers.chains import chain_row, rule_of
from mdisim.planners.tiers.prefixes import EDGE, MOBILE, TierError
from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy, Setting
from mdisim.policies.protocols import Learns

Price = Annotated[float, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class TierBandit(Chained):
    """What bandits of three tiers have in common."""

    family: ClassVar[str] = "bandits"

    def laid_out(self, setting: Setting, plan: list[Row], picks: UpperConfidence, learns: Learns) -> Policy:
        """The policy of these rows."""
        _, chain = self.chain(setting)
        return Policy(
            self.name,
            tuple(plan),
            where=rule_of([chain] * len(plan), self.forward),
            picks=picks,
            learns=learns,
            memory=blank(picks.arms),
            details=self.details(setting),
        )


@dataclass(frozen=True, kw_only=True)
class CeeBert2(TierBandit):
    """CeeBERT with two exits (D. J. Bajpai, M. K. Hanawal, arXiv 2405.15039): a cascade, its thresholds by UCB.

    The source picks a pair at birth and learns when the answer is back, without labels. r = 0 where the mobile's
    exit answers, C_n - C_m - o_1 where the edge's does, else C_L - C_m - o_1 - o_2.

    Source: D. J. Bajpai, M. K. Hanawal, "CeeBERT: Cross-Domain Inference in Early Exit BERT", Findings of ACL
    2024, arXiv 2405.15039, in the variant with two exits of a notebook in the authors' public code (Div290/CeeBERT
    on GitHub). Its constants are both thresholds of 0.5, 0.6, ..., 1, so 36 arms, (o_1, o_2) of (0.1, 0.06) or
    (0.06, 0.04), c 2, exits 3, 6 and 12.

    Reconstructed: known from the code, not from the paper's text. In their notebook some arms that would have led
    the sample to the same exit learn too (`shared`); which do depends on the sample, so that their means are no
    longer those of all samples, and by default only the arm picked learns, which is ours. What an unsure tier
    sends on is ours, too. The mobile's exit a quarter and the edge's half of the way stand for 3 and 6 of 12.
    """

    name: ClassVar[str] = "cee-bert-2"

    thresholds: Annotated[
        Thresholds, Meaning("the values that either threshold may take; each pair is an arm", "confidence")
    ] = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # fmt: skip
    offload_costs: Annotated[
        tuple[Price, Price], Meaning("o_1 and o_2: price of going to the edge, and on to the cloud", "confidence")
    ] = (0.1, 0.06)  # fmt: skip
    shared: Annotated[bool, Meaning("arms that would have led the sample to the same exit learn too")] = False
    exploration: Annotated[float, Ge(0), Meaning("c of the index: mean + c sqrt(ln(rounds) / plays)")] = 2.0
    first: Annotated[Literal["in-order", "drawn"], Meaning(FIRST)] = "in-order"

    def build(self, setting: Setting) -> Policy:
        """Lay out an arm per pair; a TierError where the tiers do not allow it."""
        prefixes, chain = self.chain(setting)
        K, (mobile, edge) = setting.n_exits, (prefixes.exits[MOBILE], prefixes.exits[EDGE])
        pairs = list(product(self.thresholds, repeat=2))
        if len(pairs) < 2:
            say = f"{self.name}: {len(self.thresholds)} thresholds are no choice; two or more would do"
            raise TierError(say, "thresholds")
        heads = [k in (mobile, edge, K - 1) for k in range(K)]
        plan = []
        for alpha, beta in pairs:
            thresholds = [alpha if k == mobile else beta if k == edge else inf for k in range(K)]
            plan.append(chain_row(chain, thresholds, heads, self.forward))
        alphas, betas = (tuple(side) for side in zip(*pairs, strict=True))
        picks = UpperConfidence(len(pairs), self.exploration, first=self.first)
        learns = CascadeGains((mobile, edge), alphas, betas, *self.offload_costs, self.shared)
        return self.laid_out(setting, plan, picks, learns)


@dataclass(frozen=True, kw_only=True)
class UeeUcb(TierBandit):
    """UEE-UCB (arXiv 2209.09480): one exit for all samples, without labels.

    Arm j answers at exit j, and all exits up to it are evaluated and learn. Taken is the largest P_1j + g_1 -
    g_j + sqrt(a ln(t+1) / N_j), where P_1j is how often exits 1 and j differ; the last exit comes first. It finds
    the best exit where one that is right is never followed by one that is wrong.

    Source: H. Narayan N U, M. K. Hanawal, A. Bhardwaj, "Unsupervised Early Exit in DNNs with Multiple Exits",
    2022, arXiv 2209.09480, and the authors' public code (MLiONS/MutiExitDNNs on GitHub). Its constants are a 1,
    and as g the share of the layers (CS-1), or 0.5 up to layer 7 of 12 and 1 above (CS-2).

    Reconstructed: known from the code, not from the paper's text. Theirs is one machine; that the layers up to the
    exit run where three tiers hold them is ours, and so are what is sent from tier to tier, `cost_weight`, and
    layers weighted by the source's prices.
    """

    name: ClassVar[str] = "uee-ucb"

    costs: Annotated[Literal["layers", "two-step"], Meaning("g: the share of the layers, CS-1, or CS-2")] = (
        "layers"
    )
    cost_weight: Annotated[float, Ge(0), Meaning("g is multiplied by this", "errors")] = 1.0
    step_price: Annotated[float, Ge(0), Meaning("g below the step of CS-2; above it is 1", "errors")] = 0.5
    step_at: Annotated[
        float, Interval(ge=0, le=1), Meaning("up to which part of the layers CS-2 is below its step", "share")
    ] = 7 / 12
    exploration: Annotated[float, Ge(0), Meaning("a of the index: mean + sqrt(a ln(rounds + 1) / plays)")] = 1.0
    first: Annotated[Literal["last-first", "drawn"], Meaning(FIRST)] = "last-first"

    def build(self, setting: Setting) -> Policy:
        """Lay out an arm per exit; a TierError where the tiers do not allow it."""
        _, chain = self.chain(setting)
        K = setting.n_exits
        plan = []
        for arm in range(K):
            thresholds = [-inf if k == arm else inf for k in range(K)]
            plan.append(chain_row(chain, thresholds, [k <= arm or k == K - 1 for k in range(K)], self.forward))
        picks = UpperConfidence(K, sqrt(self.exploration), rounds_plus=1.0, first=self.first)
        return self.laid_out(setting, plan, picks, DissentGains(self.prices(setting)))

    def prices(self, setting: Setting) -> tuple[float, ...]:
        """g of each exit, [K]; layers by the abstract price at the sources, one a stage where that is 0."""
        layers = setting.stage_cost[list(setting.sources)].mean(axis=0)
        share = np.cumsum(layers if layers.sum() > 0.0 else np.ones(len(layers)))
        share = share / share[-1]
        if self.costs == "two-step":
            share = np.where(share <= self.step_at + 1e-9, self.step_price, 1.0)
        return tuple((self.cost_weight * share).tolist())
