"""Someone else's per-sample table as a profile: a CSV file with a row for each sample, columns by name.

Needed are a confidence for each exit and either its prediction or whether it was right. The file is read as
text first, so that every fault can be told with its line.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.profiles.catalogue import load
from mdisim.profiles.checks import ProfileError, unknown
from mdisim.profiles.profile import CostTable, Profile
from mdisim.profiles.synth import calibration_size, stated_costs

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
Columns = str | Sequence[str]
RIGHT = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}
HALF = {"0": 0, "calibration": 0, "1": 1, "test": 1}
SHOWN = 10
ROUNDING = 1e-6
MANY = 1_000_000  # classes: a number beyond is a name


def import_csv(
    path: str | os.PathLike[str],
    *,
    confidence: Columns,
    label: str | None = None,
    prediction: Columns | None = None,
    correct: Columns | None = None,
    split: str | None = None,
    calibration_share: float = 0.5,
    seed: int = 0,
    costs: str | None = None,
    stage_s: ArrayLike | None = None,
    head_s: ArrayLike = 0.0,
    out_bytes: ArrayLike = 0.0,
    name: str | None = None,
) -> Profile:
    """A profile from the CSV table at `path`; its first line names the columns.

    `confidence`, and `prediction` or `correct`: a column for each exit, as a list of names or as a template
    such as 'conf_{k}' in which k counts from 0 or 1 (1.0000001, a float32 softmax's rounding, counts as 1).
    `label`: the column of true classes, needed with predictions; classes may be numbers from 0 or any texts.
    With `correct` (1/0, true/false, yes/no) alone, predictions are stand-ins, the true class where right and
    the next class where wrong, so that `correct` is exact and which wrong class was meant stays unknown.
    `split`: a column of calibration/test (or 0/1); without it a random `calibration_share` of the samples,
    drawn from `seed`, is the calibration half.
    Costs are those of a profile with as many exits (`costs`, a name or a path) or stated: `stage_s`,
    `head_s`, `out_bytes` as in `stated_costs`. Raises `ProfileError` with every fault, by line.
    """
    where = os.fspath(path)
    if (prediction is None) == (correct is None):
        raise ProfileError(where, ["name either the prediction or the correct column of each exit"])
    if prediction is not None and label is None:
        raise ProfileError(where, ["predictions need the label column; or name the correct columns"])
    table = _Table(where, _read_text(where), [])
    given = {"confidence": confidence, "prediction": prediction, "correct": correct}
    names = {what: table.expand(columns) for what, columns in given.items() if columns is not None}
    table.require(names, [column for column in (label, split) if column is not None])
    conf = table.probabilities(names["confidence"])
    labels = table.words([label])[:, 0] if label is not None else None
    answers = table.words(names["prediction"]) if "prediction" in names else None
    right = table.choices(names["correct"], RIGHT) if "correct" in names else None
    half = table.choices([split], HALF)[:, 0] if split is not None else None
    table.refuse_faults()
    if labels is not None and answers is not None:
        truth, guesses, about = _from_predictions(labels, answers)
    else:
        truth, guesses, about = _from_correctness(labels, np.asarray(right, dtype=bool))
    return Profile(
        name=Path(where).stem if name is None else name,
        label=truth,
        split=_halves(len(conf), calibration_share, seed) if half is None else half.astype(np.uint8),
        confidence=conf,
        prediction=guesses,
        costs=_costs(where, conf.shape[1], costs, stage_s, head_s, out_bytes),
        header=about
        | {
            "model": "imported",
            "dataset": Path(where).name,
            "licence": "as its source",
            "sha256": hashlib.sha256(Path(where).read_bytes()).hexdigest(),
            "columns": names,
            "split": split or f"random, calibration share {calibration_share:g}, seed {seed}",
        },
    )


@dataclass(frozen=True)
class _Table:
    """The file's text by column, and the faults found so far."""

    where: str
    text: pd.DataFrame
    faults: list[str]

    def expand(self, columns: Columns) -> list[str]:
        """The columns' names; a template is expanded by the file's own columns."""
        if not isinstance(columns, str):
            return list(columns)
        if "{k}" not in columns:
            return [columns]
        before, _, after = columns.partition("{k}")
        pattern = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
        found = sorted(int(m[1]) for m in map(pattern.fullmatch, self.text.columns) if m)
        if not found:
            self.faults.append(f"no column fits {columns!r}; there are {', '.join(self.text.columns)}")
        return [f"{before}{k}{after}" for k in range(min(*found, 1), found[-1] + 1)] if found else []

    def require(self, names: dict[str, list[str]], others: list[str]) -> None:
        """Refuse columns that are not there, and different numbers of them for the exits."""
        there = list(self.text.columns)
        for column in [*(column for columns in names.values() for column in columns), *others]:
            if column not in there:
                self.faults.append(unknown("column", column, there))
            elif there.count(column) > 1:
                self.faults.append(f"names the column {column!r} more than once; once would do")
        if not self.faults and len({len(columns) for columns in names.values()}) > 1:
            counts = " and ".join(f"{len(columns)} {what}" for what, columns in names.items())
            self.faults.append(f"there are {counts} columns; each exit has one of each")
        self.refuse_faults()

    def probabilities(self, columns: list[str]) -> FloatArray:
        """Columns of numbers in [0, 1] [n, columns]."""
        import pandas as pd

        numbers = self.text[columns].apply(pd.to_numeric, errors="coerce")
        values: FloatArray = numbers.to_numpy(dtype=np.float64)
        values = np.where((values > 1) & (values <= 1 + ROUNDING), 1.0, values)
        self._point_out(columns, ~((values >= 0) & (values <= 1)), "a confidence is a number in [0, 1]")
        return values

    def words(self, columns: list[str]) -> NDArray[np.str_]:
        """Columns of class names [n, columns]."""
        values = self.text[columns].to_numpy(dtype=str)
        lost = np.isin(np.char.lower(values), ("", "nan"))
        self._point_out(columns, lost, "a class is a number or a name")
        return values

    def choices(self, columns: list[str], meaning: dict[str, int]) -> NDArray[np.int64]:
        """Columns of words with a meaning [n, columns], in capitals or not."""
        values = np.char.lower(self.text[columns].to_numpy(dtype=str))
        self._point_out(columns, ~np.isin(values, list(meaning)), f"{', '.join(meaning)} would do")
        return np.array([[meaning.get(word, 0) for word in row] for row in values.tolist()])

    def refuse_faults(self) -> None:
        """Raise what was found, if anything was."""
        if len(self.faults) > SHOWN:
            raise ProfileError(self.where, [*self.faults[:SHOWN], f"and {len(self.faults) - SHOWN} more"])
        if self.faults:
            raise ProfileError(self.where, self.faults)

    def _point_out(self, columns: list[str], bad: NDArray[np.bool_], would_do: str) -> None:
        for row, k in np.argwhere(bad):
            word = self.text[columns[k]].iloc[row]
            what = f"is {word!r}" if word else "is empty"
            self.faults.append(f"line {row + 2}: {columns[k]} {what}; {would_do}")


def _read_text(where: str) -> pd.DataFrame:
    """The table as text, every cell stripped, a missing one as an empty text."""
    import pandas as pd

    try:
        raw = pd.read_csv(where, header=None, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except FileNotFoundError as error:
        raise ProfileError(where, ["no such file; the path of a CSV table would do"]) from error
    except pd.errors.EmptyDataError as error:
        raise ProfileError(where, ["is empty; a line of column names and a line a sample would do"]) from error
    except (OSError, ValueError) as error:
        raise ProfileError(where, [f"no readable CSV table: {str(error).strip()}"]) from error
    cells: pd.DataFrame = raw.fillna("").apply(lambda column: column.str.strip())
    names = cells.iloc[0].tolist()
    filled = np.flatnonzero((cells != "").any(axis=1))
    samples = cells.iloc[1 : filled.max(initial=0) + 1]  # without empty lines at the end
    if samples.empty:
        raise ProfileError(where, ["has column names but no samples; a line for each sample would do"])
    return samples.set_axis(names, axis=1).reset_index(drop=True)


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


def _halves(n: int, calibration_share: float, seed: int) -> NDArray[np.uint8]:
    order = np.random.default_rng(seed).permutation(n)
    return (order >= calibration_size(n, calibration_share)).astype(np.uint8)


def _costs(
    where: str,
    exits: int,
    costs: str | None,
    stage_s: ArrayLike | None,
    head_s: ArrayLike,
    out_bytes: ArrayLike,
) -> dict[str, CostTable]:
    if (costs is None) == (stage_s is None):
        what = "costs of stages are needed: name a profile that has them (costs), or state them (stage_s)"
        raise ProfileError(where, [what])
    if stage_s is not None:
        return {"stated": stated_costs(exits, stage_s=stage_s, head_s=head_s, out_bytes=out_bytes)}
    other = load(costs or "")
    if other.n_exits != exits:
        what = f"has {exits} exits, but the costs of {other.name} are for {other.n_exits}; state stage_s"
        raise ProfileError(where, [what])
    return dict(other.costs)
