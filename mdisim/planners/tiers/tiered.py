"""The policies that give every sample to one tier: what DIMEE and its rivals are measured against."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Any, ClassVar

import numpy as np

from mdisim.planners.tiers.pools import evidence
from mdisim.planners.tiers.prefixes import CLOUD, EDGE, MOBILE, TIERS, Tiered, tier_row
from mdisim.policies.policy import Policy, Setting


@dataclass(frozen=True, kw_only=True)
class OneTier(Tiered):
    """What the three have in common: a plan of one row, and no rules."""

    tier: ClassVar[int]

    def build(self, setting: Setting) -> Policy:
        """Lay out the row; a TierError where the tiers do not fit."""
        row = tier_row(self.prefixes(setting), self.tier, setting.n_exits)
        return Policy(self.name, (row,), details=self.details(setting))

    def details(self, setting: Setting) -> dict[str, Any]:
        """As of any policy of three tiers; a saving of nothing, and a drop without samples, are NaN."""
        known = evidence(setting, self.prefixes(setting))
        whole = float(known.cost[CLOUD])
        lost = known.right[:, CLOUD].astype(np.float64) - known.right[:, self.tier]
        return super().details(setting) | {
            "shares": [float(tier == self.tier) for tier in range(len(TIERS))],
            "calibration_saving": 1.0 - float(known.cost[self.tier]) / whole if whole else nan,
            "calibration_drop": float(lost.mean()) if len(lost) else nan,
        }


@dataclass(frozen=True, kw_only=True)
class AllMobile(OneTier):
    """Every sample is answered at the mobile, by its exit.

    The plan has one row and no rules; nothing is ever sent.

    Source: no paper; a plain baseline on the tiers of DIMEE (D. J. Bajpai, M. K. Hanawal, ICC 2025, arXiv
    2410.05338).

    Reconstructed: only how much of the network the mobile holds: its exit is a quarter of the way by default,
    after 3 of 12 layers, which is inferred from names in DIMEE's public code.
    """

    name: ClassVar[str] = "all-mobile"
    tier: ClassVar[int] = MOBILE


@dataclass(frozen=True, kw_only=True)
class AllEdge(OneTier):
    """Every sample is sent to the edge, as input, and answered by the edge's exit.

    The plan has one row and no rules; the mobile computes nothing.

    Source: no paper; a plain baseline on the tiers of DIMEE (D. J. Bajpai, M. K. Hanawal, ICC 2025, arXiv
    2410.05338).

    Reconstructed: only how much of the network the edge holds: its exit is half of the way by default, after 6 of
    12 layers, which is inferred from names in DIMEE's public code.
    """

    name: ClassVar[str] = "all-edge"
    tier: ClassVar[int] = EDGE


@dataclass(frozen=True, kw_only=True)
class AllCloud(OneTier):
    """Every sample is sent to the cloud, as input, and answered by the last exit: what savings are against.

    The plan has one row and no rules; mobile and edge compute nothing.

    Source: the all-cloud inference that DIMEE's abstract gives its saving and its drop against (D. J. Bajpai, M.
    K. Hanawal, ICC 2025, arXiv 2410.05338).

    Reconstructed: nothing in the rule. What it costs follows from the scenario's prices of layers and offloads,
    which are ours: the paper's are not known here.
    """

    name: ClassVar[str] = "all-cloud"
    tier: ClassVar[int] = CLOUD
