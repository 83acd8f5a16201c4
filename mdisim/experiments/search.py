"""The largest rate at which a policy still meets its targets, by bisection.

That a larger rate is no easier is taken for granted. How a rate is judged stands in `judging`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from mdisim import metrics
from mdisim.experiments.executors import Where, engine
from mdisim.experiments.judging import Care, Judge, Judged, Rates
from mdisim.experiments.prepare import AnyScenario, ExperimentError, Ground
from mdisim.experiments.sweep.plan import AnyRecipe
from mdisim.experiments.targets import Target, targets_of
from mdisim.folders import AnyPath, digest, plain, write_json, write_table, writing
from mdisim.results import Origin
from mdisim.scenario import Scenario

DOUBLINGS = 10  # of the first rate, up or down, before giving up
HALVINGS = 3  # of the gap between what is decided and what is open
DIGITS = 6  # of a rate


@dataclass(frozen=True, eq=False)
class Search:
    """The largest rate found to meet the targets, and how it was found.

    `rate_per_s`: NaN if even the smallest rate misses them. The true one lies between `low_per_s`, the largest
    rate that was decided to meet them, and `high_per_s`, the smallest that was decided to miss them (each with
    about the confidence asked for, see `judging`; NaN where there is none). `points`: one row a rate: how many
    seeds, met, decided, stable_share, the worst verdict, and for each measure its mean, _low and _high. `runs`:
    one row a run.
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
    called = ground.alone(policy).name
    judge = Judge(ground.scenario, policy, wanted, rates, care or Care())
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
    row |= {"verdict": metrics.worst(judged.runs["verdict"])}
    for target, found in zip(targets, judged.intervals, strict=True):
        names = (target.measure, f"{target.measure}_low", f"{target.measure}_high")
        row |= dict(zip(names, map(float, found), strict=True))
    return row
