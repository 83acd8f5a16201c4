"""Tables of single-server queues by Lindley's recursion, without the engine: waits follow from the gaps alone."""

from __future__ import annotations

from math import inf

import numpy as np
import pandas as pd
from numpy.random import Generator

from mdisim.results import STATUSES, Run

SERVICE_S = 0.01
WARMUP = 0.2  # of the window, before it


def arrivals(kind: str, load: float, until_s: float, rng: Generator) -> np.ndarray:
    """Instants before an end: "D" equal gaps, "M" Poisson, "on-off" Poisson at twice the rate half of the time."""
    gap_s = SERVICE_S / load
    n = int(until_s / gap_s * 1.3) + 100
    if kind == "D":
        return np.arange(0.5 * gap_s, until_s, gap_s)
    if kind == "M":
        times = np.cumsum(rng.exponential(gap_s, n))
        return times[times < until_s]
    turns = np.cumsum(rng.exponential(100 * gap_s, 2 * n // 100 + 20))  # of about 200 arrivals each
    busy = np.cumsum(rng.exponential(gap_s / 2, 2 * n))
    starts, lengths = np.append(0.0, turns[1::2]), np.diff(np.append(0.0, turns))[::2]
    done = np.cumsum(lengths)
    at = np.minimum(np.searchsorted(done, busy), len(lengths) - 1)
    times = starts[at] + busy - np.append(0.0, done)[at]
    return times[(times < until_s) & (busy < done[-1])]


def queue(kind: str, load: float, n: int, seed: int, *, oversubscribed: bool = False) -> Run:
    """A run of about n samples in its window at one server: "M/D", "M/M", "D/D", "D/M", "on-off/D", ..."""
    came, served = kind.split("/")
    rng = np.random.default_rng(seed)
    window_s = n * SERVICE_S / load
    start_s, end_s = WARMUP * window_s, (1.0 + WARMUP) * window_s
    born_s = arrivals(came, load, end_s, rng)
    service_s = np.full(len(born_s), SERVICE_S) if served == "D" else rng.exponential(SERVICE_S, len(born_s))
    work_s = np.cumsum(service_s)
    done_s = work_s + np.maximum.accumulate(born_s - np.append(0.0, work_s[:-1]))
    busy_s = np.clip(done_s, start_s, end_s) - np.clip(done_s - service_s, start_s, end_s)
    return one_server(born_s, done_s, start_s, end_s, float(busy_s.sum()), oversubscribed=oversubscribed)


def one_server(
    born_s: np.ndarray,
    done_s: np.ndarray,
    warmup_s: float,
    duration_s: float,
    busy_s: float,
    *,
    arrivals: str = "poisson",
    oversubscribed: bool = False,
) -> Run:
    """A run of one device and one source; what is not done by the end is in flight."""
    there = done_s <= duration_s
    names = pd.Index(["server"], dtype=str)
    tasks = pd.DataFrame({"born_s": born_s, "admitted_s": born_s, "done_s": np.where(there, done_s, np.nan)})
    tasks["status"] = pd.Categorical(np.where(there, "answered", "in-flight"), list(STATUSES))
    tasks["source"] = pd.Categorical.from_codes(np.zeros(len(tasks), dtype=np.int8), names)
    tasks["device"] = pd.Categorical.from_codes(np.where(there, 0, -1).astype(np.int8), names)
    rate = inf if arrivals in ("closed", "policy") else 1.0
    source = {"source": ["server"], "device": ["server"], "arrivals": [arrivals], "offered_per_s": [rate]}
    used = busy_s / (duration_s - warmup_s)
    return Run(
        tasks=tasks,
        timeline=pd.DataFrame(),
        devices=pd.DataFrame({"device": ["server"], "utilisation": [used]}),
        links=pd.DataFrame({"link": [], "channel": [], "sender": [], "utilisation": []}),
        sources=pd.DataFrame(source | {"deadline_s": [inf]}),
        rates=pd.DataFrame(),
        faults=pd.DataFrame(),
        policy="queue",
        parameters={},
        seed=0,
        duration_s=duration_s,
        warmup_s=warmup_s,
        n_exits=1,
        oversubscribed=oversubscribed,
    )
