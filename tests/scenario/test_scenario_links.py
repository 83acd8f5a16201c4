"""What a link is: a rate or a trace, losses, and how links share a channel."""

import numpy as np
import pytest

from mdisim import traces
from mdisim.scenario import Scenario, ScenarioError
from mdisim.world import ConstantRate

LINK = "  link: {rate: 20 Mbps, latency: 2 ms}"
STEPS = "# duration_s: 4\ntime_s,rate_bps\n0,1e6\n1,3e6\n3,2e6\n"
CONDITIONS = "# duration_s: 2\n# end: hold\ntime_s,rate_bps,latency_s,loss\n0,1e6,0.01,0.1\n1,3e6,0.02,0\n"


@pytest.fixture
def near(scenario, tmp_path):
    """The plain scenario with its link replaced, beside two traces."""
    (tmp_path / "steps.csv").write_text(STEPS)
    (tmp_path / "conditions.csv").write_text(CONDITIONS)

    def make(link, *more, **options):
        return scenario(
            (LINK, f"  link: {link}" if link.startswith("{") else link), *more, folder=tmp_path, **options
        )

    return make


def faults(error):
    return "\n".join(f"{fault.path}: {fault.message}" for fault in error.value.faults)


def test_a_link_follows_a_trace(near):
    world = near("{trace: steps.csv, latency: 2 ms}").build()
    first = world.links[0].rate
    assert all(link.rate is first for link in world.links)
    assert (first.time_s.tolist(), first.rate_bps.tolist()) == ([0, 1, 3], [1e6, 3e6, 2e6])
    assert (first.duration_s, first.end) == (4.0, "loop")
    assert world.links[0].latency_s == 0.002
    assert world.links[0].conditions is None
    assert world.traces == {"steps.csv": first.digest}


def test_a_trace_is_shifted_scaled_and_given_another_end(near):
    rate = near("{trace: {name: steps.csv, start: 2 s, mean: 18 Mbps}}").build().links[0].rate
    assert rate.time_s.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(rate.rate_bps, [24e6, 16e6, 8e6, 24e6])
    held = near("{trace: {name: steps.csv, start: 2 s, end: hold, mean: 5 Mbps}}").build().links[0].rate
    assert (held.time_s.tolist(), held.duration_s, held.end) == ([0, 1], 2.0, "hold")
    np.testing.assert_allclose(held.rate_bps, [6e6, 4e6])
    assert held.mean_bps() == pytest.approx(5e6)


def test_a_shipped_trace_is_known_by_its_name(near):
    world = near("{trace: lte-driving}").build()
    assert world.links[0].rate == traces.load("lte-driving")
    assert list(world.traces) == ["lte-driving"]


def test_the_format_can_be_stated(near, tmp_path):
    (tmp_path / "packets").write_text("1\n2\n3\n")
    world = near("{trace: {name: ./packets, format: mahimahi}}").build()
    assert world.links[0].rate == traces.read(tmp_path / "packets", "mahimahi")
    assert list(world.traces) == ["packets"]


def test_a_traces_own_latency_and_loss_come_on_top(near):
    link = near("{trace: conditions.csv, latency: 2 ms, loss: 1 %}").build().links[0]
    assert link.conditions is link.rate
    assert (link.latency_s, link.loss) == (0.002, 0.01)
    assert (link.conditions.latency_at(1.5), link.conditions.loss_at(0.5)) == (0.02, 0.1)


def test_a_pair_replaces_a_rate_by_a_trace_and_the_other_way_round(near):
    links = "\n  links: [{from: source, to: worker-1, trace: conditions.csv, both: false}]"
    world = near("{rate: 20 Mbps, loss: 0.02, packet: 1500 B}" + links).build()
    special = world.links[world.link_between[0, 1]]
    assert special.conditions is special.rate
    assert (special.loss, special.packet_bytes) == (0.02, 1500.0)
    assert {link.rate for link in world.links if link is not special} == {ConstantRate(20e6)}
    links = "\n  links: [{from: source, to: worker-1, rate: 5 Mbps, loss: 0, both: false}]"
    world = near("{trace: conditions.csv, loss: 50 %}" + links).build()
    special = world.links[world.link_between[0, 1]]
    assert (special.rate, special.conditions, special.loss) == (ConstantRate(5e6), None, 0.0)
    assert {link.loss for link in world.links if link is not special} == {0.5}


