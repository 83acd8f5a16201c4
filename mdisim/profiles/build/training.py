"""Train all exits of a network together, resumable after every epoch.

The loss is the weighted sum of the exits' cross entropies; the optimiser is SGD with Nesterov momentum under
a one-cycle learning rate. Every random number comes from NumPy generators seeded with (seed, epoch), so a
training that was interrupted goes on exactly as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from mdisim.profiles.build import checkpoints
from mdisim.profiles.build.datasets import ImageData
from mdisim.profiles.build.network import MultiExitMobileNetV2, NetworkConfig, build_network
from mdisim.profiles.build.records import BuildError

Progress = Callable[[str], None]


class TrainingError(BuildError):
    """A training cannot start or go on; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    ``crop_pad`` is by how many pixels crops may be shifted and ``flip`` whether images may be mirrored;
    the first ``small_share`` of the epochs see crops of three quarters of the size, at about 60 % of the cost.
    ``first_weight`` weighs exit 1's loss; the weights rise linearly to 1 at the last exit.
    """

    epochs: int
    seed: int = 0
    batch: int = 128
    peak_rate: float = 0.1
    warmup_share: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 3e-4
    first_weight: float = 0.2
    crop_pad: int = 4
    flip: bool = True
    small_share: float = 0.7


def train(
    data: ImageData,
    config: NetworkConfig,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    progress: Progress = lambda line: None,
) -> MultiExitMobileNetV2:
    """Train a network on ``data``'s training part, and return it in evaluation mode on the CPU.

    ``checkpoint`` is written whole after each epoch; if it is there already the training goes on from it.

    Raises:
        TrainingError: the checkpoint is of another training, or is damaged.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build_network(config, recipe.seed).to(device)
    optimizer = torch.optim.SGD(
        network.parameters(), momentum=recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    settings = {"recipe": asdict(recipe), "network": repr(config), "data": data.sha256}
    start = restore(checkpoint, settings, network, optimizer)
    normalise = Normaliser.fitted(data.train_images, device)
    for epoch in range(start, recipe.epochs):
        loss = train_epoch(network, optimizer, data, recipe, epoch, normalise)
        save(checkpoint, settings, network, optimizer, epoch + 1)
        progress(f"epoch {epoch + 1}/{recipe.epochs}: loss of the last exit {loss:.3f}")
    return network.cpu().eval()


def train_epoch(
    network: MultiExitMobileNetV2,
    optimizer: torch.optim.Optimizer,
    data: ImageData,
    recipe: Recipe,
    epoch: int,
    normalise: Normaliser,
) -> float:
    """Go once through the training images; return the last exit's mean cross entropy."""
    rng = np.random.default_rng([recipe.seed, epoch])
    images, labels = data.train_images, torch.from_numpy(data.train_labels)
    padded = np.pad(images, ((0, 0), (recipe.crop_pad,) * 2, (recipe.crop_pad,) * 2, (0, 0)), "reflect")
    small = epoch < recipe.small_share * recipe.epochs
    size = images.shape[1] * 3 // 4 if small else images.shape[1]
    weights = torch.linspace(recipe.first_weight, 1.0, len(network.stages), device=normalise.device).unbind()
    order = rng.permutation(len(images))
    steps = max(1, len(order) // recipe.batch)
    total = 0.0
    network.train()
    for step in range(steps):
        chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
        for group in optimizer.param_groups:
            group["lr"] = one_cycle((epoch + step / steps) / recipe.epochs, recipe)
        target = labels[chosen].to(normalise.device)
        crops = normalise(augmented(padded, chosen, size, recipe, rng))
        losses = [nn.functional.cross_entropy(logits, target) for logits in network(crops)]
        optimizer.zero_grad()
        torch.autograd.backward(losses, weights)  # the gradient of the weighted sum
        optimizer.step()
        total += losses[-1].item()
    return total / steps


def one_cycle(done: float, recipe: Recipe) -> float:
    """Return the learning rate when the share ``done`` of the training is over: a cosine up, one down."""
    if done < recipe.warmup_share:
        return float(recipe.peak_rate * (0.52 - 0.48 * np.cos(np.pi * done / recipe.warmup_share)))
    rest = (done - recipe.warmup_share) / (1 - recipe.warmup_share)
    return float(recipe.peak_rate * (0.5 + 0.5 * np.cos(np.pi * rest)))


def augmented(
    padded: NDArray[np.uint8], chosen: NDArray[np.int64], size: int, recipe: Recipe, rng: Generator
) -> NDArray[np.uint8]:
    """Cut a randomly shifted, perhaps mirrored, window of ``size`` pixels from each chosen image."""
    count, along = len(chosen), np.arange(size)
    first = (padded.shape[1] - size) // 2 - recipe.crop_pad
    top, left = first + rng.integers(0, 2 * recipe.crop_pad + 1, (2, count, 1))
    mirrored = (rng.random((count, 1)) < 0.5) & recipe.flip
    columns = left + np.where(mirrored, along[::-1], along)
    crops: NDArray[np.uint8] = padded[chosen[:, None, None], (top + along)[:, :, None], columns[:, None, :]]
    return crops


@dataclass(frozen=True)
class Normaliser:
    """Turns images uint8 [n, h, w, c] into float tensors [n, c, h, w] of zero mean and unit deviation."""

    mean: Tensor
    deviation: Tensor
    device: torch.device

    @classmethod
    def fitted(cls, images: NDArray[np.uint8], device: torch.device) -> Normaliser:
        """Return the normaliser of these images, one mean and deviation per channel, in grey levels."""
        mean, deviation = images.mean((0, 1, 2)), images.std((0, 1, 2))
        shape = (1, -1, 1, 1)
        return cls(
            torch.tensor(mean, dtype=torch.float32, device=device).view(shape),
            torch.tensor(deviation, dtype=torch.float32, device=device).view(shape),
            device,
        )

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """Return the images as a tensor whose memory stays in the order height, width, channel."""
        pixels = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float()
        return ((pixels - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)


def save(
    checkpoint: Path | None,
    settings: dict[str, Any],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    epochs_done: int,
) -> None:
    """Write the state of the training after an epoch."""
    weights = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    checkpoints.write(checkpoint, settings, {"epochs_done": epochs_done, **weights})


def restore(
    checkpoint: Path | None, settings: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer
) -> int:
    """Load a checkpoint of the same training, if there is one; return how many epochs are done."""
    state = checkpoints.read(checkpoint, settings, "training", TrainingError)
    if state is None:
        return 0
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["epochs_done"])
