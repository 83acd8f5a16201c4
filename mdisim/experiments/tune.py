"""Tuning a policy's parameters on training seeds, and scoring what was found on seeds that it has not seen.

Of many trials the best owes part of its score to luck with the training seeds; the fresh ones tell how much. The
parameters that the scenario states are scored beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from mdisim import __version__, metrics
from mdisim.errors import RunError
from mdisim.experiments.executors import Where, engine, extra
from mdisim.experiments.prepare import AnyScenario, ExperimentError, Ground, check_seeds, source_of
from mdisim.experiments.spaces import Space, spaces_of
from mdisim.experiments.sweep.store import alone, found
from mdisim.experiments.trials import Aim, Bench, Trial, propose, study
from mdisim.folders import AnyPath, digest, plain, write_json, write_table
from mdisim.planners import RECIPES
from mdisim.results import Origin
from mdisim.scenario import Scenario
from mdisim.statistics import t_interval

JOURNAL, TRIALS, RESULT = "journal.log", "trials.parquet", "tuning.json"


@dataclass(frozen=True, eq=False)
class Tuning:
    """What was found.

    `best` are the tuned parameters. `trials`: one row a trial: the parameters, `score` (the mean of the measure on
    the training seeds), `meets` (whether every target is met there) and message. `scores`: one row for the stated
    and one for the tuned parameters, with the mean and 95 % interval on the training and on the fresh seeds; and
    one for the difference, tuned less stated, paired by seed. `training_meets` and `fresh_meets` say whether the
    means meet every target.
    """

    policy: str
    aim: Aim
    best: Mapping[str, Any]
    trials: pd.DataFrame
    scores: pd.DataFrame
    directory: Path | None = None

    @property
    def optimism(self) -> float:
        """How much better the tuned parameters look on the training seeds than on fresh ones."""
        tuned = self.scores[self.scores["parameters"] == "tuned"]
        gap = float((tuned["fresh"] - tuned["training"]).iloc[0])
        return gap if self.aim.minimise else -gap

    def facts(self) -> dict[str, Any]:
        """What was found, as plain data."""
        return {
            "policy": self.policy,
            "measure": self.aim.measure,
            "aim": "minimise" if self.aim.minimise else "maximise",
            "subject_to": [str(target) for target in self.aim.targets],
            "trials": len(self.trials),
            "parameters": plain(self.best),
            "optimism": self.optimism,
            "scores": [dict(plain(row)) for row in self.scores.to_dict("records")],
        }


def tune(
    scenario: AnyScenario,
    policy: str | Mapping[str, Any] | None = None,
    parameters: Iterable[str] | Mapping[str, Any] = (),
    *,
    minimise: str | None = None,
    maximise: str | None = None,
    subject_to: str | Iterable[str] = (),
    trials: int = 50,
    seeds: int | Iterable[int] = 5,
    fresh: int | Iterable[int] = 10,
    sampler_seed: int = 0,
    out: AnyPath | None = None,
    jobs: int | None = None,
    backend: str = "local",
    address: str | None = None,
    force: bool = False,
    command: str = "",
    progress: Callable[[int, Trial], None] = lambda number, trial: None,
) -> Tuning:
    """Tune a policy's parameters with Optuna's sampler TPE.

    Parameters
    ----------
    scenario
        A Scenario or the path of a scenario file.
    policy
        A name, or a mapping of a name and parameters; the scenario's own if left out.
    parameters
        Names of parameters that have two bounds or a few values of their own; or a mapping of names to (low,
        high), which "log" may follow, to a list of values, or to None for their own bounds.
    minimise, maximise
        One measure of a run's summary; its mean over seeds is the score.
    subject_to
        Targets such as 'accuracy >= 0.9' that the means must meet, too.
    trials
        How many sets of parameters to try.
    seeds, fresh
        The seeds to train on and those to score on: how many, or which. Counted, the fresh ones follow the others.
    sampler_seed
        The seed of the sampler; the same seed gives the same trials.
    out
        The directory to keep the journal and the results in, and to go on in; none if left out.
    jobs, backend, address
        See `mdisim.experiments.executors.Where`: where the seeds of a trial run side by side.
    force
        Use a directory that holds another tuning.
    progress
        Called with the number and outcome of each trial, from 1.

    Raises
    ------
    ScenarioError, ExperimentError, ResultsError
        What is asked for cannot be done; also where optuna is not installed.
    RunError
        A run with the stated parameters failed.
    """
    optuna = extra("optuna", "tune")
    where = Where(backend, jobs, address)
    ground = Ground.of(scenario)
    if ground.scenario is None or ground.origin is None:
        raise ExperimentError("a policy is tuned in a scenario; a Scenario would do, not a world built by hand")
    if trials < 1:
        raise ExperimentError(f"trials is {trials}; 1 or more would do")
    aim = Aim.of(minimise, maximise, subject_to, metrics.names(ground.world.n_exits))
    train, unseen = _seeds(seeds, fresh)
    stated, kind, name, spaces = _policy(ground.scenario, policy, parameters)
    code = [__version__, source_of(kind)]
    ask = digest([ground.origin.digest, code, plain(stated), plain(spaces), plain(aim), train, sampler_seed])
    with TemporaryDirectory() as scratch, engine(where) as opened:
        papers = _papers(ground.origin, ask, name, command)
        folder = found(out or Path(scratch) / "tuning", *papers, JOURNAL, force)
        bench = Bench(ground.scenario, stated, opened)
        journal = folder / JOURNAL
        with _own(journal), study(optuna, journal, ask, aim) as trying:
            made = propose(
                optuna,
                trying,
                spaces,
                lambda values: bench.trial(aim, values, train),
                trials,
                sampler_seed,
                progress,
            )
            if all(trial.message for trial in made):
                raise RunError(f"none of {trials} trials has a score; the first: {made[0].message}")
            best = min([*made, bench.trial(aim, {}, train)], key=aim.rank)
            scores = _scores(bench, aim, best.parameters, train, unseen)
            tuning = Tuning(
                name, aim, best.parameters, _frame(made, aim), scores, None if out is None else Path(out)
            )
            write_table(tuning.trials, folder / TRIALS)
            write_json(tuning.facts(), folder / RESULT)
    return tuning


@contextmanager
def _own(journal: Path) -> Iterator[None]:
    """Keep others from a journal, and remove the lock that Optuna left there when its process was killed."""
    with alone(journal):
        journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
        yield


def _seeds(seeds: int | Iterable[int], fresh: int | Iterable[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The seeds to train on and those to score on; no seed is both."""
    train = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    after = max(train, default=-1) + 1
    unseen = tuple(range(after, after + fresh)) if isinstance(fresh, int) else tuple(fresh)
    for some in (train, unseen):
        check_seeds(some)
    both = sorted({*train} & {*unseen})
    if both:
        raise ExperimentError(
            f"seeds {both} are to train on and to score on; fresh ones would do, such as 1000 on"
        )
    return train, unseen


