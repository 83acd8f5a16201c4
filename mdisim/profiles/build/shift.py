"""Shift the held-out images away from what the network was trained on: by noise, or by blur.

Hendrycks and Dietterich (ICLR 2019) measure robustness so. Each image is distorted by itself, and its noise
depends on the seed and on its place in the published test set alone: not on order, halves or other images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mdisim.profiles.build.records import BuildError

Pixels = NDArray[np.float64]
HALVES = ("calibration", "test")
STREAM = 2  # of the seed's streams: the halves are drawn from another, each epoch of training from its own


def noisy(image: Pixels, sigma: float, rng: Generator) -> Pixels:
    """Add Gaussian noise of ``sigma`` grey levels to every pixel and channel."""
    noise: Pixels = rng.standard_normal(image.shape)  # the same at every level, but for its size
    return image + sigma * noise


def blurred(image: Pixels, sigma: float, rng: Generator) -> Pixels:
    """Blur each channel by a Gaussian of ``sigma`` pixels, cut off at 4 sigma; edges are mirrored."""
    from scipy.ndimage import gaussian_filter

    smooth: Pixels = gaussian_filter(image, (sigma, sigma, 0), mode="reflect", truncate=4.0)
    return smooth


@dataclass(frozen=True)
class Distortion:
    """A way to distort an image [h, w, channels], the unit of its level, and the level that leaves nothing."""

    apply: Callable[[Pixels, float, Generator], Pixels]
    unit: str
    most: float


DISTORTIONS: Mapping[str, Distortion] = {
    "noise": Distortion(noisy, "grey levels (standard deviation)", most=255.0),
    "blur": Distortion(blurred, "pixels (standard deviation)", most=32.0),
}


@dataclass(frozen=True)
class Shift:
    """A distortion by name, its level, and the halves of the held-out images that it befalls.

    Raises:
        BuildError: there is no such distortion or half, or the level is out of its range.
    """

    kind: str
    level: float
    halves: tuple[str, ...] = ("test",)

    def __post_init__(self) -> None:
        if self.kind not in DISTORTIONS:
            raise BuildError(f"no shift {self.kind!r}; there are {', '.join(DISTORTIONS)}, such as noise=20")
        most, unit = DISTORTIONS[self.kind].most, DISTORTIONS[self.kind].unit
        if not 0 < self.level <= most:
            raise BuildError(f"shift {self}: the level must be above 0 and at most {most:g} {unit}")
        if not self.halves or not set(self.halves) <= set(HALVES):
            raise BuildError(f"shift {self}: halves={self.halves}; calibration, test or both would do")

    def __str__(self) -> str:
        """Return the shift as it is typed."""
        return f"{self.kind}={self.level:g}"

    @classmethod
    def parsed(cls, text: str, halves: tuple[str, ...] = ("test",)) -> Shift:
        """Return the shift that ``text`` names, as KIND=LEVEL."""
        kind, _, level = text.partition("=")
        try:
            return cls(kind.strip(), float(level), halves)
        except ValueError as error:
            if isinstance(error, BuildError):
                raise
            raise BuildError(f"shift {text!r}: not KIND=LEVEL, such as noise=20 or blur=1") from error

    def distorted(self, images: NDArray[np.uint8], places: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
        """Return the images [n, h, w, channels] distorted, rounded and held within 0 to 255.

        ``places`` [n] are the images' places in the published test set.
        """
        apply = DISTORTIONS[self.kind].apply
        shifted = np.empty_like(images)
        for i, place in enumerate(places):
            rng = np.random.default_rng([seed, 0, STREAM, int(place)])
            pixels = apply(images[i].astype(np.float64), self.level, rng)
            shifted[i] = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        return shifted

    def described(self) -> dict[str, object]:
        """Return as plain JSON what was done to which half."""
        unit = DISTORTIONS[self.kind].unit
        return {"kind": self.kind, "level": self.level, "unit": unit, "halves": list(self.halves)}
