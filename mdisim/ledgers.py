"""Two runs side by side on the same samples: what one saves against the other, and what accuracy that costs.

Of either ledger, the abstract one (layers and offloads) and the physical one (seconds, bytes, joules), the
measures of one run stand in `metrics`. Here answers are paired: the n-th time that a source offered a sample in
one run with the n-th time in the other. Only pairs count that both runs answered, born in the window of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mdisim import metrics
from mdisim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from mdisim.results import Run

KEY = ["source", "sample", "offer"]
NORMAL_95 = 1.959964  # the 97.5 % quantile of the standard normal distribution


class LedgerError(InputError):
    """Two runs that cannot be compared; the message says what would do."""


class Drop(NamedTuple):
    """A drop of accuracy as a share of `n` pairs, 0.003 being 0.3 points, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def paired(run: Run, reference: Run) -> pd.DataFrame:
    """One row a pair of answers: `correct` and `cost` of the one run, `correct_ref` and `cost_ref` of the other.

    Runs of one scenario and seed are offered the same samples in the same order, so that all pair that both
    answered; of other seeds pair those samples that both saw. A LedgerError where the runs are of different
    profiles.
    """
    if run.profile_digest != reference.profile_digest:
        raise LedgerError(
            f"the runs are of different samples, of {run.profile or 'no profile'} and of "
            f"{reference.profile or 'no profile'}; two runs of one profile would do"
        )
    one, other = _answers(run), _answers(reference)
    return one.merge(other, on=KEY, suffixes=("", "_ref"), validate="one_to_one")


def accuracy_drop(run: Run, reference: Run, group: NDArray[np.integer[Any]] | None = None) -> Drop:
    """How much less often the run is right than the reference, on the pairs that both answered.

    With b pairs that the reference alone has right and c that the run alone has right, of n, the drop is
    (b - c) / n. The interval is Agresti and Min's (Statistics in Medicine 24, 2005): the normal one after half
    a pair is added to each of the four cells. It takes each pair as a sample of its own: offer each sample once.
    Samples that belong together, such as phrases of a sentence, err together. With `group`, a number for each
    sample of the test half (a profile's), the interval is the normal one with the variance between groups
    (Liang and Zeger, Biometrika 73, 1986), and a sample that is offered often counts as one group, too; of one
    group alone it is NaN. A LedgerError where the runs, or the groups, are of other samples.
    """
    pairs = paired(run, reference)
    if pairs.empty:
        return Drop(np.nan, np.nan, np.nan, 0)
    loss = pairs["correct_ref"].to_numpy(float) - pairs["correct"].to_numpy(float)
    n, value = len(loss), float(loss.mean())
    if group is None:
        total = n + 2.0
        middle = float(loss.sum()) / total
        deviation = float(np.sqrt(((loss**2).sum() + 1.0) / total - middle**2) / np.sqrt(total))
    else:
        middle = value
        _, of = np.unique(_groups(np.asarray(group), pairs["sample"].to_numpy()), return_inverse=True)
        sums = np.bincount(of, weights=loss - value)
        m = len(sums)
        deviation = float(np.sqrt((sums**2).sum() * m / (m - 1))) / n if m > 1 else np.nan
    return Drop(value, middle - NORMAL_95 * deviation, middle + NORMAL_95 * deviation, n)


def saving_between(run: Run, reference: Run) -> float:
    """One minus the run's mean abstract cost over the reference's, on the pairs that both answered."""
    pairs = paired(run, reference)
    whole = float(pairs["cost_ref"].sum())
    return 1.0 - float(pairs["cost"].sum()) / whole if whole else float("nan")


def _groups(group: NDArray[np.integer[Any]], samples: NDArray[np.int64]) -> NDArray[np.integer[Any]]:
    """The group of each of these samples; a LedgerError where there is none."""
    if group.ndim != 1 or samples.max() >= len(group):
        raise LedgerError(
            f"group has the shape {group.shape}, and there is a sample {samples.max()}; a number for each sample "
            "of the test half would do"
        )
    return group[samples]


def _answers(run: Run) -> pd.DataFrame:
    """The samples born in the window and answered, each with the number of its offer."""
    tasks = run.tasks[["source", "sample", "correct", "cost"]].astype({"source": "str"})
    offer = tasks.groupby(["source", "sample"]).cumcount()
    return tasks.assign(offer=offer)[metrics.answered(run)]
