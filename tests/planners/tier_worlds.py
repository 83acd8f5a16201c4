"""A mobile, an edge and a cloud, with a network of some exits made by hand, and features that tell pools."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from worlds import line

from mdisim.engine import run
from mdisim.planners.tiers.pools import Evidence
from mdisim.policies.policy import Policy
from mdisim.policies.scores import Outputs
from mdisim.world import Arrivals, Link, World

NAMES = {"edge": "d1", "cloud": "d2"}
O_E, O_C = 3.0, 5.0
STAGE_S = ((0.030,), (0.003,), (0.001,))
ONE_BY_ONE = Arrivals("closed")


def made(n: int = 600, K: int = 6, seed: int = 0, classes: int = 2) -> Outputs:
    """n samples of which later exits are surer and more often right; each sample has a difficulty of its own."""
    rng = np.random.default_rng(seed)
    ease = rng.uniform(0, 1, (n, 1))
    right_chance = np.clip(0.55 + 0.4 * ease + np.linspace(-0.1, 0.15, K), 0.5, 0.999)
    confidence = np.clip(right_chance + 0.05 * rng.normal(size=(n, K)), 0.5, 0.9999)
    right = rng.random((n, 1)) < right_chance
    label = rng.integers(0, classes, n)
    prediction = np.where(right, label[:, None], (label[:, None] + 1) % classes)
    return Outputs(None, confidence, prediction.astype(np.int64), label.astype(np.int64))


def hints(outputs: Outputs, noise: float = 0.1, d: int = 4, seed: int = 0) -> NDArray[np.float64]:
    """Features [n, d] that tell a sample's ease, the better the less the noise."""
    rng = np.random.default_rng(seed)
    ease = outputs.confidence.mean(axis=1, keepdims=True)
    return ease * np.linspace(1.0, 2.0, d) + noise * rng.normal(size=(len(ease), d))


def tiers(
    outputs: Outputs | None = None,
    features: NDArray[np.float64] | None = None,
    *,
    relayed: bool = False,
    o_e: float = O_E,
    o_c: float = O_C,
    layer_cost: tuple[float, float, float] = (1.0, 1.0, 1.0),
    **changes: Any,
) -> World:
    """d0 - d1 - d2, with links d0 - d2 unless the edge relays; a sample to the cloud pays o_c on either way."""
    outputs = made() if outputs is None else outputs
    K = outputs.confidence.shape[1]
    given: dict[str, Any] = {
        "arrivals": ONE_BY_ONE, "outputs": outputs, "order": "sequential", "label_bytes": 0.0, "duration_s": 60.0,
        "out_bytes": 500.0, "stage_s": np.tile(np.array(STAGE_S), (1, K)),
    }  # fmt: skip
    world = line(3, **(given | changes))
    price = {(0, 1): o_e, (1, 0): o_e, (1, 2): o_c - o_e, (2, 1): o_c - o_e}
    links = tuple(replace(link, offload_cost=price[link.source, link.target]) for link in world.links)
    hop = world.next_hop.copy()
    if not relayed:
        links += tuple(
            Link(a, b, world.links[0].rate, 0.0, 4 + i, o_c) for i, (a, b) in enumerate(((0, 2), (2, 0)))
        )
        hop[0, 2], hop[2, 0] = 2, 0
    devices = tuple(replace(d, layer_cost=cost) for d, cost in zip(world.devices, layer_cost, strict=True))
    samples = replace(world.samples, features=features)
    return replace(world, devices=devices, links=links, next_hop=hop, samples=samples, calibration=samples)


def answered(world: World, policy: Policy, seed: int = 1) -> pd.DataFrame:
    """The answered tasks of one pass over the samples at most, by sample."""
    tasks = run(world, policy, seed).tasks
    tasks = tasks[tasks.status == "answered"]
    return tasks.iloc[: len(world.samples)].set_index("sample")


def evidence_of(
    confidence: list[list[float]], right: list[list[int]], cost: tuple[float, ...] = (3.0, 9.0, 17.0)
) -> Evidence:
    """What hand-made samples show; going up costs what the next tier costs, less an offload's difference."""
    return Evidence(
        np.array(confidence, dtype=float),
        np.array(right, dtype=bool),
        np.array(cost),
        np.array([cost[1], 14.0]),
        np.zeros(len(right), dtype=int),
        np.arange(len(right)),
    )
