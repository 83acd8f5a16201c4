"""What a page says of a sweep, also of one that is under way."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mdisim.experiments.sweep.sweep import MEASURES, PENDING, Sweep
from mdisim.experiments.sweep.work import DONE, FAILED
from mdisim.experiments.written import stated, stated_one
from mdisim.metrics import VERDICTS
from mdisim.report.frontiers import frontier, swept
from mdisim.report.measures import words
from mdisim.report.pages.numbers import column, known, told_seeds
from mdisim.report.pages.parts import Body, Facts, Table
from mdisim.report.pages.pictures import Sketch, drawn

TABLED = (*MEASURES, "throughput_bound_share")
DRAWN = ("throughput_per_s", "latency_p95_s", "accuracy")
MOST_ROWS, MOST_MESSAGES, MOST_LINES, MOST_VALUES = 200, 10, 8, 12


def body(sweep: Sweep) -> Body:
    """Everything that the rows of a sweep tell."""
    runs = sweep.runs
    done = runs[runs["status"] == DONE]
    pictures, undrawn = drawn(_sketches(sweep, done)) if len(done) else ((), ("No run is done yet.",))
    return Body(
        f"Sweep of {runs['point'].nunique()} points: {len(done)} of {len(runs)} runs are done",
        _facts(sweep),
        (),
        tuple(_warnings(sweep)),
        _verdicts(runs),
        tuple(table for table in (_points(sweep), *_failures(sweep)) if table.rows),
        pictures,
        undrawn,
    )


def _facts(sweep: Sweep) -> Facts:
    found = [(path, _range(_axis(sweep.runs[path]), sweep.units[path])) for path in sweep.paths]
    found.append(("policies", ", ".join(map(str, sweep.runs["policy"].unique()))))
    return (*found, ("seeds", ", ".join(str(seed) for seed in sorted(sweep.runs["seed"].unique()))))


def _range(values: pd.Series[Any], unit: str) -> str:
    """The values of a path, or what they lie between."""
    different = [stated_one(value, unit) for value in values.drop_duplicates().tolist()]
    if len(different) <= MOST_VALUES or not pd.api.types.is_numeric_dtype(values):
        return ", ".join(different[:MOST_VALUES]) + (" and more" if len(different) > MOST_VALUES else "")
    low, high = (stated_one(value, unit) for value in values.agg(["min", "max"]).tolist())
    return f"{len(different)} values from {low} to {high}"


def _warnings(sweep: Sweep) -> list[str]:
    runs = sweep.runs
    failed, pending = (int((runs["status"] == status).sum()) for status in (FAILED, PENDING))
    told = []
    if failed:
        told.append(f"{failed} of {len(runs)} runs failed; --retry-failed does them again.")
    if pending:
        told.append(f"{pending} of {len(runs)} runs are not done yet; the same command goes on with them.")
    done = runs[runs["status"] == DONE]
    if "verdict" in done:
        for policy, verdicts in done.groupby("policy", sort=False)["verdict"]:
            bad = int((verdicts != "stable").sum())
            if bad:
                told.append(
                    f"{policy}: {bad} of {len(verdicts)} runs are not stable: what is measured there may depend "
                    "on how long the run is."
                )
    if len(done):
        told += told_seeds(int(done.groupby(["point", "policy"])["seed"].nunique().min()))
    return told


def _verdicts(runs: pd.DataFrame) -> Table:
    """What became of each policy's runs."""
    rows = []
    for policy, group in runs.groupby("policy", sort=False):
        states = [int((group["status"] == status).sum()) for status in (DONE, FAILED, PENDING)]
        states += [int((group["verdict"] == verdict).sum()) if "verdict" in group else 0 for verdict in VERDICTS]
        rows.append((str(policy), *map(str, states)))
    note = (
        "Counts of runs. Whether the warm-up is long enough, a comparison tells; a sweep keeps nothing over time."
    )
    return Table("What became of the runs", ("policy", DONE, FAILED, PENDING, *VERDICTS), tuple(rows), note)


