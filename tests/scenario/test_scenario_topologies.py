"""Trees, tiers and graphs from files: exactly which links there are, and what they are like."""

import errno
import os
import tracemalloc

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from plain_scenario import TEXT

from mdisim.scenario import Scenario, ScenarioError
from mdisim.scenario import graphml as files
from mdisim.world import ConstantRate

LINK = "  link: {rate: 20 Mbps, latency: 2 ms}"


def joined(world):
    names = [device.name for device in world.devices]
    return {(names[link.source], names[link.target]) for link in world.links}


def both(*pairs):
    return {*pairs, *((b, a) for a, b in pairs)}


def faults(error):
    return "\n".join(f"{fault.path}: {fault.message}" for fault in error.value.faults)


def of(scenario, count, network):
    return scenario(("count: 2", f"count: {count}"), ("topology: mesh", network)).build()


def test_a_tree_is_filled_row_by_row(scenario):
    world = of(scenario, 6, "topology: tree")
    pairs = {(link.source, link.target) for link in world.links}
    assert pairs == both((0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6))
    world = of(scenario, 6, "topology: tree\n  branching: 3")
    assert {(link.source, link.target) for link in world.links} == both(
        (0, 1), (0, 2), (0, 3), (1, 4), (1, 5), (1, 6)
    )
    world = of(scenario, 3, "topology: tree\n  branching: 1")
    assert {(link.source, link.target) for link in world.links} == both((0, 1), (1, 2), (2, 3))


@examples(30)
@given(n=st.integers(2, 40), branching=st.integers(1, 6))
def test_each_device_of_a_tree_but_the_root_has_one_above_it(n, branching):
    text = TEXT.replace("count: 2", f"count: {n}").replace("mesh", f"tree\n  branching: {branching}")
    world = Scenario.from_text(text).build()
    above = [link for link in world.links if link.source < link.target]
    assert len(world.links) == 2 * len(above) == 2 * n
    assert sorted(link.target for link in above) == list(range(1, n + 1))
    below = [sum(link.source == d for link in above) for d in range(n + 1)]
    assert max(below) <= branching
    assert sorted(below, reverse=True) == below


def test_each_device_of_a_tier_is_linked_to_each_of_the_next(scenario):
    world = of(scenario, 3, "topology: tiers\n  tiers: [source, [worker-1, worker-3], worker-2]")
    assert joined(world) == both(
        ("source", "worker-1"), ("source", "worker-3"), ("worker-1", "worker-2"), ("worker-3", "worker-2")
    )
    assert joined(of(scenario, 2, "topology: tiers\n  tiers: [worker, source]")) == both(
        ("worker-1", "source"), ("worker-2", "source")
    )


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("topology: tiers", "network: missing key 'tiers': topology tiers needs them in order"),
        ("topology: tiers\n  tiers: [source, wroker]",
         "network.tiers.1: there is no device 'wroker'; did you mean"),
        ("topology: tiers\n  tiers: [source, worker-1]", "network.tiers: 'worker-2' is in no tier"),
        ("topology: tiers\n  tiers: [worker]", "network.tiers: 'source' is in no tier: name each device once"),
        ("topology: tiers\n  tiers: [source, worker, [source]]",
         "network.tiers.2.0: 'source' stands in the tiers already"),
        ("topology: tiers\n  tiers: [worker-1, worker, source]",
         "network.tiers.1: 'worker-1' stands in the tiers already"),
        ("topology: tiers\n  tiers: [source, 3]", "network.tiers.1: expected a list, not 3"),
        ("topology: tiers\n  tiers: [[], source, worker]", "network.tiers.0: is empty; at least one is needed"),
        ("topology: tree\n  branching: 0", "network.branching: 0 is out of range"),
        ("topology: mesh\n  tiers: [source, worker]",
         "network.tiers: only topology tiers has tiers: leave it out"),
        ("topology: mesh\n  branching: 2", "network.branching: only a tree has a branching: leave it out"),
        ("topology: mesh\n  file: x.graphml", "network.file: only topology graphml is in a file: leave it out"),
        ("topology: graphml", "network: missing key 'file': topology graphml needs one"),
    ],
)  # fmt: skip
def test_networks_that_cannot_be(scenario, network, said):
    with pytest.raises(ScenarioError) as error:
        scenario(("topology: mesh", network))
    assert said in faults(error)


@pytest.mark.parametrize(
    "network",
    ["topology: tree", "topology: tiers\n  tiers: [source, worker]", "topology: star", "topology: path_graph"],
)
def test_pairs_may_differ_in_any_topology(scenario, network):
    world = scenario(
        ("topology: mesh", f"{network}\n  links: [{{from: source, to: worker-1, loss: 2 %}}]")
    ).build()
    assert {link.loss for link in world.links if {link.source, link.target} == {0, 1}} == {0.02}
    assert {link.loss for link in world.links if {link.source, link.target} != {0, 1}} == {0.0}


