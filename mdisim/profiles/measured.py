"""From what a build measured to a profile, with the times of every device kind carried over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mdisim.profiles.build.records import Measured, MeasuredCosts
from mdisim.profiles.devices import MEASURED_ON, REFERENCE, carry
from mdisim.profiles.profile import CostTable, Profile


def from_measured(measured: Measured, name: str) -> Profile:
    """The profile `name` of a measured network, with each kind of device in every cost table.

    The kinds need the cost table of the reference network, MobileNetV2 at 224x224, among the measured ones;
    without it the times stay those of the measured x86 core.
    """
    note = measured_note(measured.meta)
    tables = {table: x86_table(costs, note) for table, costs in measured.costs.items()}
    if REFERENCE in tables:
        tables = {table: carry(costs, tables[REFERENCE]) for table, costs in tables.items()}
    dataset, network = measured.meta.get("dataset", {}), measured.meta.get("network", {})
    header: dict[str, Any] = {
        "model": network.get("name", "?"),
        "dataset": dataset.get("name", "?"),
        "licence": dataset.get("licence", "?"),
        "measured": dict(measured.meta),
    }
    return Profile(
        name=name,
        label=measured.label.astype(np.int32),
        split=measured.split,
        logits=measured.logits,
        features=measured.features,
        costs=tables,
        header=header,
    )


def x86_table(costs: MeasuredCosts, note: str) -> CostTable:
    """The cost table of what was measured on one x86 core; a MAC is two FLOPs."""
    return CostTable(
        kinds=(MEASURED_ON,),
        stage_flops=2.0 * costs.stage_macs.astype(np.float64),
        head_flops=2.0 * costs.head_macs.astype(np.float64),
        stage_s=costs.stage_s[None, :],
        head_s=costs.head_s[None, :],
        stage_spread_s=costs.stage_spread_s[None, :],
        head_spread_s=costs.head_spread_s[None, :],
        out_bytes=costs.out_bytes.astype(np.float64),
        layers=costs.layers.astype(np.int32),
        notes={MEASURED_ON: note},
    )


def measured_note(meta: Mapping[str, Any]) -> str:
    """How, where and when the times were measured, in one sentence."""
    timing = meta.get("timing", {})
    where = f"on {timing['cpu']}" if timing.get("cpu") else "on an x86 processor that was not named"
    when = f" on {meta['date']}" if meta.get("date") else ""
    how = f": {timing['how']}" if timing.get("how") else ""
    with_torch = f", torch {meta['torch']}" if meta.get("torch") else ""
    return f"measured {where}{when}{with_torch}{how}"
