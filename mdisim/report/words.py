"""What a picture of a network says of its links, in words."""

from __future__ import annotations

from mdisim.report.style import quantity
from mdisim.world import ConstantRate, Link, Rate, World


def link_in_words(link: Link, world: World) -> str:
    """What a link is like."""
    parts = [rate_in_words(link.rate, world, "bps")]
    if link.latency_s:
        parts.append(quantity(link.latency_s, "s"))
    if link.loss:
        parts.append(f"{100.0 * link.loss:.3g} % lost")
    return ", ".join(parts)


def rate_in_words(rate: Rate, world: World, unit: str) -> str:
    """A constant rate, or the trace by its name with its mean."""
    mean = quantity(rate.mean_bps(), unit)
    if isinstance(rate, ConstantRate):
        return mean
    digest = getattr(rate, "digest", None)
    names = [name for name, known in world.traces.items() if known == digest] or list(world.traces)
    return f"trace {names[0]}, mean {mean}" if len(names) == 1 else f"a trace, mean {mean}"


def medium_in_words(world: World) -> str:
    """How links share channels, where that is the same all over."""
    channels: dict[int, list[Link]] = {}
    for link in world.links:
        channels.setdefault(link.channel, []).append(link)
    shared = [links for links in channels.values() if len(links) > 1]
    fair = ", in equal shares" if world.sharing == "fair" else ""
    if not shared:
        return ""
    if len(channels) == 1:
        return f"one shared channel{fair}"
    if all({(k.source, k.target) for k in links} <= _both(links[0]) for links in shared):
        return f"one channel for both ways{fair}"
    return f"{len(channels)} channels for {len(world.links)} links{fair}"


def _both(link: Link) -> set[tuple[int, int]]:
    return {(link.source, link.target), (link.target, link.source)}


def ranges_in_words(world: World) -> str:
    """What many unlike links are like, from least to most."""
    rates = [link.rate.mean_bps() for link in world.links]
    delays = [link.latency_s for link in world.links]
    told = [f"{quantity(min(values), unit)} to {quantity(max(values), unit)}" for values, unit in
            ((rates, "bps"), (delays, "s")) if max(values) > 0.0]  # fmt: skip
    return "links: " + ", ".join(told)
