"""What the layers of a text encoder cost: counted from its shape, timed for texts of several lengths.

A stage is one layer; the first one holds the embeddings' lookup too. The costs in a table are those of a text of
the reference length; a text's own `work` and `size` carry them over to its own length.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mdisim.profiles.build.encoder import EncoderShape, MultiExitEncoder, token_mean, with_exits
from mdisim.profiles.build.measure import time_parts
from mdisim.profiles.build.records import MeasuredCosts, TimingPlan

ID_BYTES = 4  # a token's number as it is sent; 2 would do for a vocabulary below 65,536
BERT_TOKENS = 128
BERT_LAYERS = 12
LENGTHS = (4, 8, 16, 32, 64, 128)
TEXT_TIMING = TimingPlan(rounds=12, passes=5, warmup=1)
FEW = TimingPlan(rounds=3, passes=5, warmup=1)


def layer_macs(shape: EncoderShape, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the multiply-accumulates of one layer for texts of so many tokens.

    Four square matrices and two of the feed-forward part, for each token; and for each pair of tokens a product of
    query and key, and one of weight and value. Normalisation, softmax and the like are left out.
    """
    linear = 4 * shape.hidden**2 + 2 * shape.hidden * shape.between
    return np.asarray(tokens * linear + 2 * tokens**2 * shape.hidden, dtype=np.int64)


def own_factors(shape: EncoderShape, tokens: NDArray[np.int64], reference: int) -> tuple[NDArray[np.float64], ...]:
    """Return the factors of texts of so many tokens on work [n, K] and on bytes [n, K + 1]."""
    work = layer_macs(shape, tokens) / layer_macs(shape, np.array(reference))
    size = tokens / reference
    return np.tile(work[:, None], shape.layers), np.tile(size[:, None], shape.layers + 1)


def counted(shape: EncoderShape, tokens: int, classes: int, exits: int) -> dict[str, NDArray[np.int64]]:
    """Return MACs, layers and bytes of an encoder whose layers are dealt out evenly to the exits' stages."""
    each = shape.layers // exits
    state_bytes = 4 * tokens * shape.hidden
    return {
        "stage_macs": np.full(exits, each * int(layer_macs(shape, np.array(tokens)))),
        "head_macs": np.full(exits, shape.hidden * classes),
        "layers": np.full(exits, each),
        "out_bytes": np.array([ID_BYTES * tokens, *[state_bytes] * (exits - 1), 0]),
    }


def text_costs(
    network: MultiExitEncoder, tokens: int, plan: TimingPlan, exits: int | None = None
) -> MeasuredCosts:
    """Count and time a network for one text of so many tokens on one CPU thread."""
    shape = network.shape
    exits = exits or shape.layers
    median, spread = time_layers(network, tokens, plan)
    stage_s, stage_spread_s = (part[0::2].reshape(exits, -1).sum(1) for part in (median, spread))
    last = slice(1 + 2 * (shape.layers // exits - 1), None, 2 * (shape.layers // exits))
    return MeasuredCosts(
        **counted(shape, tokens, network.classes, exits),
        stage_s=stage_s,
        stage_spread_s=stage_spread_s,
        head_s=median[last],
        head_spread_s=spread[last],
    )


def time_layers(
    network: MultiExitEncoder, tokens: int, plan: TimingPlan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and spread in seconds of layer 1, head 1, layer 2, ... [2 K] for one text."""
    ids = np.random.default_rng(0).integers(network.shape.vocabulary // 2, size=(1, tokens))
    one, mask = torch.from_numpy(ids), torch.ones(1, tokens, dtype=torch.int64)
    return time_parts(lambda: timed_text(network, one, mask), plan)


def timed_text(network: MultiExitEncoder, ids: Tensor, mask: Tensor) -> list[float]:
    """Send a text through the network; return the seconds of each layer and its head in turn.

    A layer's time runs from the end of the head before it, so that all that lies between layers is counted.
    """
    seconds: list[float] = []
    heads, since = iter(network.heads), [0.0]

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        middle = perf_counter()
        next(heads)(token_mean(output[0] if isinstance(output, tuple) else output, mask))
        end = perf_counter()
        seconds.extend((middle - since[0], end - middle))
        since[0] = perf_counter()

    handles = [layer.register_forward_hook(note) for layer in network.layer_modules()]
    try:
        since[0] = perf_counter()
        network.backbone(input_ids=ids, attention_mask=mask)
    finally:
        for handle in handles:
            handle.remove()
    return seconds


def by_length(network: MultiExitEncoder, plan: TimingPlan = FEW) -> dict[str, list[float]]:
    """Return the mean seconds of a layer, timed, beside its MACs, for texts of several lengths: plain JSON."""
    rounds = replace(plan, rounds=min(plan.rounds, FEW.rounds))
    seconds = [float(time_layers(network, tokens, rounds)[0][0::2].mean()) for tokens in LENGTHS]
    macs = layer_macs(network.shape, np.array(LENGTHS))
    return {
        "tokens": [float(tokens) for tokens in LENGTHS],
        "layer_s": [float(f"{each:.4g}") for each in seconds],
        "layer_macs": [float(each) for each in macs],
    }


def bert_base(classes: int, seed: int) -> MultiExitEncoder:
    """Return BERT-base with random weights, which cost what trained ones do (Devlin et al., NAACL 2019)."""
    from transformers import BertConfig, BertModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = BertModel(BertConfig(), add_pooling_layer=False)
    return with_exits(backbone, "bert-base", classes, dropout=0.0, seed=seed).eval()