def _points(sweep: Sweep) -> Table:
    """Means by point and policy, with the worst verdict over the seeds."""
    measures = known(sweep.runs, TABLED)
    table = sweep.table(measures)
    columns = [column(name, table[name].tolist(), table[f"{name}_high"].tolist()) for name in measures]
    points = [stated(table[path].tolist(), sweep.units[path]) for path in sweep.paths]
    others = [table["policy"].astype(str), table["seeds"].astype(str)]
    worst = table["verdict"].fillna("–").astype(str)
    rows = tuple(
        zip(*(texts for _, texts in points), *others, *(cells for _, cells in columns), worst, strict=True)
    )
    moved = (f"{path} ({unit})" if unit else path for path, (unit, _) in zip(sweep.paths, points, strict=True))
    heads = (*moved, "policy", "seeds", *(str(head) for head, _ in columns), "verdict")
    more = len(rows) - MOST_ROWS
    note = "Means over seeds ± half of the 95 % interval." + (
        f" The first {MOST_ROWS} of {len(rows)} rows; summary.parquet has all." if more > 0 else ""
    )
    return Table("Measures", heads, rows[:MOST_ROWS], note, words=len(sweep.paths) + 1)


def _failures(sweep: Sweep) -> list[Table]:
    if sweep.failures.empty:
        return []
    counts = sweep.failures["message"].value_counts().head(MOST_MESSAGES)
    rows = tuple((str(message), str(n)) for message, n in counts.items())
    return [Table("Failures", ("message", "runs"), rows)]


# --- figures


def _sketches(sweep: Sweep, done: pd.DataFrame) -> list[Sketch]:
    there = known(done, DRAWN)
    called = {path: sweep.head(path) for path in sweep.paths}
    path, rows, note = lined(done.rename(columns=called), tuple(called.values()), tuple(sweep.units.values()))
    found = []
    if path is not None:
        found = [_swept(rows, path, measure, note) for measure in there]
    x, y = "throughput_per_s", "accuracy"
    if {x, y} <= set(there) and (path is not None or rows["point"].nunique() == 1):
        title = f"{words(y).capitalize()} against {words(x)}"
        alt = f"{title}: a line a policy through its points; the numbers are in the table of measures."
        found.append(Sketch(title, alt, lambda ax: frontier(rows, x, y, point=path, ax=ax), note))
    return found


def _swept(rows: pd.DataFrame, path: str, measure: str, note: str) -> Sketch:
    title = f"{words(measure).capitalize()} over {words(path)}"
    alt = f"{title}: a line a policy, with 95 % bands; the numbers are in the table of measures."
    return Sketch(title, alt, lambda ax: swept(rows, path, measure, ax=ax), note)


def lined(
    done: pd.DataFrame, paths: tuple[str, ...], units: tuple[str, ...] = ()
) -> tuple[str | None, pd.DataFrame, str]:
    """The path that lines go along, the rows of which they are made, and what is to be said of them.

    It is the first path, or the first along which each policy has one point only. Where there is none such, the
    values of the other paths tell lines apart; if these are too many, those of the first point alone are left.
    """
    if not paths:
        return None, done, ""
    rows = done.assign(**{path: _axis(done[path]) for path in paths})
    single = (path for path in paths if not rows.duplicated(["policy", path, "seed"]).any())
    path = next(single, paths[0])
    if not rows.duplicated(["policy", path, "seed"]).any():
        return path, rows, ""
    others = [other for other in paths if other != path]
    unit = dict(zip(paths, units, strict=False))
    parts = [
        [
            f"{o.removesuffix(f' ({unit.get(o)})')} {stated_one(value, unit.get(o, ''))}"
            for value in rows[o].tolist()
        ]
        for o in others
    ]
    where = pd.Series([", ".join(texts) for texts in zip(*parts, strict=True)], index=rows.index)
    named = rows["policy"].astype(str) + ", " + where
    if named.nunique() <= MOST_LINES:
        return path, rows.assign(policy=named), ""
    return path, rows[where == where.iloc[0]], f"Only the points with {where.iloc[0]} are drawn."


def _axis(values: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers as they are, all else as text."""
    return values if pd.api.types.is_numeric_dtype(values) else values.map(str)
