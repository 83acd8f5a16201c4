"""The profiles that come with the package, by name; any other is named by its path."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np

from mdisim.profiles.checks import ProfileError, unknown
from mdisim.profiles.files import read
from mdisim.profiles.profile import CostTable, Profile

SUFFIX = ".npz"


def shipped() -> list[str]:
    """The names of the profiles that come with the package."""
    return sorted(_files())


def load(name_or_path: str | os.PathLike[str]) -> Profile:
    """Read a shipped profile by its name, or any profile by its path (with a folder or `.npz` in it).

    A file that has not changed is read once: profiles cannot be changed, and may be shared. Raises `ProfileError`
    with the nearest name, or with the file's faults.
    """
    text = os.fspath(name_or_path)
    if text.endswith(SUFFIX) or os.path.basename(text) != text:
        return _once(text)
    files = _files()
    if text not in files:
        raise ProfileError("profiles", [unknown("profile", text, files) + "; a path to a .npz would do, too"])
    with resources.as_file(files[text]) as path:
        return _once(os.fspath(path))


def _once(path: str) -> Profile:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return read(path)  # which says what is wrong
    return _read(path, os.path.abspath(path), status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path: str, *state: object) -> Profile:
    """Read a file; `state` is what changes when its content does."""
    return read(path)


def catalogue() -> list[dict[str, Any]]:
    """What is shipped, one row a profile: what it is of, its size, and its accuracy at each exit."""
    return [_summary(name, load(name)) for name in shipped()]


def describe(name_or_path: str | os.PathLike[str]) -> dict[str, Any]:
    """One profile in full: its row of the catalogue, its header, and its cost tables kind by kind.

    Of each table: KiB sent after each stage (first the raw input), layers, FLOPs; of each kind in it: stage
    and head times in ms, each stage's share of the time of all stages, and the note on where they are from.
    """
    profile = load(name_or_path)
    tables = {name: _describe_table(table) for name, table in profile.costs.items()}
    row = _summary(profile.name, profile) | {"digest": profile.digest, "header": dict(profile.header)}
    return row | {"cost_tables": tables}


def _files() -> dict[str, Traversable]:
    folder = resources.files("mdisim.profiles").joinpath("shipped")
    found = folder.iterdir() if folder.is_dir() else ()
    return {file.name.removesuffix(SUFFIX): file for file in found if file.name.endswith(SUFFIX)}


def _summary(name: str, profile: Profile) -> dict[str, Any]:
    test = profile.half("test")
    return {
        "name": name,
        "dataset": profile.header.get("dataset", "?"),
        "model": profile.header.get("model", "?"),
        "exits": profile.n_exits,
        "classes": profile.n_classes,
        "calibration_samples": profile.n - test.n,
        "test_samples": test.n,
        **_of_samples(profile),
        "test_accuracy": [round(float(share), 4) for share in test.correct.mean(axis=0)],
        "cost_tables": sorted(profile.costs),
        "licence": profile.header.get("licence", "?"),
    }


def _of_samples(profile: Profile) -> dict[str, Any]:
    """What there is of the optional arrays: groups, columns of features, and the span of own work."""
    told: dict[str, Any] = {}
    if profile.group is not None:
        told["groups"] = len(np.unique(profile.group))
    if profile.features is not None:
        told["features"] = profile.features.shape[1]
    if profile.work is not None:
        span = {"least": profile.work.min(), "mean": profile.work.mean(), "most": profile.work.max()}
        told["own_work"] = {name: float(f"{value:.3g}") for name, value in span.items()}
    return told


def _describe_table(table: CostTable) -> dict[str, Any]:
    kinds = {}
    for row, kind in enumerate(table.kinds):
        total_s = table.stage_s[row].sum()
        kinds[kind] = {
            "stage_ms": _rounded(1e3 * table.stage_s[row]),
            "head_ms": _rounded(1e3 * table.head_s[row]),
            "stage_share": _rounded(table.stage_s[row] / total_s) if total_s else [],
            "note": table.notes.get(kind, ""),
        }
    return {
        "kinds": kinds,
        "out_kib": _rounded(table.out_bytes / 1024),
        "layers": table.layers.tolist(),
        "stage_flops": table.stage_flops.tolist(),
        "head_flops": table.head_flops.tolist(),
    }


def _rounded(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
