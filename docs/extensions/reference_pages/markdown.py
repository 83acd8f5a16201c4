"""Pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, a line a row."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells) + "\n"


def code(text: object) -> str:
    """Text as code."""
    return f"`{text}`"


def plain(text: str) -> str:
    """Text that means itself: `*` and `_` mark nothing, but backticks still do."""
    parts = text.split("`")
    for i in range(0, len(parts), 2):
        for mark in "*_<>$[]":
            parts[i] = parts[i].replace(mark, f"\\{mark}")
    return "`".join(parts)
