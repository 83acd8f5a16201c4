"""The output side of a device: its senders, what waits for them, and the links that it is sent over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import chain
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
        self.port: Port
        self.receiver: Node
        self.void: Void
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
                self.packs = Later(self.env, now + pack_s, self._packed, job)
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
            Later(self.env, now + after_s, self._arrived, job)
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
            self.busy_s += self.channel.air_s(self) - self.started_air_s
        self.channel.cut(self)
        self.job = self.packs = None
        self.transmitting = False
        return job

    def busy_until_now_s(self) -> float:
        """Seconds of the channel used so far, the running transmission included."""
        return self.busy_s + (self.channel.air_s(self) - self.started_air_s if self.transmitting else 0.0)


class Port:
    """One sender of a device: it sends one message at a time, and messages for a named device wait for it."""

    __slots__ = ("busy", "line")

    def __init__(self) -> None:
        self.busy = False
        self.line: deque[Job] = deque()


class Output:
    """The output side of a device: its senders, what waits for them, and what is offered.

    One sender per device, or one per link. Two kinds of work wait: messages for a named device, first come first
    served at their sender, and offered tasks, of which the first alone is looked at. A free sender takes
    whichever came first; a message passes an offered task that no neighbour takes now. A task is granted only
    over a free sender. A message without a way, as far as the device knows, goes to `stuck` and blocks nothing:
    links known to be dead are `closed`.
    """

    def __init__(
        self,
        env: Environment,
        links: dict[int, Link],
        next_hop: list[int],
        per_link: bool,
        retry_s: float,
    ) -> None:
        self.env, self.links, self.retry_s = env, links, retry_s
        self.ports = [Port() for _ in links] if per_link else [Port()]
        for number, link in enumerate(links.values()):
            link.output = self
            link.port = self.ports[number if per_link else 0]
        self.route(next_hop)
        self.offered: deque[Job] = deque()
        self.named_tasks = 0
        self.joined = 0
        self.ask: Callable[[Job], int]
        self.stuck: Callable[[Job], None]
        self.closed: frozenset[Link] = frozenset()
        self._retrying = False

    def route(self, next_hop: list[int]) -> None:
        """Lay the ways: the neighbour towards each device."""
        self.next_hop = next_hop
        self.ways = [self.links.get(hop) for hop in next_hop]

    def __len__(self) -> int:
        """O_n: the tasks that wait; no labels, nothing that is being sent, nothing without a way."""
        return len(self.offered) + self.named_tasks

    def is_free(self, target: int) -> bool:
        """Whether the sender towards a device is free."""
        link = self.ways[target]
        return link is None or not link.port.busy

    def send(self, job: Job, target: int, size_bytes: float) -> None:
        """Send a message to a named device, or queue it while the sender is busy."""
        job.target = target
        job.size_bytes = size_bytes
        self._send(job)

    def offer(self, job: Job, size_bytes: float) -> None:
        """Queue a task for whichever peer the rule will name."""
        job.target = NOBODY
        job.size_bytes = size_bytes
        self._join(job)
        self.offered.append(job)
        if len(self.offered) == 1:
            self.advance()

    def _join(self, job: Job) -> None:
        self.joined += 1
        job.order = self.joined

    def _send(self, job: Job) -> None:
        link = self.ways[job.target]
        if link is None or link in self.closed:
            self.stuck(job)
        elif link.port.busy:
            self._join(job)
            link.port.line.append(job)
            self.named_tasks += job.exit == UNANSWERED
        else:
            link.port.busy = True
            link.send(job)

    def advance(self) -> None:
        """Grant offered tasks for as long as a sender is free and the rule names a peer for the first of them."""
        while self.offered and self._one_is_free() and self._grant():
            pass

    def _one_is_free(self) -> bool:
        for port in self.ports:  # noqa: SIM110 (three times as quick as any() on the usual single sender)
            if not port.busy:
                return True
        return False

    def _grant(self) -> bool:
        """Whether the first offered task goes now."""
        job = self.offered[0]
        target = self.ask(job)
        if target == NOBODY:
            self._retry_later()
            return False
        self.offered.popleft()
        job.target = target
        self._send(job)
        return True

    def sent(self, link: Link) -> None:
        """A transmission has ended: its sender takes what came first."""
        port = link.port
        port.busy = False
        while port.line and not port.busy:
            if self.offered and self.offered[0].order < port.line[0].order and self._grant():
                continue
            job = port.line.popleft()
            self.named_tasks -= job.exit == UNANSWERED
            self._send(job)
        if self.offered:
            self.advance()

    def take_back(self, holds: tuple[bool, ...]) -> Job | None:
        """The first offered task whose stage this device holds leaves the line again, if there is one."""
        for position, job in enumerate(self.offered):
            if holds[job.stage]:
                del self.offered[position]
                return job
        return None

    def clear(self) -> list[Job]:
        """Give up all that waits, in the order in which it came, and free every sender."""
        waiting = sorted([*self.offered, *chain(*(port.line for port in self.ports))], key=lambda job: job.order)
        self.offered.clear()
        for port in self.ports:
            port.line.clear()
            port.busy = False
        self.named_tasks = 0
        return waiting

    def _retry_later(self) -> None:
        if not self._retrying:
            self._retrying = True
            Later(self.env, self.env.now + self.retry_s, self._retry)

    def _retry(self, _: Later) -> None:
        self._retrying = False
        self.advance()
