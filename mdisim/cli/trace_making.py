"""The commands that make traces out of models and models out of traces, and the catalogue of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from mdisim.cli.options import free, json_option
from mdisim.cli.output import as_json, show, table
from mdisim.experiments.written import quantity

if TYPE_CHECKING:
    from mdisim.traces.presets import Preset

LICENCE = "Apache-2.0, as mdisim: drawn from a model, no log is in it"
NOTES = ("what", "made by", "source", "licence")


class Quantity(click.ParamType[float]):
    """A number in the SI unit, or a quantity with its unit in text."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.name = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the quantity."""
        from mdisim.errors import InputError
        from mdisim.scenario.units import BANDWIDTH, TIME, parse

        try:
            return float(value)
        except ValueError:
            dimension = {"s": TIME, "bit/s": BANDWIDTH}.get(self.unit)
            if dimension is None:
                self.fail(f"{value!r} is not a number", param, ctx)
            try:
                return parse(value, dimension, zero=True)
            except InputError as error:
                self.fail(str(error), param, ctx)


SECONDS, BPS = Quantity("s"), Quantity("bit/s")


@click.command()
@click.argument("name", metavar="NAME|KIND|FILE.toml")
@click.option("--duration", "duration_s", type=SECONDS, default=600.0, show_default=True, metavar="TIME",
              help="How long: seconds, or such as '10 min'.")  # fmt: skip
@click.option("--step", "step_s", type=SECONDS, metavar="TIME",
              help="How long each rate holds; by default the preset's, or 1 s.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="PARAMETER=VALUE",
              help="A parameter, such as --set mean_bps='20 Mbps'; several values with commas, rows with "
                   "semicolons; may be repeated.")  # fmt: skip
