"""Someone else's per-sample table as a profile: a CSV file with a line for each sample, or for each of its exits.

Needed are a confidence for each exit and either its prediction or whether it was right.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.files import sha256
from mdisim.profiles.catalogue import load
from mdisim.profiles.checks import ProfileError
from mdisim.profiles.halves import divided
from mdisim.profiles.profile import CostTable, Profile
from mdisim.profiles.sheet import Columns, Sheet
from mdisim.profiles.synth import calibration_size, stated_costs

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
RIGHT = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}
HALF = {"0": 0, "calibration": 0, "1": 1, "test": 1}
MANY = 1_000_000  # classes: a number beyond is a name


def import_csv(
    path: str | os.PathLike[str],
    *,
    confidence: Columns,
    label: str | None = None,
    prediction: Columns | None = None,
    correct: Columns | None = None,
    split: str | None = None,
    group: str | None = None,
    sample: str | None = None,
    stop: str | None = None,
    exits: Sequence[str] | None = None,
    calibration_share: float = 0.5,
    seed: int = 0,
    costs: str | None = None,
    stage_s: ArrayLike | None = None,
    head_s: ArrayLike = 0.0,
    out_bytes: ArrayLike = 0.0,
    layers: ArrayLike | None = None,
    kinds: Mapping[str, float] | None = None,
    name: str | None = None,
) -> Profile:
    """A profile from the CSV table at `path`; its first line names the columns.

    `confidence`, and `prediction` or `correct`: a column for each exit, as a list of names or as a template
    such as 'conf_{k}' in which k counts from 0 or 1 (1.0000001, a float32 softmax's rounding, counts as 1).
    Where each exit of a sample has a line of its own, `sample` and `stop` are the columns that say whose line
    it is, the exit as a number from 0 or 1, or by one of the names `exits`, in order, and one column each is named
    of the others.
    `label`: the column of true classes, needed with predictions; classes may be numbers from 0 or any texts.
    With `correct` (1/0, true/false, yes/no) alone, predictions are stand-ins, the true class where right and
    the next class where wrong, so that `correct` is exact and which wrong class was meant stays unknown.
    `split`: a column of calibration/test (or 0/1); without it a random `calibration_share` of the samples,
    drawn from `seed`, is the calibration half. `group`: a column that says which samples belong together, such as
    the phrases of a sentence; a half that is drawn has all of a group or none.
    Costs are those of a profile with as many exits (`costs`, a name or a path) or stated: `stage_s`, `head_s`,
    `out_bytes` and `kinds` as in `stated_costs`. `layers`: how many each stage has, one number for all or one
    each; left out, as in `costs`, or 1. Raises `ProfileError` with every fault, by line.
    """
    where = os.fspath(path)
    sheet = Sheet.read(where)
    sheet.faults.extend(_contradictions(prediction, correct, label, sample, stop))
    given = {"confidence": confidence, "prediction": prediction, "correct": correct}
    names = {what: sheet.expand(columns) for what, columns in given.items() if columns is not None}
    others = [column for column in (label, split, group) if column is not None]
    sheet.require(names, [*others, *(column for column in (sample, stop) if column is not None)])
    if sample is not None and stop is not None:
        sheet, columns = sheet.by_sample(sample, stop, names, others, exits)
    else:
        columns = names
    conf = sheet.probabilities(columns["confidence"])
    labels = sheet.words([label])[:, 0] if label is not None else None
    answers = sheet.words(columns["prediction"]) if "prediction" in names else None
    right = sheet.choices(columns["correct"], RIGHT) if "correct" in names else None
    half = sheet.choices([split], HALF)[:, 0] if split is not None else None
    groups = np.unique(sheet.words([group])[:, 0], return_inverse=True)[1] if group is not None else None
    tables = _costs(sheet, conf.shape[1], costs, stage_s, head_s, out_bytes, layers, kinds)
    sheet.refuse_faults()
    if labels is not None and answers is not None:
        truth, guesses, about = _from_predictions(labels, answers)
    else:
        truth, guesses, about = _from_correctness(labels, np.asarray(right, dtype=bool))
    return Profile(
        name=Path(where).stem if name is None else name,
        label=truth,
        split=_halves(len(conf), groups, calibration_share, seed) if half is None else half.astype(np.uint8),
        group=None if groups is None else groups.astype(np.int32),
        confidence=conf,
        prediction=guesses,
        costs=tables,
        header=about
        | {
            "model": "imported",
            "dataset": Path(where).name,
            "licence": "as its source",
            "sha256": sha256(where),
            "columns": names,
            "split": split or f"random, calibration share {calibration_share:g}, seed {seed}",
        },
    )


def _contradictions(
    prediction: Columns | None, correct: Columns | None, label: str | None, sample: str | None, stop: str | None
) -> list[str]:
    """What is asked for and does not fit together, whatever the table holds."""
    faults = []
    if (prediction is None) == (correct is None):
        faults.append("name either the prediction or the correct column of each exit")
    if prediction is not None and label is None:
        faults.append("predictions need the label column; or name the correct columns")
    if (sample is None) != (stop is None):
        faults.append("a table with a line for each exit needs both columns, of the sample and of the exit")
    return faults


def _from_predictions(
    labels: NDArray[np.str_], answers: NDArray[np.str_]
) -> tuple[IntArray, IntArray, dict[str, Any]]:
    """Labels [n] and predictions [n, K] as class numbers, and what the header tells of them."""
    numbers, about = _numbered(np.column_stack([labels, answers]))
    return numbers[:, 0], numbers[:, 1:], about | {"predictions": "as given"}


def _from_correctness(
    labels: NDArray[np.str_] | None, right: NDArray[np.bool_]
) -> tuple[IntArray, IntArray, dict[str, Any]]:
    """Labels [n] and stand-ins for predictions [n, K]: the label where right, else the next class."""
    truth, about = _numbered(np.full(len(right), "0") if labels is None else labels)
    about["classes"] = max(2, about["classes"])
    wrong = (truth + 1) % about["classes"]
    guesses = np.where(right, truth[:, None], wrong[:, None])
    return truth, guesses, about | {"predictions": "stand-ins: the label where right, else the next class"}


def _numbered(words: NDArray[np.str_]) -> tuple[IntArray, dict[str, Any]]:
    """Class numbers of the same shape: the words' own where they are that, else by the order of the words."""
    values: NDArray[Any] = words
    try:
        values = words.astype(np.float64)  # '3' and '3.0' are one class
        if np.all((values >= 0) & (values < MANY) & (values == np.floor(values))):
            return values.astype(np.int32), {"classes": int(values.max()) + 1}
    except ValueError:
        pass
    names, numbers = np.unique(values, return_inverse=True)
    about = {"classes": len(names), "class_names": [str(name) for name in names]}
    return numbers.reshape(words.shape).astype(np.int32), about


def _halves(n: int, groups: NDArray[np.int64] | None, calibration_share: float, seed: int) -> NDArray[np.uint8]:
    rng, size = np.random.default_rng(seed), calibration_size(n, calibration_share)
    if groups is not None:
        return divided(groups, (calibration_share, 1 - calibration_share), rng)
    return (rng.permutation(n) >= size).astype(np.uint8)


def _costs(
    sheet: Sheet,
    exits: int,
    costs: str | None,
    stage_s: ArrayLike | None,
    head_s: ArrayLike,
    out_bytes: ArrayLike,
    layers: ArrayLike | None,
    kinds: Mapping[str, float] | None,
) -> dict[str, CostTable]:
    """The cost tables by name; none, and the faults on the sheet, where they do not fit."""
    if (costs is None) == (stage_s is None):
        what = "costs of stages are needed: name a profile that has them (costs), or state them (stage_s)"
        sheet.faults.append(what)
        return {}
    if costs is not None and kinds is not None:
        sheet.faults.append(f"the kinds are those of {costs}; kinds go with stated times (stage_s)")
    try:
        if stage_s is not None:
            stated = stated_costs(exits, stage_s=stage_s, head_s=head_s, out_bytes=out_bytes, kinds=kinds)
            tables = {"stated": stated}
        else:
            tables = _costs_of(str(costs), exits)
        if layers is None:
            return tables
        counts = _whole(np.full(exits, layers) if np.ndim(layers) == 0 else np.asarray(layers))
        return {table: replace(one, layers=counts) for table, one in tables.items()}
    except ProfileError as error:
        sheet.faults.extend(f"{error.where}: {fault}" for fault in error.faults)
        return {}


def _whole(numbers: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers as such, 3.0 as 3; others as they are, to be refused."""
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    return numbers.astype(np.int32) if whole.all() else numbers


def _costs_of(name: str, exits: int) -> dict[str, CostTable]:
    other = load(name)
    if other.n_exits != exits:
        what = f"has {other.n_exits} exits, but the table has {exits}; state stage_s"
        raise ProfileError(f"costs of {other.name}", [what])
    return dict(other.costs)
