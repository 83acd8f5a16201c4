"""What a router may see of an image before any layer has run: how bright and how busy each of its 16 fields is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdisim.profiles.build.columns import STEP, coarse, standardised

GRID = 4
STATISTICS = ("mean", "deviation", "step across", "step down")


def pixel_features(
    images: NDArray[np.uint8], fitted_on: NDArray[np.bool_]
) -> tuple[NDArray[np.float16], dict[str, Any]]:
    """Return 64 columns [n, 64] of images [n, h, w, channels], and in plain JSON what they are.

    An image's channels are averaged, and the image is cut into 4 x 4 fields. Of each field: mean and deviation of
    its pixels, and the mean size of the step from a pixel to the next one across and down. Each column is
    standardised by its mean and deviation over the images ``fitted_on``.
    """
    raw = np.concatenate([statistics(images[i : i + 1000]) for i in range(0, len(images), 1000)])
    columns, fitted = standardised(raw, fitted_on)
    names = [f"{name} {row + 1},{col + 1}" for name in STATISTICS for row in range(GRID) for col in range(GRID)]
    return coarse(columns), {
        "columns": names,
        "what": f"statistics of the pixels of {GRID} x {GRID} fields of each image, row by row, standardised",
        "fitted_on": "calibration",
        "rounded_to": STEP,
        **fitted,
    }


def statistics(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the four statistics of each field [n, 64], in grey levels."""
    grey = images.mean(axis=3)
    across = np.abs(np.diff(grey, axis=2, append=grey[:, :, -1:]))
    down = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    rows, cols = (np.array_split(np.arange(size), GRID) for size in grey.shape[1:])
    fields = [(slice(r[0], r[-1] + 1), slice(c[0], c[-1] + 1)) for r in rows for c in cols]
    parts = [[part[:, r, c].mean((1, 2)) for r, c in fields] for part in (grey, across, down)]
    deviation = [grey[:, r, c].std((1, 2)) for r, c in fields]
    return np.column_stack([*parts[0], *deviation, *parts[1], *parts[2]])
