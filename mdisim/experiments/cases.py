"""Runs in one process or several: a case is a world, a policy and a seed, and what is kept of it is small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, NamedTuple

from mdisim import bounds, engine
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.steadiness import in_system
from mdisim.policies.policy import Policy
from mdisim.policies.scores import Floats
from mdisim.world import World

Case = tuple[World, Policy, int]


class Outcome(NamedTuple):
    """What is kept of a run: its measures and bounds, and the number in the system over time."""

    summary: dict[str, Any]
    in_system: Floats


def outcomes(cases: Sequence[Case], jobs: int) -> Iterator[tuple[int, Outcome]]:
    """What comes of each case with its number, as they come."""
    if jobs < 1:
        raise ExperimentError(f"jobs is {jobs}; 1 or more would do")
    if jobs == 1:
        yield from ((i, outcome(*case)) for i, case in enumerate(cases))
        return
    # spawned, not forked: a fork of a process with threads (as Arrow has) may hang
    with ProcessPoolExecutor(min(jobs, len(cases)), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(outcome, *case): i for i, case in enumerate(cases)}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as error:
            raise ExperimentError(
                "the processes could not start or have died: with jobs above 1 a script must call compare under "
                "`if __name__ == '__main__':`, and rules of your own must stand in a module; or use jobs=1"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def outcome(world: World, policy: Policy, seed: int) -> Outcome:
    """Run one case; its tables are not kept."""
    run = engine.run(world, policy, seed)
    return Outcome(run.summary() | bounds.measures(world, policy, run), in_system(run))
