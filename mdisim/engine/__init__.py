"""The SimPy model: `run(world, policy, seed)` lets time pass and returns a Run. Read `simulation` first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mdisim import bounds
from mdisim.engine.node import RuleError
from mdisim.engine.simulation import Simulation
from mdisim.engine.tables import tables
from mdisim.policies.policy import Policy
from mdisim.results import Run
from mdisim.world import World

__all__ = ["RuleError", "run"]


def _silent(_: float) -> None:
    """Report no progress."""


def run(
    world: World, policy: Policy, seed: int, progress: Callable[[float], None] = _silent, record: bool = False
) -> Run:
    """Simulate a policy in a world.

    `seed` spawns the named streams of random numbers; `progress` is called with the simulated time in seconds,
    a few hundred times. With `record` the Run has `events`, too. The same world, policy, seed and version give the
    same tables, byte for byte. A RuleError says that a rule answered something impossible.
    """
    simulation = Simulation(world, policy, seed, progress, record)
    simulation.run()
    done = tables(simulation, seed)
    return replace(done, oversubscribed=bounds.oversubscribed(world, policy, done))
