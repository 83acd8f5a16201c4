"""Profiles as files: one `.npz` with a plain `header.json` inside, checked whole on reading.

The file is an ordinary zip of `.npy` members without pickles (`numpy.load` opens it too). Writing is atomic
and deterministic: the same profile gives the same bytes. Reading trusts nothing: what a file would unpack to, and
whether a member's declared shape agrees with its size, is looked at before any memory is taken for it, and every
fault is reported in one error.
"""

from __future__ import annotations

import io
import json
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mdisim.errors import InputError
from mdisim.files import whole
from mdisim.profiles.checks import (
    COST_FIELDS,
    SAMPLE_FIELDS,
    ProfileError,
    cost_faults,
    header_faults,
    known_classes,
    sample_dims,
    sample_faults,
    unknown,
)
from mdisim.profiles.profile import FORMAT, CostTable, Profile

Array = NDArray[Any]
HEADER = "header.json"
LIMIT_BYTES = 4 << 30
MOST_TIMES = 100  # what a file may unpack to, in its own size, beyond SMALL_BYTES
SMALL_BYTES = 256 << 20
HEADER_BYTES = 16 << 20
MOST_MEMBERS = 1000
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip's first possible time stamp
# what zipfile and NumPy raise for broken files
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


def write(profile: Profile, path: str | os.PathLike[str]) -> None:
    """Write a profile to `path` (by custom `NAME.npz`), whole or not at all; equal profiles, equal bytes."""
    with whole(Path(path)) as fresh:
        _pack(profile, fresh)


def read(path: str | os.PathLike[str], *, limit_bytes: int = LIMIT_BYTES) -> Profile:
    """Read and check the profile at `path`.

    Raises `ProfileError`, which names the file, the array, what is wrong and what would do, where there is
    no file, no profile, or one with faults. `limit_bytes` bounds what the file may unpack to.
    """
    where = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a device or a pipe might never end
            raise InputError("it is no regular file")
        with zipfile.ZipFile(path) as archive:
            arrays, text, broken = _unpack(archive, min(limit_bytes, _most_bytes(os.path.getsize(path))))
    except FileNotFoundError as error:
        raise ProfileError(where, ["no such file; the path of a profile (.npz) would do"]) from error
    except _UNREADABLE as error:
        raise ProfileError(where, [f"no readable profile ({error}); a whole .npz of arrays would do"]) from error
    faults = [f"{name} cannot be read: {why}" for name, why in broken.items()]
    header = _header(text, faults)
    if header is None:
        raise ProfileError(where, faults)
    samples, tables = _sort(arrays, header["costs"], faults)
    faults += header_faults(header["name"], header["costs"], header["about"])
    faults += sample_faults(samples, known_classes(header["about"]), broken)
    exits = sample_dims(samples).get("K")
    for name, words in header["costs"].items():
        kinds, notes = words["kinds"], words["notes"]
        faults += cost_faults(tables[name], kinds, notes, exits, f"costs/{name}/", broken)
    if not faults and not np.any(samples["split"] == 1):
        faults.append("split has no sample in the test half (1); a simulation draws its samples there")
    if faults:
        raise ProfileError(where, faults)
    costs = {
        name: CostTable(kinds=tuple(words["kinds"]), notes=words["notes"], **tables[name])
        for name, words in header["costs"].items()
    }
    return Profile(name=header["name"], header=header["about"], costs=costs, **samples)


def _pack(profile: Profile, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        _add(archive, HEADER, profile.document().encode())
        for name, array in profile.arrays().items():
            buffer = io.BytesIO()
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            npy.write_array(buffer, little, version=(1, 0), allow_pickle=False)
            _add(archive, f"{name}.npy", buffer.getvalue())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=_EARLIEST)
    info.create_system = 3  # Unix, whatever wrote it: the same bytes everywhere
    archive.writestr(info, content, compress_type=zipfile.ZIP_DEFLATED, compresslevel=6)


def _most_bytes(size_bytes: int) -> int:
    """What a file of this size may unpack to: zeros shrink a thousandfold, and no profile is all zeros."""
    return max(SMALL_BYTES, MOST_TIMES * size_bytes)


