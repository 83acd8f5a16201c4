"""Routes against networkx, on random networks."""

import networkx as nx
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from mdisim.routes import routes
from mdisim.world import UNREACHABLE, ConstantRate, Link

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
