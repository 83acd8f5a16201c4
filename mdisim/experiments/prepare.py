"""From what a user names (a file, a scenario, a policy in some form) to what the engine runs."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mdisim.errors import InputError
from mdisim.folders import INPUTS, digest
from mdisim.policies.fit import laid_out, need
from mdisim.policies.policy import Policy, Recipe, Setting
from mdisim.results import Origin, Run
from mdisim.scenario import Scenario
from mdisim.scenario.yamlio import dump
from mdisim.world import World, setting

AnyScenario = Scenario | World | str | os.PathLike[str]
AnyPolicy = Policy | Recipe | str | Mapping[str, Any]


class ExperimentError(InputError):
    """An experiment that cannot be run as asked; the message says what would do."""


def no_progress(_: float) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Ground:
    """What all runs of an experiment share: a world, and the scenario that it was built from, if any."""

    world: World
    scenario: Scenario | None

    @classmethod
    def of(cls, given: AnyScenario) -> Ground:
        """Read a scenario file, build a scenario, or take a world as it is."""
        if isinstance(given, World):
            return cls(given, None)
        scenario = given if isinstance(given, Scenario) else Scenario.load(given)
        return cls(scenario.build(), scenario)

    @property
    def name(self) -> str:
        """What the scenario is called."""
        return self.scenario.name if self.scenario else "by-hand"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the scenario states in vain."""
        return self.scenario.warnings if self.scenario else ()

    @cached_property
    def origin(self) -> Origin | None:
        """Where the world comes from, for the record; None for a world built by hand."""
        return None if self.scenario is None else origin_of(self.scenario)

    @cached_property
    def _setting(self) -> Setting:
        """What a policy may know of the world."""
        return setting(self.world)

    def seed(self, given: int | None) -> int:
        """The seed that was given, or else the scenario's."""
        if given is not None:
            return check_seeds([given])[0]
        if self.scenario is None:
            raise ExperimentError("a world built by hand has no seed of its own; give one, such as seed=1")
        return self.scenario.spec.run.seed

    def policy(self, given: AnyPolicy | None) -> Policy:
        """Lay out a policy: a name or a mapping of parameters, a recipe, a Policy; None is the scenario's."""
        if isinstance(given, Policy):
            return given
        recipe = self.recipe(given)
        with _naming(recipe):
            made = laid_out(recipe, self._setting)
        source = source_of(type(recipe))
        return replace(made, details={**parameters(made), "code": digest(source)[:16]}) if source else made

    def need(self, recipe: Recipe) -> None:
        """Raise what `policy` would, without a search."""
        with _naming(recipe):
            need(recipe, self._setting)

    def alone(self, given: AnyPolicy | None) -> Policy:
        """The policy of a single run, called as the scenario calls it where that has a label for it."""
        made = self.policy(given)
        if self.scenario is None or not isinstance(given, str | Mapping | None):
            return made
        stated = self.scenario.stated(given) if isinstance(given, str) else given
        label = self.scenario.spec.policy.label if stated is None else stated.get("label")
        return replace(made, name=label or made.name)

    def recipe(self, given: Recipe | str | Mapping[str, Any] | None) -> Recipe:
        """The recipe that is meant by a name or a mapping of parameters; None is the scenario's own."""
        if not isinstance(given, str | Mapping | None):
            if isinstance(given, type) or not callable(getattr(given, "build", None)):
                raise ExperimentError(f"{given!r} is no policy; a name or an object such as MdiExit() would do")
            return given
        if self.scenario is None:
            raise ExperimentError(
                f"a world built by hand needs a policy as an object, not {given!r}; policies.MdiExit() would do"
            )
        return self.scenario.recipe(given)

    def run(
        self,
        policy: Policy,
        seed: int,
        progress: Callable[[float], None] = no_progress,
        record: bool = False,
        recipe: Recipe | None = None,
        inputs: str = INPUTS,
    ) -> Run:
        """Simulate; `progress` is told the share of the time that has passed, `record` keeps all events.

        `recipe` is that of the policy, if it is not the scenario's own, for the record.
        """
        from mdisim.engine import run  # only here: it loads pandas, and `check` runs nothing

        duration_s = self.world.window.duration_s
        done = run(self.world, policy, seed, lambda time_s: progress(min(time_s / duration_s, 1.0)), record)
        origin = self.origin
        if self.scenario is not None and (recipe is not None or seed != self.scenario.spec.run.seed):
            origin = origin_of(self.scenario, inputs, recipe, seed)
        return replace(done, origin=origin, parameters=parameters(policy))


@contextmanager
def _naming(recipe: Recipe) -> Iterator[None]:
    """Say of which policy an error tells."""
    try:
        yield
    except InputError as error:
        raise ExperimentError(f"policy {getattr(recipe, 'name', recipe)}: {error}") from error


def lay_out(ground: Ground, given: Iterable[AnyPolicy] | Mapping[str, AnyPolicy] | None) -> dict[str, Policy]:
    """The policies by label, ready to run."""
    if isinstance(given, str):
        raise ExperimentError(f"policies must be several, not the text {given!r}; [{given!r}] would do")
    if given is None:
        given = ground.scenario.compared() if ground.scenario else ()
    if isinstance(given, Mapping) and given:
        return {label: ground.policy(policy) for label, policy in given.items()}
    stated: list[AnyPolicy] = list(given)
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


def origin_of(
    scenario: Scenario, inputs: str = INPUTS, recipe: Recipe | None = None, seed: int | None = None
) -> Origin:
    """Where results of a scenario come from; the files that it needs are stored in the folder `inputs`.

    What is resolved has the policy of this recipe and this seed in place of its own: those of the one run.
    """
    s = scenario
    resolved = s.resolved()
    stored, files = s.stored(inputs)
    stated = None if recipe is None else s.stating(recipe)
    for plain in (resolved, stored):
        plain["policy"] = plain["policy"] if stated is None else stated
        plain["run"]["seed"] = plain["run"]["seed"] if seed is None else int(seed)
    return Origin(s.name, s.text, dump(resolved), s.digest, s.overrides, dump(stored), files)


def counted(seeds: int | Iterable[int]) -> Sequence[int]:
    """The seeds: so many from 0, or those that are listed."""
    if isinstance(seeds, int | np.integer):
        return range(seeds)
    if not isinstance(seeds, Iterable):
        raise ExperimentError(f"seeds is {seeds!r}; give a whole number, or a list such as [0, 1, 2]")
    return tuple(seeds)


def check_seeds(seeds: Sequence[int]) -> Sequence[int]:
    """The seeds, if there are any, each comes once, and all are whole numbers from 0."""
    fits = all(isinstance(seed, int | np.integer) and seed >= 0 for seed in seeds)
    if not seeds or not fits or len(set(seeds)) < len(seeds):
        raise ExperimentError(
            f"seeds are {list(seeds)}; different whole numbers from 0 would do, such as range(5)"
        )
    return seeds


def parameters(policy: Policy) -> Mapping[str, Any]:
    """What a policy was made with, for the record; of one made of bare rules, the rules."""
    return policy.details or {"rules": repr(policy)}


def source_of(kind: type) -> str:
    """The source text of a class of the user's own, so that what ran before it was changed runs again."""
    if kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return ""
    written_here = kind.__module__ == "__main__"
    try:
        return inspect.getsource(kind if written_here else sys.modules[kind.__module__])
    except (KeyError, OSError, TypeError):  # typed into a console
        return ""
