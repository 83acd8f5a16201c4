"""What a worker does: lay out a point's world and a policy, run one seed, and say what came of it.

What travels is small: the scenario's text, what the point makes of it, a recipe and a seed. A worker keeps the
last worlds and policies that it has laid out, as the runs of a point come one after another.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mdisim import engine
from mdisim.experiments.prepare import ExperimentError, Ground
from mdisim.folders import INPUTS
from mdisim.policies.policy import Policy, Recipe
from mdisim.profiles.profile import Half
from mdisim.scenario import Scenario
from mdisim.scenario.models import Spec
from mdisim.scenario.reading import Folders
from mdisim.scenario.replays import Traces
from mdisim.world import World

DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Stem:
    """A scenario as it was given: enough to read it again elsewhere. `profile` is the digest of what was read."""

    text: str = field(repr=False)
    name: str
    origin: str
    folders: Folders
    overrides: tuple[str, ...]
    allow_code: bool
    profile: str

    @classmethod
    def of(cls, scenario: Scenario) -> Stem:
        """The stem of a scenario."""
        s = scenario
        return cls(s.text, s.name, s.origin, s.folders, s.overrides, s.allow_code, s.profile.digest)

    def grow(self) -> Scenario:
        """Read the scenario; an ExperimentError where the file of its profile is no longer the same."""
        facts = {"name": self.name, "origin": self.origin, "folder": self.folders, "overrides": self.overrides}
        grown = Scenario.from_text(self.text, **facts, allow_code=self.allow_code)  # type: ignore[arg-type]
        if grown.profile.digest != self.profile:
            raise ExperimentError(
                f"{self.name}: its profile {grown.spec.profile} is not the one that was read at first; the same "
                "again, from the beginning, would do"
            )
        return grown


@dataclass(frozen=True)
class Place:
    """A point of a sweep: a stem of the same profile, and what the point makes of it. Equal by its digest.

    `half`: whose samples are offered; policies are laid out on the calibration half in any case.
    """

    digest: str
    stem: Stem = field(repr=False)
    overrides: tuple[str, ...] = field(compare=False)
    spec: Spec = field(compare=False, repr=False)
    half: Half = "test"

    @classmethod
    def of(cls, scenario: Scenario, stem: Stem, digest: str, half: Half = "test") -> Place:
        """The place of a scenario that grew from a stem."""
        return cls(digest, stem, scenario.overrides, scenario.spec, half)

    def scenario(self) -> Scenario:
        """The scenario of this point; it was checked before, so that only the stem is read with all checks."""
        grown = _grown(self.stem)
        return replace(grown, spec=self.spec, overrides=self.overrides, traces=Traces(self.stem.folders))


@dataclass(frozen=True)
class Cell:
    """A policy at a place. Equal by place and code, which stands for all that the recipe is."""

    place: Place
    code: str
    recipe: Recipe = field(compare=False)


@dataclass(frozen=True)
class Task:
    """One run to be done. `keep` is where to write its tables, if anywhere; paths must mean the same there."""

    key: str
    cell: Cell
    seed: int
    label: str
    keep: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a run: its measures, or a message; apart from them, how long it took and where it failed."""

    status: str
    measures: dict[str, Any]
    message: str = ""
    seconds: float = float("nan")
    trace: str = ""


@lru_cache(maxsize=2)
def _grown(stem: Stem) -> Scenario:
    return stem.grow()


@lru_cache(maxsize=4)
def _ground(place: Place) -> Ground:
    scenario = place.scenario()
    world = scenario.build()
    if place.half == "calibration":
        world = replace(world, samples=world.calibration)
    return Ground(world, scenario)


@lru_cache(maxsize=16)
def _policy(cell: Cell) -> Policy:
    return _ground(cell.place).policy(cell.recipe)


def laid_out(cell: Cell) -> tuple[World, Policy]:
    """The world of a cell and its policy in it."""
    return _ground(cell.place).world, _policy(cell)


def perform(task: Task) -> Outcome:
    """Run a task; whatever it raises becomes its outcome."""
    start = time.perf_counter()
    try:
        measures = _run(task)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return Outcome(FAILED, {}, message, time.perf_counter() - start, traceback.format_exc())
    return Outcome(DONE, measures, "", time.perf_counter() - start)


def _run(task: Task) -> dict[str, Any]:
    world, policy = laid_out(task.cell)
    if task.keep is None:
        done = engine.run(world, policy, task.seed)
    else:
        done = _ground(task.cell.place).run(policy, task.seed, recipe=task.cell.recipe, inputs=f"../../{INPUTS}")
        assert done.origin is not None
        done = replace(done, origin=replace(done.origin, files={}))  # the sweep's directory has them
        done.save(task.keep, force=True)
    return done.summary()
