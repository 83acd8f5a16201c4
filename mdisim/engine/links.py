"""The output side of a device: one FIFO of what waits, and the links that it is sent over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any

from simpy import Environment

from mdisim import world
from mdisim.engine.channels import Channel
from mdisim.engine.estimates import of_delay, of_rate
from mdisim.engine.job import UNANSWERED, Job
from mdisim.engine.later import Later
from mdisim.policies.policy import Signals
from mdisim.policies.views import NOBODY
from mdisim.world import Packing

if TYPE_CHECKING:
    from mdisim.engine.node import Node

Losses = Callable[[Job, int, float], int]
Void = Callable[[Job, "Link"], None]
TINY = 1.0  # bytes: what a first measurement sends where messages have no size


class Link:
    """A directed link: packing, the channel, and then latency, which occupies nothing.

    Where `plain` a message is its tensor: nothing is packed, lost or sent again, and latency is constant.
    """

    def __init__(
        self, env: Environment, spec: world.Link, channel: Channel, packing: Packing, losses: Losses
    ) -> None:
        self.env, self.spec, self.channel, self.packing, self.losses = env, spec, channel, packing, losses
        self.rate, self.latency_s, self.conditions = spec.rate, spec.latency_s, spec.conditions
        self.plain = packing == Packing() and not spec.loss and spec.conditions is None
        self.joule_per_byte = spec.nj_per_bit * 8e-9
        self.output: Output
        self.receiver: Node
        self.void: Void
        self.waiting: deque[Job] = deque()
        self.job: Job | None = None
        self.packs: Later | None = None
        self.transmitting = False
        self.up = True
        self.busy_s = self.bytes = 0.0
        self.transfers = 0
        self.started_s = self.started_air_s = 0.0
        self.delay_s = self.rate_bps = 0.0

    def expect(self, size_bytes: float, signals: Signals) -> None:
        """Begin the sender's own estimates as if a message of this size had been sent alone at time 0."""
        bits = 8.0 * (size_bytes or TINY)
        self.rate_bps = self.rate.rate_at(0.0)
        if not self.rate_bps:
            taken_s = self.rate.finish_s(0.0, bits)
            self.rate_bps = bits / taken_s if isfinite(taken_s) else self.rate.mean_bps() or 1.0
        self.delay_s = 8.0 * size_bytes / self.rate_bps + self.latency_s
        self.see_rate = of_rate(signals, self.rate_bps)
        self.see_delay = of_delay(signals, self.delay_s)

    def send(self, job: Job) -> None:
        """Pack the message where it begins its way, then take its turn on the channel."""
        job.granted_s = now = self.env.now
        self.job = job
        if self.plain:
            job.wire_bytes = job.size_bytes
        else:
            job.wire_bytes = self._wire_bytes(job)
            pack_s = self._pack_s(job)
            if pack_s:
                self.packs = Later(self.env, pack_s, self._packed, job)
                return
        self.channel.enter(self, 8.0 * job.wire_bytes, now)

    def _packed(self, event: Any) -> None:
        job: Job = event.job
        if event is self.packs:
            self.channel.enter(self, 8.0 * job.wire_bytes, self.env.now)

    def _wire_bytes(self, job: Job) -> float:
        """The bytes of a message with its header, and of all that is lost on the way and sent again."""
        bytes_ = job.size_bytes + self.packing.overhead_bytes
        loss = self.spec.loss
        if self.conditions is not None:
            loss = 1.0 - (1.0 - loss) * (1.0 - self.conditions.loss_at(self.env.now))
        if not loss:
            return bytes_
        packets = max(1, ceil(bytes_ / self.spec.packet_bytes))
        return bytes_ * (1.0 + self.losses(job, packets, loss) / packets)

    def _pack_s(self, job: Job) -> float:
        packing = self.packing
        if job.origin != self.spec.source:
            return 0.0
        encode_s = packing.encode_s[job.stage] if packing.encode_s and job.exit == UNANSWERED else 0.0
        return packing.serialise_s + 8.0 * job.size_bytes / packing.serialise_bps + encode_s

    def _after_s(self, job: Job) -> float:
        """From the end of transmission until the receiver has the tensor."""
        packing, after_s = self.packing, self.latency_s
        if self.conditions is not None:
            after_s += self.conditions.latency_at(self.env.now)
        if job.target == self.spec.target:
            after_s += packing.serialise_s + 8.0 * job.size_bytes / packing.serialise_bps
            if packing.decode_s and job.exit == UNANSWERED:
                after_s += packing.decode_s[job.stage]
        return after_s

    def begin(self, now: float, air_s: float) -> None:
        """The channel begins to transmit."""
        self.transmitting = True
        self.started_s = now
        self.started_air_s = air_s

    def sent(self, event: Any, now: float, air_s: float) -> None:
        """The channel has transmitted; `air_s` is its time as one transmission has it."""
        job: Job = event.job
        bytes_ = job.wire_bytes
        seconds = now - self.started_s
        self.busy_s += air_s - self.started_air_s
        self.bytes += bytes_
        self.transfers += 1
        job.bytes_sent += bytes_
        job.hops += 1
        job.energy_j += bytes_ * self.joule_per_byte
        if job.exit == UNANSWERED:
            job.cost += self.spec.offload_cost
            if seconds > 0.0 and job.size_bytes:
                self.rate_bps = self.see_rate(8.0 * job.size_bytes / seconds)
        self.job = None
        self.transmitting = False
        self.output.sent(self)
        if not self.up:
            self.void(job, self)
            return
        after_s = self.latency_s if self.plain else self._after_s(job)
        if after_s:
            Later(self.env, after_s, self._arrived, job)
        else:
            self._arrived(event)

    def _arrived(self, event: Any) -> None:
        job: Job = event.job
        if not self.up:
            self.void(job, self)
            return
        now = self.env.now
        job.transfer_s += now - job.since_s
        job.since_s = now
        if job.exit == UNANSWERED and not self.receiver.away:
            self.delay_s = self.see_delay(now - job.granted_s)
        self.receiver.receive(job)

    def cut(self) -> Job | None:
        """End what is being sent over this link, if anything is, and return it; what was transmitted counts."""
        job = self.job
        if job is None:
            return None
        if self.transmitting:
            self.busy_s += self.channel.air_s() - self.started_air_s
        self.channel.cut(self)
        self.job = self.packs = None
        self.transmitting = False
        return job

    def busy_until_now_s(self) -> float:
        """Seconds of the channel used so far, the running transmission included."""
        return self.busy_s + (self.channel.air_s() - self.started_air_s if self.transmitting else 0.0)


