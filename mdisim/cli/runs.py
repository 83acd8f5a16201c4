"""The commands that read a scenario: check, run, compare, schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from mdisim.cli.options import (
    check_plot,
    jobs_option,
    listed,
    placed,
    plots,
    reads_scenario,
    scenario_of,
    warn,
    writes_results,
)
from mdisim.cli.output import as_json, progress_bar, say
from mdisim.cli.seeds import seeded, seeds_asked
from mdisim.cli.shown import ANY, bounds_in_words
from mdisim.errors import InputError
from mdisim.experiments.written import VERDICT, quantity

if TYPE_CHECKING:
    from mdisim.experiments.comparison import Warmup
    from mdisim.experiments.prepare import Ground
    from mdisim.policies.policy import Policy
    from mdisim.results import Run

EVENTS = "timeline.json.gz"


@click.command()
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...")
@plots("the network of the one scenario")
@reads_scenario
def check(
    scenarios: tuple[str, ...], plot: Path | None, overrides: tuple[str, ...], allow_code: bool, wants_json: bool
) -> None:
    """Tell what is wrong with scenario files, or print them with their bounds and every default.

    All files are looked at before the first fault ends the command. A bound is the most answers per second that
    devices and links could give, wherever tasks go, if samples left at the exits where the policy's first
    thresholds let them; and the share of samples that any of its exits gets right.
    """
    if plot is not None and len(scenarios) > 1:
        raise click.UsageError(f"--plot draws one network, and {len(scenarios)} scenarios are named; name one")
    faults, found = [], []
    for path in scenarios:
        try:
            found.append(_check(path, overrides, allow_code))
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise click.ClickException("\n".join(faults))
    if plot is not None:
        from mdisim.report import network, save

        save(network(found[0]["world"]), plot)
    if wants_json:
        as_json([{key: facts[key] for key in facts if key not in ("resolved", "world")} for facts in found])
    else:
        texts = [
            "\n# ".join(
                (
                    f"# {facts['file']}: all is well",
                    *_warned(facts),
                    *_traces(facts),
                    *bounds_in_words(facts["bounds"]),
                )
            )
            + f"\n{facts['resolved']}"
            for facts in found
        ]
        say("---\n".join(texts), end="")


def _check(path: str, overrides: tuple[str, ...], allow_code: bool) -> dict[str, Any]:
    """Build everything that a run or a comparison would."""
    from mdisim.experiments.compare import lay_out
    from mdisim.experiments.prepare import Ground
    from mdisim.scenario.yamlio import dump

    scenario = scenario_of(path, overrides, allow_code)
    ground = Ground.of(scenario)
    others = lay_out(ground, None)
    alike = [label for label, recipe in scenario.compared().items() if recipe == scenario.recipe()]
    own = others[alike[0]] if alike else ground.policy(None)
    return {
        "file": path,
        "digest": scenario.digest,
        "devices": len(ground.world.devices),
        "links": len(ground.world.links),
        "sources": len(ground.world.sources),
        "exits": ground.world.n_exits,
        "policies": list(dict.fromkeys([own.name, *others])),
        "duration_s": ground.world.window.duration_s,
        "warnings": scenario.warnings,
        "traces": [
            {"trace": name, "read_as": given.read_as, "mean_bps": given.mean_bps()}
            for name, given in scenario.traces.files.items()
        ],
        "bounds": _bounds(ground, {own.name: own} | others),
        "resolved": dump(scenario.resolved()),
        "world": ground.world,
    }


def _warned(facts: Mapping[str, Any]) -> list[str]:
    return [f"warning: {warning}" for warning in facts["warnings"]]


def _traces(facts: Mapping[str, Any]) -> list[str]:
    return [
        f"trace {one['trace']}: read as {one['read_as']}, mean {quantity('mean_bps', one['mean_bps'])}"
        for one in facts["traces"]
    ]


def _bounds(ground: Ground, policies: Mapping[str, Policy]) -> list[dict[str, Any]]:
    """The bounds of each policy, and of any."""
    from mdisim import bounds

    world = ground.world
    demands = {label: bounds.planned(world, policy) for label, policy in policies.items()}
    offered = bounds.offered_per_s(world)
    total = float(sum(offered))
    mix = [rate / total for rate in offered] if isfinite(total) and total else None
    found = []
    for label, demand in {**demands, ANY: bounds.lightest(world)}.items():
        bound = bounds.throughput_bound(world, demand, mix=mix)
        right = bounds.accuracy_bound(world, policies.get(label))
        found.append(
            {"policy": label, "throughput_bound_per_s": bound.per_s, "limited_by": bound.limited_by,
             "accuracy_bound": right, "offered_per_s": total}
        )  # fmt: skip
    return found


@click.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--policy", metavar="NAME", help="A policy in place of the scenario's.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="The seed, in place of the scenario's.")
@click.option(
    "--timeline",
    "record",
    is_flag=True,
    help="Also write every service and transmission, as timeline.json.gz for a viewer of Chrome traces.",
)
@plots("the run over time")
@reads_scenario
@writes_results
@click.pass_obj
def run(
    command: str,
    scenario: str,
    policy: str | None,
    seed: int | None,
    record: bool,
    plot: Path | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    wants_json: bool,
    out: Path | None,
    force: bool,
) -> None:
    """Run one policy in a scenario, print what it achieved, and write its tables."""
    from mdisim.cli.shown import run_report
    from mdisim.experiments.prepare import Ground, parameters
    from mdisim.folders import vacant
    from mdisim.recovery import recovery
    from mdisim.results import identity

    check_plot(plot)
    named = () if policy is None else (_policy(policy, scenario, overrides, allow_code),)
    seeded = () if seed is None else (f"run.seed={seed}",)
    ground = Ground.of(scenario_of(scenario, (*named, *overrides, *seeded), allow_code))
    chosen, number = ground.alone(None), ground.seed(None)
    asked = identity(ground.origin, chosen.name, parameters(chosen), number)
    directory = placed(out, ground.name, asked)
    vacant(directory, asked, force)
    warn(ground.warnings)
    with progress_bar(f"{chosen.name} in {ground.name}") as advance:
        done = ground.run(chosen, number, advance, record)
    done.save(directory, command=command, force=force, also=_timeline(done) if record else lambda folder: None)
    if plot is not None:
        from mdisim.report import save, timeline

        save(timeline(done), plot)
    if wants_json:
        facts = {"scenario": ground.name, "policy": done.policy, "seed": done.seed}
        failed = recovery(done).to_dict("records")
        as_json([{**facts, **done.summary(), "faults": failed, "directory": str(directory)}])
    else:
        run_report(done, f"seed {number}" + (" (--seed wins over the file's)" if seeded else ""), directory)
        if record:
            say(f"every event in {directory / EVENTS}, for a viewer of Chrome traces")


def _timeline(run: Run) -> Callable[[Path], object]:
    """What writes the events of a run into its folder."""
    from mdisim.report import save_event_trace

    return lambda folder: save_event_trace(run, folder / EVENTS)


def _policy(name: str, scenario: str, overrides: tuple[str, ...], allow_code: bool) -> str:
    """The override that puts this policy in place, with the parameters that the scenario states for it."""
    paths = {text: text.partition("=")[0].strip() for text in overrides}
    rival = next((text for text, path in paths.items() if path in ("policy", "policy.name")), None)
    if rival is not None:
        raise click.UsageError(f"--policy {name} and --set {rival} name a policy each; leave one out")
    others = tuple(text for text, path in paths.items() if path.split(".")[0] != "policy")
    return f"policy={json.dumps(scenario_of(scenario, others, allow_code).stated(name))}"


@click.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--policies", "names", metavar="A,B,C",
              help="Policies by name, the first one to compare with; the scenario's by default.")  # fmt: skip
@seeded
@click.option(
    "--warmup",
    type=click.Choice(("stated", "mser")),
    default="stated",
    show_default=True,
    help="What is left out: what the scenario says, or what MSER-5 finds in three runs of each policy.",
)
@jobs_option
@click.option("--measures", metavar="A,B,C", help="Which measures to print; all are written.")
@click.option("--format", "style", type=click.Choice(("table", "markdown", "latex")), default="table",
              show_default=True, help="How to print.")  # fmt: skip
@plots("accuracy against throughput and against latency")
@reads_scenario
@writes_results
@click.pass_obj
def compare(
    command: str,
    scenario: str,
    names: str | None,
    seeds: int | Literal["auto"],
    until: str | None,
    most: int,
    warmup: Warmup,
    jobs: int | None,
    measures: str | None,
    style: str,
    plot: Path | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    wants_json: bool,
    out: Path | None,
    force: bool,
) -> None:
    """Run policies on the same work and print means with 95 % intervals over seeds.

    A * marks what differs from the first policy: paired t tests, measure by measure, adjusted by Holm's procedure
    for the policies compared.
    """
    from mdisim.cli.shown import comparison_report
    from mdisim.experiments import compare as comparing
    from mdisim.experiments.compare import check_measures, compare_on, identity, lay_out, record
    from mdisim.experiments.prepare import Ground
    from mdisim.folders import vacant

    check_plot(plot)
    ground = Ground.of(scenario_of(scenario, overrides, allow_code))
    wanted = comparing.MEASURES if measures is None else tuple(listed(measures))
    check_measures(wanted, (*comparing.measures(ground.world.n_exits), VERDICT))
    numbers = seeds_asked(seeds, until, most)
    policies = lay_out(ground, None if names is None else listed(names))
    asked = identity(ground.origin, record(policies), numbers, warmup)
    directory = placed(out, ground.name, asked)
    vacant(directory, asked, force)
    with progress_bar(f"{len(policies)} policies in {ground.name}") as advance:
        done = compare_on(ground, policies, numbers, jobs, advance, warmup)
    done.save(directory, command=command, force=force)
    if plot is not None:
        from mdisim.report import save
        from mdisim.report.frontiers import compared

        save(compared(done), plot)
    if wants_json:
        as_json(done.records(wanted))
    elif style == "table":
        comparison_report(done, wanted, directory)
    else:
        say(done.markdown(wanted) if style == "markdown" else done.latex(wanted), end="")
    if wants_json or style != "table":
        warn(done.warnings)


@click.command()
def schema() -> None:
    """Print the scenario's JSON Schema, for editors."""
    from mdisim.scenario import Scenario

    as_json(Scenario.schema())
