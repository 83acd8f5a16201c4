"""A profile: what a multi-exit network makes of each sample, and what each of its stages costs.

Everything a simulation needs of a neural network is here as arrays, so that no network runs in a simulation.
Samples are rows, exits are columns (K of them, counted from 0 here and from 1 in prose). A stage ends at an
exit; the exit's small classifier, the head, is costed apart. Both halves of a profile, calibration and test,
live in one object; `half` takes one of them out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mdisim.profiles.checks import (
    COST_FIELDS,
    SAMPLE_FIELDS,
    Field,
    ProfileError,
    canonical,
    cost_faults,
    header_faults,
    known_classes,
    sample_dims,
    sample_faults,
    unknown,
)
from mdisim.profiles.halves import divided

Array = NDArray[Any]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
Half = Literal["calibration", "test"]
FORMAT = 1


def _floats() -> FloatArray:
    return np.empty((0, 0))


def _ints() -> IntArray:
    return np.empty((0, 0), dtype=np.int32)


@dataclass(frozen=True, eq=False)
class CostTable:
    """What the stages of one network cost, on one or more kinds of device.

    `stage_flops`, `head_flops` [K]: FLOPs, that is 2 x MACs. `stage_s`, `head_s` [kinds, K]: seconds for one
    sample; `stage_spread_s`, `head_spread_s`: their inter-quartile range (0 if left out). `out_bytes` [K+1]:
    row 0 is the raw input as it is sent, row k the float32 feature map after stage k, the last row 0.
    `layers` [K]: layers in each stage, the unit of abstract cost (1 each if left out). `notes`: for each kind
    how its numbers came about, 'measured ...' or 'derived ...'. Raises `ProfileError` with every fault.
    """

    kinds: tuple[str, ...]
    stage_flops: FloatArray
    head_flops: FloatArray
    stage_s: FloatArray
    head_s: FloatArray
    out_bytes: FloatArray
    stage_spread_s: FloatArray = field(default_factory=_floats)
    head_spread_s: FloatArray = field(default_factory=_floats)
    layers: IntArray = field(default_factory=_ints)
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = _given(self, COST_FIELDS)
        faults = cost_faults(given, self.kinds, self.notes)
        if faults:
            raise ProfileError("cost table", faults)
        shape = np.shape(self.stage_s)
        given.setdefault("stage_spread_s", np.zeros(shape))
        given.setdefault("head_spread_s", np.zeros(shape))
        given.setdefault("layers", np.ones(shape[1], dtype=np.int32))
        _settle(self, given, COST_FIELDS)
        object.__setattr__(self, "kinds", tuple(self.kinds))
        object.__setattr__(self, "notes", dict(self.notes))

    @property
    def n_exits(self) -> int:
        """K, the number of stages and of exits."""
        return len(self.stage_flops)

    def row(self, kind: str) -> int:
        """The row of a device kind in `stage_s` and `head_s`; raises `ProfileError` with the nearest name."""
        if kind not in self.kinds:
            raise ProfileError("cost table", [unknown("device kind", kind, self.kinds)])
        return self.kinds.index(kind)

    def arrays(self) -> dict[str, Array]:
        """Every array by its name in the format."""
        return {name: getattr(self, name) for name in COST_FIELDS}


@dataclass(frozen=True, eq=False, kw_only=True)
class Profile:
    """What a network does to each of n samples at each of K exits, and the cost tables of its stages.

    `label` [n]; `split` [n]: 0 calibration, 1 test; `logits` float16 [n, K, C], or None where only
    `confidence` [n, K] and `prediction` [n, K] are known; with logits these two are computed from them (max
    softmax in float64; the first of equal logits predicts). `features` float16 [n, d <= 64]: what a router
    may see. `work` [n, K] and `size` [n, K+1]: a sample's own factors on stage times and on bytes. `group` [n]:
    the same number for samples that belong together, such as phrases of one sentence. `costs`: cost tables by
    name. `header`: plain JSON about the model, the data set and its licence, how and when measured, versions,
    seed; `classes` in it tells C where there are no logits. Arrays are copied and made read-only. Raises
    `ProfileError` with every fault.
    """

    name: str
    label: IntArray
    split: NDArray[np.uint8]
    costs: Mapping[str, CostTable]
    logits: NDArray[np.float16] | None = None
    confidence: FloatArray = field(default_factory=_floats)
    prediction: IntArray = field(default_factory=_ints)
    features: NDArray[np.float16] | None = None
    work: FloatArray | None = None
    size: FloatArray | None = None
    group: IntArray | None = None
    header: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = _given(self, SAMPLE_FIELDS)
        faults = header_faults(self.name, self.costs, self.header)
        faults += sample_faults(given, known_classes(self.header))
        faults += _exit_faults(given, self.costs)
        if not faults and "logits" in given:
            faults += _derive(given)
        if faults:
            raise ProfileError(self.name, faults)
        _settle(self, given, SAMPLE_FIELDS)
        object.__setattr__(self, "costs", dict(self.costs))
        object.__setattr__(self, "header", dict(self.header))

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.label)

    @property
    def n_exits(self) -> int:
        """K, the number of exits."""
        return int(self.confidence.shape[1])

    @property
    def n_classes(self) -> int:
        """C: from the logits, else the header's `classes`, else one more than the largest class seen."""
        if self.logits is not None:
            return int(self.logits.shape[2])
        seen = int(max(self.label.max(initial=0), self.prediction.max(initial=0))) + 1
        return known_classes(self.header) or seen

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each exit's prediction is right [n, K]."""
        return np.asarray(self.prediction == self.label[:, None])

    def half(self, which: Half) -> Profile:
        """The samples of one half, in their order, as a profile of its own; it may be empty."""
        if which not in ("calibration", "test"):
            raise ProfileError(self.name, [unknown("half", str(which), ("calibration", "test"))])
        if which not in self._halves:
            keep = self.split == (which == "test")
            own = {name: array[keep] for name, array in _given(self, SAMPLE_FIELDS).items()}
            self._halves[which] = replace(self, **own)
        return self._halves[which]

    @cached_property
    def _halves(self) -> dict[Half, Profile]:
        """The halves that were asked for."""
        return {}

    def resplit(self, seed: int) -> Profile:
        """The same samples with new halves of about the same sizes, drawn at random; a group stays together.

        Equal seeds, equal halves. What a half decides may differ a lot from another's: repeat with several
        seeds to see how much. Features keep the projection that was fitted once, without labels, on the first
        calibration half: it is not fitted anew, though some of that half may now be in the test half.
        """
        group = np.arange(self.n) if self.group is None else self.group
        test_share = float(self.split.mean()) if self.n else 0.0
        split = divided(group, (1 - test_share, test_share), np.random.default_rng(seed))
        return replace(self, split=split, header={**self.header, "resplit_seed": seed})

    def arrays(self) -> dict[str, Array]:
        """Every array to be kept, by its name in the file format; what logits imply is left out."""
        implied = () if self.logits is None else ("confidence", "prediction")
        own = _given(self, SAMPLE_FIELDS)
        kept = {name: array for name, array in own.items() if name not in implied}
        for table, costs in sorted(self.costs.items()):
            kept |= {f"costs/{table}/{name}": array for name, array in costs.arrays().items()}
        return kept

    def document(self) -> str:
        """The header as kept in the file: canonical JSON."""
        costs = {name: {"kinds": list(t.kinds), "notes": dict(t.notes)} for name, t in self.costs.items()}
        content = {"format": FORMAT, "name": self.name, "costs": costs, "about": dict(self.header)}
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content (header and arrays), whatever the file's compression; for provenance."""
        total = hashlib.sha256(self.document().encode())
        for name, array in sorted(self.arrays().items()):
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            total.update(f"{name} {little.dtype.str} {little.shape}".encode())
            total.update(little.tobytes())
        return total.hexdigest()


