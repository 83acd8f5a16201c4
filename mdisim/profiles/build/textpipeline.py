"""From a set of sentences to a measured text network: divide, fine-tune, answer the held out, count and time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mdisim.profiles.build.encoder import MultiExitEncoder, folder_of, load_encoder, name_of, padded, tokenised
from mdisim.profiles.build.finetuning import FineTuning, Progress, fine_tune
from mdisim.profiles.build.pipeline import accuracies, cpu_model
from mdisim.profiles.build.records import BuildError, Measured, MeasuredCosts, TimingPlan
from mdisim.profiles.build.sentences import CLASSES, PARTS, READERS, Divided, divide
from mdisim.profiles.build.shift import HALVES
from mdisim.profiles.build.textcosts import (
    BERT_LAYERS,
    BERT_TOKENS,
    bert_base,
    by_length,
    own_factors,
    text_costs,
)
from mdisim.profiles.build.textfeatures import projected, seen_before
from mdisim.profiles.measured import measured_costs, same_network
from mdisim.profiles.profile import Profile

SHARES = {"sst2": (0.36, 0.32, 0.32), "movies": (0.6, 0.2, 0.2)}  # of train, calibration, test
SMALL = FineTuning(epochs=3)
LARGE = FineTuning(epochs=1, batch=64, bfloat16=True)
LARGE_HIDDEN = 768  # from here on an encoder is fine-tuned as LARGE says
TIMING = (
    "PyTorch eager mode, float32, batch 1, one thread; median of the rounds' medians and inter-quartile range "
    "over all passes"
)


@dataclass(frozen=True, eq=False)
class Texts:
    """A divided set of texts with an encoder: its folder and name, and every text's token ids."""

    of: Divided
    folder: Path
    encoder: str
    tokens: Sequence[NDArray[np.int64]]

    def rows(self, places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The token ids of some texts."""
        return [self.tokens[i] for i in places]


def read_texts(name: str, path: Path | None, encoder: str, seed: int) -> Texts:
    """Read and divide the set ``name`` at ``path``, and turn its texts into tokens."""
    if name not in READERS:
        raise BuildError(f"no recipe for {name!r}; of texts there are {', '.join(READERS)}")
    if path is None:
        raise BuildError(f"{name}: name the file that holds it (--data)")
    if seed < 0:
        raise BuildError(f"seed={seed}: a seed is at least 0")
    folder = folder_of(encoder)
    divided = divide(READERS[name](path), SHARES[name], seed)
    return Texts(divided, folder, name_of(encoder, folder), tokenised(folder, divided.texts, SMALL.most_tokens))


def tune_and_measure(
    texts: Texts,
    epochs: int | None,
    seed: int,
    checkpoint: Path | None,
    how: TimingPlan | Profile,
    full_features: Path | None,
    progress: Progress,
) -> Measured:
    """Fine-tune the encoder on the training part, and measure its answers on the rest and its costs.

    ``how`` says where costs are from: they are timed by a plan, or taken from a profile of the same network.
    ``full_features``: a file to write all that a router may see to, before it is projected.
    """
    network = load_encoder(texts.folder, texts.encoder, len(CLASSES), SMALL.dropout, seed)
    recipe = recipe_for(network, epochs, seed)
    train, held_out = texts.of.chosen(0), texts.of.chosen(1, 2)
    lengths = np.array([len(texts.tokens[i]) for i in held_out])
    reference = round(float(lengths.mean()))
    shape = asdict(network.shape) | {"classes": len(CLASSES), "reference_tokens": reference}
    if isinstance(how, Profile):
        same_network(how, shape)  # better refused before the work than after it
    label = texts.of.label
    fine_tune(network, texts.rows(train), label[train], recipe, checkpoint=checkpoint, progress=progress)
    logits = answers(network, texts.rows(held_out), progress, bfloat16=recipe.bfloat16)
    split = (texts.of.part[held_out] == PARTS.index("test")).astype(np.uint8)
    seen = seen_before(network, texts.rows(held_out), texts.rows(train))
    features, of_features = projected(seen, split == 0)
    group = np.unique(texts.of.group[held_out], return_inverse=True)[1].astype(np.int32)
    if full_features is not None:
        np.savez_compressed(full_features, split=split, group=group, **seen.arrays())  # type: ignore[arg-type]
    costs, timing = (
        measured_costs(how) if isinstance(how, Profile) else timed(network, reference, how, seed, progress)
    )
    work, size = own_factors(network.shape, lengths, reference)
    accuracy = {half: accuracies(logits[split == i], label[held_out][split == i]) for i, half in enumerate(HALVES)}
    return Measured(
        logits=logits,
        label=label[held_out],
        split=split,
        features=features,
        costs=costs,
        meta=describe(texts, network, shape, recipe) | timing | {"features": of_features, "accuracy": accuracy},
        work=work,
        size=size,
        group=group,
    )


def recipe_for(network: MultiExitEncoder, epochs: int | None, seed: int) -> FineTuning:
    """Return how to fine-tune an encoder of this width, with its own number of epochs unless one is given."""
    recipe = replace(SMALL if network.shape.hidden < LARGE_HIDDEN else LARGE, seed=seed)
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def answers(
    network: MultiExitEncoder, rows: Sequence[NDArray[np.int64]], progress: Progress, *, bfloat16: bool = False
) -> NDArray[np.float16]:
    """Return the logits [n, K, C] of texts, 64 of about one length at a time."""
    batch = 64
    logits = np.empty((len(rows), network.shape.layers, network.classes), np.float16)
    order = np.argsort([len(row) for row in rows], kind="stable")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        for i, start in enumerate(range(0, len(order), batch)):
            chosen = order[start : start + batch]
            logits[chosen] = torch.stack(network(*padded([rows[j] for j in chosen])), dim=1).half().numpy()
            if i % 100 == 0:
                progress(f"answered {start} of {len(order)} held-out texts")
    return logits


def timed(
    network: MultiExitEncoder, reference: int, plan: TimingPlan, seed: int, progress: Progress
) -> tuple[dict[str, MeasuredCosts], dict[str, Any]]:
    """Time the network for a text of reference length, and BERT-base for one of 128 tokens."""
    progress(f"timing the layers of {network.shape.name}")
    costs = {"native": text_costs(network, reference, plan)}
    lengths = by_length(network, plan)
    exits = network.shape.layers
    if BERT_LAYERS % exits == 0:
        progress("timing the layers of BERT-base")
        costs["bert-128"] = text_costs(bert_base(len(CLASSES), seed), BERT_TOKENS, plan, exits)
    how = {"how": TIMING, "cpu": cpu_model(), "threads": 1, "by_length": lengths}
    return costs, {"timing": asdict(plan) | how}


def describe(texts: Texts, network: MultiExitEncoder, shape: dict[str, Any], recipe: FineTuning) -> dict[str, Any]:
    """Return as plain JSON what was fine-tuned on what, and when, and on which texts it was measured."""
    data, reference = texts.of.of, shape["reference_tokens"]
    each = BERT_LAYERS // network.shape.layers
    return {
        "dataset": {
            "name": data.name,
            "source": data.source,
            "licence": data.licence,
            "sha256": data.sha256,
            "counts": dict(texts.of.counts),
            "division": "by parents, the texts that lie in no other; a text in several parents is left out",
            "classes": list(CLASSES),
        },
        "network": shape
        | {"parameters": sum(p.numel() for p in network.parameters())}
        | about_encoder(texts.folder),
        "training": asdict(recipe)
        | {"exits": "a linear classifier of the mean hidden state after each layer", "loss": "sum k CE_k / sum k"},
        "costs": {
            "native": f"{network.shape.name}, as fine-tuned, for a text of {reference} tokens, the mean of those "
            "held out; work and size carry it over to a text's own length",
            "bert-128": f"BERT-base for {BERT_TOKENS} tokens, untrained, an exit after every {each} layers; "
            f"with work and size, a text of mean length counts as {BERT_TOKENS} tokens",
        },
        "sent": "row 0: 4 bytes for each token's number; then float32 hidden states of all tokens",
        "macs": "multiply-accumulates of linear layers and of attention's two products; one MAC is two FLOPs",
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }


def about_encoder(folder: Path) -> dict[str, Any]:
    """Return the licence that an encoder's README tells, if it does, and the digest of its weights."""
    readme = folder / "README.md"
    told = re.search(r"^license: *(\S+)", readme.read_text(encoding="utf-8"), re.M) if readme.is_file() else None
    weights = sorted(folder.glob("*.safetensors"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in weights)).hexdigest() if weights else None
    return {"licence": told[1] if told else "?", "weights_sha256": digest}
