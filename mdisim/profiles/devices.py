"""Kinds of devices, and carrying times measured on one x86 core over to them by one factor each.

What a device makes of a whole network is published for many of them, what it makes of each stage for none.
So a kind's stage and head times are ours, measured on x86, times one factor: the one at which the reference
network, MobileNetV2 at 224x224, takes there the time that was published or derived (`devices.toml` holds the
numbers with their sources). That the shares of the stages stay as on x86 is an assumption. A second sort of
kind is nothing but an assumed rate of FLOPs per second; it serves networks that were timed on no device.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mdisim.profiles.checks import ProfileError, unknown
from mdisim.profiles.profile import CostTable

MEASURED_ON = "x86-core"
REFERENCE = "mobilenetv2-224"


@dataclass(frozen=True)
class DeviceKind:
    """A kind of device: what it is, how fast it is, what it draws, and where each number stands.

    `cores`: samples served at a time at this speed. `mobilenetv2_s`: seconds for the first `flops_share` of
    MobileNetV2 1.0 at 224x224, None for the kind that profiles are measured on and where `flops_per_s`, an
    effective rate, is all that is assumed. `idle_w`: watts of the idle
    device, `busy_w`: watts that computing adds to them; None where unknown. `memory_bytes`: None where it depends.
    """

    name: str
    hardware: str
    cores: int
    number: Literal["measured", "published", "derived", "assumed"]
    source: str
    derivation: str = ""
    mobilenetv2_s: float | None = None
    flops_per_s: float | None = None
    flops_share: float = 1.0
    memory_bytes: int | None = None
    idle_w: float | None = None
    busy_w: float | None = None
    power_source: str = ""


def device_kinds() -> dict[str, DeviceKind]:
    """Every kind of the catalogue by its name."""
    return dict(_catalogue())


@cache
def _catalogue() -> Mapping[str, DeviceKind]:
    text = resources.files("mdisim.profiles").joinpath("devices.toml").read_text(encoding="utf-8")
    return {name: DeviceKind(name=name, **entry) for name, entry in tomllib.loads(text).items()}


def device_kind(name: str) -> DeviceKind:
    """One kind of the catalogue; raises `ProfileError` with the nearest name."""
    kinds = device_kinds()
    if name not in kinds:
        raise ProfileError("devices", [unknown("device kind", name, kinds)])
    return kinds[name]


def carry(table: CostTable, reference: CostTable, kinds: Iterable[DeviceKind] | None = None) -> CostTable:
    """The table with a row for each of `kinds` (all of the catalogue) beside the measured x86 row.

    Both tables hold times measured on `x86-core`; `reference` is the one of MobileNetV2 at 224x224, and may
    be `table` itself. A kind's times and spreads are the measured ones times `factor(reference, kind)`; its
    note says so.
    """
    measured = table.row(MEASURED_ON)
    others = [k for k in (device_kinds().values() if kinds is None else kinds) if k.mobilenetv2_s is not None]
    factors = np.array([1.0, *(factor(reference, kind) for kind in others)])

    def rows(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = factors[:, None] * seconds[measured]
        return scaled

    return replace(
        table,
        kinds=(MEASURED_ON, *(kind.name for kind in others)),
        stage_s=rows(table.stage_s),
        head_s=rows(table.head_s),
        stage_spread_s=rows(table.stage_spread_s),
        head_spread_s=rows(table.head_spread_s),
        notes={name: note for name, note in table.notes.items() if name == MEASURED_ON}
        | {kind.name: _note(kind, f) for kind, f in zip(others, factors[1:], strict=True)},
    )


def at_rates(table: CostTable, kinds: Iterable[DeviceKind] | None = None) -> CostTable:
    """The table with a row for each of `kinds` (all of the catalogue) that is known by its rate of FLOPs.

    Times of such a kind are the FLOPs of a stage or head over the rate, and have no spread; its note says so.
    """
    chosen = [k for k in (device_kinds().values() if kinds is None else kinds) if k.flops_per_s is not None]
    rates = np.array([kind.flops_per_s for kind in chosen], dtype=np.float64)[:, None]
    none = np.zeros((len(chosen), table.n_exits))
    return replace(
        table,
        kinds=(*table.kinds, *(kind.name for kind in chosen)),
        stage_s=np.vstack([table.stage_s, table.stage_flops / rates]),
        head_s=np.vstack([table.head_s, table.head_flops / rates]),
        stage_spread_s=np.vstack([table.stage_spread_s, none]),
        head_spread_s=np.vstack([table.head_spread_s, none]),
        notes={**table.notes, **{kind.name: _rate_note(kind) for kind in chosen}},
    )


def _rate_note(kind: DeviceKind) -> str:
    return f"derived: FLOPs over {1e-9 * (kind.flops_per_s or 0):g} GFLOP/s ({kind.number}: {kind.source})"


def factor(reference: CostTable, kind: DeviceKind) -> float:
    """How many times as long as the measured x86 core the kind takes, by the reference network."""
    if kind.mobilenetv2_s is None:
        return 1.0
    return kind.mobilenetv2_s / reference_time_s(reference, kind.flops_share)


def reference_time_s(reference: CostTable, flops_share: float = 1.0) -> float:
    """Measured seconds of the first `flops_share` of the network: its stages and the last head.

    Early heads are left out, as they are no part of the network that others timed. Within a stage, time is
    taken as proportional to FLOPs.
    """
    row = reference.row(MEASURED_ON)
    flops = np.cumsum([0.0, *reference.stage_flops, reference.head_flops[-1]])
    seconds = np.cumsum([0.0, *reference.stage_s[row], reference.head_s[row, -1]])
    return float(np.interp(flops_share * flops[-1], flops, seconds))


def _note(kind: DeviceKind, times: float) -> str:
    part = "" if kind.flops_share == 1 else f"the first {kind.flops_share:g} of the FLOPs of "
    return (
        f"derived: {MEASURED_ON} times x {times:.4g}, the one factor at which {part}MobileNetV2 at 224x224 "
        f"takes {1e3 * (kind.mobilenetv2_s or 0):.4g} ms ({kind.number}: {kind.source})"
        + (f"; {kind.derivation}" if kind.derivation else "")
    )
