"""Faults of a scenario: each says where it stands, what is wrong and what would do; all are reported at once.

A `Document` is the tree of what was written, so that a fault found anywhere can be pointed at. A path is
written with dots, `network.links.0.rate`, as `--set` takes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from mdisim.errors import InputError
from mdisim.scenario.yamlio import Mark, Node, YamlError

Path = tuple[str | int, ...]
WIDTH = 100  # of an excerpt


class Finding(NamedTuple):
    """Something wrong at a path; `at_key` if it is about the key, not about its value."""

    path: Path
    message: str
    at_key: bool = False


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where (a file's line and column from 1, or an override), the path, and what.

    `override` is the `path=value` that it is about, if it is about one.
    """

    origin: str
    message: str
    path: str = ""
    line: int | None = None
    column: int | None = None
    source: str = ""
    override: str = ""

    def __str__(self) -> str:
        """The message with its place, the line itself and a caret."""
        where = self.origin if self.line is None else f"{self.origin}:{self.line}:{self.column}"
        head = f"{where}: {self.path + ': ' if self.path else ''}{self.message}"
        return head if self.column is None else head + _excerpt(self.source, self.column - 1)


def _excerpt(source: str, column: int) -> str:
    """The line, or what is near the column if it is long, and a caret below."""
    if not source.strip():
        return ""
    start = len(source) - len(source.lstrip())
    if column - start > WIDTH - 20:
        start = column - WIDTH // 2
    return f"\n    {source[start : start + WIDTH].rstrip().replace(chr(9), ' ')}\n    {' ' * (column - start)}^"


class ScenarioError(InputError):
    """A scenario that cannot be used; `faults` are everything found wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[tuple[Fault, ...]]]:
        """Pickle by the faults, so that the error crosses a process pool."""
        return type(self), (self.faults,)


@dataclass(frozen=True)
class Document:
    """What was written, as nodes that know their place, and the text of its file."""

    origin: str
    root: Node
    lines: tuple[str, ...] = field(repr=False, default=())

    def find(self, path: Path) -> tuple[Node, Mark, tuple[str, ...]]:
        """The node nearest to a path, the mark of its key or item, and the path as it was written.

        What is not in the text is passed over: a default, the tag of a union, the 0 of a lone item.
        """
        node, mark, written = self.root, self.root.mark, list[str]()
        for part in path:
            if isinstance(node.value, dict) and part in node.value:
                node, mark = node.value[part], node.keys[str(part)]
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                mark = node.mark
            else:
                continue
            written.append(str(part))
        return node, mark, tuple(written)

    def fault(self, finding: Finding) -> Fault:
        """Point at what was found."""
        node, key, written = self.find(finding.path)
        return self.fault_at(key if finding.at_key else node.mark, finding.message, ".".join(written))

    def fault_at(self, mark: Mark, message: str, path: str = "") -> Fault:
        """A fault at a place of this text, or at an override."""
        if mark.origin != self.origin:
            return Fault(mark.origin, message, path, override=mark.override)
        source = self.lines[mark.line] if mark.line < len(self.lines) else ""
        return Fault(mark.origin, message, path, mark.line + 1, mark.column + 1, source)


def unreadable(origin: str, text: str, fault: YamlError) -> Fault:
    """The fault of a text that has no tree to point into."""
    if fault.mark is None:
        return Fault(origin, fault.message)
    return Document(fault.mark.origin, Node(None, fault.mark), tuple(text.splitlines())).fault_at(
        fault.mark, fault.message
    )


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Sort by place: the file from its top, then overrides; each fault once."""
    once = list(dict.fromkeys(faults))
    return sorted(once, key=lambda f: (f.line is None, f.line or 0, f.column or 0))
