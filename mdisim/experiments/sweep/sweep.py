"""The face of sweeps: `sweep` runs what is missing of a design, `Sweep` is what it left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from mdisim import metrics
from mdisim.experiments.executors import Engine, Where, engine
from mdisim.experiments.prepare import ExperimentError, counted, origin_of
from mdisim.experiments.sweep.crew import GIVEN_UP, Perform, outcomes
from mdisim.experiments.sweep.design import Design
from mdisim.experiments.sweep.plan import Plan, Recipes, lay_out
from mdisim.experiments.sweep.store import PLAN, RUNS, SUMMARY, Store, found, summary_of
from mdisim.experiments.sweep.work import DONE, FAILED, perform
from mdisim.experiments.written import VERDICT, numeric
from mdisim.folders import AnyPath, need_intact, plain, provenance, reading
from mdisim.scenario import Scenario
from mdisim.statistics import t_interval
from mdisim.world import World

PENDING = "pending"
MEASURES = ("throughput_per_s", "latency_mean_s", "latency_p95_s", "accuracy")


@dataclass(frozen=True)
class Tally:
    """How far a sweep is: runs by what became of them, of `total`; `before` were finished when it began.

    With `checking`, the numbers are those of points that are looked at before anything runs.
    """

    total: int
    done: int = 0
    failed: int = 0
    before: int = 0
    checking: bool = False


def no_tally(_: Tally) -> None:
    """Report no progress."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep left behind.

    `runs`: one row a run: point, a column for each path (quantities in SI units), policy, seed, status (done,
    failed or, of a sweep that is not at its end, pending), every measure of a run's summary, message, key.
    `units` has the unit of each of the points' columns, "" where it has none. `directory` is None where nothing
    was kept.
    """

    runs: pd.DataFrame
    units: Mapping[str, str]
    directory: Path | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The names of the points' columns."""
        return tuple(self.units)

    def head(self, path: str) -> str:
        """A path with its unit, as tables and figures call it."""
        return f"{path} ({self.units[path]})" if self.units.get(path) else path

    def __repr__(self) -> str:
        """Say how many runs there are, and what became of them."""
        counts = self.runs["status"].value_counts().to_dict()
        return f"<Sweep of {len(self.runs)} runs: {', '.join(f'{n} {status}' for status, n in counts.items())}>"

    @property
    def failures(self) -> pd.DataFrame:
        """The rows of the runs that failed."""
        return self.runs[self.runs["status"] == FAILED]

    def table(self, measures: str | Sequence[str] = MEASURES) -> pd.DataFrame:
        """Means over seeds, with 95 % Student t intervals.

        One row per point and policy: the columns of the paths, `policy`, `seeds` (how many runs are done), for
        each measure its mean, `MEASURE_low` and `MEASURE_high`, in the measure's unit, and the worst `verdict`
        over the seeds; NaN where a measure is NaN for one of the seeds or no run is done, and the interval where
        there is one seed. Raises an ExperimentError for an unknown measure, once there is a run that is done.
        """
        wanted = numeric([measures] if isinstance(measures, str) else measures)
        for name in wanted if (self.runs["status"] == DONE).any() else ():
            if name not in self.runs or not pd.api.types.is_float_dtype(self.runs[name]):
                known = [str(c) for c in self.runs if pd.api.types.is_float_dtype(self.runs[c])]
                raise ExperimentError(
                    f"no measure {name!r}; there are {', '.join(c for c in known if c not in self.paths)}"
                )
        rows = []
        for _, group in self.runs.groupby(["point", "policy"], sort=False):
            row: dict[str, Any] = {name: group[name].iloc[0] for name in (*self.paths, "policy")}
            ran = group[group["status"] == DONE]
            row["seeds"] = len(ran)
            for name in wanted:
                found = t_interval(ran[name]) if len(ran) else (nan, nan, nan)
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, found), strict=True))
            row[VERDICT] = metrics.worst(ran[VERDICT]) if len(ran) else None
            rows.append(row)
        return pd.DataFrame(rows)

    def records(self, measures: str | Sequence[str] = MEASURES) -> list[dict[str, Any]]:
        """The table as plain data, one mapping per point and policy."""
        return [dict(plain(row)) for row in self.table(measures).to_dict("records")]

    @classmethod
    def load(cls, directory: AnyPath) -> Sweep:
        """Read a sweep, also one that is under way or was stopped; a ResultsError where it is none or damaged."""
        folder = Path(directory)
        facts = provenance(folder, "sweep")
        with reading(folder):
            need_intact(folder, facts)
            runs = summary_of(folder)
            if runs is None:
                runs = _joined(pd.read_parquet(folder / PLAN), Store(folder))
            return cls(runs, facts["paths"], folder)


