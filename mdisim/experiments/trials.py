"""Trials of a policy's parameters: what is aimed at, a bench that scores one, and a study that proposes the next.

Trials are kept in a journal, so that a tuning that was stopped goes on. The sampler of each trial is seeded by its
number, so that it goes on as if it had not been stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np

from mdisim.errors import RunError
from mdisim.experiments.executors import Engine
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.spaces import Space
from mdisim.experiments.sweep.crew import measured
from mdisim.experiments.sweep.plan import cell_of, key_of
from mdisim.experiments.sweep.work import Stem, Task
from mdisim.experiments.targets import Target, check_measure, targets_of
from mdisim.profiles.profile import Half
from mdisim.scenario import Scenario, ScenarioError

Measures = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """Parameters, and what they reached in training; `message` says why there is no score."""

    parameters: Mapping[str, Any]
    score: float = nan
    violations: tuple[float, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Aim:
    """A measure whose mean is to be as small, or else as large, as can be, while every target is met."""

    measure: str
    minimise: bool
    targets: tuple[Target, ...] = ()

    @classmethod
    def of(
        cls, minimise: str | None, maximise: str | None, subject_to: str | Iterable[str], known: Sequence[str]
    ) -> Aim:
        """Read what is asked for; an ExperimentError says what would do."""
        if (minimise is None) == (maximise is None):
            raise ExperimentError("name one measure to minimise or to maximise; minimise latency_mean_s would do")
        measure = str(minimise if maximise is None else maximise)
        check_measure(measure, known)
        return cls(measure, maximise is None, targets_of(subject_to, known) if subject_to else ())

    def judged(self, parameters: Mapping[str, Any], runs: Sequence[Measures]) -> Trial:
        """A trial by its runs: the mean of the measure, and by how much the means miss each target."""
        score = float(np.mean([run[self.measure] for run in runs]))
        missed = tuple(t.violation(float(np.mean([run[t.measure] for run in runs]))) for t in self.targets)
        message = f"{self.measure} is not known: too little was answered" if isnan(score) else ""
        return Trial(parameters, score, missed, message)

    def rank(self, trial: Trial) -> tuple[float, float]:
        """What is smallest for the best trial: how far it misses the targets, then its score."""
        if trial.message:
            return inf, inf
        return max([0.0, *trial.violations]), trial.score if self.minimise else -trial.score


@dataclass(frozen=True)
class Bench:
    """Where parameters are tried: a policy of a scenario, as stated, and an engine to run it on."""

    scenario: Scenario
    stated: Mapping[str, Any]
    engine: Engine

    def runs(self, parameters: Mapping[str, Any], seeds: Sequence[int], half: Half) -> list[dict[str, Any]]:
        """The measures with these parameters, one run of a half's samples a seed; ScenarioError, RunError."""
        recipe = self.scenario.recipe({**self.stated, **parameters})
        cell = cell_of(self.scenario, recipe, Stem.of(self.scenario), half)
        told = ", ".join(f"{name} {value}" for name, value in parameters.items())
        return measured(
            [Task(key_of(cell, s), cell, s, f"{told}, seed {s}".lstrip(", ")) for s in seeds], self.engine
        )

    def trial(self, aim: Aim, parameters: Mapping[str, Any], seeds: Sequence[int]) -> Trial:
        """Try parameters on the calibration half; those that do not fit together, or fail, have no score."""
        try:
            return aim.judged(parameters, self.runs(parameters, seeds, "calibration"))
        except (ScenarioError, RunError) as error:
            return Trial(parameters, message=str(error))


@contextmanager
def study(optuna: Any, journal: Path, name: str, aim: Aim) -> Iterator[Any]:
    """An Optuna study over a journal; Optuna says nothing meanwhile but warnings."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        backend = optuna.storages.journal.JournalFileBackend(str(journal))
        yield optuna.create_study(
            storage=optuna.storages.JournalStorage(backend),
            study_name=name,
            direction="minimize" if aim.minimise else "maximize",
            load_if_exists=True,
        )
    finally:
        optuna.logging.set_verbosity(before)


def propose(
    optuna: Any,
    study: Any,
    spaces: Sequence[Space],
    evaluate: Callable[[Mapping[str, Any]], Trial],
    count: int,
    seed: int,
    progress: Callable[[int, Trial], None],
) -> list[Trial]:
    """Go on until there are as many trials as asked for, and return them in order."""
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL)
    for number in range(len(study.get_trials(deepcopy=False, states=ended)), count):
        draws = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        study.sampler = optuna.samplers.TPESampler(seed=draws)
        asked = study.ask()
        trial = evaluate({space.name: space.asked(asked) for space in spaces})
        asked.set_user_attr("violations", trial.violations)
        asked.set_user_attr("message", trial.message)
        for i, violation in enumerate(trial.violations):
            asked.set_constraint(str(i), violation)
        if trial.message:
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(asked, trial.score)
        progress(number + 1, trial)
    found = study.get_trials(deepcopy=False, states=ended)[:count]
    return [_read(one) for one in found]


def _read(trial: Any) -> Trial:
    score = nan if trial.value is None else float(trial.value)
    return Trial(trial.params, score, tuple(trial.user_attrs["violations"]), trial.user_attrs["message"])
