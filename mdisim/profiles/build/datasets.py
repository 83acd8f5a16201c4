"""Read a labelled image data set from the files it is published in, told apart by what they contain.

Four forms are understood: CIFAR-10 as an archive of JPEG files (``train/CLASS/NNNN.jpg`` and
``test/CLASS/NNNN.jpg``), its two official archives (binary, and pickles for Python), and Fashion-MNIST's
folder of gzipped IDX files. Nothing is downloaded, and no code inside a file is run.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import pickle
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdisim.profiles.build.records import BuildError

FASHION_MNIST_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION_CLASSES = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
CIFAR_SOURCE = "CIFAR-10 (Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009)"
FASHION_SOURCE = "Fashion-MNIST (Xiao, Rasul and Vollgraf, arXiv:1708.07747, 2017)"
FORMS = (
    "CIFAR-10 as an archive of JPEG files (train/CLASS/NNNN.jpg, test/CLASS/NNNN.jpg), "
    "cifar-10-binary.tar.gz, cifar-10-python.tar.gz, or a folder of Fashion-MNIST's four IDX files"
)


class DatasetError(BuildError):
    """A data set cannot be read; the message says where and what would do."""


@dataclass(frozen=True)
class ImageData:
    """A data set in memory: images uint8 [n, height, width, channels], labels int64 [n].

    ``form`` says which of the four forms was read, ``sha256`` is the digest of images and labels as read.
    """

    name: str
    form: str
    source: str
    licence: str
    classes: tuple[str, ...]
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    sha256: str


def read_images(path: Path) -> ImageData:
    """Read the data set at ``path``, an archive or a folder.

    Raises:
        DatasetError: nothing is there, or it is none of the four forms, or a file of it is damaged.
    """
    if path.is_dir():
        return read_idx_folder(path)
    if not path.is_file():
        raise DatasetError(f"{path}: no such file or folder; give {FORMS}")
    try:
        with tarfile.open(path) as archive:
            return read_archive(path, archive)
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise DatasetError(f"{path}: not a readable tar archive ({error}); give {FORMS}") from error


def read_archive(path: Path, archive: tarfile.TarFile) -> ImageData:
    """Read one of the three CIFAR-10 archives, told apart by the names of their members."""
    files: dict[str, bytes] = {}
    for entry in archive:
        stream = archive.extractfile(entry)
        if stream is not None:
            files[entry.name] = stream.read()
    names = {PurePosixPath(name).name for name in files}
    if "data_batch_1.bin" in names:
        form, parts = "official binary archive", binary_parts(path, files)
    elif "data_batch_1" in names:
        form, parts = "official Python archive", pickled_parts(path, files)
    elif any(name.endswith(".jpg") for name in names):
        form, parts = "archive of JPEG files", jpeg_parts(path, files)
    else:
        raise DatasetError(f"{path}: the archive holds no images of a known form; give {FORMS}")
    return collect(
        "cifar10", form, CIFAR_SOURCE, "none stated by its authors; cite the report", CIFAR_CLASSES, *parts
    )


Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


def collect(
    name: str, form: str, source: str, licence: str, classes: tuple[str, ...], train: Part, test: Part
) -> ImageData:
    """Put the two parts together under a digest of all their bytes."""
    digest = hashlib.sha256()
    for images, labels in (train, test):
        digest.update(np.ascontiguousarray(images).data)
        digest.update(np.ascontiguousarray(labels).data)
    return ImageData(name, form, source, licence, classes, *train, *test, sha256=digest.hexdigest())


def member(path: Path, files: dict[str, bytes], name: str) -> bytes:
    """Return the content of the archive's member called ``name`` in whichever folder it lies."""
    for full, content in files.items():
        if PurePosixPath(full).name == name:
            return content
    raise DatasetError(f"{path}: the archive lacks {name}; is it complete?")


def binary_parts(path: Path, files: dict[str, bytes]) -> tuple[Part, Part]:
    """Read records of one label byte and 3 x 32 x 32 colour bytes."""

    def part(names: list[str]) -> Part:
        raw = np.frombuffer(b"".join(member(path, files, name) for name in names), np.uint8)
        if raw.size == 0 or raw.size % 3073:
            raise DatasetError(f"{path}: {names[0]}... is not a whole number of records of 3073 bytes")
        records = raw.reshape(-1, 3073)
        return planes_to_images(records[:, 1:]), checked_labels(path, records[:, 0], 10)

    return part([f"data_batch_{i}.bin" for i in range(1, 6)]), part(["test_batch.bin"])


