"""Small worlds built by hand for the tests: devices in a row, one or more sources, a made-up network."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mdisim.policies.plan import row
from mdisim.policies.policy import Policy
from mdisim.policies.scores import Outputs
from mdisim.policies.views import FREE
from mdisim.profiles import synthesise, write
from mdisim.world import (
    UNREACHABLE,
    Arrivals,
    ConstantRate,
    Device,
    Jitter,
    Link,
    Rate,
    Samples,
    Source,
    Window,
    World,
)

POISSON = Arrivals("poisson", 50.0)
STEADY = Jitter()


def surely_last(n: int, K: int) -> Outputs:
    """n samples that never leave early: confidence 0 but at the last exit, 1; every answer is right."""
    confidence = np.zeros((n, K))
    confidence[:, -1] = 1.0
    return Outputs(None, confidence, np.zeros((n, K), dtype=np.int64), np.zeros(n, dtype=np.int64))


def drawn(n: int, K: int, classes: int = 10, seed: int = 0) -> Outputs:
    """n samples with logits of which later exits are surer and more often right."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, K, classes))
    logits[np.arange(n), :, label] += np.linspace(1.5, 4.0, K) * rng.uniform(0.2, 1.8, (n, 1))
    odds = np.exp(logits - logits.max(axis=2, keepdims=True))
    confidence = odds.max(axis=2) / odds.sum(axis=2)
    return Outputs(logits, confidence, logits.argmax(axis=2), label)


def line(
    n_devices: int = 1,
    stage_s: ArrayLike = (0.01,),
    *,
    arrivals: Arrivals | Sequence[Arrivals] = POISSON,
    head_s: ArrayLike = 0.0,
    out_bytes: ArrayLike = 1000.0,
    rate: Rate | float = 1e6,
    latency_s: float = 0.0,
    shared: bool = False,
    outputs: Outputs | None = None,
    work: ArrayLike | None = None,
    size: ArrayLike | None = None,
    jitter: Jitter = STEADY,
    cores: int = 1,
    queue_limit: float = inf,
    deadline_s: float = inf,
    order: str = "shuffled",
    label_bytes: float = 100.0,
    sender: str = "device",
    work_conserving: bool = True,
    busy_w: float = 0.0,
    idle_w: float = 0.0,
    nj_per_bit: float = 0.0,
    offload_cost: float = 0.0,
    **window: float | bool,
) -> World:
    """Devices d0 - d1 - ... in a row, neighbours joined both ways; the i-th of the `arrivals` is at d_i.

    `stage_s`, `head_s`: [K] for all devices, or [D, K]; a number where all are alike. `out_bytes`: one for the
    input and every cut, or [K+1]. `rate`: bits per second or a Rate. `shared`: one channel for all links, else
    one each. `outputs`: what the network says, of the calibration half too; by default 1,000 samples that
    never leave early and are right. `window`: the fields of a Window; 100 s without warm-up by default.
    """
    stages = np.atleast_1d(np.asarray(stage_s, dtype=float))
    stages = np.array(np.broadcast_to(stages, (n_devices, stages.shape[-1])))
    K = stages.shape[1]
    sent = np.asarray(out_bytes, dtype=float)
    samples = Samples(
        surely_last(1000, K) if outputs is None else outputs,
        work=None if work is None else np.asarray(work, dtype=float),
        size=None if size is None else np.asarray(size, dtype=float),
    )
    many = (arrivals,) if isinstance(arrivals, Arrivals) else arrivals
    return World(
        devices=tuple(
            Device(f"d{d}", "unit", cores, queue_limit, (True,) * K, busy_w=busy_w, idle_w=idle_w)
            for d in range(n_devices)
        ),
        links=_links(n_devices, rate, shared, (latency_s, offload_cost, nj_per_bit)),
        sources=tuple(Source(d, a, deadline_s, order) for d, a in enumerate(many)),  # type: ignore[arg-type]
        samples=samples,
        stage_s=stages,
        head_s=np.array(np.broadcast_to(np.asarray(head_s, dtype=float), stages.shape)),
        out_bytes=np.append(np.full(K, sent), 0.0) if sent.ndim == 0 else sent,
        layers=np.ones(K),
        next_hop=_next_hop(n_devices),
        window=Window(**({"duration_s": 100.0} | window)),  # type: ignore[arg-type]
        calibration=samples,
        jitter=jitter,
        label_bytes=label_bytes,
        work_conserving=work_conserving,
        sender=sender,  # type: ignore[arg-type]
        profile="by-hand",
        profile_digest="0" * 64,
    )


def _links(D: int, rate: Rate | float, shared: bool, rest: tuple[float, float, float]) -> tuple[Link, ...]:
    pairs = [pair for d in range(D - 1) for pair in ((d, d + 1), (d + 1, d))]
    speed = ConstantRate(rate) if isinstance(rate, int | float) else rate
    latency_s, offload_cost, nj_per_bit = rest
    return tuple(
        Link(a, b, speed, latency_s, 0 if shared else i, offload_cost, nj_per_bit)
        for i, (a, b) in enumerate(pairs)
    )


def _next_hop(D: int) -> np.ndarray:
    hop = np.full((D, D), UNREACHABLE, dtype=np.int64)
    for a in range(D):
        for b in range(D):
            if a != b:
                hop[a, b] = a + (1 if b > a else -1)
    return hop


def fixed(
    world: World,
    threshold: float | tuple[float, ...] = inf,
    placement: int | tuple[int, ...] = FREE,
    name: str = "fixed",
    *,
    early_exits: bool = True,
) -> Policy:
    """A plan and no rules: every sample takes these thresholds and these devices (FREE: stay at the source)."""
    plan = (row(world.n_exits, threshold, early_exits=early_exits, placement=placement),)
    return Policy(name, plan, details={"threshold": threshold})


SCENARIO = """\
description: A phone and an edge server four times as fast.
profile: ./demo.npz
devices:
  phone: {kind: unit}
  edge: {kind: unit, speed: 4}
network:
  topology: line
  link: {rate: 20 Mbps, latency: 2 ms}
workload:
  at: phone
  deadline: 100 ms
  arrivals: {kind: poisson, rate: 40/s}
policy: mdi-exit
compare: [local, {name: mdi-exit, label: strict, exit_threshold: 0.95}]
run: {duration: 5 s, warmup: 1 s, seed: 3}
"""
ALONE = "".join(line for line in SCENARIO.splitlines(True) if not line.startswith("compare"))  # its policy only


def scenario_file(folder: Path, text: str = SCENARIO) -> Path:
    """Write a small scenario and its made-up profile of three exits into a folder."""
    made = synthesise(
        n=400, exits=3, accuracy=(0.7, 0.8, 0.9), stage_s=(0.01, 0.01, 0.02), head_s=0.001,
        out_bytes=(3000.0, 20000.0, 10000.0, 0.0), seed=0, name="demo",
    )  # fmt: skip
    write(made, folder / "demo.npz")
    path = folder / "two.yaml"
    path.write_text(text, encoding="utf-8")
    return path
