"""Profiles: what a multi-exit network does to each sample, and what each of its stages costs."""

from mdisim.profiles.catalogue import catalogue, describe, load, shipped
from mdisim.profiles.checks import ProfileError
from mdisim.profiles.devices import DeviceKind, carry, device_kind, device_kinds
from mdisim.profiles.files import read, write
from mdisim.profiles.importing import import_csv
from mdisim.profiles.measured import from_measured
from mdisim.profiles.profile import CostTable, Profile
from mdisim.profiles.synth import plain, stated_costs, synthesise

__all__ = [
    "CostTable",
    "DeviceKind",
    "Profile",
    "ProfileError",
    "carry",
    "catalogue",
    "describe",
    "device_kind",
    "device_kinds",
    "from_measured",
    "import_csv",
    "load",
    "plain",
    "read",
    "shipped",
    "stated_costs",
    "synthesise",
    "write",
]
