"""Routes against networkx, on random networks."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from worlds import line

from mdisim.routes import routes
from mdisim.world import UNREACHABLE, ConstantRate, Link, Packing, setting

SIZE = 1000.0


@st.composite
def networks(draw):
    n = draw(st.integers(1, 7))
    ends = [(a, b) for a in range(n) for b in range(n) if a != b]
    chosen = draw(st.lists(st.sampled_from(ends), unique=True)) if ends else []
    rates = st.sampled_from([1e5, 1e6, 2e6])
    return n, tuple(Link(a, b, ConstantRate(draw(rates)), draw(st.sampled_from([0.0, 0.01]))) for a, b in chosen)


def time_s(link):
    return 8 * SIZE / link.rate.rate_bps + link.latency_s


@examples()
@given(networks())
def test_every_route_ends_and_takes_the_shortest_time(network):
    n, links = network
    step = routes(links, n, SIZE)
    between = {(link.source, link.target): link for link in links}
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_weighted_edges_from((a, b, time_s(link)) for (a, b), link in between.items())
    shortest = dict(nx.all_pairs_dijkstra_path_length(graph))
    for a in range(n):
        for b in range(n):
            if b not in shortest[a]:
                assert step[a, b] == UNREACHABLE
                continue
            here, taken, hops = a, 0.0, 0
            while here != b:
                there = int(step[here, b])
                taken += time_s(between[here, there])
                here, hops = there, hops + 1
                assert hops < n
            assert taken == pytest.approx(shortest[a][b])


@examples()
@given(networks(), st.randoms(use_true_random=False))
def test_the_order_of_links_does_not_matter(network, random):
    n, links = network
    shuffled = list(links)
    random.shuffle(shuffled)
    np.testing.assert_array_equal(routes(links, n, SIZE), routes(tuple(shuffled), n, SIZE))


def test_of_equal_ways_the_one_with_fewer_hops_then_through_the_first():
    fast, slow = ConstantRate(2e6), ConstantRate(1e6)
    direct = tuple(Link(a, b, rate) for a, b, rate in [(0, 1, slow), (0, 2, fast), (2, 1, fast)])
    assert routes(direct, 3, SIZE)[0, 1] == 1
    diamond = tuple(Link(a, b, fast) for a, b in [(0, 2), (2, 3), (0, 1), (1, 3)])
    assert routes(diamond, 4, SIZE)[0, 3] == 1


@examples()
@given(networks())
def test_what_a_way_takes_is_the_sum_of_its_links(network):
    n, links = network
    links = tuple(replace(link, offload_cost=float(i)) for i, link in enumerate(links))
    base = line(n, (0.01, 0.02), out_bytes=500.0)
    packing = Packing(serialise_s=0.001)
    world = replace(base, links=links, next_hop=routes(links, n, SIZE), packing=packing)
    known = setting(world)
    packing_s = 2 * (0.001 + 8 * world.out_bytes / world.packing.serialise_bps)
    for a in range(n):
        for b in range(n):
            if a != b and world.next_hop[a, b] == UNREACHABLE:
                assert np.isinf(known.transfer_s[a, b]).all()
                assert np.isinf(known.offload_cost[a, b])
                continue
            way = [links[i] for i in world.route(a, b)]
            seconds = sum((8 * world.out_bytes / link.rate.rate_bps + link.latency_s for link in way), np.zeros(3))
            np.testing.assert_allclose(known.transfer_s[a, b], seconds + (packing_s if way else 0.0), rtol=1e-12)
            assert known.offload_cost[a, b] == sum(link.offload_cost for link in way)
            assert known.neighbours[a, b] == ((a, b) in world.link_between)
