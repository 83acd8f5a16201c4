"""From what a build measured to a profile, with the times of every device kind carried over, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mdisim.profiles.build.records import BuildError, Measured, MeasuredCosts
from mdisim.profiles.devices import MEASURED_ON, REFERENCE, at_rates, carry
from mdisim.profiles.profile import CostTable, Profile


def from_measured(measured: Measured, name: str) -> Profile:
    """The profile `name` of a measured network, with each kind of device in every cost table.

    Where the cost table of the reference network, MobileNetV2 at 224x224, is among the measured ones, times are
    carried over to the kinds that are known by it; otherwise the kinds are those that are known by their rate.
    """
    note = measured_note(measured.meta)
    tables = {table: x86_table(costs, note) for table, costs in measured.costs.items()}
    if REFERENCE in tables:
        tables = {table: carry(costs, tables[REFERENCE]) for table, costs in tables.items()}
    else:
        tables = {table: at_rates(costs) for table, costs in tables.items()}
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
        work=measured.work,
        size=measured.size,
        group=measured.group,
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
    timing = dict(meta) | meta.get("timing", {})  # times that were taken from elsewhere have their own date
    where = f"on {timing['cpu']}" if timing.get("cpu") else "on an x86 processor that was not named"
    when = f" on {timing['date']}" if timing.get("date") else ""
    how = f": {timing['how']}" if timing.get("how") else ""
    with_torch = f", torch {timing['torch']}" if timing.get("torch") else ""
    taken = f" (for {timing['taken_from']['profile']})" if timing.get("taken_from") else ""
    return f"measured {where}{when}{with_torch}{taken}{how}"


def measured_costs(profile: Profile) -> tuple[dict[str, MeasuredCosts], dict[str, Any]]:
    """What was measured for a built profile, to be taken for another of the same network, and where from.

    The second part is plain JSON, `timing`: how, where and when the times were measured, and `taken_from`,
    the profile's name and digest. Raises `BuildError` where the profile was not built from a network.
    """
    meta = _measured(profile)
    timing = dict(meta["timing"])
    timing |= {key: meta[key] for key in ("date", "torch") if key in meta and key not in timing}
    timing["taken_from"] = {"profile": profile.name, "digest": profile.digest}
    return {name: x86_costs(table) for name, table in profile.costs.items()}, {"timing": timing}


def same_network(profile: Profile, network: Mapping[str, Any]) -> None:
    """Raise `BuildError` unless the profile was built from a network of this shape: other shapes cost other."""
    theirs, ours = (json.loads(json.dumps(dict(shape))) for shape in (_measured(profile)["network"], network))
    differing = [
        f"{key} {theirs.get(key)} and not {value}" for key, value in ours.items() if theirs.get(key) != value
    ]
    if differing:
        raise BuildError(
            f"the costs of {profile.name} are of another network ({'; '.join(differing)}); "
            "name a profile of the same network, or leave --costs out to measure them"
        )


def _measured(profile: Profile) -> Mapping[str, Any]:
    meta = profile.header.get("measured")
    known = isinstance(meta, Mapping) and all(isinstance(meta.get(key), Mapping) for key in ("network", "timing"))
    if not known or not all(MEASURED_ON in table.kinds for table in profile.costs.values()):
        raise BuildError(
            f"the costs of {profile.name} were not measured on a network; name a profile that was built "
            "(mdisim profile build), or leave --costs out to measure them"
        )
    return dict(meta or {})


def x86_costs(table: CostTable) -> MeasuredCosts:
    """What was measured on one x86 core, the inverse of `x86_table`."""
    row = table.row(MEASURED_ON)
    return MeasuredCosts(
        stage_macs=(table.stage_flops / 2).astype(np.int64),
        head_macs=(table.head_flops / 2).astype(np.int64),
        layers=table.layers.astype(np.int64),
        out_bytes=table.out_bytes.astype(np.int64),
        stage_s=table.stage_s[row],
        head_s=table.head_s[row],
        stage_spread_s=table.stage_spread_s[row],
        head_spread_s=table.head_spread_s[row],
    )
