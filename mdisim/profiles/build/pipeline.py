"""From a data set to a measured network: read, train, answer the held-out images, count and time."""

from __future__ import annotations

import platform
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mdisim.profiles.build.datasets import FASHION_MNIST_FOLDER, FORMS, DatasetError, ImageData, read_images
from mdisim.profiles.build.measure import exit_logits, measure_costs, settle
from mdisim.profiles.build.network import MultiExitMobileNetV2, build_network, small32, standard224
from mdisim.profiles.build.pixelfeatures import pixel_features
from mdisim.profiles.build.records import BuildError, Measured, MeasuredCosts, TimingPlan
from mdisim.profiles.build.shift import HALVES, Shift
from mdisim.profiles.build.training import Normaliser, Progress, Recipe, train
from mdisim.profiles.measured import measured_costs, same_network
from mdisim.profiles.profile import Profile

PLAIN = Recipe(epochs=30, crop_pad=0, flip=False, small_share=0.0, weight_decay=5e-5, first_weight=1.0)
RECIPES = {  # of each data set, by the name of the training
    "cifar10": {"standard": Recipe(epochs=52), "plain": PLAIN},
    "fashion-mnist": {
        "standard": Recipe(epochs=12, crop_pad=0, flip=False, small_share=0.0),
        "plain": PLAIN,
    },
}
TIMING = (
    "PyTorch eager mode, float32, batch 1, one thread, batch normalisation folded, channels last; median of "
    "the rounds' medians and inter-quartile range over all passes"
)


def read_named(dataset: Path | None, name: str) -> ImageData:
    """Read the data set ``name`` from ``dataset``, or from where its package puts it."""
    if dataset is None and name != "fashion-mnist":
        raise DatasetError(f"{name}: name the file that holds the data set; it may be {FORMS}")
    path = dataset or FASHION_MNIST_FOLDER
    if dataset is None and not path.is_dir():
        raise DatasetError(f"{path}: no such folder; install Debian's dataset-fashion-mnist or name the folder")
    data = read_images(path)
    if data.name != name:
        raise DatasetError(f"{path}: holds {data.name}, not {name}")
    return data


def recipe_for(name: str, epochs: int | None, seed: int, training: str = "standard") -> Recipe:
    """Return a recipe of the data set ``name``, with its own number of epochs unless one is given."""
    if name not in RECIPES:
        raise BuildError(f"no recipe for {name!r}; there are {', '.join(sorted(RECIPES))}")
    if training not in RECIPES[name]:
        raise BuildError(f"no training {training!r} for {name}; there are {', '.join(RECIPES[name])}")
    recipe = replace(RECIPES[name][training], seed=seed)
    if epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    if recipe.epochs < 1 or seed < 0:
        raise BuildError(f"epochs={recipe.epochs}, seed={seed}: epochs must be at least 1, a seed at least 0")
    return recipe


def train_and_measure(
    data: ImageData,
    recipe: Recipe,
    checkpoint: Path | None,
    shift: Shift | None,
    how: TimingPlan | Profile,
    progress: Progress,
) -> Measured:
    """Train the small network on the data's training part, and measure its answers and its costs.

    ``how`` says where costs are from: they are timed by a plan, or taken from a profile of the same network.
    """
    _, size, _, channels = data.train_images.shape
    config = small32(channels, len(data.classes), size)
    if isinstance(how, Profile):
        same_network(how, asdict(config))  # better refused before the work than after it
    network = train(data, config, recipe, checkpoint=checkpoint, progress=progress)
    order, split = halves(len(data.test_labels), recipe.seed)
    images, label = held_out(data, order, split, shift, recipe.seed), data.test_labels[order]
    normalise = Normaliser.fitted(data.train_images, torch.device("cpu"))
    progress(f"answering {len(label)} held-out images" + (f", {shift}" if shift else ""))
    logits = exit_logits(network, images, normalise)
    features, of_features = pixel_features(images, split == 0)
    costs, timing = measured_costs(how) if isinstance(how, Profile) else timed(network, how, recipe.seed, progress)
    accuracy = {half: accuracies(logits[split == i], label[split == i]) for i, half in enumerate(HALVES)}
    return Measured(
        logits=logits,
        label=label,
        split=split,
        features=features,
        costs=costs,
        meta=describe(data, network, recipe, shift) | timing | {"features": of_features, "accuracy": accuracy},
    )


def held_out(
    data: ImageData, order: NDArray[np.int64], split: NDArray[np.uint8], shift: Shift | None, seed: int
) -> NDArray[np.uint8]:
    """Return the test images in the given order, those of the shift's halves distorted."""
    images = data.test_images[order]
    if shift is not None:
        befallen = np.isin(split, [HALVES.index(half) for half in shift.halves])
        images[befallen] = shift.distorted(images[befallen], order[befallen], seed)
    return images


def timed(
    network: MultiExitMobileNetV2, plan: TimingPlan, seed: int, progress: Progress
) -> tuple[dict[str, MeasuredCosts], dict[str, Any]]:
    """Time the small network and the standard one; return their costs by table, and how they were taken."""
    standard = settle(build_network(standard224(network.config.classes), seed))
    costs = {}
    for table, each in {"native": network, "mobilenetv2-224": standard}.items():
        progress(f"timing the stages of {each.config.name}")
        costs[table] = measure_costs(each, plan)
    return costs, {"timing": asdict(plan) | {"how": TIMING, "cpu": cpu_model(), "threads": 1}}


def halves(samples: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return a shuffled order of the samples and which half each then belongs to.

    A published test set may be sorted by class, which would make two halves of different classes.
    """
    order = np.random.default_rng([seed, 0, 1]).permutation(samples)
    return order, (np.arange(samples) >= samples // 2).astype(np.uint8)


def accuracies(logits: NDArray[np.float16], label: NDArray[np.int64]) -> list[float]:
    """Return the share of right answers at each exit."""
    right = logits.argmax(axis=2) == label[:, None]
    return [round(float(share), 4) for share in right.mean(axis=0)]


def describe(
    data: ImageData, network: MultiExitMobileNetV2, recipe: Recipe, shift: Shift | None
) -> dict[str, Any]:
    """Return as plain JSON what was trained on what, when, and on which images it was measured."""
    config = network.config
    return ({} if shift is None else {"shift": shift.described()}) | {
        "dataset": {
            "name": data.name,
            "form": data.form,
            "source": data.source,
            "licence": data.licence,
            "sha256": data.sha256,
            "trained_on": len(data.train_labels),
            "held_out": len(data.test_labels),
            "classes": list(data.classes),
        },
        "network": asdict(config) | {"parameters": sum(p.numel() for p in network.parameters())},
        "training": asdict(recipe),
        "costs": {
            "native": f"{config.name}, as trained",
            "mobilenetv2-224": "standard MobileNetV2 with five exits, untrained: weights do not change costs",
        },
        "macs": "multiply-accumulates of convolutions and linear layers; one MAC is two FLOPs",
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }


def cpu_model() -> str:
    """Return the processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
