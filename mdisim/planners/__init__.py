"""Planners: what runs before a simulation, on the calibration half of a profile and on the world.

They fit, search and lay out; what they give is a policy with a plan. `RECIPES` are all named policies: those of
`mdisim.policies`, which need no planner, and those that do.
"""

from mdisim.planners.calibrated import CalibratedPartition
from mdisim.planners.partitioned import BranchyNetPartition
from mdisim.planners.popex import Popex
from mdisim.policies.named import RECIPES as PLAIN
from mdisim.policies.policy import Recipe

PLANNED = (BranchyNetPartition, CalibratedPartition, Popex)
RECIPES: dict[str, type[Recipe]] = dict(sorted({**PLAIN, **{recipe.name: recipe for recipe in PLANNED}}.items()))

__all__ = ["RECIPES", "BranchyNetPartition", "CalibratedPartition", "Popex"]
