"""A sample on its way through the network, and what is written down of it when it ends."""

from __future__ import annotations

from array import array
from enum import IntEnum
from struct import Struct

import numpy as np

from mdisim.policies.views import NOBODY

UNANSWERED = -1


class Status(IntEnum):
    """How a sample ended; every offered sample ends in exactly one of these."""

    ANSWERED = 0
    REFUSED = 1
    QUEUE_FULL = 2
    IN_FLIGHT = 3
    CRASH = 4
    OUTAGE = 5
    SOURCE_DOWN = 6


RECORD = np.dtype(
    [
        ("index", "i4"), ("sample", "i4"), ("source", "i2"), ("row", "i2"), ("born_s", "f8"), ("done_s", "f8"),
        ("status", "i1"), ("exit", "i1"), ("device", "i2"), ("hops", "i2"), ("retries", "i2"),
        ("bytes_sent", "f8"), ("wait_s", "f8"), ("compute_s", "f8"), ("transfer_s", "f8"), ("cost", "f8"),
        ("energy_j", "f8"),
    ]
)  # fmt: skip
_pack = Struct("=" + "".join(RECORD[name].char for name in RECORD.names or ())).pack


class Job:
    """A sample between birth and end; as a task it needs `stage` next, as a message it travels to `target`.

    A message has its way from `origin` on; a task was given by `sender`, when it needed `held_stage`. The first
    `passed` exits have let it pass in an earlier pass.
    """

    __slots__ = (
        "attempt", "born_s", "bytes_sent", "compute_s", "cost", "device", "energy_j", "exit", "factors",
        "granted_s", "held_stage", "hops", "index", "order", "origin", "passed", "retries", "row", "sample",
        "score", "seconds", "sender", "since_s", "size_bytes", "source", "stage", "target", "thresholds",
        "transfer_s", "wait_s", "wire_bytes",
    )  # fmt: skip

    since_s: float
    granted_s: float
    seconds: float
    size_bytes: float
    wire_bytes: float
    order: int
    origin: int
    target: int

    def __init__(self, source: int, index: int, sample: int, born_s: float, factors: list[float] | None) -> None:
        self.source = source
        self.index = index
        self.sample = sample
        self.born_s = born_s
        self.factors = factors
        self.row = 0
        self.thresholds: tuple[float, ...] = ()
        self.stage = 0
        self.exit = UNANSWERED
        self.device = -1
        self.wait_s = self.compute_s = self.transfer_s = 0.0
        self.bytes_sent = self.cost = self.energy_j = 0.0
        self.hops = self.retries = self.attempt = 0
        self.sender = NOBODY
        self.held_stage = self.passed = 0
        self.score = 0.0


class Log:
    """What happened, packed: a RECORD for each sample that has ended, a line per device and control instant."""

    def __init__(self) -> None:
        self.tasks = bytearray()
        self.timeline = array("d")

    def end(self, job: Job, status: Status, done_s: float) -> None:
        """Write down how a sample ended."""
        self.tasks += _pack(
            job.index, job.sample, job.source, job.row, job.born_s, done_s, status, job.exit, job.device, job.hops,
            job.retries, job.bytes_sent, job.wait_s, job.compute_s, job.transfer_s, job.cost, job.energy_j,
        )  # fmt: skip
