"""Where results come from, for pages: what was asked for, the versions, the files and the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mdisim.report.networks import network
from mdisim.report.pages.parts import Facts, Past, Table
from mdisim.report.pages.pictures import Sketch, drawn
from mdisim.results import Origin
from mdisim.scenario import Scenario, ScenarioError

NAMELESS = "mdisim"  # results of a world built by hand, or of a sweep that was not kept


def past(origin: Origin | None, facts: Mapping[str, Any]) -> Past:
    """What the origin of results and the facts of their provenance tell; either may be empty."""
    versions = tuple((name, str(number)) for name, number in facts.get("versions", {}).items())
    told = _facts(origin, facts)
    if origin is None:
        return Past(NAMELESS, "", told, versions, (), None)
    files = (("resolved.yaml", origin.stored or origin.resolved), ("scenario.yaml", origin.given))
    try:
        bare = ("policy=local", "compare=[]")  # policies may be code of somebody's own, and are not drawn
        folder = origin.folder or "."
        scenario = Scenario.from_text(origin.resolved, name=origin.name, folder=folder, overrides=bare)
        world = scenario.build()
    except ScenarioError as error:  # it may need files that are not here
        unread = f"The network is not drawn, as the scenario cannot be read here: {error}"
        return Past(origin.name, "", told, versions, files, None, unread)
    n, m = len(world.devices), len(world.links)
    alt = f"A map of {n} devices and {m} links; resolved.yaml, below, has them in words."
    pictures, undrawn = drawn([Sketch("The network", alt, lambda ax: network(world, ax=ax))])
    shown = pictures[0] if pictures else None
    return Past(origin.name, scenario.spec.description or "", told, versions, files, shown, "".join(undrawn))


def _facts(origin: Origin | None, facts: Mapping[str, Any]) -> Facts:
    overrides = "; ".join(origin.overrides) if origin else ""
    found = {
        "command": facts.get("command", ""),
        "set on top of the scenario": overrides,
        "date": facts.get("date", ""),
        "digest of the scenario": origin.digest if origin else "",
        "digest of what was asked for": facts.get("identity", ""),
    }
    return tuple((name, str(value)) for name, value in found.items() if value)


def parameters(policies: Mapping[str, Mapping[str, Any]]) -> tuple[Table, ...]:
    """A table of all parameters, by policy; those that the policies do not share first."""
    names = dict.fromkeys(name for known in policies.values() for name in known)
    rows = [(name, *(_text(known.get(name)) for known in policies.values())) for name in names]
    rows.sort(key=lambda row: len(set(row[1:])) == 1)
    heads = ("parameter", *policies)
    title = "Parameters of the policies" if len(policies) > 1 else "Parameters of the policy"
    return (Table(title, heads, tuple(rows), words=len(heads), folded=True),) if rows else ()


def _text(value: Any) -> str:
    return "–" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
