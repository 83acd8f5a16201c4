"""Runs made by hand for the tests: answers at stated times, faults, queues and knobs as given."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
import pandas as pd

from mdisim.results import STATUSES, Run

Fault = tuple[float, float, str, str]  # start, end, kind, target


def answers(*parts: tuple[float, float, float]) -> list[float]:
    """Times of answers: from, to, and how many per second, evenly."""
    times: list[float] = []
    for start_s, end_s, per_s in parts:
        n = round((end_s - start_s) * per_s)
        times += [start_s + (i + 0.5) / per_s for i in range(n)]
    return times


def made_run(
    done_s: Sequence[float] = (),
    faults: Sequence[Fault] = (),
    *,
    ended: Sequence[tuple[float, float, str, int]] = (),
    policy: str = "by-hand",
    devices: int = 2,
    duration_s: float = 100.0,
    warmup_s: float = 10.0,
    link: str = "",
    gap_s: float = nan,
) -> Run:
    """A run with an answer at each of `done_s`, born there too, and samples `ended`: born, done, status, retries.

    At each second every device has as many tasks waiting as its number and the second's, modulo 7; the first
    device's threshold falls from 0.9; `link` follows a trace of 2 and 4 Mbps by turns.
    """
    rows = [(t, t, "answered", 0) for t in done_s] + list(ended)
    tasks = pd.DataFrame(rows, columns=["born_s", "done_s", "status", "retries"])
    tasks = tasks.astype({"born_s": float, "done_s": float, "retries": int})
    tasks["admitted_s"] = tasks["born_s"]
    tasks["status"] = pd.Categorical(tasks["status"], list(STATUSES))
    table = pd.DataFrame(list(faults), columns=["start_s", "end_s", "kind", "target"])
    table = table.astype({"start_s": float, "end_s": float, "kind": "str", "target": "str"})
    empty = pd.DataFrame()
    return Run(
        tasks=tasks,
        timeline=_timeline(devices, duration_s, gap_s),
        devices=empty,
        links=empty,
        sources=empty,
        rates=_rates(link, duration_s),
        faults=table.assign(factor=1.0),
        policy=policy,
        parameters={},
        seed=1,
        duration_s=duration_s,
        warmup_s=warmup_s,
        n_exits=2,
    )


def _timeline(devices: int, duration_s: float, gap_s: float) -> pd.DataFrame:
    times = np.arange(1.0, duration_s + 1.0)
    parts = [
        pd.DataFrame(
            {
                "time_s": times,
                "device": f"d{d}",
                "queue": (d + times).astype(int) % 7,
                "out_queue": (d + times).astype(int) % 3,
                "threshold": 0.9 - 0.001 * times if d == 0 else nan,
                "gap_s": gap_s * times if d == 0 else nan,
            }
        )
        for d in range(devices)
    ]
    table = pd.concat(parts).sort_values(["time_s", "device"], ignore_index=True)
    return table.assign(device=pd.Categorical(table["device"], [f"d{d}" for d in range(devices)]))


def _rates(link: str, duration_s: float) -> pd.DataFrame:
    times = np.arange(1.0, duration_s + 1.0) if link else np.zeros(0)
    table = pd.DataFrame({"time_s": times, "link": link, "rate_bps": 2e6 + 2e6 * (times % 2)})
    return table.astype({"link": "str"})
