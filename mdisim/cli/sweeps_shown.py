"""What the commands of many runs tell: how far they are meanwhile, and tables at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from mdisim.cli.output import as_json, bar, height, is_watched, say, show, table
from mdisim.experiments.written import VERDICT, numeric, quantity, stated, stated_one

if TYPE_CHECKING:
    import pandas as pd

    from mdisim.experiments.judging import Judged
    from mdisim.experiments.search import Search
    from mdisim.experiments.sweep.forecast import Forecast
    from mdisim.experiments.sweep.plan import Plan
    from mdisim.experiments.sweep.sweep import Sweep, Tally
    from mdisim.experiments.trials import Trial
    from mdisim.experiments.tune import Tuning

CHECKING = "points checked"
EVERY_S = 30.0  # between lines of progress where nobody looks on
FIRST_POINTS = 10  # of a design, as --dry-run shows them
AROUND = 11  # lines of the screen beside the rows: the table's head, what failed, where it was written
FEWEST_ROWS = 5  # printed on whatever screen
MOST_MESSAGES = 5  # printed


@contextmanager
def tallies(what: str) -> Iterator[Callable[[Tally], None]]:
    """A bar with rate and remaining time where somebody looks on; else a line now and then on stderr.

    The first line comes at once.
    """
    if not is_watched():
        say(f"{what}: begins", err=True)
        yield _Lines(what)
        return
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn

    with bar(what, MofNCompleteColumn(), TimeRemainingColumn()) as update:
        pace = Pace()

        def told(tally: Tally) -> None:
            note = CHECKING if tally.checking else pace.note(tally)
            update(total=tally.total, completed=tally.done, note=note)

        yield told


class Pace:
    """How fast runs end, from the first that this process was told of."""

    def __init__(self) -> None:
        self._began: float | None = None

    def per_s(self, tally: Tally) -> float:
        """Runs per second since the beginning."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        return (tally.done - tally.before) / max(now - self._began, 1e-9)

    def note(self, tally: Tally) -> str:
        """The rate, and what failed or was there before."""
        failed = [f"{tally.failed} failed"] if tally.failed else []
        before = [f"{tally.before} from before"] if tally.before else []
        return ", ".join([f"{self.per_s(tally):.3g} runs/s", *failed, *before])


class _Lines:
    """Says how much there is to do, how far it is at most every half minute, and its end."""

    def __init__(self, what: str) -> None:
        self._what, self._pace, self._said = what, Pace(), time.monotonic()
        self._stages: set[bool] = set()  # checking, and running: what has been announced

    def __call__(self, tally: Tally) -> None:
        if tally.checking not in self._stages:
            self._stages.add(tally.checking)
            before = f", {tally.before} from before" if tally.before else ""
            todo = f"checks {tally.total} points" if tally.checking else f"{tally.total} runs{before}"
            say(f"{self._what}: {todo}", err=True)
        if tally.checking and time.monotonic() - self._said >= EVERY_S:
            self._said = time.monotonic()
            say(f"{self._what}: {tally.done} of {tally.total} {CHECKING}", err=True)
        if tally.checking:
            return
        per_s, now = self._pace.per_s(tally), time.monotonic()
        if now - self._said < EVERY_S and not (tally.done == tally.total > tally.before):
            return
        self._said = now
        left_s = (tally.total - tally.done) / per_s if per_s else float("nan")
        left = f", {left_s:.0f} s left" if left_s > 0 else ""
        say(f"{self._what}: {tally.done} of {tally.total}, {self._pace.note(tally)}{left}", err=True)


