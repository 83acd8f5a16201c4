"""Where samples are born: arrivals, admission, the row that a sample carries, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
from simpy import Environment

from mdisim.engine.job import Job, Status
from mdisim.engine.later import OFFERS, Later
from mdisim.engine.node import Node, RuleError
from mdisim.engine.streams import Feed
from mdisim.policies.policy import Policy
from mdisim.policies.protocols import Picks
from mdisim.policies.views import Outcome
from mdisim.world import World


class Source:
    """A source offers samples at its device until the end; a closed loop offers one for each that ended."""

    def __init__(
        self,
        env: Environment,
        world: World,
        policy: Policy,
        node: Node,
        feed: Feed,
        number: int,
        live: dict[Job, None],
        end: Callable[[Job, Status], None],
    ) -> None:
        self.env, self.policy, self.node, self.feed, self.number = env, policy, node, feed, number
        self.live, self.end = live, end
        self.arrivals = arrivals = world.sources[number].arrivals
        self.closed, self.by_policy = arrivals.kind == "closed", arrivals.kind == "policy"
        self.duration_s = world.window.duration_s
        self.memory = policy.memory.copy()
        self.index = 0
        self.owed = 0

    def start(self) -> None:
        """Schedule the first arrival, or let in the whole population of a closed loop."""
        if self.closed:
            for _ in range(self.arrivals.population):
                self._at(0.0, self._offer_once)
        elif self.by_policy:
            self._at(self.feed.first_s(self.node.knobs.gap_s), self._arrive)
        else:
            self._next()

    def _next(self) -> None:
        if self.by_policy:
            self._at(self.env.now + self.node.knobs.gap_s, self._arrive)
        else:
            self._at(next(self.feed.instants_s, inf), self._arrive)

    def _at(self, time_s: float, callback: Callable[[Later], None]) -> None:
        """Offer at this instant, unless the run is over then; whose turn it is among equal instants is drawn."""
        if time_s < self.duration_s:
            Later(self.env, time_s, callback, order=OFFERS + next(self.feed.ties))

    def _arrive(self, _: Later) -> None:
        self.offer()
        self._next()

    def _offer_once(self, _: Later) -> None:
        self.offer()

    def offer(self) -> None:
        """Offer the next sample: refused, or admitted with its row and thresholds, and placed."""
        node = self.node
        job = Job(self.number, self.index, next(self.feed.rows), self.env.now, next(self.feed.factors))
        self.index += 1
        node.offered += 1
        self.live[job] = None
        if node.away:
            self.end(job, Status.SOURCE_DOWN)
            return
        rule = self.policy.admits
        if rule is not None and not rule.admits(node.here(0), node.knobs, self.memory, node.rng):
            self.end(job, Status.REFUSED)
            return
        node.admitted += 1
        job.row = node.knobs.row if self.policy.picks is None else self._picked(job, self.policy.picks)
        job.thresholds = node.stamps[job.row]
        job.since_s = job.born_s
        node.place(job)
        if node.idle and node.output.offered:
            node.wake()

    def _picked(self, job: Job, rule: Picks) -> int:
        node = self.node
        seen = node.tables.seen(job.sample)
        row = rule.picks(node.here(0), node.everyone(), seen, node.knobs, self.memory, node.rng)
        if not 0 <= row < len(node.stamps):
            raise RuleError(f"{self.policy.name} picks row {row}; its plan has {len(node.stamps)}, counted from 0")
        return row

    def ended(self, job: Job, status: Status) -> None:
        """A sample has ended: learn from an answer; a closed loop offers again.

        With no think time, what a closed loop lost is offered again with the next answer, or, if nothing else
        is on its way, after the knob's gap; not at once, when it would be lost again, for ever.
        """
        if status == Status.ANSWERED:
            self.node.answered += 1
            if self.policy.learns is not None:
                self.memory = self.policy.learns.learns(self._outcome(job), self.memory)
        if self.closed:
            self.owed += 1
            answered, think_s = status == Status.ANSWERED, self.arrivals.think_s
            if answered or think_s or self.owed == self.arrivals.population:
                pause_s = think_s if answered or think_s else self.node.knobs.gap_s
                if status == Status.SOURCE_DOWN:  # or a short pause would fill the time with refusals
                    pause_s = max(think_s, self.node.knobs.gap_s)
                for _ in range(self.owed):
                    self._at(self.env.now + pause_s, self._offer_once)
                self.owed = 0

    def _outcome(self, job: Job) -> Outcome:
        tables, K = self.node.tables, len(self.node.stage_s)
        row = self.policy.plan[job.row]
        heads = np.array(row.evaluated) & (np.arange(K) <= job.exit)
        scores = np.array([column[job.sample] for column in tables.scores_of(row)])
        return Outcome(
            job.row,
            job.exit,
            np.where(heads, scores, np.nan),
            np.where(heads, tables.outputs.prediction[job.sample], -1),
            self.env.now - job.born_s,
            job.cost,
            tables.seen(job.sample),
        )
