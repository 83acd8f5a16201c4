"""What a rule sees and what it answers: tuples of plain numbers, nothing of the engine's own.

Devices are numbers in the order of the scenario, stages count from 0, times are seconds. A rule never sees
the clock: only ages, delays and lengths. These are NamedTuples, so that a compiled engine can hand over the
very same things.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

KEEP = -1
OFFER = -2
CONTINUE = -3
NOBODY = -1
FREE = -1
FEATURE = 0
INPUT = 1


class Place(NamedTuple):
    """An answer of `where`: a device's number, or KEEP, OFFER, CONTINUE; and what would travel.

    KEEP joins the end of this device's own queue, CONTINUE goes on at once on the core that has just run
    the task, OFFER waits in the output queue until `sends` names a peer. With `INPUT` the sample starts
    again at stage 0 wherever it goes, and the second pass is paid again.
    """

    device: int
    payload: int = FEATURE


class Task(NamedTuple):
    """A sample and the stage that it needs next.

    `row` is its row in the plan, `stage` counts from 0. `feature_bytes` is what would travel now (the last feature
    map; the input before stage 0), `input_bytes` its input. `age_s` is the time since it arrived at its source.
    `source` is the number of the device where it arrived. `score` is that of the exit of the stage that was run
    last: 0 before the first, NaN if that exit was not evaluated. The first `passed` exits have let it pass in an
    earlier pass.
    """

    row: int
    stage: int
    feature_bytes: float
    input_bytes: float
    age_s: float
    source: int
    score: float
    passed: int = 0


class Here(NamedTuple):
    """What a device knows of itself, exactly.

    `queue` tasks wait for a core, `busy` are in service, `out_queue` tasks wait to be sent. `service_s` is the
    moving average of measured service times, of whichever stages; before the first it is the mean time of a stage
    here. `backlog_s` is the expected work of the tasks that wait: the sum of their stages' mean times on one core
    here, without heads, each sample's own factor, and what is in service. `holds` says whether this device may run
    the task's next stage.
    """

    device: int
    queue: int
    busy: int
    out_queue: int
    service_s: float
    backlog_s: float
    cores: int
    holds: bool


class Peer(NamedTuple):
    """A neighbour, one link away, as a device knows it.

    Heard: `queue`, `busy`, `out_queue`, `service_s` and `backlog_s` are those of `Here`, as the neighbour last
    told them. Measured: `delay_s` and `rate_bps` are this device's own estimates for its link there, from the
    tasks that it has sent (see `Signals.estimator`); before the first, as if one had been sent alone at time 0.
    `delay_s` is from the start of a transfer to its reception, `rate_bps` that of transmission. Given: `cores`,
    and `latency_s`, the link's latency as the scenario states it. That is constant and not measured, and what a
    trace adds to it is not in it.
    """

    device: int
    queue: int
    busy: int
    out_queue: int
    service_s: float
    backlog_s: float
    cores: int
    delay_s: float
    rate_bps: float
    latency_s: float


class Load(NamedTuple):
    """What a controller sees of its own device at its control instant.

    The first fields are those of `Here`. `offered`, `admitted` and `answered` count samples of the sources here
    in the last `period_s`: those that arrived, those of them that were taken, and those whose label came back.
    `peers` are all its neighbours: its estimates of a link are those of the neighbour at the other end.
    """

    device: int
    queue: int
    busy: int
    out_queue: int
    service_s: float
    backlog_s: float
    cores: int
    offered: int
    admitted: int
    answered: int
    period_s: float
    peers: tuple[Peer, ...]


class Knobs(NamedTuple):
    """What a controller may turn: thresholds per exit, the gap between admissions, the row of new samples.

    An empty tuple of thresholds leaves every row its own; `gap_s` counts where the scenario lets the policy
    set the arrival rate.
    """

    thresholds: tuple[float, ...]
    gap_s: float
    row: int


class Seen(NamedTuple):
    """What a router sees of a sample before any layer has run: features [d], and the input's bytes.

    Where the policy has a `sight`, the features are what that made of the sample before the run.
    """

    features: NDArray[np.float64]
    input_bytes: float


class Outcome(NamedTuple):
    """What a source knows of a sample when its label is back: all but whether it is right.

    `exit` is where it stopped, from 0; `scores` [K] and `predictions` [K] are those of the exits evaluated,
    NaN and -1 elsewhere; `cost` is in the abstract units of layers and offloads.
    """

    row: int
    exit: int
    scores: NDArray[np.float64]
    predictions: NDArray[np.int64]
    delay_s: float
    cost: float
    seen: Seen


def pure(function: F) -> F:
    """Mark a helper that rules may call: plain numbers in and out, and so compilable beside them."""
    function.__pure__ = True  # type: ignore[attr-defined]
    return function


@pure
def moved(
    thresholds: tuple[float, ...], factor: float, step: float, lowest: float, highest: float
) -> tuple[float, ...]:
    """Each threshold times `factor` plus `step`, kept within [lowest, highest]."""
    return tuple(min(highest, max(lowest, factor * t + step)) for t in thresholds)
