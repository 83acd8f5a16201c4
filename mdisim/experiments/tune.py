"""Tuning a policy's parameters on the calibration half, and scoring what was found on samples and seeds not seen.

Of many trials the best owes part of its score to luck: with the training seeds, and with the samples that it was
chosen on. So trials run on the calibration half, as all planning does, and the score is that of the test half and
of fresh seeds. In between, the calibration half with the fresh seeds tells one kind of luck from the other. The
parameters that the scenario states are scored beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
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
from mdisim.files import content, whole
from mdisim.folders import CHECKSUM, LIMIT_BYTES, AnyPath, ResultsError, digest, plain, write_json, write_table
from mdisim.planners import RECIPES
from mdisim.profiles.profile import Half
from mdisim.results import Origin
from mdisim.scenario import Scenario
from mdisim.statistics import Interval, t_interval

JOURNAL, SEAL, TRIALS, RESULT = "journal.log", "journal.json", "trials.parquet", "tuning.json"
PHASES: tuple[tuple[str, str, Half], ...] = (  # what scores are of: which seeds, the samples of which half
    ("training", "training", "calibration"),
    ("reseeded", "fresh", "calibration"),
    ("fresh", "fresh", "test"),
)


@dataclass(frozen=True, eq=False)
class Tuning:
    """What was found.

    `best` are the tuned parameters. `trials`: one row a trial: the parameters, `score` (the mean of the measure in
    training), `meets` (whether every target is met there) and message. `scores`: one row for the stated and one
    for the tuned parameters, and one for the difference, tuned less stated, paired by seed; the mean and 95 %
    interval, over seeds, in `training` (calibration half, training seeds), `reseeded` (calibration half, fresh
    seeds) and `fresh` (test half, fresh seeds). `NAME_meets` says whether the means meet every target.

    `optimism` is by how much the samples that the tuned parameters were chosen on flatter them: how much better,
    beside the stated ones, they are on the calibration half than on the test half; the mean and its 95 % interval,
    paired by the fresh seeds. `seed_luck`: how much better they are on the training seeds than on fresh ones, both
    on the calibration half.
    """

    policy: str
    aim: Aim
    best: Mapping[str, Any]
    trials: pd.DataFrame
    scores: pd.DataFrame
    optimism: Interval
    directory: Path | None = None

    @property
    def seed_luck(self) -> float:
        """How much better the tuned parameters are on the training seeds than on fresh ones; the same samples."""
        tuned = self.scores[self.scores["parameters"] == "tuned"].iloc[0]
        gap = float(tuned["reseeded"] - tuned["training"])
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
            **dict(zip(("optimism", "optimism_low", "optimism_high"), plain(self.optimism), strict=True)),
            "seed_luck": self.seed_luck,
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
    """Tune a policy's parameters with Optuna's sampler TPE: on the calibration half, scored on the test half.

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
        The seeds to train on, with samples of the calibration half, and those to score on, with samples of the
        test half: how many, or which. Counted, the fresh ones follow the others.
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
        What is asked for cannot be done; also where there is no calibration half, or optuna is not installed.
    RunError
        A run with the stated parameters failed.
    """
    optuna = extra("optuna", "tune")
    where = Where(backend, jobs, address)
    ground = Ground.of(scenario)
    if ground.scenario is None or ground.origin is None:
        raise ExperimentError("a policy is tuned in a scenario; a Scenario would do, not a world built by hand")
    if not len(ground.world.calibration):
        raise ExperimentError(
            f"{ground.name}: profile {ground.world.profile} has no calibration half, and parameters are tried "
            "there: take a profile that has one"
        )
    if trials < 1:
        raise ExperimentError(f"trials is {trials}; 1 or more would do")
    aim = Aim.of(minimise, maximise, subject_to, metrics.names(ground.world.n_exits))
    train, unseen = _seeds(seeds, fresh)
    stated, kind, name, spaces = _policy(ground.scenario, policy, parameters)
    code = [__version__, source_of(kind), "calibration"]
    ask = digest([ground.origin.digest, code, plain(stated), plain(spaces), plain(aim), train, sampler_seed])
    with TemporaryDirectory() as scratch, engine(where) as opened:
        papers = _papers(ground.origin, ask, name, command)
        folder = found(out or Path(scratch) / "tuning", *papers, JOURNAL, force)
        bench = Bench(ground.scenario, stated, opened)
        journal = folder / JOURNAL

        def ended(number: int, trial: Trial) -> None:
            _seal(journal)
            progress(number, trial)

        with _own(journal), study(optuna, journal, ask, aim) as trying:
            made = propose(
                optuna,
                trying,
                spaces,
                lambda values: bench.trial(aim, values, train),
                trials,
                sampler_seed,
                ended,
            )
            if all(trial.message for trial in made):
                raise RunError(f"none of {trials} trials has a score; the first: {made[0].message}")
            best = min([*made, bench.trial(aim, {}, train)], key=aim.rank)
            scores, optimism = _scores(bench, aim, best.parameters, train, unseen)
            kept = None if out is None else Path(out)
            tuning = Tuning(name, aim, best.parameters, _frame(made, aim), scores, optimism, kept)
            write_table(tuning.trials, folder / TRIALS)
            write_json(tuning.facts(), folder / RESULT)
    return tuning


@contextmanager
def _own(journal: Path) -> Iterator[None]:
    """Keep others from a journal, and remove the lock that Optuna left there when its process was killed."""
    with alone(journal):
        _check(journal)
        journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
        yield


def _seal(journal: Path) -> None:
    """Write down how long the journal is, and its checksum; what is added later is not covered until the next."""
    raw = journal.read_bytes()
    with whole(journal.with_name(SEAL)) as fresh:
        write_json({"bytes": len(raw), CHECKSUM: sha256(raw).hexdigest()}, fresh)


def _check(journal: Path) -> None:
    """Raise a ResultsError where a journal is not as it was sealed; one without a trial has no seal."""
    path = journal.with_name(SEAL)
    if not path.exists():
        return
    try:
        seal = json.loads(content(path, LIMIT_BYTES))
        is_intact = sha256(content(journal, LIMIT_BYTES)[: seal["bytes"]]).hexdigest() == seal[CHECKSUM]
    except (OSError, ValueError, KeyError, TypeError):
        is_intact = False
    if not is_intact:
        raise ResultsError(
            f"{journal}: is damaged: its checksum is not the one in {SEAL}; put back a copy of both, or name "
            "another directory"
        )


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
) -> tuple[pd.DataFrame, Interval]:
    """Means and intervals of the stated and the tuned parameters, and of their difference in pairs; optimism."""
    rows: dict[str, dict[str, Any]] = {name: {"parameters": name} for name in ("stated", "tuned", "difference")}
    gains: dict[str, list[float]] = {}
    for phase, which, half in PHASES:
        seeds = train if which == "training" else unseen
        ran = {name: bench.runs(found, seeds, half) for name, found in (("stated", {}), ("tuned", best))}
        stated, tuned = ([run[aim.measure] for run in runs] for runs in ran.values())
        gains[phase] = [b - a for a, b in zip(stated, tuned, strict=True)]
        for name, runs in ran.items():
            rows[name][f"{phase}_meets"] = aim.rank(aim.judged({}, runs))[0] == 0.0
        for name, values in (("stated", stated), ("tuned", tuned), ("difference", gains[phase])):
            named = (phase, f"{phase}_low", f"{phase}_high")
            rows[name] |= dict(zip(named, map(float, t_interval(values)), strict=True))
    sign = 1.0 if aim.minimise else -1.0
    lost = [sign * (new - old) for old, new in zip(gains["reseeded"], gains["fresh"], strict=True)]
    return pd.DataFrame(list(rows.values())), t_interval(lost)
