import os
import time
from math import inf

import networkx as nx
import numpy as np
import pytest

from mdisim import profiles
from mdisim.scenario import ScenarioError
from mdisim.scenario import arrivals as files
from mdisim.scenario.graphs import GRAPHS, generated
from mdisim.scenario.sections import MAX_DEVICES
from mdisim.world import UNREACHABLE, Arrivals, Jitter, Window

LINK = "  link: {rate: 20 Mbps, latency: 2 ms}"


def pairs(world):
    names = [device.name for device in world.devices]
    return {(names[link.source], names[link.target]) for link in world.links}


def faults(error):
    return "\n".join(f"{fault.path}: {fault.message}" for fault in error.value.faults)


def test_devices_are_counted_out_in_the_order_of_the_scenario(scenario):
    world = scenario().build()
    assert [device.name for device in world.devices] == ["source", "worker-1", "worker-2"]
    assert world.sources[0].device == 0
    assert world.stage_s.shape == world.head_s.shape == (3, 5)


def test_a_device_takes_its_row_of_the_cost_table_over_its_speed(scenario, tiny):
    change = ("source: {kind: jetson-nano}", "source: {kind: raspberry-pi-4, speed: 4, cores: 2, queue_limit: 3}")
    world = scenario(change).build()
    table = tiny.costs["native"]
    assert world.stage_s[0] == pytest.approx(table.stage_s[table.row("raspberry-pi-4")] / 4)
    assert world.head_s[0] == pytest.approx(table.head_s[table.row("raspberry-pi-4")] / 4)
    assert (world.devices[0].cores, world.devices[0].queue_limit) == (2, 3)
    assert world.devices[1].queue_limit == inf


def test_power_is_the_catalogues_unless_stated(scenario):
    change = ("source: {kind: jetson-nano}", "source: {kind: jetson-nano, power: {busy: 9500 mW}}")
    stated, known = scenario(change).build().devices[:2]
    assert stated.busy_w == 9.5
    assert known.busy_w > known.idle_w > 0
    assert stated.idle_w == known.idle_w


def test_holds_counts_stages_from_one(scenario):
    world = scenario(("count: 2", "count: 2, holds: [1, 5]")).build()
    assert world.devices[0].holds == (True,) * 5
    assert world.devices[1].holds == (True, False, False, False, True)


def test_a_device_may_hold_nothing_and_only_pass_on(scenario):
    world = scenario(("count: 2", "count: 2, holds: []")).build()
    assert world.devices[1].holds == (False,) * 5
    with pytest.raises(ScenarioError, match="no device holds stage 1, 2, 3, 4, 5"):
        scenario(("count: 2", "count: 2, holds: []"), ("{kind: jetson-nano}", "{kind: jetson-nano, holds: []}"))


def test_a_missing_network_is_told_beside_other_faults(scenario):
    with pytest.raises(ScenarioError) as error:
        scenario(("network:\n  topology: mesh\n" + LINK + "\n", ""), ("seed: 1", "sede: 1"))
    assert "missing key 'network'" in faults(error)
    assert "did you mean 'seed'" in faults(error)


@pytest.mark.parametrize(("precision", "share"), [("float32", 1), ("float16", 0.5), ("int8", 0.25)])
def test_feature_precision_scales_all_but_the_raw_input(scenario, tiny, precision, share):
    sent = scenario(overrides=[f"feature_precision={precision}"]).build().out_bytes
    full = tiny.costs["native"].out_bytes
    assert sent[0] == full[0]
    assert sent[1:] == pytest.approx(share * full[1:])


@pytest.mark.parametrize(
    ("topology", "expected"),
    [
        ("mesh", {"sa", "as", "sb", "bs", "ab", "ba"}),
        ("ring", {"sa", "as", "ab", "ba", "bs", "sb"}),
        ("ring\n  directed: true", {"sa", "ab", "bs"}),
        ("line", {"sa", "as", "ab", "ba"}),
        ("star", {"sa", "as", "sb", "bs"}),
        ("star\n  center: worker-2", {"sb", "bs", "ab", "ba"}),
        ("path_graph", {"sa", "as", "ab", "ba"}),
        ("barabasi_albert_graph\n  arguments: {m: 2}", {"sa", "as", "sb", "bs"}),
    ],
)
def test_topologies_join_what_they_say(scenario, topology, expected):
    world = scenario(("topology: mesh", f"topology: {topology}")).build()
    short = {"source": "s", "worker-1": "a", "worker-2": "b"}
    assert {short[a] + short[b] for a, b in pairs(world)} == expected


def test_a_ring_of_two_has_one_link_each_way(scenario):
    world = scenario(("count: 2", "count: 1"), ("topology: mesh", "topology: ring")).build()
    assert pairs(world) == {("source", "worker"), ("worker", "source")}


