"""What calibration refuses, and in which words."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mdisim.errors import InputError
from mdisim.policies.scores import no_logits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
SMALLEST = float(np.finfo(np.float64).eps)  # a probability below counts as this in a logarithm
FEWEST = 50  # samples below which a fit follows single mistakes


class CalibrationError(InputError):
    """Input that cannot be calibrated: what is wrong, and what would do."""


class RefusalError(CalibrationError):
    """The input is sound, but it cannot support what is asked of it: a fit, or a promise."""


def checked(logits: NDArray[np.floating], labels: ArrayLike) -> tuple[Floats, Ints]:
    """Logits [n, C] in double precision and labels [n], or a `CalibrationError`."""
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if z.ndim != 2 or z.shape[1] < 2:
        raise CalibrationError(f"logits have the shape {z.shape}; samples x classes, two or more, would do")
    if y.shape != (len(z),):
        raise CalibrationError(f"labels have the shape {y.shape}; one for each of {len(z)} samples would do")
    if not np.isfinite(z).all():
        raise CalibrationError(f"{np.sum(~np.isfinite(z))} logits are not finite; finite numbers would do")
    if wrong := no_logits(z):
        raise CalibrationError(wrong)
    if not np.issubdtype(y.dtype, np.integer) or (len(y) and not (y.min() >= 0 and y.max() < z.shape[1])):
        raise CalibrationError(f"labels are not all classes; whole numbers from 0 to {z.shape[1] - 1} would do")
    return z, y.astype(np.int64)


def refuse_too_few(right: Bools, fewest: int) -> None:
    """Raise `RefusalError` where the samples [n] are fewer than `fewest`, all right or all wrong.

    With all right the likelihood grows for ever as confidence does, with all wrong as it falls.
    """
    n = len(right)
    if n < max(fewest, 2):
        raise RefusalError(f"{n} samples are too few for a fit; {max(fewest, 2)} would do")
    if right.all() or not right.any():
        raise RefusalError(f"all {n} samples are {'right' if right[0] else 'wrong'}; some of both would do")


def refuse_too_few_groups(groups: int, fewest: int) -> None:
    """Raise `RefusalError` where samples of fewer than `fewest` groups are there to fit to."""
    if groups < max(fewest, 2):
        raise RefusalError(
            f"samples of {groups} groups are too few for a fit: {max(fewest, 2)} or more are needed"
        )
