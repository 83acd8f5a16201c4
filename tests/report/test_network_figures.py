"""Pictures of networks: every device and link is there, places suit the shape, and no words cover each other."""

from dataclasses import replace
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from worlds import line

from mdisim.report import network
from mdisim.report.layouts import places
from mdisim.traces import Trace
from mdisim.world import ConstantRate, Device, Link, Source, World


def joined(graph: nx.Graph, *, sources=(0,), kinds=None, **link) -> World:
    """A world whose devices are joined as the nodes of a graph, by links of 20 Mbps and 2 ms."""
    n = len(graph)
    pairs = [pair for a, b in graph.edges() for pair in ((a, b), (b, a))]
    if graph.is_directed():
        pairs = list(graph.edges())
    links = tuple(
        Link(a, b, **({"rate": ConstantRate(2e7), "latency_s": 0.002, "channel": i} | link))
        for i, (a, b) in enumerate(pairs)
    )
    devices = tuple(Device(f"d{d}", kinds[d] if kinds else "unit") for d in range(n))
    base = line(1)
    return replace(
        base, devices=devices, links=links, sources=tuple(replace(base.sources[0], device=d) for d in sources)
    )


def strokes(ax: Axes) -> list[np.ndarray]:
    """The straight lines for links."""
    return [path for drawn in ax.collections if isinstance(drawn, LineCollection) for path in drawn.get_segments()]


def arrows(ax: Axes) -> list[FancyArrowPatch]:
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def told(ax: Axes) -> list[str]:
    """What the legend says."""
    (legend,) = ax.figure.legends or [ax.get_legend()]
    return [text.get_text() for text in legend.get_texts()]


