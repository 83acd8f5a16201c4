"""What a named policy is, how it works, where it comes from and what of it does not: its docstring, in parts.

The docstring of a recipe is plain text in paragraphs. The first says what the policy is; one that begins with
"Source:" where it comes from; one that begins with "Reconstructed:" what is not from there, because nobody
says it or the text was not at hand, and what was assumed instead. What stands in between says how it works.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import cleandoc

LABELS = ("Source", "Reconstructed")


@dataclass(frozen=True)
class Description:
    """A docstring in parts; empty where it has none. An empty line parts the paragraphs of one part."""

    summary: str = ""
    how: str = ""
    source: str = ""
    reconstructed: str = ""


def described(recipe: object) -> Description:
    """The description of a recipe, a class or an object, yours too; lines are joined, so that each screen wraps.

    Nothing is inherited: a class of your own without a docstring does not come from where its base comes from.
    """
    kind = recipe if isinstance(recipe, type) else type(recipe)
    text = recipe.__doc__
    if not isinstance(text, str) or text.startswith(f"{kind.__name__}("):  # the signature, by dataclasses
        return Description()
    parts: dict[str, list[str]] = {}
    part = "summary"
    for paragraph in re.split(r"\n\s*\n", cleandoc(text)):
        words = " ".join(paragraph.split())
        label, colon, rest = words.partition(":")
        if colon and label in LABELS:
            part, words = label.lower(), rest.strip()
        parts.setdefault(part, []).append(words)
        if part == "summary":
            part = "how"
    return Description(**{part: "\n\n".join(said) for part, said in parts.items()})
