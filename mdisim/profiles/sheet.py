"""A CSV table as text: columns by name or by template, words into numbers, and every fault with its line.

The file is read as text first, so that every fault can be told with its line. A table in which each exit of a
sample has a line of its own becomes one with a line a sample.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import InputError
from mdisim.files import content
from mdisim.profiles.checks import ProfileError, unknown

if TYPE_CHECKING:
    import pandas as pd

Columns = str | Sequence[str]
SHOWN = 10
LIMIT_BYTES = 256 << 20
MOST_COLUMNS = 10_000
MOST_EXITS = 1000
ROUNDING = 1e-6


@dataclass(frozen=True)
class Sheet:
    """The file's text by column, the faults found so far, and each cell's line by column (or else its row's)."""

    where: str
    text: pd.DataFrame
    faults: list[str] = field(default_factory=list)
    more: list[int] = field(default_factory=list)  # how many faults there are beside those
    lines: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    @classmethod
    def read(cls, where: str) -> Sheet:
        """Every cell stripped, a missing one as an empty text; a ProfileError where there is no such table.

        Columns are separated by commas or, where the first line has none, by semicolons or tabs.
        """
        import pandas as pd

        try:
            bytes_ = content(where, LIMIT_BYTES)
            wide = bytes_.partition(b"\n")[0].count(_separator(bytes_).encode())
            if wide >= MOST_COLUMNS:
                raise InputError(f"its first line has {wide + 1} columns; at most {MOST_COLUMNS} are read")
            raw = pd.read_csv(
                BytesIO(bytes_), sep=_separator(bytes_), header=None, dtype=str, keep_default_na=False,
                skip_blank_lines=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise ProfileError(where, ["no such file; the path of a CSV table would do"]) from error
        except pd.errors.EmptyDataError as error:
            raise ProfileError(where, ["is empty; a line of column names and a line a sample would do"]) from error
        except OSError as error:
            raise ProfileError(where, [f"cannot be read: {error.strerror}"]) from error
        except ValueError as error:
            raise ProfileError(where, [f"no readable CSV table: {str(error).strip()}"]) from error
        cells: pd.DataFrame = raw.fillna("").apply(lambda column: column.str.strip())
        names = cells.iloc[0].tolist()
        filled = np.flatnonzero((cells != "").any(axis=1))
        samples = cells.iloc[1 : filled.max(initial=0) + 1]  # without empty lines at the end
        if samples.empty:
            raise ProfileError(where, ["has column names but no samples; a line for each sample would do"])
        return cls(where, samples.set_axis(names, axis=1).reset_index(drop=True))

    def expand(self, columns: Columns) -> list[str]:
        """The columns' names; a template is expanded by the file's own columns."""
        if not isinstance(columns, str):
            return list(columns)
        if "{k}" not in columns:
            return [columns]
        before, _, after = columns.partition("{k}")
        pattern = re.compile(re.escape(before) + r"([0-9]+)" + re.escape(after))
        digits = [m[1] for m in map(pattern.fullmatch, self.text.columns) if m]
        longest = max(digits, key=len, default="")
        if len(longest) >= len(str(MOST_COLUMNS)):
            self.faults.append(f"no network has so many exits as the column {before}{longest[:20]}{after} says")
            return []
        found = sorted(map(int, digits))
        if not found:
            self.faults.append(f"no column fits {columns!r}; there are {', '.join(self.text.columns)}")
        return [f"{before}{k}{after}" for k in range(min(*found, 1), found[-1] + 1)] if found else []

    def require(self, names: Mapping[str, list[str]], others: Sequence[str]) -> None:
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

    def by_sample(
        self,
        sample: str,
        stop: str,
        names: Mapping[str, list[str]],
        others: Sequence[str],
        exits: Sequence[str] | None = None,
    ) -> tuple[Sheet, dict[str, list[str]]]:
        """A line a sample of a table with a line for each exit of a sample; and its columns, of which COLUMN@EXIT
        are those of an exit, by rising number.

        `sample` and `stop` are the columns that say whose line it is; `others` are alike in all lines of a
        sample, `exits` the exits' names in order, where they have such in place of numbers. Samples stand in
        the order in which they first come.
        """
        import pandas as pd

        for what, several in names.items():
            if len(several) != 1:
                self.faults.append(f"{len(several)} {what} columns; with a line for each exit, one would do")
        who, samples = pd.factorize(self.text[sample])
        numbers, which = np.unique(self.exits(stop, exits), return_inverse=True)
        self._complain(self.text.duplicated([sample, stop]), sample, stop, "comes again; once would do")
        if len(numbers) > MOST_EXITS:
            self.faults.append(
                f"{stop} has {len(numbers)} different values; it numbers exits, {MOST_EXITS} at most"
            )
            self.refuse_faults()
        row = np.full((len(samples), len(numbers)), -1)
        row[who, which] = np.arange(len(who))
        self.faults.extend(
            f"sample {samples[s]!r} has no line for exit {numbers[k]}; each sample has one for each exit"
            for s, k in self._first(row < 0)
        )
        self.refuse_faults()
        for other in others:
            words = self.text[other].to_numpy(dtype=object)
            self._complain(words != words[row[who, 0]], sample, other, "is not that of its first line")
        rows = dict.fromkeys(others, row[:, 0])
        cells = {other: self.text[other].to_numpy()[row[:, 0]] for other in others}
        for (column,) in names.values():
            for k, number in enumerate(numbers):
                rows[f"{column}@{number}"] = row[:, k]
                cells[f"{column}@{number}"] = self.text[column].to_numpy()[row[:, k]]
        lines = {name: at + 2 for name, at in rows.items()}
        wide = Sheet(self.where, pd.DataFrame(cells), self.faults, self.more, lines)
        return wide, {what: [f"{one}@{number}" for number in numbers] for what, (one,) in names.items()}

    def probabilities(self, columns: list[str]) -> NDArray[np.float64]:
        """Columns of numbers in [0, 1] [n, columns]."""
        import pandas as pd

        numbers = self.text[columns].apply(pd.to_numeric, errors="coerce")
        values: NDArray[np.float64] = numbers.to_numpy(dtype=np.float64)
        values = np.where((values > 1) & (values <= 1 + ROUNDING), 1.0, values)
        self._point_out(
            columns, ~((values >= 0) & (values <= 1)), "a confidence is a number in [0, 1]" + _hint(numbers)
        )
        return values

    def exits(self, column: str, names: Sequence[str] | None) -> NDArray[np.int64]:
        """A column of exits [n]: whole numbers from 0, or names that count from 0 in their order."""
        words = self.text[column]
        if names is not None:
            where = {name: k for k, name in enumerate(names)}
            self._point_out([column], ~words.isin(where).to_numpy()[:, None], f"the exits are {', '.join(where)}")
            self.refuse_faults()
            return np.array([where[word] for word in words], dtype=np.int64)
        bad = ~words.str.fullmatch(r"[0-9]{1,9}").to_numpy(dtype=bool)
        self._point_out(
            [column],
            bad[:, None],
            "an exit is a whole number from 0, or give the exits' names in order: exits (--exits early,late)",
        )
        self.refuse_faults()
        return words.to_numpy().astype(np.int64)

    def words(self, columns: list[str]) -> NDArray[np.str_]:
        """Columns of class names [n, columns]."""
        values = self.text[columns].to_numpy(dtype=str)
        lost = np.isin(np.char.lower(values), ("", "nan"))
        self._point_out(columns, lost, "a class is a number or a name")
        return values

    def choices(self, columns: list[str], meaning: Mapping[str, int]) -> NDArray[np.int64]:
        """Columns of words with a meaning [n, columns], in capitals or not."""
        values = np.char.lower(self.text[columns].to_numpy(dtype=str))
        self._point_out(columns, ~np.isin(values, list(meaning)), f"{', '.join(meaning)} would do")
        return np.array([[meaning.get(word, 0) for word in row] for row in values.tolist()])

    def refuse_faults(self) -> None:
        """Raise what was found, if anything was."""
        many = len(self.faults) + sum(self.more)
        if many > SHOWN:
            raise ProfileError(self.where, [*self.faults[:SHOWN], f"and {many - SHOWN} more"])
        if self.faults:
            raise ProfileError(self.where, self.faults)

    def _point_out(self, columns: list[str], bad: NDArray[np.bool_], would_do: str) -> None:
        for row, k in self._first(bad):
            column = columns[k]
            word = self.text[column].iloc[row]
            what = f"is {word!r}" if word else "is empty"
            line = self.lines[column][row] if column in self.lines else row + 2
            of_exit, _, number = column.rpartition("@") if self.lines else ("", "", "")
            called = f"{of_exit} of exit {number}" if of_exit else column
            self.faults.append(f"line {line}: {called} {what}; {would_do}")

    def _first(self, bad: Any) -> NDArray[np.int64]:
        """Where the first few are that will be shown; the others are counted."""
        every = np.argwhere(np.asarray(bad, dtype=bool))
        self.more.append(len(every[SHOWN:]))
        return every[:SHOWN]

    def _complain(self, bad: Any, sample: str, column: str, what: str) -> None:
        """Say of lines of exits what is wrong with them."""
        for (row,) in self._first(bad):
            whose, word = self.text[sample].iloc[row], self.text[column].iloc[row]
            self.faults.append(f"line {row + 2}: {column} {word!r} of sample {whose!r} {what}")


def _separator(text: bytes) -> str:
    first = text.partition(b"\n")[0]
    return next((one for one in (",", ";", "\t") if one.encode() in first), ",")


def _hint(numbers: pd.DataFrame) -> str:
    """What to do where all are percentages."""
    values = numbers.to_numpy(dtype=np.float64)
    highest = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
    return "; divide per cent by 100" if 1.0 < highest <= 100.0 and highest > 2.0 else ""
