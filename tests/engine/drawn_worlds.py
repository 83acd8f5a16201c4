"""Hypothesis draws a world and a policy: any topology that is connected, any arrivals, any named policy."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import strategies as st
from worlds import drawn

from mdisim.faults import Fault, Faults
from mdisim.policies import RECIPES, Policy
from mdisim.traces import Trace
from mdisim.world import (
    Arrivals,
    ConstantRate,
    Device,
    Jitter,
    Link,
    Packing,
    Rate,
    Samples,
    Source,
    Window,
    World,
    setting,
)

N_SAMPLES = 37
PHASE = st.sampled_from([None, 0.0, 0.1])  # with equal rates and phases sources are in step
ARRIVALS = st.one_of(
    st.builds(Arrivals, st.just("constant"), st.sampled_from([5.0, 20.0, 33.0]), phase_s=PHASE),
    st.builds(Arrivals, st.just("poisson"), st.floats(1, 40)),
    st.builds(Arrivals, st.just("on-off"), st.floats(5, 60), st.floats(0.1, 1), st.floats(0.1, 1)),
    st.lists(st.floats(0, 3), max_size=20).map(lambda t: Arrivals("file", times_s=tuple(sorted(t)))),
    st.builds(Arrivals, st.just("closed"), population=st.integers(1, 5), think_s=st.sampled_from([0.0, 0.1])),
    st.builds(Arrivals, st.just("policy"), phase_s=PHASE),
)
OPEN = ARRIVALS.filter(lambda a: a.kind in ("constant", "poisson", "on-off", "file"))
ORDER = st.sampled_from(["shuffled", "bootstrap"])
JITTER = st.sampled_from([Jitter(), Jitter("exponential"), Jitter("lognormal", 0.5)])
ONCE = st.fixed_dictionaries({"at_s": st.floats(0, 3), "for_s": st.floats(0.01, 2)})
WHEN = st.one_of(
    ONCE,
    st.fixed_dictionaries({"at_s": st.floats(0, 3)}),
    st.fixed_dictionaries({"at_s": st.floats(0, 1), "for_s": st.just(0.1), "every_s": st.floats(0.2, 1)}),
    st.fixed_dictionaries({"mean_up_s": st.floats(0.1, 2), "mean_down_s": st.floats(0.05, 1)}),
)
SHARED: dict[str, st.SearchStrategy[Any]] = {
    "exit_threshold": st.floats(0, 1),
    "score": st.sampled_from(["max-softmax", "certainty", "margin"]),
    "adapt": st.sampled_from(["rate", "threshold", "none"]),
    "step": st.sampled_from(["multiplicative", "additive"]),
    "initial_gap_s": st.floats(0.02, 0.2),
    "control_s": st.floats(0.1, 1),
    "count_in_service": st.booleans(),
    "announce": st.sampled_from(["stamp", "gossip"]),
    "gossip_s": st.sampled_from([0.0, 0.05, 0.5]),
    "estimator": st.sampled_from(["ewma", "last", "harmonic"]),
}
MDI_EXIT = SHARED | {
    "out_queue_limit": st.integers(0, 5),
    "keep_when_empty": st.booleans(),
    "offload_first": st.booleans(),
    "gate": st.sampled_from(["queue", "none"]),
    "p_rule": st.sampled_from(["ratio-capped", "ratio-sum", "deterministic-only"]),
    "neighbour_order": st.sampled_from(["random", "best-first"]),
    "retry_s": st.floats(0.01, 0.1),
    "compute_delay": st.sampled_from(["average", "queued"]),
    "transfer_delay": st.sampled_from(["average", "per-task"]),
    "optimistic": st.booleans(),
}
OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "ddi": SHARED | {"placement": st.sampled_from(["join", "offer"]), "out_queue_limit": st.integers(0, 3)},
    "random": SHARED | {"from_birth": st.booleans()},
    "remote": SHARED | {"device": st.just("d0")},
    "local": SHARED,
    "mdi-exit": MDI_EXIT,
    "no-exit": MDI_EXIT,
    "oracle": MDI_EXIT,
}


@st.composite
def policies(draw: st.DrawFn, world: World) -> Policy:
    """Any named policy with any parameters."""
    name = draw(st.sampled_from(sorted(RECIPES)))
    between = {"queue_low": st.floats(0, 5), "queue_high": st.floats(5, 10)}
    chosen = draw(st.fixed_dictionaries(between, optional=OWN[name]))
    if name == "remote":
        chosen["device"] = draw(st.sampled_from([d.name for d in world.devices]))
    return RECIPES[name](**chosen).build(setting(world))


@st.composite
def worlds(draw: st.DrawFn, arrivals: st.SearchStrategy[Arrivals] = ARRIVALS, **fixed: Any) -> World:
    """One to five devices of any speed, joined in any way, with one or two sources."""
    D, K = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    graph = nx.random_labeled_tree(D, seed=int(rng.integers(2**31)))
    graph.add_edges_from(e for e in nx.complete_graph(D).edges if rng.random() < 0.3)
    if draw(st.booleans()) and D > 2:
        graph = nx.cycle_graph(D, create_using=nx.DiGraph)  # a ring of one-way links
    limit = draw(st.sampled_from([inf, inf, 0, 1, 3]))
    sharing = draw(st.sampled_from(["fifo", "fair"]))
    samples = Samples(
        drawn(N_SAMPLES, K, seed=int(rng.integers(2**31))),
        work=rng.uniform(0.5, 2, (N_SAMPLES, K)) if draw(st.booleans()) else None,
        size=rng.uniform(0.5, 2, (N_SAMPLES, K + 1)) if draw(st.booleans()) else None,
    )
    world = World(
        devices=tuple(Device(f"d{d}", "unit", int(rng.integers(1, 3)), limit, busy_w=2.0) for d in range(D)),
        links=draw(_links(graph, rng, fair=sharing == "fair")),
        sources=tuple(
            Source(draw(st.integers(0, D - 1)), draw(arrivals), 1.0, draw(ORDER))
            for _ in range(draw(st.integers(1, 2)))
        ),
        samples=samples,
        stage_s=rng.uniform(0, 0.05, (D, K)),
        head_s=rng.uniform(0, 0.01, (D, K)),
        out_bytes=np.append(rng.uniform(0, 5000, K), 0.0),
        layers=np.ones(K),
        next_hop=next_hops(graph),
        window=Window(3.0, draw(st.sampled_from([0.0, 1.0])), draw(st.booleans()), 20.0),
        calibration=samples,
        jitter=draw(JITTER),
        label_bytes=draw(st.sampled_from([0.0, 100.0])),
        work_conserving=draw(st.booleans()),
        sender=draw(st.sampled_from(["device", "link"])),
        sharing=sharing,  # type: ignore[arg-type]
        packing=draw(st.sampled_from([Packing(), Packing(40.0, 1e-3, 1e8, (2e-3,) * (K + 1), (1e-3,) * (K + 1))])),
        route_bytes=1000.0,
    )  # fmt: skip
    return replace(world, **fixed)


def trace(rng: np.random.Generator, knots: int) -> Trace:
    """A rate that changes a few times a second and is zero now and then, with latency and loss."""
    time_s = np.concatenate(([0.0], np.cumsum(rng.uniform(0.01, 0.5, knots))))
    rate_bps = rng.uniform(1e5, 1e7, knots) * (rng.random(knots) < 0.8)
    rate_bps[0] = 1e6
    return Trace(
        time_s[:-1], rate_bps, time_s[-1], "loop", rng.uniform(0, 0.01, knots), rng.uniform(0, 0.3, knots)
    )


@st.composite
def _links(draw: st.DrawFn, graph: nx.Graph, rng: np.random.Generator, *, fair: bool) -> tuple[Link, ...]:
    one_way = graph.is_directed()
    pairs = [pair for a, b in sorted(graph.edges) for pair in ([(a, b)] if one_way else [(a, b), (b, a)])]
    shared, traced = draw(st.booleans()), draw(st.booleans())
    loss = draw(st.sampled_from([0.0, 0.0, 0.2]))
    common = trace(rng, 5)

    def rate() -> Rate:
        if not traced:
            return ConstantRate(float(rng.uniform(1e5, 1e7)))
        return common if shared and fair else trace(rng, draw(st.integers(1, 6)))

    return tuple(
        Link(a, b, one, float(rng.choice([0.0, 0.003])), 0 if shared else i, 0.5, 10.0, loss,
             float(rng.choice([100.0, inf])), one if isinstance(one, Trace) else None)
        for i, (a, b) in enumerate(pairs) for one in [rate()]
    )  # fmt: skip


@st.composite
def faults(draw: st.DrawFn, world: World, *, passing: bool = False) -> Faults:
    """Any faults of any kinds of the devices and links of a world, with any rules; or those that pass."""
    kinds = ["crash", "leave", "slowdown", *(["outage"] if world.links else [])]
    events = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(kinds))
        when: dict[str, Any] = draw(ONCE if passing else WHEN)
        device = draw(st.integers(0, len(world.devices) - 1))
        some = st.lists(st.integers(0, len(world.links) - 1), min_size=1, max_size=2, unique=True)
        links = tuple(draw(some)) if kind == "outage" else ()
        events.append(Fault(kind, device, links, factor=draw(st.sampled_from([0.2, 0.5, 2.0])), **when))
    return Faults(
        tuple(events),
        draw(st.sampled_from(["requeue", "restart", "drop"])),
        draw(st.sampled_from(["wait", "requeue", "restart", "drop"])),
        draw(st.integers(1, 4)),
        draw(st.booleans()),
    )


def next_hops(graph: nx.Graph) -> np.ndarray:
    """The neighbour on a shortest path between any two devices."""
    hops = np.full((len(graph), len(graph)), -1, dtype=np.int64)
    for a, paths in nx.all_pairs_shortest_path(graph):
        for b, path in paths.items():
            if a != b:
                hops[a, b] = path[1]
    return hops