def _unpack(archive: zipfile.ZipFile, limit_bytes: int) -> tuple[dict[str, Array], bytes | None, dict[str, str]]:
    """The archive's arrays by name, the header's text, and why the other members cannot be read."""
    members = archive.infolist()
    total = sum(info.file_size for info in members)
    if total > limit_bytes:
        raise InputError(f"it would unpack to {total} bytes, above the limit of {limit_bytes}")
    if len(members) > MOST_MEMBERS:
        raise InputError(f"it has {len(members)} members; a profile has {MOST_MEMBERS} at most")
    arrays, text, broken = {}, None, {}
    for info in members:
        name = info.filename.removesuffix(".npy")
        try:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError("it is packed in a way that is not read here; stored or deflated would do")
            if info.filename == HEADER:
                if info.file_size > HEADER_BYTES:
                    raise InputError(f"it has {info.file_size} bytes, above the limit of {HEADER_BYTES}")
                text = archive.read(info)
            elif name == info.filename:
                broken[name] = f"a profile holds {HEADER} and .npy arrays, nothing else"
            else:
                arrays[name] = _array(archive, info)
        except _UNREADABLE as error:
            broken[name] = str(error)
    return arrays, text, broken


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as member:
        version = npy.read_magic(member)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"its .npy version is {version}; 1.0 or 2.0 would do")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        try:
            shape, fortran, dtype = read_header(member)
        except Exception as error:  # NumPy evaluates it as Python, which ends in many ways, as without memory
            raise InputError(
                f"its .npy header cannot be read ({str(error)[:80] or type(error).__name__})"
            ) from error
        if not all(type(length) is int and length >= 0 for length in shape):
            raise InputError(f"its shape {shape} is not of whole numbers, 0 or more")
        if dtype.hasobject:
            raise InputError("it holds pickled Python objects; plain numbers would do")
        needed, there = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
        if needed != there:
            raise InputError(f"its shape {shape} of {dtype} needs {needed} bytes, but there are {there}")
        flat = np.frombuffer(member.read(), dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _header(text: bytes | None, faults: list[str]) -> dict[str, Any] | None:
    """The header, or None if it is of no use; either way its faults are added."""
    if text is None and any(fault.startswith(HEADER) for fault in faults):
        return None
    if text is None:
        faults.append(f"{HEADER} is missing; it says what the profile is (mdisim.profiles.write makes one)")
        return None
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        faults.append(f"{HEADER} is not JSON: {error}")
        return None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        other = header.get("format") if isinstance(header, dict) else None
        say = f'it has no "format": {FORMAT}' if other is None else f"it is of format {str(other)[:20]}"
        faults.append(f"{HEADER}: {say}; this version reads profiles of format {FORMAT}")
        return None
    before = len(faults)
    for key, kind in {"name": str, "about": dict, "costs": dict}.items():
        if not isinstance(header.get(key), kind):
            faults.append(f"{HEADER}: {key} must be a {'text' if kind is str else 'mapping'}")
    for name, words in header["costs"].items() if len(faults) == before else ():
        if not _is_table(words):
            faults.append(f"{HEADER}: costs.{name} must be a mapping of kinds (texts) and notes (kind: text)")
    return header if len(faults) == before else None


def _is_table(words: object) -> bool:
    if not isinstance(words, dict) or set(words) != {"kinds", "notes"}:
        return False
    kinds, notes = words["kinds"], words["notes"]
    if not isinstance(kinds, list) or not isinstance(notes, dict):
        return False
    return all(isinstance(text, str) for text in [*kinds, *notes.values()])


def _sort(
    arrays: Mapping[str, Array], tables: Mapping[str, Any], faults: list[str]
) -> tuple[dict[str, Array], dict[str, dict[str, Array]]]:
    """The arrays over samples, and those of each cost table; names of no meaning become faults."""
    samples: dict[str, Array] = {}
    costs: dict[str, dict[str, Array]] = {name: {} for name in tables}
    places = {f"costs/{table}/{name}": (table, name) for table in tables for name in COST_FIELDS}
    for path, array in arrays.items():
        if path in SAMPLE_FIELDS:
            samples[path] = array
        elif path in places:
            table, name = places[path]
            costs[table][name] = array
        else:
            faults.append(unknown("array", path, [*SAMPLE_FIELDS, *places]))
    return samples, costs
