"""The named policies as text: what each is, where it comes from, and its parameters."""

from __future__ import annotations

from mdisim.planners import FAMILIES, RECIPES
from mdisim.policies import Parameter, described, parameters
from mdisim.policies.parameters import REQUIRED
from reference_pages.markdown import code, plain, table

HEAD = ("Parameter", "Default", "Allowed", "Meaning")
WORTH_SHARING = 3  # parameters that a family has in common are told once, from so many on


def overview() -> str:
    """A table of each family, with links to its page."""
    return "\n".join(f"## [{one.capitalize()}](policies/{one}.md)\n\n{_summaries(one)}" for one in FAMILIES)


def _summaries(one: str) -> str:
    told = [(name, plain(described(RECIPES[name]).summary)) for name in FAMILIES[one]]
    rows = [(f"[{code(name)}](policies/{one}.md#{name})", summary) for name, summary in told]
    return table(("Policy", "Meaning"), rows)


def family(name: str) -> str:
    """One section a policy, after the parameters that all of the family share."""
    names = FAMILIES[name]
    common = _common(names)
    parts = [f"## Shared parameters\n\nEvery policy on this page has these.\n\n{_table(common)}"] if common else []
    return "\n".join([*parts, *(policy(one, common) for one in names)])


def policy(name: str, told: list[Parameter]) -> str:
    """One policy: summary, how, source, what is reconstructed, and its own parameters."""
    said, recipe = described(RECIPES[name]), RECIPES[name]
    parts = [f"(policy-{name})=\n## {name}", plain(said.summary), plain(said.how)]
    parts += [f"*Source:* {plain(said.source)}"] if said.source else []
    parts += [f"*Reconstructed:* {plain(said.reconstructed)}"] if said.reconstructed else []
    own = [one for one in parameters(recipe) if one not in told]
    parent = _parent(name)
    if parent:
        inherited = parameters(RECIPES[parent])
        own = [one for one in own if one not in inherited]
        parts.append(f"It has all parameters of [{code(parent)}](#{parent})" + (", and:" if own else "."))
    elif told:
        parts.append("It has the [shared parameters](#shared-parameters)" + (", and:" if own else " alone."))
    return "\n\n".join([part for part in parts if part] + [_table(own)])


def _common(names: tuple[str, ...]) -> list[Parameter]:
    each = [parameters(RECIPES[name]) for name in names]
    common = [one for one in each[0] if all(one in other for other in each)]
    return common if len(common) >= WORTH_SHARING else []


def _parent(name: str) -> str:
    """The named policy that this one is a variant of, if any."""
    above = RECIPES[name].__mro__[1:]
    return next((other for other, recipe in RECIPES.items() for kind in above if kind is recipe), "")


def _table(found: list[Parameter]) -> str:
    rows = [(code(p.name), _value(p.default, p.unit), _allowed(p.allowed), plain(p.meaning)) for p in found]
    return table(HEAD, rows) if rows else ""


def _value(default: object, unit: str) -> str:
    """A default as one would write it in YAML."""
    if default in (REQUIRED, None, (), ""):
        return REQUIRED if default else "optional"
    written = list(default) if isinstance(default, tuple) else default
    return f"{code(str(written).lower() if isinstance(written, bool) else written)} {unit}"


def _allowed(allowed: str) -> str:
    if " | " in allowed:
        return " or ".join(map(code, allowed.split(" | ")))
    return plain(allowed.replace(">=", "≥").replace("<=", "≤"))
