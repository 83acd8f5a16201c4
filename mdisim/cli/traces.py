"""The commands about traces: convert one from a format to another, and tell what some are like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdisim.cli.options import check_plot, free, json_option, plots, together, warn
from mdisim.cli.output import as_json, say, show, table
from mdisim.experiments.written import quantity

if TYPE_CHECKING:
    from mdisim.traces import Trace

MADE = ("left out", "gaps", "not a number")  # of the notes
SHOWN = (
    "duration_s",
    "mean_bps",
    "p5_bps",
    "p50_bps",
    "p95_bps",
    "cv",
    "outage_share",
    "autocorrelation_s",
    "knots",
)


@click.group()
def trace() -> None:
    """Convert traces of bandwidth, and describe them."""


reads_traces = together(
    click.option("--format", metavar="FORMAT", help="The files' format, where it cannot be told from them."),
    click.option("--bin", "bin_s", type=click.FloatRange(0, min_open=True), metavar="S",
                 help="Of Mahimahi files: count packets in bins of so many seconds (0.1)."),
    click.option("--column", metavar="COLUMN",
                 help="Of Irish logs: DL_bitrate (default) or UL_bitrate; of iperf3: sum or sum_bidir_reverse."),
    click.option("--time", metavar="COLUMN",
                 help="Of any table: the column of times, seconds or stamps of a clock; with --rate and --unit."),
    click.option("--rate", metavar="COLUMN",
                 help="The column of rates; columns without names have numbers from 1."),
    click.option("--unit", metavar="UNIT", help="The unit of these rates, such as kbps or Mbps."),
    click.option("--gap", type=click.Choice(("outage", "hold", "cut")),
                 help="What to make of a gap in a table or an Irish log: a rate of 0, the rate before it, or "
                      "nothing; it is refused by default."),
)  # fmt: skip


@trace.command()
@click.argument("given", metavar="IN")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--to", default="mdisim", show_default=True, metavar="FORMAT", help="The format to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@reads_traces
def convert(given: str, out: Path, to: str, force: bool, **how: Any) -> None:
    """Write the trace IN to the file OUT in another format."""
    from mdisim.traces import left_out, write

    free(out, force, "OUT")
    made = _load(given, **how)
    missing = left_out(made, to)
    write(made, out, to)
    about = f"{quantity('duration_s', made.duration_s)}, mean {quantity('mean_bps', made.mean_bps())}"
    _told_reading({given: made})
    show(f"{given}: {len(made)} knots, {about}; written to {out} ({to})")
    if missing:
        show(f"left out, as {to} has no place for it: {', '.join(missing)}")


@trace.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--step", "step_s", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
              metavar="S", help="The step of the autocorrelation's lags, in seconds.")  # fmt: skip
@plots("the traces")
@reads_traces
@json_option
def stats(files: tuple[str, ...], step_s: float, plot: Path | None, wants_json: bool, **how: Any) -> None:
    """Tell what traces are like: rates, outages, and for how long a rate resembles itself."""
    check_plot(plot)
    traces = {name: _load(name, **how) for name in files}
    measured = {name: _measured(name, given, step_s) for name, given in traces.items()}
    if wants_json:
        as_json([{"trace": name, **values, "read_as": traces[name].read_as} for name, values in measured.items()])
    else:
        table([{"trace": name, **_in_words(values)} for name, values in measured.items()])
        _told_reading(traces)
    warn(doubts_of(traces))
    if plot is not None:
        from mdisim.report.traces import save_traces

        save_traces(traces, plot, step_s)
        say(f"drawn in {plot}", err=True)


def _load(name: str, format: str | None, **how: Any) -> Trace:
    """The trace of that name or in that file."""
    from mdisim.traces import load, read, shipped

    options = {key: value for key, value in how.items() if value is not None}
    return read(name, format, **options) if options and name not in shipped() else load(name, format, **options)


def _measured(name: str, given: Trace, step_s: float) -> dict[str, float]:
    """The measures of a trace, or a TraceError that names it."""
    from dataclasses import asdict

    from mdisim.traces import TraceError, statistics

    try:
        return asdict(statistics(given, step_s))
    except TraceError as error:
        raise TraceError(f"{name}: {error}") from error


def _told_reading(read: Mapping[str, Trace]) -> None:
    """Say as what each file was read, and what was made of its rows."""
    from mdisim.traces import shipped

    for name, given in read.items():
        if name not in shipped():
            made = [f"{key}: {given.notes[key]}" for key in MADE if key in given.notes]
            show(f"{name}: {'; '.join([f'read as {given.read_as}', *made])}")


def doubts_of(read: Mapping[str, Trace]) -> list[str]:
    """What speaks against traces as they were read, but for those that come with the package."""
    from mdisim.traces import doubts, shipped

    return [f"{name}: {doubt}" for name, given in read.items() if name not in shipped() for doubt in doubts(given)]


def _in_words(values: dict[str, float]) -> dict[str, str]:
    return {key.rpartition("_")[0] or key: quantity(key, values[key]) for key in SHOWN}
