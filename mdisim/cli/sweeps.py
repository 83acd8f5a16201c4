"""The commands of many runs: sweep, search, tune."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdisim.cli.options import (
    jobs_option,
    listed,
    placed,
    reads_scenario,
    scenario_of,
    together,
    warn,
    writes_results,
)
from mdisim.cli.output import as_json, show
from mdisim.cli.sweeps_shown import (
    forecast_report,
    judged_line,
    search_report,
    sweep_report,
    tallies,
    told_lines,
    trial_line,
    tuning_report,
)
from mdisim.experiments.written import VERDICT

if TYPE_CHECKING:
    from mdisim.scenario import Scenario

runs_somewhere = together(
    jobs_option,
    click.option("--backend", type=click.Choice(("local", "dask")), default="local", show_default=True,
                 help="What looks after the runs."),
    click.option("--address", metavar="ADDR",
                 help="The cluster of dask (tcp://host:8786, or its scheduler's file.json)."),
)  # fmt: skip


@click.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--grid", multiple=True, metavar="PATH=V1,V2",
              help="Values of a path, crossed with all else; may be repeated, as may the next three.")  # fmt: skip
@click.option("--zip", "zipped", multiple=True, metavar="PATH=V1,V2", help="Values that move together.")
@click.option("--random", multiple=True, metavar="PATH=LOW:HIGH[:log][:int]", help="Values drawn independently.")
@click.option("--latin", multiple=True, metavar="PATH=LOW:HIGH[:log][:int]",
              help="Values drawn as a Latin hypercube.")  # fmt: skip
@click.option("--points", type=click.IntRange(1), metavar="N", help="How many points to draw.")
@click.option("--design-seed", type=click.IntRange(0), default=0, metavar="N", help="The seed of these draws.")
@click.option(
    "--policies",
    metavar="A,B,C",
    help="Policies by name; the scenario's by default: those under compare, or its own.",
)
@click.option("--seeds", type=click.IntRange(1, 10_000), default=5, show_default=True, metavar="N",
              help="How many seeds, counted from 0; each gives every point and policy the same work.")  # fmt: skip
@click.option("--shard", metavar="I/N", help="Do only every Nth run, from the Ith; I counts from 0.")
@click.option("--keep-runs", is_flag=True, help="Write the tables of every run, too.")
@click.option("--retry-failed", is_flag=True, help="Do again what failed before.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check the design; say how many runs it has, how long they take, and "
    "which points come first. Nothing is written.",
)
@click.option("--measures", metavar="A,B,C", help="Which measures to print; all are written.")
@runs_somewhere
@reads_scenario
@writes_results
@click.pass_obj
def sweep(
    command: str,
    /,
    scenario: str,
    policies: str | None,
    seeds: int,
    shard: str | None,
    keep_runs: bool,
    retry_failed: bool,
    dry_run: bool,
    measures: str | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    wants_json: bool,
    out: Path | None,
    force: bool,
    **options: Any,
) -> None:
    """Run a scenario at many points, with policies and seeds.

    A sweep that was stopped, by whatever, goes on where it was when the same command is given again.
    """
    loaded = scenario_of(scenario, overrides, allow_code)
    warn(loaded.warnings)
    with tallies(f"sweep of {loaded.name}") as told:  # before what follows is loaded, which takes a second
        from mdisim.errors import RunError
        from mdisim.experiments.sweep.forecast import forecast
        from mdisim.experiments.sweep.plan import lay_out
        from mdisim.experiments.sweep.sweep import MEASURES, Tally, shard_of, sweep_on

        where, part = _where(options), shard_of(shard)
        wanted = MEASURES if measures is None else tuple(listed(measures))
        _known(wanted, loaded)
        named = None if policies is None else listed(policies)
        plan = lay_out(
            loaded, _design(options), named, range(seeds), lambda n, total: told(Tally(total, n, checking=True))
        )
        directory = placed(out, loaded.name, plan.identity)
        expected = forecast(plan, where, directory, part) if dry_run else None
        if expected is None:
            done = sweep_on(plan, where, directory, part, keep_runs, retry_failed, force, command, told)
    if expected is not None:
        forecast_report(plan, expected, wants_json=wants_json)
        return
    if wants_json:
        as_json(done.records(wanted))
    else:
        sweep_report(done, wanted, directory)
    if len(done.failures):
        raise RunError(f"{len(done.failures)} of {len(done.runs)} runs failed")


def _design(options: dict[str, Any]) -> Any:
    """Read the design, with the faults of all of its options at once."""
    from mdisim.experiments.prepare import ExperimentError
    from mdisim.experiments.sweep.design import Design, bounds_of, values_of

    parts: dict[str, dict[str, Any]] = {}
    faults = []
    for kind, key, read in (
        ("grid", "grid", values_of), ("zip", "zipped", values_of), ("random", "random", bounds_of),
        ("latin", "latin", bounds_of),
    ):  # fmt: skip
        parts[kind] = {}
        for written in options[key]:
            try:
                path, values = read(f"--{kind}", written)
            except ExperimentError as error:
                faults.append(str(error))
                continue
            if path in parts[kind]:
                faults.append(
                    f"--{kind} {written}: {path} stands there twice; once, with all of its values, would do"
                )
            parts[kind][path] = values
    design = Design(**parts, n_points=options["points"], seed=options["design_seed"])
    if faults:
        raise click.ClickException("\n".join(faults))
    return design


@click.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--target", "targets", multiple=True, required=True, metavar="'MEASURE <= BOUND'",
              help="What must hold, such as 'latency_p95_s <= 200 ms'; may be repeated.")  # fmt: skip
@click.option("--policy", metavar="NAME", help="A policy in place of the scenario's.")
@click.option("--start", metavar="RATE", help="The rate to begin with, such as 40/s; the scenario's by default.")
@click.option("--tolerance", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.01,
              show_default=True, help="How wide the bracket may be, as a share of the rate.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(2, 10_000), default=40, show_default=True, metavar="N",
              help="How many seeds a rate may take; they are added five at a time.")  # fmt: skip
@runs_somewhere
@reads_scenario
@writes_results
@click.pass_obj
def search(
    command: str,
    /,
    scenario: str,
    targets: tuple[str, ...],
    policy: str | None,
    start: str | None,
    tolerance: float,
    seeds: int,
    overrides: tuple[str, ...],
    allow_code: bool,
    wants_json: bool,
    out: Path | None,
    force: bool,
    **options: Any,
) -> None:
    """Find the largest rate of arrivals at which a policy meets its targets and the system keeps up."""
    from mdisim.experiments.judging import Care
    from mdisim.experiments.search import question, search_rate
    from mdisim.folders import vacant

    where = _where(options)
    loaded = scenario_of(scenario, overrides, allow_code)
    care = Care(batch=min(5, seeds), most=seeds, tolerance=tolerance)
    start_per_s = None if start is None else _rate(start)
    asked = question(loaded, policy, targets, care, start_per_s)
    directory = placed(out, loaded.name, asked)
    vacant(directory, asked, force)
    with told_lines(f"search in {loaded.name}") as line:
        found = search_rate(
            loaded, policy, targets, care=care, start_per_s=start_per_s,
            jobs=where.jobs, backend=where.backend, address=where.address,
            progress=lambda one: line(judged_line(one)),
        )  # fmt: skip
    found.save(directory, command=command, force=force)
    if wants_json:
        as_json([found.facts() | {"points": found.records()}])
        return
    search_report(found, loaded.name)
    show(f"written to {directory}")


@click.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option("--tune", "parameters", multiple=True, metavar="NAME[=LOW:HIGH|V1,V2]",
              help="A parameter, and its range or values, or its own bounds; may be repeated.")  # fmt: skip
@click.option("--minimise", metavar="MEASURE", help="What to make small, such as latency_mean_s.")
@click.option("--maximise", metavar="MEASURE", help="What to make large, such as accuracy.")
@click.option("--subject-to", "targets", multiple=True, metavar="'MEASURE >= BOUND'",
              help="What must hold as well, such as 'accuracy >= 0.9'; may be repeated.")  # fmt: skip
@click.option("--policy", metavar="NAME", help="A policy in place of the scenario's.")
@click.option("--trials", type=click.IntRange(1), default=50, show_default=True, metavar="N",
              help="How many sets of parameters to try.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1, 10_000), default=5, show_default=True, metavar="N",
              help="How many seeds to train on, with the calibration half, counted from 0.")  # fmt: skip
@click.option("--fresh", type=click.IntRange(1, 10_000), default=10, show_default=True, metavar="N",
              help="How many seeds to score on, with the test half; they follow those.")  # fmt: skip
@click.option("--sampler-seed", type=click.IntRange(0), default=0, metavar="N", help="The seed of the sampler.")
@runs_somewhere
@reads_scenario
@writes_results
@click.pass_obj
def tune(
    command: str,
    /,
    scenario: str,
    parameters: tuple[str, ...],
    targets: tuple[str, ...],
    trials: int,
    overrides: tuple[str, ...],
    allow_code: bool,
    wants_json: bool,
    out: Path | None,
    **options: Any,
) -> None:
    """Tune a policy's parameters on the calibration half, and score them on the test half and on fresh seeds.

    Needs Optuna: pip install 'mdisim[tune]'. A tuning that was stopped goes on when the same command is given
    again, and more --trials go on with those that there are.
    """
    from mdisim.experiments.tune import tune as tuned
    from mdisim.folders import digest

    loaded = scenario_of(scenario, overrides, allow_code)
    facts = [options[key] for key in ("policy", "minimise", "maximise", "seeds", "sampler_seed")]
    asked = digest(["tuning", loaded.digest, parameters, targets, *facts])
    directory = placed(out, loaded.name, asked)
    with told_lines(f"tuning in {loaded.name}", trials) as line:
        done = tuned(
            loaded, parameters=dict(_parameter(one) for one in parameters), subject_to=targets, trials=trials,
            out=directory, command=command, progress=lambda n, trial: line(trial_line(n, trial)), **options,
        )  # fmt: skip
    if wants_json:
        as_json([done.facts()])
    else:
        tuning_report(done)


def _parameter(written: str) -> tuple[str, Any]:
    """Read NAME, NAME=low:high[:log][:int] or NAME=v1,v2."""
    from mdisim.experiments.sweep.design import bounds_of, values_of

    if "=" not in written:
        return written.strip(), None
    is_range = ":" in written and "," not in written
    return bounds_of("--tune", written) if is_range else values_of("--tune", written)


# --- options


def _where(options: dict[str, Any]) -> Any:
    from mdisim.experiments.executors import Where

    return Where(options["backend"], options["jobs"], options["address"])


def _known(measures: Sequence[str], scenario: Scenario) -> None:
    from mdisim import metrics
    from mdisim.experiments.comparison import check_measures

    check_measures(measures, (*metrics.names(scenario.profile.n_exits), VERDICT))


def _rate(written: str) -> float:
    from mdisim.errors import InputError
    from mdisim.scenario.units import RATE, parse

    try:
        return parse(written, RATE)
    except InputError as error:
        raise click.BadParameter(str(error), param_hint="--start") from None