def sweep(
    scenario: Scenario | AnyPath,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    zip: Mapping[str, Sequence[Any]] | None = None,
    random: Mapping[str, Any] | None = None,
    latin: Mapping[str, Any] | None = None,
    points: int | None = None,
    design_seed: int = 0,
    policies: Recipes | None = None,
    seeds: int | Iterable[int] = 5,
    out: AnyPath | None = None,
    jobs: int | None = None,
    backend: str = "local",
    address: str | None = None,
    shard: tuple[int, int] | str | None = None,
    keep_runs: bool = False,
    retry_failed: bool = False,
    force: bool = False,
    command: str = "",
    progress: Callable[[Tally], None] = no_tally,
) -> Sweep:
    """Run a scenario at many points, with policies and seeds, and go on where an earlier call was stopped.

    Parameters
    ----------
    scenario
        A Scenario, or the path of a scenario file.
    grid, zip
        Values by dotted path, such as `{"network.link.rate": ["10 Mbps", "20 Mbps"]}`: those of a grid are
        crossed, those of a zip move together. What --set takes would do as a path and as a value.
    random, latin
        Bounds by dotted path: (low, high), which "log" and "int" may follow, or a text such as "0.3:0.95:log".
        `points` are drawn, independently or as a Latin hypercube, from `design_seed`.
    policies
        What `compare` takes, but laid-out Policies. If left out, the scenario's `compare`, or else its own policy,
        which is also meant where `policy.name` is a path of the design. Paths that begin with policy. reach every
        one of them that has the parameter.
    seeds
        How many, counted from 0, or which. Every point and policy meets the same work at the same seed.
    out
        The directory to keep results in, and to go on in; none if left out.
    jobs, backend, address
        See `mdisim.experiments.executors.Where`: local (all cores of this machine by default) or dask.
    shard
        (i, n) or 'i/n', i from 0 to n - 1: do only every nth run. The shard that finishes last writes the summary.
    keep_runs
        Write every run's tables, too, below `out/runs`; workers must see that directory.
    retry_failed
        Do the failed runs of an earlier call again.
    force
        Go on in a directory that holds another sweep; the runs that both have in common are kept.
    progress
        Called with a Tally after each run.

    Raises
    ------
    ExperimentError, ScenarioError, ResultsError
        What is asked for cannot be run: every fault of the design at once, before anything runs.
    """
    given = scenario if isinstance(scenario, Scenario) else _loaded(scenario)
    design = Design(_plain(grid), _plain(zip), _plain(random), _plain(latin), points, design_seed)
    where, part = Where(backend, jobs, address), shard_of(shard)
    plan = lay_out(
        given, design, policies, counted(seeds), lambda done, total: progress(Tally(total, done, checking=True))
    )
    return sweep_on(plan, where, out, part, keep_runs, retry_failed, force, command, progress)


def sweep_on(
    plan: Plan,
    where: Where,
    out: AnyPath | None = None,
    shard: tuple[int, int] = (0, 1),
    keep_runs: bool = False,
    retry_failed: bool = False,
    force: bool = False,
    command: str = "",
    progress: Callable[[Tally], None] = no_tally,
) -> Sweep:
    """Run what is missing of a plan that is laid out already."""
    if out is None and (shard != (0, 1) or keep_runs):
        raise ExperimentError("shards, and runs that are kept, need a directory; out (--out) would do")
    with TemporaryDirectory() as scratch:
        store = begin(plan, out or Path(scratch) / "sweep", shard, force, command)
        with store.alone():
            with engine(where) as opened:
                fill(store, plan, shard, opened, keep_runs, retry_failed, progress)
            return Sweep(finish(store, plan), plan.units, None if out is None else Path(out))


