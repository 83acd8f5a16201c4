"""A sample on its way through the network, and what is written down of it when it ends."""

from __future__ import annotations

from array import array
from enum import IntEnum

UNANSWERED = -1


class Status(IntEnum):
    """How a sample ended; every offered sample ends in exactly one of these."""

    ANSWERED = 0
    REFUSED = 1
    QUEUE_FULL = 2
    IN_FLIGHT = 3


FIELDS = (
    "index", "sample", "source", "row", "born_s", "admitted_s", "done_s", "status", "exit", "device", "hops",
    "bytes_sent", "wait_s", "compute_s", "transfer_s", "cost", "energy_j",
)  # fmt: skip


class Job:
    """A sample between birth and end; as a task it needs `stage` next, as a message it travels to `target`."""

    __slots__ = (
        "attempt", "born_s", "bytes_sent", "compute_s", "cost", "device", "energy_j", "exit", "factors",
        "granted_s", "hops", "index", "row", "sample", "score", "seconds", "since_s", "size_bytes", "source",
        "stage", "target", "thresholds", "transfer_s", "wait_s",
    )  # fmt: skip

    since_s: float
    granted_s: float
    seconds: float
    size_bytes: float
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
        self.hops = 0
        self.attempt = 0
        self.score = 0.0


class Log:
    """Columns of what happened: one row a sample, one a device and control instant. Flat, to stay small."""

    def __init__(self) -> None:
        self.tasks = array("d")
        self.timeline = array("d")

    def end(self, job: Job, status: Status, done_s: float) -> None:
        """Write down how a sample ended."""
        admitted_s = job.born_s if status != Status.REFUSED else float("nan")
        self.tasks.extend(
            (
                job.index, job.sample, job.source, job.row, job.born_s, admitted_s, done_s, status, job.exit,
                job.device, job.hops, job.bytes_sent, job.wait_s, job.compute_s, job.transfer_s, job.cost,
                job.energy_j,
            )
        )  # fmt: skip
