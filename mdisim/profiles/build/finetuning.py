"""Fine-tune a text encoder and all its exits together, resumable after some steps.

The loss is the mean of the exits' cross entropies weighed by depth, sum_k k CE_k / sum_k k, as in PABEE and the
code published with DIMEE (arXiv:2410.05338). Every random number, those of dropout too, comes from generators
seeded with the seed and the epoch or step, so a training that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mdisim.profiles.build import checkpoints
from mdisim.profiles.build.encoder import MultiExitEncoder, padded
from mdisim.profiles.build.records import BuildError

Progress = Callable[[str], None]
Tokens = Sequence[NDArray[np.int64]]


class TuningError(BuildError):
    """A fine-tuning cannot go on; the message says why."""


@dataclass(frozen=True)
class FineTuning:
    """How to fine-tune.

    AdamW with decoupled weight decay; the rates of ``backbone_rate`` and ``head_rate`` rise linearly over the
    share ``warmup_share`` of the steps and then fall linearly to 0. The embeddings stay as they were trained
    before, so what a router sees of a text depends on no label. ``bfloat16``: matrix products in that
    precision, in training and in answers; about twice as fast where the processor has it.
    """

    epochs: int
    seed: int = 0
    batch: int = 32
    backbone_rate: float = 5e-5
    head_rate: float = 1e-3
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    clip: float = 1.0
    most_tokens: int = 128
    bfloat16: bool = False


def fine_tune(
    network: MultiExitEncoder,
    tokens: Tokens,
    label: NDArray[np.int64],
    recipe: FineTuning,
    *,
    checkpoint: Path | None = None,
    every: int = 200,
    progress: Progress = lambda line: None,
) -> MultiExitEncoder:
    """Fine-tune a network on texts ``tokens`` [n] of classes ``label`` [n]; return it in evaluation mode.

    ``checkpoint`` is written whole after every ``every`` steps and at the end; if it is there already the
    training goes on from it.

    Raises:
        TuningError: the checkpoint is of another training, or is damaged.
    """
    optimizer = optimizer_for(network, recipe)
    settings = {"recipe": asdict(recipe), "encoder": asdict(network.shape), "data": digest(tokens, label)}
    lengths = np.array([len(row) for row in tokens])
    steps = -(-len(label) // recipe.batch) * recipe.epochs
    done, mean = restore(checkpoint, settings, network, optimizer), 0.0
    network.train()
    with torch.random.fork_rng(devices=[]):
        for epoch in range(recipe.epochs):
            order = batches(lengths, recipe, epoch)
            for step, chosen in enumerate(order, start=epoch * len(order)):
                if step < done:
                    continue
                torch.manual_seed((recipe.seed << 32) + step)
                loss = train_step(
                    network, optimizer, [tokens[i] for i in chosen], label[chosen], recipe, step / steps
                )
                mean = loss if mean == 0 else 0.98 * mean + 0.02 * loss
                if (step + 1) % every == 0 or step + 1 == steps:
                    save(checkpoint, settings, network, optimizer, step + 1)
                    progress(f"step {step + 1} of {steps}: loss about {mean:.3f}")
    return network.eval()


def digest(tokens: Tokens, label: NDArray[np.int64]) -> str:
    """Return the SHA-256 of the texts' tokens and classes in their order."""
    total = hashlib.sha256(np.ascontiguousarray(label).tobytes())
    for row in tokens:
        total.update(len(row).to_bytes(4, "little") + row.tobytes())
    return total.hexdigest()


def train_step(
    network: MultiExitEncoder,
    optimizer: torch.optim.Optimizer,
    rows: Tokens,
    label: NDArray[np.int64],
    recipe: FineTuning,
    done: float,
) -> float:
    """Take one step; return the loss. ``done`` is the share of the training that is over."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * linear_rate(done, recipe.warmup_share)
    ids, mask = padded(rows)
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
        exits = network(ids, mask)
    loss = depth_weighted(exits, torch.from_numpy(label))
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(trained(network).values(), recipe.clip)
    optimizer.step()
    return float(loss.item())


def depth_weighted(exits: Sequence[Tensor], label: Tensor) -> Tensor:
    """Return sum_k k CE_k / sum_k k over the exits' logits [n, classes], k from 1."""
    losses = torch.stack([nn.functional.cross_entropy(logits.float(), label) for logits in exits])
    depth = torch.arange(1, len(exits) + 1, dtype=losses.dtype)
    return (depth * losses).sum() / depth.sum()


def linear_rate(done: float, warmup_share: float) -> float:
    """Return the learning rate over its peak when the share ``done`` of the training is over."""
    if done < warmup_share:
        return done / warmup_share
    return (1 - done) / (1 - warmup_share)


def batches(lengths: NDArray[Any], recipe: FineTuning, epoch: int, chunk: int = 40) -> list[NDArray[np.int64]]:
    """Return the epoch's batches of places in random order, each of texts of about one length.

    Texts are shuffled, sorted by length within chunks of ``chunk`` batches, and cut; so little is filled up.
    """
    rng = np.random.default_rng([recipe.seed, epoch])
    order = rng.permutation(len(lengths))
    size = chunk * recipe.batch
    near = [part[np.argsort(lengths[part], kind="stable")] for part in cut(order, size)]
    made = [batch for part in near for batch in cut(part, recipe.batch)]
    return [made[i] for i in rng.permutation(len(made))]


def cut(places: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Cut places into pieces of ``size``, the last one perhaps smaller."""
    return [places[start : start + size] for start in range(0, len(places), size)]


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are fine-tuned, by name: all but the embeddings."""
    named = network.named_parameters()
    return {name: each for name, each in named if not name.startswith("backbone.embeddings.")}


def optimizer_for(network: MultiExitEncoder, recipe: FineTuning) -> torch.optim.Optimizer:
    """Return AdamW over the trained parameters; biases and normalisations do not decay."""
    kinds: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    parameters = trained(network)
    for name, each in network.named_parameters():
        each.requires_grad_(name in parameters)
    for name, each in parameters.items():
        kinds.setdefault((name.startswith("heads."), each.ndim > 1), []).append(each)
    groups = [
        {
            "params": chosen,
            "peak": recipe.head_rate if of_head else recipe.backbone_rate,
            "weight_decay": recipe.weight_decay if decays else 0.0,
        }
        for (of_head, decays), chosen in kinds.items()
    ]
    return torch.optim.AdamW(groups, lr=recipe.backbone_rate)


def save(
    checkpoint: Path | None,
    settings: dict[str, Any],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps_done: int,
) -> None:
    """Write the state of the training after a step."""
    weights = {name: each.detach() for name, each in trained(network).items()}
    state = {"steps_done": steps_done, "weights": weights, "optimizer": optimizer.state_dict()}
    checkpoints.write(checkpoint, settings, state)


def restore(
    checkpoint: Path | None, settings: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer
) -> int:
    """Load a checkpoint of the same training, if there is one; return how many steps are done."""
    state = checkpoints.read(checkpoint, settings, "fine-tuning", TuningError)
    if state is None:
        return 0
    with torch.no_grad():
        for name, each in trained(network).items():
            each.copy_(state["weights"][name])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["steps_done"])