@pytest.mark.parametrize(
    ("written", "loss"), [("0.01", 0.01), ("1 %", 0.01), ("0", 0.0), ("12.5%", 0.125), ("99 %", 0.99)]
)
def test_a_loss_is_a_share_or_a_percentage(near, written, loss):
    assert {link.loss for link in near(f"{{rate: 1 Mbps, loss: {written}}}").build().links} == {loss}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1", "1.0 is out of range: it must be at most 0.99"),
        ("99.5 %", "expected a share up to 0.99 such as 0.01 or '1 %', not '99.5 %'"),
        ("0.999999999999999", "out of range: it must be at most 0.99"),
        ("100 %", "expected a share up to 0.99 such as 0.01 or '1 %', not '100 %'"),
        ("-0.1", "it must be at least 0"),
        ("-1 %", "expected a share up to 0.99 such as 0.01 or '1 %', not '-1 %'"),
        ("some", "expected a share up to 0.99 such as 0.01 or '1 %', not 'some'"),
        ("true", "expected a number, not true"),
    ],
)
def test_losses_that_cannot_be(near, written, said):
    with pytest.raises(ScenarioError) as error:
        near(f"{{rate: 1 Mbps, loss: {written}}}")
    assert said.replace("1.0", "1") in faults(error).replace("1.0", "1")


def test_a_trace_that_loses_nearly_all_is_no_link(near, tmp_path):
    (tmp_path / "lossy.csv").write_text("# duration_s: 2\ntime_s,rate_bps,loss\n0,1e6,0.5\n1,3e6,0.999999\n")
    with pytest.raises(ScenarioError) as error:
        near("{trace: lossy.csv}")
    assert "network.link.trace: loses up to 0.999999 of all packets; a link may lose 0.99 at most" in faults(error)


@pytest.mark.parametrize("duration_s", ["5e-324", "2e-300"])
def test_a_trace_of_no_time_is_refused(near, tmp_path, duration_s):
    (tmp_path / "tiny.csv").write_text(f"# duration_s: {duration_s}\ntime_s,rate_bps\n0,1e6\n")
    with pytest.raises(ScenarioError) as error:
        near("{trace: tiny.csv}")
    assert faults(error).endswith(" s long; 1e-09 s or longer would do")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("message: {overhead: 1e308 B}", "'1e308 B' is out of range: a data size here must be at most 1 GB"),
        ("message: {serialise_rate: 1e-307 bps}", "a bandwidth here must be at least 1 bps"),
        ("route_size: 1e308 B", "a data size here must be at most 1 GB"),
        ("link: {rate: 1e-307 bps}", "a bandwidth here must be at least 1 bps"),
        ("link: {rate: 1 bps, packet: 1e-300 B}", "a data size here must be at least 1 B"),
        ("link: {rate: 1 bps, latency: 1e308 s}", "a time here must be at most 1000000 d"),
    ],
)
def test_quantities_beyond_what_can_be_reckoned_with(near, change, said):
    with pytest.raises(ScenarioError) as error:
        near(f"  {change}" if change.startswith("link") else f"{LINK}\n  {change}")
    assert said in faults(error)


