"""What it costs to make a message of a feature map: compression, packing, and which way messages go."""

import pytest

from mdisim.faults import Faults
from mdisim.scenario import ScenarioError
from mdisim.world import Packing

LINK = "  link: {rate: 20 Mbps, latency: 2 ms}"


def test_by_default_messages_cost_nothing(scenario):
    world = scenario().build()
    assert world.packing == Packing()
    assert (world.sharing, world.faults, world.traces) == ("fifo", Faults(), {})


def test_a_message_has_an_overhead_and_is_serialised(scenario):
    message = f"{LINK}\n  message: {{overhead: 60 B, serialise: 1 ms, serialise_rate: 200 MB/s}}"
    packing = scenario((LINK, message)).build().packing
    assert packing == Packing(overhead_bytes=60.0, serialise_s=0.001, serialise_bps=1.6e9)


def test_compression_makes_feature_maps_smaller_at_a_price(scenario, tiny):
    world = scenario(overrides=["compression={ratio: 0.25, encode: 5 ms, decode: 6 ms}"]).build()
    full = tiny.costs["native"].out_bytes
    assert world.out_bytes.tolist() == [full[0], *(full[1:5] / 4), full[5]]
    assert world.packing == Packing(encode_s=(0, *[0.005] * 4, 0), decode_s=(0, *[0.006] * 4, 0))


def test_compression_is_of_the_stages_named_and_on_top_of_the_precision(scenario, tiny):
    world = scenario(
        overrides=["compression={ratio: 0.03125, encode: 5 ms, stages: [1, 3]}", "feature_precision=int8"]
    ).build()
    full = tiny.costs["native"].out_bytes
    assert world.out_bytes.tolist() == [full[0], *(full[1:] * [1 / 128, 1 / 4, 1 / 128, 1 / 4, 1 / 4])]
    assert world.packing.encode_s == (0, 0.005, 0, 0.005, 0, 0)
    assert world.packing.decode_s == (0.0,) * 6


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{ratio: 0}", "0 is out of range: it must be greater than 0"),
        ("{ratio: 1.5}", "1.5 is out of range: it must be at most 1"),
        ("{encode: 5 ms}", "missing key 'ratio': the share of a feature map's bytes that is sent"),
        ("{ratio: 0.5, stages: [2, 5]}", "no feature map of stage 5 is sent: those of stages 1 to 4 are"),
        ("{ratio: 0.5, encode: 5}", "5 has no unit"),
    ],
)
def test_compressions_that_cannot_be(scenario, written, said):
    with pytest.raises(ScenarioError, match=said):
        scenario(overrides=[f"compression={written}"])


def test_ways_lead_where_a_message_of_the_stated_size_is_fastest(scenario, tiny):
    text = (
        "topology: edges\n  links: [{from: source, to: worker-1, rate: 1 Gbps, latency: 50 ms}, "
        "{from: source, to: worker-2, rate: 1 Mbps, latency: 1 ms}, {from: worker-1, to: worker-2, rate: 1 Gbps}]"
    )
    large = scenario(("topology: mesh", text)).build()
    assert large.route_bytes == tiny.costs["native"].out_bytes[1:5].max()
    assert large.next_hop[0].tolist() == [0, 1, 1]
    small = scenario(("topology: mesh", f"route_size: 100 B\n  {text}")).build()
    assert small.route_bytes == 100.0
    assert small.next_hop[0].tolist() == [0, 2, 2]


def test_the_largest_feature_map_is_that_which_is_sent(scenario, tiny):
    full = tiny.costs["native"].out_bytes
    world = scenario(overrides=["compression={ratio: 0.01, stages: [1]}"]).build()
    assert world.route_bytes == full[2:5].max()
