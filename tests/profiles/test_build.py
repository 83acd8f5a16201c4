import gzip
import io
import json
import pickle
import sys
import tarfile
from dataclasses import asdict, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from mdisim.cli import main  # noqa: E402
from mdisim.profiles import from_measured, load, write  # noqa: E402
from mdisim.profiles.build import HALVES, BuildError, Shift, TimingPlan, build_profile_data  # noqa: E402
from mdisim.profiles.build.datasets import (  # noqa: E402
    CIFAR_CLASSES,
    DatasetError,
    planes_to_images,
    read_images,
)
from mdisim.profiles.build.measure import (  # noqa: E402
    count,
    exit_logits,
    fold_batchnorm,
    measure_costs,
    noise,
    settle,
)
from mdisim.profiles.build.network import build_network, scaled, small32, standard224  # noqa: E402
from mdisim.profiles.build.pipeline import halves, recipe_for  # noqa: E402
from mdisim.profiles.build.training import (  # noqa: E402
    Normaliser,
    Recipe,
    TrainingError,
    augmented,
    one_cycle,
    train,
)

pytestmark = pytest.mark.torch
QUICK = TimingPlan(rounds=1, passes=2, warmup=1)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def write_tar(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def batches(rng, n=6):
    """Planes and labels of CIFAR-10's six batches, `n` images each."""
    return [(rng.integers(0, 256, (n, 3072), dtype=np.uint8), rng.integers(0, 10, n)) for _ in range(6)]


def binary_archive(path, parts):
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    rows = [np.hstack([labels[:, None].astype(np.uint8), planes]).tobytes() for planes, labels in parts]
    return write_tar(path, {f"cifar-10-batches-bin/{n}": r for n, r in zip(names, rows, strict=True)})


def python_2_pickle(planes, labels):
    """A batch as Python 2 wrote the official ones: text as byte strings, flags as numbers."""
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    shape = b"K" + bytes([len(planes)]) + b"M\x00\x0c\x86"
    pixels = b"T" + planes.nbytes.to_bytes(4, "little") + planes.tobytes()
    state = b"(K\x01" + shape + dtype + b"\x89" + pixels + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(U\x04data" + array + state + b"U\x06labels" + numbers + b"u."


def python_3_pickle(planes, labels):
    return pickle.dumps({b"data": planes, b"labels": labels.tolist()}, protocol=2)


def python_archive(path, parts, dump=python_2_pickle):
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    pickles = [dump(*part) for part in parts]
    return write_tar(path, {f"cifar-10-batches-py/{n}": p for n, p in zip(names, pickles, strict=True)})


def jpeg(colour, size=32):
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def idx(array):
    header = bytes((0, 0, 8, array.ndim)) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.tobytes())


def idx_folder(folder, rng, n_train=64, n_test=20):
    """A Fashion-MNIST of bright and dark images that a network can learn to tell apart."""
    folder.mkdir()
    for prefix, n in (("train", n_train), ("t10k", n_test)):
        labels = (np.arange(n) % 10).astype(np.uint8)
        images = rng.integers(0, 20, (n, 28, 28), dtype=np.uint8) + 20 * labels[:, None, None]
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images.astype(np.uint8)))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    return folder


# ---- readers


@pytest.mark.parametrize("dump", [python_2_pickle, python_3_pickle])
def test_binary_and_python_archives_of_the_same_images_read_alike(tmp_path, rng, dump):
    parts = batches(rng)
    binary = read_images(binary_archive(tmp_path / "a", parts))
    pickled = read_images(python_archive(tmp_path / "b", parts, dump))
    assert (binary.form, pickled.form) == ("official binary archive", "official Python archive")
    assert binary.sha256 == pickled.sha256
    assert binary.train_images.shape == (30, 32, 32, 3)
    assert binary.test_images.shape == (6, 32, 32, 3)
    np.testing.assert_array_equal(binary.test_labels, parts[5][1])
    red, green, blue = parts[0][0][0].reshape(3, 32, 32)
    np.testing.assert_array_equal(binary.train_images[0], np.dstack([red, green, blue]))


def test_another_image_changes_the_digest(tmp_path, rng):
    parts = batches(rng)
    before = read_images(binary_archive(tmp_path / "a", parts)).sha256
    parts[5][0][0, 0] ^= 1
    assert read_images(binary_archive(tmp_path / "b", parts)).sha256 != before


