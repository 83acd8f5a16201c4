"""Three nested prefixes of one network: the mobile holds the first layers, the edge more, the cloud all.

Each tier can answer alone, from stage 1 to its own exit (D. J. Bajpai, M. K. Hanawal, "Distributed Inference on
Mobile Edge and Cloud: An Early Exit based Clustering Approach", arXiv 2410.05338). What DIMEE and its rivals have
in common: which exit is which tier's, the plan rows of the tiers, and what the cloud alone would cost.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from annotated_types import Ge

from mdisim.errors import PolicyError
from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row
from mdisim.policies.policy import Setting
from mdisim.policies.scores import Floats
from mdisim.policies.views import FREE

MOBILE, EDGE, CLOUD = 0, 1, 2
TIERS = ("mobile", "edge", "cloud")


class TierError(PolicyError):
    """The tiers do not fit the scenario or the network; the message says what would do."""


class Prefixes(NamedTuple):
    """The exit of each tier, from 0, and its device; the mobile is the source itself, FREE."""

    exits: tuple[int, int, int]
    devices: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Tiered:
    """What all policies of three tiers have in common. The mobile is the source, whichever that is."""

    name: ClassVar[str]
    family: ClassVar[str] = "tiers"

    edge: Annotated[str, Meaning("the device of the middle tier")] = "edge"
    cloud: Annotated[str, Meaning("the device of the last tier")] = "cloud"
    mobile_exit: Annotated[
        int | None, Ge(1), Meaning("the exit that answers at the mobile, from 1; a quarter of all if left out")
    ] = None
    edge_exit: Annotated[
        int | None, Ge(1), Meaning("the exit that answers at the edge, from 1; half of all if left out")
    ] = None

    def prefixes(self, setting: Setting) -> Prefixes:
        """Which exit and device each tier has; a TierError where they do not nest, or cannot be reached."""
        K = setting.n_exits
        mobile, edge = self.mobile_exit or -(-K // 4), self.edge_exit or -(-K // 2)
        if not mobile < edge < K:
            would_do = f"1 <= mobile_exit < edge_exit < {K}" if K > 2 else "a profile of 3 exits or more"
            raise TierError(
                f"{self.name}: mobile_exit {mobile} and edge_exit {edge} do not nest in {K} exits; "
                f"{would_do} would do",
                "mobile_exit" if self.mobile_exit else "edge_exit",
            )
        devices = (setting.device(self.edge, "edge"), setting.device(self.cloud, "cloud"))
        if len({*devices, *setting.sources}) < 2 + len(set(setting.sources)):
            say = f"{self.name}: edge {self.edge!r}, cloud {self.cloud!r} and the sources must differ"
            raise TierError(say, "cloud" if devices[1] in (devices[0], *setting.sources) else "edge")
        for source in setting.sources:
            for device in devices:
                if not np.isfinite(setting.transfer_s[source, device, 0]):
                    raise TierError(
                        f"{self.name}: no route from {setting.devices[source]} to {setting.devices[device]}: "
                        "add a link"
                    )
        self._need_stages(setting, ((*setting.sources,), devices[:1], devices[1:]), (mobile, edge, K))
        return Prefixes((mobile - 1, edge - 1, K - 1), (FREE, *devices))

    def _need_stages(
        self, setting: Setting, devices: tuple[tuple[int, ...], ...], layers: tuple[int, int, int]
    ) -> None:
        for of_tier, last in zip(devices, layers, strict=True):
            for device in of_tier:
                if setting.holds is not None and not setting.holds[device, :last].all():
                    lacks = int(np.argmin(setting.holds[device, :last])) + 1
                    raise TierError(
                        f"{self.name} runs stages 1 to {last} at {setting.devices[device]}, which lacks {lacks}"
                    )

    def details(self, setting: Setting) -> dict[str, Any]:
        """The parameters, and `all_cloud_cost`: what a sample costs that the cloud computes whole."""
        return asdict(self) | {"all_cloud_cost": float(tier_costs(setting, self.prefixes(setting))[CLOUD])}


def tier_row(prefixes: Prefixes, tier: int, K: int) -> Row:
    """The plan of a sample that one tier answers: the raw input goes there, and its exit alone is evaluated."""
    last = prefixes.exits[tier]
    heads = tuple(k in (last, K - 1) for k in range(K))
    return Row((*(-inf if k == last else inf for k in range(K)),), heads, (prefixes.devices[tier],) * K)


def tier_costs(setting: Setting, prefixes: Prefixes) -> Floats:
    """What a sample costs that each tier answers alone, [3]: offload and layers.

    A plain mean over the sources, whatever share of the samples each has.
    """
    costs = []
    for last, device in zip(prefixes.exits, prefixes.devices, strict=True):
        at = setting.sources if device == FREE else (device,) * len(setting.sources)
        ways = [setting.offload_cost[a, b] for a, b in zip(setting.sources, at, strict=True)]
        costs.append(float(np.mean(ways) + setting.stage_cost[list(at), : last + 1].sum(axis=1).mean()))
    return np.array(costs)
