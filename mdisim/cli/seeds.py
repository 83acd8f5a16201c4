"""How many seeds: the options --seeds, --until and --most, and what they ask for together."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import click

from mdisim.cli.options import together

if TYPE_CHECKING:
    from mdisim.experiments.replications import Auto


class SeedCount(click.IntRange):
    """A number of seeds, or auto."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or the word."""
        return value if value == "auto" else super().convert(value, param, ctx)


seeded = together(
    click.option("--seeds", type=SeedCount(1, 10_000), default=5, show_default=True, metavar="N|auto",
                 help="How many seeds, counted from 0; each gives every policy the same work. "
                      "auto: as --until says."),
    click.option("--until", metavar="MEASURE=GOAL",
                 help="With --seeds auto: add seeds until half of the 95 % interval of MEASURE is at most GOAL "
                      "for every policy, such as latency_mean_s=5% of each mean, or =0.002 in the measure's unit; "
                      "of latency_mean_s_difference, that of the differences to the first policy."),
    click.option("--most", type=click.IntRange(2, 10_000), default=100, show_default=True, metavar="N",
                 help="With --seeds auto: no more seeds than these."),
)  # fmt: skip


def seeds_asked(seeds: int | str, until: str | None, most: int) -> Sequence[int] | Auto:
    """What --seeds, --until and --most ask for."""
    from mdisim.experiments.compare import Auto

    if not isinstance(seeds, str):
        if until is not None:
            raise click.UsageError("--until says when seeds are enough: say --seeds auto, too, or leave it out")
        return range(seeds)
    name, _, goal = (until or "").partition("=")
    measure, goal = name.strip(), goal.strip()
    try:
        value = float(goal.removesuffix("%"))
    except ValueError:
        but = "" if until is None else f", not {until!r}"
        raise click.UsageError(f"--seeds auto needs --until, such as --until latency_mean_s=5%{but}") from None
    if not 0.0 < value < inf:
        raise click.UsageError(f"--until {until}: a number above 0 would do, such as --until {name.strip()}=5%")
    return Auto(
        measure.removesuffix("_difference"),
        relative=value / 100.0 if goal.endswith("%") else None,
        absolute=None if goal.endswith("%") else value,
        of="difference" if measure.endswith("_difference") else "mean",
        first=min(5, most),
        at_most=most,
    )