def test_jpeg_archive_numbers_its_classes_as_cifar_does(tmp_path):
    files = {
        f"{part}/{name}/{i:04}.jpg": jpeg((20 * k, 100, 200))
        for part, n in (("train", 3), ("test", 2))
        for k, name in enumerate(CIFAR_CLASSES)
        for i in range(n)
    }
    data = read_images(write_tar(tmp_path / "images", files))
    assert (data.name, data.form) == ("cifar10", "archive of JPEG files")
    np.testing.assert_array_equal(data.train_labels, np.repeat(np.arange(10), 3))
    np.testing.assert_array_equal(data.test_labels, np.repeat(np.arange(10), 2))
    np.testing.assert_allclose(data.test_images[:, 16, 16, 0], 20 * data.test_labels, atol=4)
    np.testing.assert_allclose(data.test_images[..., 2], 200, atol=4)


def test_idx_folder(tmp_path, rng):
    data = read_images(idx_folder(tmp_path / "fashion", rng))
    assert (data.name, data.train_images.shape) == ("fashion-mnist", (64, 28, 28, 1))
    np.testing.assert_array_equal(data.test_labels, np.arange(20) % 10)
    assert (data.train_images[3] // 20 == 3).all()


def test_a_pickle_that_names_code_is_refused_and_not_run(tmp_path, rng):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    path = python_archive(tmp_path / "a", batches(rng))
    with tarfile.open(path) as archive:
        files = {name: archive.extractfile(name).read() for name in archive.getnames()}
    files["cifar-10-batches-py/data_batch_2"] = pickle.dumps({b"data": Harm()}, protocol=2)
    with pytest.raises(DatasetError, match=r"data_batch_2 .* io\.open, which is refused"):
        read_images(write_tar(tmp_path / "b", files))
    assert not (tmp_path / "harm").exists()


BINARY_NAMES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
BATCH = pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [0]}, protocol=2)
WIDE = pickle.dumps({b"data": np.zeros((1, 9), np.uint8), b"labels": [0]}, protocol=2)
WORDS = pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": ["cat"]}, protocol=2)
BLACK, LARGE = jpeg((0, 0, 0)), jpeg((0, 0, 0), size=64)
BAD_ARCHIVES = {
    "empty": ({}, "no images of a known form"),
    "other": ({"readme.txt": b"hello"}, "no images of a known form"),
    "few batches": ({"data_batch_1.bin": bytes(3073)}, r"lacks data_batch_2\.bin"),
    "cut batch": (dict.fromkeys(BINARY_NAMES, bytes(3072)), "whole number of records"),
    "odd label": (dict.fromkeys(BINARY_NAMES, b"\x0b" + bytes(3072)), "labels must be whole numbers from 0 to 9"),
    "not a pickle": ({"data_batch_1": b"garbage"}, "data_batch_1 is not a CIFAR-10 batch"),
    "a list": ({"data_batch_1": pickle.dumps([1, 2])}, "data_batch_1 is not a CIFAR-10 batch"),
    "wide rows": ({"data_batch_1": WIDE}, r"shape \(1, 9\)"),
    "word labels": ({"data_batch_1": WORDS}, "labels must be whole numbers"),
    "cut pickle": ({"data_batch_1": BATCH[:-50]}, "data_batch_1 is not a CIFAR-10 batch"),
    "no test part": ({"train/cat/0001.jpg": BLACK}, "no folder test/"),
    "odd class": ({"train/cow/0001.jpg": BLACK}, "'cow' is not a class"),
    "large image": ({"train/cat/0001.jpg": LARGE}, "64x64 pixels, expected 32x32"),
    "not a jpeg": ({"train/cat/0001.jpg": b"garbage"}, r"0001\.jpg cannot be decoded"),
}


@pytest.mark.parametrize("case", BAD_ARCHIVES)
def test_a_bad_archive_is_one_clear_error(tmp_path, case):
    files, message = BAD_ARCHIVES[case]
    with pytest.raises(DatasetError, match=message) as caught:
        read_images(write_tar(tmp_path / "archive", files))
    assert str(tmp_path / "archive") in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"garbage" * 1000, gzip.compress(b"garbage")], ids=["empty", "garbage", "zipped garbage"]
)
def test_what_is_no_archive_is_one_clear_error(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DatasetError, match=r"not a readable tar archive|no images of a known form"):
        read_images(tmp_path / "file")