@click.option("--mean", "mean_bps", type=BPS, metavar="RATE",
              help="Scale what is drawn to this mean, such as '18.8 Mbps'.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of random numbers.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="The file to write, such as mine.csv.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def synth(
    name: str,
    duration_s: float,
    step_s: float | None,
    settings: tuple[str, ...],
    mean_bps: float | None,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Draw a trace from a preset, or from a kind of model (`mdisim traces KIND` has its parameters).

    Any kind may have outages: --set up_s=60 --set outage_s=2.
    """
    from dataclasses import replace

    import numpy as np

    from mdisim.traces import scaled, write

    free(out, force)
    asked = _model(name, settings)
    step_s = asked.step_s if step_s is None else step_s
    made = asked.model.trace(duration_s, np.random.default_rng(seed), step_s)
    if mean_bps is not None:
        made = scaled(made, mean_bps=mean_bps)
        made = replace(made, rate_bps=np.rint(made.rate_bps))
    command = _command(name, {"duration": duration_s, "step": step_s, "mean": mean_bps, "seed": seed}, settings)
    said = (asked.what, command, asked.source, LICENCE if asked.source else "")
    write(replace(made, notes={key: text for key, text in zip(NOTES, said, strict=True) if text}), out)
    about = f"{quantity('duration_s', made.duration_s)}, mean {quantity('mean_bps', made.mean_bps())}"
    show(f"{name}: {len(made)} knots, {about}; written to {out}")


def _command(name: str, numbers: dict[str, float | None], settings: tuple[str, ...]) -> str:
    """The command that makes the same trace, whatever the file is called."""
    import shlex

    options = [f"--{key}={value:.12g}" for key, value in numbers.items() if value is not None]
    return shlex.join(["mdisim", "trace", "synth", name, *options, *(f"--set={setting}" for setting in settings)])


def _model(name: str, settings: tuple[str, ...]) -> Preset:
    """The preset or the kind of that name, with what is set."""
    from dataclasses import replace

    from mdisim.traces.generators import KINDS
    from mdisim.traces.model import unknown
    from mdisim.traces.presets import SUFFIX, Preset, made, preset, presets, values

    if name in KINDS:
        return Preset(name, made(name, _values(name, settings)))
    if not name.endswith(SUFFIX) and name not in presets():
        told = unknown("preset or kind", name, [*presets(), *KINDS])
        raise click.BadParameter(f"{told}; the path of a {SUFFIX} would do, too", param_hint="NAME")
    found = preset(name)
    kind, given = values(found.model)
    return replace(found, model=made(kind, given | _values(kind, settings)))


def _values(kind: str, settings: tuple[str, ...]) -> dict[str, Any]:
    """What --set says, as numbers, lists and rows."""
    from mdisim.traces.model import unknown
    from mdisim.traces.presets import hint, takes

    known = {told.name: told for told in takes(kind)}
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in known:
            fault = unknown("parameter", name, known) if equals else f"{setting!r} is not PARAMETER=VALUE"
            raise click.BadParameter(f"{kind}: {fault}", param_hint="--set")
        values[name] = _value(text, hint(kind, name), Quantity(known[name].unit))
    return values


def _value(text: str, wanted: Any, number: Quantity) -> Any:
    if wanted is bool:
        return {"true": True, "false": False}.get(text, text)
    inner = get_args(wanted)
    if not inner:
        return number.convert(text, None, None)
    separator = ";" if get_args(inner[0]) else ","
    return [_value(part, inner[0], number) for part in text.split(separator)]


@click.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("--name", required=True, help="The model's name.")
@click.option("--what", default="", metavar="TEXT", help="What it is of.")
@click.option("--source", default="", metavar="TEXT", help="Where the logs are from.")
@click.option("--step", "step_s", type=SECONDS, default=1.0, show_default=True, metavar="TIME",
              help="Average over steps of this length, not shorter than the logs' own.")  # fmt: skip
@click.option("--outage-below", "outage_bps", type=BPS, default=10e3, show_default=True, metavar="RATE",
              help="Lower rates are outages.")  # fmt: skip
@click.option("--skip", "skip_s", type=SECONDS, default=0.0, show_default=True, metavar="TIME",
              help="Leave out the beginning of each log.")  # fmt: skip
@click.option("--same-mean", is_flag=True, help="Scale each log to the mean of all first.")
@click.option("--format", metavar="FORMAT", help="The logs' format, where it cannot be told from them.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="The file to write, such as mine.toml; without it the model is only compared.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@json_option
def fit(
    logs: tuple[str, ...],
    name: str,
    what: str,
    source: str,
    step_s: float,
    skip_s: float,
    format: str | None,
    out: Path | None,
    force: bool,
    wants_json: bool,
    **how: Any,
) -> None:
    """Fit a model to logs, for `mdisim trace synth`, and compare it with them.

    The logs count as pieces of one and the same process, each by its duration.
    """
    import numpy as np

    from mdisim.traces import cut, fitting, load
    from mdisim.traces.presets import Preset, toml

    if out is not None:
        free(out, force)
    read = [load(log, format) for log in logs]
    pieces = [cut(log, skip_s, log.duration_s) if skip_s else log for log in read]
    model = fitting.fit(pieces, step_s=step_s, **how)
    rows = fitting.compared(pieces, model, np.random.default_rng(0), step_s=step_s, **how)
    if out is not None:
        out.write_text(toml(Preset(name, model, what, source, step_s)), encoding="utf-8")
    if wants_json:
        as_json(rows)
        return
    table([{key.rpartition("_")[0] or key: _in_words(key, row[key]) for key in row} for row in rows], name)
    if out is not None:
        show(f"written to {out}")


def _in_words(key: str, value: Any) -> str:
    return quantity(key, value) if isinstance(value, float) else str(value)


@click.command("traces")  # mdisim.cli.traces is a module
@click.argument("name", required=False)
@json_option
def list_traces(name: str | None, wants_json: bool) -> None:
    """List the traces that come with mdisim and the kinds of models, or describe one of them or a file."""
    from mdisim.traces import catalogue
    from mdisim.traces.generators import KINDS

    if name is not None:
        _describe(name, wants_json)
        return
    rows = catalogue()
    if wants_json:
        as_json(rows)
        return
    shown = [{key: _in_words(key, row[key]) for key in row if key != "source"} for row in rows]
    table([{key.rpartition("_")[0] or key: value for key, value in row.items()} for row in shown])
    kinds = [{"kind": kind, "what": (model.__doc__ or "").partition("\n")[0]} for kind, model in KINDS.items()]
    table(kinds, "kinds of models, for `mdisim trace synth`")


def _describe(name: str, wants_json: bool) -> None:
    """A kind's parameters, or a trace's measures and notes, and the model that it was drawn from."""
    from dataclasses import asdict

    from mdisim.traces import load, statistics
    from mdisim.traces.generators import KINDS
    from mdisim.traces.presets import presets, takes, values

    if name in KINDS:
        fields = ("name", "default", "unit", "allowed", "meaning")
        rows = [{key: getattr(told, key) for key in fields} for told in takes(name)]
        if wants_json:
            as_json(rows)
        else:
            table(rows, f"{name}: {(KINDS[name].__doc__ or '').partition(chr(10))[0]}")
        return
    given = load(name)
    facts = {"name": name, **asdict(statistics(given)), "end": given.end, **given.notes}
    found = presets().get(name)
    kind, parameters = values(found.model) if found else ("", {})
    if wants_json:
        as_json([facts | ({"model": {"kind": kind, **parameters}} if found else {})])
        return
    table([{"fact": key, "value": _in_words(key, value)} for key, value in facts.items()])
    if found:
        rows = [{"parameter": key, "value": value} for key, value in parameters.items()]
        table(rows, f"drawn from the preset of this name, of the kind {kind}")
