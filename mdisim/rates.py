"""What changes while time passes: rates of links and speeds of devices, latency and loss. Traces are such, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Rate(Protocol):
    """A rate over time: of a link in bits per second, of a device's speed in seconds of work per second."""

    def finish_s(self, start_s: float, bits: float) -> float:
        """Return when so much has been moved that starts then; infinite if never."""

    def bits(self, time_s: float) -> float:
        """Return how much can be moved from 0 until then."""

    def moving_s(self, time_s: float) -> float:
        """Return the seconds from 0 until then in which the rate is above 0."""

    def rate_at(self, time_s: float) -> float:
        """Return the rate at an instant."""

    def mean_bps(self) -> float:
        """Return the long-run mean."""


class Conditions(Protocol):
    """Latency and loss over time."""

    def latency_at(self, time_s: float) -> float:
        """Return the latency in seconds at an instant."""

    def loss_at(self, time_s: float) -> float:
        """Return the share lost at an instant."""


@dataclass(frozen=True)
class ConstantRate:
    """A rate that never changes, in bits per second."""

    rate_bps: float

    def finish_s(self, start_s: float, bits: float) -> float:
        """Return start plus bits over rate."""
        return start_s + bits / self.rate_bps

    def bits(self, time_s: float) -> float:
        """Return rate times time."""
        return self.rate_bps * time_s

    def moving_s(self, time_s: float) -> float:
        """Return the time."""
        return time_s

    def rate_at(self, time_s: float) -> float:
        """Return the rate."""
        return self.rate_bps

    def mean_bps(self) -> float:
        """Return the rate."""
        return self.rate_bps
