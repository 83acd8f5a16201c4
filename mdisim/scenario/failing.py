"""From a faults section to faults of numbered devices and links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf

from mdisim import faults, world
from mdisim.scenario.failures import Crash, Faults, Join, Leave, Outage, Slowdown, Timed
from mdisim.scenario.faults import Finding, Path
from mdisim.scenario.models import Device, Run, Speed
from mdisim.scenario.replays import Traces
from mdisim.scenario.roster import Roster

MOST_PERIODS = 100_000
MOST_RATES = 10_000_000


def faults_of(
    stated: Faults, there: Roster, links: Sequence[world.Link] | None
) -> tuple[faults.Faults, list[Finding]]:
    """Number what fails, and say what is wrong with it (then it is not to be used).

    An event that is None is passed over, and so are links if these are None: what they are is not known then.
    """
    made: list[faults.Fault] = []
    found: list[Finding] = []
    for number, event in enumerate(stated.events):
        path = ("faults", "events", number)
        if isinstance(event, Timed):
            found += _untimely(event, path)
        if isinstance(event, Outage):
            failing, more = _failing_links(event, path, there, links)
            made += [_timed(faults.Fault("outage", links=pair), event) for pair in failing]
            found += more
        elif event is not None:
            made += [_of_device(event, device) for device in there.members(event.device)]
            if not there.members(event.device):
                found.append(Finding((*path, "device"), there.unknown(event.device)))
    if found:
        return faults.Faults(), found
    rules = {name: getattr(stated, name) for name in ("on_crash", "on_outage", "missed_gossips", "reroute")}
    return faults.Faults(tuple(made), **rules), []


def too_often(stated: Faults, run: Run) -> list[Finding]:
    """Events that come so often that a run would be busy with nothing else."""
    found = []
    for number, event in enumerate(stated.events):
        if isinstance(event, Timed):
            apart_s = event.every or (event.mean_up or inf) + (event.mean_down or 0.0)
            if run.duration / apart_s > MOST_PERIODS:
                key = "every" if event.every else "mean_up"
                say = f"it would come about {run.duration / apart_s:.0f} times in a run; at most {MOST_PERIODS}"
                found.append(Finding(("faults", "events", number, key), f"{say}: make it rarer"))
    return found


def too_late(stated: Faults | None, run: Run) -> list[str]:
    """What to say of events that come after the end of a run, and so never."""
    end_s = _end_s(run)
    events = () if stated is None else stated.events
    return [
        f"faults.events.{number}: comes at {event.at:g} s, after the run, which ends at {end_s:g} s"
        for number, event in enumerate(events)
        if isinstance(event, Timed | Join) and event.at is not None and event.at >= end_s
    ]


def too_fine(
    stated: Faults, devices: Mapping[str, Device], there: Roster, run: Run, traces: Traces
) -> list[Finding]:
    """Speeds that slow down and whose traces have, lap after lap, more rates in a run than can be gone through."""
    slow = {d for event in stated.events if isinstance(event, Slowdown) for d in there.members(event.device)}
    until_s = _end_s(run)
    found = []
    for name in dict.fromkeys(there.entries[d] for d in sorted(slow)):
        speed, path = devices[name].speed if name in devices else 1.0, ("devices", name, "speed", "trace")
        trace = traces.look(speed.trace, speed.mean, path)[0] if isinstance(speed, Speed) else None
        if trace is None or trace.end != "loop":
            continue
        laps = until_s / trace.duration_s
        if laps * len(trace) > MOST_RATES:
            say = f"{trace.duration_s:g} s of it would come {laps:.3g} times a run, each with {len(trace)} rates"
            most = f"as the device has a slowdown, at most {MOST_RATES} rates would do"
            found.append(Finding(path, f"{say}; {most}: take a longer trace, or end: hold"))
    return found


def _end_s(run: Run) -> float:
    return world.Window(run.duration, run.warmup, run.drain, run.drain_limit).end_s


def _of_device(event: Crash | Slowdown | Leave | Join, device: int) -> faults.Fault:
    if isinstance(event, Join):
        return faults.Fault("leave", device=device, for_s=event.at)
    factor = event.factor if isinstance(event, Slowdown) else 1.0
    return _timed(faults.Fault(event.kind, device=device, factor=factor), event)


def _timed(fault: faults.Fault, event: Timed) -> faults.Fault:
    return replace(
        fault,
        at_s=event.at or 0.0,
        for_s=inf if event.for_ is None else event.for_,
        every_s=inf if event.every is None else event.every,
        mean_up_s=event.mean_up or 0.0,
        mean_down_s=event.mean_down or 0.0,
    )


def _untimely(event: Timed, path: Path) -> Iterator[Finding]:
    """What is wrong with the times of an event."""
    random = {"mean_up": event.mean_up, "mean_down": event.mean_down}
    scheduled = {"at": event.at, "for": event.for_, "every": event.every}
    drawn = [key for key, value in random.items() if value is not None]
    known = [key for key, value in scheduled.items() if value is not None]
    if drawn and known:
        say = f"{known[0]} is for what comes at a time, {drawn[0]} for what comes at random: leave one out"
        yield Finding((*path, drawn[0]), say, True)
    elif len(drawn) == 1:
        (missing,) = random.keys() - drawn
        yield Finding(path, f"missing key {missing!r}: what comes at random has mean_up and mean_down", True)
    elif not drawn and event.at is None:
        say = "when it comes first, such as 1 min; or mean_up and mean_down for what comes at random"
        yield Finding(path, f"missing key 'at': {say}", True)
    elif event.every is not None and event.for_ is None:
        say = "what comes again must be over first: give for, too, such as for: 5 s"
        yield Finding((*path, "every"), say, True)
    elif event.every is not None and event.every <= (event.for_ or inf):
        say = f"it would come again after {event.every:g} s, but lasts for {event.for_:g} s: this must be longer"
        yield Finding((*path, "every"), say)


def _failing_links(
    event: Outage, path: Path, there: Roster, links: Sequence[world.Link] | None
) -> tuple[list[tuple[int, ...]], list[Finding]]:
    """The links that an outage is about, by their numbers: those between the same two devices fail together."""
    path = (*path, "between")
    if len(event.between) != 2:
        return [], [Finding(path, f"a link is between two devices, not {len(event.between)}")]
    strangers = [(i, name) for i, name in enumerate(event.between) if not there.members(name)]
    if strangers or links is None:
        return [], [Finding((*path, i), there.unknown(name)) for i, name in strangers]
    a, b = (set(there.members(name)) for name in event.between)
    failing: dict[frozenset[int], tuple[int, ...]] = {}
    for number, link in enumerate(links):
        if (link.source in a and link.target in b) or (event.both and link.source in b and link.target in a):
            pair = frozenset((link.source, link.target))
            failing[pair] = (*failing.get(pair, ()), number)
    if failing:
        return list(failing.values()), []
    one, other = (repr(name) for name in event.between)
    where = f"between {one} and {other}" if event.both else f"from {one} to {other}"
    return [], [Finding(path, f"there is no link {where}")]
