"""What a figure is of: runs by label, or a table with a row a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from mdisim.report.style import FigureError
from mdisim.results import Run

if TYPE_CHECKING:
    from mdisim.experiments.comparison import Comparison
    from mdisim.experiments.sweep.sweep import Sweep

Runs = Run | Mapping[str, Run]


def several(runs: Runs) -> dict[str, Run]:
    """One run by its policy's name, or those that are given; a FigureError where there is none."""
    given = {runs.policy: runs} if isinstance(runs, Run) else dict(runs)
    if not given:
        raise FigureError("a figure of no runs; one or more would do")
    return given


def check_paths(given: Comparison | Sweep | pd.DataFrame, *names: str) -> None:
    """Raise a FigureError where a column of points is not one that a sweep moves; of a table nothing is known."""
    known = (*getattr(given, "paths", ()), "policy")
    for name in names if hasattr(given, "paths") else ():
        if name not in known:
            raise FigureError(f"the sweep does not move {name!r}; it moves {', '.join(known)}")


def rows_of(given: Comparison | Sweep | pd.DataFrame) -> pd.DataFrame:
    """A row for each run; of a sweep, for each that is done."""
    rows = given if isinstance(given, pd.DataFrame) else given.runs
    return rows[rows["status"] == "done"] if "status" in rows else rows