@contextmanager
def told_lines(what: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
    """A line that changes where somebody looks on; else one line after another on stderr."""
    if not is_watched():
        yield lambda line: say(line, err=True)
        return
    with bar(what, total=total) as update:
        yield lambda line: update(note=line, advance=1)


def judged_line(one: Judged) -> str:
    """A rate and what became of it."""
    sure = "" if one.decided else " (by its mean)"
    return f"{stated_one(one.rate_per_s, '/s')}: {'met' if one.met else 'missed'}{sure}, {len(one.runs)} seeds"


def trial_line(number: int, trial: Trial) -> str:
    """A trial's parameters and score."""
    values = ", ".join(f"{k} {stated_one(v)}" for k, v in trial.parameters.items())
    return f"trial {number}: {values}: {trial.message or format(trial.score, '.4g')}"


# --- at the end


def search_report(found: Search, scenario: str) -> None:
    """Print the largest rate with its bracket, then every rate that was tried."""
    show(f"{found.policy} in {scenario}: {' and '.join(map(str, found.targets))}")
    rate, low, high = (stated_one(v, "/s") for v in (found.rate_per_s, found.low_per_s, found.high_per_s))
    largest = f"largest rate {rate}" if isfinite(found.rate_per_s) else "no rate meets the targets"
    above, below = isfinite(found.low_per_s), isfinite(found.high_per_s)
    bracket = f", between {low} and {high}" if above and below else f", above {low}" if above else ""
    bracket = bracket or (f", below {high}" if below else "")
    show(f"{largest}{bracket} ({len(found.runs)} runs)")
    measures = list(dict.fromkeys(target.measure for target in found.targets))
    rows = [
        {
            "rate": stated_one(row["rate_per_s"], "/s"),
            "seeds": row["seeds"],
            "stable": f"{100 * row['stable_share']:.0f} %",
            "verdict": row["verdict"],
        }
        | {m: quantity(m, row[m], row[f"{m}_high"] - row[m]) for m in measures}
        | {"met": ("yes" if row["met"] else "no") + ("" if row["decided"] else ", by its mean")}
        for row in found.points.sort_values("rate_per_s").to_dict("records")
    ]
    table(rows)


def forecast_report(plan: Plan, expected: Forecast, *, wants_json: bool) -> None:
    """Print how many runs there are, about how long they take, and the first points."""
    points = plan.table.drop_duplicates("point")[[*plan.paths]]
    first = points.head(FIRST_POINTS)
    if wants_json:
        facts = {**asdict(expected), "seconds": expected.seconds, "points": len(points)}
        as_json(facts | {"first_points": first.to_dict("records")})
        return
    policies, seeds = (plan.table[name].nunique() for name in ("policy", "seed"))
    before = f", of them from before: {expected.before}" if expected.before else ""
    show(f"runs: {expected.runs}{before}; points: {len(points)}; policies: {policies}; seeds: {seeds}")
    if expected.run_s is not None:
        together = f"{_duration(expected.seconds)} on {expected.jobs} processes, " if expected.seconds else ""
        show(f"about {together}{_duration(expected.run_s)} a run, without the start of processes")
    columns = _columns(first, plan.units)
    table([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
    if len(points) > len(first):
        show(f"the first {len(first)} of {len(points)} points")
    show("nothing was written")


def _duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 100.0:
        return stated_one(float(f"{seconds:.2g}"), "s")
    return f"{seconds / 60.0:.0f} min" if seconds < 6000.0 else f"{seconds / 3600.0:.1f} h"


def _columns(points: pd.DataFrame, units: Mapping[str, str]) -> dict[str, list[str]]:
    """The values of each path, below its name and unit."""
    columns = {}
    for path in units:
        unit, texts = stated(points[path].tolist(), units[path])
        columns[f"{path} ({unit})" if unit else path] = texts
    return columns


def sweep_report(done: Sweep, measures: Sequence[str], directory: Path) -> None:
    """Print means with intervals by point and policy, then what failed."""
    shown = numeric(measures)
    every = done.table(shown)
    first = every.head(max(height() - AROUND, FEWEST_ROWS))
    points = _columns(first, done.units)
    rows = [
        {**{head: texts[i] for head, texts in points.items()}, "policy": row["policy"], "seeds": row["seeds"]}
        | {m: quantity(m, row[m], row[f"{m}_high"] - row[m]) for m in shown}
        | {VERDICT: row[VERDICT] if isinstance(row[VERDICT], str) else "-"}
        for i, row in enumerate(first.to_dict("records"))
    ]
    if rows:
        table(rows, "means over seeds ± half of the 95 % interval")
    if len(every) > len(rows):
        show(
            f"the first {len(rows)} of {len(every)} rows; for all: mdisim report {directory}, or --json, or "
            "summary.parquet there"
        )
    counts = done.runs["status"].value_counts()
    show(f"{len(done.runs)} runs: {', '.join(f'{n} {status}' for status, n in counts.items())}")
    for message, n in done.failures["message"].value_counts().head(MOST_MESSAGES).items():
        say(f"failed {n} times: {message}", err=True)
    show(f"written to {directory}")


SCORED = {"training": "training", "reseeded": "calibration half, fresh seeds", "fresh": "test half, fresh seeds"}


def tuning_report(done: Tuning) -> None:
    """Print the best parameters, and how they score where they were found and where they were not."""
    aim = done.aim
    goal = " and ".join([f"{'minimise' if aim.minimise else 'maximise'} {aim.measure}", *map(str, aim.targets)])
    show(f"{done.policy}: {goal}, {len(done.trials)} trials")
    show("best: " + (", ".join(f"{k} {stated_one(v)}" for k, v in done.best.items()) or "as stated"))
    rows = [
        {"parameters": row["parameters"]}
        | {
            told: quantity(aim.measure, row[phase], row[f"{phase}_high"] - row[phase])
            + (" (misses a target)" if row[f"{phase}_meets"] is False else "")
            for phase, told in SCORED.items()
        }
        for row in done.scores.to_dict("records")
    ]
    table(rows, "means ± half of the 95 % interval; the difference in pairs")
    mean, _, high = map(float, done.optimism)
    told = quantity(aim.measure, mean, high - mean)
    show(f"the samples that it was chosen on flatter the best, beside the stated, by {told}")
    show(f"the training seeds flatter it by {quantity(aim.measure, done.seed_luck)}")
    if done.directory is not None:
        show(f"written to {done.directory}")
