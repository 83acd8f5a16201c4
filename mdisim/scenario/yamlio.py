"""YAML with places: text becomes a tree of nodes that know where they stand, and the tree becomes plain data.

Scalars follow the core schema of YAML 1.2 (`1e3` is a number; `no`, `12:30` and dates are texts). The tree is
built from the parser's events with bounds of our own on size, depth and what aliases expand to, so that a
hostile file costs nothing. Keys given twice and tags are refused; merge keys (`<<`) work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mdisim import files
from mdisim.errors import InputError
from mdisim.printable import is_text, unseen
from mdisim.scenario.yaml_errors import explained

LIMIT_BYTES = 1_000_000
LIMIT_DEPTH = 30
LIMIT_NODES = 100_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"(?:[-+]?[0-9]{1,100}|0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100})\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}


@dataclass(frozen=True)
class Mark:
    """A place in a text: its name (a file, or `--set path=value`), line and column from 0.

    `override` is the `path=value` that put the value there, if one did.
    """

    origin: str
    line: int
    column: int
    override: str = ""


class YamlError(InputError):
    """A text that cannot be read as a scenario's YAML: one message, and the place if there is one."""

    def __init__(self, message: str, mark: Mark | None = None) -> None:
        super().__init__(message)
        self.message, self.mark = message, mark


class _DepthError(YamlError):
    """A text that is nested too deep."""


@dataclass
class Node:
    """A value and where it stands: a scalar, a list of nodes, or a mapping of keys to nodes.

    `keys` marks the keys of a mapping; `size` counts the nodes, an alias as often as it is used.
    """

    value: Any
    mark: Mark
    keys: dict[str, Mark] = field(default_factory=dict)
    size: int = 1

    def data(self) -> Any:
        """The plain value, without places."""
        if isinstance(self.value, dict):
            return {key: node.data() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.data() for node in self.value]
        return self.value


def decode(path: Path) -> str:
    """Return a file's text; raises YamlError where it is too large, or no text, and what opening a file raises."""
    try:
        raw = files.content(path, LIMIT_BYTES)
    except ValueError as error:
        raise YamlError(f"{error}: is this a scenario?") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        seen = f"byte {error.start} is 0x{raw[error.start]:02x}"
        raise YamlError(f"is not a text file in UTF-8 ({seen}); a scenario is YAML text") from None


def compose(text: str, origin: str) -> Node:
    """Read one YAML document into nodes; raises YamlError with the first thing that is wrong."""
    try:
        return _Composer(origin).document(yaml.parse(text, Loader=_LOADER))
    except yaml.reader.ReaderError as error:
        raise YamlError(
            f"is not YAML text: it holds the control character 0x{_code(error):02x} at position {error.position}"
        ) from None
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error, text, origin) from None


def _unreadable(error: yaml.MarkedYAMLError, text: str, origin: str) -> YamlError:
    """The parser's error in our words, or our limit on depth where a parser that reads ahead hid it."""
    wrong = explained(error, text)
    if error.problem_mark is not None:
        try:
            _Composer(origin).document(yaml.parse(text[: error.problem_mark.index], Loader=_LOADER))
        except _DepthError as deep:
            return deep
        except (YamlError, yaml.YAMLError):
            pass
    mark = None if wrong.place is None else Mark(origin, wrong.place.line, wrong.place.column)
    return YamlError(f"not readable as YAML: {wrong.message}", mark)


def _code(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character)


