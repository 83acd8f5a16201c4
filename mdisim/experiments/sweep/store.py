"""Where finished runs are kept: one small Parquet file each, named by its key; written aside, then renamed.

A file that is there was written whole, so that a sweep that was killed goes on where it was, whatever killed it.
What a disk made of it since, its checksum tells; such a file is removed, and its run done again. Only the process
that was started writes here, and shards of one sweep write different files; who starts the same a second time
meanwhile is kept away by a lock, which ends with its process.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow

from mdisim.experiments.sweep import sealed
from mdisim.experiments.sweep.work import FAILED, Outcome, Task
from mdisim.files import aside, naming
from mdisim.folders import (
    PROVENANCE,
    AnyPath,
    ResultsError,
    need_intact,
    provenance,
    reading,
    vacant,
    write_content,
    write_table,
    writing,
)

PARTS, RUNS, PLAN, SUMMARY = "parts", "runs", "plan.parquet", "summary.parquet"
SMALL = {"compression": "none", "use_dictionary": False, "write_statistics": False, "store_schema": False}


def found(
    directory: AnyPath, identity: str, facts: Mapping[str, Any], files: Mapping[str, Any], logs: str, force: bool
) -> Path:
    """Open a directory that is filled bit by bit, or make it with its provenance and these files.

    `files` are tables, texts, and paths of files to copy.

    A ResultsError where there are other results, or another of its kind and no `force`; with it, the directory
    becomes that of what is asked for now, and what both have in common stays, unless a process is at work there,
    which keeps one of the `logs` (a pattern) locked. Of these files, those that are damaged are written again.
    """
    target = Path(directory).absolute()
    kind = str(facts["kind"])
    theirs = _held(target, kind)
    same = theirs is not None and theirs.get("identity") == identity
    if theirs is not None and same and _is_intact(target, theirs):
        return target
    if theirs is not None and not (same or force):
        raise ResultsError(
            f"{directory}: holds another {kind}, of {theirs.get('scenario')}; name another directory, or "
            "say --force (in Python: force=True) to go on in it: what both have in common is kept"
        )
    if theirs is None:
        vacant(target, identity, force)
    try:
        with aside(target, folder=True) as hidden:
            fresh = hidden / target.name
            with writing(fresh, identity, facts) as folder:
                for name, content in files.items():
                    _write(content, folder / name)
            if theirs is None:
                _give_name(fresh, target, kind, force)
            else:
                _give_files(fresh, target, (*files, PROVENANCE), logs)
    except (OSError, ResultsError):
        theirs = _held(target, kind)
        if theirs is None or theirs.get("identity") != identity:  # or a shard that began just then was faster
            raise
    return target


def _held(directory: Path, kind: str) -> dict[str, Any] | None:
    """The provenance of what is there, if it is of this kind."""
    try:
        return provenance(directory, kind)
    except ResultsError:
        return None


def _is_intact(directory: Path, facts: Mapping[str, Any]) -> bool:
    """Whether the files of a provenance are as they were written; else a warning names the first that is not."""
    try:
        need_intact(directory, facts)
    except ResultsError as error:
        warnings.warn(f"{error}; they are written again", stacklevel=4)
        return False
    return True


def _write(content: Any, path: Path) -> None:
    if isinstance(content, pd.DataFrame):
        write_table(content, path)
    else:
        write_content(content, path)


def _give_name(fresh: Path, target: Path, kind: str, force: bool) -> None:
    """Put a fresh directory in place."""
    if force and target.exists() and _held(target, kind) is None:
        shutil.rmtree(target)  # results of another kind
    fresh.rename(target)


def _give_files(fresh: Path, target: Path, names: Iterable[str], logs: str) -> None:
    """Replace files, the last of which says that the rest is there; a ResultsError where others are at work."""
    with ExitStack() as locks:
        for log in target.glob(logs):
            locks.enter_context(alone(log))
        (target / SUMMARY).unlink(missing_ok=True)
        for name in names:
            (target / name).parent.mkdir(exist_ok=True, parents=True)
            (fresh / name).replace(target / name)


@contextmanager
def alone(log: Path, instead: str = "wait for it, or name another directory") -> Iterator[None]:
    """Keep others from the runs that a file tells of; a ResultsError where a process is at work on them."""
    try:
        import fcntl
    except ModuleNotFoundError:  # only POSIX has it
        yield
        return
    with log.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ResultsError(f"{log.parent}: another process is at work on these runs; {instead}") from None
        except OSError:  # a file system that knows no locks
            pass
        yield


def summary_of(directory: Path) -> pd.DataFrame | None:
    """The summary of a sweep, if there is one; a ResultsError where it is damaged."""
    path = directory / SUMMARY
    return sealed.read(path).to_pandas() if path.exists() else None


class Store:
    """The runs of a sweep in its directory; `shard` names the log of this process."""

    def __init__(self, directory: Path, shard: str = "") -> None:
        self.directory = directory
        self.parts = directory / PARTS
        self.parts.mkdir(exist_ok=True)
        self._shard = shard
        self._log = directory / f"log{shard}.jsonl"
        self._aside = directory / f".{SUMMARY}{shard}"

    def alone(self) -> AbstractContextManager[None]:
        """Keep others from the runs of this shard; a ResultsError where a process is at work on them."""
        return alone(self._log, "wait for it, name another directory, or share them by --shard")

    def finished(self) -> set[str]:
        """The keys of the runs that are there."""
        with os.scandir(self.parts) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".parquet") and entry.name[0] != "."]
        return {name.removesuffix(".parquet") for name in names}

    def forget_damaged(self, keys: Iterable[str]) -> set[str]:
        """Remove the runs among these whose files are damaged, with a warning each, and return their keys."""
        return self._forget(keys, self._is_damaged)

    def put(self, task: Task, outcome: Outcome) -> None:
        """Keep a finished run: its file appears whole, and outlasts a loss of power."""
        row = {"key": task.key, "run": task.label, "status": outcome.status}
        numbers = {name: v if isinstance(v, str) else float(v) for name, v in outcome.measures.items()}
        aside = self.parts / f".{task.key}{self._shard}"  # the same again after a kill, so that none pile up
        part = pyarrow.Table.from_pylist([{**row, **numbers, "message": outcome.message}])
        sealed.write(part, self._path(task.key), aside, **SMALL)
        self._note(task, outcome)

    def _note(self, task: Task, outcome: Outcome) -> None:
        """What differs from time to time stands here, and nowhere in the results."""
        facts = {
            "key": task.key,
            "run": task.label,
            "seconds": round(outcome.seconds, 4),
            "status": outcome.status,
        }
        facts["date"] = datetime.now(UTC).isoformat(timespec="seconds")
        if outcome.trace:
            facts["trace"] = outcome.trace
        with naming(self._log), self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")

    def forget_failed(self, keys: Iterable[str]) -> set[str]:
        """Remove the failed runs among these, to do them again, and return their keys."""
        return self._forget(keys, lambda key: self.read([key])["status"].iloc[0] == FAILED)

    def _forget(self, keys: Iterable[str], is_meant: Callable[[str], bool]) -> set[str]:
        gone = {key for key in keys if is_meant(key)}
        for key in gone:
            self._path(key).unlink()
        return gone

    def _is_damaged(self, key: str) -> bool:
        try:
            sealed.read(self._path(key))
        except ResultsError:
            warnings.warn(f"{self._path(key)}: is damaged; its run is done again", stacklevel=5)
            return True
        return False

    def read(self, keys: Iterable[str]) -> pd.DataFrame:
        """The runs of these keys, in this order, with every column that any of them has."""
        with reading(self.directory):
            tables = [sealed.read(self._path(key)) for key in keys]
        if not tables:
            return pd.DataFrame({name: pd.Series(dtype="str") for name in ("key", "status", "message")})
        joined: pd.DataFrame = pyarrow.concat_tables(tables, promote_options="default").to_pandas()
        return joined

    def summarise(self, table: pd.DataFrame) -> None:
        """Write the summary, whole or not at all."""
        rows = pyarrow.Table.from_pandas(table, preserve_index=False)
        sealed.write(rows, self.directory / SUMMARY, self._aside, compression="zstd")

    def _path(self, key: str) -> Path:
        return self.parts / f"{key}.parquet"
