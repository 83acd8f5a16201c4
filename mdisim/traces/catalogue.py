"""The traces that come with the package, by name; any other is named by its path."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mdisim.traces.files import read
from mdisim.traces.measures import statistics
from mdisim.traces.model import unknown
from mdisim.traces.trace import Trace, TraceError

SUFFIX = ".csv"
TOLD = ("duration_s", "mean_bps", "cv", "outage_share")


def shipped() -> list[str]:
    """The names of the traces that come with the package."""
    return sorted(path.stem for path in _folder().glob(f"*{SUFFIX}"))


def load(name_or_path: str | os.PathLike[str], format: str | None = None, **options: Any) -> Trace:
    """Read a shipped trace by its name, or any trace by its path; `./wifi` is a file, `wifi` is not.

    `format` is that of the file, where it cannot be told from its content; `options` are `read`'s. Raises a
    TraceError with the nearest name, or with the file's faults.
    """
    text = os.fspath(name_or_path)
    path = Path(text)
    if isinstance(name_or_path, str) and path.name == text and not path.suffix:
        if text in shipped():
            return read(_folder() / f"{text}{SUFFIX}", format, **options)
        raise TraceError(unknown("trace", text, shipped()) + "; the path of a file would do, too")
    return read(name_or_path, format, **options)


def catalogue() -> list[dict[str, Any]]:
    """What is shipped, one row a trace: what it is of, how it is, how it ends, and where it is from."""
    return [describe(name) for name in shipped()]


def describe(name_or_path: str | os.PathLike[str], format: str | None = None) -> dict[str, Any]:
    """The row of one trace."""
    trace = load(name_or_path, format)
    measured = asdict(statistics(trace))
    return {
        "name": os.fspath(name_or_path),
        "what": trace.notes.get("what", ""),
        **{key: measured[key] for key in TOLD},
        "end": trace.end,
        "source": trace.notes.get("source", ""),
    }


def _folder() -> Path:
    """Where the shipped traces are: in the installed package, or beside it in a working copy."""
    here = Path(__file__).resolve().parent
    packed = here / "shipped"
    return packed if packed.is_dir() else here.parents[1] / "traces"
