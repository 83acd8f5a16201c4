"""Who does what, when: every service and every transmission of a run as a slice of time, if that is asked for.

A recorder listens by wrapping a few methods of one simulation's own devices and links. Without it nothing is
wrapped, and a run is as fast as if this module did not exist.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from mdisim.engine.job import UNANSWERED, Job
from mdisim.engine.later import Later

if TYPE_CHECKING:
    from mdisim.engine.links import Link
    from mdisim.engine.node import Node
    from mdisim.engine.simulation import Simulation

LABEL = -1


# A slice: a service at a device (`link` is -1) or a transmission over a link, with the stage it is for, from 0; a
# transmission of an answer has the stage LABEL. `cut` says that a fault ended it.
SLICE = ("source", "number", "device", "link", "stage", "start_s", "end_s", "bytes_sent", "cut")


class Recorder:
    """The slices of one simulation, in the order in which they ended, as a flat array: see SLICE."""

    def __init__(self, simulation: Simulation) -> None:
        self.env = simulation.env
        self.slices = array("d")
        self.services: dict[Job, tuple[int, int, float, Later]] = {}
        self.transmissions: dict[int, float] = {}
        for node in simulation.nodes:
            self._watch(node)
        for number, link in enumerate(simulation.links):
            self._listen(number, link)

    def _watch(self, node: Node) -> None:
        serve, served = node._serve, node._served

        def begins(job: Job, now: float) -> Later:
            event = serve(job, now)
            self.services[job] = (node.number, job.stage, now, event)
            return event

        def ends(event: Any) -> None:
            self._served(event)
            served(event)

        node._serve, node._served = begins, ends  # type: ignore[method-assign]
        if hasattr(node, "let_go"):
            self._interrupt(node)

    def _interrupt(self, node: Any) -> None:
        let_go = node.let_go

        def cut() -> Any:
            for job in node.running:
                number, stage, start_s, _ = self.services.pop(job)
                self._note(job, number, -1, stage, start_s, 0.0, True)
            return let_go()

        node.let_go = cut

    def _served(self, event: Any) -> None:
        job: Job = event.job
        if job in self.services and self.services[job][3] is event:  # else a crash has ended it
            number, stage, start_s, _ = self.services.pop(job)
            self._note(job, number, -1, stage, start_s, 0.0, False)

    def _listen(self, number: int, link: Link) -> None:
        begin, sent, cut = link.begin, link.sent, link.cut

        def begins(now: float, air_s: float) -> None:
            self.transmissions[number] = now
            begin(now, air_s)

        def ends(event: Any, now: float, air_s: float) -> None:
            self._sent(event.job, number, link, False)
            sent(event, now, air_s)

        def is_cut() -> Job | None:
            if link.job is not None and number in self.transmissions:
                self._sent(link.job, number, link, True)
            return cut()

        link.begin, link.sent, link.cut = begins, ends, is_cut  # type: ignore[method-assign]

    def _sent(self, job: Job, number: int, link: Link, cut: bool) -> None:
        stage = job.stage if job.exit == UNANSWERED else LABEL
        start_s = self.transmissions.pop(number)
        self._note(job, link.spec.source, number, stage, start_s, 0.0 if cut else job.wire_bytes, cut)

    def _note(
        self, job: Job, device: int, link: int, stage: int, start_s: float, bytes_sent: float, cut: bool
    ) -> None:
        self.slices.extend((job.source, job.index, device, link, stage, start_s, self.env.now, bytes_sent, cut))
