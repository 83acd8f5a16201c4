"""Numbers as pages show them: which measures, in which unit, with which interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import nan

import pandas as pd

from mdisim.experiments.written import Head, cell, head_of

FEW_SEEDS = 5
SEEDS_WOULD_DO = f"{FEW_SEEDS} seeds or more would do"
BOUND_MEASURES = (
    "offered_per_s", "throughput_per_s", "throughput_bound_per_s", "throughput_bound_share", "accuracy",
    "accuracy_bound",
)  # fmt: skip


def known(runs: pd.DataFrame, measures: Iterable[str]) -> list[str]:
    """Those measures that some run has a number for."""
    return [
        name
        for name in measures
        if name in runs and pd.api.types.is_float_dtype(runs[name]) and runs[name].notna().any()
    ]


def column(measure: str, means: Sequence[float], highs: Sequence[float] | None = None) -> tuple[Head, list[str]]:
    """The head of a column, and its cells: means, with half of the interval where there are upper ends."""
    head = head_of(measure, means)
    ends = [nan] * len(means) if highs is None else highs
    cells = [
        cell(mean / head.step, (high - mean) / head.step).replace("-", "−")
        for mean, high in zip(means, ends, strict=True)
    ]
    return head, cells


def told_seeds(n: int) -> list[str]:
    """What is to be said against so few seeds."""
    if n >= FEW_SEEDS:
        return []
    if n < 2:
        return [f"One seed: no interval tells how sure the numbers are; {SEEDS_WOULD_DO}."]
    return [f"Only {n} seeds: the intervals are wide and themselves unsure; {SEEDS_WOULD_DO}."]
