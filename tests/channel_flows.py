"""Drives the engine's fair channel with flows of their own, one link each."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from simpy import Environment

from mdisim.engine.channels import Fair
from mdisim.engine.later import Later
from mdisim.world import Rate


class Flow:
    """A link that sends one message and notes when it was sent."""

    job = None

    def __init__(self, env: Environment, rate: Rate) -> None:
        self.env, self.rate, self.end_s = env, rate, inf

    def begin(self, now: float, air_s: float) -> None:
        pass

    def sent(self, event: Any, now: float, air_s: float) -> None:
        self.end_s = now


def ends_s(
    starts_s: Sequence[float], bits: Sequence[float], rates: Sequence[Rate], cuts_s: Sequence[float]
) -> list[float]:
    """When each flow ends; infinite where it is cut before."""
    env = Environment()
    channel = Fair(env, rates[0])
    flows: Any = [Flow(env, rate) for rate in rates]
    for flow, start_s, amount, cut_s in zip(flows, starts_s, bits, cuts_s, strict=True):
        if cut_s < inf:
            Later(env, cut_s, lambda _, flow=flow: channel.cut(flow) if flow.end_s == inf else None)
        Later(env, start_s, lambda _, flow=flow, amount=amount: channel.enter(flow, amount, env.now))
    env.run()
    return [flow.end_s for flow in flows]
