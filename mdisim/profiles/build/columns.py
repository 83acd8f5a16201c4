"""Columns of features: standardised on some samples, and rounded so that a file of them is small."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STEP = 1 / 32  # small beside a deviation of 1


def standardised(raw: Floats, fitted_on: NDArray[np.bool_]) -> tuple[Floats, dict[str, Any]]:
    """Return columns [n, d] of mean 0 and deviation 1 over the samples ``fitted_on``, and what was fitted."""
    mean, deviation = raw[fitted_on].mean(0), raw[fitted_on].std(0)
    fitted = {"mean": mean, "deviation": deviation}
    words = {name: [float(f"{each:.6g}") for each in values] for name, values in fitted.items()}
    return (raw - mean) / np.where(deviation > 0, deviation, 1.0), words


def coarse(columns: Floats) -> NDArray[np.float16]:
    """Return columns as float16, rounded to multiples of ``STEP``."""
    return (np.rint(columns / STEP) * STEP).astype(np.float16)
