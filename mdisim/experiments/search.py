"""The largest rate at which a policy still meets its targets: bisection, with more seeds where it is close.

At each rate, seeds are added until the confidence intervals of the measures lie on one side of their bounds, or
are as narrow as the stated indifference, or there are no more seeds to be had. Intervals are corrected for every
look at them (Bonferroni). A rate is sustainable only if the system keeps up: `mdisim.metrics.verdict` is stable in
nine of ten runs. That a larger rate is no easier is taken for granted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, nan
from pathlib import Path
from typing import Any

import pandas as pd

from mdisim import metrics
from mdisim.experiments.executors import Engine, Where, engine
from mdisim.experiments.prepare import AnyScenario, ExperimentError, Ground
from mdisim.experiments.sweep.crew import measured
from mdisim.experiments.sweep.plan import AnyRecipe, cell_of, key_of, stem_of
from mdisim.experiments.sweep.work import Task
from mdisim.experiments.targets import Target, Verdict, targets_of
from mdisim.folders import AnyPath, digest, plain, write_json, write_table, writing
from mdisim.results import Origin
from mdisim.scenario import Scenario
from mdisim.scenario.roster import roster_of
from mdisim.scenario.units import RATE, text
from mdisim.statistics import CONFIDENCE, Interval, t_interval

STABLE = 0.9  # of the runs at a rate
DOUBLINGS = 10  # of the first rate, up or down, before giving up
HALVINGS = 3  # of the gap between what is decided and what is open
DIGITS = 6  # of a rate


@dataclass(frozen=True)
class Care:
    """How carefully a rate is judged.

    Seeds come in batches of `batch`, at most `most` of them, and the same for every rate. `tolerance`: how wide
    the bracket may be at the end, as a share of the rate. `indifference`: the width of an interval to either side,
    as a share of the bound, at which a rate that is still open is as good as the bound itself.
    """

    batch: int = 5
    most: int = 40
    tolerance: float = 0.01
    indifference: float = 0.005
    confidence: float = CONFIDENCE

    def __post_init__(self) -> None:
        """Refuse what leads nowhere."""
        if not 2 <= self.batch <= self.most:
            raise ExperimentError(f"{self.batch} seeds at a time of {self.most}: from 2 to {self.most} would do")
        if not 0 < self.tolerance < 1 or not 0 <= self.indifference < 1 or not 0 < self.confidence < 1:
            raise ExperimentError(
                "tolerance, indifference and confidence are shares; 0.01, 0.005 and 0.95 would do"
            )


@dataclass(frozen=True)
class Judged:
    """A rate and what became of it: `met` as far as we know, and whether the runs have `decided` it."""

    rate_per_s: float
    met: bool
    decided: bool
    stable_share: float
    intervals: tuple[Interval, ...]
    runs: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Search:
    """The largest rate found to meet the targets, and how it was found.

    `rate_per_s`: NaN if even the smallest rate misses them. The true one lies between `low_per_s`, the largest
    rate that was decided to meet them, and `high_per_s`, the smallest that was decided to miss them (each with the
    confidence asked for; NaN where there is none). `points`: one row a rate: how many seeds, met, decided,
    stable_share, and for each measure its mean, _low and _high. `runs`: one row a run.
    """

    policy: str
    targets: tuple[Target, ...]
    points: pd.DataFrame
    runs: pd.DataFrame
    origin: Origin = field(repr=False)
    identity: str = field(repr=False)

    @property
    def rate_per_s(self) -> float:
        """The largest rate that met the targets, below the smallest that did not."""
        met = self.points.loc[self.points["met"] & (self.points["rate_per_s"] < self._missed()), "rate_per_s"]
        return float(met.max()) if len(met) else nan

    @property
    def low_per_s(self) -> float:
        """The largest rate that was decided to meet the targets."""
        sure = self.points["met"] & self.points["decided"] & (self.points["rate_per_s"] < self._missed())
        return float(self.points.loc[sure, "rate_per_s"].max())

    @property
    def high_per_s(self) -> float:
        """The smallest rate that was decided to miss a target."""
        return float(self.points.loc[~self.points["met"] & self.points["decided"], "rate_per_s"].min())

    def _missed(self) -> float:
        missed = self.points.loc[~self.points["met"], "rate_per_s"]
        return float(missed.min()) if len(missed) else float("inf")

    def records(self) -> list[dict[str, Any]]:
        """What was found, and every rate that was tried, as plain data."""
        return [dict(plain(row)) for row in self.points.sort_values("rate_per_s").to_dict("records")]

    def facts(self) -> dict[str, Any]:
        """What was found, as plain data."""
        return {
            "policy": self.policy,
            "targets": [str(target) for target in self.targets],
            "rate_per_s": self.rate_per_s,
            "low_per_s": self.low_per_s,
            "high_per_s": self.high_per_s,
            "runs": len(self.runs),
        }

    def save(self, directory: AnyPath, *, command: str = "", force: bool = False) -> Path:
        """Write `search.json`, `points.parquet`, `runs.parquet` and the scenario as a directory, whole or not."""
        facts = {"kind": "search", "command": command, **self.facts(), **self.origin.facts()}
        with writing(directory, self.identity, facts, force) as folder:
            write_json(self.facts() | {"points": self.records()}, folder / "search.json")
            write_table(self.points, folder / "points.parquet")
            write_table(self.runs, folder / "runs.parquet")
            self.origin.write(folder)
        return Path(directory)


def search_rate(
    scenario: AnyScenario,
    policy: AnyRecipe | None = None,
    target: str | Iterable[str] = (),
    *,
    care: Care | None = None,
    start_per_s: float | None = None,
    jobs: int | None = None,
    backend: str = "local",
    address: str | None = None,
    progress: Callable[[Judged], None] = lambda judged: None,
) -> Search:
    """Find the largest rate of arrivals at which a policy meets its targets and the system stays stable.

    Parameters
    ----------
    scenario
        A Scenario or the path of a scenario file, whose sources have rates (poisson, constant or on-off). They are
        scaled together; the rate searched for is the sum of what they state.
    policy
        A name, a mapping of a name and parameters, or a recipe; the scenario's own if left out.
    target
        One or several, such as 'latency_p95_s <= 200 ms' or 'accuracy >= 0.9'; all are to be met.
    care
        How carefully: see `Care`.
    start_per_s
        The rate to begin with; the scenario's if left out. It is doubled or halved until the answer is in between.
    jobs, backend, address
        See `mdisim.experiments.executors.Where`.
    progress
        Called with every rate that has been judged.

    Raises
    ------
    ScenarioError, ExperimentError
        What is asked for cannot be run.
    RunError
        A run failed.
    """
    ground = Ground.of(scenario)
    if ground.scenario is None or ground.origin is None:
        raise ExperimentError("a world built by hand has no rate to set; a Scenario would do")
    wanted = targets_of(target, metrics.names(ground.world.n_exits))
    rates = Rates.of(ground.scenario)
    called = ground.policy(policy).name
    judge = _Judge(ground.scenario, policy, wanted, rates, care or Care())
    with engine(Where(backend, jobs, address)) as opened:
        judged = _bisect(lambda rate: judge(rate, opened), start_per_s or rates.total_per_s, judge.care, progress)
    points = pd.DataFrame([_row(one, wanted) for one in judged])
    runs = pd.concat([one.runs for one in judged], ignore_index=True)
    asked = question(ground.scenario, policy, target, judge.care, start_per_s)
    return Search(called, wanted, points, runs, ground.origin, asked)


def question(
    scenario: Scenario,
    policy: AnyRecipe | None,
    target: str | Iterable[str],
    care: Care,
    start_per_s: float | None,
) -> str:
    """What is asked of a search, as 64 hexadecimal digits."""
    targets = [target] if isinstance(target, str) else list(target)
    return digest(["search", scenario.digest, plain(policy), targets, plain(care), start_per_s])


@dataclass(frozen=True)
class Rates:
    """What the sources of a scenario state, per second, and at how many devices each stands."""

    stated: Mapping[int, float]
    counts: Mapping[int, int]

    @classmethod
    def of(cls, scenario: Scenario) -> Rates:
        """Read the rates of a scenario; an ExperimentError where there are none."""
        there = roster_of(scenario.spec)
        sources = list(enumerate(scenario.spec.workload))
        stated = {i: float(source.arrivals.rate) for i, source in sources if hasattr(source.arrivals, "rate")}
        if not stated:
            kinds = ", ".join(dict.fromkeys(source.arrivals.kind for _, source in sources))
            raise ExperimentError(
                f"no source has a rate to search: arrivals are {kinds}; poisson or constant would do"
            )
        return cls(stated, {i: len(there.members(scenario.spec.workload[i].at)) for i in stated})

    @property
    def total_per_s(self) -> float:
        """What all of them state together."""
        return sum(rate * self.counts[i] for i, rate in self.stated.items())

    def overrides(self, total_per_s: float) -> dict[str, str]:
        """What to set so that they state this together."""
        factor = total_per_s / self.total_per_s
        return {f"workload.{i}.arrivals.rate": text(rate * factor, RATE) for i, rate in self.stated.items()}


@dataclass(frozen=True)
class _Judge:
    """Judges a rate: runs it with more and more seeds, until it knows or may not know better."""

    scenario: Scenario
    policy: AnyRecipe | None
    targets: tuple[Target, ...]
    rates: Rates
    care: Care

    def __call__(self, rate_per_s: float, opened: Engine) -> Judged:
        grown = self.scenario.with_overrides(self.rates.overrides(rate_per_s))
        recipe = grown.recipe(self.policy) if isinstance(self.policy, str | Mapping | None) else self.policy
        cell = cell_of(grown, recipe, stem_of(self.scenario, grown))
        rows: list[dict[str, Any]] = []
        while True:
            seeds = range(len(rows), min(len(rows) + self.care.batch, self.care.most))
            tasks = [Task(key_of(cell, s), cell, s, f"{rate_per_s:g}/s, seed {s}") for s in seeds]
            ran = measured(tasks, opened)
            rows += [{"rate_per_s": rate_per_s, "seed": s} | one for s, one in zip(seeds, ran, strict=True)]
            runs = pd.DataFrame(rows)
            verdict, intervals = self._verdict(runs)
            if verdict != "open" or len(rows) == self.care.most or self._indifferent(intervals):
                return self._judged(rate_per_s, verdict, intervals, runs)

    def _verdict(self, runs: pd.DataFrame) -> tuple[Verdict, tuple[Interval, ...]]:
        looks = ceil(self.care.most / self.care.batch) * len(self.targets)
        sure = self.care.confidence
        intervals = tuple(t_interval(runs[t.measure], confidence=sure, of=looks) for t in self.targets)
        found = {t.verdict(interval) for t, interval in zip(self.targets, intervals, strict=True)}
        unstable = int((runs["verdict"] != "stable").sum())
        if "missed" in found or self.care.most - unstable < STABLE * self.care.most:
            return "missed", intervals
        kept_up = len(runs) - unstable >= STABLE * len(runs)
        return ("met" if found == {"met"} and kept_up else "open"), intervals

    def _indifferent(self, intervals: tuple[Interval, ...]) -> bool:
        pairs = zip(self.targets, intervals, strict=True)
        return all(float(high - low) / 2 <= self.care.indifference * abs(t.bound) for t, (_, low, high) in pairs)

    def _judged(
        self, rate_per_s: float, verdict: Verdict, intervals: tuple[Interval, ...], runs: pd.DataFrame
    ) -> Judged:
        stable = float((runs["verdict"] == "stable").mean())
        pairs = zip(self.targets, intervals, strict=True)
        likely = stable >= STABLE and all(t.met_by(float(interval.mean)) for t, interval in pairs)
        met = likely if verdict == "open" else verdict == "met"
        return Judged(rate_per_s, met, verdict != "open", stable, intervals, runs)


def _bisect(
    judge: Callable[[float], Judged], start_per_s: float, care: Care, progress: Callable[[Judged], None]
) -> list[Judged]:
    """Judge rates until the largest that is met and the smallest that is missed are close; in order of trial."""
    tried: list[Judged] = []

    def met(rate_per_s: float) -> bool:
        tried.append(judge(rate_per_s))
        progress(tried[-1])
        return tried[-1].met

    rate, factor = start_per_s, 2.0 if met(start_per_s) else 0.5
    for _ in range(DOUBLINGS):
        rate = _rounded(rate * factor)
        if met(rate) == (factor < 1):
            break
    else:
        return tried
    low, high = sorted((rate, tried[-2].rate_per_s))
    while high - low > care.tolerance * high:
        middle = _rounded((low + high) / 2)
        low, high = (middle, high) if met(middle) else (low, middle)
    _tighten(met, tried, care)
    return tried


def _tighten(met: Callable[[float], bool], tried: list[Judged], care: Care) -> None:
    """Narrow what is decided towards what is open, from either side, by a few halvings."""
    for side, nearest_of, furthest_of in ((True, max, min), (False, min, max)):
        for _ in range(HALVINGS):
            sure = [one.rate_per_s for one in tried if one.decided and one.met == side]
            unsure = [one.rate_per_s for one in tried if not one.decided]
            if not sure or not unsure:
                break
            near, far = nearest_of(sure), furthest_of(unsure)
            if (far < near) == side or abs(far - near) <= care.tolerance * far:
                break
            met(_rounded((near + far) / 2))


def _rounded(rate_per_s: float) -> float:
    return float(f"{rate_per_s:.{DIGITS}g}")


def _row(judged: Judged, targets: tuple[Target, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {"rate_per_s": judged.rate_per_s, "seeds": len(judged.runs), "met": judged.met}
    row |= {"decided": judged.decided, "stable_share": judged.stable_share}
    for target, found in zip(targets, judged.intervals, strict=True):
        names = (target.measure, f"{target.measure}_low", f"{target.measure}_high")
        row |= dict(zip(names, map(float, found), strict=True))
    return row
