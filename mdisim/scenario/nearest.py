"""Words for messages: the nearest name, and lists as a person writes them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

ALIKE, SAME_WORD = 0.6, 0.85  # ratios of difflib


def nearest(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Return the known names most like this one, at most `count`; none if nothing is alike."""
    folded = {k.casefold().replace("_", "-"): k for k in known}
    sought = name.casefold().replace("_", "-")
    likeness = {k: _likeness(sought, k) for k in folded}
    close = sorted((k for k in folded if likeness[k] >= ALIKE), key=lambda k: likeness[k], reverse=True)
    return [folded[k] for k in close[:count]]


def _likeness(sought: str, known: str) -> float:
    """From 0 to 1; the last word counts too: 'treshold' means 'exit-threshold' rather than 'threshold-min'."""
    whole = SequenceMatcher(None, known, sought).ratio()
    last = SequenceMatcher(None, known.rpartition("-")[2], sought).ratio()
    return max(whole, last if last >= SAME_WORD else 0.0)


def listed(names: Iterable[str], last: str = "and") -> str:
    """Write 'a', 'b' or 'c'."""
    quoted = [repr(name) for name in names]
    return f" {last} ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def one_of(names: Iterable[str]) -> str:
    """Write a, b, c; a long list is cut short."""
    every = list(names)
    return ", ".join(every[:20]) + (f" and {len(every) - 20} more" if len(every) > 20 else "")


def hint(name: str, known: Iterable[str], there_are: str = "known") -> str:
    """Return "did you mean 'x'?", or else what there is."""
    every = list(known)
    near = nearest(name, every)
    return f"did you mean {near[0]!r}?" if near else f"{there_are}: {one_of(every)}"