@pytest.mark.parametrize(("device", "refused"), [("source", True), ("worker", False)])
def test_a_speed_that_slows_down_may_not_change_too_often(near, tmp_path, device, refused):
    (tmp_path / "tiny.csv").write_text("# duration_s: 2e-6\ntime_s,rate_bps\n0,1\n1e-6,3\n")
    slow = f"faults: {{events: [{{kind: slowdown, device: {device}, at: 10 s, for: 1 s, factor: 0.5}}]}}"
    change = ("source: {kind: jetson-nano}", "source: {kind: jetson-nano, speed: {trace: tiny.csv}}")
    more = ("policy: mdi-exit", f"{slow}\npolicy: mdi-exit")
    if not refused:
        assert near(LINK, change, more)
        return
    with pytest.raises(ScenarioError) as error:
        near(LINK, change, more)
    assert "devices.source.speed.trace: 2e-06 s of it would come 3e+08 times a run" in faults(error)
    assert faults(error).endswith("take a longer trace, or end: hold")


def test_a_device_may_follow_a_trace_of_its_speed(near, tiny):
    change = ("source: {kind: jetson-nano}", "source: {kind: jetson-nano, speed: {trace: steps.csv, mean: 2}}")
    world = near(LINK, change).build()
    source, worker = world.devices[:2]
    assert worker.speed is None
    assert source.speed.mean_bps() == pytest.approx(2)
    np.testing.assert_allclose(source.speed.rate_bps, np.array([1, 3, 2]) * 2 / 2.25)
    assert world.stage_s[0] == pytest.approx(world.stage_s[1])
    change = (
        "source: {kind: jetson-nano}",
        "source: {kind: jetson-nano, speed: {trace: {name: steps.csv, start: 1 s}}}",
    )
    speed = near(LINK, change).build().devices[0].speed
    assert speed.rate_bps[0] == pytest.approx(3 / 2.25)
    assert speed.mean_bps() == pytest.approx(1)


@pytest.mark.parametrize(
    ("speed", "said"),
    [
        ("0", "devices.source.speed: 0 is out of range: it must be at least 1e-09"),
        ("fast", "devices.source.speed: expected a number, not 'fast'"),
        ("{mean: 2}", "devices.source.speed: missing key 'trace': the speed over time"),
        ("{trace: steps.csv, meen: 2}", "devices.source.speed.meen: unknown key 'meen'; did you mean 'mean'?"),
        (
            "{trace: 3}",
            "devices.source.speed.trace: expected a mapping such as {name: lte-driving, start: 30 s}, not 3",
        ),
        ("{trace: {name: steps.csv, mean: 1 Mbps}}", "unknown key 'mean'; it stands beside 'trace', not under it"),
        ("{trace: nope.csv}", "devices.source.speed.trace: nope.csv: no such file"),
    ],
)
def test_speeds_that_cannot_be(near, speed, said):
    with pytest.raises(ScenarioError) as error:
        near(LINK, ("source: {kind: jetson-nano}", f"source: {{kind: jetson-nano, speed: {speed}}}"))
    assert said in faults(error)


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("{rate: 1 Mbps, trace: steps.csv}", "network.link: a link has a rate or follows a trace, not both"),
        ("{latency: 1 ms}", "network.link: missing key 'rate' or 'trace': how fast it transmits"),
        ("{trace: nope.csv}", "network.link.trace: nope.csv: no such file"),
        ("{trace: {name: nope.csv}}", "network.link.trace.name: nope.csv: no such file"),
        ("{trace: lte-drivng}", "network.link.trace: no trace 'lte-drivng'; did you mean 'lte-driving'?"),
        ("{trace: silent.csv}", "network.link.trace: nothing moves in this trace"),
        ("{trace: {name: steps.csv, start: 4 s, end: stop}}", "network.link.trace: a trace of 4 s that stops"),
        ("{trace: {name: steps.csv, format: mahimahi}}", "network.link.trace.name: steps.csv: "),
        ("{trace: {name: steps.csv, meen: 1 Mbps}}",
         "network.link.trace.meen: unknown key 'meen'; did you mean 'mean'?"),
    ],
)  # fmt: skip
def test_links_that_cannot_be(near, tmp_path, link, said):
    (tmp_path / "silent.csv").write_text("time_s,rate_bps\n0,0\n1,0\n")
    with pytest.raises(ScenarioError) as error:
        near(link)
    assert said in faults(error)
    assert "network.links" not in faults(error)


