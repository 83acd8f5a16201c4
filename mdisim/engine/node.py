"""A device at work: one input queue, its cores, and what becomes of a task when a stage has run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isnan, nextafter
from numbers import Real
from typing import Any

from numpy import integer
from numpy.random import Generator
from simpy import Environment

from mdisim.engine.job import UNANSWERED, Job, Status
from mdisim.engine.later import Later
from mdisim.engine.links import Link, Output
from mdisim.engine.lookup import Tables
from mdisim.errors import RunError
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy
from mdisim.policies.views import CONTINUE, FREE, INPUT, NOBODY, OFFER, Here, Knobs, Peer, Place, Task
from mdisim.world import UNREACHABLE, World, service_s

NUMBERS = (int, integer)


class RuleError(RunError):
    """A rule answered something that the world cannot do."""


@dataclass
class News:
    """What a device last told of itself."""

    queue: int
    busy: int
    out_queue: int
    service_s: float
    backlog_s: float


class Node:
    """A device: first come first served on each core, without preemption."""

    def __init__(
        self,
        env: Environment,
        number: int,
        world: World,
        policy: Policy,
        tables: Tables,
        output: Output,
        rng: Generator,
        end: Callable[[Job, Status], None],
        restart: Callable[[Job], None],
    ) -> None:
        spec = world.devices[number]
        self.env, self.number, self.spec, self.policy, self.tables = env, number, spec, policy, tables
        self.output, self.rng, self.end, self.restart = output, rng, end, restart
        output.ask = self.ask
        self.scores = [tables.scores_at(row, number) for row in policy.plan]
        self.work = tables.work
        self.line: deque[Job] = deque()
        self.cores = self.idle = spec.cores
        self.limit, self.busy_w, self.speed = spec.queue_limit, spec.busy_w, spec.speed
        self.away = False
        self.holds = tables.holds[number]
        self.planned = [[self._planned(device) for device in row.placement] for row in policy.plan]
        self.reach = [self._holders(stage) for stage in range(world.n_exits)]
        self.back = {d for d, hop in enumerate(output.next_hop) if hop != UNREACHABLE}
        self.conserving, self.label_bytes = world.work_conserving, world.label_bytes
        self.stage_s = [float(s) for s in world.stage_s[number]]
        self.head_s = [self._heads_s(row, [float(h) for h in world.head_s[number]]) for row in policy.plan]
        self.stage_cost = [float(cost) for cost in world.stage_cost[number]]
        self.sources = [source.device for source in world.sources]
        self.told = [self._stamped(policy.knobs)] * len(self.sources)
        self.turn(policy.knobs)
        self.by_gossip = policy.signals.announce == "gossip"
        self.fresh = policy.signals.gossip_s == 0.0
        self.service_weight = policy.signals.service_weight
        self.service_s = sum(self.stage_s) / len(self.stage_s)
        self.backlog_s = 0.0
        self.news = {number: News(0, 0, 0, float(world.stage_s[number].mean()), 0.0) for number in output.links}
        self.busy_s = self.started_s = 0.0
        self.offered = self.admitted = self.answered = 0

    def _heads_s(self, row: Row, head_s: list[float]) -> list[float]:
        """What each exit takes here, [K]; nothing where it is not evaluated."""
        heads = row.evaluated_at(self.number)
        return [seconds if head else 0.0 for seconds, head in zip(head_s, heads, strict=True)]

    def _planned(self, device: int) -> int:
        """Where a stage goes by plan; FREE where only a rule can say."""
        if device == self.number or (device == FREE and self.policy.where is None):
            return CONTINUE
        return device

    def _holders(self, stage: int) -> frozenset[int]:
        """The other devices that may run this stage and to which a route leads."""
        ways = enumerate(zip(self.tables.holds, self.output.next_hop, strict=True))
        return frozenset(d for d, (holds, hop) in ways if d != self.number and holds[stage] and hop != UNREACHABLE)

    # --- the input queue and the cores

    def take(self, job: Job) -> None:
        """A task, here since `job.since_s`, joins the input queue, or is dropped from a full one."""
        if self.idle and not self.line:
            self._serve(job, job.since_s)
        elif len(self.line) < self.limit:
            self.line.append(job)
            self.backlog_s += self.stage_s[job.stage]
        else:
            self.end(job, Status.QUEUE_FULL)

    def _serve(self, job: Job, now: float) -> Later:
        job.wait_s += now - job.since_s
        k = job.stage
        work = self.work
        seconds = service_s(
            self.stage_s[k],
            1.0 if work is None else work[k][job.sample],
            1.0 if job.factors is None else job.factors[k],
            self.head_s[job.row][k] if k >= job.passed else 0.0,
        )
        due_s = now + seconds
        if self.speed is not None:
            due_s = self.speed.finish_s(now, seconds)
            seconds = due_s - now
        job.seconds = seconds
        self.idle -= 1
        self.started_s += now
        return Later(self.env, due_s, self._served, job)

    def _served(self, event: Any) -> None:
        job: Job = event.job
        job.since_s = now = self.env.now
        seconds = job.seconds
        k = job.stage
        self.idle += 1
        self.started_s -= now - seconds
        self.busy_s += seconds
        self.service_s += self.service_weight * (seconds - self.service_s)
        job.compute_s += seconds
        job.energy_j += seconds * self.busy_w
        job.cost += self.stage_cost[k]
        job.score = score = self.scores[job.row][k][job.sample]
        wanted = self.told[job.source][job.row] if self.by_gossip else job.thresholds
        if score >= wanted[k]:
            self._answer(job, k)
        else:
            job.stage = k + 1
            self.place(job, running=True)
        if self.line or self.output.offered:
            self.wake()

    def wake(self) -> None:
        """Idle cores take what waits here; with nothing left, what was offered and not yet sent."""
        while self.idle and self.line:
            job = self.line.popleft()
            self.backlog_s = self.backlog_s - self.stage_s[job.stage] if self.line else 0.0
            self._serve(job, self.env.now)
        if self.idle and self.conserving and self.output.offered:
            self._take_back()

    def _take_back(self) -> None:
        taken = False
        while self.idle and (job := self.output.take_back(self.holds)) is not None:
            taken = True
            self.withdrawn(job)
            self._serve(job, job.since_s)
        if taken:
            self.output.advance()

    def withdrawn(self, job: Job) -> None:
        """An offered task has left the output queue unsent: its time there is time on the way, not for a core."""
        now = self.env.now
        job.transfer_s += now - job.since_s
        job.since_s = now

    def busy_until_now_s(self) -> float:
        """Core-seconds of service so far, the running ones included."""
        running = self.cores - self.idle
        return self.busy_s + (running * self.env.now - self.started_s if running else 0.0)

    # --- what becomes of a task

    def _answer(self, job: Job, k: int) -> None:
        job.exit = k
        job.device = self.number
        source = self.sources[job.source]
        if source == self.number or not self.label_bytes:
            self.end(job, Status.ANSWERED)
        elif source not in self.back:
            raise RuleError(
                f"{self.policy.name} answers at {self.spec.name}, but no route leads back to device {source}: "
                "add a link, or set label_bytes to 0"
            )
        else:
            job.origin = self.number
            self.output.send(job, source, self.label_bytes)

    def place(self, job: Job, *, running: bool = False) -> None:
        """Send a task on its way: by its plan where there is one, else by the rule, else it stays."""
        planned = self.planned[job.row][job.stage]
        if planned != FREE:
            self._go(job, planned, running)
            return
        assert self.policy.where is not None
        here, peers = self.here(job.stage), self.peers(job.stage)
        answer = self.policy.where.where(here, peers, self.task(job), self.knobs, self.rng)
        if not isinstance(answer, Place):
            raise RuleError(f"{self.policy.name} answers {answer!r} where a Place is due, such as Place(CONTINUE)")
        if not isinstance(answer.device, NUMBERS) or answer.device < CONTINUE:
            raise RuleError(
                f"{self.policy.name} places a task at {answer.device!r}, neither a device's number, such as "
                "peer.device, nor an answer, such as OFFER"
            )
        if answer.payload == INPUT and job.stage > 0:
            self.restart(job)
        self._go(job, answer.device, running)

    def _go(self, job: Job, where: int, running: bool) -> None:
        job.origin = self.number
        if where >= 0 and where != self.number:
            if where not in self.reach[job.stage]:
                raise RuleError(self._why_not(where, job.stage))
            self.output.send(job, where, self.tables.bytes_at(job.stage, job.sample))
        elif where == OFFER:
            self.output.offer(job, self.tables.bytes_at(job.stage, job.sample))
        elif not self.holds[job.stage]:
            raise RuleError(f"{self.policy.name} keeps stage {job.stage + 1} at {self.spec.name}, which lacks it")
        elif where == CONTINUE and running:
            self._serve(job, job.since_s)
        else:
            self.take(job)

    def _why_not(self, where: int, stage: int) -> str:
        what = f"{self.policy.name} sends stage {stage + 1} from {self.spec.name} to device {where}"
        if not 0 <= where < len(self.tables.holds):
            return f"{what}; there are {len(self.tables.holds)}, counted from 0"
        return f"{what}, which lacks it" if not self.tables.holds[where][stage] else f"{what}: no route"

    def receive(self, job: Job) -> None:
        """A message has arrived, at `job.since_s`: pass it on, hand it over as an answer, or take the task."""
        if job.target != self.number:
            self.output.send(job, job.target, job.size_bytes)
        elif job.exit != UNANSWERED:
            self.end(job, Status.ANSWERED)
        else:
            self.take(job)

    # --- what rules see

    def task(self, job: Job) -> Task:
        """The task as a rule sees it."""
        return Task(
            job.row,
            job.stage,
            self.tables.bytes_at(job.stage, job.sample),
            self.tables.bytes_at(0, job.sample),
            self.env.now - job.born_s,
            self.sources[job.source],
            job.score,
            job.passed,
        )

    def here(self, stage: int) -> Here:
        """What this device knows of itself."""
        return Here(
            self.number,
            len(self.line),
            self.cores - self.idle,
            len(self.output),
            self.service_s,
            self.backlog_s,
            self.cores,
            self.holds[stage],
        )

    def peers(self, stage: int) -> tuple[Peer, ...]:
        """The neighbours that may run this stage, as last heard of, with this device's own measurements."""
        links = self.output.links.items()
        return tuple([self._peer(number, link) for number, link in links if link.receiver.holds[stage]])

    def everyone(self) -> tuple[Peer, ...]:
        """All neighbours, as last heard of, with this device's own measurements."""
        return tuple([self._peer(number, link) for number, link in self.output.links.items()])

    def _peer(self, number: int, link: Link) -> Peer:
        there = link.receiver
        news = self._news(number, there)
        return Peer(
            number, news.queue, news.busy, news.out_queue, news.service_s, news.backlog_s, there.cores,
            link.delay_s, link.rate_bps, link.latency_s,
        )  # fmt: skip

    def _news(self, number: int, there: Node) -> News:
        return there.tell() if self.fresh else self.news[number]

    def tell(self) -> News:
        """What this device would say of itself now."""
        return News(len(self.line), self.cores - self.idle, len(self.output), self.service_s, self.backlog_s)

    def hear(self, told: list[News]) -> None:
        """Take in what the neighbours said."""
        for number in self.news:
            self.news[number] = replace(told[number]) if self.policy.signals.optimistic else told[number]

    def learn(self, stamps: list[list[tuple[float, ...]]]) -> None:
        """Take in the thresholds that the sources announced."""
        self.told = list(stamps)

    def ask(self, job: Job) -> int:
        """Whether, and to whom, the first offered task goes; only peers with a free sender are shown."""
        rule = self.policy.sends
        if rule is None:
            raise RuleError(f"{self.policy.name} offers tasks but has no rule that sends them")
        peers = self.peers(job.stage)
        if len(self.output.ports) > 1:
            peers = tuple([peer for peer in peers if self.output.is_free(peer.device)])
        if not peers:
            return NOBODY
        chosen = rule.sends(self.here(job.stage), peers, self.task(job), self.rng)
        if chosen != NOBODY and chosen not in self.output.links:
            raise RuleError(f"{self.policy.name} sends to {chosen}, which is no neighbour of {self.spec.name}")
        if chosen != NOBODY and chosen not in self.reach[job.stage]:
            raise RuleError(self._why_not(chosen, job.stage))
        if chosen != NOBODY and self.policy.signals.optimistic and not self.fresh:
            self.news[chosen].queue += 1
        return chosen

    def _stamped(self, knobs: Knobs) -> list[tuple[float, ...]]:
        """What scores must reach, row by row; s > t is the same as: s >= the next double above t."""
        stamps = [row.stamped(knobs.thresholds) for row in self.policy.plan]
        return [tuple(nextafter(t, inf) for t in stamp) for stamp in stamps] if self.policy.strictly else stamps

    def turn(self, knobs: Knobs) -> None:
        """New knobs: thresholds are stamped on what is admitted from now on."""
        rows, K = len(self.policy.plan), len(self.stage_s)
        if not isinstance(knobs, Knobs) or not isinstance(knobs.thresholds, tuple):
            raise RuleError(
                f"{self.policy.name} turns its knobs to {knobs!r}, where Knobs with a tuple of thresholds are due"
            )
        numbers = isinstance(knobs.row, NUMBERS) and isinstance(knobs.gap_s, Real)
        numbers = numbers and all(isinstance(t, Real) and not isnan(t) for t in knobs.thresholds)
        if not numbers or not (0 <= knobs.row < rows and len(knobs.thresholds) in (0, K) and knobs.gap_s > 0.0):
            raise RuleError(
                f"{self.policy.name} turns the knobs of {self.spec.name} to {knobs}: its plan has {rows} rows, "
                f"counted from 0; thresholds are none or {K} numbers, and a gap is longer than 0 s"
            )
        self.knobs = knobs
        self.stamps = self._stamped(knobs)
        self.told = [
            self.stamps if d == self.number else told for d, told in zip(self.sources, self.told, strict=True)
        ]
