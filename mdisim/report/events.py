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
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import InputError
from mdisim.files import need_folder, whole
from mdisim.results import Run

Event = dict[str, Any]
SAMPLES = 1  # the process of the samples' own spans; devices follow
THREADS = 1000  # per process; no thread has the number of a process, which viewers would take for its main one


class EventsError(InputError):
    """The run was made without recording events, or they cannot be written."""


def event_trace(run: Run) -> Event:
    """The events of a run as plain data, for `json`.

    Slices stand in `traceEvents` with `ph` X, `ts` and `dur` in microseconds and, in `args`, the sample's row in
    `run.tasks` and its stage. An EventsError where none were recorded.
    """
    if run.events is None:
        raise EventsError(
            f"{run!r} holds no events; run it with record=True, or on the command line with --timeline"
        )
    process = {name: SAMPLES + 1 + i for i, name in enumerate(run.devices["device"].astype(str))}
    slices = in_threads(run, process)
    return {
        "traceEvents": [
            *names(slices, process),
            *(drawn(one) for one in slices),
            *arrows(slices),
            *spans(run),
            *counters(run, process),
        ],
        "displayTimeUnit": "ms",
        "otherData": {"policy": run.policy, "seed": run.seed, "scenario": run.origin.name if run.origin else ""},
    }


def save_event_trace(run: Run, path: str | os.PathLike[str]) -> Path:
    """Write the events as JSON, compressed where the name ends in .gz; the same run gives the same bytes.

    An EventsError where none were recorded, or where the file cannot be written.
    """
    target = Path(path)
    need_folder(target, EventsError)
    text = json.dumps(event_trace(run), separators=(",", ":"), allow_nan=False).encode()
    with whole(target, EventsError) as fresh:
        fresh.write_bytes(gzip.compress(text, mtime=0) if target.suffix == ".gz" else text)
    return target


def in_threads(run: Run, process: Mapping[str, int]) -> list[Event]:
    """The rows of the events with their process and thread (`pid`, `tid`): slices of one thread never overlap."""
    assert run.events is not None
    events = run.events.reset_index(drop=True)
    computes = (events["kind"] == "compute").to_numpy()
    thread = np.zeros(len(events), dtype=int)
    for _, of_one in events[computes].groupby("device", observed=True):
        thread[of_one.index] = 1 + lanes_of(of_one["start_s"].to_numpy(), of_one["end_s"].to_numpy())
    thread[~computes] = 1 + thread.max(initial=0) + events["link"].cat.codes.to_numpy()[~computes]
    pid = events["device"].astype(str).map(process)
    placed = events.assign(pid=pid, tid=THREADS * pid + thread)
    return [dict(row) for row in placed.to_dict("records")]  # type: ignore[arg-type]


def lanes_of(start_s: NDArray[np.float64], end_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first free lane for each slice, by start: as few lanes as ever run at once."""
    free_s: list[float] = []
    lanes = np.zeros(len(start_s), dtype=np.int64)
    for i in np.lexsort((end_s, start_s)):
        lane = next((k for k, until_s in enumerate(free_s) if until_s <= start_s[i]), len(free_s))
        free_s[lane : lane + 1] = [float(end_s[i])]
        lanes[i] = lane
    return lanes


def names(slices: list[Event], process: Mapping[str, int]) -> Iterator[Event]:
    """What processes and threads are called."""
    yield named("process_name", SAMPLES, 0, "samples")
    for name, pid in process.items():
        yield named("process_name", pid, 0, name)
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}
    threads = {(one["pid"], one["tid"]): one for one in slices}
    for (pid, tid), one in sorted(threads.items(), key=lambda item: item[0]):
        yield named(
            "thread_name", pid, tid, f"core {tid % THREADS}" if one["kind"] == "compute" else f"link {one['link']}"
        )


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


def arrows(slices: list[Event]) -> Iterator[Event]:
    """From what a sample did last before a transmission to that, and from there to what follows."""
    by_task = sorted(slices, key=lambda one: int(one["task"]))  # stable: those of one sample stay in order
    for number, (before, one) in enumerate(pairwise(by_task)):
        if before["task"] != one["task"] or "send" not in (before["kind"], one["kind"]):
            continue
        arrow = {"cat": "offload", "name": "offload", "id": number}
        yield {**arrow, "ph": "s", **at(before, before["start_s"])}
        yield {**arrow, "ph": "f", "bp": "e", **at(one, one["start_s"])}


def spans(run: Run) -> Iterator[Event]:
    """A span a sample, from birth to its end."""
    tasks = run.tasks[run.tasks["done_s"].notna() & run.tasks["admitted_s"].notna()]
    for number, one in zip(tasks.index.tolist(), tasks.to_dict("records"), strict=True):
        span = {"cat": "sample", "name": "sample", "id2": {"local": number}, "pid": SAMPLES, "tid": THREADS}
        told = {name: one[name] for name in ("status", "exit", "row", "correct")}
        yield {**span, "ph": "b", "ts": microseconds(one["born_s"]), "args": {"sample": number, **told}}
        yield {**span, "ph": "e", "ts": microseconds(one["done_s"])}


def counters(run: Run, process: Mapping[str, int]) -> Iterator[Event]:
    """Queues of every device over time, and thresholds where there is a controller."""
    for one in run.timeline.to_dict("records"):
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
