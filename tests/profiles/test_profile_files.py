"""Profiles as files: exact round trips, the same bytes, and one clear message for every broken file."""

import contextlib
import io
import json
import os
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mdisim.policies.scores import no_logits
from mdisim.profiles import CostTable, Profile, ProfileError, files, read, stated_costs, synthesise, write

SEEN = st.characters(categories=("L", "N", "P", "S"))
finite = st.floats(-60000, 60000)
positive = st.floats(0, 1e9)


@st.composite
def tables(draw, exits):
    kinds = draw(st.lists(st.text(SEEN, min_size=1, max_size=8), min_size=1, max_size=3, unique=True))
    shape = (len(kinds), exits)
    return CostTable(
        kinds=tuple(kinds),
        stage_flops=draw(hnp.arrays(float, exits, elements=positive)),
        head_flops=draw(hnp.arrays(float, exits, elements=positive)),
        stage_s=draw(hnp.arrays(float, shape, elements=positive)),
        head_s=draw(hnp.arrays(float, shape, elements=positive)),
        stage_spread_s=draw(hnp.arrays(float, shape, elements=positive)),
        out_bytes=np.append(draw(hnp.arrays(float, exits, elements=positive)), 0.0),
        layers=draw(hnp.arrays(np.int32, exits, elements=st.integers(0, 50))),
        notes=draw(st.dictionaries(st.sampled_from(kinds), st.text())),
    )


@st.composite
def profiles(draw):
    n, exits, classes = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    sample = st.integers(0, classes - 1)
    if draw(st.booleans()):
        logits = hnp.arrays(np.float16, (n, exits, classes), elements=st.floats(-60000, 60000, width=16))
        answers = {"logits": draw(logits.filter(lambda rows: not no_logits(rows)))}
    else:
        answers = {
            "confidence": draw(hnp.arrays(float, (n, exits), elements=st.floats(0, 1))),
            "prediction": draw(hnp.arrays(np.int32, (n, exits), elements=sample)),
        }
    width = draw(st.integers(1, 3))
    optional = {
        "features": hnp.arrays(np.float16, (n, width), elements=st.floats(-60000, 60000, width=16)),
        "work": hnp.arrays(float, (n, exits), elements=positive),
        "size": hnp.arrays(float, (n, exits + 1), elements=positive),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(optional))))
    split = draw(hnp.arrays(np.uint8, n, elements=st.integers(0, 1)))
    split[0] = 1
    return Profile(
        name=draw(st.text(SEEN, min_size=1).filter(str.strip)),
        label=draw(hnp.arrays(np.int32, n, elements=sample)),
        split=split,
        costs=draw(st.dictionaries(st.sampled_from(["native", "mobilenetv2-224"]), tables(exits), min_size=1)),
        header=draw(st.dictionaries(st.sampled_from(["model", "seed"]), st.integers() | st.text())),
        **answers,
        **{name: draw(optional[name]) for name in sorted(chosen)},
    )


@given(made=profiles())
def test_a_round_trip_is_exact_and_the_bytes_are_the_same(made, tmp_path_factory):
    first, second = (tmp_path_factory.mktemp("p") / "p.npz" for _ in range(2))
    write(made, first)
    again = read(first)
    write(again, second)
    assert first.read_bytes() == second.read_bytes()
    assert again.digest == made.digest
    assert (again.name, again.header, again.costs.keys()) == (made.name, made.header, made.costs.keys())
    for name in ("label", "split", "logits", "confidence", "prediction", "features", "work", "size"):
        here, there = getattr(again, name), getattr(made, name)
        assert (here is None) == (there is None)
        if there is not None:
            assert here.dtype == there.dtype
            np.testing.assert_array_equal(here, there)
    for name, costs in made.costs.items():
        assert (again.costs[name].kinds, again.costs[name].notes) == (costs.kinds, costs.notes)
        for array, values in costs.arrays().items():
            np.testing.assert_array_equal(getattr(again.costs[name], array), values)


SMALL = synthesise(n=8, exits=2, classes=3, accuracy=0.6, stage_s=0.01, out_bytes=[9, 5, 0], seed=0)


@pytest.fixture
def path(tmp_path):
    write(SMALL, tmp_path / "p.npz")
    return tmp_path / "p.npz"


def as_npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), **options)
    return buffer.getvalue()


