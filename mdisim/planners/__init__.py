"""Planners: what runs before a simulation, on the calibration half of a profile and on the world.

They fit, search and lay out; what they give is a policy with a plan. `partitions` cut a network between a device
and the cloud, `tiers` route samples among mobile, edge and cloud, `bandits` learn while they run. `RECIPES` are
all named policies: those of `mdisim.policies`, which need no planner, and those that do; `FAMILIES` are their
names by where they are at home, and `catalogue` says of each what it is and where it comes from.
"""

from mdisim.planners.bandits.devices import AdaEe, CeeBert, ISplitEe, SplitEe, SplitEeS
from mdisim.planners.bandits.queues import QueueAware, QueueLinear
from mdisim.planners.bandits.tiers import CeeBert2, UeeUcb
from mdisim.planners.partitions.calibrated import CalibratedPartition
from mdisim.planners.partitions.partitioned import BranchyNetPartition
from mdisim.planners.partitions.popex import Popex
from mdisim.planners.tiers.cascades import BeemCascade, Cascade, PatienceCascade
from mdisim.planners.tiers.dimee import Dimee, RandomPools
from mdisim.planners.tiers.pooled import OraclePools
from mdisim.planners.tiers.tiered import AllCloud, AllEdge, AllMobile
from mdisim.policies.descriptions import described
from mdisim.policies.named import RECIPES as PLAIN
from mdisim.policies.policy import Recipe

PLANNED = (
    AdaEe, AllCloud, AllEdge, AllMobile, BeemCascade, BranchyNetPartition, CalibratedPartition, Cascade, CeeBert,
    CeeBert2, Dimee, ISplitEe, OraclePools, PatienceCascade, Popex, QueueAware, QueueLinear, RandomPools, SplitEe,
    SplitEeS, UeeUcb,
)  # fmt: skip
RECIPES: dict[str, type[Recipe]] = dict(sorted({**PLAIN, **{recipe.name: recipe for recipe in PLANNED}}.items()))


FAMILIES: dict[str, tuple[str, ...]] = {
    one: tuple(name for name, recipe in RECIPES.items() if getattr(recipe, "family", None) == one)
    for one in ("mesh", "partitions", "tiers", "bandits")
}


def catalogue() -> list[dict[str, str]]:
    """All named policies, family by family: policy, family, what, how, source, reconstructed."""
    rows = []
    for one, names in FAMILIES.items():
        for name in names:
            said = described(RECIPES[name])
            about = {"how": said.how, "source": said.source, "reconstructed": said.reconstructed}
            rows.append({"policy": name, "family": one, "what": said.summary} | about)
    return rows


__all__ = ["FAMILIES", "RECIPES", "catalogue", *(recipe.__name__ for recipe in PLANNED)]
