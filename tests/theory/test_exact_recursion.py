"""A tandem is a recursion: every sample's times follow from d_k = max(a_k, d_{k-1}) + s_k, station by station."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import fixed, line, surely_last

from mdisim.engine import run
from mdisim.policies.scores import Floats
from mdisim.world import Arrivals, World

N = 5_000
RATE_BPS = 16e6
BYTES = 1e6  # half a second


def departures(arrivals: Floats, service: Floats) -> Floats:
    """When each sample leaves, unrolled: d_k = max over j <= k of (a_j - C_{j-1}) + C_k, C = cumulated s."""
    total = np.cumsum(service)
    return np.maximum.accumulate(arrivals - (total - service)) + total


def tandem(sender: str, latency_s: float) -> tuple[World, Floats, Floats, Floats]:
    rng = np.random.default_rng(7)
    born = np.cumsum(rng.exponential(1.0, N))
    work = rng.exponential(1.0, (N, 3))
    size = rng.exponential(1.0, (N, 4))
    made = line(
        3, (0.7, 0.5, 0.8), arrivals=Arrivals("file", times_s=tuple(born)), outputs=surely_last(N, 3), work=work,
        size=size, order="sequential", rate=RATE_BPS, out_bytes=BYTES, latency_s=latency_s, label_bytes=0,
        sender=sender, duration_s=float(born[-1]) + 1.0, drain=True,
    )  # fmt: skip
    return made, born, work * (0.7, 0.5, 0.8), size * (8 * BYTES / RATE_BPS)


@pytest.mark.parametrize("sender", ["device", "link"])
@pytest.mark.parametrize("latency_s", [0.0, 0.3])
def test_the_engine_is_the_recursion(sender: str, latency_s: float) -> None:
    made, born, service, transmission = tandem(sender, latency_s)
    tasks = run(made, fixed(made, placement=(0, 1, 2)), 1).tasks
    at = born
    waits = np.zeros(N)
    for k in range(3):
        left = departures(at, service[:, k])
        waits += left - at - service[:, k]
        at = left if k == 2 else departures(left, transmission[:, k + 1]) + latency_s
    assert len(tasks) == N
    np.testing.assert_allclose(tasks.born_s, born, rtol=0, atol=1e-9)
    np.testing.assert_allclose(tasks.done_s, at, rtol=0, atol=1e-9)
    np.testing.assert_allclose(tasks.wait_s, waits, rtol=0, atol=1e-9)
    np.testing.assert_allclose(tasks.compute_s, service.sum(axis=1), rtol=1e-12)
