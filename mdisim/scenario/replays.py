"""The traces that a scenario names: each file is read once, and each way of using it is one object.

Links that share a channel must follow one and the same trace, so the identity of what is returned matters.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mdisim import traces
from mdisim.errors import InputError
from mdisim.scenario.faults import Finding
from mdisim.scenario.faults import Path as Place
from mdisim.scenario.network import Replay
from mdisim.scenario.reading import Folders
from mdisim.traces import Trace, TraceError

SLOW_BPS = 1000.0  # below it a file was hardly meant in bit/s
SHORTEST_S = 1e-9  # of what is shorter, so many laps go by that their number loses its last digits


def is_path(name: str) -> bool:
    """Whether a trace is named by a path: it has a folder or an ending."""
    return os.path.basename(name) != name or bool(Path(name).suffix)


def stated_in(plain: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every trace that a resolved scenario states, to be changed in place."""
    network = plain.get("network", {})
    links = [network.get("link", {}), *network.get("links", [])]
    speeds = [device["speed"] for device in plain["devices"].values() if isinstance(device["speed"], dict)]
    yield from (holder["trace"] for holder in (*links, *speeds) if "trace" in holder)


@dataclass(frozen=True)
class Traces:
    """The traces of a scenario."""

    folders: Folders
    _read: dict[tuple[str, str | None], Trace] = field(default_factory=dict, repr=False)
    _used: dict[tuple[Replay, float | None], Trace] = field(default_factory=dict, repr=False)

    def use(self, stated: Replay, mean: float | None) -> Trace:
        """The trace as it is stated, scaled to a mean if that is not None; raises TraceError."""
        key = (stated, mean)
        if key not in self._used:
            trace = self._given(stated.name, stated.format)
            trace = traces.shifted(trace if stated.end is None else replace(trace, end=stated.end), stated.start)
            if not trace.mean_bps():
                raise TraceError("nothing moves in this trace: its rate is zero all the time; name another")
            if trace.duration_s < SHORTEST_S:
                raise TraceError(f"it is {trace.duration_s:g} s long; {SHORTEST_S:g} s or longer would do")
            if mean is None and trace.mean_bps() < SLOW_BPS:
                raise TraceError(
                    f"its mean is {trace.mean_bps():.3g} bit/s; if rates are in other units, convert them, and if "
                    "not, state the mean, such as mean: 10 Mbps"
                )
            self._used[key] = trace if mean is None else traces.scaled(trace, mean_bps=mean)
        return self._used[key]

    def look(self, stated: Replay, mean: float | None, path: Place) -> tuple[Trace | None, list[Finding]]:
        """The trace as it is stated, or what is wrong with it."""
        try:
            self._given(stated.name, stated.format)
        except InputError as error:
            return None, [Finding((*path, "name"), str(error))]
        try:
            return self.use(stated, mean), []
        except TraceError as error:
            return None, [Finding(path, str(error))]

    def digest(self, name: str, format: str | None) -> str:
        """The digest of a trace as it is in its file."""
        return self._given(name, format).digest

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each trace that was read, by its name or its file's."""
        digests: dict[str, str] = {}
        for (name, _), trace in self._read.items():
            short = os.path.basename(name)
            digests[short if digests.get(short, trace.digest) == trace.digest else name] = trace.digest
        return dict(sorted(digests.items()))

    @property
    def files(self) -> dict[str, Trace]:
        """The traces that were read from files of the user's, by name as they are stated."""
        return {name: trace for (name, _), trace in sorted(self._read.items(), key=str) if is_path(name)}

    def doubts(self) -> list[str]:
        """What speaks against these files as they were read."""
        return [f"trace {name}: {doubt}" for name, trace in self.files.items() for doubt in traces.doubts(trace)]

    def _given(self, name: str, format: str | None) -> Trace:
        """The trace as it is in its file; raises InputError, in which the file is called as in the scenario."""
        if (name, format) not in self._read:
            at = self.folders.file(name) if is_path(name) else name
            try:
                self._read[name, format] = traces.load(at, format, called=name)
            except InputError:
                raise
            except (ValueError, OSError) as error:
                raise InputError(f"{name!r}: no file can have this name") from error
        return self._read[name, format]
