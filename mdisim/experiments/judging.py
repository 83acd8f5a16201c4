"""Whether a policy meets its targets at a rate of arrivals: with more seeds where it is close.

Seeds are added until the confidence intervals of the measures lie on one side of their bounds, or are as narrow as
the stated indifference, or there are no more seeds to be had. Intervals are corrected for every look at them
(Bonferroni). A rate is sustainable only if the system keeps up: `mdisim.metrics.verdict` is stable in nine of ten
runs. It is decided that it is not only if runs are overloaded: backlogged ones leave it open.

Intervals are Student's t, and as sure as they say only where a run's mean is nearly normal. Where the true mean is
the bound itself nothing should be decided; it is, wrongly, for 4 % of such rates on M/M/1 with 1,000 samples a run
at load 0.5, and for 8 % with 800 at load 0.8 (5 % are allowed). Longer runs are the cure, not more seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import pandas as pd

from mdisim.experiments.executors import Engine
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.sweep.crew import measured
from mdisim.experiments.sweep.plan import AnyRecipe, cell_of, key_of, stem_of
from mdisim.experiments.sweep.work import Task
from mdisim.experiments.targets import Target, Verdict
from mdisim.scenario import Scenario
from mdisim.scenario.roster import roster_of
from mdisim.scenario.units import RATE, text
from mdisim.statistics import CONFIDENCE, Interval, t_interval

STABLE = 0.9  # of the runs at a rate
KEEPS_UP = ("stable",)
NOT_SHOWN_TO_FAIL = ("stable", "backlogged")


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
class Judge:
    """Judges a rate: runs it with more and more seeds, until it knows or may not know better."""

    scenario: Scenario
    policy: AnyRecipe | None
    targets: tuple[Target, ...]
    rates: Rates
    care: Care

    def __call__(self, rate_per_s: float, opened: Engine) -> Judged:
        """Judge it on an engine that is open."""
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
            told = verdict != "open" or len(rows) == self.care.most or self._indifferent(intervals)
            if told or self._too_many(runs, KEEPS_UP):
                return self._judged(rate_per_s, verdict, intervals, runs)

    def _verdict(self, runs: pd.DataFrame) -> tuple[Verdict, tuple[Interval, ...]]:
        looks = ceil(self.care.most / self.care.batch) * len(self.targets)
        sure = self.care.confidence
        intervals = tuple(t_interval(runs[t.measure], confidence=sure, of=looks) for t in self.targets)
        found = {t.verdict(interval) for t, interval in zip(self.targets, intervals, strict=True)}
        if "missed" in found or self._too_many(runs, NOT_SHOWN_TO_FAIL):
            return "missed", intervals
        return ("met" if found == {"met"} and _stable_share(runs) >= STABLE else "open"), intervals

    def _too_many(self, runs: pd.DataFrame, allowed: tuple[str, ...]) -> bool:
        """Whether so many runs have other verdicts that nine of ten can no longer have one of these."""
        others = int((~runs["verdict"].isin(allowed)).sum())
        return self.care.most - others < STABLE * self.care.most

    def _indifferent(self, intervals: tuple[Interval, ...]) -> bool:
        pairs = zip(self.targets, intervals, strict=True)
        return all(float(high - low) / 2 <= self.care.indifference * abs(t.bound) for t, (_, low, high) in pairs)

    def _judged(
        self, rate_per_s: float, verdict: Verdict, intervals: tuple[Interval, ...], runs: pd.DataFrame
    ) -> Judged:
        stable = _stable_share(runs)
        pairs = zip(self.targets, intervals, strict=True)
        likely = stable >= STABLE and all(t.met_by(float(interval.mean)) for t, interval in pairs)
        met = likely if verdict == "open" else verdict == "met"
        return Judged(rate_per_s, met, verdict != "open", stable, intervals, runs)


def _stable_share(runs: pd.DataFrame) -> float:
    return float((runs["verdict"] == "stable").mean())
