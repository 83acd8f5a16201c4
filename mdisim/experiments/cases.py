"""Runs in one process or several: a case is a world, a policy and a seed, and what is kept of it is small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mdisim import bounds
from mdisim.engine import run
from mdisim.errors import RunError
from mdisim.experiments.executors import Where, check_jobs, cores, engine
from mdisim.experiments.steadiness import in_system
from mdisim.experiments.sweep import crew
from mdisim.policies.policy import Policy
from mdisim.policies.scores import Floats
from mdisim.world import World

Case = tuple[World, Policy, int]


class Outcome(NamedTuple):
    """What is kept of a run: its measures and bounds, and the number in the system over time."""

    summary: dict[str, Any]
    in_system: Floats


def outcomes(cases: Sequence[Case], jobs: int | None) -> Iterator[tuple[int, Outcome]]:
    """What comes of each case with its number, as they come; `jobs` processes, None is one for each core."""
    if jobs is None:
        jobs = cores()
    check_jobs(jobs)
    work = _outcome if jobs == 1 else _sent
    with engine(Where(jobs=min(jobs, len(cases)))) as opened:
        for (i, (_, policy, seed)), found in crew.outcomes(enumerate(cases), opened, work):
            if found is None:
                raise RunError(f"{policy.name}, seed {seed}: {crew.DIED}")
            yield i, found


def _outcome(numbered: tuple[int, Case]) -> Outcome:
    """Run one case; its tables are not kept."""
    world, policy, seed = numbered[1]
    done = run(world, policy, seed)
    return Outcome(done.summary() | bounds.measures(world, policy, done), in_system(done))


def _sent(numbered: tuple[int, Case]) -> Outcome:
    """The same for another process, which would take an exception that it cannot read for our death."""
    try:
        return _outcome(numbered)
    except Exception as error:
        if _travels(error):
            raise
        raise RunError(f"{type(error).__name__}: {error}") from error


def _travels(error: Exception) -> bool:
    """Whether an exception says the same where it was pickled, as pools pickle it, and read again."""
    from joblib.externals.loky.backend.reduction import dumps, loads

    try:
        return str(loads(dumps(error))) == str(error)
    except Exception:
        return False
