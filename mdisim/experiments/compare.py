"""Policies on the same work: common random numbers, and intervals over seeds.

Each seed gives every policy the same arrivals, samples and service factors, so that policies are compared in
pairs: the interval of the mean difference is narrower than those of the two means suggest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from difflib import get_close_matches
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from mdisim import engine
from mdisim.experiments.prepare import (
    AnyPolicy,
    AnyScenario,
    ExperimentError,
    Ground,
    check_seeds,
    no_progress,
    parameters,
)
from mdisim.folders import AnyPath, digest, plain, provenance, reading, write_json, write_table, writing
from mdisim.policies.policy import Policy
from mdisim.results import Origin
from mdisim.world import World

CONFIDENCE = 0.95
MEASURES = (
    "throughput_per_s",
    "latency_mean_s",
    "latency_p95_s",
    "accuracy",
    "in_time_accuracy",
    "offload_share",
    "device_utilisation_max",
)
ESTIMATES = ("mean", "low", "high", "difference", "difference_low", "difference_high")
VERDICTS = ("stable", "backlogged", "overloaded")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several policies on the same work.

    `runs`: one row per policy and seed, with every measure of a run's summary. `policies`: for each label the
    `policy` and its `parameters`; the first is what the others are compared with. `origin` is None where the
    world was built by hand.
    """

    runs: pd.DataFrame
    policies: Mapping[str, Mapping[str, Any]]
    origin: Origin | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(int(seed) for seed in self.runs["seed"].unique())

    @property
    def identity(self) -> str:
        """What was asked for, as 64 hexadecimal digits; empty where the world was built by hand."""
        return identity(self.origin, self.policies, self.seeds)

    def table(self, measures: Sequence[str] = MEASURES) -> pd.DataFrame:
        """Means over seeds and mean differences to the first policy, with 95 % Student t intervals.

        One row a policy; columns are (measure, estimate) with the estimates mean, low, high, difference,
        difference_low and difference_high, in the measure's unit: `table["latency_p95_s"]` is one measure's.
        Differences are paired by seed. With one seed there are no intervals (NaN), and a measure that is NaN
        for one seed is NaN.
        """
        columns = {(m, name): values for m in measures for name, values in self._estimates(m).items()}
        return pd.DataFrame(columns, index=pd.Index(self.policies, name="policy"))

    def _estimates(self, measure: str) -> dict[str, pd.Series[float]]:
        by_seed = self._by_seed(measure)
        paired = by_seed.sub(by_seed.iloc[:, 0], axis=0)
        return dict(zip(ESTIMATES, (*intervals(by_seed), *intervals(paired)), strict=True))

    def _by_seed(self, measure: str) -> pd.DataFrame:
        known = [name for name in self.runs.columns if pd.api.types.is_float_dtype(self.runs[name])]
        check_measures([measure], known)
        return self.runs.pivot(index="seed", columns="policy", values=measure)[list(self.policies)]

    def verdicts(self) -> pd.Series[str]:
        """The worst verdict of each policy over the seeds."""
        rank = self.runs["verdict"].map(VERDICTS.index).groupby(self.runs["policy"]).max()
        return rank.reindex(list(self.policies)).map(lambda i: VERDICTS[i]).rename("verdict")

    def records(self, measures: Sequence[str] = MEASURES) -> list[dict[str, Any]]:
        """The table as plain data, one mapping a policy; an estimate's key is the measure and its name."""
        table, verdicts = self.table(measures), self.verdicts()
        keys = [m if estimate == "mean" else f"{m}_{estimate}" for m in measures for estimate in ESTIMATES]
        return [
            {"policy": label, "verdict": verdicts[label], "seeds": len(self.seeds)}
            | dict(zip(keys, plain(row), strict=True))
            for label, row in zip(self.policies, table.to_numpy(), strict=True)
        ]

    def save(self, directory: AnyPath, *, command: str = "", force: bool = False) -> Path:
        """Write the comparison as a directory, whole or not at all, and return its path.

        Inside: `summary.parquet` (one row a run), `table.json`, `provenance.json` and the scenario's YAML.
        What is there already is treated as `Run.save` does.
        """
        facts = {"kind": "comparison", "command": command, "policies": self.policies, "seeds": self.seeds}
        facts |= self.origin.facts() if self.origin else {}
        with writing(directory, self.identity, facts, force) as folder:
            write_table(self.runs, folder / "summary.parquet")
            write_json(self.records(), folder / "table.json")
            if self.origin:
                self.origin.write(folder)
        return Path(directory)

    @classmethod
    def load(cls, directory: AnyPath) -> Comparison:
        """Read a comparison that `save` wrote; a ResultsError where there is none, or where it is incomplete."""
        folder = Path(directory)
        facts = provenance(folder, "comparison")
        with reading(folder):
            runs = pd.read_parquet(folder / "summary.parquet")
            return cls(runs, facts["policies"], Origin.read(facts, folder))


