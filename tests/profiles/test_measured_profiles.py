"""What a build measured becomes a profile with every kind of device, and nothing gets lost on the way."""

from dataclasses import fields, replace

import numpy as np
import pytest

from mdisim.profiles import device_kinds, from_measured, read, synthesise, write
from mdisim.profiles.build.records import BuildError, Measured, MeasuredCosts
from mdisim.profiles.measured import measured_costs, same_network

META = {
    "dataset": {"name": "cifar10", "licence": "cite Krizhevsky 2009", "classes": list("abcd")},
    "network": {"name": "mobilenetv2-0.5-small", "image_size": 32, "strides": [2, 1], "parameters": 385538},
    "timing": {"cpu": "a processor", "how": "median of rounds"},
    "torch": "2.13.0",
    "date": "2026-11-21",
}


def costs(scale):
    return MeasuredCosts(
        stage_macs=np.array([10, 20, 30]) * scale,
        head_macs=np.array([1, 2, 3]) * scale,
        layers=np.array([3, 6, 9]),
        out_bytes=np.array([3072, 8192, 2048, 0]),
        stage_s=np.array([0.001, 0.002, 0.003]) * scale,
        head_s=np.array([0.0001, 0.0001, 0.0002]) * scale,
        stage_spread_s=np.array([1e-5, 2e-5, 3e-5]) * scale,
        head_spread_s=np.array([1e-6, 1e-6, 1e-6]) * scale,
    )


def measured(**tables):
    rng = np.random.default_rng(0)
    return Measured(
        logits=rng.normal(size=(20, 3, 4)).astype(np.float16),
        label=rng.integers(0, 4, 20),
        split=(np.arange(20) >= 10).astype(np.uint8),
        features=rng.normal(size=(20, 8)).astype(np.float16),
        costs=tables,
        meta=META,
    )


@pytest.fixture
def record():
    return measured(**{"native": costs(1), "mobilenetv2-224": costs(5)})


def test_arrays_and_words_are_kept(record, tmp_path):
    made = from_measured(record, "cifar10-mobilenetv2")
    assert made.name == "cifar10-mobilenetv2"
    np.testing.assert_array_equal(made.logits, record.logits)
    np.testing.assert_array_equal(made.label, record.label)
    np.testing.assert_array_equal(made.split, record.split)
    np.testing.assert_array_equal(made.features, record.features)
    assert made.header["measured"] == META
    assert made.header["model"] == "mobilenetv2-0.5-small"
    assert (made.header["dataset"], made.header["licence"]) == ("cifar10", "cite Krizhevsky 2009")
    write(made, tmp_path / "p.npz")
    assert read(tmp_path / "p.npz").digest == made.digest


def test_a_mac_is_two_flops_and_the_measured_row_is_untouched(record):
    table = from_measured(record, "x").costs["native"]
    np.testing.assert_array_equal(table.stage_flops, [20, 40, 60])
    np.testing.assert_array_equal(table.head_flops, [2, 4, 6])
    np.testing.assert_array_equal(table.layers, [3, 6, 9])
    np.testing.assert_array_equal(table.out_bytes, [3072, 8192, 2048, 0])
    np.testing.assert_array_equal(table.stage_s[table.row("x86-core")], [0.001, 0.002, 0.003])
    assert table.notes["x86-core"] == "measured on a processor on 2026-11-21, torch 2.13.0: median of rounds"


def test_every_table_has_every_kind_by_the_same_factor(record):
    made = from_measured(record, "x")
    for table in made.costs.values():
        assert set(table.kinds) == {name for name, kind in device_kinds().items() if kind.flops_per_s is None}
    native, reference = made.costs["native"], made.costs["mobilenetv2-224"]
    np.testing.assert_allclose(5 * native.stage_s, reference.stage_s)
    row = reference.row("raspberry-pi-4")
    assert reference.stage_s[row].sum() + reference.head_s[row, -1] == pytest.approx(0.0264)


def test_without_the_reference_network_the_other_kinds_are_those_of_known_rates():
    table = from_measured(measured(native=costs(1)), "x").costs["native"]
    assert table.kinds == ("x86-core", "mobile", "mobile-100", "edge", "cloud")
    np.testing.assert_array_equal(table.stage_s[0], [0.001, 0.002, 0.003])
    np.testing.assert_allclose(table.stage_s[1], [20 / 30e9, 40 / 30e9, 60 / 30e9])


def test_costs_taken_for_another_training_are_those_measured_with_their_own_place_and_date(record, tmp_path):
    write(from_measured(record, "first"), tmp_path / "p.npz")
    first = read(tmp_path / "p.npz")
    taken, timing = measured_costs(first)
    for table, given in record.costs.items():
        for each in fields(given):
            got, wanted = getattr(taken[table], each.name), getattr(given, each.name)
            np.testing.assert_array_equal(got, wanted)
            assert got.dtype == wanted.dtype
    assert timing["timing"]["taken_from"] == {"profile": "first", "digest": first.digest}
    later = {**META, "date": "2027-01-01", "torch": "3.0", **timing}
    second = from_measured(replace(record, costs=taken, meta=later), "second")
    for table, costs in first.costs.items():
        for name, array in costs.arrays().items():
            np.testing.assert_array_equal(second.costs[table].arrays()[name], array)
    note = "measured on a processor on 2026-11-21, torch 2.13.0 (for first): median of rounds"
    assert second.costs["native"].notes["x86-core"] == note
    assert second.header["measured"]["date"] == "2027-01-01"


def test_costs_of_costs_that_were_taken_keep_the_first_date(record):
    first = from_measured(record, "first")
    taken, timing = measured_costs(first)
    second = from_measured(replace(record, costs=taken, meta={**META, **timing, "date": "2027-01-01"}), "second")
    again = measured_costs(second)[1]["timing"]
    assert (again["date"], again["torch"]) == ("2026-11-21", "2.13.0")
    assert again["taken_from"]["profile"] == "second"


def test_costs_are_taken_only_of_the_same_network(record):
    made = from_measured(record, "cifar10-mobilenetv2")
    same_network(made, {"name": "mobilenetv2-0.5-small", "image_size": 32, "strides": (2, 1)})
    with pytest.raises(
        BuildError, match=r"of another network \(image_size 32 and not 28; width None and not 0\.5\)"
    ):
        same_network(made, {"name": "mobilenetv2-0.5-small", "image_size": 28, "width": 0.5})


def test_costs_that_no_network_was_measured_for_are_refused(record):
    stated = synthesise(n=20, exits=2, accuracy=[0.6, 0.8], stage_s=0.01, out_bytes=100.0, seed=0)
    elsewhere = replace(stated, header=from_measured(record, "x").header)
    for profile in (stated, elsewhere):
        with pytest.raises(BuildError, match=r"were not measured on a network; .* leave --costs out"):
            same_network(profile, META["network"])
