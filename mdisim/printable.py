"""Text that somebody else wrote, as it may stand on a terminal, in a page or in a table.

A terminal obeys control characters: a label in a file could set its title, colour what follows or hide it. Marks
of the direction of writing show letters in another order than they stand in. Both are written out here.
"""

from __future__ import annotations

import unicodedata


def printable(text: str, keep: str = "") -> str:
    r"""The text with every character that is not seen written as its escape, such as \x1b; `keep` stays."""
    if text.isprintable():
        return text
    return "".join(one if one in keep or is_printable(one) else escaped(one) for one in text)


def unseen(text: str) -> str:
    """The first character that is not seen, as U+001B; empty where there is none."""
    return next((f"U+{ord(one):04X}" for one in text if not is_printable(one)), "")


def is_text(text: str) -> bool:
    """Whether a text can be written at all: half of a surrogate pair, which JSON can state, has no bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_printable(character: str) -> bool:
    """Whether a character is seen as itself: neither control, nor direction, nor half of a surrogate pair."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def escaped(character: str) -> str:
    r"""A character as Python and YAML write it in a text, such as \x1b or \u202e."""
    return character.encode("unicode_escape").decode("ascii")
