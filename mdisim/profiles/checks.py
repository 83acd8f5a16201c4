"""What makes a profile valid, as pure functions from raw arrays to a list of faults, all of them at once.

The two tables of fields are the format: which arrays there are, their shapes in the dimensions `n` samples,
`K` exits, `C` classes, `d` features and `kinds` of devices, their types, and what values would do. Nothing
here knows of files; a fault is a sentence that begins with the name of what is wrong.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import InputError
from mdisim.limits import DATA, FACTOR, FLOPS, TIME
from mdisim.policies.scores import no_logits
from mdisim.printable import is_text, unseen

Array = NDArray[Any]


class ProfileError(InputError):
    """A profile that cannot be used: `where` (a file or a name) and every fault found in it."""

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        self.where = where
        self.faults = tuple(faults)
        super().__init__(f"{where}: " + "\n  ".join(self.faults))

    def __reduce__(self) -> tuple[type[ProfileError], tuple[str, tuple[str, ...]]]:
        """Pickle by the constructor's own arguments, so that an error crosses a process pool."""
        return type(self), (self.where, self.faults)


@dataclass(frozen=True)
class Field:
    """One array of the format: its dimensions, its type, and the values that would do."""

    shape: tuple[str, ...]
    dtype: type[np.generic]
    would_do: str
    low: float = -np.inf
    high: float = np.inf
    optional: bool = False


_CLASSES = "classes are counted from 0"
_INT32 = 2**31 - 1
_FACTOR = f"a factor must be finite and 0 or more, {FACTOR.most:g} at most"
_FLOAT16 = "a number within float16's range (65504) would do"
SAMPLE_FIELDS: Mapping[str, Field] = {
    "label": Field(("n",), np.int32, _CLASSES, 0, _INT32),
    "split": Field(("n",), np.uint8, "0 is calibration and 1 is test", low=0, high=1),
    "logits": Field(("n", "K", "C"), np.float16, _FLOAT16, optional=True),
    "confidence": Field(("n", "K"), np.float64, "a confidence is a probability in [0, 1]", 0, 1, True),
    "prediction": Field(("n", "K"), np.int32, _CLASSES, 0, _INT32, True),
    "features": Field(("n", "d"), np.float16, _FLOAT16, optional=True),
    "work": Field(("n", "K"), np.float64, _FACTOR, 0, FACTOR.most, True),
    "size": Field(("n", "K+1"), np.float64, _FACTOR, 0, FACTOR.most, True),
    "group": Field(("n",), np.int32, "groups are numbered from 0", 0, _INT32, True),
}

_FLOPS = f"FLOPs (2 x MACs) must be finite and 0 or more, {FLOPS:g} at most"
_SECONDS = f"seconds must be finite and 0 or more, {TIME.most:g} at most"
_BYTES = f"bytes must be finite and 0 or more, {DATA.most:g} at most"
COST_FIELDS: Mapping[str, Field] = {
    "stage_flops": Field(("K",), np.float64, _FLOPS, 0, FLOPS),
    "head_flops": Field(("K",), np.float64, _FLOPS, 0, FLOPS),
    "stage_s": Field(("kinds", "K"), np.float64, _SECONDS, 0, TIME.most),
    "head_s": Field(("kinds", "K"), np.float64, _SECONDS, 0, TIME.most),
    "stage_spread_s": Field(("kinds", "K"), np.float64, _SECONDS, 0, TIME.most, True),
    "head_spread_s": Field(("kinds", "K"), np.float64, _SECONDS, 0, TIME.most, True),
    "out_bytes": Field(("K+1",), np.float64, _BYTES, 0, DATA.most),
    "layers": Field(("K",), np.int32, "a stage has 0 layers or more", 0, _INT32, True),
}
MAX_FEATURES = 64
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not known: the nearest one, and all there are."""
    names = sorted(known)
    if not names:
        return f"no {what} {name!r}; there is none at all"
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? there are " if close else "there are "
    return f"no {what} {name!r}; {hint}{', '.join(names)}"


def canonical(array: Array, field: Field) -> Array:
    """A read-only copy in the field's own type; what does not fit into float16 becomes infinite."""
    with np.errstate(over="ignore"):
        copy = np.array(array, dtype=field.dtype, order="C")
    copy.flags.writeable = False
    return copy


