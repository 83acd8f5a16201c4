"""The best cut of a chain: by hand, by shortest path and by looking at all, and how it moves."""

import numpy as np
import pytest

from mdisim.planners.partitions.partition import (
    UPLINKS_BPS,
    Chain,
    PartitionError,
    b_alexnet,
    best_cuts,
    cuts_over,
    expected_s,
    leaving,
    shortest_cut,
    way_s,
)

HAND = Chain([1.0, 2.0], [0.1, 0.2], [0.5, 0.0], [0.5, 0.0], [4.0, 2.0, 1.0])


def random_chain(rng: np.random.Generator) -> Chain:
    K = int(rng.integers(1, 13))
    branch = rng.random(K) < 0.4
    cloud_s = rng.exponential(1.0, K)
    return Chain(
        rng.uniform(0.5, 50.0) * cloud_s,
        cloud_s,
        np.where(branch, rng.exponential(0.3, K), 0.0),
        np.where(branch, rng.choice([0.0, 0.3, 0.9, 1.0], K) * rng.random(K) ** 0.2, 0.0),
        rng.exponential(1e6, K + 1),
    )


def test_the_chance_to_leave_is_among_those_that_arrive():
    scores = [[0.9, 0.1, 1.0], [0.8, 0.9, 1.0], [0.1, 0.9, 1.0], [0.1, 0.2, 1.0], [0.1, 0.8, 1.0]]
    assert leaving(scores, [0.8, 0.8, np.inf]).tolist() == [2 / 5, 2 / 3, 0.0]
    assert leaving(scores, [0.0, 0.8, np.inf]).tolist() == [1.0, 0.0, 0.0]
    assert leaving(scores, [np.inf, np.inf, np.inf]).tolist() == [0.0, 0.0, 0.0]


def test_two_layers_by_hand():
    # input: 4 + .3; after the first, half leave: 1.5 + .5 (2 + .2); none sent: 1.5 + .5 x 2
    way = way_s(HAND.out_bytes, 8.0)
    assert way.tolist() == [4.0, 2.0, 0.0]
    assert expected_s(HAND, way) == pytest.approx([4.3, 2.6, 2.5])
    assert shortest_cut(HAND, way) == best_cuts(HAND, way) == 2
    quick = way_s(HAND.out_bytes, 16.0, latency_s=0.1)
    assert expected_s(HAND, quick) == pytest.approx([2.4, 2.15, 2.5])
    assert shortest_cut(HAND, quick) == best_cuts(HAND, quick) == 1
    assert best_cuts(HAND, way_s(HAND.out_bytes, [8.0, 16.0, 80.0])).tolist() == [2, 1, 0]


def test_expected_time_is_the_mean_over_samples():
    """Each sample's own path through the network, against the formula with chances from the same samples."""
    rng = np.random.default_rng(3)
    K, scores = 4, rng.random((500, 4))
    wanted = np.array([0.7, np.inf, 0.5, np.inf])
    head_s = np.where(np.isfinite(wanted), rng.random(K), 0.0)
    chain = Chain(rng.random(K), rng.random(K), head_s, leaving(scores, wanted), rng.random(K + 1))
    way = rng.random(K + 1) * (np.arange(K + 1) < K)
    for cut in range(K + 1):
        taken = []
        for sample in scores:
            seconds = 0.0
            for k in range(cut):
                seconds += chain.device_s[k] + chain.head_s[k]
                if sample[k] >= wanted[k]:
                    break
            else:
                seconds += way[cut] + chain.cloud_s[cut:].sum()
            taken.append(seconds)
        assert expected_s(chain, way)[cut] == pytest.approx(np.mean(taken), rel=1e-12)


def test_shortest_path_is_the_least_of_all_cuts_on_a_thousand_networks():
    rng = np.random.default_rng(4)
    seen = set()
    for _ in range(1000):
        chain = random_chain(rng)
        way = way_s(chain.out_bytes, 10 ** rng.uniform(5.0, 8.0), rng.choice([0.0, 0.1]))
        way[rng.random(len(way)) < 0.1] = np.inf
        if not np.isfinite(way).any():
            continue
        cut = shortest_cut(chain, way)
        assert cut == best_cuts(chain, way)
        seen.add("input" if cut == 0 else "all" if cut == chain.n_layers else "between")
    assert seen == {"input", "between", "all"}


