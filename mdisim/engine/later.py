"""The one kind of event that the engine schedules: a callback that is due at an instant."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any

from simpy import Environment
from simpy.events import NORMAL, Event

from mdisim.engine.job import Job

OFFERS = 2.0  # of what happens at one instant, samples are offered last: after all that is NORMAL, which is 1


class Later(Event):
    """Calls back at an instant, with itself: what a Timeout does, made in one step and for one job.

    The instant is exactly `time_s`; a delay, added to the present, would round it. Of the events of one instant
    those of lower `order` come first, and of the same order those that were scheduled first. A process may wait
    for it, as for any event.
    """

    def __init__(
        self,
        env: Environment,
        time_s: float,
        callback: Callable[[Any], None],
        job: Job | None = None,
        order: float = NORMAL,
    ) -> None:
        if not time_s >= env._now:
            raise ValueError(f"an event at {time_s} s, but it is {env.now} s: no event is due in the past")
        self.env = env
        self.callbacks = [callback]
        self.job = job
        self._value = None
        self._ok = True
        # Environment.schedule takes only a delay, and states that priorities are whole numbers
        heappush(env._queue, (time_s, order, next(env._eid), self))  # type: ignore[misc]
