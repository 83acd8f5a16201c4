"""One small run of MDI-Exit on three devices, pinned: a change here is a change of results, for the changelog."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import line

from mdisim.engine import run
from mdisim.policies import MdiExit, Outputs
from mdisim.world import Arrivals, Jitter, setting

N, K = 97, 4
GOLDEN = {
    "offered": 892,
    "answered": 888,
    "right": 704,
    "exits": [180, 218, 160, 330],
    "by device": [356, 308, 224],
    "bytes": 12515600,
}
LATENCY_S, WAIT_S, THRESHOLD = 0.12697904913609184, 0.04178416930495479, 0.7227710895542055


def outputs() -> Outputs:
    """Confidences that rise with the exit, from whole numbers alone: no library can round them otherwise."""
    i, k = np.arange(N)[:, None], np.arange(K)[None, :]
    confidence = ((37 * i) % N / N + k) / (k + 1.0)
    return Outputs(None, confidence, np.where((i + k) % 5 == 0, 1, 0), np.zeros(N, dtype=np.int64))


def test_the_numbers_of_a_small_run() -> None:
    world = line(
        3, (0.01, 0.02, 0.02, 0.01), outputs=outputs(), arrivals=Arrivals("poisson", 45.0), head_s=0.001,
        out_bytes=(3000, 20_000, 10_000, 10_000, 0), rate=20e6, latency_s=0.002, shared=True,
        jitter=Jitter("exponential"), warmup_s=2.0, duration_s=20.0,
    )  # fmt: skip
    policy = MdiExit(adapt="threshold", exit_threshold=0.6, queue_low=2.0, queue_high=6.0)
    done = run(world, policy.build(setting(world)), 2026)
    answered = done.tasks[done.tasks.status == "answered"]
    found = {
        "offered": len(done.tasks),
        "answered": len(answered),
        "right": int(answered.correct.sum()),
        "exits": answered.exit.value_counts().sort_index().tolist(),
        "by device": answered.device.value_counts(sort=False).tolist(),
        "bytes": int(answered.bytes_sent.sum()),
    }
    assert found == GOLDEN
    assert (answered.done_s - answered.born_s).mean() == pytest.approx(LATENCY_S, rel=0, abs=1e-9)
    assert answered.wait_s.mean() == pytest.approx(WAIT_S, rel=0, abs=1e-9)
    assert done.timeline.threshold.iloc[-3] == pytest.approx(THRESHOLD, rel=0, abs=1e-9)
