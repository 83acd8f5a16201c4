"""What is wrong with a text that a YAML parser cannot read, told from the text where the parser stopped.

A parser's error has a class and two places: where it stopped, and where what it was reading begins. Its words
differ between parsers and change between releases, so they decide nothing here.
"""

from __future__ import annotations

from typing import NamedTuple

from yaml import Mark as Place
from yaml import MarkedYAMLError
from yaml.scanner import ScannerError

_NO_START = "@`%&*!"  # a plain text cannot begin with one of these
_BLOCK = "|>"


class Mistake(NamedTuple):
    """What is wrong, and where it is best looked for (None: unknown)."""

    message: str
    place: Place | None


def explained(error: MarkedYAMLError, text: str) -> Mistake:
    """Return what is wrong with the text, in words of our own."""
    stop, begin = error.problem_mark or error.context_mark, error.context_mark
    if stop is None:
        return _unknown(error, None)
    at, first = text[stop.index : stop.index + 1], "" if begin is None else text[begin.index : begin.index + 1]
    if at == "\t" or "\t" in _indentation(text, stop):
        return Mistake("indent with spaces, not tabs", stop)
    if isinstance(error, ScannerError):
        return _bad_token(error, text, stop, first)
    if begin is None:
        return _unknown(error, stop)
    if begin.index == stop.index:
        return Mistake("a value is missing: is a '[' or '{' left open?", stop)
    if first in ("[", "{"):
        kind, closing = ("list", "]") if first == "[" else ("mapping", "}")
        return Mistake(f"this {kind} lacks a ',' or its '{closing}'", begin)
    if text[_line_start(text, stop) : stop.index].strip(" -"):
        return Mistake("the value ends before this: put text that holds special characters in quotes", stop)
    above = "list" if text[begin.index : begin.index + 2].strip() == "-" else "lines"
    return Mistake(f"the indentation does not fit the {above} above", stop)


def _bad_token(error: ScannerError, text: str, stop: Place, first: str) -> Mistake:
    """Explain characters that do not make up a word, a text or a mark of YAML."""
    begin, at = error.context_mark, text[stop.index : stop.index + 1]
    if at == ":" and begin is None:
        hint = "a second ': ' on this line, or a line indented too far: put text that holds ': ' in quotes"
        return Mistake(hint, stop)
    if first in ("'", '"') and begin is not None:
        escape = first == '"' and "\\" in text[max(stop.index - 1, begin.index) : stop.index + 1]
        if escape:
            return Mistake("this escape is unknown: write '\\\\' for a backslash, or use single quotes", stop)
        return Mistake("this text in quotes is never closed", begin)
    if first and first in _BLOCK:
        return Mistake(
            f"after {first!r} a text begins on the next line; put a text with a {first!r} in quotes", begin
        )
    for character, place in ((first, begin), (at, stop)):
        if character and character in _NO_START + _BLOCK:
            return Mistake(f"a value cannot begin with {character!r}: put the text in quotes", place)
    if begin is not None and stop.line > begin.line:
        return Mistake("this line is not 'key: value'", begin)
    return _unknown(error, stop)


def _unknown(error: MarkedYAMLError, place: Place | None) -> Mistake:
    said = error.problem or error.context
    also = f" (the parser says: {said})" if said else ""
    return Mistake(f"look at the quotes, brackets and indentation{' here' if place else ''}{also}", place)


def _line_start(text: str, place: Place) -> int:
    return max(text.rfind(end, 0, place.index) for end in "\n\r") + 1


def _indentation(text: str, place: Place) -> str:
    line = text[_line_start(text, place) : place.index]
    return line[: len(line) - len(line.lstrip(" \t"))]
