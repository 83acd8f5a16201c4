"""The six decision points. Whatever is not decided here is data; nothing else decides.

A rule is a frozen dataclass: its fields are its parameters, its one method is the decision. It draws only from
the generator handed in, keeps nothing, and knows no clock.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mdisim.policies.views import Here, Knobs, Load, Outcome, Peer, Place, Seen, Task

Memory = NDArray[np.float64]


class Admits(Protocol):
    """Asked when a sample is offered at a source: take it, or refuse it."""

    def admits(self, here: Here, knobs: Knobs, memory: Memory, rng: Generator) -> bool:
        """Return True to take the sample."""


class Picks(Protocol):
    """Asked when a sample is born: which row of the plan table it carries."""

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: Memory, rng: Generator
    ) -> int:
        """Return the row; `peers` are all neighbours, as last heard of."""


class Where(Protocol):
    """Asked when a sample is born, and after each stage at which it did not exit."""

    def where(self, here: Here, peers: tuple[Peer, ...], task: Task, knobs: Knobs, rng: Generator) -> Place:
        """Return where the task goes."""


class Sends(Protocol):
    """Asked for the first offered task of a device: when that changed, a send ended, news came, or the retry
    period passed.
    """

    def sends(self, here: Here, peers: tuple[Peer, ...], task: Task, rng: Generator) -> int:
        """Return a peer's device number, or NOBODY for now; `peers` are those whose sender is free now."""


class Turns(Protocol):
    """Asked every control period at each device that has a controller."""

    def turns(self, load: Load, knobs: Knobs, rng: Generator) -> Knobs:
        """Return the new knobs."""


class Learns(Protocol):
    """Asked when a label is back at the source."""

    def learns(self, outcome: Outcome, memory: Memory) -> Memory:
        """Return the new memory; the one handed in may be changed and returned."""