def test_a_truncated_archive_is_one_clear_error(tmp_path, rng):
    path = binary_archive(tmp_path / "archive", batches(rng))
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(DatasetError, match="not a readable tar archive"):
        read_images(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"garbage", "not a gzip file"),
        (idx(np.zeros((64, 28, 28), np.uint8))[:-9], "not a gzip file"),
        (gzip.compress(b"garbage"), "not an IDX file"),
        (idx(np.zeros(64, np.uint8)), "not an IDX file of bytes in 3 dimensions"),
        (idx(np.zeros((63, 28, 28), np.uint8)), "63 train images but 64 labels"),
    ],
    ids=["garbage", "truncated", "zipped garbage", "one dimension", "too few images"],
)
def test_a_bad_idx_file_is_one_clear_error(tmp_path, rng, content, message):
    folder = idx_folder(tmp_path / "fashion", rng)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_images(folder)


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match="no such file or folder"):
        read_images(tmp_path / "absent")
    with pytest.raises(DatasetError, match=r"train-images-idx3-ubyte\.gz: no such file"):
        read_images(tmp_path)


# ---- network and costs


def test_standard_network_has_the_published_cost_and_cuts():
    network = settle(build_network(standard224(classes=1000), seed=0), count=2)
    stage_macs, head_macs, map_bytes = count(network, noise(network, 1))
    assert sum(stage_macs) + head_macs[-1] == 300_774_272  # 300 M MACs in table 4 of the paper
    assert [size / 1024 for size in map_bytes[:4]] == [294, 98, 49, 73.5]


def test_small_network_has_the_recorded_cost():
    network = build_network(small32(), seed=0).eval()
    costs = measure_costs(network, QUICK)
    assert costs.stage_macs.sum() + costs.head_macs.sum() == 5_495_808
    assert sum(p.numel() for p in network.parameters()) == 385_538
    assert costs.out_bytes.tolist() == [3072, 16384, 4096, 2048, 3072, 0]
    assert (costs.stage_s > 0).all()
    assert (costs.head_s > 0).all()
    assert (costs.stage_spread_s >= 0).all()


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(24, 0.5, 16), (16, 0.5, 8), (96, 1.0, 96), (16, 0.1, 8)]
)
def test_channels_are_multiples_of_eight(channels, width, expected):
    assert scaled(channels, width) == expected


def test_stages_and_heads_in_turn_are_the_network():
    network = settle(build_network(small32(), seed=0))
    x = noise(network, 3)
    with torch.inference_mode():
        whole = network(x)
        for stage, head, logits in zip(network.stages, network.heads, whole, strict=True):
            x = stage(x)
            torch.testing.assert_close(head(x), logits)


def test_folding_batch_normalisation_keeps_the_answers():
    network = settle(build_network(small32(), seed=0))
    x = noise(network, 3)
    with torch.inference_mode():
        before = torch.stack(network(x))
        after = torch.stack(fold_batchnorm(network)(x))
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_weights_depend_on_the_seed_alone_and_leave_torchs_stream_alone():
    before = torch.random.get_rng_state()
    first, again, other = (build_network(small32(), seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    name = "stages.0.0.weight"
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])


def test_answers_do_not_depend_on_the_batch(rng):
    network = settle(build_network(small32(), seed=0))
    images = rng.integers(0, 256, (501, 32, 32, 3), dtype=np.uint8)
    normalise = Normaliser.fitted(images, torch.device("cpu"))
    logits = exit_logits(network, images, normalise)
    assert logits.shape == (501, 5, 10)
    assert logits.dtype == np.float16
    np.testing.assert_allclose(logits[-1:], exit_logits(network, images[-1:], normalise), atol=5e-3)


# ---- training


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    recipe = Recipe(epochs=1, peak_rate=0.1, warmup_share=0.2)
    rates = [one_cycle(done, recipe) for done in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.004)
    assert rates[20] == pytest.approx(0.1)
    assert rates[100] == pytest.approx(0)
    assert np.all(np.diff(rates[:21]) > 0)
    assert np.all(np.diff(rates[20:]) < 0)


def test_without_shift_and_mirror_a_crop_is_the_image(rng):
    images = rng.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    chosen = np.array([3, 1])
    crops = augmented(images, chosen, 32, Recipe(epochs=1, crop_pad=0, flip=False), rng)
    np.testing.assert_array_equal(crops, images[chosen])