def test_an_edge_list_may_name_an_entry_for_all_its_devices(scenario):
    text = (
        "topology: edges\n  links: [{from: source, to: worker, latency: 9 ms}, "
        "{from: worker-1, to: source, both: false, rate: 1 Mbps}]"
    )
    world = scenario(("topology: mesh", text)).build()
    assert pairs(world) == {
        ("source", "worker-1"),
        ("source", "worker-2"),
        ("worker-1", "source"),
        ("worker-2", "source"),
    }
    assert {link.latency_s for link in world.links} == {0.009}
    assert [link.rate.rate_bps for link in world.links if link.target == 0] == [1e6, 20e6]


def test_a_pair_may_differ_from_the_others(scenario):
    change = f"{LINK}\n  links: [{{from: source, to: worker-1, rate: 5 Mbps, offload_cost: 3, energy: 7 nJ/bit}}]"
    world = scenario((LINK, change)).build()
    for link in world.links:
        special = {link.source, link.target} == {0, 1}
        assert link.rate.rate_bps == (5e6 if special else 20e6)
        assert (link.offload_cost, link.nj_per_bit) == ((3, 7) if special else (0, 0))
        assert link.latency_s == 0.002


@pytest.mark.parametrize(
    ("network", "channels"),
    [("medium: shared", 1), ("medium: point-to-point", 6), ("duplex: half", 3), ("duplex: full", 6)],
)
def test_links_share_channels_as_stated(scenario, network, channels):
    world = scenario((LINK, f"{LINK}\n  {network}")).build()
    assert len({link.channel for link in world.links}) == channels
    if network == "duplex: half":
        back = {(link.target, link.source): link.channel for link in world.links}
        assert all(back[link.source, link.target] == link.channel for link in world.links)


def test_a_single_device_needs_no_network(scenario):
    text = "network:\n  topology: mesh\n" + LINK + "\n"
    world = scenario((text, ""), ("  worker: {kind: jetson-nano, count: 2}\n", "")).build()
    assert world.links == ()
    assert world.next_hop.tolist() == [[0]]


@pytest.mark.parametrize(
    ("written", "arrivals"),
    [
        ("{kind: constant, rate: 30/min}", Arrivals("constant", rate_per_s=0.5)),
        ("{kind: constant, rate: 2/s, phase: 250 ms}", Arrivals("constant", rate_per_s=2, phase_s=0.25)),
        ("{kind: policy, phase: 0 s}", Arrivals("policy", phase_s=0.0)),
        ("{kind: poisson, rate: 40 Hz}", Arrivals("poisson", rate_per_s=40)),
        ("{kind: on-off, rate: 40/s, on: 1 s, off: 2 min}", Arrivals("on-off", 40, on_s=1, off_s=120)),
        ("{kind: closed, population: 3, think: 5 ms}", Arrivals("closed", population=3, think_s=0.005)),
        ("{kind: closed}", Arrivals("closed")),
        ("{kind: policy}", Arrivals("policy")),
    ],
)
def test_arrivals(scenario, written, arrivals):
    world = scenario(("{kind: poisson, rate: 20/s}", written)).build()
    assert world.sources[0].arrivals == arrivals


def test_arrivals_from_a_file_begin_at_the_scenarios_folder(scenario, tmp_path):
    (tmp_path / "times.csv").write_text("# measured\ntime_s\n0.5\n0.5\n2 # late\n")
    change = ("{kind: poisson, rate: 20/s}", "{kind: file, path: times.csv}")
    first = scenario(change, folder=tmp_path)
    before = first.digest
    assert first.build().sources[0].arrivals.times_s == (0.5, 0.5, 2.0)
    (tmp_path / "times.csv").write_text("time_s\n1\n")
    assert scenario(change, folder=tmp_path).digest != before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "times.csv: the first line must be the column's name, time_s, but is nothing"),
        ("0.5\n1\n", "the first line must be the column's name, time_s, but is '0.5'"),
        ("time_s\n", "times.csv: lists no arrivals"),
        ("time_s\n1\ntwo\n", "times.csv, line 3: 'two' is not a number of seconds"),
        ("time_s\n1\nnan\n", "line 3: 'nan' is not a finite number of seconds"),
        ("time_s\n2\n1\n", "line 3: 1 s comes before 2 s; sort the times"),
        ("time_s\n-1\n", "line 2: -1 s comes before the start"),
        (
            "time_s\n1700000000.1\n1700000001.2\n",
            "times.csv: none of its arrivals falls in the run, which ends at 600 s: they come from 1700000000.1 s "
            "to 1700000001.2 s; subtract the first time, or lengthen run.duration",
        ),
        ("time_s\n600\n", "none of its arrivals falls in the run"),
    ],
)
def test_a_file_of_arrivals_with_faults(scenario, tmp_path, content, said):
    (tmp_path / "times.csv").write_text(content)
    with pytest.raises(ScenarioError) as error:
        scenario(("{kind: poisson, rate: 20/s}", "{kind: file, path: times.csv}"), folder=tmp_path)
    assert said in faults(error)
    assert error.value.faults[0].path == "workload.arrivals.path"


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ((0.0, 60.0, 599.9), ()),
        ((1.0, 599.9, 600.0, 900.0), ("of its 4 arrivals, 2 fall in the run, which ends at 600 s; the last",)),
        ((1.0, 59.0), ("no arrival is measured: all come in the warm-up of 60 s",)),
        ((1.0, 700.0), ("of its 2 arrivals, 1 fall", "no arrival is measured")),
    ],
)  # fmt: skip
def test_arrivals_that_fall_only_partly_in_the_run_are_warned_of(scenario, tmp_path, times, told):
    (tmp_path / "times.csv").write_text("\n".join(["time_s", *map(str, times)]))
    made = scenario(("{kind: poisson, rate: 20/s}", "{kind: file, path: times.csv}"), folder=tmp_path)
    assert len(made.warnings) == len(told)
    for warning, words in zip(made.warnings, told, strict=True):
        assert warning.startswith("workload.0.arrivals.path: times.csv: ")
        assert words in warning


