"""The fastest ways through a network of links."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from mdisim.world import UNREACHABLE, Link


def routes(
    links: tuple[Link, ...],
    n_devices: int,
    size_bytes: float,
    without_links: Collection[int] = (),
    without_devices: Collection[int] = (),
) -> NDArray[np.int64]:
    """The next device on the fastest way, [D, D], for a message of a size over unloaded links.

    Of equally fast ways the one with fewer hops, then the one through the device that comes first. It is
    UNREACHABLE where no way leads, and the device itself on the diagonal. No way takes a link of
    `without_links` or leads to a device of `without_devices`. (Floyd and Warshall.)
    """
    time_s = np.full((n_devices, n_devices), np.inf)
    hops = np.full((n_devices, n_devices), n_devices)
    step = np.full((n_devices, n_devices), UNREACHABLE)
    for number, link in enumerate(links):
        if number in without_links or link.target in without_devices:
            continue
        mean_bps = link.rate.mean_bps()
        if mean_bps > 0.0:
            bits = 8.0 * size_bytes / (1.0 - link.loss)
            time_s[link.source, link.target] = bits / mean_bps + link.latency_s
            hops[link.source, link.target] = 1
            step[link.source, link.target] = link.target
    np.fill_diagonal(time_s, 0.0)
    np.fill_diagonal(hops, 0)
    np.fill_diagonal(step, np.arange(n_devices))
    between = np.isfinite(time_s) | np.isfinite(time_s.T)
    for via in np.flatnonzero(between.sum(axis=0) > 2):  # itself, and more than one other to be between
        time_via = time_s[:, via, None] + time_s[None, via, :]
        hops_via = hops[:, via, None] + hops[None, via, :]
        better = (time_via < time_s) | ((time_via == time_s) & (hops_via < hops) & np.isfinite(time_via))
        if better.any():
            time_s[better] = time_via[better]
            hops[better] = hops_via[better]
            step[better] = np.broadcast_to(step[:, via, None], better.shape)[better]
    return step