def top_softmax(logits: Array) -> tuple[FloatArray, IntArray]:
    """Each exit's largest softmax probability (in float64) and its class, from logits [n, K, C]."""
    confidence = np.empty(logits.shape[:-1])
    for k in range(logits.shape[1]):
        z = logits[:, k].astype(np.float64)
        z -= z.max(axis=1, keepdims=True)
        confidence[:, k] = 1.0 / np.exp(z).sum(axis=1)
    return confidence, logits.argmax(axis=-1).astype(np.int32)


def _given(record: CostTable | Profile, known: Mapping[str, Field]) -> dict[str, Array]:
    """The record's arrays as they were given; an array without rows and columns stands for one left out."""
    arrays = {f.name: getattr(record, f.name) for f in fields(record) if f.name in known}
    present = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
    return {name: array for name, array in present.items() if array.shape != (0, 0)}


def _exit_faults(given: Mapping[str, Array], costs: Mapping[str, CostTable]) -> list[str]:
    exits = sample_dims(given).get("K")
    return [
        f"costs/{name} has {table.n_exits} stages, but the samples have {exits} exits"
        for name, table in costs.items()
        if exits not in (None, table.n_exits)
    ]


def _derive(given: dict[str, Array]) -> list[str]:
    """Put confidence and prediction beside the logits, as kept in float16; given ones must be the same."""
    logits = canonical(given["logits"], SAMPLE_FIELDS["logits"])
    confidence, prediction = top_softmax(logits)
    derived: dict[str, Array] = {"confidence": confidence, "prediction": prediction}
    faults = [
        f"{name} is not what the logits say; leave it out, it is computed"
        for name, array in derived.items()
        if name in given and not np.array_equal(given[name], array)
    ]
    given.update(derived)
    return faults


def _settle(record: CostTable | Profile, arrays: Mapping[str, Array], known: Mapping[str, Field]) -> None:
    for name, array in arrays.items():
        object.__setattr__(record, name, canonical(array, known[name]))
