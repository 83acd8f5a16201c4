"""What fails when, who notices when, and what becomes of the tasks that are hit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from mdisim.engine.fragile import FragileNode
from mdisim.engine.job import UNANSWERED, Job, Status
from mdisim.engine.later import Later
from mdisim.engine.links import Link
from mdisim.engine.streams import Key, numbered, stream
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
    events = world.faults.events
    keys = numbered(_named(fault, world) for fault in events)
    return [
        (number, period)
        for number, (fault, key) in enumerate(zip(events, keys, strict=True))
        for period in fault.periods(until_s, stream(seed, "faults", *key))
    ]


def _named(fault: Fault, world: World) -> tuple[Key, ...]:
    """What, by name, fails in which way; what comes at a time is told apart, since nothing is drawn for it."""
    ends = [(world.links[number].source, world.links[number].target) for number in fault.links]
    names = [world.devices[d].name for d in ([fault.device] if fault.device >= 0 else [])]
    names += sorted(json.dumps([world.devices[a].name, world.devices[b].name]) for a, b in ends)
    return (fault.kind, fault.random, *names)


def silent_s(now_s: float, period_s: float, periods: int) -> float:
    """When so many words will have failed to come, of which one is due at each multiple of the period."""
    spoken = round(now_s / period_s)
    spoken -= spoken * period_s > now_s  # the instants decide: the quotient is rounded
    return (spoken + periods) * period_s


def speeds(world: World, schedule: Schedule) -> list[Rate | None]:
    """The speed of each device over time, with what slows it down; None where it is always 1."""
    until_s = world.window.end_s
    found: list[Rate | None] = [device.speed for device in world.devices]
    events = [(world.faults.events[number], period) for number, period in schedule]
    for d in range(len(found)):
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


class Breakdowns:
    """Applies the faults of a run; made only where there are any."""

    def __init__(self, simulation: Simulation, schedule: Schedule) -> None:
        self.simulation, self.schedule = simulation, schedule
        self.world, self.env, self.faults = simulation.world, simulation.env, simulation.world.faults
        self.nodes: list[FragileNode] = [node for node in simulation.nodes if isinstance(node, FragileNode)]
        self.links = simulation.links
        self.period_s = simulation.policy.signals.gossip_s or HEARTBEAT_S
        self.gone: set[int] = set()
        self.missing: set[int] = set()
        self.silent: set[int] = set()
        self.turns: Counter[tuple[str, int]] = Counter()
        for node in self.nodes:
            node.nobody_there, node.period_s = self._nobody_there, self.period_s
        for link in self.links:
            link.void = self._void

    def start(self) -> None:
        """Schedule every beginning and end."""
        apply: dict[str, Callable[[int, int], None]] = {
            "crash": self._crash,
            "leave": self._leave,
            "outage": self._outage,
        }
        for kind, act in apply.items():
            for number, periods in self._periods(kind).items():
                for start_s, end_s in merged(periods):
                    self._at(start_s, act, number, 1)
                    if isfinite(end_s):
                        self._at(end_s, act, number, -1)

    def _periods(self, kind: str) -> dict[int, list[Period]]:
        """When each device or link has a fault of this kind."""
        found: dict[int, list[Period]] = {}
        for event, period in self.schedule:
            fault = self.faults.events[event]
            if fault.kind == kind:
                for number in fault.links or (fault.device,):
                    found.setdefault(number, []).append(period)
        return dict(sorted(found.items()))

    def _at(self, time_s: float, act: Callable[[int, int], None], number: int, change: int) -> None:
        Later(self.env, time_s, lambda _: act(number, change))

    # --- what happens

    def _crash(self, d: int, change: int) -> None:
        node = self.nodes[d]
        self._deafen(lambda: self._set_down(d, change > 0))
        self._notice(self.missing, ("device", d), lambda: node.away, change)
        if change > 0:
            taken, sent = node.let_go()
            for job in taken + [job for job in sent if job.origin == d]:
                job.stage, job.exit = job.held_stage, UNANSWERED
                self._lose(job, self.faults.on_crash, Status.CRASH, job.sender)
            for job in sent:
                if job.origin != d:
                    self._nobody_there(job, node)  # it was passing through

    def _set_down(self, d: int, down: bool) -> None:
        self.nodes[d].down = down
        self.nodes[d].away = down or d in self.gone

    def _leave(self, d: int, change: int) -> None:
        node = self.nodes[d]
        (self.gone.add if change > 0 else self.gone.discard)(d)
        node.away = node.down or d in self.gone
        (self.missing.add if node.away else self.missing.discard)(d)
        self._spread()

    def _outage(self, number: int, change: int) -> None:
        link = self.links[number]

        def fail() -> None:
            link.up = change < 0

        self._deafen(fail)
        self._notice(self.silent, ("link", number), lambda: not link.up, change)
        cut = link.cut() if change > 0 else None
        if cut is not None:
            self._void(cut, link)
            link.output.sent(link)

    # --- what becomes of tasks

    def _void(self, job: Job, link: Link) -> None:
        """A message is lost on a link in outage: its sender still has it."""
        if self.faults.on_outage == "wait":
            self._later(lambda: self._wait(job, link.spec.source))
        else:
            self._lose(job, self.faults.on_outage, Status.OUTAGE, job.origin)

    def _wait(self, job: Job, d: int) -> None:
        if self.nodes[d].down:
            self._nobody_there(job, self.nodes[d])
        else:
            self.nodes[d].send_again(job)

    def _nobody_there(self, job: Job, node: FragileNode) -> None:
        """A message has reached a device where nobody is, or was with one that is no more: its origin has it."""
        self._lose(job, self.faults.on_crash, Status.CRASH, job.origin)

    def _lose(self, job: Job, rule: str, status: Status, giver: int) -> None:
        """A job is lost: dropped at once, or tried again when that is noticed."""
        if rule == "drop":
            self.simulation.end(job, status)
        else:
            self._later(lambda: self._retry(job, rule, status, giver))

    def _retry(self, job: Job, rule: str, status: Status, giver: int) -> None:
        home = self.world.sources[job.source].device
        able = [d for d in ([giver] if rule == "requeue" else []) + [home] if d >= 0 and not self.nodes[d].away]
        if not able:
            self.simulation.end(job, status)
            return
        node, given_back = self.nodes[able[0]], rule == "requeue" and able[0] == giver
        job.retries += 1
        if given_back and job.exit != UNANSWERED:  # a label: its sender has it still
            node.send_again(job)
            return
        if not given_back:
            job.stage = 0
        self.simulation.anew(job)
        job.sender, job.held_stage = home, 0
        node.again(job)

    # --- who notices

    def _due_s(self, periods: int) -> float:
        return silent_s(self.env.now, self.period_s, periods)

    def _later(self, act: Callable[[], None]) -> None:
        """Do it when what happens now is noticed."""
        Later(self.env, self._due_s(self.faults.missed_gossips), lambda _: act())

    def _notice(self, known: set[int], who: tuple[str, int], failed: Callable[[], bool], change: int) -> None:
        """After some silence a failure is known, if it has lasted; with the next word its end is known."""
        self.turns[who] += 1
        turn = self.turns[who]

        def notice(_: Later) -> None:
            if self.turns[who] == turn:
                (known.add if failed() else known.discard)(who[1])
                self._spread()

        periods = self.faults.missed_gossips if change > 0 else 1
        Later(self.env, self._due_s(periods), notice)

    def _deafen(self, fail: Callable[[], None]) -> None:
        """Let something fail or come back: who then does not hear whom, and what they had last heard."""
        told = [node.tell() for node in self.nodes]
        fail()
        deaf: list[set[int]] = [set() for _ in self.nodes]
        for link in self.links:
            speaker, listener = link.spec.source, link.spec.target
            if not link.up or self.nodes[speaker].down or self.nodes[listener].down:
                deaf[listener].add(speaker)
        for node, speakers in zip(self.nodes, deaf, strict=True):
            node.deafen(speakers, told)

    def _spread(self) -> None:
        """Devices act on what is known: whom they count as neighbours, and which ways they use."""
        between = self.world.link_between
        for node in self.nodes:
            here, links = node.number, node.output.links
            dead = {d for d in links if d in self.missing or between[here, d] in self.silent}
            mute = {d for d in links if between.get((d, here), -1) in self.silent}
            node.unheard = frozenset(dead | mute)
            node.output.closed = frozenset(links[d] for d in dead)
        if self.faults.reroute:
            ways = routes(self.world.links, len(self.nodes), self.world.route_bytes, self.silent, self.missing)
            for node in self.nodes:
                node.output.route(ways[node.number].tolist())
        for node in self.nodes:
            node.unstick()
            node.reconsider()
            node.output.advance()
