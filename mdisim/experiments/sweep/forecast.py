"""What a sweep would do, before it does it: how many runs, and about how long they take. Nothing is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from mdisim import engine
from mdisim.errors import RunError
from mdisim.experiments.executors import Where, cores
from mdisim.experiments.sweep.plan import Plan
from mdisim.experiments.sweep.store import PLAN, Store
from mdisim.experiments.sweep.work import Task, laid_out
from mdisim.folders import AnyPath

ENOUGH_S = 0.5  # of a run that is begun to see how fast it is


@dataclass(frozen=True)
class Forecast:
    """How many runs a plan has, how many of them are `before` in its directory, and how long one takes.

    `run_s` is the mean of up to three runs, each begun and stopped after half a second; `seconds` is what the
    missing ones take on `jobs` processes. Both are None where nothing is missing; `jobs` and `seconds` are None
    where a cluster says how many processes there are.
    """

    runs: int
    before: int
    jobs: int | None
    run_s: float | None

    @property
    def seconds(self) -> float | None:
        """How long the missing runs take together."""
        if self.run_s is None or self.jobs is None:
            return None
        missing = self.runs - self.before
        return self.run_s * missing / min(self.jobs, missing)


def forecast(plan: Plan, where: Where, out: AnyPath, shard: tuple[int, int] = (0, 1)) -> Forecast:
    """What a sweep of this plan would do there; runs that mean the same count once."""
    mine = list(plan.tasks)[shard[0] :: shard[1]]
    there = Store(Path(out)).finished().intersection(mine) if Path(out, PLAN).exists() else set()
    missing = [plan.tasks[key] for key in mine if key not in there]
    tried = [missing[i] for i in sorted({0, len(missing) // 2, len(missing) - 1})] if missing else []
    jobs = None if where.address is not None else where.jobs or cores()
    run_s = sum(_run_s(task) for task in tried) / len(tried) if tried else None
    return Forecast(len(mine), len(there), jobs, run_s)


class _EnoughError(RunError):
    """A run has gone on for long enough; it holds the share of its time that has passed."""


def _run_s(task: Task) -> float:
    """How long a run takes, as far as its beginning tells."""
    world, policy = laid_out(task.cell)
    start = time.perf_counter()

    def stop_early(time_s: float) -> None:
        if time.perf_counter() - start > ENOUGH_S and time_s > 0.0:
            raise _EnoughError(min(time_s / world.window.duration_s, 1.0))

    try:
        engine.run(world, policy, task.seed, stop_early).summary()
    except _EnoughError as enough:
        return (time.perf_counter() - start) / float(enough.args[0])
    return time.perf_counter() - start
