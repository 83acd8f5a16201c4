"""The commands about what there is: policies, profiles, and the making of profiles."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdisim.cli.options import free, json_option, together
from mdisim.cli.shown import as_json, show, table

if TYPE_CHECKING:
    from mdisim.profiles import Profile

LISTED = ("name", "dataset", "model", "exits", "test_accuracy", "cost_tables")


@click.command()
@click.argument("name", required=False)
@json_option
def policies(name: str | None, wants_json: bool) -> None:
    """List the named policies, or the parameters of one."""
    from mdisim.planners import RECIPES
    from mdisim.policies import parameters

    if name is None:
        rows: list[dict[str, Any]] = [{"policy": key, "what": _first_line(kind)} for key, kind in RECIPES.items()]
    elif name in RECIPES:
        fields = ("name", "default", "unit", "allowed", "meaning")
        rows = [{key: getattr(p, key) for key in fields} for p in parameters(RECIPES[name])]
    else:
        near = get_close_matches(name, RECIPES, 1)
        raise click.BadParameter(
            f"no policy {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(RECIPES)}"),
            param_hint="NAME",
        )
    if wants_json:
        as_json(rows)
    else:
        table(rows, None if name is None else f"{name}: {_first_line(RECIPES[name])}")


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


@click.command()
@click.argument("name", required=False)
@json_option
def profiles(name: str | None, wants_json: bool) -> None:
    """List the profiles that come with mdisim, or describe one of them or a file."""
    from mdisim.profiles import catalogue, describe

    rows = catalogue() if name is None else [describe(name)]
    if wants_json:
        as_json(rows)
    elif name is None:
        table([{key.replace("_", " "): _in_words(row[key]) for key in LISTED} for row in rows])
    else:
        _describe(rows[0])


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name", ", ".join(f"{k} {v}" for k, v in value.items())))
    return ", ".join(map(_in_words, value)) if isinstance(value, list | tuple) else str(value)


def _describe(profile: dict[str, Any]) -> None:
    """Print what is known of one profile: facts, then a table of times for each of its cost tables."""
    from mdisim.profiles import device_kinds

    facts = {key: value for key, value in profile.items() if key not in ("cost_tables", "header")}
    table([{"fact": key, "value": _in_words(value)} for key, value in facts.items()])
    for name, costs in profile["cost_tables"].items():
        rows = [{"device kind": kind, **_times(facts)} for kind, facts in costs["kinds"].items()]
        table(rows, f"cost table {name}; KiB sent: {_in_words(costs['out_kib'])}")
    known = device_kinds()
    notes = {kind: facts["note"] for kind, facts in costs["kinds"].items()}
    hardware = {kind: f"{known[kind].hardware}; " if kind in known else "" for kind in notes}
    show("where the times come from:", *(f"  {kind}: {hardware[kind]}{note}" for kind, note in notes.items()))


def _times(facts: dict[str, Any]) -> dict[str, str]:
    """The numbers of one device kind, short enough for a row; its note stands below the tables."""
    numbers = {key: value for key, value in facts.items() if key != "note"}
    return {key: ", ".join(f"{value:.3g}" for value in values) for key, values in numbers.items()}


@click.group()
def profile() -> None:
    """Make a profile: import a table, synthesise one, or build one from a network."""


class Numbers(click.ParamType[Any]):
    """One number, or several with commas between."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the numbers; one alone stands for itself."""
        if not isinstance(value, str):
            return value
        try:
            numbers = [float(text) for text in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a number, nor several such as 0.01,0.02", param, ctx)
        return numbers if len(numbers) > 1 else numbers[0]


NUMBERS = Numbers()


writes_profile = together(
    click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                 help="The file to write, such as mine.npz."),
    click.option("--force", is_flag=True, help="Replace the file if it is there."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of random numbers."),
)  # fmt: skip


states_costs = together(
    click.option("--stage-s", type=NUMBERS, metavar="S[,S...]", help="Seconds of each stage."),
    click.option("--head-s", type=NUMBERS, default=0.0, metavar="S[,S...]", help="Seconds of each head."),
    click.option("--out-bytes", type=NUMBERS, metavar="B[,B...]",
                 help="Bytes of the input and after each stage but the last."),
)  # fmt: skip


def _sent(out_bytes: Any, instead: str = "") -> Any:
    """After the last stage nothing is sent; what is sent before it must be said, or all links would be idle."""
    if out_bytes is None:
        raise click.UsageError(
            f"--out-bytes is needed, such as --out-bytes 3072,8192,4096 (0 if nothing is sent){instead}"
        )
    return [*out_bytes, 0.0] if isinstance(out_bytes, list) else out_bytes


def _write(made: Profile, out: Path) -> None:
    from mdisim.profiles import write

    write(made, out)
    accuracy = ", ".join(f"{100 * share:.1f} %" for share in made.half("test").correct.mean(axis=0))
    show(f"{made.name}: {made.n} samples, {made.n_exits} exits, test accuracy {accuracy}; written to {out}")


@profile.command("import")
@click.argument("table_path", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="TABLE")
@click.option("--confidence", required=True, metavar="COLUMNS",
              help="The exits' confidences: a pattern such as conf_{k}, or names with commas.")  # fmt: skip
@click.option("--prediction", metavar="COLUMNS", help="The exits' predicted classes; or give --correct.")
@click.option("--correct", metavar="COLUMNS", help="Whether the exits are right (1/0).")
@click.option("--label", metavar="COLUMN", help="The true class.")
@click.option("--split", metavar="COLUMN", help="calibration or test, row by row.")
@click.option("--calibration-share", type=click.FloatRange(0, 1), default=0.5, show_default=True,
              help="Without --split: the share of rows, drawn at random, for calibration.")  # fmt: skip
@click.option("--costs", metavar="PROFILE", help="Take the costs of this profile; or state them.")
@click.option("--name", help="The profile's name; by default that of the table.")
@states_costs
@writes_profile
def import_(
    table_path: Path,
    confidence: str,
    prediction: str | None,
    correct: str | None,
    out_bytes: Any,
    out: Path,
    force: bool,
    **options: Any,
) -> None:
    """Make a profile of a CSV table with one row a sample."""
    from mdisim.profiles import import_csv

    free(out, force)
    sent = 0.0 if options["costs"] and out_bytes is None else _sent(out_bytes, "; or --costs PROFILE")
    made = import_csv(
        table_path,
        confidence=_columns(confidence),
        prediction=prediction and _columns(prediction),
        correct=correct and _columns(correct),
        out_bytes=sent,
        **options,
    )
    _write(made, out)


def _columns(text: str) -> str | list[str]:
    return text.split(",") if "," in text else text


@profile.command()
@click.option("--samples", "n", type=click.IntRange(1, 10_000_000), default=10_000, show_default=True,
              help="How many.")  # fmt: skip
@click.option("--accuracy", type=NUMBERS, required=True, metavar="A,A...", help="The accuracy of each exit.")
@click.option("--classes", type=click.IntRange(2), default=10, show_default=True, help="How many classes.")
@click.option("--correlation", type=click.FloatRange(0, 1), default=0.7, show_default=True,
              help="Rank correlation of the exits' difficulties.")  # fmt: skip
@click.option("--kappa", type=NUMBERS, default=1.0, metavar="K[,K...]",
              help="Over-confidence of each exit: its temperature.")  # fmt: skip
@click.option("--calibration-share", type=click.FloatRange(0, 1), default=0.5, show_default=True,
              help="The share of samples for calibration.")  # fmt: skip
@click.option("--name", default="synthetic", show_default=True, help="The profile's name.")
@states_costs
@writes_profile
def synth(accuracy: Any, stage_s: Any, out_bytes: Any, out: Path, force: bool, **options: Any) -> None:
    """Synthesise a profile with known accuracies and calibration."""
    from mdisim.profiles import synthesise

    free(out, force)
    if stage_s is None:
        raise click.UsageError("--stage-s is needed, such as --stage-s 0.01,0.02,0.02")
    exits = len(accuracy) if isinstance(accuracy, list) else 1
    _write(synthesise(exits=exits, accuracy=accuracy, stage_s=stage_s, out_bytes=_sent(out_bytes), **options), out)


@profile.command()
@click.argument("dataset", metavar="cifar10|fashion-mnist")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), metavar="PATH", help="Where the data set lies."
)
@click.option("--training", metavar="standard|plain", default="standard", show_default=True,
              help="plain: long, without augmentation, hence over-confident.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), help="Passes through the training images.")
@click.option("--checkpoint", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Written after each epoch; training goes on from it.")  # fmt: skip
@click.option("--shift", metavar="KIND=LEVEL",
              help="Distort held-out images: noise=SIGMA in grey levels, blur=SIGMA in pixels.")  # fmt: skip
@click.option("--shift-half", type=click.Choice(["test", "both"]), default="test", show_default=True,
              help="Which half the shift befalls.")  # fmt: skip
@click.option("--costs", metavar="PROFILE",
              help="Take the costs measured for this profile of the same network; else measure.")  # fmt: skip
@click.option("--name", help="The profile's name; by default DATASET-mobilenetv2, then what is not standard.")
@writes_profile
def build(
    dataset: str,
    data: Path | None,
    training: str,
    shift: str | None,
    shift_half: str,
    costs: str | None,
    name: str | None,
    out: Path,
    force: bool,
    **options: Any,
) -> None:
    """Train a five-exit network and measure it (needs the torch extra)."""
    from mdisim.profiles import from_measured, load
    from mdisim.profiles.build import HALVES, Shift, build_profile_data

    free(out, force)
    halves = HALVES if shift_half == "both" else (shift_half,)
    distortion = None if shift is None else Shift.parsed(shift, halves)
    measured = build_profile_data(
        data,
        dataset,
        training=training,
        shift=distortion,
        costs=None if costs is None else load(costs),
        progress=lambda line: click.echo(line, err=True),
        **options,
    )
    parts = [dataset, "mobilenetv2", *([] if training == "standard" else [training])]
    parts += [] if distortion is None else [str(distortion).replace("=", "")]
    _write(from_measured(measured, name or "-".join(parts)), out)
