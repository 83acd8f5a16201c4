"""What a run leaves behind: tables and where they come from, in Python or as a directory of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

STATUSES = ("answered", "refused", "queue-full", "in-flight")


@dataclass(frozen=True, eq=False)
class Run:
    """The tables of one run.

    `tasks`: one row a sample offered, in order of birth (exits count from 1; 0 where none answered; times in
    seconds since the start). `timeline`: one row per control instant and device. `devices`, `links`,
    `sources`: one row each; busy times, bytes and energy within [warmup_s, duration_s).
    """

    tasks: pd.DataFrame
    timeline: pd.DataFrame
    devices: pd.DataFrame
    links: pd.DataFrame
    sources: pd.DataFrame
    policy: str
    parameters: Mapping[str, Any]
    seed: int
    duration_s: float
    warmup_s: float
    profile: str = ""
    profile_digest: str = ""
    scenario: Mapping[str, Any] = field(default_factory=dict)
