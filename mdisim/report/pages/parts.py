"""What a page is made of, as plain data, before it is HTML: facts, warnings, tables and pictures."""

from __future__ import annotations

from typing import NamedTuple

Facts = tuple[tuple[str, str], ...]  # names and values


class Table(NamedTuple):
    """A table of texts: `words` columns of words, then numbers. A folded one is opened by hand."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    words: int = 1
    folded: bool = False


class Picture(NamedTuple):
    """A figure as two data URIs, for wide screens, where it has that width in pixels, and for narrow ones.

    `alt` says in words what it shows.
    """

    title: str
    alt: str
    wide: str
    narrow: str
    width: int
    note: str = ""


class Body(NamedTuple):
    """What is said of results of one kind: `kind` in a line, what was run, and what came out.

    `warnings` speak against the numbers, `undrawn` tells of figures that are not there.
    """

    kind: str
    facts: Facts
    settings: tuple[Table, ...]
    warnings: tuple[str, ...]
    verdicts: Table
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    undrawn: tuple[str, ...] = ()


class Past(NamedTuple):
    """Where results come from: the scenario, how they were made, and the files that say so in full."""

    scenario: str
    description: str
    facts: Facts
    versions: Facts
    files: Facts
    network: Picture | None
    unread: str = ""  # why there is no picture of the network
