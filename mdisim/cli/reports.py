"""The command that writes reports."""

from __future__ import annotations

from pathlib import Path

import click

from mdisim.cli.output import show


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where to write; DIR/report.html by default.")  # fmt: skip
def report(directory: Path, out: Path | None) -> None:
    """Write what a run, a comparison or a sweep achieved as one HTML file, with tables and figures.

    DIR is the directory of the results. The file needs nothing beside itself, and no network.
    """
    from mdisim.report import save_page

    show(f"written to {save_page(directory, out)}")
