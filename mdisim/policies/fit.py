"""Whether a policy can run where it was laid out for: what its plan asks of devices and ways."""

from __future__ import annotations

from math import inf

import numpy as np

from mdisim.errors import PolicyError
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy, Recipe, Setting
from mdisim.policies.views import FREE


def laid_out(recipe: Recipe, setting: Setting) -> Policy:
    """Build the policy of a recipe; a PolicyError where that cannot be, or where it could not run."""
    made = recipe.build(setting)
    if not isinstance(made, Policy):
        raise PolicyError(f"its build returned {made!r}; a Policy would do")
    need_exits(made, setting.n_exits)
    if made.picks is None and 0 <= made.knobs.row < len(made.plan):  # the row that the first samples carry
        _need_way(made, made.plan[made.knobs.row], setting)
    return made


def searches(recipe: Recipe) -> bool:
    """Whether `build` searches on the calibration half, for seconds: such recipes have a method `need`."""
    return hasattr(recipe, "need")


def need(recipe: Recipe, setting: Setting) -> None:
    """Raise what `laid_out` would; where the recipe has a method `need`, without its search."""
    quick = getattr(recipe, "need", None)
    if quick is None:
        laid_out(recipe, setting)
    else:
        quick(setting)


def need_exits(policy: Policy, n_exits: int) -> None:
    """Raise a PolicyError where a row of the plan is for another number of exits."""
    for number, row in enumerate(policy.plan):
        if len(row.heads) != n_exits:
            raise PolicyError(
                f"row {number} of the plan of {policy.name} is for {len(row.heads)} exits, but the profile has "
                f"{n_exits}"
            )


def _need_way(policy: Policy, row: Row, setting: Setting) -> None:
    """Raise a PolicyError where a stage is planned for a device that cannot run it, or cannot be reached."""
    for source in setting.sources:
        here = source
        for stage, (device, threshold) in enumerate(zip(row.placement, row.stamped(), strict=True)):
            if device == FREE and policy.where is not None:
                break  # from here on a rule decides
            there = here if device == FREE else device
            what = f"{policy.name} plans stage {stage + 1} for"
            if not 0 <= there < len(setting.devices):
                raise PolicyError(f"{what} device {there}; there are {len(setting.devices)}, counted from 0")
            name = setting.devices[there]
            if not np.isfinite(setting.transfer_s[here, there, 0]):
                raise PolicyError(f"{what} {name}: no route from {setting.devices[here]}: add a link")
            if setting.holds is not None and not setting.holds[there, stage]:
                raise PolicyError(f"{what} {name}, which lacks it")
            if threshold == -inf:
                break  # every sample leaves here
            here = there
