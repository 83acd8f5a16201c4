"""From a sound scenario and its profile to a World: names become numbers, text is over."""

from __future__ import annotations

from functools import lru_cache
from math import inf, nan

import numpy as np

from mdisim import faults, world
from mdisim.policies.scores import Floats, Outputs
from mdisim.profiles import CostTable, Profile, device_kinds
from mdisim.profiles.profile import Half
from mdisim.routes import routes
from mdisim.scenario import arrivals as files
from mdisim.scenario.checks import table_of
from mdisim.scenario.failing import faults_of
from mdisim.scenario.models import (
    Arrivals,
    ByPolicy,
    Closed,
    Compression,
    Constant,
    Device,
    FromFile,
    Lognormal,
    OnOff,
    Poisson,
    PowerDraw,
    Spec,
    Speed,
)
from mdisim.scenario.network import Message, Network
from mdisim.scenario.reading import Folders
from mdisim.scenario.replays import Traces
from mdisim.scenario.roster import Roster, roster_of
from mdisim.scenario.wiring import wired

BYTES_SHARE = {"float32": 1.0, "float16": 0.5, "int8": 0.25, "json": 5.0}


def world_of(spec: Spec, profile: Profile, folders: Folders, traces: Traces) -> world.World:
    """Resolve a scenario that has no faults.

    Routes are the fastest over unloaded links, for messages of the stated size or else for the largest feature
    map that is sent (the raw input where there is only one stage).
    """
    _, table = table_of(profile, spec.costs)
    there = roster_of(spec)
    entries = [spec.devices[entry] for entry in there.entries]
    out_bytes = sent_bytes(table, spec)
    network = spec.network or Network(topology="line")
    links = () if spec.network is None else wired(network, there, traces)[0]
    route_bytes = network.route_size or float(out_bytes[1:-1].max() if profile.n_exits > 1 else out_bytes[0])
    rows = [table.row(entry.kind) for entry in entries]
    speed = np.array([1.0 if isinstance(entry.speed, Speed) else entry.speed for entry in entries])[:, None]
    return world.World(
        devices=tuple(_device(n, e, profile.n_exits, traces) for n, e in zip(there.names, entries, strict=True)),
        links=links,
        sources=_sources(spec, there, folders),
        samples=_samples(profile, "test"),
        calibration=_samples(profile, "calibration"),
        stage_s=table.stage_s[rows] / speed,
        head_s=table.head_s[rows] / speed,
        out_bytes=out_bytes,
        layers=table.layers.astype(np.float64),
        next_hop=routes(links, len(entries), route_bytes),
        route_bytes=route_bytes,
        window=_window(spec),
        jitter=_jitter(spec),
        label_bytes=spec.run.label_bytes,
        work_conserving=spec.run.work_conserving,
        sender=network.sender,
        sharing=network.sharing,
        packing=_packing(network.message or Message(), spec.compression, profile.n_exits),
        faults=faults.Faults() if spec.faults is None else faults_of(spec.faults, there, links)[0],
        profile=profile.name,
        profile_digest=profile.digest,
        traces=traces.digests,
    )


def sent_bytes(table: CostTable, spec: Spec) -> Floats:
    """The bytes of the raw input and of each feature map as they are sent, [K+1]."""
    bytes_ = np.array(table.out_bytes, dtype=np.float64)
    bytes_[1:] *= BYTES_SHARE[spec.feature_precision]
    if spec.compression is not None:
        bytes_[_encoded(spec.compression, len(bytes_) - 1)] *= spec.compression.ratio
    return bytes_


def _encoded(compression: Compression, n_exits: int) -> list[int]:
    """The stages whose feature maps are encoded, from 1; what comes out of the last is not sent."""
    return list(range(1, n_exits)) if compression.stages is None else sorted(set(compression.stages))


def _packing(message: Message, compression: Compression | None, n_exits: int) -> world.Packing:
    encode_s, decode_s = np.zeros((2, n_exits + 1))
    if compression is not None:
        encode_s[_encoded(compression, n_exits)] = compression.encode
        decode_s[_encoded(compression, n_exits)] = compression.decode
    return world.Packing(
        overhead_bytes=message.overhead,
        serialise_s=message.serialise,
        serialise_bps=inf if message.serialise_rate is None else message.serialise_rate,
        encode_s=() if compression is None else tuple(encode_s.tolist()),
        decode_s=() if compression is None else tuple(decode_s.tolist()),
    )


def power_of(device: Device) -> PowerDraw:
    """What a device draws: as stated, or as the catalogue says of its kind; None if neither does."""
    kind = device_kinds().get(device.kind)
    busy_w, idle_w = (kind.busy_w, kind.idle_w) if kind else (None, None)
    stated = device.power
    return PowerDraw.model_construct(
        busy=stated.busy if stated.busy is not None else busy_w,
        idle=stated.idle if stated.idle is not None else idle_w,
    )


def _device(name: str, entry: Device, n_exits: int, traces: Traces) -> world.Device:
    power, speed = power_of(entry), entry.speed
    return world.Device(
        name=name,
        kind=entry.kind,
        cores=entry.cores,
        queue_limit=inf if entry.queue_limit is None else entry.queue_limit,
        holds=tuple(entry.holds is None or k + 1 in entry.holds for k in range(n_exits)),
        layer_cost=entry.layer_cost,
        busy_w=nan if power.busy is None else power.busy,
        idle_w=nan if power.idle is None else power.idle,
        speed=traces.use(speed.trace, speed.mean) if isinstance(speed, Speed) else None,
    )


def _sources(spec: Spec, there: Roster, folders: Folders) -> tuple[world.Source, ...]:
    return tuple(
        world.Source(
            device=device,
            arrivals=_arrivals(source.arrivals, folders),
            deadline_s=inf if source.deadline is None else source.deadline,
            order=source.order,
            priority=source.priority,
        )
        for source in spec.workload
        for device in there.members(source.at)
    )


def _arrivals(stated: Arrivals, folders: Folders) -> world.Arrivals:
    match stated:
        case Constant():
            return world.Arrivals(stated.kind, rate_per_s=stated.rate, phase_s=stated.phase)
        case Poisson():
            return world.Arrivals(stated.kind, rate_per_s=stated.rate)
        case OnOff():
            return world.Arrivals(stated.kind, rate_per_s=stated.rate, on_s=stated.on, off_s=stated.off)
        case FromFile():
            return world.Arrivals(stated.kind, times_s=files.times_s(folders.file(stated.path)))
        case Closed():
            return world.Arrivals(stated.kind, population=stated.population, think_s=stated.think)
        case ByPolicy():
            return world.Arrivals(stated.kind, phase_s=stated.phase)


@lru_cache(maxsize=8)
def _samples(profile: Profile, which: Half) -> world.Samples:
    """A half of a profile as all worlds have it that are built on that profile."""
    half = profile.half(which)
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
        group=None if half.group is None else half.group.astype(np.int64),
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
