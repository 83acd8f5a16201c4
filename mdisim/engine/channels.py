"""What links share. In turns: one transmission at a time, first come first served. Fairly: all at once, at equal
shares, exact by virtual time over the integral of the rate, with no event where the rate changes.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol

from simpy import Environment

from mdisim.engine.later import Later
from mdisim.world import Rate

if TYPE_CHECKING:
    from mdisim.engine.links import Link


class Channel(Protocol):
    """Lets the transmissions of some links happen; a link has one at a time."""

    def enter(self, link: Link, bits: float, now: float) -> None:
        """Let a link transmit, now or when it is its turn."""

    def cut(self, link: Link) -> None:
        """Take a link's transmission out, whether it has begun or not."""

    def air_s(self, link: Link) -> float:
        """Seconds of the channel that a transmission over this link would have had from 0 until now.

        While nothing can move, as in an outage of a trace, no channel is used.
        """


class InTurns:
    """One transmission at a time."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.line: deque[tuple[Link, float]] = deque()
        self.link: Link | None = None
        self.event: Later | None = None

    def enter(self, link: Link, bits: float, now: float) -> None:
        """Begin, or stand in line."""
        if self.link is None:
            self._begin(link, bits, now)
        else:
            self.line.append((link, bits))

    def _begin(self, link: Link, bits: float, now: float) -> None:
        self.link = link
        link.begin(now, link.rate.moving_s(now))
        self.event = Later(self.env, link.rate.finish_s(now, bits), self._ended, link.job)

    def _ended(self, event: Any) -> None:
        link = self.link
        if event is self.event and link is not None:
            now = self.env.now
            self._next(now)
            link.sent(event, now, link.rate.moving_s(now))

    def _next(self, now: float) -> None:
        self.link = self.event = None
        if self.line:
            link, bits = self.line.popleft()
            self._begin(link, bits, now)

    def cut(self, link: Link) -> None:
        """Take it out of the line, or end it and begin the next."""
        if link is self.link:
            self._next(self.env.now)
        else:
            self.line = deque(one for one in self.line if one[0] is not link)

    def air_s(self, link: Link) -> float:
        """The time in which the link's rate is above 0: who transmits has the channel alone."""
        return link.rate.moving_s(self.env.now)


class Fair:
    """All at once: each of n transmissions moves at an n-th of its link's rate.

    Virtual time is the bits that one transmission has moved since 0. The links follow one rate, or each its
    own constant one, so that each has an equal share of the channel's time.
    """

    def __init__(self, env: Environment, rate: Rate) -> None:
        self.env, self.rate, self.mean_bps = env, rate, rate.mean_bps()
        self.flows: list[tuple[float, int, Link]] = []
        self.number = 0
        self.virtual_bits = self.virtual_s = 0.0
        self.since_s = 0.0
        self.event: Later | None = None

    def _advance(self, now: float) -> None:
        """Let virtual time pass until now."""
        if self.flows and now > self.since_s:
            n = len(self.flows)
            self.virtual_bits += (self.rate.bits(now) - self.rate.bits(self.since_s)) / n
            self.virtual_s += (self.rate.moving_s(now) - self.rate.moving_s(self.since_s)) / n
        self.since_s = now

    def _plan(self, now: float) -> None:
        """Expect the next end; an end that was expected before is void."""
        self.event = None
        if self.flows:
            until_bits, _, link = self.flows[0]
            left = max(0.0, until_bits - self.virtual_bits) * len(self.flows)
            self.event = Later(self.env, self.rate.finish_s(now, left), self._ended, link.job)

    def enter(self, link: Link, bits: float, now: float) -> None:
        """Begin at once."""
        self._advance(now)
        if not self.flows:
            self.virtual_bits = 0.0
        self.number += 1
        needs = bits * (self.mean_bps / link.rate.mean_bps())
        heappush(self.flows, (self.virtual_bits + needs, self.number, link))
        link.begin(now, self.virtual_s)
        self._plan(now)

    def _ended(self, event: Any) -> None:
        if event is not self.event:
            return
        now = self.env.now
        self._advance(now)
        self.virtual_bits, _, link = heappop(self.flows)
        self._plan(now)
        link.sent(event, now, self.virtual_s)

    def cut(self, link: Link) -> None:
        """End it; the others have more."""
        now = self.env.now
        self._advance(now)
        self.flows = [flow for flow in self.flows if flow[2] is not link]
        heapify(self.flows)
        self._plan(now)

    def air_s(self, link: Link) -> float:
        """The share of the time that one transmission has had."""
        self._advance(self.env.now)
        return self.virtual_s
