"""The command that reads scenarios and runs nothing: their faults, or their bounds and every default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdisim.cli.options import plots, reads_scenario, scenario_of
from mdisim.cli.output import as_json, say
from mdisim.cli.shown import ANY, bounds_in_words
from mdisim.errors import InputError
from mdisim.experiments.written import quantity

if TYPE_CHECKING:
    from mdisim.experiments.prepare import Ground
    from mdisim.policies.policy import Policy
    from mdisim.scenario import Scenario


@dataclass(frozen=True)
class Checked:
    """A scenario file without faults; its policies by label, None where one that searches is not laid out."""

    file: str
    scenario: Scenario
    ground: Ground
    policies: Mapping[str, Policy | None]


@click.command()
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...")
@click.option(
    "--bounds",
    "all_bounds",
    is_flag=True,
    help="Also print the bounds of policies that search for their thresholds, which takes seconds each.",
)
@plots("the network of the one scenario")
@reads_scenario
def check(
    scenarios: tuple[str, ...],
    all_bounds: bool,
    plot: Path | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    wants_json: bool,
) -> None:
    """Tell what is wrong with scenario files, or print them with their bounds and every default.

    All files are looked at before the first fault ends the command. A bound is the most answers per second that
    devices and links could give, wherever tasks go, if samples left at the exits where the policy's first
    thresholds let them; and the share of samples that any of its exits gets right. It is left out where the linear
    programme is too large: more than 30,000 unknowns, as of some hundred devices.
    """
    if plot is not None and len(scenarios) > 1:
        raise click.UsageError(f"--plot draws one network, and {len(scenarios)} scenarios are named; name one")
    faults, found = [], []
    for path in scenarios:
        try:
            found.append(_checked(path, overrides, allow_code, all_bounds))
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise click.ClickException("\n".join(faults))
    if plot is not None:
        from mdisim.report import network, save

        save(network(found[0].ground.world), plot)
    if wants_json:
        as_json([_facts(one) for one in found])
    else:
        for number, one in enumerate(found):
            _show(one, first=number == 0)


def _checked(path: str, overrides: tuple[str, ...], allow_code: bool, all_bounds: bool) -> Checked:
    """Read the scenario, which checks all policies, and lay out those whose bounds are wanted."""
    from mdisim.experiments.prepare import Ground
    from mdisim.policies.fit import searches

    scenario = scenario_of(path, overrides, allow_code)
    ground = Ground.of(scenario)
    own, others = scenario.recipe(), scenario.compared()
    alike = [label for label, recipe in others.items() if recipe == own]
    recipes = {alike[0] if alike else scenario.spec.policy.called: own} | others
    policies = {
        label: ground.policy(recipe) if all_bounds or not searches(recipe) else None
        for label, recipe in recipes.items()
    }
    return Checked(path, scenario, ground, policies)


def _show(checked: Checked, *, first: bool) -> None:
    """Print that nothing is wrong, at once; then the bounds, when they are known, and every default."""
    from mdisim.scenario.yamlio import dump

    if not first:
        say("---")
    say(f"# {checked.file}: no issues found")
    for warning in checked.scenario.warnings:
        say(f"# warning: {warning}")
    for name, trace in checked.scenario.traces.files.items():
        say(f"# trace {name}: read as {trace.read_as}, mean {quantity('mean_bps', trace.mean_bps())}")
    for line in bounds_in_words(_bounds(checked)):
        say(f"# {line}")
    say(dump(checked.scenario.resolved()), end="")


def _facts(checked: Checked) -> dict[str, Any]:
    """What a program reads."""
    world = checked.ground.world
    return {
        "file": checked.file,
        "digest": checked.scenario.digest,
        "devices": len(world.devices),
        "links": len(world.links),
        "sources": len(world.sources),
        "exits": world.n_exits,
        "policies": list(checked.policies),
        "duration_s": world.window.duration_s,
        "warnings": checked.scenario.warnings,
        "traces": [
            {"trace": name, "read_as": trace.read_as, "mean_bps": trace.mean_bps()}
            for name, trace in checked.scenario.traces.files.items()
        ],
        "bounds": _bounds(checked),
    }


def _bounds(checked: Checked) -> list[dict[str, Any]]:
    """The bounds of each policy, and of any; None for what is left out, as a programme of so many `unknowns`."""
    from mdisim import bounds

    world = checked.ground.world
    offered = bounds.offered_per_s(world)
    total = float(sum(offered))
    mix = [rate / total for rate in offered] if isfinite(total) and total else None
    found = []
    for label, policy in {**checked.policies, ANY: None}.items():
        facts: dict[str, Any] = {"policy": label, "throughput_bound_per_s": None, "limited_by": ()}
        facts |= {"accuracy_bound": None, "offered_per_s": total}
        if policy is not None or label == ANY:
            facts["accuracy_bound"] = bounds.accuracy_bound(world, policy)
            demand = bounds.lightest(world) if policy is None else bounds.planned(world, policy)
            unknowns = bounds.unknowns(world, demand)
            if unknowns > bounds.MOST_UNKNOWNS:
                facts["unknowns"] = unknowns
            else:
                bound = bounds.throughput_bound(world, demand, mix=mix)
                facts |= {"throughput_bound_per_s": bound.per_s, "limited_by": bound.limited_by}
        found.append(facts)
    return found
