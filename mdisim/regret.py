"""Regret of a bandit's run: what it earned less than the best arm would have, had that been picked every time.

Of a table `rewards` [n, rows] of what each row would earn with each of n samples (`policy.learns.rewards(outputs)`
for the bandits of `mdisim.planners`), the best arm is the row of the largest mean. With s_t the t-th sample that
was admitted and a_t its row, regret is the sum over t of rewards[s_t, best] - rewards[s_t, a_t], and the pseudo
regret that of mean(best) - mean(a_t), which the luck of the samples does not move. Where rows come in levels
(`policy.picks.levels` queue lengths), each sample is held against the best row of its own level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.errors import InputError

if TYPE_CHECKING:
    from mdisim.results import Run

Floats = NDArray[np.float64]


class RegretError(InputError):
    """Rewards and picks that do not belong together; the message says what would do."""


class Regret(NamedTuple):
    """`best` [levels]: the best row of each level. `regret`, `pseudo` [T]: sums up to each sample, by birth.

    `picked` [T] is the row of each.
    """

    best: NDArray[np.int64]
    regret: Floats
    pseudo: Floats
    picked: NDArray[np.int64]


def cumulative(rewards: ArrayLike, samples: ArrayLike, rows: ArrayLike, levels: int = 1) -> Regret:
    """Regret of picking `rows` [T] for `samples` [T], numbers from 0, in order of birth.

    `rewards` [n, levels x arms], level by level. A RegretError where they do not belong together.
    """
    table = np.asarray(rewards, dtype=np.float64)
    met, picked = np.asarray(samples, dtype=np.int64), np.asarray(rows, dtype=np.int64)
    _check(table, met, picked, levels)
    arms = table.shape[1] // levels
    means = table.mean(axis=0)
    best = means.reshape(levels, arms).argmax(axis=1) + arms * np.arange(levels)
    due = best[picked // arms]
    return Regret(
        best, np.cumsum(table[met, due] - table[met, picked]), np.cumsum(means[due] - means[picked]), picked
    )


def of(run: Run, rewards: ArrayLike, levels: int = 1, source: str | None = None) -> Regret:
    """Regret of a finished run, of all that was admitted, by time of birth; at one source if it is named.

    Each source learns for itself, so that with several the regret is the sum of theirs. Samples whose answers
    never came count as well: a row was picked for them.
    """
    tasks = run.tasks[run.tasks["admitted_s"].notna()]
    if source is not None:
        tasks = tasks[tasks["source"] == source]
        if tasks.empty:
            known = ", ".join(sorted(map(str, run.tasks["source"].unique())))
            raise RegretError(f"no samples of source {source!r} were admitted; there are {known}")
    return cumulative(rewards, tasks["sample"].to_numpy(), tasks["row"].to_numpy(), levels)


def _check(table: Floats, met: NDArray[np.int64], picked: NDArray[np.int64], levels: int) -> None:
    if table.ndim != 2 or not table.size:
        raise RegretError(f"rewards have the shape {table.shape}; samples x rows would do")
    if levels < 1 or table.shape[1] % levels:
        raise RegretError(f"rewards have {table.shape[1]} rows, which {levels} levels do not divide")
    if met.shape != picked.shape:
        raise RegretError(f"{met.size} samples and {picked.size} rows; one row for each sample would do")
    for what, numbers, size in (("sample", met, len(table)), ("row", picked, table.shape[1])):
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < size:
            raise RegretError(
                f"{what} {int(numbers.max())} is beyond rewards of {size}: those of this run's samples and policy "
                "would do"
            )