GRAPH = """\
<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="n" for="node" attr.name="name" attr.type="string"/>
  <key id="r" for="edge" attr.name="rate" attr.type="string"><default>8 Mbps</default></key>
  <key id="t" for="edge" attr.name="trace" attr.type="string"/>
  <key id="l" for="edge" attr.name="loss" attr.type="double"/>
  <key id="p" for="edge" attr.name="packet" attr.type="string"/>
  <key id="w" for="edge" attr.name="weight" attr.type="int"/>
  <graph edgedefault="undirected">
    <node id="source"/>
    <node id="n7"><data key="n">worker-2</data></node>
    <node id="worker-1"/>
    <edge source="source" target="worker-1"><data key="l">0.01</data><data key="p">1500 B</data></edge>
    <edge source="worker-1" target="n7"><data key="r">3 Mbps</data><data key="w">7</data></edge>
  </graph>
</graphml>
"""
DRAWN = "topology: graphml\n  file: net.graphml"


@pytest.fixture
def drawn(scenario, tmp_path):
    """The plain scenario with its network in a file."""

    def make(*changes, network=DRAWN, **options):
        text = GRAPH
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "net.graphml").write_text(text, encoding="utf-8")
        return scenario(("topology: mesh", network), folder=tmp_path, **options)

    return make


def test_a_graph_in_a_file_is_a_network(drawn):
    world = drawn().build()
    assert joined(world) == both(("source", "worker-1"), ("worker-1", "worker-2"))
    first, second = (world.links[world.link_between[pair]] for pair in ((0, 1), (2, 1)))
    assert (first.rate, first.loss, first.packet_bytes) == (ConstantRate(8e6), 0.01, 1500.0)
    assert (second.rate, second.loss, second.packet_bytes) == (ConstantRate(3e6), 0.0, float("inf"))
    assert (first.latency_s, second.latency_s) == (0.002, 0.002)


def test_what_the_graph_leaves_open_is_as_the_scenario_says(drawn):
    rate = "<default>8 Mbps</default>"
    world = drawn((rate, "")).build()
    assert world.links[world.link_between[0, 1]].rate == ConstantRate(20e6)
    network = f"{DRAWN}\n  links: [{{from: source, to: worker, rate: 1 Mbps}}]"
    world = drawn((rate, ""), network=network).build()
    assert world.links[world.link_between[0, 1]].rate == ConstantRate(1e6)
    with pytest.raises(ScenarioError, match=r"net.graphml, edge from 'source' to 'worker-1': has no rate: give"):
        drawn((rate, ""), network=f"{DRAWN}\n  sender: link", overrides=["network.link=null"])


def test_a_directed_graph_has_one_way_links(drawn):
    loop = '<edge source="n7" target="source"/></graph>'
    world = drawn(("undirected", "directed"), ("</graph>", loop)).build()
    assert joined(world) == {("source", "worker-1"), ("worker-1", "worker-2"), ("worker-2", "source")}


def test_an_edge_may_follow_a_trace_beside_the_graph(scenario, tmp_path):
    (tmp_path / "sub").mkdir()
    trace = '<data key="t">{name: steps.csv, mean: 4 Mbps}</data>'
    (tmp_path / "sub" / "net.graphml").write_text(GRAPH.replace('<data key="r">3 Mbps</data>', trace))
    for rate in ("1e6", "2e6"):
        (tmp_path / "sub" / "steps.csv").write_text(f"time_s,rate_bps\n0,{rate}\n1,3e6\n")
        made = scenario(("topology: mesh", DRAWN.replace("net.", "sub/net.")), folder=tmp_path)
        world = made.build()
        assert world.links[world.link_between[1, 2]].rate.mean_bps() == pytest.approx(4e6)
        assert list(world.traces) == ["steps.csv"]
        made.dump(tmp_path / "resolved.yaml")
        assert Scenario.load(tmp_path / "resolved.yaml") == made
        if rate == "1e6":
            before = made.digest
    assert made.digest != before


