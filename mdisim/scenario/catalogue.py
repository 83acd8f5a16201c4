"""The scenarios that come with the package, by name; any other is named by its path."""

from __future__ import annotations

import os
from pathlib import Path

from mdisim.errors import InputError
from mdisim.scenario.nearest import hint, nearest

SUFFIX = ".yaml"


def folder() -> Path:
    """Where the shipped scenarios are: in the installed package, or beside it in a working copy."""
    here = Path(__file__).resolve().parent
    packed = here / "shipped"
    return packed if packed.is_dir() else here.parents[1] / "scenarios"


def names() -> list[str]:
    """The names of the shipped scenarios."""
    return sorted(path.stem for path in folder().glob(f"*{SUFFIX}"))


def find(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of a shipped scenario, or of a path; a file that is there comes first.

    Raises InputError with the nearest name where there is no such scenario, or no such file.
    """
    text = os.fspath(name_or_path)
    path = Path(text)
    if path.is_file():
        return path
    if isinstance(name_or_path, str) and path.suffix not in (SUFFIX, ".yml") and path.name == text:
        if text in names():
            return folder() / f"{text}{SUFFIX}"
        if not path.is_dir():
            raise InputError(f"there is no scenario of this name; {hint(text, names(), 'there are')}")
    if path.is_dir():
        raise InputError("is a folder; name the scenario's file in it")
    if path.exists():
        raise InputError("is no regular file; name a scenario's file")
    near = nearest(path.stem, names())
    raise InputError("there is no such file" + (f"; there is a shipped scenario {near[0]!r}" if near else ""))
