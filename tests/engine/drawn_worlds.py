"""Hypothesis draws a world and a policy: any topology that is connected, any arrivals, any named policy."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import strategies as st
from worlds import drawn

from mdisim.policies import RECIPES, Policy
from mdisim.world import Arrivals, ConstantRate, Device, Jitter, Link, Samples, Source, Window, World, setting

N_SAMPLES = 37
ARRIVALS = st.one_of(
    st.builds(Arrivals, st.just("constant"), st.floats(1, 40)),
    st.builds(Arrivals, st.just("poisson"), st.floats(1, 40)),
    st.builds(Arrivals, st.just("on-off"), st.floats(5, 60), st.floats(0.1, 1), st.floats(0.1, 1)),
    st.lists(st.floats(0, 3), max_size=20).map(lambda t: Arrivals("file", times_s=tuple(sorted(t)))),
    st.builds(Arrivals, st.just("closed"), population=st.integers(1, 5), think_s=st.sampled_from([0.0, 0.1])),
    st.just(Arrivals("policy")),
)
OPEN = ARRIVALS.filter(lambda a: a.kind in ("constant", "poisson", "on-off", "file"))
ORDER = st.sampled_from(["shuffled", "bootstrap"])
JITTER = st.sampled_from([Jitter(), Jitter("exponential"), Jitter("lognormal", 0.5)])
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
    limit = draw(st.sampled_from([inf, inf, 0, 1, 3]))
    samples = Samples(
        drawn(N_SAMPLES, K, seed=int(rng.integers(2**31))),
        work=rng.uniform(0.5, 2, (N_SAMPLES, K)) if draw(st.booleans()) else None,
        size=rng.uniform(0.5, 2, (N_SAMPLES, K + 1)) if draw(st.booleans()) else None,
    )
    world = World(
        devices=tuple(Device(f"d{d}", "unit", int(rng.integers(1, 3)), limit, busy_w=2.0) for d in range(D)),
        links=_links(graph, rng, shared=draw(st.booleans())),
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
    )  # fmt: skip
    return replace(world, **fixed)


def _links(graph: nx.Graph, rng: np.random.Generator, *, shared: bool) -> tuple[Link, ...]:
    pairs = [pair for a, b in sorted(graph.edges) for pair in ((a, b), (b, a))]
    return tuple(
        Link(a, b, ConstantRate(float(rng.uniform(1e5, 1e7))), float(rng.choice([0.0, 0.003])), 0 if shared else i,
             0.5, 10.0)
        for i, (a, b) in enumerate(pairs)
    )  # fmt: skip


def next_hops(graph: nx.Graph) -> np.ndarray:
    """The neighbour on a shortest path between any two devices."""
    hops = np.full((len(graph), len(graph)), -1, dtype=np.int64)
    for a, paths in nx.all_pairs_shortest_path(graph):
        for b, path in paths.items():
            if a != b:
                hops[a, b] = path[1]
    return hops
