"""What commands have in common: options of one meaning everywhere, and checks that come before the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mdisim.cli.output import say

if TYPE_CHECKING:
    from mdisim.scenario import Scenario

RESULTS = Path("results")
Command = TypeVar("Command", bound=Callable[..., Any])


def together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options as one decorator; help shows them in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


jobs_option = click.option(
    "--jobs", type=click.IntRange(1), metavar="N",
    help="How many runs at a time; as many as there are cores by default. 1 is this process itself.",
)  # fmt: skip
json_option = click.option("--json", "wants_json", is_flag=True, help="Print a list of objects in SI units.")
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


def plots(what: str) -> Callable[[Command], Command]:
    """Add the option that draws."""
    return click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                        help=f"Draw {what} as well, into a file such as figure.png, .svg or .pdf.")  # fmt: skip


def check_plot(plot: Path | None) -> None:
    """Refuse a figure that could not be drawn or written, before the work is done."""
    if plot is not None:
        from mdisim.report import writable

        writable(plot)


def placed(out: Path | None, name: str, asked: str) -> Path:
    """Where results go: where the user says, or below `results` by name and the digest of what is asked for."""
    return out or RESULTS / f"{name}-{asked[:8]}"


def free(out: Path, force: bool, named: str = "--out") -> None:
    """Refuse before the work what could not be written after it; `named` is the parameter that says where."""
    if out.exists() and not force:
        raise click.BadParameter(f"{out} is there already; name another, or say --force", param_hint=named)
    if not out.parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.parent}", param_hint=named)


def scenario_of(path: str, overrides: tuple[str, ...], allow_code: bool) -> Scenario:
    """Load a scenario as the options say."""
    from mdisim.scenario import Scenario

    return Scenario.load(path, overrides=overrides, allow_code=allow_code)


def warn(warnings: Iterable[str]) -> None:
    """Print warnings where they do not spoil what programs read."""
    for warning in warnings:
        say(f"warning: {warning}", err=True)


def listed(text: str) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
