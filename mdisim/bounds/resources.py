"""What there is only so much of: the time of devices, of channels, and of senders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdisim.world import ConstantRate, Link, Rate, World


@dataclass(frozen=True)
class Period:
    """What is counted: [since_s, until_s)."""

    since_s: float
    until_s: float

    def mean(self, rate: Rate) -> float:
        """The mean of a rate over time."""
        if isinstance(rate, ConstantRate):
            return rate.rate_bps
        return (rate.bits(self.until_s) - rate.bits(self.since_s)) / (self.until_s - self.since_s)


class Resource(NamedTuple):
    """Its name, and the share of its time that a core-second of each device and a bit on each link takes."""

    name: str
    devices: dict[int, float]
    links: dict[int, float]


def resources(world: World, period: Period) -> Iterator[Resource]:
    """Everything that can be full; not what has no time at all."""
    for d, device in enumerate(world.devices):
        there = device.cores * _faster(world, d) * (1.0 if device.speed is None else period.mean(device.speed))
        if there > 0.0:
            yield Resource(device.name, {d: 1.0 / there}, {})
    for name, links in _sharers(world):
        for together in _in_turns(world, links):
            bps = {i: period.mean(world.links[i].rate) for i in together}
            if any(rate > 0.0 for rate in bps.values()):
                yield Resource(name, {}, {i: 1.0 / rate for i, rate in bps.items() if rate > 0.0})


def silent(world: World, period: Period) -> list[int]:
    """The links that carry nothing."""
    return [i for i, link in enumerate(world.links) if period.mean(link.rate) <= 0.0]


def still(world: World, period: Period) -> list[int]:
    """The devices that do nothing."""
    return [d for d, one in enumerate(world.devices) if one.speed is not None and period.mean(one.speed) <= 0.0]


def _faster(world: World, d: int) -> float:
    """At most this factor is on a device's speed by faults: a slowdown may be none."""
    slow = [max(1.0, f.factor) for f in world.faults.events if f.kind == "slowdown" and f.device == d]
    return float(np.prod(slow))


def _sharers(world: World) -> Iterator[tuple[str, list[int]]]:
    """Links that cannot be used at the same time, by what they share: a channel, or a device's one sender."""
    channels: dict[int, list[int]] = {}
    senders: dict[int, list[int]] = {}
    for number, link in enumerate(world.links):
        channels.setdefault(link.channel, []).append(number)
        senders.setdefault(link.source, []).append(number)
    for channel, links in channels.items():
        yield _called(world, channel, links), links
    for device, links in senders.items():
        if world.sender == "device" and len(links) > 1:
            yield f"sender of {world.devices[device].name}", links


def _called(world: World, channel: int, links: list[int]) -> str:
    ends = {frozenset((world.links[i].source, world.links[i].target)) for i in links}
    if len(ends) > 1:
        return "shared channel" if len({link.channel for link in world.links}) == 1 else f"channel {channel}"
    first: Link = world.links[links[0]]
    arrow = "->" if len(links) == 1 else "-"
    return f"link {world.devices[first.source].name} {arrow} {world.devices[first.target].name}"


def _in_turns(world: World, links: list[int]) -> list[list[int]]:
    """Links whose shares of time add up to no more than one: at constant rates, or if they follow one trace.

    At rates that change each on its own, each may be used at its best times: they do not add up.
    """
    if all(isinstance(world.links[i].rate, ConstantRate) for i in links):
        return [links]
    followers: dict[int, list[int]] = {}
    for i in links:
        followers.setdefault(id(world.links[i].rate), []).append(i)
    return list(followers.values())
