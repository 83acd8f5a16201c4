"""The one kind of event that the engine schedules: a callback that is due after a delay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simpy import Environment
from simpy.events import NORMAL, Event

from mdisim.engine.job import Job


class Later(Event):
    """Calls back after `delay_s` seconds, with itself: what a Timeout does, made in one step and for one job.

    A process may wait for it, as for any event.
    """

    def __init__(
        self, env: Environment, delay_s: float, callback: Callable[[Any], None], job: Job | None = None
    ) -> None:
        if not delay_s >= 0.0:
            raise ValueError(f"an event {delay_s} s from now: no event is due in the past")
        self.env = env
        self.callbacks = [callback]
        self.job = job
        self._value = None
        self._ok = True
        env.schedule(self, NORMAL, delay_s)
