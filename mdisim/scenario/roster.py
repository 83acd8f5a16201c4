"""Who is there: device names after counting out, and which devices a name stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mdisim.scenario.faults import Finding
from mdisim.scenario.models import Device, Spec
from mdisim.scenario.nearest import hint, nearest
from mdisim.scenario.sections import MAX_DEVICES


@dataclass(frozen=True)
class Roster:
    """The devices' names in their numbers' order, and the entry of the scenario that each belongs to."""

    names: tuple[str, ...]
    entries: tuple[str, ...]

    def members(self, name: str) -> tuple[int, ...]:
        """The devices of a name: one, or all that an entry counts out; none if there is no such name."""
        return self._members.get(name, ())

    @cached_property
    def _members(self) -> dict[str, tuple[int, ...]]:
        alike: dict[str, tuple[int, ...]] = {}
        for d, entry in enumerate(self.entries):
            alike[entry] = (*alike.get(entry, ()), d)
        return alike | {name: (d,) for d, name in enumerate(self.names)}

    def unknown(self, name: str) -> str:
        """What to say of a name that is not there."""
        return f"there is no device {name!r}; {hint(name, {*self.names, *self.entries}, 'there are')}"


def roster(counts: Mapping[str, int]) -> tuple[Roster, list[Finding]]:
    """Count out the devices; the findings are names that two of them would have, or too many devices."""
    total = sum(counts.values())
    if total > MAX_DEVICES:
        return Roster((), ()), [
            Finding(("devices",), f"{total} devices are too many; at most {MAX_DEVICES}", True)
        ]
    pairs = [
        (f"{entry}-{i + 1}" if count > 1 else entry, entry)
        for entry, count in counts.items()
        for i in range(count)
    ]
    names = tuple(name for name, _ in pairs)
    found = [
        Finding(("devices", entry), f"two devices would be called {entry!r}: rename one, or change a count", True)
        for entry in counts
        if names.count(entry) > 1
    ]
    return Roster(names, tuple(entry for _, entry in pairs)), found


def roster_of(spec: Spec) -> Roster:
    """The devices of a scenario that has no faults."""
    return roster({name: device.count for name, device in spec.devices.items()})[0]


def counts_of(devices: Any) -> dict[str, int] | None:
    """The counts in raw data; None where one cannot be told, or where the key itself is misspelt."""
    if not isinstance(devices, dict) or not devices:
        return None
    counts = {name: d.get("count", 1) if isinstance(d, dict) else 1 for name, d in devices.items()}
    keys = {key for d in devices.values() if isinstance(d, dict) for key in d} - set(Device.model_fields)
    sound = all(type(n) is int and 1 <= n <= MAX_DEVICES for n in counts.values())
    misspelt = any(nearest(key, Device.model_fields) == ["count"] for key in keys)
    return counts if sound and not misspelt else None
