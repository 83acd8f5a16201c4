"""What a run leaves behind: tables and where they come from, in Python or as a directory of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdisim.folders import (
    INPUTS,
    AnyPath,
    digest,
    need_intact,
    plain,
    provenance,
    reading,
    write_content,
    write_json,
    write_table,
    writing,
)

if TYPE_CHECKING:
    import pandas as pd

STATUSES = ("answered", "refused", "queue-full", "in-flight", "crash", "outage", "source-down")
TABLES = ("tasks", "timeline", "devices", "links", "sources", "rates", "faults")
FACTS = (
    "policy", "parameters", "seed", "duration_s", "warmup_s", "n_exits", "profile", "profile_digest", "traces",
    "oversubscribed",
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """The scenario of a run: its YAML as given, and resolved with every default and override; its digest.

    Two are equal by their digests, names, texts as given and overrides: where files lie does not count.
    `files` are those that it needs, by the name under which they are stored beside results, and `stored` is the
    resolved scenario with these names; empty where it needs none. `folder` is where results were read from.
    """

    name: str
    given: str
    resolved: str = field(compare=False)
    digest: str
    overrides: tuple[str, ...] = ()
    stored: str = field(default="", compare=False)
    files: Mapping[str, Path] = field(default_factory=dict, compare=False)
    folder: Path | None = field(default=None, compare=False)

    def facts(self) -> dict[str, Any]:
        """What goes into a provenance."""
        return {"scenario": self.name, "scenario_digest": self.digest, "overrides": list(self.overrides)}

    def write(self, folder: Path) -> None:
        """Write `scenario.yaml`, `resolved.yaml`, and the files that the latter names."""
        for name, content in self.papers().items():
            write_content(content, folder / name)

    def papers(self) -> dict[str, str | Path]:
        """What `write` writes, by name: texts, and files to be copied."""
        return {"scenario.yaml": self.given, "resolved.yaml": self.stored or self.resolved, **self.files}

    @classmethod
    def read(cls, facts: Mapping[str, Any], folder: Path) -> Origin | None:
        """Read what `write` wrote; None where the provenance knows of no scenario."""
        if "scenario" not in facts:
            return None
        given, resolved = ((folder / f"{n}.yaml").read_text(encoding="utf-8") for n in ("scenario", "resolved"))
        there = {
            str(one.relative_to(folder)): one for one in sorted((folder / INPUTS).rglob("*")) if one.is_file()
        }
        asked = facts["scenario_digest"], tuple(facts["overrides"])
        return cls(facts["scenario"], given, resolved, *asked, resolved, there, folder.resolve())


@dataclass(frozen=True, eq=False)
class Run:
    """The tables of one run, and where they come from.

    `tasks`: one row a sample offered, in order of birth (exits count from 1; 0 where none answered; times in
    seconds since the start). `timeline`: one row per control instant and device. `devices`, `links`,
    `sources`: one row each; busy times, bytes and energy within [warmup_s, duration_s). `rates`: what traces
    made of links over time, the mean rate since the row before. `faults`: what failed, from when to when.
    `n_exits` is K. `parameters` are the policy's. `traces` names the traces, with their digests. `oversubscribed`
    says whether the sources offer more on average than devices and links can answer, as
    `mdisim.bounds.oversubscribed` finds. `origin` is None where the world was built by hand. `events`, if they
    were recorded: one row a service of a stage at a device or a transmission over a link (`stage` 0 for an
    answer), with its `task`, a row number of `tasks`.
    """

    tasks: pd.DataFrame
    timeline: pd.DataFrame
    devices: pd.DataFrame
    links: pd.DataFrame
    sources: pd.DataFrame
    rates: pd.DataFrame
    faults: pd.DataFrame
    policy: str
    parameters: Mapping[str, Any]
    seed: int
    duration_s: float
    warmup_s: float
    n_exits: int
    profile: str = ""
    profile_digest: str = ""
    traces: Mapping[str, str] = field(default_factory=dict)
    oversubscribed: bool = False
    origin: Origin | None = None
    events: pd.DataFrame | None = None

    def __repr__(self) -> str:
        """Say what was run, how many samples were offered, and whether the system kept up with them."""
        from mdisim.metrics import verdict

        where = self.origin.name if self.origin else "a world built by hand"
        told = f"{len(self.tasks)} samples offered, {verdict(self)}"
        return f"<Run of {self.policy} in {where}, seed {self.seed}: {told}>"

    @property
    def identity(self) -> str:
        """What was asked for, as 64 hexadecimal digits; empty where the world was built by hand."""
        return identity(self.origin, self.policy, self.parameters, self.seed)

    def summary(self) -> dict[str, Any]:
        """Every measure, flat, with the unit in the key: see `mdisim.metrics`."""
        from mdisim import metrics

        return metrics.summary(self)

    def save(
        self,
        directory: AnyPath,
        *,
        command: str = "",
        force: bool = False,
        also: Callable[[Path], object] = lambda folder: None,
    ) -> Path:
        """Write the run as a directory, whole or not at all, and return its path.

        Inside: a Parquet file for each table, `summary.json`, `provenance.json` (versions, seed, digests,
        policy and parameters, the `command`, the UTC date) and, of a scenario, `scenario.yaml` as given and
        `resolved.yaml`. Equal runs give equal Parquet files. A directory of the same name is replaced if it
        holds a run of the same scenario, policy, parameters and seed, or by `force`; otherwise, and where the
        name is taken by something that is no directory of results, a ResultsError says so. `also` may write
        files of its own into the folder before it is put in place.
        """
        facts = {"kind": "run", "command": command, **{name: getattr(self, name) for name in FACTS}}
        facts |= self.origin.facts() if self.origin else {}
        with writing(directory, self.identity, facts, force) as folder:
            for name in TABLES:
                write_table(getattr(self, name), folder / f"{name}.parquet")
            if self.events is not None:
                write_table(self.events, folder / "events.parquet")
            also(folder)
            write_json(self.summary(), folder / "summary.json")
            if self.origin:
                self.origin.write(folder)
        return Path(directory)

    @classmethod
    def load(cls, directory: AnyPath) -> Run:
        """Read a run that `save` wrote; a ResultsError where there is none, or where it is damaged."""
        import pandas as pd

        folder = Path(directory)
        facts = provenance(folder, "run")
        with reading(folder):
            need_intact(folder, facts)
            names = [name for name in (*TABLES, "events") if name in TABLES or f"{name}.parquet" in facts["files"]]
            parts: dict[str, Any] = {n: pd.read_parquet(folder / f"{n}.parquet") for n in names}
            parts |= {name: facts[name] for name in FACTS}
            return cls(**parts, origin=Origin.read(facts, folder))


def identity(origin: Origin | None, policy: str, parameters: Mapping[str, Any], seed: int) -> str:
    """A digest of what is asked for: scenario, policy, parameters and seed; empty without a scenario."""
    return "" if origin is None else digest([origin.digest, policy, plain(parameters), seed])
