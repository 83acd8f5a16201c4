"""A device that may fail: what it holds is known by name, and so can be lost and tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mdisim.engine.job import UNANSWERED, Job
from mdisim.engine.later import Later
from mdisim.engine.links import Link
from mdisim.engine.node import News, Node
from mdisim.policies.views import Peer

Lost = Callable[[Job, "FragileNode"], None]


class FragileNode(Node):
    """A node of a world in which something may fail; worlds without faults have none of this.

    `away` is down or gone: it takes nothing in. A job remembers the device that gave it and its stage then
    (`sender`, `held_stage`), so that it can be given back as it was.
    """

    breaks: Lost

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.running: dict[Job, Later] = {}
        self.stranded: list[Job] = []
        self.parked: dict[Link, list[Job]] = {link: [] for link in self.output.links.values()}
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
        """Take in what arrives, unless nobody is there."""
        if self.away:
            self.breaks(job, self)
        else:
            if job.target == self.number:
                job.sender, job.held_stage = job.origin, job.stage
            super().receive(job)

    def stick(self, job: Job, link: Link | None) -> None:
        """What cannot be sent now waits: for a way, or for its link."""
        self.output.at_ports += 1
        if link is None:
            self.stranded.append(job)
        else:
            self.parked[link].append(job)

    def unstick(self) -> None:
        """Ways or links have changed: send what may go now, in the order in which it got stuck."""
        waiting = [*self.stranded]
        self.stranded.clear()
        for link, jobs in self.parked.items():
            stay = () if link.up else (link, None)
            waiting += [job for job in jobs if self.output.ways[job.target] not in stay]
            jobs[:] = [job for job in jobs if self.output.ways[job.target] in stay]
        self.output.at_ports -= len(waiting)
        for job in waiting:
            self.output.send(job, job.target, job.size_bytes)

    def let_go(self) -> list[Job]:
        """Give up all that is here, in any queue, on a core or being sent, and be as new."""
        jobs = [*self.running, *self.line, *self.output.line, *self.stranded]
        for link, parked in self.parked.items():
            jobs += [*parked, *link.waiting]
            parked.clear()
            link.waiting.clear()
            sent = link.cut()
            if sent is not None:
                jobs.append(sent)
        self.busy_s = self.busy_until_now_s()
        self.started_s = 0.0
        self.idle = self.cores
        self.backlog_s = 0.0
        for held in (self.running, self.line, self.output.line, self.stranded):
            held.clear()
        self.output.sending = False
        self.output.at_ports = 0
        return jobs

    def peers(self, stage: int) -> tuple[Peer, ...]:
        """The neighbours that this device believes to be there."""
        return tuple(peer for peer in super().peers(stage) if peer.device not in self.unheard)

    def hear(self, told: list[News], stamps: list[list[tuple[float, ...]]]) -> None:
        """Take in what the neighbours said that can be heard; of the others stays what they last said."""
        before = {number: self.news[number] for number in self.deaf_to}
        super().hear(told, stamps)
        self.news |= before

    def again(self, job: Job) -> None:
        """Place a task that was lost."""
        now = self.env.now
        job.exit = job.device = UNANSWERED
        job.wait_s += now - job.since_s
        job.since_s = now
        self.place(job)
        if self.line or self.output.line:
            self.wake()