def test_the_digest_is_of_a_traces_content(near, tmp_path):
    first = near("{trace: steps.csv}")
    (tmp_path / "renamed.csv").write_text(STEPS)
    assert near("{trace: renamed.csv}") == first
    assert near("{trace: {name: steps.csv, start: 1 s}}") != first
    (tmp_path / "steps.csv").write_text(STEPS.replace("3e6", "4e6"))
    assert first.digest == first.digest
    assert near("{trace: steps.csv}") != first


def test_a_scenario_with_traces_resolves_to_the_same_world(near, tmp_path):
    given = near(
        "{trace: {name: steps.csv, mean: 3 Mbps}, packet: 1500 B}\n"
        "  links: [{from: source, to: worker, trace: ./conditions.csv}]",
        ("source: {kind: jetson-nano}", "source: {kind: jetson-nano, speed: {trace: lte-driving, mean: 0.7}}"),
    )
    (tmp_path / "elsewhere").mkdir()
    given.dump(tmp_path / "elsewhere" / "resolved.yaml")
    again = Scenario.load(tmp_path / "elsewhere" / "resolved.yaml")
    assert again == given
    assert again.resolved() == given.resolved()
    assert again.build().links == given.build().links
    assert again.build().traces == given.build().traces
    assert set(given.build().traces) == {"steps.csv", "conditions.csv", "lte-driving"}


def test_an_override_reaches_into_a_trace_that_was_only_named(near):
    scenario = near("{trace: steps.csv}", overrides=["network.link.trace.mean=9 Mbps"])
    assert scenario.build().links[0].rate.mean_bps() == pytest.approx(9e6)
    constant = scenario.with_overrides(["network.link.trace=null", "network.link.rate=3 Mbps"])
    assert constant.build().links[0].rate == ConstantRate(3e6)


FAIR = "medium: shared\n  sharing: fair\n  links: [{from: source, to: worker-1, "


@pytest.mark.parametrize(
    ("link", "pair", "fits"),
    [
        ("{rate: 20 Mbps}", "rate: 1 Mbps", True),
        ("{trace: steps.csv}", "latency: 1 ms", True),
        ("{trace: steps.csv}", "trace: {name: steps.csv, start: 0 s}", True),
        ("{trace: steps.csv}", "rate: 1 Mbps", False),
        ("{trace: steps.csv}", "trace: {name: steps.csv, mean: 1 Mbps}", False),
        ("{trace: steps.csv}", "trace: conditions.csv", False),
    ],
)
def test_links_that_share_a_channel_fairly_have_their_rate_over_time_in_common(near, link, pair, fits):
    text = f"{link}\n  {FAIR}{pair}}}]"
    if fits:
        world = near(text).build()
        assert world.sharing == "fair"
        assert {link.channel for link in world.links} == {0}
    else:
        with pytest.raises(ScenarioError) as error:
            near(text)
        assert "share a channel, but follow different rates over time: let both follow one trace" in faults(error)
        near(text.replace("medium: shared", "medium: point-to-point"))
        near(text.replace("sharing: fair", "sharing: fifo"))


# --- what is stated of one link in several entries


EDGES = "topology: edges\n  links: [{}]"


def edges(scenario, *entries, topology="topology: edges"):
    return scenario((f"topology: mesh\n{LINK}", f"{topology}\n  links: [{', '.join(entries)}]"))


def rates(made):
    """The rate of each link in Mbps, by the numbers of its ends."""
    return {(link.source, link.target): link.rate.rate_bps / 1e6 for link in made.build().links}


GROUP = "{from: source, to: worker, rate: 10 Mbps, latency: 3 ms}"
BACK = {(1, 2): 7, (2, 1): 7}
WORKERS = "{from: worker-1, to: worker-2, rate: 7 Mbps}"