def begin(
    plan: Plan, out: AnyPath, shard: tuple[int, int] = (0, 1), force: bool = False, command: str = ""
) -> Store:
    """Open the directory of a sweep, or make it with its provenance, its plan and its scenario."""
    origin = origin_of(plan.scenario)
    facts = {
        "kind": "sweep",
        "command": command,
        "paths": dict(plan.units),
        "rows": len(plan.table),
        **origin.facts(),
    }
    files = {PLAN: plan.table, **origin.papers(), **_swept_files(plan)}
    folder = found(out, plan.identity, facts, files, "log*.jsonl", force)
    return Store(folder, "" if shard[1] == 1 else f"-{shard[0]}-of-{shard[1]}")


def _swept_files(plan: Plan) -> dict[str, Path]:
    """The files that values of the paths name, such as traces, by the name under which they are stored."""
    values = (value for path in plan.paths for value in plan.table[path].unique() if isinstance(value, str))
    return dict(found for value in values if (found := plan.scenario.file(value)) is not None)


def fill(
    store: Store,
    plan: Plan,
    shard: tuple[int, int],
    opened: Engine,
    keep_runs: bool = False,
    retry_failed: bool = False,
    progress: Callable[[Tally], None] = no_tally,
    work: Perform = perform,
) -> None:
    """Do those runs of a shard that are not in the store; with `keep_runs` also those whose tables are not."""
    mine = list(plan.tasks)[shard[0] :: shard[1]]
    there = store.finished().intersection(mine)
    there -= store.forget_damaged(there)
    if retry_failed:
        there -= store.forget_failed(there)
    if keep_runs:
        there -= {key for key in there if not (store.directory / RUNS / key).exists()}
    failed = 0
    progress(Tally(len(mine), len(there), 0, len(there)))
    missing = [plan.tasks[key] for key in mine if key not in there]
    if missing:
        (store.directory / SUMMARY).unlink(missing_ok=True)  # it tells of a sweep that was complete
    if keep_runs:
        missing = [replace(task, keep=store.directory / RUNS / task.key) for task in missing]
    for n, (task, ran) in enumerate(outcomes(missing, opened, work), len(there) + 1):
        outcome = ran or GIVEN_UP
        store.put(task, outcome)
        failed += outcome.status == FAILED
        progress(Tally(len(mine), n, failed, len(there)))


def finish(store: Store, plan: Plan) -> pd.DataFrame:
    """Join what there is to the plan, and write the summary if nothing is missing."""
    runs = _joined(plan.table, store)
    if not (runs["status"] == PENDING).any():
        store.summarise(runs)
    return runs


def _joined(table: pd.DataFrame, store: Store) -> pd.DataFrame:
    """The rows of a plan with what came of them; measures stand between status and message, the key last."""
    there = store.finished()
    parts = store.read([key for key in dict.fromkeys(table["key"]) if key in there]).drop(
        columns="run", errors="ignore"
    )
    runs = table.merge(parts, on="key", how="left", validate="many_to_one")
    runs["status"] = runs["status"].fillna(PENDING)
    last = [name for name in ("message", "key") if name in runs]
    return runs[[name for name in runs if name not in last] + last]


def shard_of(given: tuple[int, int] | str | None) -> tuple[int, int]:
    """Read a shard, such as 3/50; all of it if None."""
    if given is None:
        return 0, 1
    try:
        i, n = (int(x) for x in (given.split("/") if isinstance(given, str) else given))
    except (TypeError, ValueError):
        i, n = -1, 0
    if not 0 <= i < n:
        raise ExperimentError(f"shard {given} is not i/n with i from 0 to n - 1; 0/50 to 49/50 would do")
    return i, n


def _loaded(given: Any) -> Scenario:
    if isinstance(given, World):
        raise ExperimentError("a world built by hand has no paths to sweep over; a Scenario would do")
    return Scenario.load(given)


def _plain(part: Mapping[str, Any] | None) -> dict[str, Any]:
    """Paths and values in Python's own types; arrays become lists."""
    return {path: values if isinstance(values, str) else plain(values) for path, values in (part or {}).items()}
