"""A run's events as a file that public timeline viewers open: Chrome's trace-event format, as JSON.

Every device is a process: a thread for each core, one for each link that leaves it, and counters of its queues
and, where it has a controller, of its threshold. A service or a transmission is a slice; arrows follow a sample
from device to device; every sample is a span of its own, from birth to its end. Times are microseconds of the
simulation.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mdisim.errors import InputError
from mdisim.files import need_folder, whole
from mdisim.results import Run

Event = dict[str, Any]
CHUNK = 5000  # events that are held as text at a time
SAMPLES = 1  # the process of the samples' own spans; devices follow
THREADS = 1000  # per process; no thread has the number of a process, which viewers would take for its main one


class EventsError(InputError):
    """The run was made without recording events, or they cannot be written."""


def event_trace(run: Run) -> Event:
    """The events of a run as plain data, for `json`.

    Slices stand in `traceEvents` with `ph` X, `ts` and `dur` in microseconds and, in `args`, the sample's row in
    `run.tasks` and its stage. An EventsError where none were recorded.
    """
    return {"traceEvents": list(every(run)), **rest(run)}


def save_event_trace(run: Run, path: str | os.PathLike[str]) -> Path:
    """Write the events as JSON, compressed where the name ends in .gz; the same run gives the same bytes.

    They are written one after the other, so that memory does not grow with them. An EventsError where none were
    recorded, or where the file cannot be written.
    """
    target = Path(path)
    need_folder(target, EventsError)
    with whole(target, EventsError) as fresh, fresh.open("wb") as file:
        if target.suffix == ".gz":
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                packed.writelines(encoded(run))
        else:
            file.writelines(encoded(run))
    return target


def every(run: Run) -> Iterator[Event]:
    """All events, kind by kind."""
    if run.events is None:
        raise EventsError(
            f"{run!r} holds no events; run it with record=True, or on the command line with --timeline"
        )
    process = {name: SAMPLES + 1 + i for i, name in enumerate(run.devices["device"].astype(str))}
    slices = in_threads(run.events, process)
    yield from names(slices, process)
    yield from (drawn(one) for one in rows(slices))
    yield from arrows(slices)
    yield from spans(run)
    yield from counters(run, process)


def rest(run: Run) -> Event:
    """What stands beside the events."""
    told = {"policy": run.policy, "seed": run.seed, "scenario": run.origin.name if run.origin else ""}
    return {"displayTimeUnit": "ms", "otherData": told}


def encoded(run: Run) -> Iterator[bytes]:
    """The text of the whole, bit by bit."""

    def text(value: Event) -> str:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    events, comma = every(run), ""
    yield b'{"traceEvents":['
    while chunk := [text(one) for one in islice(events, CHUNK)]:
        yield (comma + ",".join(chunk)).encode()
        comma = ","
    yield f"],{text(rest(run))[1:]}".encode()


def rows(table: pd.DataFrame) -> Iterator[Event]:
    """The rows of a table as mappings, a few at a time."""
    for start in range(0, len(table), CHUNK):
        yield from table.iloc[start : start + CHUNK].to_dict("records")  # type: ignore[misc]


def in_threads(events: pd.DataFrame, process: Mapping[str, int]) -> pd.DataFrame:
    """The events with their process and thread (`pid`, `tid`): slices of one thread never overlap."""
    events = events.reset_index(drop=True)
    computes = (events["kind"] == "compute").to_numpy()
    thread = np.zeros(len(events), dtype=int)
    for _, of_one in events[computes].groupby("device", observed=True):
        thread[of_one.index] = 1 + lanes_of(of_one["start_s"].to_numpy(), of_one["end_s"].to_numpy())
    thread[~computes] = 1 + thread.max(initial=0) + events["link"].cat.codes.to_numpy()[~computes]
    pid = events["device"].astype(str).map(process)
    return events.assign(pid=pid, tid=THREADS * pid + thread)


def lanes_of(start_s: NDArray[np.float64], end_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first free lane for each slice, by start: as few lanes as ever run at once."""
    free_s: list[float] = []
    lanes = np.zeros(len(start_s), dtype=np.int64)
    for i in np.lexsort((end_s, start_s)):
        lane = next((k for k, until_s in enumerate(free_s) if until_s <= start_s[i]), len(free_s))
        free_s[lane : lane + 1] = [float(end_s[i])]
        lanes[i] = lane
    return lanes