def compare(
    scenario: AnyScenario,
    policies: Iterable[AnyPolicy] | Mapping[str, AnyPolicy] | None = None,
    seeds: Iterable[int] = range(5),
    jobs: int = 1,
    progress: Callable[[float], None] = no_progress,
) -> Comparison:
    """Run policies on the same work and tabulate what they achieve.

    Parameters
    ----------
    scenario
        A Scenario, the path of a scenario file, or a World.
    policies
        What `simulate` takes as a policy, several of them, the one to compare with first; a mapping gives
        them labels of your own. The scenario's `compare`, or else its own policy, if left out.
    seeds
        One run per policy and seed. The scenario's own seed does not count here.
    jobs
        How many processes run at once; the results are the same. Policies of your own must then be defined
        in a module that can be imported.
    progress
        Called after each run with the share of the runs that are done.

    Raises
    ------
    ScenarioError, ExperimentError
        What is asked for cannot be run.
    RuleError
        A rule answered something impossible.
    """
    ground = Ground.of(scenario)
    return compare_on(ground, lay_out(ground, policies), tuple(seeds), jobs, progress)


def compare_on(
    ground: Ground,
    policies: Mapping[str, Policy],
    seeds: Sequence[int],
    jobs: int = 1,
    progress: Callable[[float], None] = no_progress,
) -> Comparison:
    """Compare policies that are laid out already, by label."""
    check_seeds(seeds)
    cases = [(ground.world, policy, seed) for policy in policies.values() for seed in seeds]
    rows: list[dict[str, Any]] = [{} for _ in cases]
    for done, (i, summary) in enumerate(summaries(cases, jobs), 1):
        rows[i] = summary
        progress(done / len(cases))
    names = [{"policy": label, "seed": seed} for label in policies for seed in seeds]
    frame = pd.DataFrame([name | row for name, row in zip(names, rows, strict=True)])
    return Comparison(frame, record(policies), ground.origin)


def lay_out(ground: Ground, given: Iterable[AnyPolicy] | Mapping[str, AnyPolicy] | None) -> dict[str, Policy]:
    """The policies by label, ready to run."""
    if isinstance(given, str):
        raise ExperimentError(f"policies must be several, not the text {given!r}; [{given!r}] would do")
    if given is None:
        given = ground.scenario.compared() if ground.scenario else ()
    if isinstance(given, Mapping):
        return {label: ground.policy(policy) for label, policy in given.items()}
    stated = list(given)
    if not stated:
        raise ExperimentError("no policies to compare; name one or more")
    made = [ground.policy(policy) for policy in stated]
    labels = [_label(*both) for both in zip(stated, made, strict=True)]
    twice = next((label for i, label in enumerate(labels) if label in labels[:i]), None)
    if twice is not None:
        raise ExperimentError(f"two policies are called {twice!r}; give labels: {{'my label': policy, ...}}")
    return dict(zip(labels, made, strict=True))


def _label(stated: AnyPolicy, made: Policy) -> str:
    if isinstance(stated, Mapping):
        return str(stated.get("label", made.name))
    return stated if isinstance(stated, str) else made.name


def check_measures(wanted: Iterable[str], known: Sequence[str]) -> None:
    """Raise an ExperimentError where a measure is not known."""
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise ExperimentError(
                f"no measure {name!r}; "
                + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}")
            )


def record(policies: Mapping[str, Policy]) -> dict[str, dict[str, Any]]:
    """What each label stands for, as plain data."""
    return {label: {"policy": p.name, "parameters": plain(parameters(p))} for label, p in policies.items()}


def identity(origin: Origin | None, policies: Mapping[str, Any], seeds: Sequence[int]) -> str:
    """A digest of what is asked for; empty without a scenario."""
    return "" if origin is None else digest(["comparison", origin.digest, policies, seeds])


def intervals(by_seed: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float], pd.Series[float]]:
    """Mean of each column, and its 95 % confidence interval by Student's t with n - 1 degrees of freedom."""
    n = len(by_seed)
    mean = by_seed.mean(skipna=False)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * by_seed.std(ddof=1, skipna=False) / np.sqrt(n)
    return mean, mean - half, mean + half


Case = tuple[World, Policy, int]


def summaries(cases: Sequence[Case], jobs: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The summary of each case with its number, as they come."""
    if jobs < 1:
        raise ExperimentError(f"jobs is {jobs}; 1 or more would do")
    if jobs == 1:
        yield from ((i, summarise(*case)) for i, case in enumerate(cases))
        return
    # spawned, not forked: a fork of a process with threads (as Arrow has) may hang
    with ProcessPoolExecutor(min(jobs, len(cases)), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(summarise, *case): i for i, case in enumerate(cases)}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as error:
            raise ExperimentError(
                "the processes could not start or have died: with jobs above 1 a script must call compare under "
                "`if __name__ == '__main__':`, and rules of your own must stand in a module; or use jobs=1"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def summarise(world: World, policy: Policy, seed: int) -> dict[str, Any]:
    """Run one case; its tables are not kept."""
    return engine.run(world, policy, seed).summary()
