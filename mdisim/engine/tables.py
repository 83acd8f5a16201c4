"""From the log's columns to the tables of a Run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mdisim import bounds
from mdisim.engine.job import RECORD, UNANSWERED, Status
from mdisim.engine.recorder import SLICE
from mdisim.results import STATUSES, Run
from mdisim.world import ConstantRate, Link, Rate, World

if TYPE_CHECKING:
    from mdisim.engine.recorder import Recorder
    from mdisim.engine.simulation import Simulation

TIMELINE = (
    "time_s", "device", "queue", "busy", "out_queue", "utilisation", "service_s", "offered", "admitted",
    "answered", "threshold", "gap_s",
)  # fmt: skip
RATES_SHOWN = 2000  # rows of the rates of a trace
WHOLE = ("queue", "busy", "out_queue", "offered", "admitted", "answered")


def tables(simulation: Simulation, seed: int) -> Run:
    """Make the Run of a simulation that has ended."""
    world, policy = simulation.world, simulation.policy
    return Run(
        tasks=_tasks(simulation),
        timeline=_timeline(simulation),
        devices=_devices(simulation),
        links=_links(simulation),
        sources=_sources(simulation),
        rates=_rates(simulation),
        faults=_faults(simulation),
        policy=policy.name,
        parameters=dict(policy.details),
        seed=seed,
        duration_s=world.window.duration_s,
        warmup_s=world.window.warmup_s,
        n_exits=world.n_exits,
        profile=world.profile,
        profile_digest=world.profile_digest,
        traces=dict(world.traces),
        events=None if simulation.recorder is None else _events(simulation, simulation.recorder),
    )


def _order(columns: NDArray[np.void]) -> NDArray[np.int32]:
    """The samples by time of birth."""
    return np.lexsort((columns["index"], columns["source"], columns["born_s"])).astype(np.int32)


def _events(simulation: Simulation, recorder: Recorder) -> pd.DataFrame:
    """One row a service or a transmission, by its start; `task` is the row of the sample in `tasks`."""
    world = simulation.world
    flat = np.frombuffer(recorder.slices).reshape(-1, len(SLICE))
    found = dict(zip(SLICE, flat.T, strict=True))
    order = np.lexsort([found[name] for name in ("number", "source", "end_s", "start_s")])
    whole = {name: found[name][order].astype(np.int64) for name in ("source", "number", "device", "link", "stage")}
    ends = [f"{world.devices[link.source].name} -> {world.devices[link.target].name}" for link in world.links]
    return pd.DataFrame(
        {
            "task": _rows_of(simulation, whole["source"], whole["number"]),
            "kind": _named((whole["link"] >= 0).astype(np.int64), ["compute", "send"]),
            "device": _named(whole["device"], [d.name for d in world.devices]),
            "link": _named(whole["link"], ends),
            "stage": whole["stage"] + 1,
            "start_s": found["start_s"][order],
            "end_s": found["end_s"][order],
            "bytes_sent": found["bytes_sent"][order],
            "cut": found["cut"][order] > 0,
        }
    )


def _rows_of(simulation: Simulation, source: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows in `tasks` of samples that are given by their source and their number there."""
    columns = np.frombuffer(simulation.log.tasks, dtype=RECORD)
    order = _order(columns)
    per_source = 1 + int(columns["index"].max(initial=0))
    keys = columns["source"][order].astype(np.int64) * per_source + columns["index"][order]
    by_key = np.argsort(keys)
    return by_key[np.searchsorted(keys, source * per_source + number, sorter=by_key)]


