"""Planners: what runs before a simulation, on the calibration half of a profile and on the world.

They fit, search and lay out; what they give is a policy with a plan. `RECIPES` are all named policies: those of
`mdisim.policies`, which need no planner, and those that do.
"""

from mdisim.planners.calibrated import CalibratedPartition
from mdisim.policies.named import RECIPES as PLAIN
from mdisim.policies.policy import Recipe

RECIPES: dict[str, type[Recipe]] = dict(
    sorted({**PLAIN, **{recipe.name: recipe for recipe in (CalibratedPartition,)}}.items())
)

__all__ = ["RECIPES", "CalibratedPartition"]
