"""Policies on the same work: common random numbers, and intervals over seeds.

Each seed gives every policy the same arrivals, samples and service factors, so that policies are compared in
pairs: the interval of the mean difference is narrower than those of the two means suggest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from mdisim import bounds, metrics
from mdisim.experiments.cases import Outcome, outcomes
from mdisim.experiments.comparison import MEASURES, Comparison, Seeds, Warmup, check_measures, identity
from mdisim.experiments.prepare import (
    AnyPolicy,
    AnyScenario,
    ExperimentError,
    Ground,
    check_seeds,
    counted,
    lay_out,
    no_progress,
    parameters,
)
from mdisim.experiments.replications import Auto
from mdisim.experiments.steadiness import PILOTS, doubts, settled_s
from mdisim.folders import plain
from mdisim.policies.policy import Policy
from mdisim.world import World

__all__ = [
    "MEASURES", "Auto", "Comparison", "check_measures", "compare", "compare_on", "identity", "measures", "record",
]  # fmt: skip
Done = dict[tuple[str, int], Outcome]  # by label and seed
PILOT_SEEDS = range(10_000, 10_000 + PILOTS)  # beyond those that the command line compares


def compare(
    scenario: AnyScenario,
    policies: Iterable[AnyPolicy] | Mapping[str, AnyPolicy] | None = None,
    seeds: int | Iterable[int] | Auto = 5,
    jobs: int | None = 1,
    progress: Callable[[float], None] = no_progress,
    warmup: Warmup = "stated",
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
        How many, counted from 0, or which: one run per policy and seed. The scenario's own seed does not count
        here. An `Auto`, such as `Auto("latency_mean_s", relative=0.05)`, goes on until an interval is narrow
        enough.
    jobs
        How many processes run at once, None is one for each core; the results are the same.
    progress
        Called after each run with the share of the runs that are done.
    warmup
        `stated`: what the scenario says is left out. `mser`: each policy is run at three seeds of its own before
        the comparison, and left out is what MSER-5 drops of the mean number in the system over time, the longest
        such time of all policies, so that all are measured in the same window. A policy in which that does not
        settle has no say, and is warned of.

    Raises
    ------
    ScenarioError, ExperimentError
        What is asked for cannot be run.
    RuleError
        A rule answered something impossible.
    RunError
        The process of a run has died again and again.
    """
    ground = Ground.of(scenario)
    asked = seeds if isinstance(seeds, Auto) else counted(seeds)
    return compare_on(ground, lay_out(ground, policies), asked, jobs, progress, warmup)


def compare_on(
    ground: Ground,
    policies: Mapping[str, Policy],
    seeds: Seeds,
    jobs: int | None = 1,
    progress: Callable[[float], None] = no_progress,
    warmup: Warmup = "stated",
) -> Comparison:
    """Compare policies that are laid out already, by label."""
    if warmup not in ("stated", "mser"):
        raise ExperimentError(f"warmup is {warmup!r}; 'stated' or 'mser' would do")
    until = seeds if isinstance(seeds, Auto) else None
    if until:
        check_measures([until.measure], measures(ground.world.n_exits))
    numbers = list(range(seeds.first) if isinstance(seeds, Auto) else check_seeds(seeds))
    world, unsettled = _warmed(ground.world, policies, jobs) if warmup == "mser" else (ground.world, [])
    warnings = [*ground.warnings, *unsettled]
    most = until.at_most if until else len(numbers)
    done = _run(world, policies, numbers, {}, jobs, progress, most)
    found = Comparison(_rows(policies, numbers, done), record(policies), ground.origin)
    while until and (more := until.needed(found.by_seed(until.measure).to_numpy())) > len(numbers):
        numbers = list(range(more))
        done |= _run(world, policies, numbers, done, jobs, progress, most)
        found = replace(found, runs=_rows(policies, numbers, done))
    if until and not until.reached(found.by_seed(until.measure).to_numpy()):
        warnings.append(until.not_reached(len(numbers)))
    series = {label: [done[label, seed].in_system for seed in numbers] for label in policies}
    window = world.window
    warnings += doubts(
        series, dict(zip(policies, found.verdicts(), strict=True)), window.warmup_s, window.duration_s
    )
    return replace(found, warmup=warmup, warmup_s=window.warmup_s, until=until, warnings=tuple(warnings))


def _run(
    world: World,
    policies: Mapping[str, Policy],
    seeds: Sequence[int],
    done: Done,
    jobs: int | None,
    progress: Callable[[float], None],
    most: int,
) -> Done:
    """Run what is not done yet; `most` seeds there may be in all."""
    cases = [(label, seed) for label in policies for seed in seeds if (label, seed) not in done]
    found: Done = {}
    for i, outcome in outcomes([(world, policies[label], seed) for label, seed in cases], jobs):
        found[cases[i]] = outcome
        progress((len(done) + len(found)) / (len(policies) * most))
    return found


def _rows(policies: Mapping[str, Policy], seeds: Sequence[int], done: Done) -> pd.DataFrame:
    cases = [(label, seed) for label in policies for seed in seeds]
    return pd.DataFrame([{"policy": label, "seed": seed} | done[label, seed].summary for label, seed in cases])


def _warmed(world: World, policies: Mapping[str, Policy], jobs: int | None) -> tuple[World, list[str]]:
    """The world with the warm-up that MSER-5 chooses, and warnings of policies that do not settle."""
    cases = [(world, policy, seed) for policy in policies.values() for seed in PILOT_SEEDS]
    runs = dict(outcomes(cases, jobs))
    longest_s, warnings = 0.0, []
    for i, label in enumerate(policies):
        series = [runs[PILOTS * i + j].in_system for j in range(PILOTS)]
        cut_s, settled = settled_s(series, world.window.duration_s)
        if settled:
            longest_s = max(longest_s, cut_s)
        else:
            warnings.append(f"{label}: MSER-5 finds no end of the warm-up; a longer run or a lower rate would do")
    return replace(world, window=replace(world.window, warmup_s=longest_s)), warnings


def record(policies: Mapping[str, Policy]) -> dict[str, dict[str, Any]]:
    """What each label stands for, as plain data."""
    return {label: {"policy": p.name, "parameters": plain(parameters(p))} for label, p in policies.items()}


def measures(n_exits: int) -> tuple[str, ...]:
    """The names of the numbers that a comparison has of each run."""
    return (*metrics.names(n_exits), *bounds.MEASURES)
