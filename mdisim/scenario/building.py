"""From a sound scenario and its profile to a World: names become numbers, text is over."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path

import numpy as np

from mdisim import world
from mdisim.policies.scores import Floats, Outputs
from mdisim.profiles import CostTable, Profile, device_kinds
from mdisim.scenario import arrivals as files
from mdisim.scenario.checks import table_of
from mdisim.scenario.models import (
    Arrivals,
    Closed,
    Constant,
    Device,
    FromFile,
    Lognormal,
    OnOff,
    Poisson,
    PowerDraw,
    Spec,
)
from mdisim.scenario.roster import Roster, roster
from mdisim.scenario.topology import routes, wired

BYTES_SHARE = {"float32": 1.0, "float16": 0.5, "int8": 0.25}


def world_of(spec: Spec, profile: Profile, folder: Path) -> world.World:
    """Resolve a scenario that has no faults.

    Routes are the fastest for the largest feature map that is sent (the raw input where there is only one
    stage) over unloaded links.
    """
    _, table = table_of(profile, spec.costs)
    there, _ = roster({name: device.count for name, device in spec.devices.items()})
    entries = [spec.devices[entry] for entry in there.entries]
    out_bytes = sent_bytes(table, spec.feature_precision)
    links = () if spec.network is None else wired(spec.network, there)[0]
    largest = out_bytes[1:-1].max() if profile.n_exits > 1 else out_bytes[0]
    rows = [table.row(entry.kind) for entry in entries]
    speed = np.array([entry.speed for entry in entries])[:, None]
    return world.World(
        devices=tuple(_device(n, e, profile.n_exits) for n, e in zip(there.names, entries, strict=True)),
        links=links,
        sources=_sources(spec, there, folder),
        samples=_samples(profile.half("test")),
        calibration=_samples(profile.half("calibration")),
        stage_s=table.stage_s[rows] / speed,
        head_s=table.head_s[rows] / speed,
        out_bytes=out_bytes,
        layers=table.layers.astype(np.float64),
        next_hop=routes(links, len(entries), float(largest)),
        window=_window(spec),
        jitter=_jitter(spec),
        label_bytes=spec.run.label_bytes,
        work_conserving=spec.run.work_conserving,
        sender="device" if spec.network is None else spec.network.sender,
        profile=profile.name,
        profile_digest=profile.digest,
    )


def sent_bytes(table: CostTable, precision: str) -> Floats:
    """The bytes of the raw input and of each feature map as they are sent, [K+1]."""
    bytes_ = np.array(table.out_bytes, dtype=np.float64)
    bytes_[1:] *= BYTES_SHARE[precision]
    return bytes_


def power_of(device: Device) -> PowerDraw:
    """What a device draws: as stated, or as the catalogue says of its kind; None if neither does."""
    kind = device_kinds().get(device.kind)
    busy_w, idle_w = (kind.busy_w, kind.idle_w) if kind else (None, None)
    stated = device.power
    return PowerDraw.model_construct(
        busy=stated.busy if stated.busy is not None else busy_w,
        idle=stated.idle if stated.idle is not None else idle_w,
    )


def _device(name: str, entry: Device, n_exits: int) -> world.Device:
    power = power_of(entry)
    return world.Device(
        name=name,
        kind=entry.kind,
        cores=entry.cores,
        queue_limit=inf if entry.queue_limit is None else entry.queue_limit,
        holds=tuple(entry.holds is None or k + 1 in entry.holds for k in range(n_exits)),
        layer_cost=entry.layer_cost,
        busy_w=nan if power.busy is None else power.busy,
        idle_w=nan if power.idle is None else power.idle,
    )


def _sources(spec: Spec, there: Roster, folder: Path) -> tuple[world.Source, ...]:
    return tuple(
        world.Source(
            device=device,
            arrivals=_arrivals(source.arrivals, folder),
            deadline_s=inf if source.deadline is None else source.deadline,
            order=source.order,
            priority=source.priority,
        )
        for source in spec.workload
        for device in there.members(source.at)
    )


def _arrivals(stated: Arrivals, folder: Path) -> world.Arrivals:
    match stated:
        case Constant() | Poisson():
            return world.Arrivals(stated.kind, rate_per_s=stated.rate)
        case OnOff():
            return world.Arrivals(stated.kind, rate_per_s=stated.rate, on_s=stated.on, off_s=stated.off)
        case FromFile():
            return world.Arrivals(stated.kind, times_s=files.times_s(folder / stated.path))
        case Closed():
            return world.Arrivals(stated.kind, population=stated.population, think_s=stated.think)
        case _:
            return world.Arrivals(stated.kind)


def _samples(half: Profile) -> world.Samples:
    return world.Samples(
        outputs=Outputs(
            logits=half.logits,
            confidence=half.confidence,
            prediction=half.prediction.astype(np.int64),
            label=half.label.astype(np.int64),
        ),
        work=half.work,
        size=half.size,
        features=None if half.features is None else half.features.astype(np.float64),
    )


def _window(spec: Spec) -> world.Window:
    run = spec.run
    return world.Window(
        duration_s=run.duration,
        warmup_s=run.warmup,
        drain=run.drain,
        drain_limit_s=run.drain_limit,
    )


def _jitter(spec: Spec) -> world.Jitter:
    match spec.jitter:
        case None:
            return world.Jitter()
        case Lognormal(cv=cv):
            return world.Jitter("lognormal", cv)
        case stated:
            return world.Jitter(stated.kind)
