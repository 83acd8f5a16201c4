"""What no single section can know: names, exits, kinds and routes that must fit each other.

Every check reads the sections that are sound by themselves and passes over the others, so that faults of
different sections are found together. None of them raises.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mdisim import profiles, world
from mdisim.errors import InputError
from mdisim.limits import SWITCHES
from mdisim.policies.adaptive import Adaptive
from mdisim.policies.policy import Recipe
from mdisim.profiles import CostTable, Profile, ProfileError
from mdisim.routes import routes
from mdisim.scenario import arrivals, failures, models
from mdisim.scenario.failing import faults_of, too_fine, too_late, too_often
from mdisim.scenario.faults import Finding
from mdisim.scenario.models import Device, FromFile, OnOff, Policy, Run, Source, Spec, Speed
from mdisim.scenario.nearest import hint
from mdisim.scenario.network import Network
from mdisim.scenario.phrases import phrases
from mdisim.scenario.reading import Folders
from mdisim.scenario.recipes import recipe_of, sharing
from mdisim.scenario.replays import Traces
from mdisim.scenario.roster import Roster, counts_of, roster
from mdisim.scenario.wiring import wired


@dataclass(frozen=True)
class Sections:
    """The sections of a scenario that are sound by themselves; `spec` if all are."""

    parts: Mapping[str, Any]
    spec: Spec | None = None


def sections(data: Mapping[str, Any]) -> tuple[Sections, list[Finding]]:
    """Check each section by itself."""
    try:
        spec = Spec.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        unsound = {e["loc"][0] for e in errors}
        parts = {
            name: TypeAdapter(field.rebuild_annotation()).validate_python(data[name])
            if name in data
            else field.get_default()
            for name, field in Spec.model_fields.items()
            if name not in unsound  # what is missing is unsound, too
        }
        return Sections(parts | _sound_items(data, unsound)), phrases(Spec, errors)
    return Sections({name: getattr(spec, name) for name in Spec.model_fields}, spec), []


def _sound_items(data: Mapping[str, Any], unsound: set[str | int]) -> dict[str, Any]:
    """The devices, compared policies and faults that are sound by themselves, where others are not."""
    parts: dict[str, Any] = {}
    devices, compare, faults = data.get("devices"), data.get("compare"), data.get("faults")
    if "devices" in unsound and isinstance(devices, dict):
        sound = {name: _sound(models.Device, one) for name, one in devices.items()}
        parts["devices"] = {name: one for name, one in sound.items() if one is not None}
    if "compare" in unsound and isinstance(compare, list):
        parts["compare"] = tuple(_sound(models.NamedPolicy, one) for one in compare)
    if "faults" in unsound and isinstance(faults, dict) and isinstance(faults.get("events"), list):
        events = tuple(_sound(failures.AnyEvent, one) for one in faults["events"])
        parts["faults"] = failures.Faults.model_construct(events=events)
    return parts


def _sound(kind: Any, value: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None


def everything(
    data: Mapping[str, Any], found: Sections, traces: Traces, *, allow_code: bool
) -> tuple[Profile | None, list[Finding]]:
    """Check all that needs more than one section; also returns the profile if it could be read."""
    parts = found.parts
    counts = counts_of(data.get("devices"))
    there, findings = roster(counts) if counts else (None, [])
    profile, more = load_profile(parts["profile"], traces.folders) if "profile" in parts else (None, [])
    findings += more
    findings += _window(parts) + _phases(parts)
    table, more = _table(profile, parts.get("costs"))
    findings += more
    findings += _devices(parts.get("devices", {}), profile, table, whole=found.spec is not None)
    findings += _speeds(parts.get("devices", {}), traces) + _compression(parts, profile)
    if there is not None and there.names:
        links, more = _network(parts, there, traces)
        findings += more
        findings += faults_of(parts["faults"], there, links)[1] if parts.get("faults") is not None else []
        if parts.get("faults") is not None and "run" in parts:
            findings += too_often(parts["faults"], parts["run"])
            findings += too_fine(parts["faults"], parts.get("devices", {}), there, parts["run"], traces)
        findings += _sources(data.get("workload"), there)
    findings += _arrivals(parts.get("workload", ()), parts.get("run"), traces.folders)
    common: Policy | None = None
    code = traces.folders if allow_code else None
    for path, policy in policies(parts):
        recipe, more = recipe_of(policy if common is None else sharing(policy, common), code=code)
        more = more or _exits(recipe, profile)
        findings += [f._replace(path=(*path, *f.path)) for f in more]
        if path == ("policy",) and not more:
            common = policy  # if it has faults, they are told once, not for all that share them
    return profile, findings + _called_alike(parts.get("compare", ()))


def _called_alike(compare: tuple[Policy | None, ...]) -> list[Finding]:
    """Compared policies that no table could tell apart."""
    called = [policy.called if policy is not None and (policy.name or policy.rule) else None for policy in compare]
    return [
        Finding(("compare", i), f"another one above is called {name!r}, too: give one of them a label")
        for i, name in enumerate(called)
        if name is not None and name in called[:i]
    ]


def _exits(recipe: Recipe | None, profile: Profile | None) -> list[Finding]:
    """Another number of thresholds than the profile has exits."""
    if profile is None or not isinstance(recipe, Adaptive):
        return []
    try:
        recipe.thresholds(profile.n_exits)
    except InputError as error:
        return [Finding((error.parameter,), str(error))]
    return []


def policies(parts: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Policy]]:
    """The policies of a scenario, each with its path."""
    if "policy" in parts:
        yield ("policy",), parts["policy"]
    for number, policy in enumerate(parts.get("compare", ())):
        if policy is not None:
            yield ("compare", number), policy


def is_path(profile: str) -> bool:
    """Whether a profile is named by a path."""
    return profile.endswith(".npz") or os.path.basename(profile) != profile


def load_profile(name: str, folders: Folders) -> tuple[Profile | None, list[Finding]]:
    """Read the profile that a scenario names: by its name, or from a path that begins at the scenario."""
    try:
        profile = profiles.load(folders.file(name) if is_path(name) else name)
    except ProfileError as error:
        return None, [Finding(("profile",), "; ".join(error.faults))]
    except OSError as error:
        return None, [Finding(("profile",), f"{name!r} cannot be read: {error.strerror}")]
    return profile, []


def table_of(profile: Profile, costs: str | None) -> tuple[str, CostTable]:
    """The named cost table of a profile, or its `native` one, or else its first."""
    name = costs or ("native" if "native" in profile.costs else next(iter(profile.costs)))
    return name, profile.costs[name]


def _table(profile: Profile | None, costs: str | None) -> tuple[CostTable | None, list[Finding]]:
    if profile is None:
        return None, []
    if costs is not None and costs not in profile.costs:
        say = f"profile {profile.name} has no costs {costs!r}; {hint(costs, sorted(profile.costs), 'it has')}"
        return None, [Finding(("costs",), say)]
    return table_of(profile, costs)[1], []


def _window(parts: Mapping[str, Any]) -> list[Finding]:
    run = parts.get("run")
    if run is None or run.warmup < run.duration:
        return []
    say = f"the warm-up of {run.warmup:g} s leaves nothing of the duration of {run.duration:g} s to measure"
    return [Finding(("run", "warmup"), say)]


def _devices(
    devices: Mapping[str, Device], profile: Profile | None, table: CostTable | None, *, whole: bool
) -> list[Finding]:
    """Kinds that have no costs, and stages that are not there, or that nobody can run."""
    if profile is None:
        return []
    found = [
        Finding(("devices", name, "kind"), _no_times(profile, device.kind, table.kinds))
        for name, device in devices.items()
        if table is not None and device.kind not in table.kinds
    ]
    K = profile.n_exits
    found += [
        Finding(("devices", name, "holds", i), f"there is no stage {stage}: this profile has stages 1 to {K}")
        for name, device in devices.items()
        for i, stage in enumerate(device.holds or ())
        if stage > K
    ]
    every = range(1, K + 1)
    held = {stage for device in devices.values() for stage in (every if device.holds is None else device.holds)}
    missing = [str(stage) for stage in every if stage not in held]
    if whole and missing:
        found.append(Finding(("devices",), f"no device holds stage {', '.join(missing)}", True))
    return found


def _speeds(devices: Mapping[str, Device], traces: Traces) -> list[Finding]:
    """Speeds whose traces cannot be used."""
    return [
        finding
        for name, device in devices.items()
        if isinstance(device.speed, Speed)
        for finding in traces.look(device.speed.trace, device.speed.mean, ("devices", name, "speed", "trace"))[1]
    ]


def _compression(parts: Mapping[str, Any], profile: Profile | None) -> list[Finding]:
    """Stages whose feature maps are not sent."""
    compression = parts.get("compression")
    if profile is None or compression is None:
        return []
    last = profile.n_exits - 1
    sent = f"those of stages 1 to {last} are" if last else "this profile has one stage only"
    return [
        Finding(("compression", "stages", i), f"no feature map of stage {stage} is sent: {sent}")
        for i, stage in enumerate(compression.stages or ())
        if stage > last
    ]


def _no_times(profile: Profile, kind: str, kinds: tuple[str, ...]) -> str:
    return f"profile {profile.name} has no times for {kind!r}; {hint(kind, kinds, 'it has')}"


def _network(
    parts: Mapping[str, Any], there: Roster, traces: Traces
) -> tuple[tuple[world.Link, ...] | None, list[Finding]]:
    """The links if they can be laid, and what is wrong with them, or which devices they leave out of reach."""
    network: Network | None = parts.get("network")
    n = len(there.names)
    if network is None:
        alone = n == 1 or "network" not in parts
        say = f"missing key 'network': {n} devices need one, such as {Network.example}"
        return () if n == 1 else None, [] if alone else [Finding(("network",), say, True)]
    links, found = wired(network, there, traces)
    if found or "workload" not in parts:
        return None if found else links, found
    reached = routes(links, n, 1.0) != world.UNREACHABLE
    sources = [d for source in parts["workload"] for d in there.members(source.at)]
    return links, _out_of_reach(reached, sources, there) if sources else []


def _out_of_reach(
    reached: np.ndarray[Any, np.dtype[np.bool_]], sources: list[int], there: Roster
) -> list[Finding]:
    names = there.names
    found = []
    for d, name in enumerate(names):
        path = ("devices", there.entries[d])
        if not reached[sources, d].any():
            start = " or ".join(repr(names[s]) for s in dict.fromkeys(sources))
            found.append(Finding(path, f"no route leads from the source {start} to {name!r}: add a link", True))
        for s in dict.fromkeys(sources):
            if reached[s, d] and not reached[d, s]:
                say = f"no route leads back from {name!r} to the source {names[s]!r}: add a link"
                found.append(Finding(path, say, True))
    return found


def _sources(workload: Any, there: Roster) -> list[Finding]:
    """Sources at devices that are not there; read from the raw data, as the rest of a source may be unsound."""
    stated = workload if isinstance(workload, list) else [workload]
    named = [(number, one.get("at")) for number, one in enumerate(stated) if isinstance(one, dict)]
    return [
        Finding(("workload", number, "at"), there.unknown(name))
        for number, name in named
        if isinstance(name, str) and not there.members(name)
    ]


def _phases(parts: Mapping[str, Any]) -> list[Finding]:
    """Sources whose first sample would come when the run is over."""
    found = []
    for number, source in enumerate(parts.get("workload", ()) if "run" in parts else ()):
        phase_s = getattr(source.arrivals, "phase", None) or 0.0
        if phase_s >= parts["run"].duration:
            say = f"the first sample would come at {phase_s:g} s, but the run ends at {parts['run'].duration:g} s"
            found.append(Finding(("workload", number, "arrivals", "phase"), f"{say}: let it come earlier"))
    return found


def _arrivals(workload: tuple[Source, ...], run: Run | None, folders: Folders) -> list[Finding]:
    """Arrivals that switch too often; files that cannot be read, or of whose arrivals nothing falls in the run."""
    found = []
    for number, source in enumerate(workload):
        if isinstance(source.arrivals, OnOff) and run is not None:
            switches = 2.0 * run.duration / (source.arrivals.on + source.arrivals.off)
            if switches > SWITCHES:
                say = f"it would switch about {switches:.3g} times in a run; at most {SWITCHES}"
                found.append(Finding(("workload", number, "arrivals"), f"{say}: make on or off longer"))
        if isinstance(source.arrivals, FromFile):
            try:
                times_s = arrivals.times_s(folders.file(source.arrivals.path))
                say = "" if run is None else arrivals.outside(times_s, run.duration)
            except InputError as error:
                say = str(error)
            if say:
                found.append(Finding(("workload", number, "arrivals", "path"), source.arrivals.path + say))
    return found


def cautions(spec: Spec, folders: Folders) -> tuple[str, ...]:
    """What a scenario without faults states in vain: arrivals that are not measured, events after the end."""
    told = []
    for number, source in enumerate(spec.workload):
        if isinstance(source.arrivals, FromFile):
            times_s = arrivals.times_s(folders.file(source.arrivals.path))
            place = f"workload.{number}.arrivals.path: {source.arrivals.path}"
            told += [place + say for say in arrivals.partly(times_s, spec.run.warmup, spec.run.duration)]
    return (*told, *too_late(spec.faults, spec.run))