@pytest.mark.parametrize(
    "second",
    [
        "{from: source, to: worker-1, rate: 20 Mbps}",
        "{from: worker-1, to: source, rate: 20 Mbps}",
        "{from: source, to: worker-1, latency: 1 ms}",
        "{from: source, to: worker-1, rate: 10 Mbps}",
    ],
)
@pytest.mark.parametrize("topology", ["topology: edges", f"topology: mesh\n{LINK}"])
def test_a_link_stated_twice_is_a_fault_that_names_both_places(scenario, second, topology):
    first = "{from: source, to: worker-1, rate: 10 Mbps}"
    other = "{from: source, to: worker-2, rate: 10 Mbps}"
    with pytest.raises(ScenarioError) as error:
        edges(scenario, first, other, second, topology=topology)
    assert [fault.path for fault in error.value.faults] == ["network.links.2"]
    assert "is stated in network.links.0 already" in faults(error)


def test_groups_of_the_same_links_are_a_fault(scenario):
    with pytest.raises(ScenarioError) as error:
        edges(scenario, GROUP, WORKERS, "{from: worker, to: worker-2, rate: 1 Mbps}", GROUP)
    assert [fault.path for fault in error.value.faults] == ["network.links.2", "network.links.3"]
    assert "the link from 'worker-1' to 'worker-2' is stated in network.links.1 already" in faults(error)
    assert "the link from 'source' to 'worker-1' is stated in network.links.0 already" in faults(error)


def test_groups_that_overlap_are_a_fault(scenario):
    """Both hold the link from worker-1 to edge-1, and each holds others."""
    two = "worker: {kind: jetson-nano, count: 2}"
    more = (two, f"{two}\n  edge: {{kind: pixel-1, count: 2}}")
    ends = (("source", "worker"), ("worker-1", "edge"), ("worker", "edge-1"))
    pairs = ", ".join(f"{{from: {a}, to: {b}, rate: 1 Mbps}}" for a, b in ends)
    with pytest.raises(ScenarioError) as error:
        scenario(more, (f"topology: mesh\n{LINK}", EDGES.format(pairs)))
    assert "the link from 'worker-1' to 'edge-1' is stated in network.links.1 already" in faults(error)


@pytest.mark.parametrize("turned", [False, True])
def test_one_of_several_overrides_them_in_whatever_order(scenario, turned):
    single = "{from: source, to: worker-1, rate: 20 Mbps}"
    entries = [GROUP, single, WORKERS]
    made = edges(scenario, *(entries[::-1] if turned else entries))
    assert rates(made) == {(0, 1): 20, (1, 0): 20, (0, 2): 10, (2, 0): 10} | BACK
    assert {link.latency_s for link in made.build().links if 0 in (link.source, link.target)} == {0.003}


@pytest.mark.parametrize("turned", [False, True])
def test_one_direction_overrides_both_in_whatever_order(scenario, turned):
    entries = [GROUP, "{from: worker-1, to: source, rate: 2 Mbps, both: false}", WORKERS]
    found = rates(edges(scenario, *(entries[::-1] if turned else entries)))
    assert found == {(0, 1): 10, (1, 0): 2, (0, 2): 10, (2, 0): 10} | BACK


def test_two_directions_are_two_links(scenario):
    there, back = (f"{{from: {a}, to: {b}, rate: {rate} Mbps, both: false}}"
                   for a, b, rate in (("source", "worker", 5), ("worker", "source", 6)))  # fmt: skip
    assert rates(edges(scenario, there, back, WORKERS)) == {(0, 1): 5, (0, 2): 5, (1, 0): 6, (2, 0): 6} | BACK


def test_a_group_of_which_the_topology_has_one_link_is_still_a_group(scenario):
    single = "{from: source, to: worker-1, rate: 20 Mbps}"
    for entries in ((GROUP, single), (single, GROUP)):
        found = rates(edges(scenario, *entries, topology=f"topology: line\n{LINK}"))
        assert found == {(0, 1): 20, (1, 0): 20, (1, 2): 20, (2, 1): 20}
