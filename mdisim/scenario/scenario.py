"""A scenario: read from YAML with every fault at once, built into a World, written back with every default."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mdisim.errors import InputError
from mdisim.files import sha256
from mdisim.planners import RECIPES
from mdisim.policies.fit import need
from mdisim.policies.policy import Recipe
from mdisim.profiles import Profile
from mdisim.scenario import arrivals, building, checks, graphml, replays
from mdisim.scenario.catalogue import find
from mdisim.scenario.faults import Document, Fault, Finding, ScenarioError, in_order, unreadable
from mdisim.scenario.models import Policy, Spec
from mdisim.scenario.nearest import hint
from mdisim.scenario.overrides import Overrides, apply, assignments
from mdisim.scenario.phrases import phrases
from mdisim.scenario.reading import AnyFolder, Folders
from mdisim.scenario.recipes import class_of, recipe_of, sharing, written
from mdisim.scenario.replays import Traces
from mdisim.scenario.roster import roster_of
from mdisim.scenario.schema import schema
from mdisim.scenario.units import shown
from mdisim.scenario.yamlio import YamlError, compose, decode, dump
from mdisim.world import World, setting

FORMAT = 1  # of scenario files; they may state it
LONGEST = 100  # characters of a stored file's name


@dataclass(frozen=True, eq=False)
class Scenario:
    """A scenario without faults.

    `spec` is what was written, with defaults and in SI units; `text` the file as it was given, which messages
    call `origin`; `folders` are where paths in it begin; `overrides` is what was set on top of it. Scenarios are
    equal if their digests are.
    """

    name: str
    spec: Spec = field(repr=False)
    profile: Profile = field(repr=False)
    traces: Traces = field(repr=False)
    text: str = field(repr=False)
    folders: Folders = field(repr=False)
    origin: str = field(repr=False, default="scenario")
    overrides: tuple[str, ...] = ()
    allow_code: bool = False

    @classmethod
    def load(
        cls, name_or_path: str | os.PathLike[str], overrides: Overrides = (), *, allow_code: bool = False
    ) -> Scenario:
        """Read a shipped scenario by its name, or a file.

        `overrides` are texts such as 'run.seed=3', or a mapping of paths to values. With `allow_code` a
        policy may be a class of your own, which is imported: from the scenario's folder, the current one, or
        what is installed. Raises ScenarioError with every fault.
        """
        origin = os.fspath(name_or_path)
        try:
            path = find(name_or_path)
            text = decode(path)
        except YamlError as fault:
            raise ScenarioError([Fault(origin, fault.message)]) from None
        except (ValueError, OSError) as error:
            raise ScenarioError([Fault(origin, getattr(error, "strerror", None) or str(error))]) from None
        return cls.from_text(
            text, name=path.stem, origin=str(path), folder=path.parent, overrides=overrides, allow_code=allow_code
        )

    @classmethod
    def from_text(
        cls,
        text: str,
        *,
        name: str = "scenario",
        origin: str | None = None,
        folder: AnyFolder = ".",
        overrides: Overrides = (),
        allow_code: bool = False,
    ) -> Scenario:
        """Read a scenario from text; paths begin at `folder`, or else the current one; faults name `origin`."""
        settings, folders = assignments(overrides), Folders.of(folder)
        document = _document(text, origin or name, settings)
        data = document.root.data()
        if data.get("format", FORMAT) != FORMAT or isinstance(data.get("format"), bool):
            say = f"is {shown(data['format'])}; this version reads format {FORMAT}, later ones may read others"
            raise ScenarioError([document.fault(Finding(("format",), say))])
        found, findings = checks.sections(data)
        traces = Traces(folders)
        profile, more = checks.everything(data, found, traces, allow_code=allow_code)
        findings += more
        if findings or found.spec is None or profile is None:
            raise ScenarioError(in_order(document.fault(f) for f in findings))
        scenario = cls(name, found.spec, profile, traces, text, folders, document.origin, settings, allow_code)
        findings = scenario._misfits()
        if findings:
            raise ScenarioError(in_order(document.fault(f) for f in findings))
        return scenario

    def with_overrides(self, overrides: Overrides) -> Scenario:
        """The same scenario with more values set; raises ScenarioError."""
        return Scenario.from_text(
            self.text,
            name=self.name,
            origin=self.origin,
            folder=self.folders,
            overrides=(*self.overrides, *assignments(overrides)),
            allow_code=self.allow_code,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is stated in vain: arrivals that are not measured, events after the end, rates that are not read.

        And traces in which one rate holds for much of the time.
        """
        file = self.spec.network.file if self.spec.network else None
        passed_over = [] if file is None else graphml.cautions(self.folders, file)
        return (*checks.cautions(self.spec, self.folders), *passed_over, *self.traces.doubts())

    def build(self) -> World:
        """Resolve everything into numbers."""
        return building.world_of(self.spec, self.profile, self.folders, self.traces)

    def recipe(self, policy: str | Mapping[str, Any] | None = None) -> Recipe:
        """The scenario's policy, or one given by name or as a mapping of its name and parameters.

        A name means what `stated` says. What a policy does not state of what it shares with the scenario's
        own, it takes from there. Raises ScenarioError, also for parameters that do not fit.
        """
        if policy is None:
            return self._recipe(self.spec.policy, "policy")
        return self._recipe(*_read(self.stated(policy) if isinstance(policy, str) else policy))

    def recipe_class(self, policy: Mapping[str, Any]) -> type[Recipe]:
        """The class of a policy that is given by name or rule, whatever its parameters; raises ScenarioError."""
        meant, origin = _read(policy)
        kind, found = class_of(meant, code=self.folders if self.allow_code else None)
        if kind is None:
            raise ScenarioError(_loose(origin, found))
        return kind

    def stated(self, name: str) -> dict[str, Any]:
        """What a name means here: a policy that the scenario states under it, or else the one so named.

        Raises ScenarioError where there is neither.
        """
        own = {p.called: p for p in reversed((self.spec.policy, *self.spec.compare))}
        if name not in own and name not in RECIPES:
            more = "; a rule of your own stands under compare with a label" if ":" in name else ""
            say = f"no policy {name!r}; {hint(name, dict.fromkeys([*own, *RECIPES]), 'there are')}{more}"
            raise ScenarioError(_loose(f"policy {name}", [Finding(("name",), say)]))
        meant = sharing(own.get(name, Policy(name=name)), self.spec.policy)
        return meant.model_dump(exclude_none=True)

    def compared(self) -> dict[str, Recipe]:
        """The policies under `compare` by label, or the scenario's own alone."""
        stated = self.spec.compare or (self.spec.policy,)
        return {p.called: self._recipe(p, f"compare {i}") for i, p in enumerate(stated)}

    def stating(self, recipe: Recipe) -> dict[str, Any] | None:
        """How a file states this recipe: as this scenario does, or by its name; None if it can do neither."""
        for policy in (self.spec.policy, *self.spec.compare):
            if self._recipe(policy, "") == recipe:
                return written(policy, recipe)
        name = next((name for name, kind in RECIPES.items() if kind is type(recipe)), None)
        return None if name is None else written(Policy(name=name), recipe)

    def _recipe(self, policy: Policy, origin: str) -> Recipe:
        code = self.folders if self.allow_code else None
        recipe, found = recipe_of(sharing(policy, self.spec.policy), code=code)
        if recipe is None:
            raise ScenarioError(_loose(origin, found))
        return recipe

    def _misfits(self) -> list[Finding]:
        """Try every policy in this world: what does not fit it is found before the run."""
        known = setting(self.build())
        found: dict[str, Finding] = {}  # by message: compared policies share faults with the scenario's own
        for path, policy in checks.policies(dict(self.spec)):
            try:
                need(self._recipe(policy, ""), known)
            except InputError as error:
                found.setdefault(str(error), Finding((*path, error.parameter), str(error)))
        return list(found.values())

    @property
    def digest(self) -> str:
        """SHA-256 of what the scenario means: every value and default, and the content of every file."""
        meant = self._plain()
        for key in ("description", "format"):
            meant.pop(key, None)
        meant["profile"] = self.profile.digest
        for arriving in _from_files(meant):
            arriving["path"] = list(arrivals.times_s(self.folders.file(arriving["path"])))
        network = self.spec.network
        if network is not None and network.file is not None:
            drawn, _ = graphml.pairs(self.folders, network.file, roster_of(self.spec))
            plain = [pair.model_dump(mode="json", by_alias=True, exclude_none=True) for pair in drawn]
            meant["network"] |= {"file": "", "links": plain + meant["network"]["links"]}
        for trace in replays.stated_in(meant):
            trace["name"] = self.traces.digest(trace["name"], trace.get("format"))
        return hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()

    def resolved(self) -> dict[str, Any]:
        """The scenario as plain data with every default, in SI units with their names; it loads again here."""
        return self._placed(self._at)

    def stored(self, inputs: str = "inputs") -> tuple[dict[str, Any], dict[str, Path]]:
        """The same with every file below the folder `inputs`, and these files by that name.

        It loads again wherever it stands beside that folder. A file's name has a part of its SHA-256.
        """
        files: dict[str, Path] = {}

        def put(path: str) -> str:
            name, at = stored_as(path, self.folders.file(path), inputs)
            files[name] = at
            return name

        def put_graph(path: str) -> str:
            """With the traces that it names, which lie beside it, in a folder of their own."""
            name, at = stored_as(path, self.folders.file(path), inputs)
            folder = os.path.splitext(name)[0]
            beside, _ = graphml.pairs(self.folders, path, roster_of(self.spec))
            traces = [pair.trace.name for pair in beside if pair.trace is not None]
            for trace in filter(replays.is_path, traces):
                inside = os.path.relpath(trace, os.path.dirname(path))
                if not inside.startswith(os.pardir):
                    files[os.path.join(folder, inside)] = self.folders.file(trace).resolve()
            name = os.path.join(folder, os.path.basename(path))
            files[name] = at
            return name

        return self._placed(put, put_graph), files

    def file(self, value: str) -> tuple[str, Path] | None:
        """The name under which `stored` has the file that a value names, and the file; None if it names none."""
        at = self.folders.file(value)
        return stored_as(value, at) if replays.is_path(value) and os.path.isfile(at) else None

    def _placed(self, put: Callable[[str], str], put_graph: Callable[[str], str] | None = None) -> dict[str, Any]:
        """The scenario as plain data; `put` gives each path of a file its name there, `put_graph` a graph's."""
        plain = self._plain()
        if checks.is_path(self.spec.profile):
            plain["profile"] = put(self.spec.profile)
        for arriving in _from_files(plain):
            arriving["path"] = put(arriving["path"])
        for trace in replays.stated_in(plain):
            if replays.is_path(trace["name"]):
                trace["name"] = put(trace["name"])
        if self.spec.network is not None and self.spec.network.file is not None:
            plain["network"]["file"] = (put_graph or put)(self.spec.network.file)
        return {"format": FORMAT, **plain}

    def _plain(self) -> dict[str, Any]:
        """The scenario as plain data with every default; paths begin at the folder."""
        plain = self.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        plain["costs"] = checks.table_of(self.profile, self.spec.costs)[0]
        plain = {key: plain[key] for key in Spec.model_fields if key in plain}
        for name, device in self.spec.devices.items():
            plain["devices"][name]["power"] = building.power_of(device).model_dump(mode="json", exclude_none=True)
        plain["policy"] = written(self.spec.policy, self.recipe())
        plain["compare"] = [written(p, self._recipe(p, "compare")) for p in self.spec.compare]
        return plain

    def _at(self, path: str) -> str:
        """A path from anywhere."""
        return str(self.folders.file(path).resolve())

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write the resolved scenario as YAML."""
        Path(path).write_text(dump(self.resolved()), encoding="utf-8")

    @staticmethod
    def schema() -> dict[str, Any]:
        """The JSON Schema of scenario files, for editors."""
        return schema()

    def __eq__(self, other: object) -> bool:
        """Compare by what is meant."""
        return self.digest == other.digest if isinstance(other, Scenario) else NotImplemented

    def __hash__(self) -> int:
        """Hash by what is meant."""
        return hash(self.digest)


def stored_as(path: str, at: Path, inputs: str = "inputs") -> tuple[str, Path]:
    """The name of a file below the folder `inputs`, and the file."""
    stem, suffix = os.path.splitext(os.path.basename(path))
    return f"{inputs}/{stem[:LONGEST]}-{sha256(at)[:8]}{suffix[:LONGEST]}", at.resolve()


def _document(text: str, origin: str, settings: tuple[str, ...]) -> Document:
    try:
        root = compose(text, origin)
        if not isinstance(root.value, dict):
            raise YamlError(
                f"expected a mapping of keys such as 'profile:' and 'devices:', not {shown(root.value)}: "
                "is this a scenario?"
            )
    except YamlError as fault:
        raise ScenarioError([unreadable(origin, text, fault)]) from None
    return apply(Document(origin, root, tuple(text.splitlines())), settings)


def _from_files(plain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arrivals that are listed in files."""
    return [source["arrivals"] for source in plain["workload"] if "path" in source["arrivals"]]


def _read(policy: Mapping[str, Any]) -> tuple[Policy, str]:
    """A policy that stands in no file, and what messages call it."""
    origin = f"policy {policy.get('name') or policy.get('rule') or ''}".strip()
    try:
        return Policy.model_validate(dict(policy)), origin
    except ValidationError as error:
        raise ScenarioError(_loose(origin, phrases(Policy, error.errors(include_url=False)))) from None


def _loose(origin: str, found: list[Finding]) -> list[Fault]:
    """Faults of a policy that stands in no file."""
    return [Fault(origin, f.message, ".".join(map(str, f.path))) for f in found]