class Output:
    """One FIFO of what waits to be sent: messages for a named device, and offered tasks.

    One sender per device, or per link. The head alone is looked at: an offered task there goes as soon as
    the rule names a peer, and what stands behind it waits. What has no way, as far as the device knows, is
    handed to `stuck`, and blocks nobody: links known to be dead are `closed`.
    """

    def __init__(
        self,
        env: Environment,
        links: dict[int, Link],
        next_hop: list[int],
        per_link: bool,
        retry_s: float,
    ) -> None:
        self.env, self.links = env, links
        self.route(next_hop)
        self.per_link, self.retry_s = per_link, retry_s
        for link in links.values():
            link.output = self
        self.line: deque[Job] = deque()
        self.sending = False
        self.at_ports = 0
        self.ask: Callable[[Job], int]
        self.stuck: Callable[[Job], None]
        self.closed: frozenset[Link] = frozenset()
        self._retrying = False

    def route(self, next_hop: list[int]) -> None:
        """Lay the ways: the neighbour towards each device."""
        self.next_hop = next_hop
        self.ways = [self.links.get(hop) for hop in next_hop]

    def __len__(self) -> int:
        """O_n: what waits, not what is being sent, nor what has no way."""
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
            return
        while link.waiting and link.job is None:
            self.at_ports -= 1
            self._transmit(link.waiting.popleft())

    def take_back(self, holds: tuple[bool, ...]) -> Job | None:
        """The first offered task whose stage this device holds leaves the line again, if there is one."""
        for position, job in enumerate(self.line):
            if job.target == NOBODY and holds[job.stage]:
                del self.line[position]
                return job
        return None

    def _transmit(self, job: Job) -> None:
        link = self.ways[job.target]
        if link is None or link in self.closed:
            self.stuck(job)
        elif not self.per_link:
            self.sending = True
            link.send(job)
        elif link.job is not None:
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
