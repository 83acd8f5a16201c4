"""What a run leaves behind: tables and where they come from, in Python or as a directory of files.

A directory of results is written whole or not at all. One that exists is replaced only by a rerun of the very
same scenario, policy and seed, or by force; what is not a directory of results is never touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import isfinite, isnan
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

STATUSES = ("answered", "refused", "queue-full", "in-flight")
TABLES = ("tasks", "timeline", "devices", "links", "sources")
FACTS = ("policy", "parameters", "seed", "duration_s", "warmup_s", "n_exits", "profile", "profile_digest")
PROVENANCE = "provenance.json"
PACKAGES = ("mdisim", "numpy", "simpy", "pandas", "pyarrow", "scipy")
FORMAT = 1


class ResultsError(ValueError):
    """Results that cannot be written or read; the message says where, what is wrong and what would do."""


@dataclass(frozen=True)
class Origin:
    """The scenario of a run: its YAML as given, and resolved with every default and override; its digest."""

    name: str
    given: str
    resolved: str
    digest: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Run:
    """The tables of one run, and where they come from.

    `tasks`: one row a sample offered, in order of birth (exits count from 1; 0 where none answered; times in
    seconds since the start). `timeline`: one row per control instant and device. `devices`, `links`,
    `sources`: one row each; busy times, bytes and energy within [warmup_s, duration_s). `n_exits` is K.
    `parameters` are the policy's. `origin` is None where the world was built by hand.
    """

    tasks: pd.DataFrame
    timeline: pd.DataFrame
    devices: pd.DataFrame
    links: pd.DataFrame
    sources: pd.DataFrame
    policy: str
    parameters: Mapping[str, Any]
    seed: int
    duration_s: float
    warmup_s: float
    n_exits: int
    profile: str = ""
    profile_digest: str = ""
    origin: Origin | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        """Say what was run, and how many samples were offered."""
        name = self.origin.name if self.origin else "a world built by hand"
        return f"<Run of {self.policy} in {name}, seed {self.seed}: {len(self.tasks)} samples offered>"

    @property
    def identity(self) -> str:
        """What was asked for, as 64 hexadecimal digits; empty where the world was built by hand."""
        return identity(self.origin, self.policy, self.parameters, self.seed)

    def summary(self) -> dict[str, Any]:
        """Every measure, flat, with the unit in the key: see `mdisim.metrics.summary`."""
        from mdisim import metrics

        return metrics.summary(self)

    def save(self, directory: str | os.PathLike[str], *, command: str = "", force: bool = False) -> Path:
        """Write the run as a directory, whole or not at all, and return its path.

        Inside: a Parquet file for each table, `summary.json`, `provenance.json` (versions, seed, digests,
        policy and parameters, the `command`, the UTC date) and, of a scenario, `scenario.yaml` as given and
        `resolved.yaml`. Equal runs give equal Parquet files. A directory of the same name is replaced if it
        holds a run of the same scenario, policy, parameters and seed, or by `force`; otherwise, and where the
        name is taken by something that is no directory of results, a ResultsError says so.
        """
        facts = plain({name: getattr(self, name) for name in FACTS})
        with writing(directory, self.identity, {"kind": "run", "command": command, **facts}, force) as folder:
            for name in TABLES:
                write_table(getattr(self, name), folder / f"{name}.parquet")
            write_json(self.summary(), folder / "summary.json")
            if self.origin:
                write_origin(self.origin, folder)
        return Path(directory)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Run:
        """Read a run that `save` wrote; a ResultsError where there is none, or where it is incomplete."""
        folder = Path(directory)
        facts = provenance(folder)
        if facts.get("kind") != "run":
            raise ResultsError(f"{folder}: holds a {facts.get('kind')}, not a run; name the directory of a run")
        with _reading(folder):
            tables = {name: read_table(folder / f"{name}.parquet") for name in TABLES}
            found = facts.get("scenario")
            origin = _origin(found, folder) if found else None
            return cls(**tables, **{name: facts[name] for name in FACTS}, origin=origin)


def identity(origin: Origin | None, policy: str, parameters: Mapping[str, Any], seed: int) -> str:
    """A digest of what is asked for: scenario, policy, parameters and seed; empty without a scenario."""
    if origin is None:
        return ""
    return digest([origin.digest, policy, parameters, seed])


def digest(value: Any) -> str:
    """SHA-256 of plain data."""
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


# --- directories


def vacant(directory: str | os.PathLike[str], identity: str = "", force: bool = False) -> None:
    """Raise a ResultsError unless results of this identity may be written there."""
    path = Path(directory)
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir():
        raise ResultsError(f"{path}: is a file; name a directory that does not exist yet")
    if not any(path.iterdir()):
        return
    try:
        facts = provenance(path)
    except ResultsError as error:
        raise ResultsError(
            f"{path}: exists and is not a directory of results; name one that does not exist yet"
        ) from error
    if not force and not (identity and facts.get("identity") == identity):
        held = ", ".join(f"{key} {facts[key]}" for key in ("policy", "policies", "seed", "seeds") if key in facts)
        raise ResultsError(
            f"{path}: holds another {facts['kind']} ({held}); name another directory, or replace it with --force "
            "(in Python: force=True)"
        )


@contextmanager
def writing(
    directory: str | os.PathLike[str], identity: str, facts: Mapping[str, Any], force: bool = False
) -> Iterator[Path]:
    """A directory to fill with files; with its provenance it appears under its name when all is there.

    Raises a ResultsError where `vacant` does, and where the file system refuses; then nothing is left behind.
    """
    target = Path(os.path.abspath(directory))
    vacant(target, identity, force)
    temporary, old = (target.with_name(f".{target.name}.{token_hex(4)}") for _ in range(2))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        write_json(_provenance(identity, facts), temporary / PROVENANCE)
        if target.exists():
            target.rename(old)
        try:
            temporary.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        raise ResultsError(f"{directory}: cannot write results there ({error.strerror or error})") from error
    finally:
        for leftover in (temporary, old):
            if target.exists() or leftover is temporary:
                shutil.rmtree(leftover, ignore_errors=True)


def _provenance(identity: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    versions = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    about = {"format": FORMAT, "identity": identity, "date": datetime.now(UTC).isoformat(timespec="seconds")}
    return {**about, **facts, "versions": {"python": python_version(), **versions}}


def provenance(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """What `provenance.json` says; a ResultsError where there is none that we wrote."""
    path = Path(directory) / PROVENANCE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{directory}: no results here ({PROVENANCE} is missing or unreadable)") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise ResultsError(f"{directory}: {PROVENANCE} is not of format {FORMAT}, which this version reads")
    return facts
