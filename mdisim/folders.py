"""Directories of results: written whole or not at all, with a provenance, and not over anything else.

A directory that exists is replaced only by results of the same identity (what was asked for), or by force;
what is not a directory of results, or holds more than these, is never touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdisim import __version__
from mdisim.errors import InputError
from mdisim.files import aside, content, sha256

if TYPE_CHECKING:
    import pandas as pd

AnyPath = str | os.PathLike[str]

PROVENANCE = "provenance.json"
INPUTS = "inputs"  # the folder of the files that a scenario names: its profile, its traces
REPORT = "report.html"  # made from the results, and made again
PACKAGES = ("numpy", "simpy", "pandas", "pyarrow", "scipy")
FORMAT = 2
CHECKSUM = "checksum"  # of a provenance, in it: the digest of all else
LIMIT_BYTES = 64_000_000  # of a provenance or a scenario


class ResultsError(InputError):
    """Results that cannot be written or read; the message says where, what is wrong and what would do."""


def vacant(directory: AnyPath, identity: str = "", force: bool = False) -> None:
    """Raise a ResultsError unless results of this identity may be written there."""
    path = Path(directory)
    if not path.exists():
        above = next(parent for parent in path.absolute().parents if parent.exists())
        if not (above.is_dir() and os.access(above, os.W_OK)):
            raise ResultsError(f"{path}: cannot write results there: {above} is no folder to write to")
        return
    if not path.is_dir():
        raise ResultsError(f"{path}: is a file; name a directory that does not exist yet")
    if not any(path.iterdir()):
        return
    if not (path / PROVENANCE).exists():
        raise ResultsError(f"{path}: exists and is not a directory of results; name one that does not exist yet")
    facts = provenance(path)
    ours = {PROVENANCE, REPORT, *(name.partition("/")[0] for name in facts.get("files", ()))}
    foreign = sorted({child.name for child in path.iterdir()} - ours)
    if foreign:
        raise ResultsError(
            f"{path}: holds {', '.join(foreign)}, which would go with the results; move it away, or name another "
            "directory"
        )
    if not force and not (identity and facts.get("identity") == identity):
        raise ResultsError(
            f"{path}: holds other results ({_told(facts)}); name another directory, or replace them with --force "
            "(in Python: force=True)"
        )


def _told(facts: Mapping[str, Any]) -> str:
    known = {key: facts.get(key) for key in ("scenario", "policy", "policies", "seed", "seeds")}
    short = {key: ", ".join(one) if isinstance(one, Mapping) else one for key, one in known.items()}
    return "; ".join(f"{key} {one}" for key, one in short.items() if one not in (None, ""))


@contextmanager
def writing(directory: AnyPath, identity: str, facts: Mapping[str, Any], force: bool = False) -> Iterator[Path]:
    """A directory to fill with files; it appears under its name, with its provenance, when all is there.

    Raises a ResultsError where `vacant` does, and where the file system refuses; then nothing is left behind.
    """
    try:
        target = Path(directory).resolve()
        vacant(target, identity, force)
        with aside(target, folder=True) as fresh:
            yield fresh
            paths = sorted(path for path in fresh.rglob("*") if path.is_file())
            files = {path.relative_to(fresh).as_posix(): sha256(path) for path in paths}
            known = dict(plain(_provenance(identity, {**facts, "files": files})))
            write_json(known | {CHECKSUM: digest(known)}, fresh / PROVENANCE)
            _put(fresh, target)
    except OSError as error:
        raise ResultsError(f"{directory}: cannot write results there: {error.strerror or error}") from error


def _put(fresh: Path, target: Path) -> None:
    """Give the fresh directory its name; what had the name before goes, or stays if that fails."""
    if not target.exists():
        fresh.rename(target)
        return
    old = fresh.with_name(fresh.name + ".old")
    try:
        target.rename(old)
        fresh.rename(target)
    except BaseException:
        if not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old)


def _provenance(identity: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    own = {"mdisim": __version__, "python": platform.python_version()}
    versions = own | {package: version(package) for package in PACKAGES}
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {"format": FORMAT, "identity": identity, "date": date, "versions": versions, **facts}


def provenance(directory: AnyPath, kind: str = "") -> dict[str, Any]:
    """What `provenance.json` says; a ResultsError where there is none that we wrote, or of another kind."""
    path = Path(directory) / PROVENANCE
    instead = "put back a copy of it, or name another directory"
    try:
        raw = content(path, LIMIT_BYTES)
    except (OSError, ValueError) as error:
        raise ResultsError(f"{directory}: no results here ({PROVENANCE} is missing or unreadable)") from error
    try:
        facts = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: is damaged: it is not JSON; {instead}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        other = facts.get("format") if isinstance(facts, dict) else None
        say = "has no format" if other is None else f"is of format {str(other)[:20]}"
        raise ResultsError(f"{path}: {say}; this version reads results of format {FORMAT}; {instead}")
    if digest({key: value for key, value in facts.items() if key != CHECKSUM}) != facts.get(CHECKSUM):
        raise ResultsError(f"{path}: is damaged: its checksum does not fit; {instead}")
    if kind and facts.get("kind") != kind:
        raise ResultsError(
            f"{directory}: holds a {facts.get('kind')}, not a {kind}; name the directory of a {kind}"
        )
    return facts


def need_intact(directory: AnyPath, facts: Mapping[str, Any]) -> None:
    """Raise a ResultsError that names the first file of a provenance that is not as it was written."""
    for name, written in facts["files"].items():
        path = Path(directory) / name
        try:
            found = sha256(path)
        except (OSError, ValueError) as error:
            raise damaged(path, "it is missing or unreadable") from error
        if found != written:
            raise damaged(path, f"its checksum is not the one in {PROVENANCE}")


def damaged(path: Path, why: str) -> ResultsError:
    """The error that names a file of results that cannot be read."""
    return ResultsError(f"{path}: is damaged: {why}; give the command that made these results again")


@contextmanager
def reading(directory: AnyPath) -> Iterator[None]:
    """Turn whatever goes wrong in reading results into a ResultsError."""
    try:
        yield
    except ResultsError:
        raise
    except Exception as error:  # of damage that no checksum tells, libraries tell in all ways
        raise ResultsError(f"{directory}: these results are incomplete or damaged: {error}") from error


def write_content(content: str | Path, path: Path) -> None:
    """Write a text, or copy a file; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
        return
    try:
        shutil.copyfile(content, path)
    except FileNotFoundError as error:
        raise ResultsError(f"{content}: is not there any more, and cannot be stored beside the results") from error


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet; equal tables give equal bytes."""
    table.to_parquet(path, engine="pyarrow", compression="zstd", index=False)


def write_json(value: Any, path: Path) -> None:
    """Write plain data as JSON."""
    path.write_text(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def digest(value: Any) -> str:
    """SHA-256 of plain data, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """The same in what JSON knows: NaN becomes null, and an infinite number the text 'inf' or '-inf'."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(v) for v in value]
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else str(value)
    return value if isinstance(value, str | int | float | None) else str(value)
