"""One run: wire devices, links and sources on a SimPy environment, and let time pass.

The ticks are these and no others: gossip (what devices tell their neighbours), control (where a policy turns
knobs; without such a policy, a few hundred observations for the timeline) and retry, which lives in the output
queues and runs only while something is offered there.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import numpy as np
from simpy import Environment

from mdisim.engine.breakdowns import Breakdowns, drawn, speeds
from mdisim.engine.channels import Channel, Fair, InTurns
from mdisim.engine.clock import run_until, run_while
from mdisim.engine.fragile import FragileNode
from mdisim.engine.job import Job, Log, Status
from mdisim.engine.later import Later
from mdisim.engine.links import Link, Output
from mdisim.engine.lookup import Tables
from mdisim.engine.node import Node, RuleError
from mdisim.engine.recorder import Recorder
from mdisim.engine.source import Source
from mdisim.engine.streams import feeds, stream
from mdisim.errors import InputError
from mdisim.limits import EVENTS_AT_ONCE
from mdisim.policies.fit import need_exits
from mdisim.policies.policy import Policy
from mdisim.policies.views import Load
from mdisim.world import World

OBSERVATIONS = 500  # lines of the timeline per device where nothing is controlled
ALWAYS_FRESH = 0.0
EVENTS_PER_SAMPLE = 100  # at one instant, of each that a closed loop holds: stages and links that take no time


class Totals(NamedTuple):
    """What devices [D] and links [L] have done up to an instant."""

    busy_s: list[float]
    link_busy_s: list[float]
    link_bytes: list[float]
    link_transfers: list[int]


class Simulation:
    """The model of one run. Nothing of it outlives the run, and nothing is shared with another."""

    def __init__(
        self, world: World, policy: Policy, seed: int, progress: Callable[[float], None], record: bool = False
    ) -> None:
        self.world, self.policy, self.progress = world, policy, progress
        self._check_plan()
        self.env = env = Environment()
        self.log = Log()
        self.live: dict[Job, None] = {}
        tables = Tables(world, policy)
        self.outputs = tables.outputs
        self.seed = seed
        self.links = self._links()
        kind = FragileNode if world.faults else Node
        rngs = [stream(seed, "decisions", device.name) for device in world.devices]
        self.nodes = [
            kind(env, d, world, policy, tables, self._output(d), rng, self.end, self._restart)
            for d, rng in enumerate(rngs)
        ]
        self.breakdowns = self._breakdowns() if world.faults else None
        for link in self.links:
            link.receiver = self.nodes[link.spec.target]
        self.sources = [
            Source(env, world, policy, self.nodes[world.sources[s].device], feed, s, self.live, self.end)
            for s, feed in enumerate(feeds(world, seed))
        ]
        self.recorder = Recorder(self) if record else None
        everywhere = policy.controls == "all"
        self.controlled = {d for d, node in enumerate(self.nodes) if everywhere or d in node.sources}
        self.before = self.totals()
        self.after = self.before
        self.counted = [(0.0, 0, 0, 0)] * len(self.nodes)

    def _check_plan(self) -> None:
        try:
            need_exits(self.policy, self.world.n_exits)
        except InputError as error:
            raise RuleError(str(error)) from None

    def _links(self) -> list[Link]:
        world, channels = self.world, dict[int, Channel]()
        for spec in world.links:
            if spec.channel not in channels:
                fair = world.sharing == "fair"
                channels[spec.channel] = Fair(self.env, spec.rate) if fair else InTurns(self.env)
        return [
            Link(self.env, spec, channels[spec.channel], world.packing, self._packets_lost) for spec in world.links
        ]

    def _packets_lost(self, job: Job, packets: int, loss: float) -> int:
        """How many packets of a transfer are lost before all have arrived; the same whatever else happens."""
        rng = self.sources[job.source].feed.stream("loss", job.index, job.hops, job.attempt)
        return int(rng.negative_binomial(packets, 1.0 - loss))

    def _breakdowns(self) -> Breakdowns:
        schedule = drawn(self.world, self.seed)
        for node, speed in zip(self.nodes, speeds(self.world, schedule), strict=True):
            node.speed = speed
        return Breakdowns(self, schedule)

    def _output(self, d: int) -> Output:
        world = self.world
        cuts = world.out_bytes[1:-1] if world.n_exits > 1 else world.out_bytes[:1]
        links = {link.spec.target: link for link in self.links if link.spec.source == d}
        for link in links.values():
            link.expect(float(np.mean(cuts)), self.policy.signals)
        per_link = world.sender == "link"
        return Output(self.env, links, world.next_hop[d].tolist(), per_link, self.policy.signals.retry_s)

    # --- the life of a sample

    def end(self, job: Job, status: Status) -> None:
        """A sample ends, once."""
        del self.live[job]
        self.log.end(job, status, self.env.now)
        self.sources[job.source].ended(job, status)

    def _restart(self, job: Job) -> None:
        """From stage 0 again; what the exits so far have said is known, and they are not asked twice."""
        job.passed = max(job.passed, job.stage)
        job.stage = 0
        self.anew(job)

    def anew(self, job: Job) -> None:
        """A task is tried again: with other factors on its service times."""
        job.attempt += 1
        job.factors = self.sources[job.source].feed.factors_again(job.index, job.attempt)

    # --- time

    def run(self) -> None:
        """Let time pass until the end of the window, or until all samples have ended."""
        window, policy = self.world.window, self.policy
        if self.breakdowns is not None:
            self.breakdowns.start()
        for source in self.sources:
            source.start()
        if policy.where or policy.sends or policy.picks or policy.signals.announce == "gossip":
            self._every(policy.signals.gossip_s, self._gossip)
        self._every(self.control_s, self._control)
        if window.warmup_s > 0.0:
            Later(self.env, window.warmup_s, self._warm)
        most = EVENTS_AT_ONCE + EVENTS_PER_SAMPLE * sum(s.arrivals.population for s in self.world.sources)
        run_until(self.env, window.duration_s, most)
        self.after = self.totals()
        if window.drain:
            run_while(self.env, lambda: bool(self.live) and self.env.peek() <= window.end_s, most)
        for job in self.live:
            self.log.end(job, Status.IN_FLIGHT, float("nan"))

    @property
    def control_s(self) -> float:
        """The control period; where nothing is controlled, that of looking on."""
        if self.policy.turns is None:
            return self.world.window.duration_s / OBSERVATIONS
        return self.policy.signals.control_s

    def _every(self, period_s: float, act: Callable[[], None]) -> None:
        """Do it at every multiple of the period, after 0; running sums would drift away from these."""
        numbers = count(1)

        def expect() -> None:
            Later(self.env, next(numbers) * period_s, tick)

        def tick(_: Later) -> None:
            act()
            expect()

        if period_s > ALWAYS_FRESH:
            expect()

    def _warm(self, _: Later) -> None:
        self.before = self.totals()

    def totals(self) -> Totals:
        """What devices and links have done so far."""
        return Totals(
            busy_s=[node.busy_until_now_s() for node in self.nodes],
            link_busy_s=[link.busy_until_now_s() for link in self.links],
            link_bytes=[link.bytes for link in self.links],
            link_transfers=[link.transfers for link in self.links],
        )

    def _gossip(self) -> None:
        """Every device tells its neighbours of its queues; what waits to be offered is asked about again."""
        told = [node.tell() for node in self.nodes]
        stamps = [source.node.stamps for source in self.sources]
        for node in self.nodes:
            node.hear(told)
            node.learn(stamps)
        for node in self.nodes:
            node.output.advance()

    def _control(self) -> None:
        """Turn the knobs of every device that has a controller, and write a line of the timeline for each."""
        self.progress(self.env.now)
        for node in self.nodes:
            load = self._load(node)
            if self.policy.turns is not None and node.number in self.controlled and not node.away:
                seen = load._replace(peers=node.everyone())
                node.turn(self.policy.turns.turns(seen, node.knobs, node.rng))
            self._observe(node, load)
        if self.policy.signals.gossip_s == ALWAYS_FRESH:
            self._announce()

    def _announce(self) -> None:
        """Where news is always fresh, every device knows the thresholds of every source at once."""
        stamps = [source.node.stamps for source in self.sources]
        for node in self.nodes:
            node.learn(stamps)

    def _load(self, node: Node) -> Load:
        _, offered, admitted, answered = self.counted[node.number]
        here = node.here(0)
        return Load(
            node.number, here.queue, here.busy, here.out_queue, here.service_s, here.backlog_s, here.cores,
            node.offered - offered, node.admitted - admitted, node.answered - answered, self.control_s, (),
        )  # fmt: skip

    def _observe(self, node: Node, load: Load) -> None:
        busy_s = node.busy_until_now_s()
        used = (busy_s - self.counted[node.number][0]) / (self.control_s * node.cores)
        self.counted[node.number] = (busy_s, node.offered, node.admitted, node.answered)
        threshold = gap_s = float("nan")
        if node.number in self.controlled:
            gap_s = node.knobs.gap_s
            row = self.policy.plan[node.knobs.row]
            threshold = row.stamped(node.knobs.thresholds)[0] if len(node.stage_s) > 1 else threshold
        self.log.timeline.extend(
            (
                self.env.now, node.number, load.queue, load.busy, load.out_queue, used, load.service_s,
                load.offered, load.admitted, load.answered, threshold, gap_s,
            )
        )  # fmt: skip