def test_faults_after_the_end_are_warned_of(scenario):
    late, soon = (f"{{kind: crash, device: worker-{i}, at: {at}}}" for i, at in ((1, "10 min"), (2, "5 min")))
    events = f"faults: {{events: [{late}, {soon}]}}"
    made = scenario(("policy: mdi-exit", f"{events}\npolicy: mdi-exit"))
    assert made.warnings == ("faults.events.0: comes at 600 s, after the run, which ends at 600 s",)
    drained = scenario(("policy: mdi-exit", f"{events}\npolicy: mdi-exit"), overrides=["run.drain=true"])
    assert drained.warnings == ()


def test_arrivals_are_read_from_regular_files_of_bounded_size_only(scenario, tmp_path, monkeypatch):
    def said():
        with pytest.raises(ScenarioError) as error:
            scenario(("{kind: poisson, rate: 20/s}", "{kind: file, path: times.csv}"), folder=tmp_path)
        return faults(error)

    os.mkfifo(tmp_path / "times.csv")
    assert "times.csv: is no regular file" in said()
    (tmp_path / "times.csv").unlink()
    (tmp_path / "times.csv").write_text("time_s\n1\n")
    monkeypatch.setattr(files, "LIMIT_BYTES", 8)
    assert "times.csv: has 9 bytes, above the limit of 8" in said()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{kind: poisson, rate: 1000001/s}", "a rate here must be at most 1000000/s"),
        ("{kind: closed, population: 1000001}", "it must be at most 1000000"),
    ],
)
def test_what_would_fill_the_memory_is_refused(scenario, written, message):
    with pytest.raises(ScenarioError, match=message):
        scenario(("{kind: poisson, rate: 20/s}", written))


