"""Files that a scenario names: beside it or in the current folder; regular, of bounded size, read whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mdisim import files
from mdisim.errors import InputError


@dataclass(frozen=True)
class Folders:
    """Where what a scenario names is looked for: beside it or, where there is none so called, where it was read.

    The latter is where `--set` is typed.
    """

    beside: Path
    current: Path

    @classmethod
    def of(cls, folder: AnyFolder) -> Folders:
        """A scenario's folder, and the current one; both stay what they are when the current one changes."""
        if isinstance(folder, Folders):
            return folder
        beside = Path(folder).resolve()
        try:
            return cls(beside, Path.cwd())
        except FileNotFoundError:  # somebody has removed it
            return cls(beside, beside)

    def __iter__(self) -> Iterator[Path]:
        """In the order in which they are looked in."""
        return iter((self.beside, self.current))

    def file(self, name: str) -> Path:
        """The file of this name, or path; where there is none, where it should be beside the scenario."""
        return next((folder / name for folder in self if os.path.exists(folder / name)), self.beside / name)


AnyFolder = str | os.PathLike[str] | Folders


def content(path: Path, limit_bytes: int) -> bytes:
    """Read a file. Raises InputError with a message that follows the file's name."""
    if "\0" in str(path):
        raise InputError(": no file is called so")
    try:
        return files.content(path, limit_bytes)
    except FileNotFoundError:
        raise InputError(
            ": there is no such file, neither in the scenario's folder nor in the current one"
        ) from None
    except OSError as error:
        raise InputError(f": cannot be read: {error.strerror}") from None
    except InputError as error:
        raise InputError(f": {error}") from None
