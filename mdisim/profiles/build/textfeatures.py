"""What a router may see of a text before any layer has run, made from what the embeddings say of its tokens.

DIMEE (arXiv:2410.05338) routes by the embedding layer's output: by each token's norm, or by the mean over tokens.
Both are here, with the text's length and how rare its words are. All that is fitted is fitted on texts that the
caller names: the calibration half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mdisim.profiles.build.columns import STEP, coarse, standardised
from mdisim.profiles.build.encoder import MultiExitEncoder, padded, token_mean
from mdisim.profiles.checks import MAX_FEATURES

Floats = NDArray[np.float64]
STATISTICS = ("norm mean", "norm deviation", "norm min", "norm max", "tokens", "rarity mean", "rarity max")


@dataclass(frozen=True, eq=False)
class Seen:
    """All that is seen of n texts: ``token_mean`` [n, hidden], ``norms`` [n, longest] of each token (0 after
    the last), ``tokens`` [n], and ``rarity`` [n, 2], mean and maximum of -ln of the words' frequencies."""

    token_mean: Floats
    norms: Floats
    tokens: NDArray[np.int64]
    rarity: Floats

    def statistics(self) -> Floats:
        """The columns of ``STATISTICS`` [n, 7]."""
        there = np.arange(self.norms.shape[1]) < self.tokens[:, None]
        mean = self.norms.sum(1) / self.tokens
        deviation = np.sqrt((there * (self.norms - mean[:, None]) ** 2).sum(1) / self.tokens)
        low = np.where(there, self.norms, np.inf).min(1)
        return np.column_stack([mean, deviation, low, self.norms.max(1), self.tokens, self.rarity])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything for a file of its own, floats as float16."""
        half = {"token_mean": self.token_mean, "token_norms": self.norms, "rarity": self.rarity}
        return {name: array.astype(np.float16) for name, array in half.items()} | {"tokens": self.tokens}


def seen_before(
    network: MultiExitEncoder,
    rows: Sequence[NDArray[np.int64]],
    known: Sequence[NDArray[np.int64]],
    batch: int = 256,
) -> Seen:
    """Return what is seen of the texts ``rows``; words are counted in the texts ``known``, those trained on."""
    tokens = np.array([len(row) for row in rows])
    means = np.empty((len(rows), network.shape.hidden))
    norms = np.zeros((len(rows), tokens.max()))
    order = np.argsort(tokens, kind="stable")
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            chosen = order[start : start + batch]
            ids, mask = padded([rows[i] for i in chosen])
            states = network.embedded(ids).float()
            means[chosen] = token_mean(states, mask).numpy()
            norms[chosen, : ids.shape[1]] = (states.norm(dim=2) * mask).numpy()
    return Seen(means, norms, tokens, rarity(rows, known, network.shape.vocabulary))


def rarity(rows: Sequence[NDArray[np.int64]], known: Sequence[NDArray[np.int64]], vocabulary: int) -> Floats:
    """Return mean and maximum [n, 2] over a text's tokens, but for the marks at its ends, of -ln frequency.

    Frequencies are those in the texts ``known``, each token counted once more than it is there, so that none is 0.
    """
    counts = np.bincount(np.concatenate([row[1:-1] for row in known]), minlength=vocabulary) + 1
    rare = -np.log(counts / counts.sum())
    within = [rare[row[1:-1]] if len(row) > 2 else np.zeros(1) for row in rows]
    return np.array([[each.mean(), each.max()] for each in within])


def projected(seen: Seen, fitted_on: NDArray[np.bool_]) -> tuple[NDArray[np.float16], dict[str, Any]]:
    """Return at most 64 columns [n, d], and in plain JSON what they are; fitted on the texts ``fitted_on``.

    The first columns are the principal components of the token mean, all divided by the deviation of the first,
    so that distances are those of the token mean as far as these components go; the others are standardised.
    """
    components, variance = principal(seen.token_mean[fitted_on], MAX_FEATURES - len(STATISTICS))
    centre = seen.token_mean[fitted_on].mean(0)
    first = (seen.token_mean - centre) @ components.T
    scale = first[fitted_on, 0].std() or 1.0
    rest, fitted = standardised(seen.statistics(), fitted_on)
    what = (
        "principal components of the mean over tokens of the embedding layer's output, divided by one number; "
        "then statistics of tokens' norms, tokens, and -ln of tokens' frequency in the training part, standardised"
    )
    columns = [*(f"component {i + 1}" for i in range(len(components))), *STATISTICS]
    return coarse(np.hstack([first / scale, rest])), {
        "columns": columns,
        "what": what,
        "fitted_on": "calibration",
        "variance_kept": round(float(variance), 4),
        "component_scale": float(f"{scale:.6g}"),
        "rounded_to": STEP,
        "statistics": fitted,
    }


def principal(rows: Floats, most: int) -> tuple[Floats, float]:
    """Return up to ``most`` principal components [d, columns] of rows, and the share of the variance they keep.

    Each component's largest entry is positive, so that its sign does not depend on the machine.
    """
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
    chosen = np.argsort(values)[::-1][: min(most, rows.shape[1])]
    components = vectors[:, chosen].T
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    return components, float(values[chosen].sum() / values.sum())