def names(slices: pd.DataFrame, process: Mapping[str, int]) -> Iterator[Event]:
    """What processes and threads are called."""
    yield named("process_name", SAMPLES, 0, "samples")
    for name, pid in process.items():
        yield named("process_name", pid, 0, name)
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}
    for one in rows(slices.drop_duplicates(["pid", "tid"]).sort_values(["pid", "tid"])):
        called = f"core {one['tid'] % THREADS}" if one["kind"] == "compute" else f"link {one['link']}"
        yield named("thread_name", one["pid"], one["tid"], called)


def drawn(one: Event) -> Event:
    """A service or a transmission as a slice."""
    what, details = f"stage {one['stage']}", {"sample": one["task"], "stage": one["stage"]}
    if one["kind"] == "send":
        what = f"to {what}" if one["stage"] else "label"
        details["bytes"] = one["bytes_sent"]
    return {
        "ph": "X",
        "cat": one["kind"],
        "name": f"{what}, cut" if one["cut"] else what,
        **at(one, one["start_s"]),
        "dur": (nanoseconds(one["end_s"]) - nanoseconds(one["start_s"])) / 1000,
        "args": details,
    }


def arrows(slices: pd.DataFrame) -> Iterator[Event]:
    """From what a sample did last before a transmission to that, and from there to what follows."""
    by_task = slices.sort_values("task", kind="stable")  # those of one sample stay in order
    for number, (before, one) in enumerate(pairwise(rows(by_task))):
        if before["task"] != one["task"] or "send" not in (before["kind"], one["kind"]):
            continue
        arrow = {"cat": "offload", "name": "offload", "id": number}
        yield {**arrow, "ph": "s", **at(before, before["start_s"])}
        yield {**arrow, "ph": "f", "bp": "e", **at(one, one["start_s"])}


def spans(run: Run) -> Iterator[Event]:
    """A span a sample, from birth to its end."""
    tasks = run.tasks[run.tasks["done_s"].notna() & run.tasks["admitted_s"].notna()]
    for number, one in zip(tasks.index.tolist(), rows(tasks), strict=True):
        span = {"cat": "sample", "name": "sample", "id2": {"local": number}, "pid": SAMPLES, "tid": THREADS}
        told = {name: one[name] for name in ("status", "exit", "row", "correct")}
        yield {**span, "ph": "b", "ts": microseconds(one["born_s"]), "args": {"sample": number, **told}}
        yield {**span, "ph": "e", "ts": microseconds(one["done_s"])}


def counters(run: Run, process: Mapping[str, int]) -> Iterator[Event]:
    """Queues of every device over time, and thresholds where there is a controller."""
    for one in rows(run.timeline):
        counter = {"ph": "C", "pid": process[str(one["device"])], "ts": microseconds(one["time_s"])}
        queues = {"waiting for a core": one["queue"], "waiting to be sent": one["out_queue"]}
        yield {**counter, "name": "queues", "args": queues}
        if np.isfinite(one["threshold"]):
            yield {**counter, "name": "threshold", "args": {"threshold": one["threshold"]}}


def at(one: Event, time_s: float) -> Event:
    """A time in the thread of a slice."""
    return {"pid": one["pid"], "tid": one["tid"], "ts": microseconds(time_s)}


def microseconds(time_s: float) -> float:
    """A time in microseconds, in whole nanoseconds as viewers keep it, so that neighbours do not overlap."""
    return nanoseconds(time_s) / 1000


def nanoseconds(time_s: float) -> int:
    """A time in whole nanoseconds."""
    return round(time_s * 1e9)


def named(what: str, pid: int, tid: int, name: str) -> Event:
    """A line that gives a process or a thread its name."""
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}
