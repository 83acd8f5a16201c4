"""Shipped profiles are found by name and any by path; what is shipped is sound."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from mdisim.profiles import ProfileError, catalogue, describe, load, read, shipped, synthesise, write

MADE = synthesise(n=60, exits=3, accuracy=[0.6, 0.8, 0.9], stage_s=[1e-3, 3e-3, 4e-3], out_bytes=2048, seed=0)


OTHER = synthesise(n=60, exits=3, accuracy=[0.6, 0.8, 0.9], stage_s=[1e-3, 3e-3, 4e-3], out_bytes=2048, seed=1)


@pytest.fixture
def path(tmp_path):
    write(MADE, tmp_path / "made.npz")
    return tmp_path / "made.npz"


def test_a_path_is_read(path, monkeypatch):
    assert load(path).digest == MADE.digest
    assert load(str(path)).digest == MADE.digest
    monkeypatch.chdir(path.parent)
    assert load("made.npz").digest == MADE.digest
    assert load("./made.npz").digest == MADE.digest


def test_a_file_is_read_once_until_it_changes(path, monkeypatch):
    reads = []
    home = sys.modules["mdisim.profiles.catalogue"]  # whose name is also that of a function
    monkeypatch.setattr(home, "read", lambda where: reads.append(where) or read(where))
    assert load(path) is load(path)
    assert load(path).half("test") is load(path).half("test")
    write(OTHER, path)
    assert load(path).digest == OTHER.digest
    assert len(reads) == 2


def test_an_unknown_name_and_a_missing_file_say_so(tmp_path):
    with pytest.raises(ProfileError, match=r"no profile 'no-such-net'; .* a path to a \.npz would do, too"):
        load("no-such-net")
    with pytest.raises(ProfileError, match="no such file"):
        load(tmp_path / "none.npz")


def test_a_profile_is_described_in_full(path):
    told = describe(path)
    test = MADE.half("test")
    assert (told["exits"], told["classes"], told["calibration_samples"], told["test_samples"]) == (3, 10, 30, 30)
    assert told["test_accuracy"] == [round(x, 4) for x in test.correct.mean(axis=0).tolist()]
    native = told["cost_tables"]["native"]
    assert native["out_kib"] == [2, 2, 2, 0]
    assert native["kinds"]["unit"]["stage_ms"] == [1, 3, 4]
    assert native["kinds"]["unit"]["stage_share"] == [0.125, 0.375, 0.5]
    assert native["kinds"]["unit"]["note"] == "stated, not measured"
    assert json.loads(json.dumps(told)) == told


def test_the_catalogue_is_a_table():
    rows = catalogue()
    assert [row["name"] for row in rows] == shipped()
    assert json.loads(json.dumps(rows)) == rows


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_profile_is_complete(name):
    profile = load(name)
    assert profile.name == name
    for key in ("model", "dataset", "licence"):
        assert profile.header.get(key, "?") != "?"
    assert profile.half("calibration").n > 0
    assert np.all(profile.half("test").correct.mean(axis=0) > 0.1 + 1 / profile.n_classes)
    for table in profile.costs.values():
        assert set(table.notes) == set(table.kinds)
        assert np.all(table.stage_s > 0)


DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "profiles.md"


def in_words(shares):
    return " ".join(f"{100 * share:.1f}" for share in shares)


def trust(test):
    """The document's columns: right, mean confidence, ECE in 15 bins of equal width, right above 0.8 and 0.9."""
    gaps = []
    for sure, right in zip(test.confidence.T, test.correct.T, strict=True):
        bins = np.ceil(15 * sure).astype(int)
        gaps.append(np.abs(np.bincount(bins, right - sure)).sum() / test.n)
    above = [[right[sure >= t].mean() for sure, right in zip(test.confidence.T, test.correct.T, strict=True)]
             for t in (0.8, 0.9)]  # fmt: skip
    return [*map(in_words, (test.correct.mean(axis=0), test.confidence.mean(axis=0), gaps, *above))]


def test_the_document_tells_how_far_each_shipped_profile_is_to_be_trusted():
    rows = re.findall(r"^\| `([\w.-]+)` \|((?: [\d. ]+ \|){5})$", DOCUMENT.read_text(), re.MULTILINE)
    told = {name: [cell.strip() for cell in cells.rstrip("|").split("|")] for name, cells in rows}
    assert sorted(told) == shipped()
    for name, cells in told.items():
        assert cells == trust(load(name).half("test"))


@pytest.mark.parametrize("name", [name for name in shipped() if "-overconfident-" in name])
def test_a_shifted_profile_is_calibrated_on_the_clean_images(name):
    shifted, clean = load(name), load("cifar10-overconfident")
    assert shifted.header["measured"]["shift"]["halves"] == ["test"]
    ours, theirs = shifted.half("calibration"), clean.half("calibration")
    for array in ("logits", "features", "label"):
        assert getattr(ours, array).tobytes() == getattr(theirs, array).tobytes()
    assert np.all(shifted.half("test").correct.mean(axis=0) < clean.half("test").correct.mean(axis=0))
    np.testing.assert_array_equal(shifted.label, clean.label)


@pytest.mark.parametrize("name", [name for name in shipped() if "-overconfident" in name])
def test_networks_of_one_shape_cost_the_same(name):
    timed = load("cifar10-mobilenetv2")
    assert load(name).header["measured"]["timing"]["taken_from"] == {"profile": timed.name, "digest": timed.digest}
    for table, costs in load(name).costs.items():
        assert costs.kinds == timed.costs[table].kinds
        for array, values in costs.arrays().items():
            np.testing.assert_array_equal(values, timed.costs[table].arrays()[array])
