"""A device that may fail: what it holds is known by name, and so can be lost and tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mdisim.engine.job import UNANSWERED, Job
from mdisim.engine.later import Later
from mdisim.engine.node import News, Node
from mdisim.policies.views import FREE, Peer

Reached = Callable[[Job, "FragileNode"], None]


class FragileNode(Node):
    """A node of a world in which something may fail; worlds without faults have none of this.

    `away` is `down`, or gone: nothing is sent to it and no samples arrive at it, but what it holds and what is on
    its way to it is finished. A job remembers the device that
    gave it and its stage then (`sender`, `held_stage`), so that it can be given back as it was. `unheard` are
    the neighbours known to be out of reach, `deaf_to` those that cannot be heard.
    """

    nobody_there: Reached
    period_s: float
    down = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.neighbours = frozenset(self.output.links)
        self.running: dict[Job, Later] = {}
        self.stuck: list[Job] = []
        self.unheard: frozenset[int] = frozenset()
        self.deaf_to: set[int] = set()
        self.output.stuck = self.stick

    def _serve(self, job: Job, now: float) -> Later:
        self.running[job] = event = super()._serve(job, now)
        job.since_s = now
        return event

    def _served(self, event: Any) -> None:
        job: Job = event.job
        if self.running.get(job) is event:
            del self.running[job]
            super()._served(event)

    def receive(self, job: Job) -> None:
        """Take in what arrives, unless this device is down: one that leaves takes what was on its way to it."""
        if self.down:
            self.nobody_there(job, self)
        else:
            if job.target == self.number:
                job.sender, job.held_stage = job.origin, job.stage
            super().receive(job)

    # --- what cannot be sent

    def stick(self, job: Job) -> None:
        """What has no way waits aside; what a rule has sent that way is decided again, when it may know more."""
        if self._may_decide(job):
            Later(self.env, self.env.now + self.period_s, self._decide_again, job)
        else:
            self.stuck.append(job)

    def unstick(self) -> None:
        """Ways have changed: send what may go now, in the order in which it got stuck."""
        waiting, self.stuck = self.stuck, []
        for job in waiting:
            self.send_again(job)

    def send_again(self, job: Job) -> None:
        """A message that did not get through: sent anew, or decided upon again if a rule sent it that way."""
        if self._may_decide(job):
            self.again(job)
        else:
            self._waited(job)
            self.output.send(job, job.target, job.size_bytes)

    def again(self, job: Job) -> None:
        """Place a task that was lost."""
        job.exit = job.device = UNANSWERED
        self._waited(job)
        self.place(job)
        if self.line or self.output.offered:
            self.wake()

    def reconsider(self) -> None:
        """Place again the offered tasks that no neighbour known to be there may take."""
        offered = self.output.offered
        stranded = [job for job in offered if not self.peers(job.stage)]
        for job in stranded:
            offered.remove(job)
        for job in stranded:
            self.withdrawn(job)
            self.again(job)

    def _may_decide(self, job: Job) -> bool:
        """Whether a rule of this device says where the job goes."""
        here = job.origin == self.number and job.exit == UNANSWERED
        return here and self.planned[job.row][job.stage] == FREE

    def _decide_again(self, event: Any) -> None:
        if self.down:
            self.nobody_there(event.job, self)
        else:
            self.again(event.job)

    def _waited(self, job: Job) -> None:
        now = self.env.now
        job.wait_s += now - job.since_s
        job.since_s = now

    def let_go(self) -> tuple[list[Job], list[Job]]:
        """Give up all that is here, and be as new: what it holds, and what was on its way out or through."""
        taken = [*self.running, *self.line]
        sent = [*self.output.clear(), *self.stuck]
        for link in self.output.links.values():
            cut = link.cut()
            if cut is not None:
                sent.append(cut)
        self.busy_s = self.busy_until_now_s()
        self.started_s = 0.0
        self.idle = self.cores
        self.backlog_s = 0.0
        for held in (self.running, self.line, self.stuck):
            held.clear()
        return taken, sent

    # --- what it knows of others

    def peers(self, stage: int) -> tuple[Peer, ...]:
        """The neighbours that this device believes to be there."""
        return tuple(peer for peer in super().peers(stage) if peer.device not in self.unheard)

    def deafen(self, speakers: set[int], told: list[News]) -> None:
        """Hear these no more; what they last said stays."""
        for number in speakers - self.deaf_to:
            if self.fresh and number in self.news:
                self.news[number] = told[number]
        self.deaf_to = speakers

    def _news(self, number: int, there: Node) -> News:
        return self.news[number] if number in self.deaf_to else super()._news(number, there)

    def hear(self, told: list[News]) -> None:
        """Take in what the neighbours said that can be heard; of the others stays what they last said."""
        before = {number: news for number, news in self.news.items() if number in self.deaf_to}
        super().hear(told)
        self.news |= before

    def learn(self, stamps: list[list[tuple[float, ...]]]) -> None:
        """Take in the thresholds that the sources announced, unless nobody can be heard."""
        if not self.neighbours <= self.deaf_to:
            super().learn(stamps)