def names(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


MESH = joined(nx.complete_graph(5))


# --- what is there


def test_devices_sources_and_alike_links_are_told_once():
    ax = network(MESH)
    assert names(ax) == ["d0", "d1", "d2", "d3", "d4"]
    assert len(strokes(ax)) == 10
    assert told(ax) == ["unit", "source of samples", "every link: 20 Mbps, 2 ms"]
    at = {tuple(device.get_xydata()[0]) for device in ax.lines}
    assert at == {tuple(place) for place in places(MESH)}
    assert {tuple(end) for stroke in strokes(ax) for end in stroke} == at


def test_a_shared_channel_is_told_as_one():
    shared = joined(nx.complete_graph(5), channel=0)
    assert told(network(shared))[-1] == "every link: 20 Mbps, 2 ms, one shared channel"
    fair = replace(shared, sharing="fair")
    assert told(network(fair))[-1] == "every link: 20 Mbps, 2 ms, one shared channel, in equal shares"


def test_half_duplex_is_told():
    world = joined(nx.star_graph(3))
    half = replace(world, links=tuple(replace(one, channel=i // 2) for i, one in enumerate(world.links)))
    assert told(network(half))[-1] == "every link: 20 Mbps, 2 ms, one channel for both ways"


def test_one_way_is_an_arrow():
    ax = network(joined(nx.DiGraph([(0, 1), (1, 2), (2, 0)])))
    assert len(arrows(ax)) == 3
    assert strokes(ax) == []


def test_few_links_that_differ_have_labels_of_their_own():
    world = joined(nx.path_graph(3))
    slow = replace(world.links[0], rate=ConstantRate(5e6), loss=0.01)
    ax = network(replace(world, links=(slow, *world.links[1:])))
    assert sorted(names(ax))[:3] == ["20 Mbps\n2 ms", "20 Mbps\n2 ms", "5 Mbps\n2 ms\n1 % lost"]
    assert len(arrows(ax)) == 2  # there and back differ
    assert len(strokes(ax)) == 1


def test_many_links_of_few_sorts_are_told_in_the_legend():
    world = joined(nx.complete_graph(7))
    links = tuple(
        replace(one, rate=ConstantRate(5e6 if 0 in (one.source, one.target) else 2e7)) for one in world.links
    )
    ax = network(replace(world, links=links))
    assert told(ax)[-2:] == ["5 Mbps, 2 ms", "20 Mbps, 2 ms"]
    assert len(strokes(ax)) == 21


def test_many_links_of_many_sorts_are_told_as_ranges():
    world = joined(nx.complete_graph(7))
    links = tuple(replace(one, rate=ConstantRate(1e6 * (1 + one.source + one.target))) for one in world.links)
    assert told(network(replace(world, links=links)))[-1] == "links: 2 Mbps to 12 Mbps, 2 ms to 2 ms"


def test_traces_are_called_by_name():
    trace = Trace([0.0, 1.0], [1e6, 3e6], 2.0)
    world = joined(nx.path_graph(2), rate=trace, latency_s=0.0)
    assert told(network(world))[-1] == "link: a trace, mean 2 Mbps"
    assert told(network(replace(world, traces={"bus": trace.digest})))[-1] == "link: trace bus, mean 2 Mbps"


def test_a_device_that_follows_a_trace_says_so():
    world = joined(nx.path_graph(2))
    slow = replace(world.devices[0], speed=Trace([0.0, 1.0], [0.5, 1.5], 2.0))
    assert "d0\nspeed: a trace, mean 1 x" in names(network(replace(world, devices=(slow, world.devices[1]))))


def test_kinds_are_told_apart():
    ax = network(joined(nx.star_graph(4), kinds=["server", *["phone"] * 4], sources=(1, 2)))
    assert told(ax)[:3] == ["server", "phone", "source of samples"]
    shapes = [drawn.get_marker() for drawn in ax.lines[:5]]
    assert shapes == ["o", "s", "s", "s", "s"]


def test_more_than_sixty_devices_have_no_names():
    assert names(network(joined(nx.cycle_graph(61)))) == []
    assert len(names(network(joined(nx.cycle_graph(60))))) == 60


def test_it_draws_into_the_axes_it_is_given():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert network(MESH, right) is right
    assert right.get_legend() is not None
    assert not left.lines


@pytest.mark.parametrize("n", [1, 3])
def test_devices_that_nothing_joins_stand_side_by_side(n):
    world = joined(nx.empty_graph(n))
    assert np.diff(places(world)[:, 0]).tolist() == [1.0] * (n - 1)
    assert told(network(world)) == ["unit", "source of samples"]


# --- where things stand


def test_a_line_is_a_line_and_a_ring_a_circle():
    assert places(joined(nx.path_graph(4))).tolist() == [[0, 0], [1, 0], [2, 0], [3, 0]]
    at = places(joined(nx.cycle_graph(6)))
    assert np.ptp(np.hypot(*(at - at.mean(axis=0)).T)) < 1e-9
    assert np.hypot(*(at - np.roll(at, 1, axis=0)).T) == pytest.approx([1.0] * 6)  # neighbours stand together


def test_the_middle_of_a_star_is_in_the_middle():
    at = places(joined(nx.star_graph(6)))
    assert np.hypot(*(at[1:] - at[0]).T) == pytest.approx([np.hypot(*(at[1] - at[0]))] * 6)


def test_a_tree_has_rows():
    at = places(joined(nx.balanced_tree(2, 3)))
    depth = nx.single_source_shortest_path_length(nx.balanced_tree(2, 3), 0)
    rows = {level: {round(at[d, 1], 9) for d in depth if depth[d] == level} for level in range(4)}
    assert [len(row) for row in rows.values()] == [1, 1, 1, 1]
    assert at[0, 0] == pytest.approx(at[:, 0].mean())


def test_tiers_are_columns_from_the_sources_on():
    graph = nx.complete_multipartite_graph(4, 2, 1)
    graph.remove_edges_from([(phone, 6) for phone in range(4)])
    kinds = ["phone"] * 4 + ["edge"] * 2 + ["cloud"]
    at = places(joined(graph, kinds=kinds, sources=(1,)))
    assert at[:, 0].tolist() == [0.0] * 4 + [1.5] * 2 + [3.0]
    assert at[6, 1] == pytest.approx(at[:4, 1].mean())


def test_places_are_always_the_same():
    graph = nx.barabasi_albert_graph(30, 2, seed=1)
    assert np.array_equal(places(joined(graph)), places(joined(graph)))


# --- nothing covers anything


def overlaps(ax: Axes) -> list[tuple[str, str]]:
    """Pairs of texts of which one covers the other."""
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in ax.texts]
    return [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]


SHAPES = {
    "mesh": nx.complete_graph(8),
    "line": nx.path_graph(8),
    "star": nx.star_graph(12),
    "tree": nx.balanced_tree(2, 3),
    "grid": nx.convert_node_labels_to_integers(nx.grid_2d_graph(4, 4)),
    "random": nx.barabasi_albert_graph(25, 2, seed=3),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_names_do_not_cover_each_other(shape):
    assert overlaps(network(joined(SHAPES[shape]))) == []


@pytest.mark.parametrize("n", [3, 4, 5])
def test_labels_of_links_do_not_cover_each_other(n):
    world = joined(nx.complete_graph(n))
    links = tuple(replace(one, rate=ConstantRate(1e6 * (1 + one.source + one.target))) for one in world.links)
    assert overlaps(network(replace(world, links=links))) == []


def test_a_source_is_ringed():
    world = replace(MESH, sources=(*MESH.sources, Source(3, MESH.sources[0].arrivals)))
    rings = [drawn for drawn in network(world).lines if drawn.get_markerfacecolor() == "none"]
    assert [tuple(ring.get_xydata()[0]) for ring in rings] == [tuple(places(MESH)[d]) for d in (0, 3)]
