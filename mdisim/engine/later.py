"""The one kind of event that the engine schedules: a callback that is due after a delay, or at an instant."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any

from simpy import Environment
from simpy.events import NORMAL, Event

from mdisim.engine.job import Job

OFFERS = 2.0  # of what happens at one instant, samples are offered last: after all that is NORMAL, which is 1


class Later(Event):
    """Calls back after `delay_s` seconds, with itself: what a Timeout does, made in one step and for one job.

    A process may wait for it, as for any event.
    """

    def __init__(
        self, env: Environment, delay_s: float, callback: Callable[[Any], None], job: Job | None = None
    ) -> None:
        if not delay_s >= 0.0:
            raise ValueError(f"an event {delay_s} s from now: no event is due in the past")
        self._schedule(env, env.now + delay_s, callback, job, NORMAL)

    @classmethod
    def at(
        cls,
        env: Environment,
        time_s: float,
        callback: Callable[[Any], None],
        job: Job | None = None,
        order: float = NORMAL,
    ) -> Later:
        """Call back at exactly this instant; a delay, added to the present, would round it.

        Of the events of one instant those of lower `order` come first, and of the same order those that were
        scheduled first.
        """
        if not time_s >= env.now:
            raise ValueError(f"an event at {time_s} s, but it is {env.now} s: no event is due in the past")
        event = cls.__new__(cls)
        event._schedule(env, time_s, callback, job, order)
        return event

    def _schedule(
        self, env: Environment, time_s: float, callback: Callable[[Any], None], job: Job | None, order: float
    ) -> None:
        self.env = env
        self.callbacks = [callback]
        self.job = job
        self._value = None
        self._ok = True
        # Environment.schedule takes only a delay, and states that priorities are whole numbers
        heappush(env._queue, (time_s, order, next(env._eid), self))  # type: ignore[misc]