@pytest.mark.parametrize(
    ("topology", "arguments", "message"),
    [
        ("complete_graph", "{n: 1000000000}", "network.arguments.n: expected a whole number from 1 to 1000"),
        ("complete_graph", "{n: 1000}", "has 1000 nodes, but there are 3 devices"),
        ("complete_graph", "{n: -1}", "network.arguments.n: "),
        ("complete_graph", "{create_using: x}", "unknown argument 'create_using'"),
        ("grid_graph", "{dim: [1000000000, 2]}", "network.arguments.dim: "),
        ("grid_graph", "{dim: [1000, 1000, 1000]}", "has 1000000000 nodes"),
        ("grid_2d_graph", "{m: 1000}", "missing argument 'n'"),
        ("grid_2d_graph", "{m: 1, n: 3, periodic: [true]}", "network.arguments.periodic: expected true or false"),
        ("hypercube_graph", "{n: 40}", "has 1099511627776 nodes"),
        ("balanced_tree", "{r: 1000, h: 10}", "nodes, but there are 3 devices"),
        ("balanced_tree", "{r: 1, h: 1000000}", "network.arguments.h: "),
        ("gnp_random_graph", "{p: .nan}", "network.arguments.p: expected a number from 0 to 1"),
        ("gnp_random_graph", "{p: 0.5, seed: x}", "network.arguments.seed: "),
        ("watts_strogatz_graph", "{k: true, p: 0}", "network.arguments.k: "),
        ("watts_strogatz_graph", "{k: 4, p: 0}", "networkx could not make"),
        ("random_geometric_graph", "{radius: 1, dim: 1000000000}", "unknown argument 'dim'"),
        ("duplication_divergence_graph", "{p: 0.0}", "unknown topology 'duplication_divergence_graph'"),
        ("LCF_graph", "{}", "unknown topology 'LCF_graph'"),
    ],
)
def test_a_graph_that_would_never_be_done_is_refused(scenario, topology, arguments, message):
    with pytest.raises(ScenarioError) as error:
        scenario(("topology: mesh", f"topology: {topology}\n  arguments: {arguments}"))
    assert message in str(error.value)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_that_is_listed_has_the_nodes_that_are_reckoned(name):
    some = {"m": 2, "n": 3, "n1": 2, "n2": 3, "r": 2, "h": 2, "dim": [2, 3], "offsets": [1], "p": 0.5, "k": 2,
            "radius": 0.5, "periodic": False, "directed": True, "seed": 3}  # fmt: skip
    graph, found = GRAPHS[name], []
    stated = {key: some[key] for key in (*graph.needs, *graph.may)}
    nodes = 9 if graph.nodes is None else graph.nodes(stated)
    assert getattr(nx, name)(**graph.given(stated, nodes)).number_of_nodes() == nodes
    ends = generated(name, stated, nodes, found)
    assert not found
    assert {end for pair in ends for end in pair} <= set(range(nodes))
    assert not any(a == b for a, b in ends)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_largest_graphs_are_made_soon(name):
    most = {"m": 500, "p": 1.0, "k": 100, "radius": 1000.0, "offsets": list(range(1, MAX_DEVICES))}
    graph, found = GRAPHS[name], []
    if graph.nodes is None:
        start = time.process_time()
        generated(name, {key: most[key] for key in graph.needs}, MAX_DEVICES, found)
        assert time.process_time() - start < 20


def test_several_sources_and_every_device_of_an_entry(scenario):
    two = (
        "workload:\n  at: source\n  arrivals: {kind: poisson, rate: 20/s}",
        "workload:\n  - {at: source, arrivals: {kind: closed}, deadline: 1 s, priority: 2}\n"
        "  - {at: worker, arrivals: {kind: closed}, order: bootstrap}",
    )
    sources = scenario(two).build().sources
    assert [(s.device, s.deadline_s, s.order, s.priority) for s in sources] == [
        (0, 1.0, "shuffled", 2.0),
        (1, inf, "bootstrap", 1.0),
        (2, inf, "bootstrap", 1.0),
    ]


def test_samples_are_the_test_half_and_calibration_the_other(scenario, tiny):
    world = scenario().build()
    assert len(world.samples) == tiny.half("test").n
    assert len(world.calibration) == tiny.half("calibration").n
    np.testing.assert_array_equal(world.samples.outputs.label, tiny.half("test").label)
    assert (world.profile, world.profile_digest) == (tiny.name, tiny.digest)


def test_the_window_and_the_rest(scenario):
    run = "run: {duration: 10 min, warmup: 1 min, seed: 1"
    more = f"{run}, drain: true, drain_limit: 5 s, label_bytes: 1 kB, work_conserving: false"
    world = scenario((run, more), (LINK, f"{LINK}\n  sender: link")).build()
    assert world.window == Window(600.0, 60.0, True, 5.0)
    assert (world.label_bytes, world.work_conserving, world.sender) == (1000.0, False, "link")


@pytest.mark.parametrize(
    ("written", "jitter"),
    [
        ("{kind: lognormal, cv: 0.2}", Jitter("lognormal", 0.2)),
        ("{kind: exponential}", Jitter("exponential")),
        ("{kind: none}", Jitter()),
    ],
)
def test_jitter(scenario, written, jitter):
    assert scenario(overrides=[f"jitter={written}"]).build().jitter == jitter


def test_routes_go_the_fastest_way(scenario):
    slow = f"{LINK}\n  links: [{{from: source, to: worker-2, rate: 1 Mbps}}]"
    world = scenario((LINK, slow)).build()
    assert world.next_hop.tolist() == [[0, 1, 1], [0, 1, 2], [1, 1, 2]]
    assert UNREACHABLE not in world.next_hop


def test_too_many_devices_are_refused(scenario):
    with pytest.raises(ScenarioError, match="1001 devices are too many; at most 1000"):
        scenario(("count: 2", "count: 1000"))


def test_a_profile_by_its_path(scenario, tmp_path, tiny):
    profiles.write(tiny, tmp_path / "mine.npz")
    by_path = scenario(("cifar10-mobilenetv2", "mine.npz"), folder=tmp_path)
    assert by_path == scenario()
    (tmp_path / "mine.npz").write_bytes(b"nonsense")
    with pytest.raises(ScenarioError, match="profile: "):
        scenario(("cifar10-mobilenetv2", "mine.npz"), folder=tmp_path)