def pickled_parts(path: Path, files: dict[str, bytes]) -> tuple[Part, Part]:
    """Read dictionaries of ``data`` uint8 [n, 3072] and ``labels`` [n]."""

    def part(names: list[str]) -> Part:
        batches = [load_batch(path, name, member(path, files, name)) for name in names]
        data = np.concatenate([pixels for pixels, _ in batches])
        labels = np.concatenate([given for _, given in batches])
        return planes_to_images(data), labels

    return part([f"data_batch_{i}" for i in range(1, 6)]), part(["test_batch"])


def load_batch(path: Path, name: str, content: bytes) -> Part:
    """Unpickle one batch, admitting nothing but arrays, and check its shapes."""
    try:
        batch = ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
        pixels = np.asarray(batch[b"data"], np.uint8)
        labels = np.asarray(batch[b"labels"])
    except Exception as error:  # a damaged pickle may raise anything at all
        raise DatasetError(f"{path}: {name} is not a CIFAR-10 batch ({error})") from error
    if pixels.shape != (labels.size, 3072):
        raise DatasetError(f"{path}: {name} has data of shape {pixels.shape} for {labels.size} labels")
    return pixels, checked_labels(path, labels, 10)


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that makes NumPy arrays and plain values and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the few callables that an array's pickle names."""
        reconstruct = np.empty(0).__reduce__()[0]
        admitted = {
            ("numpy.core.multiarray", "_reconstruct"): reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): latin1_bytes,
        }
        if (module, name) not in admitted:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return admitted[module, name]


def latin1_bytes(text: str, encoding: str) -> bytes:
    """Return the bytes that protocol 2 writes as text."""
    return text.encode("latin1")


def jpeg_parts(path: Path, files: dict[str, bytes]) -> tuple[Part, Part]:
    """Decode ``PART/CLASS/NNNN.jpg``; classes are numbered in alphabetical order, as CIFAR-10's are."""

    def part(folder: str) -> Part:
        names = sorted(name for name in files if name.endswith(".jpg") and folder in PurePosixPath(name).parts)
        if not names:
            raise DatasetError(f"{path}: the archive has no folder {folder}/ with JPEG files")
        images = np.stack(list(decoded(path, files, names)))
        labels = [PurePosixPath(name).parent.name for name in names]
        unknown = sorted(set(labels) - set(CIFAR_CLASSES))
        if unknown:
            raise DatasetError(f"{path}: {unknown[0]!r} is not a class of CIFAR-10")
        return images, np.array([CIFAR_CLASSES.index(label) for label in labels], np.int64)

    return part("train"), part("test")


def decoded(path: Path, files: dict[str, bytes], names: list[str]) -> Iterator[NDArray[np.uint8]]:
    """Yield each named JPEG file as uint8 [32, 32, 3]."""
    from PIL import Image

    for name in names:
        try:
            image = np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise DatasetError(f"{path}: {name} cannot be decoded ({error})") from error
        if image.shape != (32, 32, 3):
            raise DatasetError(f"{path}: {name} is {image.shape[1]}x{image.shape[0]} pixels, expected 32x32")
        yield image


def read_idx_folder(folder: Path) -> ImageData:
    """Read the four IDX files of Fashion-MNIST; images become uint8 [n, 28, 28, 1]."""

    def part(prefix: str) -> Part:
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", dimensions=3)
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", dimensions=1)
        if len(images) != len(labels):
            raise DatasetError(f"{folder}: {len(images)} {prefix} images but {len(labels)} labels")
        return images[..., None], checked_labels(folder, labels, 10)

    return collect(
        "fashion-mnist", "IDX files", FASHION_SOURCE, "MIT", FASHION_CLASSES, part("train"), part("t10k")
    )


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read a gzipped IDX file of unsigned bytes."""
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; a Fashion-MNIST folder has it")
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: not a gzip file ({error})") from error
    header = 4 + 4 * dimensions
    shape = np.frombuffer(raw[4:header], ">u4") if len(raw) >= header else np.zeros(1)
    if raw[:4] != bytes((0, 0, 8, dimensions)) or int(np.prod(shape)) != len(raw) - header or not shape.all():
        raise DatasetError(f"{path}: not an IDX file of bytes in {dimensions} dimensions")
    return np.frombuffer(raw, np.uint8, offset=header).reshape([int(size) for size in shape])


def planes_to_images(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn rows of red, green and blue planes [n, 3072] into images [n, 32, 32, 3]."""
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def checked_labels(path: Path, labels: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Return labels as int64 [n], refusing any outside 0 .. classes - 1."""
    whole = labels.ndim == 1 and labels.size > 0 and labels.dtype.kind in "iu"
    if not whole or labels.min() < 0 or labels.max() >= classes:
        raise DatasetError(f"{path}: labels must be whole numbers from 0 to {classes - 1}")
    return labels.astype(np.int64)