class _Composer:
    """Builds the tree of one document from events."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.anchors: dict[str, Node | None] = {}  # None while the anchored value is still open
        self.depth = self.nodes = 0

    def document(self, events: Iterable[Any]) -> Node:
        stream = (e for e in events if not isinstance(e, yaml.StreamStartEvent | yaml.DocumentStartEvent))
        event = next(stream)
        if isinstance(event, yaml.StreamEndEvent):
            raise YamlError("is empty; a scenario is a YAML mapping that begins with a key such as 'profile:'")
        root = self.node(event, stream)
        next(stream)
        more = next(stream)
        if not isinstance(more, yaml.StreamEndEvent):
            raise YamlError("a second YAML document begins here; a scenario is one document", self.mark(more))
        return root

    def mark(self, event: Any) -> Mark:
        return Mark(self.origin, event.start_mark.line, event.start_mark.column)

    def node(self, event: Any, events: Iterator[Any]) -> Node:
        mark = self.mark(event)
        if isinstance(event, yaml.AliasEvent):
            return self.counted(self.alias(str(event.anchor), mark))
        if getattr(event, "tag", None) not in (None, "!"):
            raise YamlError(f"the tag {_tag(event.tag)} is not read here; leave it out", mark)
        if event.anchor:
            self.anchors[event.anchor] = None
        self.depth += 1
        if self.depth > LIMIT_DEPTH:
            raise _DepthError(f"is nested more than {LIMIT_DEPTH} deep; no scenario is", mark)
        if isinstance(event, yaml.ScalarEvent):
            self.check_text(event.value, mark)
            node = Node(_scalar(event.value) if event.implicit[0] else event.value, mark)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(mark, events)
        else:
            node = self.mapping(mark, events)
        self.depth -= 1
        if event.anchor:
            self.anchors[event.anchor] = node
        return self.counted(node)

    def alias(self, name: str, mark: Mark) -> Node:
        if name not in self.anchors:
            raise YamlError(f"the alias *{name} has no anchor &{name} before it", mark)
        node = self.anchors[name]
        if node is None:
            raise YamlError(f"the alias *{name} stands inside what it names", mark)
        return node

    def check_text(self, text: str, mark: Mark) -> None:
        if not is_text(text):  # libyaml refuses it, the parser in Python does not
            raise YamlError(f"{text!r} holds half of a surrogate pair, which is no Unicode text", mark)

    def counted(self, node: Node) -> Node:
        if node.size > LIMIT_NODES:
            raise YamlError(f"holds more than {LIMIT_NODES} values once its aliases are expanded", node.mark)
        return node

    def sequence(self, mark: Mark, events: Iterator[Any]) -> Node:
        node = Node([], mark)
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            item = self.node(event, events)
            node.value.append(item)
            node.size += item.size
            self.counted(node)
        return node

    def mapping(self, mark: Mark, events: Iterator[Any]) -> Node:
        node = Node({}, mark)
        merged: list[Node] = []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key_mark = self.mark(event)
            if not isinstance(event, yaml.ScalarEvent) or not event.value:
                raise YamlError("a key must be a plain word, such as 'profile'", key_mark)
            self.check_text(event.value, key_mark)
            value = self.node(next(events), events)
            node.size += value.size
            self.counted(node)
            if event.value == "<<" and event.implicit[0]:
                merged += self.merge(value)
            elif event.value in node.value:
                first = node.keys[event.value].line + 1
                raise YamlError(f"the key {event.value!r} is given twice (first on line {first})", key_mark)
            else:
                node.value[event.value] = value
                node.keys[event.value] = key_mark
        for other in merged:
            node.keys = other.keys | node.keys
            node.value = other.value | node.value
        return node

    def merge(self, value: Node) -> list[Node]:
        found = value.value if isinstance(value.value, list) else [value]
        if not all(isinstance(one.value, dict) for one in found):
            raise YamlError("'<<' merges mappings: write '<<: *name' of an anchored mapping", value.mark)
        return found


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text) if _FLOAT.match(text) else text


def _tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


class _Dumper(yaml.SafeDumper):
    """Quotes what a reader of YAML 1.2 would take for a number, too."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def text(self, data: str) -> yaml.ScalarNode:
        """Put a text with line breaks or unprintable characters on one line, escaped."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, None if data.isprintable() else '"')

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Escape what is not seen, too: YAML would let marks of the direction of writing stand."""
        self.allow_unicode = not unseen(text.replace("\n", ""))
        super().write_double_quoted(text, split)
        self.allow_unicode = True


_Dumper.add_representer(str, _Dumper.text)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))


def dump(data: Any) -> str:
    """Write plain data as YAML, in the order of its keys, so that `compose` reads the same data back."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))