def _policy(
    scenario: Scenario, given: str | Mapping[str, Any] | None, parameters: Iterable[str] | Mapping[str, Any]
) -> tuple[dict[str, Any], type, str, tuple[Space, ...]]:
    """What the scenario states of a policy, its class, what it is called, and what its parameters may be."""
    own = scenario.spec.policy
    stated = own.model_dump(exclude_none=True) if given is None else given
    stated = scenario.stated(stated) if isinstance(stated, str) else dict(stated)
    kind = RECIPES.get(str(stated.get("name"))) or type(scenario.recipe(stated))
    called = stated.get("label") or stated.get("name") or kind.__name__
    return stated, kind, str(called), spaces_of(kind, parameters)


def _papers(origin: Origin, ask: str, policy: str, command: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The identity of a tuning (more trials go on with it), its provenance, and the files that it begins with."""
    facts = {"kind": "tuning", "command": command, "policy": policy, **origin.facts()}
    return ask, facts, origin.papers()


def _frame(trials: Sequence[Trial], aim: Aim) -> pd.DataFrame:
    rows = [
        {"trial": number, **trial.parameters, "score": trial.score, "meets": aim.rank(trial)[0] == 0.0}
        | {"message": trial.message}
        for number, trial in enumerate(trials, 1)
    ]
    return pd.DataFrame(rows)


def _scores(
    bench: Bench, aim: Aim, best: Mapping[str, Any], train: Sequence[int], unseen: Sequence[int]
) -> pd.DataFrame:
    """Means and intervals of the stated and the tuned parameters, and of their difference in pairs."""
    rows: dict[str, dict[str, Any]] = {name: {"parameters": name} for name in ("stated", "tuned", "difference")}
    for phase, seeds in (("training", train), ("fresh", unseen)):
        ran = {name: bench.runs(found, seeds) for name, found in (("stated", {}), ("tuned", best))}
        stated, tuned = ([run[aim.measure] for run in runs] for runs in ran.values())
        pairs = [b - a for a, b in zip(stated, tuned, strict=True)]
        for name, runs in ran.items():
            rows[name][f"{phase}_meets"] = aim.rank(aim.judged({}, runs))[0] == 0.0
        for name, values in (("stated", stated), ("tuned", tuned), ("difference", pairs)):
            named = (phase, f"{phase}_low", f"{phase}_high")
            rows[name] |= dict(zip(named, map(float, t_interval(values)), strict=True))
    return pd.DataFrame(list(rows.values()))
