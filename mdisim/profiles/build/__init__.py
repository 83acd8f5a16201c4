"""Build a profile from a real network: train its exits on images, and measure what stages and heads cost.

This part needs PyTorch and Pillow (``pip install 'mdisim[torch]'``); nothing else of the package imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mdisim.profiles.build.records import BuildError, Measured, MeasuredCosts, TimingPlan

__all__ = ["BuildError", "Measured", "MeasuredCosts", "TimingPlan", "build_profile_data"]


def build_profile_data(
    dataset: Path | None,
    name: str,
    *,
    epochs: int | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    timing: TimingPlan | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Measured:
    """Train the five-exit network on a data set, and measure it on the held-out images.

    Args:
        dataset: the file or folder of the data set; for Fashion-MNIST None means where Debian puts it.
        name: ``cifar10`` or ``fashion-mnist``.
        epochs: how often to go through the training images; None takes the recipe's own number.
        seed: of weights, order, augmentation and of the division into a calibration and a test half.
        checkpoint: written after every epoch; if it is there the training goes on from it.
        timing: how often to time stages and heads; None is meant for a quiet machine, about half a minute.
        progress: is told, line by line, how far things are.

    Raises:
        BuildError: PyTorch or Pillow is missing, the data set cannot be read, or the checkpoint is another's.
    """
    try:
        from mdisim.profiles.build import pipeline

        recipe = pipeline.recipe_for(name, epochs, seed)
        data = pipeline.read_named(dataset, name)
        return pipeline.train_and_measure(data, recipe, checkpoint, timing or TimingPlan(), progress)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "PIL"):
            raise
        raise BuildError(f"building a profile needs {error.name}; pip install 'mdisim[torch]'") from error
