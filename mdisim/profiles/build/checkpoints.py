"""Checkpoints of trainings: written in one step, and read only by the training that wrote them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from mdisim.profiles.build.records import BuildError

State = dict[str, Any]


def write(checkpoint: Path | None, settings: State, state: State) -> None:
    """Write the state of a training in one step, so that a kill leaves the old file or the new one."""
    if checkpoint is None:
        return
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    partial = checkpoint.with_name(checkpoint.name + ".partial")
    torch.save({"settings": settings, **state}, partial)
    os.replace(partial, checkpoint)


def read(checkpoint: Path | None, settings: State, what: str, error_of: type[BuildError]) -> State | None:
    """Read a checkpoint of the same training, ``what`` it is called; None if there is none.

    Raises ``error_of`` where the file is damaged, or of other settings.
    """
    if checkpoint is None or not checkpoint.exists():
        return None
    try:
        state: State = torch.load(checkpoint, map_location="cpu", weights_only=True)
        same = state["settings"] == settings
    except Exception as error:  # a damaged file may raise anything at all
        raise error_of(f"{checkpoint}: not a checkpoint of a {what}; remove it ({error})") from error
    if not same:
        raise error_of(f"{checkpoint}: is of a training with other settings or data; name another file")
    return state
