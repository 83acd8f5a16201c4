"""The text profiles that ship are what their headers say: parents kept apart, accuracies, costs, lengths."""

from importlib import resources

import numpy as np
import pytest

from mdisim.profiles import load, shipped

NAMES = [name for name in shipped() if name.startswith(("sst2-", "movies-"))]
LAYERS = {"minilm6": 6, "mpnet12": 12}
RATES = {"mobile": 30e9, "mobile-100": 100e9, "edge": 1000e9, "cloud": 5000e9}


@pytest.fixture(params=NAMES, scope="module")
def profile(request):
    return load(request.param)


def test_an_exit_follows_every_layer_and_deep_ones_are_better(profile):
    measured = profile.header["measured"]
    assert profile.n_exits == measured["network"]["layers"] == LAYERS[measured["network"]["name"]]
    accuracy = profile.half("test").correct.mean(axis=0)
    assert accuracy[-1] > accuracy[0] + 0.03


def test_accuracies_and_counts_are_those_of_the_header(profile):
    measured = profile.header["measured"]
    for name in ("calibration", "test"):
        half = profile.half(name)
        assert measured["accuracy"][name] == half.correct.mean(axis=0).round(4).tolist()
        assert measured["dataset"]["counts"][name] == half.n
        assert measured["dataset"]["counts"][f"parents of {name}"] == len(np.unique(half.group))
    assert "cite Socher" in profile.header["licence"] or "MIT" in profile.header["licence"]
    assert measured["network"]["licence"] == "apache-2.0"


def test_the_halves_share_no_parent_and_new_ones_neither(profile):
    for each in (profile, profile.resplit(7)):
        halves = [each.half(name) for name in ("calibration", "test")]
        assert not set(halves[0].group) & set(halves[1].group)
        assert halves[0].n == pytest.approx(halves[1].n, rel=0.05)


def test_features_are_standardised_on_the_calibration_half(profile):
    told = profile.header["measured"]["features"]
    assert len(told["columns"]) == profile.features.shape[1] == 64
    features = profile.half("calibration").features.astype(float)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(features.std(axis=0)[[0, *range(57, 64)]], 1, atol=0.02)


def test_costs_are_those_of_the_shape(profile):
    shape = profile.header["measured"]["network"]
    native, t, h = profile.costs["native"], shape["reference_tokens"], shape["hidden"]
    flops = 2 * t * (4 * h * h + 2 * h * shape["between"]) + 4 * t * t * h
    np.testing.assert_array_equal(native.stage_flops, flops)
    np.testing.assert_array_equal(native.head_flops, 2 * 2 * h)
    assert native.out_bytes.tolist() == [4 * t, *[4 * t * h] * (profile.n_exits - 1), 0]
    bert, each = profile.costs["bert-128"], 12 // profile.n_exits
    np.testing.assert_array_equal(bert.stage_flops, each * 1_862_270_976)
    np.testing.assert_array_equal(bert.layers, each)
    assert bert.out_bytes.tolist() == [512, *[393_216] * (profile.n_exits - 1), 0]
    for table in (native, bert):
        assert table.kinds == ("x86-core", *RATES)
        for kind, rate in RATES.items():
            np.testing.assert_allclose(table.stage_s[table.row(kind)], table.stage_flops / rate)


def test_own_factors_are_those_of_a_whole_number_of_tokens(profile):
    shape = profile.header["measured"]["network"]
    t, h = shape["reference_tokens"], shape["hidden"]
    tokens = np.rint(profile.size[:, 0] * t)
    assert tokens.min() >= 3
    assert tokens.max() <= 128
    np.testing.assert_allclose(profile.size, np.tile(tokens[:, None] / t, profile.n_exits + 1))
    macs = tokens * (4 * h * h + 2 * h * shape["between"]) + 2 * tokens**2 * h
    reference = t * (4 * h * h + 2 * h * shape["between"]) + 2 * t**2 * h
    np.testing.assert_allclose(profile.work, np.tile(macs[:, None] / reference, profile.n_exits))
    assert profile.size.mean() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_file_is_small_and_its_features_are_named(name):
    file = resources.files("mdisim.profiles").joinpath("shipped", f"{name}.npz")
    assert len(file.read_bytes()) < 5_000_000
    told = load(name).header["measured"]["features"]
    assert len(told["columns"]) == load(name).features.shape[1]
    assert told["fitted_on"] == "calibration"
