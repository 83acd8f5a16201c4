"""A channel shared fairly against the closed form of processor sharing: M/M/1-PS and M/G/1-PS.

The mean time in a PS queue is service / (1 - load), whatever the distribution of service (Kleinrock, Queueing
Systems II, 1976). Flows are messages of random sizes over links of their own, all on one channel.
"""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from channel_flows import ends_s
from test_queues import LOADS, SEEDS, agrees

from mdisim.world import ConstantRate

SPAN = {0.3: (50, 3_000), 0.6: (100, 4_000), 0.9: (1_500, 8_000)}


def mean_time(load: float, sizes: str, seed: int) -> float:
    warmup, after = SPAN[load]
    rng = np.random.default_rng(seed)
    n = int(load * (warmup + after))
    starts_s = np.cumsum(rng.exponential(1 / load, n))
    two_valued = np.where(rng.random(n) < 0.1, 7.0, 1 / 3)  # coefficient of variation 2: a tenth is long
    bits = rng.exponential(1.0, n) if sizes == "exponential" else two_valued
    ends = ends_s(starts_s.tolist(), bits.tolist(), [ConstantRate(1.0)] * n, [inf] * n)
    return float(np.mean((np.array(ends) - starts_s)[starts_s > warmup]))


@LOADS
@pytest.mark.parametrize("sizes", ["exponential", "two-valued"])
def test_processor_sharing(load: float, sizes: str) -> None:
    assert agrees([mean_time(load, sizes, seed) for seed in SEEDS], 1 / (1 - load))