def _tasks(simulation: Simulation) -> pd.DataFrame:
    """One row a sample offered, by time of birth; column by column, so that memory stays low."""
    world = simulation.world
    columns = np.frombuffer(simulation.log.tasks, dtype=RECORD)
    order = _order(columns)
    done: dict[str, object] = {}
    names = [d.name for d in world.devices]
    for name in ("sample", "row", "born_s", "done_s"):
        done[name] = _column(columns, name, order)
    refused = np.isin(columns["status"][order], (Status.REFUSED, Status.SOURCE_DOWN))
    done["admitted_s"] = np.where(refused, np.nan, columns["born_s"][order])
    sources = [names[s.device] for s in world.sources]
    done["source"] = _named(columns["source"][order], _distinct(sources))
    done["status"] = _named(columns["status"][order], list(STATUSES))
    done["device"] = _named(columns["device"][order], names)
    done |= _answers(simulation, columns, order)
    for name in ("hops", "retries", "bytes_sent", "wait_s", "compute_s", "transfer_s", "cost", "energy_j"):
        done[name] = _column(columns, name, order)
    front = ("sample", "source", "row", "born_s", "admitted_s", "done_s", "status", "exit", "answered_by",
             "device", "correct", "confidence")  # fmt: skip
    return pd.DataFrame({**{name: done.pop(name) for name in front}, **done}, copy=False)


def _distinct(names: list[str]) -> list[str]:
    """Names of sources, told apart where two sources share a device."""
    return [
        f"{name}/{names[:i].count(name) + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)
    ]


def _named(codes: NDArray[np.generic], names: list[str]) -> pd.Categorical[str]:
    """Numbers as names; -1 as missing."""
    return pd.Categorical.from_codes(codes.astype(np.int16), pd.Index(names, dtype=str))


def _column(columns: NDArray[np.void], name: str, order: NDArray[np.int32]) -> NDArray[np.generic]:
    values = columns[name][order]
    return values.astype(np.int64) if name == "bytes_sent" else values


def _answers(simulation: Simulation, columns: NDArray[np.void], order: NDArray[np.int32]) -> dict[str, object]:
    """Exit, the exit that gave the answer, whether that is right, and its confidence; exits count from 1."""
    outputs = simulation.outputs
    answered = columns["status"][order] == Status.ANSWERED
    sample = columns["sample"][order].astype(np.int32)
    stop = np.where(answered, columns["exit"][order], UNANSWERED).astype(np.int8)
    rows = columns["row"][order]
    by = np.zeros(len(order), dtype=np.int8)
    for number, row in enumerate(simulation.policy.plan):
        here = rows == number
        by[here] = simulation.policy.answer.answer(outputs, row.evaluated)[sample[here], stop[here]]
    right = outputs.prediction[sample, by] == outputs.label[sample]
    return {
        "exit": (stop + 1).astype(np.int8),
        "answered_by": np.where(answered, by + 1, 0).astype(np.int8),
        "correct": right & answered,
        "confidence": np.where(answered, outputs.confidence[sample, by], np.nan),
    }


def _timeline(simulation: Simulation) -> pd.DataFrame:
    """One row per control instant and device."""
    flat = np.frombuffer(simulation.log.timeline).reshape(-1, len(TIMELINE))
    table = pd.DataFrame({name: flat[:, i] for i, name in enumerate(TIMELINE)})
    names = [d.name for d in simulation.world.devices]
    table["device"] = _named(flat[:, 1], names)
    return table.astype(dict.fromkeys(WHOLE, np.int64))


def _devices(simulation: Simulation) -> pd.DataFrame:
    """One row a device: busy core-seconds, utilisation and energy within the window."""
    world, before, after = simulation.world, simulation.before, simulation.after
    watched_s = world.window.duration_s - world.window.warmup_s
    rows = []
    for d, device in enumerate(world.devices):
        busy_s = after.busy_s[d] - before.busy_s[d]
        rows.append(
            {
                "device": device.name,
                "kind": device.kind,
                "cores": device.cores,
                "busy_s": busy_s,
                "utilisation": busy_s / (watched_s * device.cores),
                "energy_j": busy_s * device.busy_w + watched_s * device.idle_w,
            }
        )
    return pd.DataFrame(rows)


