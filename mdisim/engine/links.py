"""The output side of a device and what it sends over: one FIFO of what waits, links, and shared channels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simpy import Environment

from mdisim import world
from mdisim.engine.job import UNANSWERED, Job
from mdisim.engine.later import Later
from mdisim.policies.views import NOBODY

if TYPE_CHECKING:
    from mdisim.engine.node import Node


class Channel:
    """What some links share: one transmission at a time, first come first served."""

    def __init__(self) -> None:
        self.busy = False
        self.line: deque[tuple[Link, Job]] = deque()

    def free(self) -> None:
        """A transmission has ended: begin the next that waits."""
        if self.line:
            link, job = self.line.popleft()
            link.begin(job, link.env.now)
        else:
            self.busy = False


class Link:
    """A directed link: transmission takes its turn on the channel, latency follows and occupies nothing."""

    def __init__(self, env: Environment, spec: world.Link, channel: Channel, delay_weight: float) -> None:
        self.env, self.spec, self.channel, self.delay_weight = env, spec, channel, delay_weight
        self.rate, self.latency_s = spec.rate, spec.latency_s
        self.joule_per_byte = spec.nj_per_bit * 8e-9
        self.output: Output
        self.receiver: Node
        self.waiting: deque[Job] = deque()
        self.sending = self.transmitting = False
        self.busy_s = self.bytes = 0.0
        self.transfers = 0
        self.started_s = 0.0
        self.delay_s = self.rate_bps = 0.0

    def expect(self, size_bytes: float) -> None:
        """Start the sender's own estimates from the unloaded link and a message of this size."""
        self.rate_bps = self.rate.mean_bps()
        self.delay_s = 8.0 * size_bytes / self.rate_bps + self.latency_s

    def send(self, job: Job) -> None:
        """Take the message's turn on the channel."""
        job.granted_s = now = self.env.now
        self.sending = True
        if self.channel.busy:
            self.channel.line.append((self, job))
        else:
            self.channel.busy = True
            self.begin(job, now)

    def begin(self, job: Job, now: float) -> None:
        """Transmit."""
        self.transmitting = True
        self.started_s = now
        Later(self.env, self.rate.finish_s(now, job.size_bytes) - now, self._sent, job)

    def _sent(self, event: Any) -> None:
        job: Job = event.job
        size_bytes = job.size_bytes
        seconds = self.env.now - self.started_s
        self.busy_s += seconds
        self.bytes += size_bytes
        self.transfers += 1
        job.bytes_sent += size_bytes
        job.hops += 1
        job.energy_j += size_bytes * self.joule_per_byte
        if job.exit == UNANSWERED:
            job.cost += self.spec.offload_cost
            if seconds > 0.0:
                self.rate_bps += self.delay_weight * (8.0 * size_bytes / seconds - self.rate_bps)
        self.sending = self.transmitting = False
        self.channel.free()
        self.output.sent(self)
        if self.latency_s:
            Later(self.env, self.latency_s, self._arrived, job)
        else:
            self._arrived(event)

    def _arrived(self, event: Any) -> None:
        job: Job = event.job
        now = self.env.now
        job.transfer_s += now - job.since_s
        job.since_s = now
        if job.exit == UNANSWERED:
            self.delay_s += self.delay_weight * (now - job.granted_s - self.delay_s)
        self.receiver.receive(job)

    def busy_until_now_s(self) -> float:
        """Seconds of transmission so far, the running one included."""
        return self.busy_s + (self.env.now - self.started_s if self.transmitting else 0.0)


class Output:
    """One FIFO of what waits to be sent: messages for a named device, and offered tasks.

    One sender per device, or per link. The head alone is looked at: an offered task there goes as soon as
    the rule names a peer, and what stands behind it waits.
    """

    def __init__(
        self,
        env: Environment,
        links: dict[int, Link],
        next_hop: list[int],
        per_link: bool,
        retry_s: float,
    ) -> None:
        self.env, self.links, self.next_hop = env, links, next_hop
        self.ways = [links.get(hop) for hop in next_hop]
        self.per_link, self.retry_s = per_link, retry_s
        for link in links.values():
            link.output = self
        self.line: deque[Job] = deque()
        self.sending = False
        self.at_ports = 0
        self.ask: Callable[[Job], int]
        self._retrying = False

    def __len__(self) -> int:
        """O_n: what waits, not what is being sent."""
        return len(self.line) + self.at_ports

    def send(self, job: Job, target: int, size_bytes: float) -> None:
        """Queue a message for a named device."""
        job.target = target
        job.size_bytes = size_bytes
        if self.line or self.sending:
            self.line.append(job)
        else:
            self._transmit(job)

    def offer(self, job: Job, size_bytes: float) -> None:
        """Queue a task for whichever peer the rule will name."""
        job.target = NOBODY
        job.size_bytes = size_bytes
        self.line.append(job)
        if len(self.line) == 1:
            self.advance()

    def advance(self) -> None:
        """Send from the head for as long as a sender is free and the head may go."""
        while self.line and not self.sending:
            job = self.line[0]
            if job.target == NOBODY:
                job.target = self.ask(job)
                if job.target == NOBODY:
                    self._retry_later()
                    return
            self.line.popleft()
            self._transmit(job)

    def sent(self, link: Link) -> None:
        """A transmission has ended: its sender is free."""
        if not self.per_link:
            self.sending = False
            if self.line:
                self.advance()
        elif link.waiting:
            self.at_ports -= 1
            link.send(link.waiting.popleft())

    def take_back(self, holds: tuple[bool, ...]) -> Job | None:
        """The first offered task whose stage this device holds leaves the line again, if there is one."""
        for position, job in enumerate(self.line):
            if job.target == NOBODY and holds[job.stage]:
                del self.line[position]
                return job
        return None

    def _transmit(self, job: Job) -> None:
        link = self.ways[job.target]
        assert link is not None  # who names a device has seen that a route leads there
        if not self.per_link:
            self.sending = True
            link.send(job)
        elif link.sending:
            link.waiting.append(job)
            self.at_ports += 1
        else:
            link.send(job)

    def _retry_later(self) -> None:
        if not self._retrying:
            self._retrying = True
            Later(self.env, self.retry_s, self._retry)

    def _retry(self, _: Later) -> None:
        self._retrying = False
        self.advance()