def test_a_crop_is_a_window_or_its_mirror(rng):
    rows, columns = np.mgrid[:40, :40].astype(np.uint8)
    padded = np.repeat(np.stack([rows, columns], axis=-1)[None], 200, axis=0)
    crops = augmented(padded, np.arange(200), 24, Recipe(epochs=1, crop_pad=4), rng)
    top, left = crops[:, 0, 0, 0].astype(int), crops[..., 1].min(axis=(1, 2)).astype(int)
    assert set(top) == set(left) == set(range(4, 13))  # within 4 pixels of the centre, all reached
    steps = np.diff(crops[..., 1].astype(int), axis=2)
    assert set(np.unique(steps)) == {-1, 1}
    assert (steps == steps[:, :1, :1]).all()
    np.testing.assert_array_equal(crops[..., 0], (top[:, None] + np.arange(24))[:, :, None].repeat(24, 2))


def test_normalised_images_have_no_mean_and_unit_deviation(rng):
    images = rng.integers(50, 90, (40, 8, 8, 3), dtype=np.uint8)
    x = Normaliser.fitted(images, torch.device("cpu"))(images)
    assert x.shape == (40, 3, 8, 8)
    assert x.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(x.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 2, 3), correction=0), 1, atol=1e-5)


class KilledError(Exception):
    pass


def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path, rng):
    data = read_images(idx_folder(tmp_path / "fashion", rng))
    config = small32(in_channels=1, image_size=28)
    recipe = Recipe(epochs=3, batch=32)
    whole = train(data, config, recipe).state_dict()

    def kill_after_two(line):
        if line.startswith("epoch 2/"):
            raise KilledError

    with pytest.raises(KilledError):
        train(data, config, recipe, checkpoint=tmp_path / "new" / "state.pt", progress=kill_after_two)
    lines = []
    resumed = train(data, config, recipe, checkpoint=tmp_path / "new" / "state.pt", progress=lines.append)
    assert [line[:9] for line in lines] == ["epoch 3/3"]
    for name, tensor in resumed.state_dict().items():
        torch.testing.assert_close(tensor, whole[name])


def test_a_checkpoint_of_another_training_is_refused(tmp_path, rng):
    data = read_images(idx_folder(tmp_path / "fashion", rng))
    config, recipe = small32(in_channels=1, image_size=28), Recipe(epochs=1)
    checkpoint = tmp_path / "state.pt"
    train(data, config, recipe, checkpoint=checkpoint)
    with pytest.raises(TrainingError, match="other settings or data"):
        train(data, config, replace(recipe, seed=1), checkpoint=checkpoint)
    checkpoint.write_bytes(b"garbage")
    with pytest.raises(TrainingError, match="not a checkpoint"):
        train(data, config, recipe, checkpoint=checkpoint)


# ---- from end to end


def test_build_profile_data(tmp_path, rng):
    folder = idx_folder(tmp_path / "fashion", rng)
    lines = []
    built = build_profile_data(folder, "fashion-mnist", epochs=1, seed=3, timing=QUICK, progress=lines.append)
    assert lines[0].startswith("epoch 1/1")
    assert built.logits.shape == (20, 5, 10)
    assert built.logits.dtype == np.float16
    assert np.isfinite(built.logits).all()
    assert built.features.shape == (20, 64)
    assert np.bincount(built.split).tolist() == [10, 10]
    assert sorted(built.label) == sorted(np.arange(20) % 10)
    assert set(built.costs) == {"native", "mobilenetv2-224"}
    for costs in built.costs.values():
        assert costs.stage_s.shape == costs.head_s.shape == costs.stage_macs.shape == (5,)
        assert costs.out_bytes.shape == (6,)
    assert built.costs["native"].out_bytes[0] == 28 * 28
    assert built.costs["mobilenetv2-224"].out_bytes[0] == 224 * 224 * 3
    meta = json.loads(json.dumps(built.meta))
    assert meta["training"]["seed"] == 3
    assert len(meta["accuracy"]["test"]) == 5
    assert meta["dataset"]["sha256"] == read_images(folder).sha256


