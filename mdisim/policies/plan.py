"""The plan table: what is laid out before a run. A sample carries one of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf

from mdisim.errors import PolicyError
from mdisim.policies.scores import Heads
from mdisim.policies.views import FREE


@dataclass(frozen=True)
class Row:
    """One line of a plan: a threshold per exit [K], which exits are evaluated [K], a device per stage [K].

    A stage whose device is FREE is placed by the policy's rules, or stays where it is if there are none.
    Consecutive stages planned for one device run through there without queueing again. At the devices
    `no_exits_at` only the last head is evaluated, as branches do not run in the cloud: a sample does not leave
    early there, pays no early head there, and scores and answers do not count the exits that it passes there.
    """

    thresholds: tuple[float, ...]
    heads: Heads
    placement: tuple[int, ...]
    no_exits_at: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse rows that disagree in length, or a last exit that cannot answer."""
        if not len(self.thresholds) == len(self.heads) == len(self.placement) >= 1:
            raise PolicyError(
                f"a plan row needs as many thresholds ({len(self.thresholds)}) as heads ({len(self.heads)}) "
                f"and placements ({len(self.placement)}): one per exit"
            )
        if not self.heads[-1]:
            raise PolicyError("the last exit of a plan row must be evaluated: it always answers")

    @cached_property
    def evaluated(self) -> Heads:
        """The exits that samples of this row evaluate, [K]: `heads`, but for what is planned for `no_exits_at`."""
        stages = zip(self.heads[:-1], self.placement[:-1], strict=True)
        return (*(head and device not in self.no_exits_at for head, device in stages), True)

    def evaluated_at(self, device: int) -> Heads:
        """The exits that are evaluated if their stages run at this device, [K]."""
        return (*(False,) * (len(self.heads) - 1), True) if device in self.no_exits_at else self.evaluated

    @property
    def is_known(self) -> bool:
        """Whether the plan alone says which exits are evaluated: a rule may choose a device without exits."""
        stages = zip(self.evaluated[:-1], self.placement[:-1], strict=True)
        return not self.no_exits_at or not any(head and device == FREE for head, device in stages)

    def stamped(self, thresholds: tuple[float, ...] = ()) -> tuple[float, ...]:
        """The scores needed to leave at each exit, [K]: out of reach where no head is evaluated."""
        wanted = thresholds or self.thresholds
        early = (t if head else inf for t, head in zip(wanted[:-1], self.evaluated[:-1], strict=True))
        return (*early, -inf)


def row(
    n_exits: int,
    threshold: float | tuple[float, ...] = inf,
    *,
    early_exits: bool = True,
    placement: int | tuple[int, ...] = FREE,
) -> Row:
    """Lay out one row for a network of `n_exits` exits.

    `threshold` and `placement` hold for every exit and stage, or are given for each; without `early_exits`
    the last head alone is evaluated, and paid for.
    """
    thresholds = threshold if isinstance(threshold, tuple) else (threshold,) * n_exits
    placed = placement if isinstance(placement, tuple) else (placement,) * n_exits
    return Row(thresholds, (*(early_exits,) * (n_exits - 1), True), placed)
