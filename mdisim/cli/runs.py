"""The commands that read a scenario: check, run, compare, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdisim.cli.options import check_plot, json_option, plots, together
from mdisim.cli.shown import as_json, progress_bar

if TYPE_CHECKING:
    from mdisim.scenario import Scenario

RESULTS = Path("results")


reads_scenario = together(
    click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE",
                 help="Replace one value, such as --set policy.exit_threshold=0.9; may be repeated."),
    click.option("--allow-code", is_flag=True,
                 help="Let the scenario import and run code of yours (rule: package.module:Class)."),
    json_option,
)  # fmt: skip


writes_results = together(
    click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
                 help="Where to write; results/NAME-HASH by default."),
    click.option("--force", is_flag=True, help="Replace other results that are there."),
)  # fmt: skip


@click.command()
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO...")
@plots("the network of the one scenario")
@reads_scenario
def check(
    scenarios: tuple[str, ...], plot: Path | None, overrides: tuple[str, ...], allow_code: bool, wants_json: bool
) -> None:
    """Tell what is wrong with scenario files, or print them with every default.

    All files are looked at before the first fault ends the command.
    """
    if plot is not None and len(scenarios) > 1:
        raise click.UsageError(f"--plot draws one network, and {len(scenarios)} scenarios are named; name one")
    faults, found = [], []
    for path in scenarios:
        try:
            found.append(_check(path, overrides, allow_code))
        except ValueError as error:
            if not type(error).__module__.startswith("mdisim."):
                raise
            faults.append(str(error))
    if faults:
        raise click.ClickException("\n".join(faults))
    if plot is not None:
        from mdisim.report import network, save

        save(network(found[0]["world"]), plot)
    if wants_json:
        as_json([{key: facts[key] for key in facts if key not in ("resolved", "world")} for facts in found])
    else:
        texts = [f"# {facts['file']}: all is well\n{facts['resolved']}" for facts in found]
        click.echo("---\n".join(texts), nl=False)


def _check(path: str, overrides: tuple[str, ...], allow_code: bool) -> dict[str, Any]:
    """Build everything that a run or a comparison would."""
    from mdisim.experiments.compare import lay_out
    from mdisim.experiments.prepare import Ground

    scenario = _scenario(path, overrides, allow_code)
    ground = Ground.of(scenario)
    laid_out = [ground.policy(None).name, *lay_out(ground, None)]
    return {
        "file": path,
        "digest": scenario.digest,
        "devices": len(ground.world.devices),
        "links": len(ground.world.links),
        "sources": len(ground.world.sources),
        "exits": ground.world.n_exits,
        "policies": list(dict.fromkeys(laid_out)),
        "duration_s": ground.world.window.duration_s,
        "resolved": ground.origin.resolved if ground.origin else "",
        "world": ground.world,
    }


def _scenario(path: str, overrides: tuple[str, ...], allow_code: bool) -> Scenario:
    from mdisim.scenario import Scenario

    return Scenario.load(path, overrides=overrides, allow_code=allow_code)


@click.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--policy", metavar="NAME", help="A policy in place of the scenario's.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="The seed, in place of the scenario's.")
@plots("the run over time")
@reads_scenario
@writes_results
@click.pass_obj
def run(
    command: str,
    scenario: str,
    policy: str | None,
    seed: int | None,
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
    ground = Ground.of(_scenario(scenario, (*named, *overrides, *seeded), allow_code))
    chosen, number = ground.policy(None), ground.seed(None)
    asked = identity(ground.origin, chosen.name, parameters(chosen), number)
    directory = out or RESULTS / f"{ground.name}-{asked[:8]}"
    vacant(directory, asked, force)
    with progress_bar(f"{chosen.name} in {ground.name}") as advance:
        done = ground.run(chosen, number, advance)
    done.save(directory, command=command, force=force)
    if plot is not None:
        from mdisim.report import save, timeline

        save(timeline(done), plot)
    if wants_json:
        facts = {"scenario": ground.name, "policy": done.policy, "seed": done.seed}
        failed = recovery(done).to_dict("records")
        as_json([{**facts, **done.summary(), "faults": failed, "directory": str(directory)}])
    else:
        run_report(done, f"seed {number}" + (" (--seed wins over the file's)" if seeded else ""), directory)


def _policy(name: str, scenario: str, overrides: tuple[str, ...], allow_code: bool) -> str:
    """The override that puts this policy in place, with the parameters that the scenario states for it."""
    from mdisim.planners import RECIPES
    from mdisim.scenario.nearest import hint

    paths = {text: text.partition("=")[0].strip() for text in overrides}
    rival = next((text for text, path in paths.items() if path in ("policy", "policy.name")), None)
    if rival is not None:
        raise click.UsageError(f"--policy {name} and --set {rival} name a policy each; leave one out")
    others = tuple(text for text, path in paths.items() if path.split(".")[0] != "policy")
    loaded = _scenario(scenario, others, allow_code)
    stated = loaded.stated(name)
    if stated.get("name") not in RECIPES and "rule" not in stated:
        known = [*RECIPES, *(p.called for p in (loaded.spec.policy, *loaded.spec.compare))]
        say = hint(name, dict.fromkeys(known), "there are")
        raise click.BadParameter(f"no policy {name!r}; {say}", param_hint="--policy")
    return f"policy={json.dumps(stated)}"


@click.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--policies", "names", metavar="A,B,C",
              help="Policies by name, the first one to compare with; the scenario's by default.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1, 10_000), default=5, show_default=True, metavar="N",
              help="How many seeds, counted from 0; each gives every policy the same work.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="How many runs at a time.")  # fmt: skip
@click.option("--measures", metavar="A,B,C", help="Which measures to print; all are written.")
@plots("the policies over time, at the first seed")
@reads_scenario
@writes_results
@click.pass_obj
def compare(
    command: str,
    scenario: str,
    names: str | None,
    seeds: int,
    jobs: int,
    measures: str | None,
    plot: Path | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    wants_json: bool,
    out: Path | None,
    force: bool,
) -> None:
    """Run policies on the same work and print means with 95 % intervals over seeds."""
    from mdisim import metrics
    from mdisim.cli.shown import comparison_report
    from mdisim.experiments.compare import MEASURES, check_measures, compare_on, identity, lay_out, record
    from mdisim.experiments.prepare import Ground, no_progress
    from mdisim.folders import vacant

    check_plot(plot)
    ground = Ground.of(_scenario(scenario, overrides, allow_code))
    wanted = MEASURES if measures is None else tuple(_listed(measures))
    check_measures(wanted, metrics.names(ground.world.n_exits))
    policies = lay_out(ground, None if names is None else _listed(names))
    asked = identity(ground.origin, record(policies), range(seeds))
    directory = out or RESULTS / f"{ground.name}-{asked[:8]}"
    vacant(directory, asked, force)
    with progress_bar(f"{len(policies)} policies in {ground.name}") as advance:
        done = compare_on(ground, policies, range(seeds), jobs, advance)
    done.save(directory, command=command, force=force)
    if plot is not None:
        from mdisim.report import save, timeline

        save(timeline({label: ground.run(p, 0, no_progress) for label, p in policies.items()}), plot)
    if wants_json:
        as_json(done.records(wanted))
    else:
        comparison_report(done, wanted, directory)


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@click.command()
def schema() -> None:
    """Print the scenario's JSON Schema, for editors."""
    from mdisim.scenario import Scenario

    click.echo(json.dumps(Scenario.schema(), indent=2, ensure_ascii=False))
