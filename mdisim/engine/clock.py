"""Lets the time of a run pass, and stops where it does not: where one instant has events without end.

It is looked at every so many events, and so costs an event nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from simpy import Environment
from simpy.core import StopSimulation
from simpy.events import URGENT, Event

from mdisim.errors import RunError


def run_until(env: Environment, end_s: float, most: int) -> None:
    """Do all that is due before an instant, as `Environment.run` does; a RunError as in `run_while`."""
    end = Event(env)
    end._ok, end._value = True, None
    end.callbacks.append(StopSimulation.callback)
    env.schedule(end, URGENT, end_s - env.now)
    step = env.step
    try:
        while True:
            before_s = env.now
            for _ in range(most):
                step()
            _need_progress(env, before_s, most)
    except StopSimulation:
        return


def run_while(env: Environment, goes_on: Callable[[], bool], most: int) -> None:
    """Do what is due as long as it goes on; a RunError where an instant has twice `most` events, or some fewer."""
    while True:
        before_s = env.now
        for _ in range(most):
            if not goes_on():
                return
            env.step()
        _need_progress(env, before_s, most)


def _need_progress(env: Environment, before_s: float, most: int) -> None:
    if env.now == before_s:
        raise RunError(
            f"at {before_s:g} s more than {most} events come at one instant, and time does not go on: make gaps, "
            "periods or service times longer"
        )