def rewrite(path, changes=None, drop=()):
    """Write the archive anew with some members changed, added or dropped."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name not in drop}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members | (changes or {})).items():
            archive.writestr(name, content)


def faults_of(path, **options):
    with pytest.raises(ProfileError) as caught:
        read(path, **options)
    assert caught.value.where == str(path)
    assert str(caught.value).startswith(str(path))
    return caught.value.faults


def header(path, **changes):
    with zipfile.ZipFile(path) as archive:
        return json.dumps(json.loads(archive.read("header.json")) | changes).encode()


def test_numpy_opens_it_without_pickles_and_anyone_reads_its_header(path):
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["logits"], SMALL.logits)
        np.testing.assert_array_equal(arrays["costs/native/stage_s"], [[0.01, 0.01]])
        assert json.loads(arrays["header.json"])["name"] == "synthetic"


def test_confidence_is_not_stored_where_logits_imply_it(path):
    with np.load(path) as arrays:
        assert not {"confidence", "prediction"} & set(arrays.files)


def test_ten_thousand_samples_of_five_exits_and_ten_classes_stay_below_5_mb(tmp_path):
    rng = np.random.default_rng(0)
    noise = Profile(
        name="incompressible",
        label=rng.integers(0, 10, 10_000),
        split=np.ones(10_000, int),
        logits=rng.normal(0, 4, (10_000, 5, 10)),
        features=rng.normal(size=(10_000, 64)),
        costs={"native": stated_costs(5, stage_s=1.0)},
    )
    write(noise, tmp_path / "p.npz")
    assert (tmp_path / "p.npz").stat().st_size < 5_000_000


def test_a_file_in_another_byte_order_or_layout_is_read_the_same(path):
    other = np.asfortranarray(SMALL.logits.astype(">f2"))
    rewrite(path, {"logits.npy": as_npy(other)})
    assert read(path).digest == SMALL.digest


def test_writing_fails_whole_and_leaves_what_was_there(path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(SMALL, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["p.npz"]


def test_no_file(tmp_path):
    assert "no such file" in faults_of(tmp_path / "none.npz")[0]


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "p.npz")
    assert "(it is no regular file)" in faults_of(tmp_path / "p.npz")[0]


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 and then garbage"])
def test_what_is_no_zip(tmp_path, content):
    (tmp_path / "p.npz").write_bytes(content)
    (fault,) = faults_of(tmp_path / "p.npz")
    assert fault.startswith("no readable profile (")
    assert fault.endswith("a whole .npz of arrays would do")


@given(share=st.floats(0, 0.99))
def test_a_truncated_file_is_one_clear_message(share, tmp_path_factory):
    path = tmp_path_factory.mktemp("p") / "p.npz"
    write(SMALL, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    (fault,) = faults_of(path)
    assert fault.startswith("no readable profile (")


@given(at=st.floats(0, 0.999), flip=st.integers(1, 255))
def test_a_flipped_byte_is_told_or_harmless(at, flip, tmp_path_factory):
    path = tmp_path_factory.mktemp("p") / "p.npz"
    write(SMALL, path)
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= flip
    path.write_bytes(content)
    with contextlib.suppress(ProfileError):
        assert read(path).digest == SMALL.digest


OBJECTS = as_npy(np.array([{}] * 8, dtype=object), allow_pickle=True)
NO_NAME = b'{"format": 1, "name": 3, "about": {}, "costs": {}}'
NO_COSTS = b'{"format": 1, "name": "x", "about": {}, "costs": {}}'
NO_NOTES = b'{"format": 1, "name": "x", "about": {}, "costs": {"native": {"kinds": ["a"]}}}'


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("label.npy", OBJECTS, "label cannot be read: it holds pickled"),
        ("label.npy", as_npy(np.zeros(8, int)).replace(b"}", b" "), "label cannot be read: "),
        ("label.npy", b"no array", "label cannot be read: the magic string is not correct"),
        ("label.npy", as_npy(np.zeros(8, int))[:-8], r"its shape \(8,\) of int64 needs 64 bytes"),
        ("label.npy", as_npy(np.zeros(9, int)), r"logits has shape \(8, 2, 3\); it must be \(n=9, K=2, C=3\)"),
        ("label.npy", as_npy(np.zeros((8, 1), int)), r"label has shape \(8, 1\); it must be \(n"),
        ("logits.npy", as_npy(np.full((8, 2, 3), 1 / 3)), "logits of exit 1, 2 are probabilities"),
        ("label.npy", as_npy(np.full(8, 3)), r"label\[0\] is 3 \(and 7 more\); there are 3 classes"),
        ("lables.npy", as_npy(np.zeros(8, int)), "no array 'lables'; did you mean 'label'"),
        ("costs/native/stages.npy", as_npy(0.0), "did you mean 'costs/native/stage_s'"),
        ("readme.txt", b"hello", "readme.txt cannot be read: a profile holds header.json and .npy arrays"),
        ("costs/native/stage_s.npy", as_npy([[1.0, -1.0]]), r"costs/native/stage_s\[0, 1\] is -1; seconds"),
        ("costs/native/out_bytes.npy", as_npy([1.0, 0.0]), r"costs/native/out_bytes has shape \(2,\)"),
        ("split.npy", as_npy(np.zeros(8, int)), r"split has no sample in the test half \(1\)"),
        ("header.json", b"{", "header.json is not JSON"),
        ("header.json", b"\xff", "header.json is not JSON"),
        ("header.json", b"[]", 'header.json: it has no "format": 1'),
        ("header.json", b'{"format": 2}', "header.json: it is of format 2; this version reads"),
        ("header.json", NO_NAME, "header.json: name must be a text"),
        ("header.json", NO_NOTES, "costs.native must be a mapping of kinds"),
        ("header.json", NO_COSTS, "costs is empty"),
    ],
)  # fmt: skip
def test_a_broken_member_is_named(path, member, content, message):
    rewrite(path, {member: content})
    with pytest.raises(ProfileError, match=message):
        read(path)


@pytest.mark.parametrize("member", ["label", "split", "logits", "costs/native/stage_s", "costs/native/out_bytes"])
def test_a_missing_array_is_named(path, member):
    rewrite(path, drop=[f"{member}.npy"])
    assert faults_of(path)[0].startswith(f"{'confidence' if member == 'logits' else member} is missing")


def test_a_missing_header_is_named(path):
    rewrite(path, drop=["header.json"])
    (fault,) = faults_of(path)
    assert fault.startswith("header.json is missing")


def test_all_faults_of_a_file_come_at_once(path):
    changes = {
        "label.npy": as_npy(np.full(8, -1)),
        "split.npy": as_npy(np.array(["test"] * 8)),
        "logits.npy": b"",
        "work.npy": as_npy(np.full((8, 2), np.nan)),
        "spam.npy": as_npy(1.0),
        "costs/native/head_s.npy": as_npy([[0.0, 0.0], [0.0, 0.0]]),
        "header.json": header(path, name=""),
    }
    rewrite(path, changes, drop=["costs/native/head_flops.npy"])
    told = " ".join(faults_of(path))
    for name in ("label[0]", "split holds", "logits cannot", "work[0, 0]", "'spam'", "head_s has", "name is"):
        assert name in told
    assert "costs/native/head_flops is missing" in told
    assert "logits is missing" not in told
    assert "confidence is missing" not in told


def test_an_array_that_claims_to_be_huge_takes_no_memory(path):
    buffer = io.BytesIO()
    claim = {"descr": "<i4", "fortran_order": False, "shape": (8 * 10**12,)}
    np.lib.format.write_array_header_1_0(buffer, claim)
    rewrite(path, {"label.npy": buffer.getvalue() + bytes(32)})
    assert (
        "label cannot be read: its shape (8000000000000,) of int32 needs 32000000000000 bytes"
        in faults_of(path)[0]
    )


def npy_header(text, body=b""):
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text + body


def stated_shape(shape, kind="<f8"):
    return npy_header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode(), bytes(40))


@pytest.mark.parametrize(
    "content",
    [
        npy_header(b"-" * 9000 + b"\n"),
        npy_header(b"(" * 9000 + b"\n"),
        npy_header(b"[" * 90 + b"]" * 90 + b"\n"),
        npy_header(b"1" * 9000 + b"\n"),
        npy_header(b"\xff\x00{\n"),
        npy_header(b"{}" + b" " * 20_000),
        b"\x93NUMPY\x02\x00" + b"\xff" * 4,
        stated_shape("(True, 5)"),
        stated_shape("(-5,)"),
        stated_shape("(-5, -1)"),
        stated_shape("(5.0,)"),
        stated_shape("5"),
        stated_shape("(0, 10**30)"),
        stated_shape("(5,)", "(1000000000,)<f8"),
        stated_shape("(5,)", "|V0"),
        stated_shape("(40,)", "|S1"),
        stated_shape("(5,)", "<M8[s]"),
    ],
    ids=range(17),
)
def test_a_crafted_array_is_one_message(path, content):
    rewrite(path, {"logits.npy": content})
    assert any(fault.startswith("logits") for fault in faults_of(path))


@pytest.mark.parametrize("member", ["logits.npy", "header.json"])
def test_what_unpacks_to_far_more_than_the_file_is_not_unpacked(path, monkeypatch, member):
    monkeypatch.setattr(files, "SMALL_BYTES", 1 << 20)
    rewrite(path, {member: bytes(8 << 20)})
    before = files.zipfile.ZipFile.open
    opened = []
    monkeypatch.setattr(files.zipfile.ZipFile, "open", lambda *a, **k: (opened.append(a), before(*a, **k))[1])
    (fault,) = faults_of(path)
    assert "above the limit of" in fault
    assert not opened


def test_a_header_that_is_far_too_long_is_not_read(path):
    rewrite(path, {"header.json": b"{" + b" " * (17 << 20)})
    assert faults_of(path) == ("header.json cannot be read: it has 17825793 bytes, above the limit of 16777216",)


def test_what_is_packed_by_other_means_or_in_too_many_parts(path):
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("work.npy", as_npy(np.ones((8, 2))))
    assert "work cannot be read: it is packed in a way" in faults_of(path)[0]
    with zipfile.ZipFile(path, "a") as archive:
        for i in range(1000):
            archive.writestr(f"x{i}.npy", b"")
    (fault,) = faults_of(path)
    assert "members" in fault


def test_a_file_that_unpacks_to_too_much_is_refused(path):
    (fault,) = faults_of(path, limit_bytes=100)
    assert "bytes, above the limit of 100" in fault
