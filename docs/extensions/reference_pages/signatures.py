"""Docstrings, signatures and options of commands as a reader needs them."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from mdisim.planners import RECIPES
from mdisim.policies import Parameter, parameters
from mdisim.policies.parameters import REQUIRED

ARRAY = re.compile(r"~?numpy\.ndarray\[~?tuple\[[^]]*\], ~?numpy\.dtype\[([^]]*)\]\]")
BARE_RUN = re.compile(r"(?<![\w.])Run\b")  # where a module imports it for type checkers alone
ARRAY_LIKE = re.compile(r"~?[\w.]*_Buffer \| .*?_NestedSequence\[~?complex \| ~?bytes \| ~?str\]")
NAME = re.compile(r"[A-Z]\w*|\w+(\.\w+)+(\(\))?")


class Name(SphinxRole):
    """Code; and a link where it looks like a name of ours, and is one: `Run.save`, but not the `row` of a plan."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the code."""
        if not NAME.fullmatch(self.text):
            return [nodes.literal(self.rawtext, self.text)], []
        link = self.env.domains.python_domain.role("obj")
        return link("py:obj", self.rawtext, self.text, self.lineno, self.inliner)


def shortened(
    app: Sphinx, kind: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """No signature for a protocol, which nobody calls; names and defaults where parameters say what they mean."""
    if kind in ("class", "exception"):
        if getattr(thing, "_is_protocol", False):
            return "", None
        if _is_recipe(thing):
            return "(**parameters)", None  # up to thirty, which have a page of their own
        if _meant(thing):
            return f"({', '.join(map(_stated, parameters(thing)))})", None
    return _in_short(signature), _in_short(returns)


def _in_short(text: str | None) -> str | None:
    """Types of arrays as they are called in the code, not as NumPy spells them out."""
    if text is None:
        return None
    text = BARE_RUN.sub("~mdisim.Run", ARRAY_LIKE.sub("~numpy.typing.ArrayLike", text))
    return ARRAY.sub(r"~numpy.typing.NDArray[\1]", text).replace("<factory>", "...")


def _stated(parameter: Parameter) -> str:
    return parameter.name if parameter.default == REQUIRED else f"{parameter.name}={parameter.default!r}"


def _meant(thing: Any) -> list[Parameter]:
    """The parameters of a dataclass whose fields say themselves what they mean, as those of named policies do."""
    if not (isinstance(thing, type) and is_dataclass(thing)):
        return []
    return parameters(thing) if any("Meaning(" in str(field.type) for field in fields(thing)) else []


def _is_recipe(thing: Any) -> bool:
    return bool(_meant(thing)) and (hasattr(thing, "build") or hasattr(thing, "policy"))


def skipped(app: Sphinx, kind: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the places of a named tuple's fields, and the `build` that every named policy has."""
    text = getattr(thing, "__doc__", None) or ""
    of_recipe = name == "build" and not getattr(thing, "__qualname__", "Recipe.").startswith("Recipe.")
    return True if of_recipe or text.startswith("Alias for field number") else None


def tidied(app: Sphinx, kind: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Keep what a docstring says from being taken for markup, and leave out what is not ours."""
    if kind == "data" and thing.__doc__ == type(thing).__doc__:  # of dict, say
        lines.clear()
    if kind in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]  # or what stands before a colon in the first line would be taken for a type
    if kind == "class" and getattr(thing, "name", "") in RECIPES:  # what there is to say stands on another page
        del lines[lines.index("") if "" in lines else len(lines) :]
        lines += ["", f"Parameters, source and more: :ref:`{thing.name} <policy-{thing.name}>`."]
    elif kind == "class" and not _is_recipe(thing):
        lines += ["", *(f":param {p.name}: {p.meaning}{p.unit and f' ({p.unit})'}" for p in _meant(thing))]
    for i, line in enumerate(lines):
        parts = line.split("`")
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[i] = "`".join(parts)


def options(app: Sphinx, context: Any, lines: list[str]) -> None:
    """Say an option's default and choices in a line, in place of a list of two levels."""
    found = [re.sub(r"^(\s+):default: ``'?(.*?)'?``$", r"\1Default: ``\2``.", line) for line in lines]
    found = [re.sub(r"^(\s+):options: (.*)$", _choices, line) for line in found]
    lines[:] = [re.sub(r"^(\s+):required: ", r"\1Required: ", line) for line in found]


def _choices(found: re.Match[str]) -> str:
    return f"{found[1]}One of " + ", ".join(f"``{one.strip()}``" for one in found[2].split("|")) + "."
