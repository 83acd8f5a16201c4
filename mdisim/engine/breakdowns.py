"""What fails when, who notices when, and what becomes of the tasks that are hit."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, isfinite
from typing import TYPE_CHECKING

import numpy as np

from mdisim.engine.fragile import FragileNode
from mdisim.engine.job import UNANSWERED, Job, Status
from mdisim.engine.later import Later
from mdisim.engine.links import Link
from mdisim.engine.streams import stream
from mdisim.faults import Fault, Period, merged, slowed
from mdisim.routes import routes
from mdisim.traces.trace import Trace
from mdisim.world import Rate, World

if TYPE_CHECKING:
    from mdisim.engine.simulation import Simulation

HEARTBEAT_S = 0.1  # how often devices would speak where the policy wants always fresh news
Schedule = list[tuple[int, Period]]  # the number of the fault, and from when to when


def drawn(world: World, seed: int) -> Schedule:
    """When each fault of a world happens; the same for every policy."""
    until_s = world.window.end_s
    return [
        (number, period)
        for number, fault in enumerate(world.faults.events)
        for period in fault.periods(until_s, stream(seed, "faults", number))
    ]


def speeds(world: World, schedule: Schedule) -> list[Rate | None]:
    """The speed of each device over time, with what slows it down; None where it is always 1."""
    until_s = world.window.end_s
    found: list[Rate | None] = [device.speed for device in world.devices]
    for d in range(len(found)):
        events = [(world.faults.events[number], period) for number, period in schedule]
        slow = [(period, f.factor) for f, period in events if f.kind == "slowdown" and f.device == d]
        if slow:
            found[d] = _product(found[d], *slowed(slow, until_s), until_s)
    return found


def _product(speed: Rate | None, times: np.ndarray, factors: np.ndarray, until_s: float) -> Trace:
    """A speed times a factor over time."""
    if isinstance(speed, Trace):
        laps = 1 if speed.end != "loop" else int(until_s // speed.duration_s) + 1
        knots = np.concatenate([speed.time_s + lap * speed.duration_s for lap in range(laps)])
        stop = [speed.duration_s] if speed.end == "stop" else []
        both = np.unique(np.concatenate([times, knots[knots < until_s], stop]))
        factors = factors[np.searchsorted(times, both, "right") - 1]
        factors = factors * np.array([speed.rate_at(float(t)) for t in both])
        times = both
    elif speed is not None:
        factors = factors * speed.rate_at(0.0)
    return Trace(times, factors, max(until_s, float(times[-1])) + 1.0, "hold")


def _hit(fault: Fault) -> tuple[int, ...]:
    """The numbers of the links, or of the device."""
    return fault.links or (fault.device,)


class Breakdowns:
    """Applies the faults of a run; made only where there are any."""

    def __init__(self, simulation: Simulation, schedule: Schedule) -> None:
        self.simulation, self.schedule = simulation, schedule
        self.world, self.env, self.faults = simulation.world, simulation.env, simulation.world.faults
        self.nodes: list[FragileNode] = [node for node in simulation.nodes if isinstance(node, FragileNode)]
        self.links = simulation.links
        self.period_s = simulation.policy.signals.gossip_s or HEARTBEAT_S
        self.down = [0] * len(self.nodes)
        self.gone = [0] * len(self.nodes)
        self.out = [0] * len(self.links)
        self.missing: set[int] = set()
        self.silent: set[int] = set()
        for node in self.nodes:
            node.breaks = self.missed

    def start(self) -> None:
        """Schedule every beginning and end; what begins at 0 is so from the start, and known."""
        apply: dict[str, Callable[[int, int], None]] = {
            "crash": self._crash,
            "leave": self._leave,
            "outage": self._outage,
        }
        for kind, act in apply.items():
            for number in self._targets(kind):
                for start_s, end_s in self._periods(kind, number):
                    self._at(start_s, act, number, 1)
                    if isfinite(end_s):
                        self._at(end_s, act, number, -1)

    def _targets(self, kind: str) -> list[int]:
        return sorted({number for f in self.faults.events if f.kind == kind for number in _hit(f)})

    def _periods(self, kind: str, number: int) -> list[Period]:
        drawn = [(self.faults.events[n], period) for n, period in self.schedule]
        return merged([period for fault, period in drawn if fault.kind == kind and number in _hit(fault)])

    def _at(self, time_s: float, act: Callable[[int, int], None], number: int, change: int) -> None:
        Later(self.env, time_s, lambda _: act(number, change))

    # --- what happens

    def _crash(self, d: int, change: int) -> None:
        self.down[d] += change
        node = self.nodes[d]
        node.away = bool(self.down[d] or self.gone[d])
        if change > 0:
            for job in node.let_go():
                self._lose(job, self.faults.on_crash, Status.CRASH, self._giver(job))
        self._deafness()
        self._notice(self.missing, d, lambda: node.away, change)

    def _leave(self, d: int, change: int) -> None:
        self.gone[d] += change
        self.nodes[d].away = bool(self.down[d] or self.gone[d])
        (self.missing.add if self.nodes[d].away else self.missing.discard)(d)
        self._spread()

    def _outage(self, number: int, change: int) -> None:
        self.out[number] += change
        link = self.links[number]
        link.up = not self.out[number]
        node = self.nodes[link.spec.source]
        if change > 0:
            self._cut(link, node)
        self._deafness()
        self._notice(self.silent, number, lambda: bool(self.out[number]), change)

    def _cut(self, link: Link, node: FragileNode) -> None:
        """What is being sent over a link, or waits for it, is hit."""
        sent = link.cut()
        hit = ([] if sent is None else [sent]) + [*link.waiting]
        node.output.at_ports -= len(link.waiting)
        link.waiting.clear()
        for job in hit:
            if self.faults.on_outage == "wait":
                node.stick(job, link)
            else:
                self._lose(job, self.faults.on_outage, Status.OUTAGE, job.origin)
        if sent is not None:
            node.output.sent(link)

    def missed(self, job: Job, node: FragileNode) -> None:
        """A message has reached a device where nobody is."""
        self._lose(job, self.faults.on_crash, Status.CRASH, job.origin)

    # --- what becomes of it

    def _giver(self, job: Job) -> int:
        """Who gave a job to the device that has just lost it."""
        job.stage, job.exit = job.held_stage, UNANSWERED
        return job.sender

    def _lose(self, job: Job, rule: str, status: Status, giver: int) -> None:
        """A job is lost: dropped at once, or tried again when that is noticed."""
        if rule == "drop":
            self.simulation.end(job, status)
            return
        wait_s = self._noticed_s() - self.env.now
        Later(self.env, wait_s, lambda _: self._retry(job, rule, status, giver))

    def _retry(self, job: Job, rule: str, status: Status, giver: int) -> None:
        home = self.world.sources[job.source].device
        able = [d for d in ([giver] if rule == "requeue" else []) + [home] if d >= 0 and not self.nodes[d].away]
        if not able:
            self.simulation.end(job, status)
            return
        node = self.nodes[able[0]]
        job.retries += 1
        if rule == "requeue" and able[0] == giver and job.exit != UNANSWERED:
            self._resend(job, node)
            return
        if rule == "restart" or able[0] != giver:
            job.stage = 0
        self.simulation.anew(job)
        job.sender, job.held_stage = home, 0
        node.again(job)

    def _resend(self, job: Job, node: FragileNode) -> None:
        """A label was lost on its way: its sender has it still."""
        now = self.env.now
        job.wait_s += now - job.since_s
        job.since_s = now
        node.output.send(job, job.target, job.size_bytes)

    # --- who notices

    def _noticed_s(self) -> float:
        """When what happens now is noticed: when so many periods have passed without a word."""
        return (floor(self.env.now / self.period_s) + self.faults.missed_gossips) * self.period_s

    def _notice(self, known: set[int], number: int, still: Callable[[], bool], change: int) -> None:
        """After some silence a failure is known, if it lasts; with the next word its end is known."""
        periods = self.faults.missed_gossips if change > 0 else 1
        due_s = (floor(self.env.now / self.period_s) + periods) * self.period_s

        def notice(_: Later) -> None:
            if still() == (change > 0):
                (known.add if still() else known.discard)(number)
                self._spread()

        Later(self.env, due_s - self.env.now, notice)

    def _deafness(self) -> None:
        """Who does not hear whom: where the link is out, or one of both is down."""
        for node in self.nodes:
            node.deaf_to = set()
        for number, link in enumerate(self.links):
            speaker, listener = link.spec.source, link.spec.target
            if self.out[number] or self.down[speaker] or self.down[listener]:
                self.nodes[listener].deaf_to.add(speaker)

    def _spread(self) -> None:
        """Devices act on what is known: whom they count as neighbours, and which ways they use."""
        away = self.missing
        for node in self.nodes:
            node.unheard = frozenset(
                number for number, link in node.output.links.items() if number in away or self._silent(link)
            )
        if self.faults.reroute:
            ways = routes(self.world.links, len(self.nodes), self.world.route_bytes, self.silent, away)
            for node in self.nodes:
                node.output.route(ways[node.number].tolist())
        for node in self.nodes:
            node.unstick()
            node.output.advance()

    def _silent(self, link: Link) -> bool:
        """Whether a link is known to be out, there or back."""
        back = self.world.link_between.get((link.spec.target, link.spec.source))
        there = self.world.link_between[link.spec.source, link.spec.target]
        return there in self.silent or back in self.silent