def header_faults(name: str, tables: Collection[str], header: Mapping[str, Any]) -> list[str]:
    """What is wrong with the words of a profile: its name, its tables' names, its header."""
    faults = [] if name.strip() else ["name is empty; a profile has a name"]
    faults += _unseen("name", [name])
    if not tables:
        faults.append("costs is empty; a profile has at least one cost table")
    for table in tables:
        if not _NAME.fullmatch(table):
            faults.append(f"costs has a table {table!r}; its name may hold a-z, 0-9, '.', '_' and '-'")
    try:
        json.dumps(dict(header), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:  # the latter also of text that is no Unicode
        faults.append(f"header is not plain JSON ({error}); numbers, texts, lists and mappings would do")
    if header.get("classes") is not None and known_classes(header) is None:
        faults.append(f"header.classes is {header['classes']!r}; a whole number from 1 would do")
    return faults


def _unseen(what: str, texts: Iterable[str]) -> list[str]:
    """Names with characters that a terminal would obey, or would not show, or that no file can hold."""
    return [
        f"{what} {text!r} holds {odd}, which is not seen; leave it out" for text in texts if (odd := unseen(text))
    ]


def known_classes(header: Mapping[str, Any]) -> int | None:
    """The number of classes that a header tells, if it tells a sensible one."""
    classes = header.get("classes")
    return classes if type(classes) is int and classes > 0 else None


def sample_faults(
    arrays: Mapping[str, Array], classes: int | None = None, unreadable: Collection[str] = ()
) -> list[str]:
    """What is wrong with a profile's arrays over samples; `classes` is what the header tells of C."""
    dims = sample_dims(arrays)
    required = {name for name, field in SAMPLE_FIELDS.items() if not field.optional}
    if "logits" not in arrays and "logits" not in unreadable:
        required |= {"confidence", "prediction"}
    faults = [
        f"{name} is missing; a profile has label, split, and logits or else confidence and prediction"
        for name in SAMPLE_FIELDS
        if name in required and name not in arrays and name not in unreadable
    ]
    for name, array in arrays.items():
        faults += array_faults(name, array, SAMPLE_FIELDS[name], dims)
    if not faults:
        faults += _class_faults(arrays, dims, classes) + _width_faults(arrays, dims)
        if "logits" in arrays and (wrong := no_logits(arrays["logits"])):
            faults.append(wrong)
    return faults


def sample_dims(arrays: Mapping[str, Array]) -> dict[str, int]:
    """The dimensions n, K and C, each read off the first array that tells it."""
    dims: dict[str, int] = {}
    for name in ("label", "logits", "confidence", "prediction"):
        shape = SAMPLE_FIELDS[name].shape
        if name in arrays and arrays[name].ndim == len(shape):
            for dim, length in zip(shape, arrays[name].shape, strict=True):
                dims.setdefault(dim, length)
    return dims


def cost_faults(
    arrays: Mapping[str, Array],
    kinds: Sequence[str],
    notes: Mapping[str, str],
    exits: int | None = None,
    prefix: str = "",
    unreadable: Collection[str] = (),
) -> list[str]:
    """What is wrong with one cost table; `exits` is K if the samples have told it."""
    faults = [
        f"{prefix}{name} is missing"
        for name, field in COST_FIELDS.items()
        if not field.optional and name not in arrays and prefix + name not in unreadable
    ]
    if not kinds or len(set(kinds)) < len(kinds):
        faults.append(f"{prefix}kinds are {list(kinds)}; there must be one device kind or more, each once")
    faults += _unseen(f"{prefix}kinds:", kinds)
    faults += [
        f"{prefix}notes of {kind!r} are no Unicode text" for kind, note in notes.items() if not is_text(note)
    ]
    faults += [prefix + "notes: " + unknown("device kind", kind, kinds) for kind in notes if kind not in kinds]
    dims = {"kinds": len(kinds)} | ({} if exits is None else {"K": exits})
    if "stage_flops" in arrays and arrays["stage_flops"].ndim == 1:
        dims.setdefault("K", arrays["stage_flops"].shape[0])
    for name, array in arrays.items():
        faults += array_faults(prefix + name, array, COST_FIELDS[name], dims)
    if not faults and "out_bytes" in arrays and arrays["out_bytes"][-1] != 0:
        last = f"{prefix}out_bytes[{len(arrays['out_bytes']) - 1}]"
        faults.append(f"{last} is {arrays['out_bytes'][-1]:g}; nothing is sent on after the last stage: 0")
    return faults


def array_faults(name: str, array: Array, field: Field, dims: Mapping[str, int]) -> list[str]:
    """What is wrong with one array, given the dimensions known so far."""
    integer = np.issubdtype(field.dtype, np.integer)
    if array.dtype.kind not in ("iu" if integer else "iuf"):
        wanted = "whole numbers" if integer else "numbers"
        return [f"{name} holds {array.dtype}; {wanted} ({np.dtype(field.dtype)}) would do"]
    sizes = [_size(token, dims) for token in field.shape]
    if array.ndim != len(sizes) or any(
        size not in (None, got) for size, got in zip(sizes, array.shape, strict=True)
    ):
        words = [t if size is None else f"{t}={size}" for t, size in zip(field.shape, sizes, strict=True)]
        return [f"{name} has shape {array.shape}; it must be ({', '.join(words)})"]
    if 0 in array.shape[1:]:
        return [f"{name} has shape {array.shape}; only the number of samples may be 0"]
    return _value_faults(name, array, field)


def _value_faults(name: str, array: Array, field: Field) -> list[str]:
    finite = np.isfinite(canonical(array, field)) if array.dtype.kind == "f" else np.ones(array.shape, bool)
    with np.errstate(invalid="ignore"):
        outside = finite & ((array < field.low) | (array > field.high))
    return _point_out(name, array, ~finite, field.would_do) + _point_out(name, array, outside, field.would_do)


def _class_faults(arrays: Mapping[str, Array], dims: Mapping[str, int], told: int | None) -> list[str]:
    if "C" in dims and told not in (None, dims["C"]):
        return [f"header.classes is {told}, but logits have C={dims['C']}; leave it out, or make them agree"]
    classes = dims.get("C", told)
    faults: list[str] = []
    for name in ("label", "prediction"):
        if classes is not None and name in arrays:
            what = f"there are {classes} classes, counted from 0"
            faults += _point_out(name, arrays[name], arrays[name] >= classes, what)
    return faults


def _width_faults(arrays: Mapping[str, Array], dims: Mapping[str, int]) -> list[str]:
    width = arrays["features"].shape[1] if "features" in arrays else 0
    if width <= MAX_FEATURES:
        return []
    return [f"features has {width} columns; at most {MAX_FEATURES} would do: project them"]


def _point_out(name: str, array: Array, bad: NDArray[np.bool_], would_do: str) -> list[str]:
    count = int(np.count_nonzero(bad))
    if not count:
        return []
    index = np.unravel_index(int(np.argmax(bad)), array.shape)
    more = f" (and {count - 1} more)" if count > 1 else ""
    return [f"{name}[{', '.join(str(int(i)) for i in index)}] is {array[index]:g}{more}; {would_do}"]


def _size(token: str, dims: Mapping[str, int]) -> int | None:
    dim, _, more = token.partition("+")
    return dims[dim] + int(more or 0) if dim in dims else None
