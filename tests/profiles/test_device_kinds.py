"""The device catalogue has sources for its numbers, and times are carried over by one factor per kind."""

from dataclasses import replace

import numpy as np
import pytest

from mdisim.profiles import CostTable, ProfileError, carry, device_kind, device_kinds
from mdisim.profiles.devices import at_rates, factor, reference_time_s

KINDS = {
    "x86-core",
    "jetson-nano",
    "jetson-nano-tensorrt",
    "jetson-tx2",
    "jetson-xavier",
    "raspberry-pi-4",
    "pixel-1",
    "edge-gpu",
    "cloud-gpu",
}
RATES = {"mobile": 30e9, "mobile-100": 100e9, "edge": 1000e9, "cloud": 5000e9}  # FLOPs per second


def measured(stage_s, head_s, stage_flops, head_flops):
    return CostTable(
        kinds=("x86-core",),
        stage_flops=stage_flops,
        head_flops=head_flops,
        stage_s=[stage_s],
        head_s=[head_s],
        stage_spread_s=[np.multiply(stage_s, 0.1)],
        out_bytes=np.append(np.full(len(stage_s), 100.0), 0.0),
        notes={"x86-core": "measured somewhere"},
    )


REFERENCE = measured([0.004, 0.002, 0.003], [0.5, 0.5, 0.001], [40.0, 20.0, 30.0], [5.0, 5.0, 10.0])
NATIVE = measured([0.001, 0.0005], [0.0001, 0.0002], [3.0, 2.0], [0.1, 0.1])


def test_the_catalogue_has_these_kinds_each_with_a_source():
    kinds = device_kinds()
    assert set(kinds) == KINDS | set(RATES)
    for kind in kinds.values():
        assert kind.cores >= 1
        assert kind.hardware
        assert kind.source
        assert kind.number in ("measured", "published", "derived", "assumed")
        assert bool(kind.derivation) == (kind.number == "derived")
        assert (kind.mobilenetv2_s is None) == (kind.number in ("measured", "assumed"))
        assert (kind.flops_per_s is not None) == (kind.number == "assumed")
        assert 0 < kind.flops_share <= 1
        assert bool(kind.power_source) == (kind.idle_w is not None) == (kind.busy_w is not None)
        assert kind.idle_w is None or min(kind.idle_w, kind.busy_w) > 0


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("jetson-nano-tensorrt", (224 / 300) ** 2 / 64),
        ("jetson-tx2", 0.0173 * 1.1125 / 0.8737),
        ("raspberry-pi-4", 0.0264),
        ("jetson-xavier", 0.0154),
    ],
)
def test_derived_numbers_follow_from_their_derivation(kind, seconds):
    assert device_kind(kind).mobilenetv2_s == pytest.approx(seconds, rel=0.005)


def test_kinds_of_a_known_rate_take_the_flops_over_it():
    table = at_rates(REFERENCE)
    assert table.kinds == ("x86-core", *RATES)
    np.testing.assert_array_equal(table.stage_s[0], REFERENCE.stage_s[0])
    for name, rate in RATES.items():
        row = table.row(name)
        np.testing.assert_allclose(table.stage_s[row], REFERENCE.stage_flops / rate)
        np.testing.assert_allclose(table.head_s[row], REFERENCE.head_flops / rate)
        assert not table.stage_spread_s[row].any()
        assert table.notes[name].startswith(f"derived: FLOPs over {rate / 1e9:g} GFLOP/s (assumed: ")


def test_an_unknown_kind_gets_the_nearest_name():
    with pytest.raises(ProfileError, match="no device kind 'jetson-nona'; did you mean 'jetson-nano'"):
        device_kind("jetson-nona")


def test_the_reference_time_is_the_backbone_and_its_last_head():
    assert reference_time_s(REFERENCE) == pytest.approx(0.010)
    assert reference_time_s(REFERENCE, 0.4) == pytest.approx(0.004)
    assert reference_time_s(REFERENCE, 0.5) == pytest.approx(0.005)  # half of stage 2 beyond stage 1
    assert reference_time_s(REFERENCE, 0.9) == pytest.approx(0.009)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_reference_takes_the_published_time_on_every_kind(name):
    kind = device_kind(name)
    carried = carry(REFERENCE, REFERENCE)
    row = carried.row(name)
    total = carried.stage_s[row].sum() + carried.head_s[row, -1]
    if kind.mobilenetv2_s is None:
        assert total == pytest.approx(0.010)
    elif kind.flops_share == 1:
        assert total == pytest.approx(kind.mobilenetv2_s)
    else:
        assert kind.flops_share == 0.5
        assert carried.stage_s[row, 0] + carried.stage_s[row, 1] / 2 == pytest.approx(kind.mobilenetv2_s)


def test_one_factor_serves_every_stage_head_spread_and_table():
    for name in KINDS:
        times = factor(REFERENCE, device_kind(name))
        for table in (REFERENCE, NATIVE):
            carried = carry(table, REFERENCE)
            row = carried.row(name)
            for array in ("stage_s", "head_s", "stage_spread_s", "head_spread_s"):
                np.testing.assert_allclose(getattr(carried, array)[row], times * getattr(table, array)[0])
            for array in ("stage_flops", "head_flops", "out_bytes", "layers"):
                np.testing.assert_array_equal(getattr(carried, array), getattr(table, array))


def test_notes_say_how_each_row_came_about():
    carried = carry(NATIVE, REFERENCE, [device_kind("raspberry-pi-4")])
    assert carried.kinds == ("x86-core", "raspberry-pi-4")
    assert carried.notes["x86-core"] == "measured somewhere"
    note = carried.notes["raspberry-pi-4"]
    assert note.startswith("derived: x86-core times x 2.64, the one factor at which MobileNetV2 at 224x224")
    assert "26.4 ms (published: PyTorch tutorial" in note


def test_carrying_twice_changes_nothing():
    once = carry(NATIVE, REFERENCE)
    twice = carry(once, carry(REFERENCE, REFERENCE))
    np.testing.assert_array_equal(twice.stage_s, once.stage_s)
    assert (twice.kinds, twice.notes) == (once.kinds, once.notes)


def test_only_measured_times_are_carried():
    with pytest.raises(ProfileError, match="no device kind 'x86-core'"):
        carry(replace(NATIVE, kinds=("unit",), notes={}), REFERENCE)
