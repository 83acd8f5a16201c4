"""Overrides: `policy.exit_threshold=0.9` replaces one value of the tree before anything is checked.

The new value is YAML and carries the override itself as its place, so that a fault in it is reported as one
of `--set path=value`. Nothing is changed in place: an anchored mapping that others use stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from mdisim.scenario.faults import Document, Fault, ScenarioError
from mdisim.scenario.nearest import hint
from mdisim.scenario.yamlio import Mark, Node, YamlError, compose

Overrides = Iterable[str] | Mapping[str, object]

OPEN = ("devices",)  # mappings whose keys are names of the user's own


def assignments(overrides: Overrides) -> tuple[str, ...]:
    """Return overrides as texts `path=value`; the values of a mapping are written as JSON, which is YAML."""
    if isinstance(overrides, Mapping):
        return tuple(f"{path}={json.dumps(value)}" for path, value in overrides.items())
    if isinstance(overrides, str):
        return (overrides,)
    return tuple(overrides)


def apply(document: Document, overrides: Iterable[str]) -> Document:
    """Return the document with the overrides put in; a ScenarioError holds those that cannot be."""
    faults = []
    root = document.root
    for assignment in overrides:
        mark = Mark(f"--set {assignment}", 0, 0, assignment)
        path, equals, value = assignment.partition("=")
        try:
            if not equals or not all(part.strip() for part in path.split(".")):
                raise YamlError("write path=value, such as run.seed=3")
            new = compose(value, mark.origin) if value.strip() else Node(None, mark)
            root = _put(root, path.strip().split("."), _moved(new, mark), [])
        except YamlError as fault:
            faults.append(Fault(mark.origin, fault.message, override=assignment))
    if faults:
        raise ScenarioError(faults)
    return replace(document, root=root)


def _moved(node: Node, mark: Mark) -> Node:
    """The same value with the override as its place."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _moved(child, mark) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_moved(child, mark) for child in value]
    return Node(value, mark, dict.fromkeys(node.keys, mark), node.size)


def _put(node: Node, path: list[str], new: Node, above: list[str]) -> Node:
    """Return the node with a new value at the path below it."""
    if not path:
        return new
    part, *rest = path
    here = ".".join(above)
    if isinstance(node.value, list):
        index = _index(part, len(node.value), here)
        items = [*node.value]
        items[index] = _put(items[index], rest, new, [*above, part])
        return replace(node, value=items)
    if above == ["workload"] and part.isdecimal():  # a lone source, written without a list
        if part != "0":
            raise YamlError(f"workload is a single source; write workload.0 in place of workload.{part}")
        return _put(node, rest, new, above)
    mapping = _as_mapping(node, part, above, new.mark)
    if part not in mapping.value and rest and above == [*OPEN]:
        raise YamlError(f"there is no {part!r} in {here}; {hint(part, mapping.value, 'there are')}")
    child = mapping.value.get(part, Node({}, new.mark))
    value = mapping.value | {part: _put(child, rest, new, [*above, part])}
    return replace(mapping, value=value, keys=mapping.keys | {part: new.mark})


def _index(part: str, length: int, here: str) -> int:
    if part.isdecimal() and int(part) < length:
        return int(part)
    last = f"{here}.0" + (f" to {here}.{length - 1}" if length > 1 else "")
    raise YamlError(f"{here} is a list of {length}; write {last} in place of {here}.{part}")


def _as_mapping(node: Node, part: str, above: list[str], mark: Mark) -> Node:
    """A mapping to put a key into: nothing becomes an empty one, a policy's or trace's name one with its name."""
    if isinstance(node.value, dict):
        return node
    if node.value is None:
        return Node({}, mark)
    if isinstance(node.value, str) and (above[0] in ("policy", "compare") or above[-1] == "trace"):
        return Node({"name": node}, node.mark, {"name": node.mark})
    written = ".".join(above)
    raise YamlError(f"{written} is {node.value!r}, which has no keys: {written}.{part} leads nowhere")
