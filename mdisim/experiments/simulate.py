"""One run."""

from __future__ import annotations

from collections.abc import Callable

from mdisim.experiments.prepare import AnyPolicy, AnyScenario, Ground, no_progress
from mdisim.policies.policy import Policy
from mdisim.results import Run


def simulate(
    scenario: AnyScenario,
    policy: AnyPolicy | None = None,
    seed: int | None = None,
    progress: Callable[[float], None] = no_progress,
    record: bool = False,
) -> Run:
    """Simulate one policy in a scenario.

    Parameters
    ----------
    scenario
        A Scenario, the path of a scenario file, or a World.
    policy
        A name, a mapping of a name and parameters, a recipe such as `mdisim.policies.MdiExit()`, or a Policy
        of your own rules; the scenario's own if left out. Where the scenario states a policy of this name or
        label, also under `compare`, that one is meant; else the named one with its defaults.
    seed
        Of all random numbers; the scenario's if left out. Two policies with one seed meet the same work.
    progress
        Called now and then with the share of the simulated time that has passed, from 0 to 1.
    record
        Keep every service and every transmission in the run's `events`, for `mdisim.report.event_trace`.

    Raises
    ------
    ScenarioError, ExperimentError
        What is asked for cannot be run.
    RuleError
        A rule answered something impossible.
    """
    ground = Ground.of(scenario)
    recipe = None if policy is None or isinstance(policy, Policy) else ground.recipe(policy)
    return ground.run(ground.alone(policy), ground.seed(seed), progress, record, recipe)