def test_equal_cuts_are_decided_for_the_device():
    even = Chain([1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0, 0.0])
    assert shortest_cut(even, np.zeros(3)) == best_cuts(even, np.zeros(3)) == 2
    surely = Chain([1.0, 1.0], [0.5, 0.5], [0.0, 0.0], [1.0, 0.0], [9e9, 9e9, 0.0])
    assert shortest_cut(surely, [9.0, 9.0, 0.0]) == best_cuts(surely, [9.0, 9.0, 0.0]) == 2


def test_a_slower_device_cuts_no_later_and_a_faster_link_sends_no_less():
    rng = np.random.default_rng(5)
    rates, slower = np.geomspace(1e4, 1e9, 40), (0.1, 1.0, 10.0, 100.0)
    for _ in range(100):
        chain = random_chain(rng)
        found = cuts_over(chain, rates, slower)
        assert (np.diff(found, axis=0) <= 0).all()
        sent = chain.survival * np.append(chain.out_bytes[:-1], 0.0)
        assert (np.diff(sent[found], axis=1) >= 0.0).all()


def test_b_alexnet_has_the_sizes_and_shares_of_its_architecture():
    chain = b_alexnet(1.0, {"pool1": 0.5})
    assert chain.names == ("input", "conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "pool5", "all")
    assert chain.out_bytes.tolist() == [12288, 131072, 32768, 65536, 16384, 24576, 24576, 4096, 40]
    shares = 100 * np.cumsum(chain.cloud_s)
    assert shares == pytest.approx([8.7, 8.7, 55.1, 55.1, 67.6, 86.4, 99.0, 100.0], abs=0.06)
    assert 1e3 * way_s(chain.out_bytes, UPLINKS_BPS["3G"])[:2] == pytest.approx([89.367, 953.251], abs=0.001)
    assert chain.survival.tolist() == [1.0] * 2 + [0.5] * 7


@pytest.mark.parametrize(
    ("gamma", "over_3g", "over_4g", "over_wifi"),
    [
        (10, "all", "all", "input"),  # 10 ms on the device; the input and 1 ms in the cloud: 90.4, 17.8, 6.2 ms
        (50, "all", "input", "input"),
        (100, "input", "input", "input"),
    ],
)
def test_b_alexnet_without_branches_by_hand(gamma, over_3g, over_4g, over_wifi):
    chain = b_alexnet(1e-3, {})
    (found,) = cuts_over(chain, list(UPLINKS_BPS.values()), [gamma])
    assert [chain.names[cut] for cut in found] == [over_3g, over_4g, over_wifi]


def test_b_alexnet_with_a_branch_is_cut_in_between():
    """Gamma 30 over Wi-Fi, 80 % leave after pool1: 30 x 8.7 % + .2 (13.94 + .913) = 5.58 ms.

    The input would take 6.23 ms, and all on the device 2.61 + .2 x 27.39 = 8.09 ms.
    """
    chain = b_alexnet(1e-3, {"pool1": 0.8}).slower(30)
    way = way_s(chain.out_bytes, UPLINKS_BPS["Wi-Fi"])
    times_ms = 1e3 * expected_s(chain, way)
    assert times_ms[[0, 2, 8]] == pytest.approx([6.23, 5.58, 8.09], abs=0.005)
    assert chain.names[shortest_cut(chain, way)] == "pool1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device_s": [1.0]}, "2 values for 2 layers would do"),
        ({"head_s": [-1.0, 0.0]}, "0 or more would do"),
        ({"cloud_s": [np.inf, 0.0]}, "not finite"),
        ({"leave": [1.5, 0.0]}, "from 0 to 1"),
        ({"names": ("a", "b")}, "2 names for 3 cuts"),
        ({"cloud_s": []}, "1 layer or more"),
    ],
)
def test_chains_that_cannot_be(change, message):
    good = {"device_s": [1.0, 2.0], "cloud_s": [1.0, 2.0], "head_s": [0.0, 0.0], "leave": [0.0, 0.0],
            "out_bytes": [1.0, 1.0, 1.0]}  # fmt: skip
    with pytest.raises(PartitionError, match=message):
        Chain(**(good | change))


def test_what_cannot_be_cut_is_said():
    with pytest.raises(PartitionError, match="no cut is possible"):
        shortest_cut(HAND, [np.inf] * 3)
    with pytest.raises(PartitionError, match="no cut is possible"):
        best_cuts(HAND, [[1.0, 1.0, 0.0], [np.inf] * 3])
    with pytest.raises(PartitionError, match="n x K and K would do"):
        leaving(np.zeros((0, 3)), np.zeros(3))
    with pytest.raises(PartitionError, match="no branch after 'pool9'"):
        b_alexnet(1.0, {"pool9": 0.1})