def test_the_digest_is_of_what_the_graph_means(drawn):
    first = drawn().digest
    assert drawn(("<graphml", "<!-- drawn by hand -->\n<graphml"), ('<data key="w">7</data>', "")).digest == first
    assert drawn(("3 Mbps", "3000 kbps")).digest == first
    assert drawn(("3 Mbps", "4 Mbps")).digest != first


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("</graph>", ""), "net.graphml, line 16: is not XML: mismatched tag"),
        (("graphml", "graph"), "net.graphml: is no GraphML that networkx can read: "),
        (("<graphml", "<!DOCTYPE lolz [<!ENTITY a 'b'>]><graphml"),
         "net.graphml: has a document type (<!DOCTYPE ...>)"),
        (('<node id="source"/>', '<node id="sorce"/>'),
         "net.graphml: node 'sorce' is no device; did you mean 'source'?"),
        (('"worker-1"', '"source"'), "net.graphml: no node has the id, name or label 'worker-1'; every device"),
        ((">worker-2<", ">worker-1<"), "net.graphml: two nodes are 'worker-1'; one would do"),
        (("3 Mbps", "3"), "net.graphml, edge from 'worker-2' to 'worker-1': rate: 3 has no unit"),
        (("3 Mbps", "3 mbps"), "edge from 'worker-2' to 'worker-1': rate: unknown unit 'mbps'"),
        (("0.01", "1.01"), "from 'source' to 'worker-1': loss: 1.01 is out of range: it must be at most 0.99"),
        (("0.01", "little"),
         "net.graphml: is no GraphML that networkx can read"),
        (('"weight"', '"latncy"'), "net.graphml: unknown attribute 'latncy' of an edge; did you mean 'latency'?"),
        (('"weight" attr.type="int"', '"trace" attr.type="string"'),
         "trace: expected a mapping such as {name: lte"),
        (('<data key="l">0.01<', '<data key="t">x.csv</data><data key="r">1 Mbps<'),
         "a link has a rate or follows a"),
        (('target="n7"', 'target="worker-1"'),
         "edge from 'worker-1' to 'worker-1': a link from 'worker-1' to itself"),
        (('<data key="r">3 Mbps<', '<data key="t">x.csv<'),
         "edge from 'worker-2' to 'worker-1': x.csv: no such file"),
        (("</graph>", '<edge source="source" target="worker-1"/></graph>'),
         "net.graphml: two edges join the same nodes"),
        (('key="r"', 'key="rr"'),
         "net.graphml: is no GraphML that networkx can read"),
        (("</graph>", '<hyperedge/></graph>'), "net.graphml: is no GraphML that networkx can read"),
    ],
)  # fmt: skip
def test_graphs_that_cannot_be(drawn, change, said):
    with pytest.raises(ScenarioError) as error:
        drawn(change)
    assert said in faults(error)
    assert {fault.path for fault in error.value.faults} == {"network.file"}


def test_files_that_are_no_graphs(drawn, scenario, tmp_path, monkeypatch):
    def said(file="net.graphml"):
        with pytest.raises(ScenarioError) as error:
            scenario(("topology: mesh", f"topology: graphml\n  file: {file}"), folder=tmp_path)
        return faults(error)

    drawn()
    assert (
        "network.file: nope: there is no such file, neither in the scenario's folder nor in the current one"
        in said("nope")
    )
    assert "no file is called so" in said('"net\\0.graphml"')
    assert f"cannot be read: {os.strerror(errno.ENAMETOOLONG)}" in said(300 * "x")
    assert "network.file: .: is no regular file" in said(".")
    monkeypatch.setattr(files, "LIMIT_BYTES", 80)
    assert "net.graphml: has 868 bytes, above the limit of 80" in said()
    (tmp_path / "net.graphml").write_bytes(b"")
    assert "net.graphml, line 1: is not XML: no element found" in said()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_never_expanded(drawn, scenario, tmp_path, encoding):
    drawn()
    entities = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(9))
    bomb = GRAPH.replace("utf-8", encoding).replace(
        "<graphml", f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><graphml', 1
    )
    (tmp_path / "net.graphml").write_bytes(bomb.replace("worker-2", "&a9;").encode(encoding))
    tracemalloc.start()
    with pytest.raises(ScenarioError, match="has a document type"):
        scenario(("topology: mesh", DRAWN), folder=tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def outcome(text, **options):
    """The scenario, or else its faults; any other error is the test's."""
    try:
        return Scenario.from_text(text, **options), ()
    except ScenarioError as error:
        return None, error.faults


@examples()
@given(st.binary(max_size=60), st.integers(0, len(GRAPH) - 1))
def test_whatever_is_in_the_file_there_are_links_or_faults(tmp_path_factory, content, place):
    folder = tmp_path_factory.getbasetemp()
    raw = GRAPH.encode()
    (folder / "net.graphml").write_bytes(raw[:place] + content + raw[place + len(content) :])
    _, found = outcome(TEXT.replace("topology: mesh", DRAWN), folder=folder)
    assert all(fault.line for fault in found)


def test_rates_that_other_programs_wrote_are_told_and_not_read(drawn):
    ours = ' attr.name="rate" attr.type="string"><default>8 Mbps</default></key>'
    assert drawn().warnings == ()
    for key, value in (("LinkSpeedRaw", "10000000.0"), ("LinkLabel", "10 Mbps")):
        theirs = (ours, f' attr.name="{key}" attr.type="string"/>'), ("3 Mbps", value)
        (warning,) = drawn(*theirs).warnings
        assert f"edges state '{key}', such as {key} '{value}', which is not read" in warning


def test_a_node_without_a_label_goes_by_its_id(drawn):
    empty = '<data key="n"></data>'
    with pytest.raises(ScenarioError, match="node 'n7' is no device"):
        drawn(('<data key="n">worker-2</data>', empty))
    assert drawn(('<node id="worker-1"/>', f'<node id="worker-1">{empty}</node>'))