def _links(simulation: Simulation) -> pd.DataFrame:
    """One row a directed link: transmission seconds, utilisation, bytes and transfers within the window."""
    world, before, after = simulation.world, simulation.before, simulation.after
    watched_s = world.window.duration_s - world.window.warmup_s
    columns: dict[str, list[object]] = {
        name: [] for name in ("link", "channel", "sender", "busy_s", "utilisation", "bytes", "transfers")
    }
    for i, link in enumerate(world.links):
        busy_s = after.link_busy_s[i] - before.link_busy_s[i]
        ends = (world.devices[link.source].name, world.devices[link.target].name)
        columns["link"].append(" -> ".join(ends))
        columns["channel"].append(link.channel)
        columns["sender"].append(link.source if world.sender == "device" else i)
        columns["busy_s"].append(busy_s)
        columns["utilisation"].append(busy_s / watched_s)
        columns["bytes"].append(after.link_bytes[i] - before.link_bytes[i])
        columns["transfers"].append(after.link_transfers[i] - before.link_transfers[i])
    return pd.DataFrame(columns)


def _sources(simulation: Simulation) -> pd.DataFrame:
    """One row a source: where it is, how and how often it offers samples, its deadline and priority."""
    world = simulation.world
    names = [world.devices[s.device].name for s in world.sources]
    return pd.DataFrame(
        {
            "source": _distinct(names),
            "device": names,
            "arrivals": [s.arrivals.kind for s in world.sources],
            "offered_per_s": bounds.offered_per_s(world),
            "deadline_s": [s.deadline_s for s in world.sources],
            "priority": [s.priority for s in world.sources],
        }
    )


def _rates(simulation: Simulation) -> pd.DataFrame:
    """One row per period and trace that drives links: the mean rate within the period that ends at `time_s`."""
    world = simulation.world
    period_s = max(simulation.control_s, world.window.duration_s / RATES_SHOWN)
    edges = np.append(np.arange(0.0, world.window.duration_s, period_s), world.window.duration_s)
    found: dict[str, list[NDArray[np.generic]]] = {"time_s": [], "rate_bps": []}
    names = []
    for name, rate in _varying(world):
        moved = np.array([rate.bits(float(edge)) for edge in edges])
        found["time_s"].append(edges[1:])
        found["rate_bps"].append(np.diff(moved) / np.diff(edges))
        names += [name] * (len(edges) - 1)
    columns = {name: np.concatenate([np.zeros(0), *parts]) for name, parts in found.items()}
    return pd.DataFrame(
        {"time_s": columns["time_s"], "link": pd.array(names, str), "rate_bps": columns["rate_bps"]}
    )


def _varying(world: World) -> list[tuple[str, Rate]]:
    """The rates that are not constant, each once, called after the links that follow it."""
    followers: dict[int, list[Link]] = {}
    for link in world.links:
        if not isinstance(link.rate, ConstantRate):
            followers.setdefault(id(link.rate), []).append(link)
    return [(_called(links, world), links[0].rate) for links in followers.values()]


def _called(links: list[Link], world: World) -> str:
    if len(links) == len(world.links) > 1:
        return "every link"
    ends = f"{world.devices[links[0].source].name} -> {world.devices[links[0].target].name}"
    return ends if len(links) == 1 else f"{ends} and {len(links) - 1} more"


def _between(numbers: tuple[int, ...], world: World) -> str:
    first = world.links[numbers[0]]
    ends = [world.devices[d].name for d in (first.source, first.target)]
    return (" - " if len(numbers) > 1 else " -> ").join(ends)


def _faults(simulation: Simulation) -> pd.DataFrame:
    """One row a period in which something failed: its kind, the device or link, and the factor of a slowdown.

    What was drawn for a time after the last sample had ended, in a run that drains, never happened.
    """
    world = simulation.world
    schedule = [] if simulation.breakdowns is None else simulation.breakdowns.schedule
    rows = []
    for number, (start_s, end_s) in schedule:
        if start_s > simulation.env.now:
            continue
        fault = world.faults.events[number]
        hit = _between(fault.links, world) if fault.links else world.devices[fault.device].name
        rows.append((start_s, end_s, fault.kind, hit, fault.factor))
    table = pd.DataFrame(sorted(rows), columns=["start_s", "end_s", "kind", "target", "factor"])
    return table.astype({"start_s": float, "end_s": float, "kind": str, "target": str, "factor": float})