def test_costs_and_checkpoint_serve_again_and_a_shift_leaves_the_calibration_half_alone(tmp_path, rng):
    folder = idx_folder(tmp_path / "fashion", rng)
    same = {"epochs": 1, "training": "plain", "checkpoint": tmp_path / "state.pt"}
    clean = build_profile_data(folder, "fashion-mnist", timing=QUICK, **same)
    assert "shift" not in clean.meta
    timed, lines = from_measured(clean, "timed"), []
    for shift in (Shift("noise", 60.0), Shift("noise", 60.0, HALVES)):
        built = build_profile_data(
            folder, "fashion-mnist", shift=shift, costs=timed, progress=lines.append, **same
        )
        changed = [(built.logits != clean.logits)[clean.split == i].any(axis=(1, 2)) for i in range(2)]
        assert changed[1].all()
        assert changed[0].all() if shift.halves == HALVES else not changed[0].any()
        np.testing.assert_array_equal(built.label, clean.label)
        assert built.meta["shift"]["halves"] == list(shift.halves)
        assert built.meta["timing"]["taken_from"]["digest"] == timed.digest
        for table, costs in from_measured(built, "shifted").costs.items():
            np.testing.assert_array_equal(costs.stage_s, timed.costs[table].stage_s)
    assert lines == 2 * ["answering 20 held-out images, noise=60"]  # neither trained nor timed again
    with pytest.raises(BuildError, match="costs of cifar10-mobilenetv2 are of another network"):
        build_profile_data(folder, "fashion-mnist", costs=load("cifar10-mobilenetv2"), **same)


def test_the_command_names_what_is_not_standard(tmp_path, rng, capsys):
    folder = idx_folder(tmp_path / "fashion", rng)
    timed = from_measured(build_profile_data(folder, "fashion-mnist", epochs=1, timing=QUICK), "timed")
    write(timed, tmp_path / "timed.npz")
    words = ["profile", "build", "fashion-mnist", "--data", str(folder), "--training", "plain", "--epochs", "1"]
    words += ["--costs", str(tmp_path / "timed.npz"), "--out", str(tmp_path / "new.npz")]
    assert main([*words, "--shift", "fog=2"]) == 2
    assert capsys.readouterr().err == "Error: no shift 'fog'; there are noise, blur, such as noise=20\n"
    assert main([*words, "--shift", "noise=30"]) == 0
    made = load(tmp_path / "new.npz")
    assert made.name == "fashion-mnist-mobilenetv2-plain-noise30"
    assert made.header["measured"]["training"] == asdict(recipe_for("fashion-mnist", 1, 0, "plain"))
    assert main([*words, "--shift-half", "both"]) == 2
    assert "--force" in capsys.readouterr().err


def test_the_plain_training_is_long_and_without_augmentation():
    plain = recipe_for("cifar10", None, 0, "plain")
    assert (plain.crop_pad, plain.flip, plain.small_share, plain.first_weight) == (0, False, 0.0, 1.0)
    assert plain.weight_decay < recipe_for("cifar10", None, 0).weight_decay
    assert recipe_for("cifar10", 7, 2, "plain") == replace(plain, epochs=7, seed=2)
    assert load("cifar10-overconfident").header["measured"]["training"] == asdict(plain)
    with pytest.raises(BuildError, match="no training 'odd' for cifar10; there are standard, plain"):
        recipe_for("cifar10", None, 0, "odd")


def test_halves_are_shuffled_equal_and_repeatable():
    order, split = halves(1001, seed=0)
    assert sorted(order) == list(range(1001))
    assert np.bincount(split).tolist() == [500, 501]
    np.testing.assert_array_equal(order, halves(1001, seed=0)[0])
    assert 400 < order[split == 0].mean() < 600  # sorted samples would give 250


def test_what_was_asked_for_is_checked(tmp_path, rng):
    folder = idx_folder(tmp_path / "fashion", rng)
    with pytest.raises(BuildError, match="no recipe for 'imagenet'; there are cifar10, fashion-mnist"):
        build_profile_data(folder, "imagenet")
    with pytest.raises(BuildError, match="epochs must be at least 1"):
        build_profile_data(folder, "fashion-mnist", epochs=0)
    with pytest.raises(DatasetError, match="holds fashion-mnist, not cifar10"):
        build_profile_data(folder, "cifar10")
    with pytest.raises(DatasetError, match="name the file that holds the data set"):
        build_profile_data(None, "cifar10")
    assert recipe_for("cifar10", 2, 5) == replace(recipe_for("cifar10", None, 0), epochs=2, seed=5)


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("mdisim.profiles.build.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(sys.modules["mdisim.profiles.build"], "pipeline")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BuildError, match=r"needs torch; pip install 'mdisim\[torch\]'"):
        build_profile_data(None, "fashion-mnist")


def test_planes_become_pixels():
    planes = np.arange(3072, dtype=np.uint16).astype(np.uint8)[None]
    assert planes_to_images(planes)[0, 1, 2].tolist() == [34, 34, 34]  # 1024 k + 34, modulo 256
