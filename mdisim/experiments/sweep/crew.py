"""Handing out runs: as many at a time as the executor takes, each as it comes, and no loss where workers die.

When a process dies, its pool tells only that one has died, not over which run. So the runs that were under way are
done again one by one, where a death has one possible cause; a run that outlasts no process is given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from mdisim.errors import RunError
from mdisim.experiments.executors import Engine
from mdisim.experiments.sweep.work import FAILED, Outcome, Task, perform

TRIES = 2  # alone, before a run is given up
DIED = f"the process that ran it died, {TRIES} times: out of memory, or a fault in compiled code?"
GIVEN_UP = Outcome(FAILED, {}, DIED)

Perform = Callable[[Task], Outcome]
T = TypeVar("T")
R = TypeVar("R")


def outcomes(tasks: Iterable[T], engine: Engine, work: Callable[[T], R]) -> Iterator[tuple[T, R | None]]:
    """Do every task on an engine that is open, and give each with its outcome, as they come; None if given up."""
    waiting = deque(tasks)
    while waiting:
        suspects: list[T] = []
        yield from _together(waiting, suspects, engine, work)
        if suspects and engine.breaks:
            engine.restart(1)
        for task in suspects:
            yield task, _alone(task, engine, work)
        if suspects and engine.breaks:
            engine.restart()


def _together(
    waiting: deque[T], suspects: list[T], engine: Engine, work: Callable[[T], R]
) -> Iterator[tuple[T, R]]:
    """Do what is waiting until all is done, or until a pool breaks; suspects are those lost with a process."""
    running: dict[Future[R], T] = {}
    while waiting or running:
        while waiting and len(running) < engine.ahead:
            task = waiting.popleft()
            try:
                running[engine.submit(work, task)] = task
            except engine.deaths:  # it broke before a result could tell
                suspects.append(task)
                break
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task = running.pop(future)
            try:
                outcome = future.result()
            except engine.deaths:
                suspects.append(task)
            else:
                yield task, outcome
        if suspects and engine.breaks:
            suspects.extend(running.values())
            return


def _alone(task: T, engine: Engine, work: Callable[[T], R]) -> R | None:
    for _ in range(TRIES):
        try:
            outcome: R = engine.submit(work, task).result()
        except engine.deaths:
            if engine.breaks:
                engine.restart(1)
        else:
            return outcome
    return None


def measured(tasks: Sequence[Task], engine: Engine) -> list[dict[str, Any]]:
    """The measures of every task, in order; a RunError tells of the first that failed."""
    found = {task.key: outcome or GIVEN_UP for task, outcome in outcomes(tasks, engine, perform)}
    for task in tasks:
        if found[task.key].status == FAILED:
            raise RunError(f"{task.label}: {found[task.key].message}")
    return [found[task.key].measures for task in tasks]
